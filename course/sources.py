"""Reading the sources of the exercises: Python files in the percent format of jupytext.

A cell begins with a line `# %%`, which may go on with `[markdown]` and with `key=value` pairs,
values in JSON. The lock holds no jupytext, and of the format only this much is needed.

Cells with `exercise="name"` are its task, `[markdown]`, and its answer. Cells that follow with
`tags=["wrong"]` or `tags=["also-right"]` are other answers to it, which no learner gets to see; a
wrong one opens with the words, in comments, that its check must say.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

SOURCES = Path(__file__).parent / "exercises" / "src"
HOMEWORK = "homework"  # its source stands among the lessons' and is written alike
STEPS = {"read": "Read it", "complete": "Complete it", "write": "Write it"}
FIRST, LAST = "# solution", "# end of solution"
HEAD = re.compile(r"# %%(?: (?P<markdown>\[markdown\]))?(?P<rest>.*)")
PAIR = re.compile(r'\s+(?P<key>[a-z]+)=(?P<value>"[^"]*"|\[[^\]]*\]|\d+)')


class SourceError(ValueError):
    """A source of exercises is not as it should be; the message says where."""


@dataclass
class Cell:
    """One cell: its kind, "markdown" or "code", its text, and the pairs of its first line."""

    kind: str
    text: str
    settings: dict

    @property
    def role(self) -> str:
        """Return "wrong", "also-right", "task", "answer" or "given"."""
        for tag in ("wrong", "also-right"):
            if tag in self.settings.get("tags", []):
                return tag
        if "exercise" not in self.settings:
            return "given"
        return "task" if self.kind == "markdown" else "answer"


@dataclass
class Exercise:
    """One exercise: what is asked, the answer's cell with the solution in it, and other answers."""

    name: str
    objective: str
    step: str
    minutes: int
    task: str
    answer: str = ""
    wrong: list[str] = field(default_factory=list)
    also_right: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Return the heading of the task without its marks."""
        return self.task.splitlines()[0].lstrip("# ")


def read_cells(path: Path) -> list[Cell]:
    """Return the cells of a source.

    Raises
    ------
    SourceError
        If a cell's first line cannot be read, or there is text above the first cell.
    """
    above, *parts = re.split(r"(?m)^(?=# %%)", path.read_text(encoding="utf-8"))
    if above.strip():
        raise SourceError(f"{path.name} begins with {above.strip()[:40]!r}, above its first cell.")
    return [_cell(part, path.name) for part in parts]


def _cell(part: str, name: str) -> Cell:
    first, _, text = part.partition("\n")
    head = HEAD.fullmatch(first)
    if not head or PAIR.sub("", head["rest"]).strip():
        raise SourceError(f"{name} has a cell that begins with {first!r}; see the format above.")
    settings = {pair["key"]: json.loads(pair["value"]) for pair in PAIR.finditer(head["rest"])}
    if not head["markdown"]:
        return Cell("code", text.strip("\n"), settings)
    lines = [line.removeprefix("#").removeprefix(" ") for line in text.strip("\n").splitlines()]
    return Cell("markdown", "\n".join(lines), settings)


def exercises_of(cells: list[Cell]) -> list[Exercise]:
    """Return the exercises that cells hold, in order.

    Raises
    ------
    SourceError
        If a task lacks a setting, or a cell stands where it belongs to no task.
    """
    found: list[Exercise] = []
    for cell in cells:
        if cell.role == "task":
            found.append(_opened(cell))
        elif cell.role == "answer":
            if not found or found[-1].name != cell.settings["exercise"]:
                raise SourceError(f"the answer to {cell.settings['exercise']} follows no task.")
            found[-1].answer = cell.text
        elif cell.role != "given":
            if not found or not found[-1].answer:
                raise SourceError(
                    f"a cell tagged {cell.role} follows no answer: {cell.text[:40]!r}"
                )
            (found[-1].wrong if cell.role == "wrong" else found[-1].also_right).append(cell.text)
    return found


def _opened(cell: Cell) -> Exercise:
    wanted = {"exercise", "objective", "step", "minutes"}
    if set(cell.settings) != wanted or cell.settings["step"] not in STEPS:
        raise SourceError(f"a task has {cell.settings}; give {sorted(wanted)}, step of {[*STEPS]}.")
    settings = {key: value for key, value in cell.settings.items() if key != "exercise"}
    return Exercise(cell.settings["exercise"], **settings, task=cell.text)


def lessons() -> dict[str, list[Path]]:
    """Return the sources by the name of their lesson, in order.

    A lesson of two parts has two, `NN_name.py` and `NN_name_part_b.py`.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(SOURCES.glob("[0-9]*.py")):
        found.setdefault(path.stem.partition("_part_")[0], []).append(path)
    return found


def cells_of(lesson: str) -> list[Cell]:
    """Return the cells of the sources of a lesson or of the homework, one after the other."""
    paths = [SOURCES / f"{HOMEWORK}.py"] if lesson == HOMEWORK else lessons()[lesson]
    return [cell for path in paths for cell in read_cells(path)]


def exercises(lesson: str) -> list[Exercise]:
    """Return the exercises of a lesson, or of the homework."""
    return exercises_of(cells_of(lesson))


def opening(text: str) -> str:
    """Return the comments with which a cell opens, as one line: what the check must say."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines)


def solution_of(answer: str) -> str:
    """Return an answer's cell without the two lines that mark the solution."""
    marks = (FIRST, LAST)
    return "\n".join(line for line in answer.splitlines() if line.strip() not in marks)


def with_hole(answer: str) -> str:
    """Return an answer's cell with a hole where the solution stands.

    Inside a function the hole raises NotImplementedError; elsewhere it sets the name that is
    checked to `...`, and all names of the solution where none is.

    Raises
    ------
    SourceError
        If the two marks do not stand there once each, in order, at one depth.
    """
    marks = rf"(?ms)^(?P<depth> *){FIRST}\n(?P<inside>.*?)\n(?P=depth){LAST}$"
    holes = list(re.finditer(marks, answer))
    if len(holes) != 1 or answer.count(FIRST) != 1:
        raise SourceError(f"an answer needs {FIRST!r} and {LAST!r} once: {answer[:60]!r}")
    depth, inside = holes[0]["depth"], holes[0]["inside"]
    if depth:
        hole = f"{depth}raise NotImplementedError  # your answer"
    else:
        names = dict.fromkeys(re.findall(r"(?m)^(\w+) = ", inside))
        names = [name for name in names if f'check("{name}"' in answer] or names
        hole = "\n".join(f"{name} = ...  # your answer" for name in names)
    return answer[: holes[0].start()] + hole + answer[holes[0].end() :]


def with_seed(cell: Cell, own: int) -> str:
    """Return the text of a cell, with a learner's seed in place of the usual one if it sets it."""
    return f"seed = {own}" if "parameters" in cell.settings.get("tags", []) else cell.text
