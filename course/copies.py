"""The learner's copy and the solution's copy of each lesson's exercises, as notebooks."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course.sources import (
    HOMEWORK,
    SOURCES,
    STEPS,
    Exercise,
    cells_of,
    exercises_of,
    lessons,
    solution_of,
    with_hole,
)

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
SOLVED = "*These are the solutions, one way each; other right ways pass the checks as well.*"


def notebooks() -> dict[Path, str]:
    """Return the text of every copy by its path."""
    found = {}
    for lesson in (*lessons(), HOMEWORK):
        for solved in (False, True):
            found[path_of(lesson, solved)] = nbformat.writes(copy_of(lesson, solved)) + "\n"
    return found


def path_of(lesson: str, solved: bool) -> Path:
    """Return where a copy of a lesson's exercises, or of the homework, lies."""
    if lesson == HOMEWORK:
        return SOURCES.parent / f"{HOMEWORK}{'_solutions' if solved else ''}.ipynb"
    return SOURCES.parent / f"{lesson[:2]}_{'solutions' if solved else 'exercises'}.ipynb"


def copy_of(lesson: str, solved: bool) -> nbformat.NotebookNode:
    """Return a copy of a lesson's exercises, with holes or solved; cells have fixed ids."""
    cells, given = cells_of(lesson), 0
    tasks = {exercise.name: exercise for exercise in exercises_of(cells)}
    copied = []
    for cell in cells:
        name = cell.settings.get("exercise")
        if cell.role == "task":
            copied.append(new_markdown_cell(_headed(tasks[name]), id=f"{name}-task"))
        elif cell.role == "answer":
            text = solution_of(cell.text) if solved else with_hole(cell.text)
            copied.append(new_code_cell(text, id=f"{name}-answer"))
        elif cell.role == "given":
            make = new_markdown_cell if cell.kind == "markdown" else new_code_cell
            copied.append(make(cell.text, id=f"given-{given}"))
            if tags := cell.settings.get("tags"):
                copied[-1].metadata.tags = tags
            given += 1
    if solved:
        copied[0].source = copied[0].source.replace("# Exercises", "# Solutions", 1)
        copied.insert(1, new_markdown_cell(SOLVED, id="solved"))
    return new_notebook(cells=copied, metadata={"kernelspec": KERNEL})


def _headed(exercise: Exercise) -> str:
    """Return a task with its step and minutes under the heading."""
    heading, _, rest = exercise.task.partition("\n")
    return f"{heading}\n\n*{STEPS[exercise.step]} · {exercise.minutes} minutes*\n{rest}"
