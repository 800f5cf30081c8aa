"""Homework: everybody has numbers of their own, and is graded with the roster's seed."""

import json
from pathlib import Path

import nbformat
import numpy as np
import pytest
import submitted

from course import copies, homework, prepared, sources
from course.checks import verdict
from course.grading import batch
from course.grading.asking import Limits
from course.grading.marking import mark
from course.grading.submissions import Submission
from course.proving import answer_in
from tta_helpers.workbook import place
from tta_helpers.workbook.clusters import Cluster
from tta_helpers.workbook.place import RunError

TASKS = sources.exercises(sources.HOMEWORK)


def solved(task, seed):
    return answer_in(sources.solution_of(task.answer), task.name, sources.HOMEWORK, seed)


def test_everybody_has_half_of_the_images_and_another_half():
    everything, one, other = (vars(prepared.load(own)) for own in (None, 6, 10))
    for part, axes in (("", prepared.OF_VALIDATION), ("test_", prepared.OF_TEST)):
        labels, settled = f"{part}labels", f"{part}settled"
        for name, axis in axes.items():
            assert one[name].shape[axis] == len(everything[labels]) // 2
        whole = everything[settled][0]
        rows = [np.flatnonzero((whole == row).all(axis=1))[0] for row in one[settled][0]]
        assert np.array_equal(everything[labels][rows], one[labels])
        assert not np.array_equal(one[settled], other[settled])
    # Nothing that runs along the images is left out.
    same = {"about", "class_names", "view_names", "images", "row_groups"}
    same |= {name for name in everything if name.startswith("cop")}
    assert {*prepared.OF_VALIDATION, *prepared.OF_TEST} == set(everything) - same


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_numbers_of_another_seed_do_not_pass(task):
    one, other = (np.round(solved(task, seed), 9) for seed in (6, 10))
    assert not np.allclose(one, other, rtol=1e-3)
    assert verdict(task.name, one, own=6) == "right."
    assert verdict(task.name, one, own=10).startswith("not yet: ")


def test_a_seed_with_which_a_wrong_way_leads_to_the_right_number_does_not_fit():
    chances = [seed for seed in range(12) if not homework.fits(seed)]
    fitting = [seed for seed in range(12) if homework.fits(seed)]
    assert chances and fitting
    task = next(task for task in TASKS if task.name == "own_view")
    wrong = answer_in(task.wrong[0], "own_view", sources.HOMEWORK, chances[0])
    assert wrong == solved(task, chances[0])
    first = homework.seed_for("ann", set())
    assert homework.fits(first) and homework.seed_for("ann", {first}) != first


def test_the_command_writes_notebooks_and_keeps_the_seeds(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(place, "ROOT", tmp_path)
    monkeypatch.setattr(homework, "ROOT", tmp_path)
    names = tmp_path / "names.txt"
    names.write_text("ann\n\nÜzgür Ö  # late\n", encoding="utf-8")
    assert homework.main([str(names)]) == 0
    folder = tmp_path / "runs" / "homework"
    seeds = homework.read_roster(folder / "roster.csv")
    assert list(seeds) == ["ann", "Üzgür Ö"] and len(set(seeds.values())) == 2
    blank = copies.copy_of(sources.HOMEWORK, solved=False)
    for name, seed in seeds.items():
        book = nbformat.read(folder / f"{name}.ipynb", as_version=4)
        nbformat.validate(book)
        code = [c.source for c in book.cells if c.id != "seed"]
        assert code == [c.source for c in blank.cells]
        (put_in,) = (c.source for c in book.cells if c.id == "seed")
        assert put_in.strip().endswith(f"\nseed = {seed}")
    before = (folder / "ann.ipynb").read_bytes()
    names.write_text("ann\nbea\n")
    assert homework.main([str(names)]) == 0
    assert "also has Üzgür Ö" in capsys.readouterr().out
    later = homework.read_roster(folder / "roster.csv")
    assert {name: later[name] for name in seeds} == seeds and "bea" in later
    assert (folder / "ann.ipynb").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "names nobody"),
        (b"# all\n \n", "names nobody"),
        (b"ann\nbea\nann\n", "names 'ann' twice"),
        (b"a/b\n", "can be no file's name"),
        (b"..\n", "can be no file's name"),
        (b"\xff\xfe", "name a text file"),
        (None, "name a text file"),
    ],
)
def test_lists_that_name_no_class_are_refused(content, words, tmp_path):
    if content is not None:
        (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(RunError, match=words):
        homework.names_in(tmp_path / "list.txt")


@pytest.mark.parametrize(
    "content", ["", "a,b\n1,2\n", "student,seed\nann,x\n", "student,seed\nann\n"]
)
def test_what_is_no_roster_is_refused(content, tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text(content)
    with pytest.raises(RunError, match="takes the columns student and seed"):
        homework.read_roster(path)


# ---------------------------------------------------------------- graded


def handed_in(path, texts, seed_says):
    book = copies.copy_of(sources.HOMEWORK, solved=False)
    for cell in book.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = f"seed = {seed_says}"
        name = cell.id.removesuffix("-answer")
        cell.source = texts.get(name, cell.source) if cell.id.endswith("-answer") else cell.source
    path.write_text(json.dumps(book))
    return path


@submitted.SHUT_IN
def test_homework_is_graded_with_the_seed_of_the_roster(tmp_path):
    code = {task.name: sources.solution_of(task.answer) for task in TASKS}
    typed = {
        task.name: f"{task.name} = {tuple(np.ravel(solved(task, 6)).tolist())}" for task in TASKS
    }
    typed = {name: text.replace(",)", ",)[0]") for name, text in typed.items()}
    for texts, seed, passed in ((code, 6, 4), (code, 10, 4), (typed, 6, 4), (typed, 10, 0)):
        path = handed_in(tmp_path / "ann.ipynb", texts, seed_says=6)
        marks = mark(Submission("ann", path, Path(path.name), seed), Limits())
        assert (marks.lesson, marks.passed, marks.status) == ("homework", passed, "complete")
    marks = mark(Submission("ann", path, Path(path.name)), Limits())
    assert marks.status == "unreadable" and "no roster" in marks.notes[0]


@submitted.SHUT_IN
def test_who_hands_in_nothing_has_a_row(tmp_path, scheduler):
    folder = tmp_path / "in"
    folder.mkdir()
    handed_in(folder / "ann.ipynb", {}, seed_says=6)
    seeds = {"ann": 6, "bea": 10}
    marks = batch.grade(folder, tmp_path, Cluster(scheduler), Limits(), seeds)
    assert [(one.student, one.status) for one in marks] == [
        ("ann", "complete"),
        ("bea", "nothing handed in"),
    ]
    assert (tmp_path / "grades.csv").read_text().splitlines()[
        -1
    ] == "bea,,0,0,nothing handed in,0.0"
