"""The reference: every public function and class with its whole docstring, read without imports.

No Keras is needed to build the site, so the package's files are parsed, not imported.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "tta_helpers"
SECTION = re.compile(r"(?m)^([A-Z][a-z]+)\n-{3,}\n")
Definition = ast.FunctionDef | ast.ClassDef | ast.Assign
INTRODUCTION = """\
# Reference

Every public function and class with its docstring: shapes, ranges, errors, sources. \
[The public surface](docs/api.md) has the same on one page, a sentence each.

```{toctree}
:maxdepth: 1

%s
```
"""


def written(root: Path) -> dict[str, str]:
    """Return the place and text of each page: one that lists the modules, and one a module."""
    rooms = modules(root)
    pages = {f"reference/{name}.md": page(root, name, names) for name, names in rooms.items()}
    return {"reference.md": INTRODUCTION % "\n".join(f"reference/{n}" for n in rooms), **pages}


def modules(root: Path) -> dict[str, list[str]]:
    """Return the public modules with their public names, by what the package's own file says."""
    values = constants(root / PACKAGE / "__init__.py")
    public = {name: constants(files(root, name)[0])["__all__"] for name in values["_MODULES"]}
    for name, module in values["_FUNCTIONS"].items():
        if name not in public.setdefault(module, []):
            public[module].append(name)
    return dict(sorted(public.items()))


def constants(path: Path) -> dict[str, object]:
    """Return the names that a file gives plain values to."""
    found = {}
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def files(root: Path, module: str) -> list[Path]:
    """Return a module's files, the one with its docstring first."""
    folder = root / PACKAGE / module
    if folder.is_dir():
        return [
            folder / "__init__.py",
            *sorted(set(folder.glob("*.py")) - {folder / "__init__.py"}),
        ]
    return [folder.with_suffix(".py")]


def page(root: Path, module: str, names: list[str]) -> str:
    """Return the page of a module."""
    defined: dict[str, tuple[Definition, str]] = {}
    for path in files(root, module):
        defined |= definitions(path.read_text("utf-8"))
    about = ast.get_docstring(ast.parse(files(root, module)[0].read_text("utf-8")))
    entries = [entry(name, *defined[name]) for name in names]
    return "\n\n".join([f"# {PACKAGE}.{module}", prose(about or ""), *entries]) + "\n"


def definitions(source: str) -> dict[str, tuple[Definition, str]]:
    """Return what a file defines by name, each with the source of the whole file."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = (node, source)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = (node, source)
    return found


def entry(name: str, node: Definition, source: str) -> str:
    """Return the heading, signature and docstring of one name."""
    if isinstance(node, ast.Assign):
        return f"## {name}\n\n{code(ast.get_source_segment(source, node))}"
    parts = [f"## {name}", code(signature(node, source)), docstring(node)]
    if isinstance(node, ast.ClassDef) and (lines := [*methods(node)]):
        parts += ["**Methods and properties**", "\n".join(lines)]
    return "\n\n".join(parts)


def code(text: str) -> str:
    """Return a block of Python."""
    return f"```python\n{text}\n```"


def signature(node: ast.FunctionDef | ast.ClassDef, source: str) -> str:
    """Return how a function is called; of a class, how one is made."""
    function = node
    if isinstance(node, ast.ClassDef):
        made = [one for one in node.body if getattr(one, "name", "") == "__init__"]
        if not made:
            return f"class {node.name}"
        function = made[0]
    lines = source.splitlines()[function.lineno - 1 : function.body[0].lineno - 1]
    head = inspect.cleandoc("\n".join(lines)).rstrip().removesuffix(":").removeprefix("def ")
    return re.sub(r"^__init__\(\s*self(, )?", f"{node.name}(", head)


def methods(node: ast.ClassDef) -> Iterator[str]:
    """Yield a line for each public method and property, with its first paragraph."""
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and one.name[0] != "_" and ast.get_docstring(one):
            is_property = any(getattr(d, "id", "") == "property" for d in one.decorator_list)
            names = [a.arg for a in [*one.args.args, *one.args.kwonlyargs] if a.arg != "self"]
            call = "" if is_property else f"({', '.join(names)})"
            first = ast.get_docstring(one).split("\n\n")[0]
            yield f"- `{one.name}{call}`: {prose(' '.join(first.split()))}"


def docstring(node: ast.FunctionDef | ast.ClassDef) -> str:
    """Return a docstring in numpydoc's form as Markdown."""
    first, *rest = SECTION.split(ast.get_docstring(node) or "")
    parts = [prose(first)]
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        parts += [f"**{title}**", items(body.strip("\n"))]
    return "\n\n".join(parts)


def items(body: str) -> str:
    """Return the entries of a section as a list; a section without entries as it is."""
    blocks = re.split(r"(?m)^(?=\S)", body)[1:]
    if not any("\n    " in block for block in blocks):
        return prose(body)
    lines = []
    for block in blocks:
        head, _, text = block.partition("\n")
        name, _, kind = head.partition(" : ")
        told = prose(inspect.cleandoc(text)).replace("\n", "\n  ")
        lines.append(f"- `{name}`{f' ({prose(kind)})' if kind else ''}: {told}".rstrip(": "))
    return "\n".join(lines)


def prose(text: str) -> str:
    """Return running text for Markdown: what is no code must not read as HTML or as a formula."""
    parts = re.split(r"(``[^`]*``|`[^`]*`|(?m:^    .*$))", text.strip())
    parts[::2] = [re.sub(r"([<$*\[])", r"\\\1", part) for part in parts[::2]]
    return re.sub(r"\\\*(\w[^*`]*\w)\\\*", r"*\1*", "".join(parts))  # emphasis stays
