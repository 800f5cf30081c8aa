"""Parameters of notebooks: declared once, with their ranges, and checked before anything starts.

A notebook's cell tagged `parameters` sets each to its default. What stands in parentheses at the
end of the comment beside it is its range:

    epochs = 3  # passes over the training images (1 or more)
    alpha = 0.1  # share of the sets that may miss the right class (above 0, below 1)
    k = 1  # views an image (1 to 12)
    predictor = "compact"  # or "efficientnet", the paper's (one of compact, efficientnet)
    penalties = "0.01 0.1"  # strengths to try (each above 0)
    image_size = 0  # pixels a side; 0 keeps the size (0, or 8 or more)
    seen = "noise blur"  # what to train on (corruptions)

Tiers and sweeps are YAML 1.2: `010` is ten, `1e-3` a number, `yes` a word; a key stands once.
"""

import ast
import functools
import io
import itertools
import json
import math
import re
import tokenize
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as short
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

from tta_helpers.workbook import place
from tta_helpers.workbook.data import some
from tta_helpers.workbook.place import RunError

DEEPEST = 20  # lists in lists in a YAML file

# ---------------------------------------------------------------- ranges


@dataclass(frozen=True)
class Parameter:
    """A notebook's parameter: its default, its range as the notebook words it, and the check."""

    name: str
    default: Any
    range: str = ""
    holds: Callable[[Any], bool] = field(default=lambda value: True, compare=False)

    def checked(self, value: Any, notebook: str) -> Any:
        """Return a value in the default's type: a whole number passes for a float, one for several.

        Raises
        ------
        RunError
            If it has another type, is not finite, or lies outside the range.
        """
        wanted = type(self.default)
        if wanted is float and type(value) is int:
            value = float(value) if abs(value) < 2**53 else math.inf
        if self.range.startswith("each ") and type(value) in (int, float):
            value = repr(value)  # one number, where several stand in a text
        if type(value) is not wanted:
            raise RunError(
                f"{notebook}: {self.name} is {short(value)} ({type(value).__name__}); "
                f"it takes {wanted.__name__}, such as {self.default!r}."
            )
        finite = not isinstance(value, float) or math.isfinite(value)
        if finite and (not isinstance(value, str) or _writable(value)) and self.holds(value):
            return value
        raise RunError(f"{notebook}: {self.name} is {short(value)}; it must be {self._allowed()}.")

    def _allowed(self) -> str:
        """Return the range as a message words it."""
        if not self.range:
            return "a finite number" if isinstance(self.default, float) else "text that is UTF-8"
        if self.range == "corruptions":
            return f"names or groups of corruptions, with spaces: {', '.join(_corruptions())}"
        return self.range.replace("each", "numbers, with spaces, each")


def _writable(text: str) -> bool:
    """Return whether a text can stand in a notebook: bytes that are no UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


BOUND = (
    r"(?P<low>\S+) (?:or more|to (?P<high>\S+))|(?P<equal>[\d.]+)"
    r"|above (?P<above>\S+)|below (?P<below>\S+)"
)


def range_check(text: str, default: Any) -> Callable[[Any], bool] | None:
    """Return the check that a range in words stands for; None if it is none."""
    if text == "corruptions":
        return _names_corruptions
    if text.startswith("one of "):
        allowed = {type(default)(word) for word in text.removeprefix("one of ").split(", ")}
        return allowed.__contains__
    if text.startswith("each "):
        each = range_check(text.removeprefix("each "), 0.0)
        return each and functools.partial(_holds_for_each, each)
    ways = [[_limits(part) for part in way.split(", ")] for way in text.split(", or ")]
    if not all(itertools.chain(*ways)):
        return None
    return lambda value: any(all(_within(value, **limits) for limits in way) for way in ways)


def _limits(text: str) -> dict[str, float] | None:
    """Return what `_within` takes for one bound in words; None if it is none."""
    found = re.fullmatch(BOUND, text)
    try:
        return found and {name: float(word) for name, word in found.groupdict().items() if word}
    except ValueError:
        return None


def _within(
    value: float,
    low: float = -math.inf,
    high: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    equal: float | None = None,
) -> bool:
    return low <= value <= high and above < value < below and equal in (None, value)


def _holds_for_each(check: Callable[[Any], bool], words: str) -> bool:
    """Return whether a text holds numbers, one or more, that all pass."""
    try:
        numbers = [float(word) for word in words.split()]
    except ValueError:
        return False
    return bool(numbers) and all(check(n) and math.isfinite(n) for n in numbers)


def _corruptions() -> list[str]:
    from tta_helpers.workbook.corruptions import GROUPS, HELD_OUT, SEEN  # it loads SciPy

    return [*GROUPS, *SEEN, *HELD_OUT]


def _names_corruptions(words: str) -> bool:
    return bool(words.split()) and set(words.split()) <= set(_corruptions())


# ---------------------------------------------------------------- what a notebook declares


@dataclass(frozen=True)
class Inspected:
    """What the runner reads of a notebook: parameters, the cells' text, its committed run."""

    parameters: dict[str, Parameter]
    sources: tuple[str, ...]
    seconds: float  # of the committed run; a minute where none is recorded


def declared_parameters(path: Path) -> dict[str, Any]:
    """Return a notebook's parameters with their defaults, from its cell tagged `parameters`.

    Raises
    ------
    RunError
        If it is no notebook, has no such cell, or a default or range is none.
    """
    return {name: parameter.default for name, parameter in inspected(path).parameters.items()}


def inspected(path: Path) -> Inspected:
    """Return what the runner needs to know of a notebook, read again only if the file changed.

    Raises
    ------
    RunError
        As `declared_parameters`.
    """
    try:
        return _inspected(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(
            f"{path} cannot be read as a notebook ({type(error).__name__}: {short(str(error))}): "
            "take it from the repository again."
        ) from error


@functools.lru_cache(maxsize=64)
def _inspected(path: Path, changed: int) -> Inspected:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    sources = tuple("".join(cell["source"]) for cell in notebook["cells"])  # one text, or lines
    tags = [cell["metadata"].get("tags", []) for cell in notebook["cells"]]
    tagged = [k for k, own in enumerate(tags) if "parameters" in own]
    if not tagged:
        raise RunError(f"{path.name} has no cell tagged `parameters`: tag the one that sets them.")
    result = notebook["metadata"].get("tta_result")
    seconds = sum(result["seconds"].values()) if result else 60.0
    return Inspected(_parameters(sources[tagged[0]], path.name), sources, seconds)


def _parameters(source: str, notebook: str) -> dict[str, Parameter]:
    try:
        lines = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
        found = {line.targets[0].id: (ast.literal_eval(line.value), line.lineno) for line in lines}
    except (AttributeError, ValueError, SyntaxError) as error:
        raise RunError(
            f"{notebook}: a parameter's default is no plain value ({error}): its cell tagged "
            "`parameters` may hold numbers, texts, True and False alone."
        ) from error
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {t.start[0]: t.string for t in tokens if t.type == tokenize.COMMENT}
    return {
        name: _parameter(name, default, comments.get(line, ""), notebook)
        for name, (default, line) in found.items()
    }


def _parameter(name: str, default: Any, comment: str, notebook: str) -> Parameter:
    text = re.search(r"\(([^()]*)\)\s*$", comment)
    if not text:
        return Parameter(name, default)
    holds = range_check(text[1], default)
    if not holds:
        raise RunError(
            f"{notebook}: ({text[1]}) beside {name} is no range; it may be such as (1 or more), "
            "(1 to 12), (above 0, below 1), (one of a, b), (each above 0) or (corruptions)."
        )
    return Parameter(name, default, text[1], holds)


def checked_for(given: Mapping[str, Any], paths: Sequence[Path]) -> dict[Path, dict[str, Any]]:
    """Return, for each notebook, those of the given parameters that it declares.

    Raises
    ------
    RunError
        If no notebook declares a name, or a value is refused by `Parameter.checked`.
    """
    declared = {path: inspected(path).parameters for path in paths}
    known = set().union(*declared.values())
    if unknown := sorted(set(given) - known):
        raise RunError(f"Unknown parameter {some(unknown)}. Known: {', '.join(sorted(known))}.")
    return {
        path: {
            name: parameters[name].checked(value, path.stem)
            for name, value in given.items()
            if name in parameters
        }
        for path, parameters in declared.items()
    }


# ---------------------------------------------------------------- YAML


def load_tier(tier: str) -> dict[str, Any]:
    """Return the parameters of a tier, from notebooks/tiers/<tier>.yml.

    Raises
    ------
    RunError
        If there is none, or it holds no mapping with a data set.
    """
    known = {path.stem: path for path in sorted((place.notebooks() / "tiers").glob("*.yml"))}
    if tier not in known:
        raise RunError(f"There is no tier {tier!r}; choose one of: {', '.join(known)}.")
    path = known[tier]
    content = read_yaml(path)
    named = isinstance(content, dict) and all(isinstance(name, str) for name in content)
    if not named or "dataset" not in content:
        raise RunError(f"{path} sets no dataset: a tier names it, and any other parameters.")
    return content


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds.

    Raises
    ------
    RunError
        If it cannot be read, is no UTF-8, or `parse_yaml` refuses it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> Any:
    """Return what a YAML 1.2 text stands for: numbers, texts, lists and mappings.

    Raises
    ------
    RunError
        If it is no YAML, has a key twice, an anchor (a few lines of them can stand for billions of
        values), tags, or more depth than Python follows. `where` names it.
    """
    try:
        _check_events(text, where)
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).partition("To suppress")[0].split())
        raise RunError(f"{where} cannot be read: {reason[:300]}") from error


def _check_events(text: str, where: str) -> None:
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if isinstance(event, AliasEvent):
            raise RunError(f"{where} refers to an anchor (*name): write its value out.")
        if depth > DEEPEST:  # reading on would take minutes
            raise RunError(f"{where} nests lists or mappings deeper than {DEEPEST}.")
