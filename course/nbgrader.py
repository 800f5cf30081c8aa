"""Write the exercises as a course folder of nbgrader: `python -m course.nbgrader FOLDER`.

An assignment a lesson, in source/: nbgrader makes the release and grades from it. What the checks
need lies beside each notebook; nbgrader puts it back before it grades.
"""

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from course import copies, sources
from tta_helpers.workbook.command import add_common, exit_status
from tta_helpers.workbook.place import ROOT, RunError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
HIDDEN = """\
{check}
### BEGIN HIDDEN TESTS
from course.checks import RIGHT, verdict

said = verdict("{name}", {name})
assert said.startswith(RIGHT), said
### END HIDDEN TESTS"""
NEEDED = ("course/__init__.py", "course/prepared.py", "course/predictions.npz", "course/checks")
HERE = 'sys.path.insert(0, "workbook")  # the part of the workbook that checks need'
CONFIG = """\
c = get_config()  # noqa: F821, nbgrader's
c.CourseDirectory.course_id = "tta"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError  # your answer"}
c.Execute.timeout = 120
"""


def assignment(lesson: str) -> NotebookNode:
    """Return the instructor's version of a lesson's exercises, with nbgrader's metadata."""
    book = copies.copy_of(lesson, solved=False)
    tasks = {f"{task.name}-answer": task for task in sources.exercises(lesson)}
    cells = []
    for cell in book.cells:
        if cell.id in tasks:
            cells += _answer_and_test(tasks[cell.id])
        else:
            cell.source = re.sub(r"(?m)^sys\.path\.insert\(.*$", HERE, cell.source)
            cells.append(_marked(cell, locked=True))
    book.cells = cells
    return book


def _answer_and_test(task: sources.Exercise) -> list[NotebookNode]:
    """Return the cell that is to be filled, with its solution, and the one that gives the point."""
    answer, call, rest = task.answer.rpartition(f'check("{task.name}"')
    lines = {sources.FIRST: BEGIN, sources.LAST: END}
    text = "\n".join(
        line.replace(line.strip(), lines[line.strip()]) if line.strip() in lines else line
        for line in answer.rstrip().splitlines()
    )
    test = HIDDEN.format(check=call + rest, name=task.name)
    return [
        _marked(new_code_cell(text, id=f"{task.name}-answer"), solution=True),
        _marked(new_code_cell(test, id=f"{task.name}-test"), grade=True, locked=True, points=1),
    ]


def _marked(cell: NotebookNode, **more: bool | int) -> NotebookNode:
    """Return a cell with nbgrader's metadata, version 3 of its schema."""
    usual = {"schema_version": 3, "grade": False, "locked": False, "solution": False, "task": False}
    cell.metadata.nbgrader = {**usual, "grade_id": cell.id, **more}
    return cell


def write(folder: Path) -> list[Path]:
    """Write the course folder and return its notebooks.

    Raises
    ------
    RunError
        If the folder is there already.
    """
    if folder.exists():
        raise RunError(f"{folder} is there already: delete it, or name another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as partial:
        made = Path(partial) / "course"
        notebooks = [_write_assignment(made / "source", lesson) for lesson in sources.lessons()]
        (made / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
        made.rename(folder)
    return [folder / path.relative_to(made) for path in notebooks]


def _write_assignment(source: Path, lesson: str) -> Path:
    """Write one assignment: its notebook, and beside it what the checks need."""
    beside = source / lesson / "workbook"
    beside.mkdir(parents=True)
    unwanted = shutil.ignore_patterns("__pycache__", "workbook")
    shutil.copytree(ROOT / "tta_helpers", beside / "tta_helpers", ignore=unwanted)
    for name in NEEDED:
        target = beside / name
        target.parent.mkdir(exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=unwanted)
        else:
            shutil.copyfile(ROOT / name, target)
    path = source / lesson / copies.path_of(lesson, solved=False).name
    path.write_text(nbformat.writes(assignment(lesson)) + "\n", encoding="utf-8")
    return path


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m course.nbgrader", description=__doc__)
    parser.add_argument("folder", help="the course folder to be made")
    add_common(parser)
    options = parser.parse_args(arguments)
    return exit_status(lambda: _command(options), traceback=options.traceback)


def _command(options: argparse.Namespace) -> int:
    folder = Path(options.folder).expanduser().resolve()
    print(f"{len(write(folder))} assignments lie in {folder / 'source'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
