"""Write docs/api.md, and what docs/architecture.md shows of the code: `make docs`."""

import ast
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType
from typing import Any

import tta_helpers
from tta_helpers.workbook.place import ROOT, write_whole
from tta_helpers.workbook.publishing import with_section

PACKAGE = "tta_helpers"
WINGS = {"take-away": PACKAGE, "workbook": f"{PACKAGE}.workbook"}
Graph = Mapping[str, set[str]]  # each module with those that it imports

# ---------------------------------------------------------------- the house


def source_files(root: Path = ROOT) -> dict[str, Path]:
    """Return every module of the package with its file; a package's file is its `__init__.py`."""
    files = sorted((root / PACKAGE).rglob("*.py"))
    names = (path.relative_to(root).with_suffix("").parts for path in files)
    names = (".".join(parts).removesuffix(".__init__") for parts in names)
    return dict(zip(names, files, strict=True))


def imported(path: Path, package: str) -> Iterator[str]:
    """Yield what a file imports, wherever in it; `package` is where its relative imports start."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            module = importlib.util.resolve_name(relative, package)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imports(root: Path = ROOT) -> dict[str, set[str]]:
    """Return all that each module imports: modules of the package, and others by their full name.

    An imported name counts as the module that holds it, so a package that gathers the names of its
    parts does not count as imported by them.
    """
    files = source_files(root)
    found = {}
    for name, path in files.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found[name] = {_holder(what, files) for what in imported(path, package)}
    return found


def _holder(name: str, files: Mapping[str, Path]) -> str:
    """Return the longest part of a dotted name that is a module of the package, else the name."""
    start = name
    while start and start not in files:
        start = start.rpartition(".")[0]
    return start or name


def wing(name: str) -> str:
    """Return the wing of a module of the package."""
    inside = f"{name}.".startswith(f"{WINGS['workbook']}.")
    return "workbook" if inside else "take-away"


def room(name: str) -> str:
    """Return the module or package directly in a wing that a module belongs to."""
    start = WINGS[wing(name)]
    return ".".join(name.split(".")[: start.count(".") + 2])


def house(root: Path = ROOT) -> dict[str, set[str]]:
    """Return the rooms of both wings, each with the other rooms that it imports."""
    rooms: dict[str, set[str]] = {}
    for name, others in imports(root).items():
        inside = {room(other) for other in others if other.split(".")[0] == PACKAGE}
        rooms.setdefault(room(name), set()).update(inside)
    doors = set(WINGS.values())  # the two `__init__.py` that only open a wing
    return {name: rooms[name] - {name} - doors for name in rooms.keys() - doors}


def in_order(graph: Graph) -> list[str]:
    """Return the modules so that each stands below those that it imports.

    Raises
    ------
    graphlib.CycleError
        If some import each other.
    """
    sorter, order = TopologicalSorter(graph), []
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        sorter.done(*ready)
        order += ready
    return order


def reduced(graph: Graph) -> dict[str, set[str]]:
    """Return a graph without the imports that a longer way leads to as well."""
    reach: dict[str, set[str]] = {}
    for name in in_order(graph):
        reach[name] = graph[name].union(*(reach[other] for other in graph[name]))
    return {
        name: others - set().union(*(reach[other] for other in others))
        for name, others in graph.items()
    }


def listed(graph: Graph, files: Mapping[str, Path]) -> str:
    """Return the modules of each wing in the order of their imports, with what each is for."""
    order, lines = in_order(graph), []
    for label, start in WINGS.items():
        lines += [f"**{label}**, `{start.replace('.', '/')}/`", ""]
        for name in (name for name in order if wing(name) == label):
            doc = ast.get_docstring(ast.parse(files[name].read_text(encoding="utf-8")))
            ending = "/" if files[name].name == "__init__.py" else ".py"
            lines.append(f"- `{name.removeprefix(f'{start}.')}{ending}`: {first_sentence(doc)}")
        lines.append("")
    return "\n".join(lines)


def diagram(graph: Graph) -> str:
    """Return the imports as a mermaid diagram with a box a wing."""
    ids = {name: name.removeprefix(f"{PACKAGE}.").replace(".", "_") for name in graph}
    lines = ["```mermaid", "flowchart TB"]
    for label in reversed(WINGS):
        lines.append(f'  subgraph {label.replace("-", "_")}["{label}"]')
        inside = sorted(name for name in graph if wing(name) == label)
        lines += [f'    m_{ids[name]}["{name.rpartition(".")[2]}"]' for name in inside]
        lines.append("  end")
    arrows = [(name, other) for name, others in reduced(graph).items() for other in others]
    lines += sorted(f"  m_{ids[name]} --> m_{ids[other]}" for name, other in arrows)
    return "\n".join([*lines, "```", ""])


def architecture(root: Path = ROOT) -> str:
    """Return the text of docs/architecture.md with its drawn section as the code has it."""
    graph = house(root)
    section = f"{listed(graph, source_files(root))}\n{diagram(graph)}"
    return with_section(root / "docs" / "architecture.md", "house", section)


# ---------------------------------------------------------------- the public surface

TITLE = """\
# The public surface

<!-- This page is written by `make docs`. -->

What `from tta_helpers import …` offers, with the first words of each docstring; `help(name)` tells
the rest: shapes, ranges, errors, sources.
"""


def first_sentence(doc: str | None) -> str:
    """Return the first sentence of a docstring on one line."""
    return re.split(r"(?<=[^.]\.) (?=[^a-z\d])", first_paragraph(doc))[0]


def first_paragraph(doc: str | None) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join((doc or "").split("\n\n")[0].split())


def api() -> str:
    """Return docs/api.md."""
    public = {name: getattr(tta_helpers, name) for name in tta_helpers.__all__}
    functions = {k: value for k, value in public.items() if not inspect.ismodule(value)}
    modules = {k: value for k, value in public.items() if inspect.ismodule(value)}
    parts = [TITLE, "## Functions", *(_function(*item) for item in functions.items())]
    parts += ["## Modules", *(_module(*item) for item in modules.items())]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _function(name: str, function: Any) -> str:
    """Return a function's signature, as its source has it, and its first paragraph."""
    if not inspect.isfunction(function):
        return f"### {name}\n\n{_line(name, function)}"
    source = inspect.getsource(function)
    body = ast.parse(source).body[0].body
    head = "\n".join(source.splitlines()[: body[0].lineno - 1])
    head = head[head.index("def ") + 4 :].rstrip().removesuffix(":")
    return f"### {name}\n\n```python\n{head}\n```\n\n{first_paragraph(inspect.getdoc(function))}"


def _module(name: str, module: ModuleType) -> str:
    """Return a module's first paragraph, and a line for each of its public names."""
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    ]
    lines = "\n".join(_line(name, getattr(module, name)) for name in names)
    return f"### {name}\n\n{first_paragraph(inspect.getdoc(module))}\n\n{lines}"


def _line(name: str, value: Any) -> str:
    """Return a function or class with its parameters and first sentence; of a set, its members."""
    if inspect.isclass(value):
        own = vars(value).get("__init__")
        call = _parameters(own) if inspect.isfunction(own) else ""
        return f"- `{name}{call}`: {first_sentence(inspect.getdoc(value))}"
    if inspect.isfunction(inspect.unwrap(value)):
        return f"- `{name}{_parameters(value)}`: {first_sentence(inspect.getdoc(value))}"
    if isinstance(value, tuple):
        return f"- `{name}`: {', '.join(str(getattr(one, 'name', one)) for one in value)}"
    return f"- `{name}`: `{re.sub(r'(collections[.]abc|typing)[.]', '', repr(value))}`"


def _parameters(function: Any) -> str:
    """Return a function's parameters with their defaults, without `self` and types."""
    signature = inspect.signature(function)
    kept = [p for p in signature.parameters.values() if p.name != "self"]
    plain = [p.replace(annotation=p.empty) for p in kept]
    return str(signature.replace(parameters=plain, return_annotation=signature.empty))


# ---------------------------------------------------------------- both


def pages() -> dict[Path, str]:
    """Return what is written where."""
    return {ROOT / "docs" / "api.md": api(), ROOT / "docs" / "architecture.md": architecture()}


def main() -> int:
    """Write the pages; return the exit status."""
    for path, text in pages().items():
        write_whole(path, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
