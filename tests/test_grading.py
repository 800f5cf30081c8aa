"""Grading: right answers pass, wrong ones are told why, a hostile notebook costs itself alone."""

import json
import subprocess
import sys
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
import submitted

from course import grade, sources
from course.checks import RIGHT, UNANSWERED, verdict
from course.grading import batch, confining, wire
from course.grading.asking import CellError, Kernel, KernelLost, Limits
from course.grading.marking import mark
from course.grading.submissions import Submission
from tta_helpers.workbook import place
from tta_helpers.workbook.clusters import Cluster
from tta_helpers.workbook.place import RunError

pytestmark = submitted.SHUT_IN
LESSON = "06_boxes_and_masks"  # its first cell imports no SciPy
SHORT = Limits(cell=2, total=90)


def marks_of(path, limits=SHORT):
    return mark(Submission("ann", path, Path(path.name)), limits)


@pytest.fixture(scope="module")
def kernel():
    """A kernel for cells that leave it alive, each within ten seconds."""
    with Kernel(Limits(), monotonic() + 600) as one:
        one.allow(600)
        one.run("import numpy as np")
        yield one


# ---------------------------------------------------------------- hostile cells

ALIVE = [kind for kind, (_, words, _) in submitted.HOSTILE.items() if words and "Error" in words]
for kind in ("threads", "ever more memory"):  # they leave no memory to the others
    ALIVE.remove(kind)
ENDED = [
    "endless",
    "answers for ever",
    "leaves",
    "breaks memory",
    "fills the disk",
    "nests folders",
]
FEIGNED = ["says that it is right", "takes the check over", "has all numbers close"]
FEIGNED += [
    "threads",
    "equals everything",
    "holds itself",
    "swallows hints",
    "speaks for the kernel",
]


@pytest.mark.parametrize("kind", ALIVE)
def test_what_a_cell_may_not_do_is_an_error_in_it(kind, kernel, tmp_path, fault):
    fault(f"submission that {kind}" if " " in kind else f"submission: {kind}")
    cell, words, _ = submitted.HOSTILE[kind]
    with pytest.raises(CellError, match=words):
        kernel.run(cell.format(name="x", outside=tmp_path, right="", wrong=""))
    kernel.run("x = 1")
    assert kernel.answer("x") == 1
    assert list(tmp_path.iterdir()) == [] and tmp_path.stat().st_mode & 0o77 == 0


@pytest.mark.parametrize("kind", ENDED + FEIGNED)
def test_a_hostile_cell_costs_its_own_exercise_alone(kind, tmp_path, fault):
    fault(f"submission that {kind}" if " " in kind else f"submission: {kind}")
    texts, status = submitted.hostile(LESSON, kind, 1, tmp_path)
    due = submitted.hand_in(tmp_path / "ann.ipynb", LESSON, texts, status)
    limits = SHORT if kind in ("endless", "answers for ever") else Limits()
    marks = marks_of(tmp_path / "ann.ipynb", limits)
    assert submitted.faults_of(due, marks) == []
    assert marks.passed == len(texts) - 1


def test_all_cells_together_have_a_limit(tmp_path):
    texts = {name: ("import time\ntime.sleep(1)", "") for name in submitted.right_ones(LESSON, 0)}
    submitted.hand_in(tmp_path / "ann.ipynb", LESSON, texts)
    marks = marks_of(tmp_path / "ann.ipynb", Limits(cell=60, total=2.5))
    assert marks.status == "stopped" and marks.passed == 0 and set(marks.verdicts) == set(texts)
    assert "not reached" in list(marks.verdicts.values())[-1]


def test_a_kernel_that_is_ended_leaves_nothing_behind():
    with Kernel(SHORT, monotonic() + 90) as one:
        one.allow(20)
        one.run("open('a', 'w').write('x')\nimport os\nwhere, me = os.getcwd(), os.getpid()")
        where, me = Path(one.answer("where")), one.answer("me")
        assert (where / "a").is_file()
        with pytest.raises(KernelLost, match="died"):
            one.run("os._exit(1)")
    assert not where.exists() and not Path(f"/proc/{me}").exists()


def test_where_nothing_can_be_shut_in_nothing_runs(monkeypatch, tmp_path):
    monkeypatch.setattr(confining, "_landlock_version", lambda: -1)
    with pytest.raises(RunError, match="can be shut in; this kernel has no Landlock"):
        batch.grade(tmp_path, tmp_path, Cluster(), SHORT)


def test_a_process_with_threads_is_not_taken_for_shut_in():
    script = (
        "import threading\nfrom course.grading import confining\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "try:\n    confining.confine([], [])\nexcept confining.CannotConfine as error:\n"
        "    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "has threads already" in done.stdout


@pytest.mark.parametrize("what", ["0", "np.zeros(10**6)"])
def test_an_answer_that_asks_back_for_ever_is_ended(what):
    with Kernel(Limits(), monotonic() + 90) as one:
        one.allow(60)
        one.run(f"import numpy as np\ndef f(g):\n    while True:\n        g({what})")
        with pytest.raises(KernelLost, match="more questions back"):
            one.answer("f")(lambda x: None)


# ---------------------------------------------------------------- answers across the line


def test_checks_judge_an_answer_in_a_kernel_as_they_judge_one_here(kernel):
    for lesson in ("02_flip_tta", "04_learned_loss_predictor"):
        kernel.run("from scipy import stats\nfrom course.checks import check")
        for exercise in sources.exercises(lesson):
            for text in exercise.wrong:
                kernel.run(text)
                assert sources.opening(text) in verdict(exercise.name, kernel.answer(exercise.name))
            kernel.run(sources.solution_of(exercise.answer))
            assert verdict(exercise.name, kernel.answer(exercise.name)).startswith(RIGHT)
            kernel.run(sources.with_hole(exercise.answer))
            assert verdict(exercise.name, kernel.answer(exercise.name)) == UNANSWERED


def test_what_an_answer_does_over_there_is_seen_here(kernel):
    kernel.run("def f(x, g):\n    x += 1\n    return [x.sum(), g(x), {'a': (None, True, 'é')}]")
    given = np.arange(3.0)
    found = kernel.answer("f")(given, lambda x: x[::-1])
    assert given.tolist() == [1, 2, 3] and found[0] == 6 and found[1].tolist() == [3, 2, 1]
    assert found[2] == {"a": (None, True, "é")}
    kernel.run("def f(g):\n    return g(0)")
    for error in (KeyError("k"), table_error := ZeroDivisionError("z")):
        with pytest.raises(type(error)) as caught:
            kernel.answer("f")(thrower(error))
        assert caught.value is error
    assert table_error.args == ("z",)
    with pytest.raises(CellError, match="nothing is called `nowhere`"):
        kernel.answer("nowhere")


def thrower(error):
    def throw(*_):
        raise error

    return throw


VALUES = [None, True, -3, 2.5, "text", ..., [], {"a": [1.5]}, {1, 2}]
VALUES += [[1, (2.5, frozenset("ab")), {}]]
VALUES += [
    np.float32(0.1),
    np.bytes_(b"bytes"),
    np.complex64(1 + 2j),
    np.bool_(True),
    np.str_("ab"),
    np.zeros((0, 3), "i2"),
]
VALUES += [np.arange(6, dtype=">u4").reshape(2, 3)[:, ::-1], np.array(["x", "long"])]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_across_as_they_are(value):
    found = wire.decode(json.loads(json.dumps(wire.encode(value, []))), None)
    assert type(found) is type(value) and (
        found == value if type(value) is list else np.array_equal(found, value)
    )
    assert getattr(found, "dtype", None) == getattr(value, "dtype", None)


def test_what_is_no_value_comes_across_as_its_name_alone():
    for thing, name in ((object(), "object"), (iter([]), "list_iterator"), (1 for _ in "a"), "g")[
        :2
    ]:
        assert type(wire.decode(wire.encode(thing, []), None)).__name__ == name
    objects = wire.decode(wire.encode(np.array([object()]), []), None)
    assert not isinstance(objects, np.ndarray)


def test_a_generator_does_not_tell_what_the_check_draws_next():
    ours = np.random.default_rng(5)
    theirs = wire.decode(wire.encode(ours, []), None)
    assert theirs.random(4).tolist() != ours.random(4).tolist()


ARRAY = {"is": "array", "dtype": "<f8", "shape": [1], "data": "AAAAAAAAAAA="}
NO_VALUES = [{}, {"is": "pickle"}, [], ARRAY | {"dtype": "|O8"}, ARRAY | {"shape": [2]}]
NO_VALUES += [ARRAY | {"shape": [-1]}, ARRAY | {"dtype": "f8,f8"}, {"is": "set", "items": [[]]}]
NO_VALUES += [{"is": "function", "place": "x"}, {"is": "dict", "items": [1]}, {"is": "thing"}]
NO_VALUES += [{"is": "set", "items": [{"is": "list", "items": []}]}, ARRAY | {"data": 3}]


@pytest.mark.parametrize("told", NO_VALUES, ids=repr)
def test_what_a_kernel_makes_up_is_refused(told):
    with pytest.raises(wire.WireError):
        wire.decode(told, lambda place: None)


# ---------------------------------------------------------------- a folder, by the command


def test_a_class_is_graded_and_graded_once(tmp_path, scheduler, monkeypatch, capsys, fault):
    fault("hostile notebooks among those of a class", 3)
    monkeypatch.setattr(place, "ROOT", tmp_path)
    monkeypatch.setattr(grade, "ROOT", tmp_path)
    folder = tmp_path / "week 2"
    folder.mkdir()
    due = {
        "ann.ipynb": submitted.right_ones(LESSON, 1),
        "bob/06_exercises.ipynb": submitted.wrong_ones("03_tune_tta", 0),
        "cy.ipynb": submitted.hostile(LESSON, "leaves", 2, tmp_path)[0],
    }
    due = {
        path: submitted.hand_in(folder / path, "03_tune_tta" if "bob" in path else LESSON, texts)
        for path, texts in due.items()
    }
    submitted.damaged(folder / "dee.ipynb", "cut")
    arguments = [str(folder), "--name", "week", "--scheduler", scheduler]
    assert grade.main(arguments) == 0
    out = tmp_path / "runs" / "week"
    rows = [line.split(",")[:5] for line in (out / "grades.csv").read_text().splitlines()]
    assert rows == [
        ["student", "lesson", "passed", "of", "status"],
        ["ann", LESSON, "8", "8", "complete"],
        ["bob", "03_tune_tta", "0", "7", "complete"],
        ["cy", LESSON, "7", "8", "stopped"],
        ["dee", "", "0", "0", "unreadable"],
    ]
    for path, one in due.items():
        page = (out / "feedback" / path).with_suffix(".md").read_text()
        assert all(words in page for words in one.verdicts.values())
    capsys.readouterr()
    (folder / "ann.ipynb").write_text((folder / "cy.ipynb").read_text())
    assert grade.main(arguments) == 0
    assert "4 notebooks, 3 of them graded already" in capsys.readouterr().out
    assert (out / "grades.csv").read_text().splitlines()[1].startswith(f"ann,{LESSON},7,8,stopped")


def test_commands_that_cannot_start_say_why(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(place, "ROOT", tmp_path)
    for named in (str(tmp_path / "nowhere"), ""):
        assert grade.main([named]) == 1
        assert "name a folder with submitted notebooks" in capsys.readouterr().err
