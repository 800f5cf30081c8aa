"""The command lines: whatever happens, a message and a status, on whatever terminal."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import small_workbook as tiny

from tta_helpers.workbook import command
from tta_helpers.workbook.place import RunError


def status_of(error, **options):
    def work():
        raise error

    return command.exit_status(work, **options)


FORESEEN = [
    (PermissionError(13, "Permission denied", "runs/a/finished.json"), "finished.json: Permission"),
    (OSError(28, "No space left on device"), "No space left on device. Is the disk full"),
    (IsADirectoryError(21, "Is a directory", "x"), "x: Is a directory"),
    (UnicodeEncodeError("ascii", "ü", 0, 1, "no"), "UnicodeEncodeError"),
    (RecursionError("too deep"), "RecursionError: too deep"),
    (MemoryError(), "MemoryError"),
    (KeyError("dataset"), "KeyError: 'dataset'"),
    (RunError("do this."), "error: do this.\n"),
]


@pytest.mark.parametrize(("error", "message"), FORESEEN, ids=lambda v: type(v).__name__)
def test_every_error_is_a_message(error, message, capsys, fault):
    fault(f"command that meets a {type(error).__name__}")
    assert status_of(error) == 1
    out, err = capsys.readouterr()
    assert message in err and err.startswith("error: ") and "Traceback" not in err and not out
    with pytest.raises(type(error)):
        status_of(error, traceback=True)


def test_ctrl_c_is_told_of(capsys):
    assert status_of(KeyboardInterrupt()) == 130
    assert "The same command goes on" in capsys.readouterr().err


def make(folder, *arguments, **options):
    """Run the small workbook's `make run` and return the process with its errors."""
    line = tiny.command(folder, "make", "run", "--name", "a", *arguments)
    given = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "timeout": 300, **options}
    return subprocess.run(line, **given)


def test_a_reader_that_goes_away_is_no_error(small, fault):
    fault("output into a pipe that is closed")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = make(small, stdout=closed)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_full_output_device_is_told_of(small, fault):
    fault("output on a full device")
    with open("/dev/full", "wb") as full:
        done = make(small, stdout=full)
    assert done.returncode == 1
    assert (
        done.stderr.startswith(b"error: No space left on device") and done.stderr.count(b"\n") == 1
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"LC_ALL": "C"},
        {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "ascii"},
    ],
)
def test_output_in_any_encoding(small, settings, fault):
    fault("terminal that knows neither ü nor an emoji")
    notebook = small / "notebooks" / "01_one.ipynb"
    text = notebook.read_text(encoding="utf-8")
    notebook.write_text(text.replace("Nine images", "Nine imäges 🦊"), encoding="utf-8")
    done = make(small, env={**os.environ, **settings})
    assert (done.returncode, done.stderr) == (0, b"")
    told = done.stdout.decode("utf-8" if "LC_ALL" in settings else "latin-1")
    assert "Nine imäges 🦊" in told or "Nine im\\xe4ges" in told or "imäges \\U0001f98a" in told


def test_folders_in_the_environment_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, value in zip(command.FOLDERS, ("~/my photos", "cache", "", ""), strict=True):
        monkeypatch.setenv(name, value)
    command.settle_folders()
    found = [os.environ[name] for name in command.FOLDERS]
    assert found == [str(tmp_path / "home" / "my photos"), str(tmp_path / "cache"), "", ""]


def test_folders_among_the_parameters_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    given = {"dataset": "photos", "cifar10c_dir": "photos", "run_dir": "photos", "seed": 3}
    path = str(tmp_path / "photos")
    assert command.settled(given) == {**given, "dataset": path, "cifar10c_dir": path}
    assert command.settled({"dataset": "auto"}) == {"dataset": "auto"}


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "x", "1e9", ""])
def test_limits_are_positive_hours(small, value, fault):
    fault("limit that is none")
    done = make(small, "--cell-hours", value)
    assert done.returncode == 2 and b"argument --cell-hours: invalid" in done.stderr


def test_limits_reach_the_kernels():
    options = SimpleNamespace(cell_hours=0.5, run_hours=2.0)
    limits = command.limits_of(options)
    assert (limits.cell, limits.run) == (1800, 7200)


def test_a_backend_that_is_not_there_is_told_of_in_one_line(small, fault):
    fault("KERAS_BACKEND that there is not, in a process of its own")
    done = make(small, env={**os.environ, "KERAS_BACKEND": "tensorfow"})
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1
    assert b"error: Keras has no backend 'tensorfow'" in done.stderr


def test_ctrl_c_leaves_one_message(small, fault):
    fault("Ctrl-C in `make run`")
    (small / "notebooks" / "tiers" / "lesson.yml").write_text("dataset: auto\npause: 600.0\n")
    stopped = tiny.interrupt(small, "make", "run", "--name", "a", when=lambda: tiny.started(small))
    assert stopped == (130, "\nStopped. The same command goes on where this one stopped.\n")


def test_python_may_be_told_to_stop_at_warnings(small, fault):
    fault("PYTHONWARNINGS=error")
    line = tiny.command(small, "make", "run", "--name", "a")
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [line[0], "-W", "ignore", *line[1:]], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Set aside for this run: PYTHONWARNINGS=error." in done.stdout
    assert line[0] == sys.executable
