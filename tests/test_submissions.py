"""What is handed in: notebooks found, answers taken out of them, and what is written about them."""

import json
from pathlib import Path

import pytest
import submitted

from course import sources
from course.checks import RIGHT
from course.grading import submissions, table
from course.grading.asking import Limits
from course.grading.marking import Marks, mark
from course.grading.submissions import Submission, SubmissionError, handed_in
from tta_helpers.workbook.place import RunError

LESSON = "06_boxes_and_masks"


def marks_of(path):
    return mark(Submission("ann", path, Path(path.name)), Limits())


def cells_of(book):
    return [(cell.id, cell.source) for cell in book.cells if cell.cell_type == "code"]


def test_answers_are_found_without_ids_and_helpers_run_before_them(tmp_path):
    texts = submitted.right_ones(LESSON, 0)
    cells = cells_of(submitted.answered(LESSON, {name: text for name, (text, _) in texts.items()}))
    first = next(iter(texts))
    helped = [("", "import sys"), ("", "half = 0.5")]
    helped += [(f"x{k}", text) for k, (_, text) in enumerate(cells) if k]
    handed = handed_in(helped)
    names = [name for step in handed.steps for name in step.exercises]
    assert handed.lesson == LESSON and names == list(texts) and handed.notes == []
    place = next(k for k, step in enumerate(handed.steps) if first in step.exercises)
    assert [s.source for s in handed.steps[place - 2 : place]] == ["import sys", "half = 0.5"]
    assert handed.steps[0].source == cells[0][1]  # as it was given


def test_given_cells_are_those_that_were_given():
    texts = {name: text for name, (text, _) in submitted.right_ones(LESSON, 0).items()}
    book = submitted.answered(LESSON, texts, more={"given-1": "np = check = None"})
    handed = handed_in(cells_of(book))
    assert all("np = check" not in step.source for step in handed.steps)
    assert handed.notes == ["The cell given-1 was changed; the one that was given ran."]


def test_of_two_answers_to_one_exercise_the_last_counts():
    first, second = list(submitted.right_ones(LESSON, 0))[:2]
    cells = [("", "a = 1"), (f"{first}-answer", f"hole\ncheck('{first}', {first})")]
    cells += [("", "b = 2"), ("", f"right = a\ncheck('{first}', 1)\ncheck('{second}', 1)")]
    cells += [("", "c = 3"), ("", f"other\ncheck('{second}', 2)")]
    steps = handed_in(cells).steps
    ran = [(step.source.partition("\n")[0], step.exercises) for step in steps if step.source][1:]
    assert ran[:4] == [("a = 1", []), ("hole", []), ("b = 2", []), ("right = a", [first])]
    assert ran[4:] == [("c = 3", []), ("other", [second])]


def test_a_student_is_known_whichever_way_a_system_writes_letters(tmp_path):
    (tmp_path / "U\u0308.ipynb").touch()
    (found,) = submissions.find(tmp_path, {"\u00dc": 7})
    assert (found.student, found.seed) == ("\u00dc", 7)


def test_one_cell_may_hold_all_answers(tmp_path):
    texts = submitted.right_ones(LESSON, 0)
    names = list(texts)
    whole = {names[0]: "\n\n".join(text for text, _ in texts.values())} | dict.fromkeys(names[1:])
    book = submitted.answered(LESSON, whole)
    (tmp_path / "ann.ipynb").write_text(json.dumps(book))
    marks = marks_of(tmp_path / "ann.ipynb")
    assert marks.passed == len(names) and marks.notes == []


@pytest.mark.parametrize("kind", submitted.FILES)
def test_what_is_no_notebook_is_said_to_be_none(kind, tmp_path):
    submitted.damaged(tmp_path / "x.ipynb", kind)
    marks = marks_of(tmp_path / "x.ipynb")
    assert (marks.status, marks.lesson, marks.verdicts) == ("unreadable", "", {})
    assert marks.notes[0].startswith("Not graded: ")


def test_notebooks_are_found_by_student(tmp_path):
    for name in ("ann_02_exercises", "bob", "02_exercises", "cy/02_exercises", "cy/b", ".x/y"):
        path = tmp_path / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = {str(one.place): one.student for one in submissions.find(tmp_path)}
    assert found == {
        "02_exercises.ipynb": "02_exercises",
        "ann_02_exercises.ipynb": "ann",
        "bob.ipynb": "bob",
        "cy/02_exercises.ipynb": "cy",
        "cy/b.ipynb": "cy",
    }
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(RunError, match="name a folder"):
        submissions.find(tmp_path / "nowhere")
    with pytest.raises(RunError, match="holds no notebook"):
        submissions.find(empty)


def test_a_lesson_is_known_by_most_of_its_exercises():
    for lesson in sources.lessons():
        book = submitted.answered(lesson, {})
        assert handed_in(cells_of(book)).lesson == lesson
    with pytest.raises(SubmissionError, match="no exercise of any lesson"):
        handed_in([("x", "check('nothing', 1)")])


# ---------------------------------------------------------------- table and feedback


def test_rows_and_feedback_say_what_the_checks_said():
    exercises = sources.exercises("02_flip_tta")
    said = {e.name: "not yet: <b>[x](y)" for e in exercises} | {"same_view": f"{RIGHT} So."}
    marks = Marks("=ann", "02_flip_tta", verdicts=said, notes=["Odd."], seconds=1.26)
    assert table.row(marks) == {
        "student": "'=ann",
        "lesson": "02_flip_tta",
        "passed": 1,
        "of": 7,
        "status": "complete",
        "seconds": "1.3",
    }
    page = table.feedback(marks)
    assert page.startswith("# =ann · 02_flip_tta\n\n1 of 7 checks pass.\n\n- **1. Which axis")
    assert "&lt;b>[x] (y)" in page and "How often is nothing averaged?**: right. So." in page
    assert page.endswith("\n- Odd.\n")
    assert submissions.one_line("a\n\x1b[1m\udcffb" + "c" * 999).startswith("a [1m bc")
    assert len(submissions.one_line("c" * 999)) == submissions.LONGEST
