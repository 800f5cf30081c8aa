"""What an instructor gets: a row a submission in grades.csv, and a page of feedback for each."""

from collections.abc import Mapping
from typing import Any

from course import sources
from course.grading.marking import Marks


def row(marks: Marks) -> dict[str, Any]:
    """Return the row of a submission."""
    return {
        "student": _no_formula(marks.student),
        "lesson": marks.lesson,
        "passed": marks.passed,
        "of": len(sources.exercises(marks.lesson)) if marks.lesson else 0,
        "status": marks.status,
        "seconds": f"{marks.seconds:.1f}",
    }


def _no_formula(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def feedback(marks: Marks) -> str:
    """Return the page that a learner gets back."""
    told = [f"# {marks.student} · {marks.lesson or 'no lesson'}"]
    if marks.lesson:
        exercises = sources.exercises(marks.lesson)
        told += [f"{marks.passed} of {len(exercises)} checks pass."]
        titles = {exercise.name: exercise.title for exercise in exercises}
        told += ["\n".join(_lines(titles, marks.verdicts))]
    if marks.notes:
        told += ["\n".join(f"- {_plain(note)}" for note in marks.notes)]
    return "\n\n".join(told) + "\n"


def _lines(titles: Mapping[str, str], verdicts: Mapping[str, str]) -> list[str]:
    return [f"- **{title}**: {_plain(verdicts[name])}" for name, title in titles.items()]


def _plain(text: str) -> str:
    """Return a text in which neither HTML nor a link of Markdown is left."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("](", "] (")
