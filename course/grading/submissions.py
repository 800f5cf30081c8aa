"""Finding submitted notebooks, and taking the answers out of them into the copy as it was given."""

import json
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from unicodedata import normalize

from course import copies, sources
from tta_helpers.workbook.place import RunError

MOST_BYTES = 32 * 2**20
LONGEST = 400  # letters of a line that is shown
CHECKED = re.compile(r"""\bcheck\(\s*["'](\w+)["']""")
ENDING = re.compile(r"[_ -]+\d\d_exercises$")


class SubmissionError(Exception):
    """A submitted file is no notebook of exercises; the message says why."""


@dataclass(frozen=True)
class Submission:
    """A submitted notebook: whose it is, where it lies, its place beneath the folder, and a seed.

    The seed is the student's in the roster, if there is one.
    """

    student: str
    path: Path
    place: Path
    seed: int | None = None


@dataclass
class Step:
    """A cell to run, the exercises whose answers it should leave, and what has to run before."""

    source: str
    exercises: list[str] = field(default_factory=list)
    before: list["Step"] = field(default_factory=list)


@dataclass
class Handed:
    """What a notebook hands in: its lesson, the cells to run, and what was found odd about it."""

    lesson: str
    steps: list[Step]
    notes: list[str]


def one_line(text: str) -> str:
    """Return a text that may hold anything as one line that can be written and shown."""
    shown = "".join(letter if letter.isprintable() else " " for letter in str(text)[: 2 * LONGEST])
    line = " ".join(shown.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 2]} …"


def find(folder: Path, roster: Mapping[str, int] = MappingProxyType({})) -> list[Submission]:
    """Return the notebooks in a folder, by name: `student.ipynb`, or some in a folder a student.

    `roster` holds the students' seeds.

    Raises
    ------
    RunError
        If there is no such folder, or no notebook in it.
    """
    if not folder.is_dir():
        raise RunError(f"SUBMISSIONS is {str(folder)!r}; name a folder with submitted notebooks.")
    found = []
    for path in sorted([*folder.glob("*.ipynb"), *folder.glob("*/*.ipynb")]):
        place = path.relative_to(folder)
        if any(part.startswith(".") for part in place.parts):
            continue
        alone = len(place.parts) == 1
        student = ENDING.sub("", path.stem) or path.stem if alone else place.parts[0]
        student = one_line(normalize("NFC", student))  # another system may take letters apart
        found.append(Submission(student, path, place, roster.get(student)))
    if not found:
        raise RunError(
            f"{folder} holds no notebook: it takes student.ipynb, or a folder a student with "
            "notebooks in it."
        )
    return found


def code_cells(path: Path) -> list[tuple[str, str]]:
    """Return id and text of each code cell of a file.

    Raises
    ------
    SubmissionError
        If it is no notebook, or longer than notebooks are.
    """
    try:
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode):
            raise SubmissionError("it is a link or no file at all; hand in the notebook itself")
        if about.st_size > MOST_BYTES:
            raise SubmissionError(
                f"it has {about.st_size / 2**20:,.0f} MB and {MOST_BYTES // 2**20} are the most; "
                "clear all outputs and hand it in again"
            )
        cells = json.loads(path.read_bytes())["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        return [(str(cell.get("id", "")), "".join(cell["source"])) for cell in code]
    except OSError as error:
        raise SubmissionError(f"it cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise SubmissionError("it is no notebook, or a damaged one; save it anew") from error


# ---------------------------------------------------------------- against the copy as it was given


@dataclass(frozen=True)
class Given:
    """The code cells of a learner's copy: id, text and the exercise that each answers.

    `seed_cell` is the id of the one that sets the seed, in a homework.
    """

    cells: tuple[tuple[str, str, str | None], ...]
    seed_cell: str | None

    def with_seed(self, seed: int | None) -> "Given":
        """Return the same with a student's seed in place of the usual one."""
        filled = (
            (cell_id, f"seed = {seed}" if cell_id == self.seed_cell else text, name)
            for cell_id, text, name in self.cells
        )
        return Given(tuple(filled), self.seed_cell)

    @property
    def exercises(self) -> list[str]:
        """Return the names of the exercises, in order."""
        return [name for _, _, name in self.cells if name]


@cache
def given(lesson: str) -> Given:
    """Return the code cells of the learner's copy of a lesson, or of the homework."""
    names = {f"{exercise.name}-answer": exercise.name for exercise in sources.exercises(lesson)}
    code = [cell for cell in copies.copy_of(lesson, solved=False).cells if cell.cell_type == "code"]
    seeds = [cell.id for cell in code if "parameters" in cell.metadata.get("tags", [])]
    cells = tuple((cell.id, cell.source, names.get(cell.id)) for cell in code)
    return Given(cells, seeds[0] if seeds else None)


def handed_in(cells: Sequence[tuple[str, str]], seed: int | None = None) -> Handed:
    """Return what the code cells of a notebook hand in.

    Given cells are those of the copy as it was given, whatever became of them, in a homework with
    the student's seed. Cells that were added run before the answer that they stand before. Of
    several cells that answer one exercise the last counts.

    Raises
    ------
    SubmissionError
        If no exercise of any lesson is among them, or those of a homework without a seed.
    """
    lesson = _lesson_of(cells)
    if lesson == sources.HOMEWORK and seed is None:
        raise SubmissionError(
            "it is a homework, and no roster with a seed for this student is given"
        )
    ours = given(lesson)
    texts = {cell_id: text for cell_id, text, name in ours.cells if not name}
    answers: dict[str, Step] = {}
    added: list[Step] = []
    edited = []
    for cell_id, source in cells:
        if names := _answered(cell_id, source, ours):
            step = Step(source, names, added)
            for name in names:
                if name in answers:
                    _demote(answers[name], name, step)
                answers[name] = step
            added = []
        elif cell_id in texts:
            edited += [cell_id] if source != texts[cell_id] else []
        else:
            added.append(Step(source))
    notes = [f"The cell {name} was changed; the one that was given ran." for name in edited]
    notes += [f"The cell of {name} is gone." for name in ours.exercises if name not in answers]
    return Handed(lesson, list(_in_order(ours.with_seed(seed), answers)), notes)


def _demote(earlier: Step, name: str, later: Step) -> None:
    """Take an exercise from an earlier step, which runs before the later if none is left."""
    earlier.exercises.remove(name)
    if not earlier.exercises:
        later.before[:0] = [*earlier.before, earlier]


def _in_order(ours: Given, answers: Mapping[str, Step]) -> Iterator[Step]:
    """Yield the cells to run, in the order of the copy as it was given."""
    for _, text, name in ours.cells:
        if name is None:
            yield Step(text)
        elif name not in answers:
            yield Step("", [name])
        elif answers[name].exercises[0] == name:
            yield from answers[name].before
            yield answers[name]


def _lesson_of(cells: Sequence[tuple[str, str]]) -> str:
    """Return the lesson most of whose exercises stand in the cells."""
    count = {
        lesson: sum(len(_answered(cell_id, source, given(lesson))) for cell_id, source in cells)
        for lesson in (*sources.lessons(), sources.HOMEWORK)
    }
    best = max(count, key=count.get)
    if not count[best]:
        raise SubmissionError(
            "no exercise of any lesson is in it: neither its cells nor its checks"
        )
    return best


def _answered(cell_id: str, source: str, ours: Given) -> list[str]:
    """Return the exercises that a cell answers: those it has checked, else that of its id."""
    checked = [name for name in CHECKED.findall(source) if name in ours.exercises]
    return list(dict.fromkeys(checked)) or [n for i, _, n in ours.cells if n and i == cell_id]
