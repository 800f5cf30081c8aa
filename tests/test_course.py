"""The course module: every check is proven on right and wrong answers; copies are as built."""

import json
import os
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from course import build, copies, predicting, prepared, sources
from course.checks import CHECKS, HOMEWORK, RIGHT, UNANSWERED, check, judging, verdict
from course.proving import answer_in
from tta_helpers import views
from tta_helpers.workbook import place

FOLDER = place.ROOT / "course" / "exercises"
LESSONS = [*sources.lessons(), sources.HOMEWORK]
EXERCISES = {e.name: (lesson, e) for lesson in LESSONS for e in sources.exercises(lesson)}
SEEDS, BUILT = range(6), build.built()
OWN = (10, 17, 24)  # seeds of a homework with which every wrong way leads elsewhere


def faults_of(exercise, lesson):
    """Return what a check gets wrong, one line a fault: the proofs of the whole course."""
    texts = {
        "right": [sources.solution_of(exercise.answer), *exercise.also_right],
        "wrong": exercise.wrong,
        "hole": [sources.with_hole(exercise.answer)],
    }
    found = []
    for kind, some in texts.items():
        for text in some:
            for seed in OWN if lesson == sources.HOMEWORK else SEEDS:
                own = seed if lesson == sources.HOMEWORK else None
                answer = answer_in(text, exercise.name, lesson, own)
                said = verdict(exercise.name, answer, seed, own)
                if kind == "wrong":
                    good = said.startswith("not yet: ") and sources.opening(text) in said
                else:
                    good = said.startswith(RIGHT) if kind == "right" else said == UNANSWERED
                if not good:
                    found.append(f"{kind}, seed {seed}: {text[:60]!r} gets {said!r}")
    return found


# ---------------------------------------------------------------- the proofs


@pytest.mark.parametrize("name", EXERCISES)
def test_a_check_takes_every_right_answer_and_refuses_every_wrong_one_with_its_hint(name):
    lesson, exercise = EXERCISES[name]
    assert faults_of(exercise, lesson) == []


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_has_two_wrong_answers_with_hints_of_their_own_and_another_right_one(name):
    exercise = EXERCISES[name][1]
    hints = [sources.opening(text) for text in exercise.wrong]
    assert len(hints) >= 2 and len(set(hints)) == len(hints) and all(len(h) > 10 for h in hints)
    assert len(exercise.also_right) >= 1


def test_every_exercise_has_its_check_and_every_check_its_exercise():
    assert set(EXERCISES) == set(CHECKS | HOMEWORK)
    assert sum(len(sources.exercises(lesson)) for lesson in LESSONS) == len(EXERCISES)


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_learners_copy_holds_no_answer(lesson):
    learners = nbformat.read(copies.path_of(lesson, solved=False), as_version=4)
    code = {cell.id: cell.source for cell in learners.cells}
    everything = "\n".join(code.values())
    for exercise in sources.exercises(lesson):
        hole = code[f"{exercise.name}-answer"]
        solved = sources.solution_of(exercise.answer).splitlines()
        given = sources.with_hole(exercise.answer).splitlines()
        secret = [line.strip() for line in solved if line not in given]
        assert secret and not any(line in hole for line in secret if len(line) > 4)
        for text in [*exercise.wrong, *exercise.also_right]:
            assert text not in everything
        assert sources.FIRST not in hole and hole.count("# your answer") >= 1


@pytest.mark.parametrize("path", BUILT, ids=lambda path: path.name)
def test_what_is_built_is_committed(path):
    assert path.read_text(encoding="utf-8") == BUILT[path], "run `make course`"


def test_a_check_that_was_weakened_is_noticed(monkeypatch):
    lesson, exercise = EXERCISES["same_view"]
    monkeypatch.setitem(CHECKS, "same_view", lambda answer, rng: judging.number(answer(3)) and None)
    found = faults_of(exercise, lesson)
    assert len(found) == len(SEEDS) * len(exercise.wrong) and all("wrong" in line for line in found)
    monkeypatch.setitem(CHECKS, "same_view", lambda answer, rng: 1 / 0)
    assert sum("right" in line for line in faults_of(exercise, lesson)) >= 2 * len(SEEDS)


# ---------------------------------------------------------------- checks, whatever they are given


def stops(error):
    def answer(*_):
        raise error

    return answer


@pytest.mark.parametrize("name", CHECKS | HOMEWORK)
def test_no_answer_stops_a_check_and_none_of_these_is_right(name):
    nonsense = [None, "", "?", [], {}, object(), np.nan, -7.5, np.zeros((2, 2)), [[1], [2, 3]]]
    nonsense += [lambda *_: None, lambda *_: "?", lambda *_: np.full(2, np.nan), lambda: 1]
    nonsense += [stops(error) for error in (ValueError("no"), SystemExit(3), RecursionError())]
    nonsense += [lambda *a: a[0] if a else 0, lambda *_: [[1], [2, 3]], lambda *_: {}]
    for answer in nonsense:
        said = verdict(name, answer, 0, 0)
        assert said.startswith("not yet: ") and len(said) < 400


def test_a_check_prints_one_line_and_returns_nothing(capsys):
    assert check("same_view", ...) is None
    check("same_view", lambda k: 2 * 0.5**k)
    check("same_view", lambda k: 0.5**k)
    check("nowhere", 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"same_view: {UNANSWERED}"
    assert [line.split(": ")[0] for line in lines[1:]] == ["same_view", "same_view", "nowhere"]
    assert RIGHT in lines[1] and "two ways" in lines[2] and "no such exercise" in lines[3]


def test_an_answer_without_end_can_be_interrupted():
    with pytest.raises(KeyboardInterrupt):
        check("same_view", stops(KeyboardInterrupt()))


def test_an_answer_that_changes_its_input_is_told():
    def in_place(labels, original, mirror):
        original += mirror
        return 0.5, 0.5

    assert "changes the arrays" in verdict("where_gained", in_place, 0)
    assert "without brackets" in verdict("same_view", 0.25, 0)


def test_checks_draw_new_input_at_every_call():
    seen = []
    for _ in range(2):
        verdict("standard_error", lambda right: seen.append(right.copy()))
    assert not np.array_equal(*seen)


# ---------------------------------------------------------------- sources


def test_sources_are_read_by_hand(tmp_path):
    path = tmp_path / "01_x.py"
    path.write_text(
        '# %% [markdown]\n# # Title\n#\n# Text\n\n# %%\nx = 1\n\n\n# %% tags=["wrong"]\n# why\n'
        '# so\ny = 2\n\n# %% [markdown] exercise="a" minutes=3\n# ## Do\n'
    )
    first, second, third, last = sources.read_cells(path)
    assert (first.kind, first.text, first.role) == ("markdown", "# Title\n\nText", "given")
    assert (second.kind, second.text, second.settings) == ("code", "x = 1", {})
    assert third.role == "wrong" and sources.opening(third.text) == "why so"
    assert last.role == "task" and last.settings == {"exercise": "a", "minutes": 3}


@pytest.mark.parametrize("text", ["x = 1\n# %%\n", "# %% what\n", "# %%tags\n", '# %% a="b\n'])
def test_sources_that_cannot_be_read_are_refused(text, tmp_path):
    (tmp_path / "x.py").write_text(text)
    with pytest.raises(sources.SourceError):
        sources.read_cells(tmp_path / "x.py")


def test_two_parts_make_one_lesson(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SOURCES", tmp_path)
    for name in ("06_x_part_b", "06_x", "07_y"):
        (tmp_path / f"{name}.py").write_text(f"# %%\n{name!r}\n")
    assert list(sources.lessons()) == ["06_x", "07_y"]
    assert [cell.text for cell in sources.cells_of("06_x")] == ["'06_x'", "'06_x_part_b'"]


TASK = sources.Cell(
    "markdown", "## 1. T", {"exercise": "a", "objective": "o", "step": "read", "minutes": 1}
)
ANSWER = sources.Cell("code", "# solution\na = 1\n# end of solution", {"exercise": "a"})
WRONG = sources.Cell("code", "# no\na = 2", {"tags": ["wrong"]})


def test_cells_are_put_together_and_lone_ones_refused():
    (one,) = sources.exercises_of([TASK, ANSWER, WRONG])
    assert (one.title, one.minutes, one.wrong, one.also_right) == ("1. T", 1, ["# no\na = 2"], [])
    unknown = sources.Cell("markdown", "", {**TASK.settings, "step": "guess"})
    for cells in ([ANSWER], [WRONG], [TASK, WRONG], [unknown]):
        with pytest.raises(sources.SourceError):
            sources.exercises_of(cells)


def test_a_hole_is_cut_where_the_solution_stands():
    assert sources.with_hole("# solution\na = 1\nb = a\n# end of solution\nc = 3") == (
        "a = ...  # your answer\nb = ...  # your answer\nc = 3"
    )
    checked = '# solution\na = 1\nb = a\n# end of solution\n\ncheck("b", b, 0)'
    assert sources.with_hole(checked) == 'b = ...  # your answer\n\ncheck("b", b, 0)'
    inside = (
        "def f(x):\n    y = 2\n    # solution\n    if x:\n        y = 1\n    # end of solution\n"
    )
    assert sources.with_hole(inside) == (
        "def f(x):\n    y = 2\n    raise NotImplementedError  # your answer\n"
    )
    for text in ("a = 1", "# solution\na = 1", "# solution\n1\n# end of solution\n" * 2):
        with pytest.raises(sources.SourceError):
            sources.with_hole(text)


# ---------------------------------------------------------------- copies, as a learner runs them


def test_ids_of_cells_are_valid_fixed_and_each_its_own():
    for path, text in copies.notebooks().items():
        book = nbformat.reads(text, as_version=4)
        nbformat.validate(book)
        ids = [cell.id for cell in book.cells]
        assert len(set(ids)) == len(ids), path.name


def test_run_all_of_an_untouched_copy_ends_and_says_what_is_open():
    book = nbformat.read(FOLDER / "02_exercises.ipynb", as_version=4)
    NotebookClient(book, resources={"metadata": {"path": FOLDER}}, kernel_name="python3").execute()
    printed = [o.text for c in book.cells for o in c.get("outputs", []) if o.name == "stdout"]
    open_ones = [f"{e.name}: {UNANSWERED}\n" for e in sources.exercises("02_flip_tta")]
    assert printed[1:] == open_ones


RUN_SOLUTIONS = """\
import sys, nbformat
for path in sys.argv[1:]:
    names = {}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
print([name for name in ("tensorflow", "keras") if name in sys.modules])
"""


def test_every_solution_runs_and_is_right_without_any_backend():
    paths = [copies.path_of(lesson, solved=True) for lesson in LESSONS]
    command = [sys.executable, "-W", "error", "-c", RUN_SOLUTIONS, *map(str, paths)]
    env = os.environ | {"MPLBACKEND": "agg"}
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, env=env)
    *lines, backends = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert backends == "[]"
    assert {line.split(": ")[0] for line in lines if f": {RIGHT}" in line} == set(EXERCISES)


# ---------------------------------------------------------------- the prepared predictions


def test_the_prepared_predictions_are_whole_and_small():
    sample = prepared.load()
    assert prepared.FILE.stat().st_size < 3e6
    assert "sample" in sample.about
    n, m = len(sample.labels), len(sample.test_labels)
    for name in prepared.NETWORKS:
        assert getattr(sample, name).shape == (2, n, 10)
        assert getattr(sample, f"test_{name}").shape == (2, m, 10)
    assert sample.repairs.shape == sample.noisy.shape == (len(sample.view_names), n, 10)
    assert sample.copies.shape[1] == len(sample.copy_labels) == len(sample.copy_scores)
    assert len(sample.copy_labels) % len(sample.row_groups) == 0
    for name in prepared.PROBABILITIES:
        probs = getattr(sample, name)
        assert np.isfinite(probs).all() and np.allclose(probs.sum(axis=-1), 1, atol=1e-5)


def test_the_prepared_predictions_are_of_the_views_of_today():
    assert prepared.load().view_names == [view.name for view in views.REPAIRS]


def test_the_prepared_networks_know_more_than_chance():
    sample = prepared.load()
    right = (sample.settled[0].argmax(axis=1) == sample.labels).mean()
    mirrored = (sample.repairs[0].argmax(axis=1) == sample.labels).mean()
    spoiled = (sample.noisy[0].argmax(axis=1) == sample.labels).mean()
    assert right > 0.5 and mirrored > spoiled > 0.2
    assert np.mean(sample.settled[0].argmax(1) != sample.settled[1].argmax(1)) > 0.02


def test_what_is_no_run_on_the_sample_is_refused(tmp_path):
    with pytest.raises(place.RunError, match="make run DATASET=sample NAME="):
        predicting.parameters_of(tmp_path)
    record = {"dataset": {"name": "cifar10"}, "parameters": {"seed": 3}}
    for name in ("01_baseline_cnn", "04_learned_loss_predictor"):
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
    with pytest.raises(place.RunError, match="cifar10; it must be the sample"):
        predicting.parameters_of(tmp_path)
    record["dataset"]["name"] = "sample"
    (tmp_path / "04_learned_loss_predictor.json").write_text(json.dumps(record))
    assert predicting.parameters_of(tmp_path) == {"seed": 3}


def test_predictions_are_written_small_and_come_back(tmp_path):
    probs = np.random.default_rng(0).dirichlet(np.ones(4), 50)
    arrays = {"probs": probs, "labels": np.arange(50, dtype=np.uint8), "about": np.array("x")}
    predicting.write(arrays, tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz") as saved:
        assert saved["probs"].dtype == np.float16
        np.testing.assert_allclose(saved["probs"], probs, rtol=1e-3, atol=1e-6)
        assert np.array_equal(saved["labels"], arrays["labels"]) and saved["about"] == "x"


def test_rows_are_taken_evenly():
    assert predicting.evenly(5, 3).tolist() == [0, 2, 4]
    assert predicting.evenly(3, 10).tolist() == [0, 1, 2]


@pytest.mark.parametrize("own", [None, 3])
def test_an_answer_cannot_change_what_later_checks_read(own):
    sample = prepared.load(own)
    with pytest.raises(ValueError, match="read-only"):
        sample.settled *= 2
    with pytest.raises(ValueError, match="read-only"):
        sample.labels[0] = 1
    sample.labels = sample.labels + 1  # the learner's own from here on
    assert not np.array_equal(prepared.load(own).labels, sample.labels)
