"""Kernels of a run: the runner's own, without the user's settings, and not waited for for ever."""

import json
import os
import sys
import time

import keras
import nbformat
import pytest
import small_workbook as tiny

from tta_helpers.workbook import environment, kernels, place, runs
from tta_helpers.workbook.kernels import Limits
from tta_helpers.workbook.place import RunError

GIVEN = {"dataset": "auto"}


def add_cell(workbook, source, before=1):
    """Put a cell into the notebook of a small workbook, and return where its executed copy lies."""
    path = workbook / "notebooks" / "01_one.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(before, nbformat.v4.new_code_cell(source))
    nbformat.write(notebook, path)
    return workbook / "runs" / "a" / "01_one.ipynb"


def outputs(path):
    return [o for cell in nbformat.read(path, as_version=4).cells for o in cell.get("outputs", [])]


ASIDE = """\
import os, sys, warnings
import matplotlib.pyplot as plt
warnings.warn("only shown")
print(sys.flags.optimize, os.environ.get("KERAS_MAX_EPOCHS"), "planted" in globals())
plt.plot([1, 2]);
"""


def test_settings_of_the_user_are_set_aside_and_said(small, tmp_path, monkeypatch, capsys, fault):
    fault("MPLBACKEND, PYTHONWARNINGS, IPython start-up and others set by the user", 7)
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-mine.py").write_text("planted = True\nraise RuntimeError('mine')\n")
    (tmp_path / "start.py").write_text("planted = True\n")
    users = {
        "MPLBACKEND": "Agg",
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "1",
        "PYTHONSTARTUP": str(tmp_path / "start.py"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "KERAS_MAX_EPOCHS": "1",
        "KERAS_MAX_STEPS_PER_EPOCH": "1",
    }
    for name, value in users.items():
        monkeypatch.setenv(name, value)
    path = add_cell(small, ASIDE)
    runs.run_workbook(GIVEN, "a")
    told = capsys.readouterr().out
    assert all(f"{name}={value}" in told for name, value in users.items())
    found = outputs(path)
    assert "0 None False\n" in [o.get("text") for o in found]
    assert sum("image/png" in o.get("data", {}) for o in found) == 1


def test_a_line_that_comes_in_two_pieces_is_one_output(small):
    pieces = "import time\nprint('one', end='', flush=True)\ntime.sleep(1)\nprint(' line')"
    executed = add_cell(small, pieces)
    runs.run_workbook(GIVEN, "a")
    assert [o.text for o in outputs(executed) if o.get("text", "").startswith("one")] == [
        "one line\n"
    ]


def test_nothing_is_said_where_nothing_is_set(small, monkeypatch, tmp_path, capsys):
    for name in kernels.SET_ASIDE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    runs.run_workbook(GIVEN, "a")
    assert "Set aside" not in capsys.readouterr().out


def test_keras_has_its_own_defaults_in_a_lesson(tmp_path, monkeypatch, fault):
    fault("keras.json: float16, channels_first, epsilon", 3)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    users = {"floatx": "float16", "epsilon": 1e-3, "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(users))
    assert environment.changed_settings() == [f"{k}={v} in keras.json" for k, v in users.items()]
    keras.config.set_floatx("float16")
    keras.config.set_epsilon(1e-3)
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("mixed_bfloat16")
    defaults = {p.name: p.default for p in lesson_parameters("01_baseline_cnn")}
    assert runs.begin("01_baseline_cnn", defaults) == runs.environment_line()
    found = keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format()
    assert found == ("float32", 1e-7, "channels_last")
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("script", "cards"),
    [("echo 'NVIDIA H200'; echo ' NVIDIA T4'", ["NVIDIA H200", "NVIDIA T4"]), ("exit 9", [])],
)
def test_a_record_names_the_graphics_cards(tmp_path, monkeypatch, script, cards):
    """A driver that is there answers with names; one that fails, as with no card, adds nothing."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    environment.cards.cache_clear()
    told = environment.environment_line().split(" cores")[1]
    environment.cards.cache_clear()
    assert told == "".join(f", {name}" for name in cards)


def lesson_parameters(name):
    path = place.notebooks() / f"{name}.ipynb"
    return kernels.inspected(path).parameters.values()


@pytest.mark.parametrize(
    ("name", "value"),
    [("floatx", "float8"), ("epsilon", "small"), ("epsilon", 1), ("image_data_format", None)],
)
def test_a_keras_json_that_keras_refuses_is_named(tmp_path, monkeypatch, name, value, fault):
    fault("keras.json with a value that Keras refuses")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text(json.dumps({name: value}))
    with pytest.raises(RunError, match=rf"keras\.json sets {name} to .*correct the file"):
        environment.changed_settings()
    (tmp_path / "keras.json").write_text("[no JSON")  # Keras passes over it
    assert environment.changed_settings() == []


def test_a_lesson_checks_its_parameters_too():
    values = {p.name: p.default for p in lesson_parameters("05_choose_policy")}
    with pytest.raises(RunError, match=r"alpha is 1\.5; it must be above 0, below 1"):
        runs.begin("05_choose_policy", {**values, "alpha": 1.5})


def test_one_number_is_a_text_of_one_number():
    """As `papermill -p mask_sizes 4` gives it, which the lesson then splits at spaces."""
    given = {p.name: p.default for p in lesson_parameters("06_boxes_and_masks")}
    given |= {"mask_sizes": 4}
    runs.begin("06_boxes_and_masks", given)
    assert given["mask_sizes"] == "4"


def test_a_backend_that_is_not_there_is_named(monkeypatch, fault):
    fault("KERAS_BACKEND: unknown, not installed", 2)
    monkeypatch.setenv("KERAS_BACKEND", "tensorfow")
    with pytest.raises(RunError, match=r"no backend 'tensorfow'.*one of tensorflow, jax, torch"):
        environment.backend()
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RunError, match="backend 'torch' is not installed"):
        environment.backend()


def test_a_kernel_of_another_package_or_interpreter_stops(monkeypatch, fault):
    fault("kernel of another checkout, of another interpreter, of changed code", 3)
    kernels.check_owner()  # outside a run, nobody has said whose the kernel is
    for name, value in zip(kernels.OWNERS, kernels.owners(), strict=True):
        monkeypatch.setenv(name, value)
    kernels.check_owner()
    said = ("results would go astray", "results would go astray", "was changed since this run")
    for name, message in zip(kernels.OWNERS, said, strict=True):
        with monkeypatch.context() as patch:
            patch.setenv(name, "another")
            with pytest.raises(RunError, match=message):
                kernels.check_owner()


def test_other_data_than_the_run_began_with_stop_a_lesson(small, monkeypatch, fault):
    fault("data changed between runner and kernel")
    data = tiny.nine_images()
    values = {name: None for name in kernels.inspected(place.lesson_paths()[0]).parameters}
    monkeypatch.setenv(kernels.FINGERPRINT, "f00d")
    runs.Record("01_one", "runs/x", values, data)
    runs.Record("01_one", "runs/x", values, data.take(0, 8))  # a part of the same
    monkeypatch.setenv(kernels.FINGERPRINT, "beef")
    for other in (data, data.take(0, 8)):
        with pytest.raises(RunError, match="not those that the run began with"):
            runs.Record("01_one", "runs/x", values, other)


def test_the_runner_tells_kernels_the_data(small):
    path = add_cell(small, f"import os; print(os.environ['{kernels.FINGERPRINT}'])")
    runs.run_workbook(GIVEN, "a")
    assert "f00d\n" in [o.get("text") for o in outputs(path)]


STOPPED = "import os, signal; Path('../pid').write_text(str(os.getpid())); {}"


@pytest.mark.parametrize(
    "what", ["os.kill(os.getpid(), signal.SIGSTOP)", "time.sleep(600)", "exec('while True: pass')"]
)
def test_a_cell_that_does_not_end_is_ended(small, what, fault):
    fault(f"cell that does not end: {what.split('(')[0]}")
    add_cell(small, STOPPED.format(what), before=2)
    with pytest.raises(RunError, match=r"01_one: cell \d was ended at the limit of 0\.0\d+ h a"):
        runs.run_workbook(GIVEN, "a", Limits(cell=2))
    tiny.wait_for(lambda: not os.path.exists(f"/proc/{(small / 'pid').read_text()}"), 30)
    assert not list((small / "runs" / "a").glob("*.ipynb"))


def test_a_run_has_a_limit_over_all_its_notebooks(small, fault):
    fault("run beyond its limit")
    add_cell(small, "time.sleep(600)", before=2)
    start = time.monotonic()
    with pytest.raises(RunError, match=r"was ended at the limit of .* h a run \(--run-hours"):
        runs.run_workbook(GIVEN, "a", Limits(run=3))
    assert time.monotonic() - start < 60  # and not the cell's


def test_a_copy_of_a_lesson_is_none(small, fault):
    fault("copy of a lesson beside it", 2)
    notebook = (small / "notebooks" / "01_one.ipynb").read_text()
    for name in ("01_one-Copy1", "01_one_old"):
        (small / "notebooks" / f"{name}.ipynb").write_text(notebook)
    runs.run_workbook(GIVEN, "a")
    assert [p.name for p in (small / "runs" / "a").glob("*.ipynb")] == ["01_one.ipynb"]


def test_a_picture_is_drawn_by_the_workbooks_matplotlibrc(small, tmp_path, monkeypatch):
    (tmp_path / "matplotlibrc").write_text("figure.dpi: 7\n")
    (small / "notebooks" / "matplotlibrc").write_text("figure.dpi: 41\n")
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path))
    path = add_cell(small, "import matplotlib; print(matplotlib.rcParams['figure.dpi'])")
    runs.run_workbook(GIVEN, "a")
    assert "41.0\n" in [o.get("text") for o in outputs(path)]


def test_what_is_kept_comes_back_under_its_key_alone(tmp_path, fault):
    fault("kept results damaged, of another key", 5)
    path = tmp_path / "costs.json"
    assert runs.kept(path, "a") is None
    runs.keep(path, "a", {"flip": [1.5]})
    assert runs.kept(path, "a") == {"flip": [1.5]}
    assert runs.kept(path, "b") is None
    for content in (b"", b"[]", b"{}", b"\xff", path.read_bytes()[:-3]):
        path.write_bytes(content)
        assert runs.kept(path, "a") is None
