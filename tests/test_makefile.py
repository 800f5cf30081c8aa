"""The Makefile in a folder of its own: nothing is built, a small script stands in for Python."""

import os
import shutil
import subprocess
import time

import pytest

from tta_helpers.workbook.place import ROOT

# Stands in for the Python that builds .venv, and for what is in there. It writes what it is called
# with to the file calls: its folders of data, then what it would run.
SCRIPT = r"""#!/bin/sh
echo "$CIFAR10_DIR|$TTA_CACHE|$PYTHONWARNINGS|${0##*/} $*" >> "$CALLS"
case "$*" in
    --version) echo "Python 3.12.0" ;;
    "-m venv --clear .venv")
        rm -rf .venv && mkdir -p .venv/bin
        cp "$0" .venv/bin/python && cp "$0" .venv/bin/jupyter ;;
esac
"""


class Workbook:
    """A folder with the Makefile and what it reads."""

    def __init__(self, folder, bin_folder):
        self.folder, self.log = folder, bin_folder / "calls"
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "Makefile", folder)
        for name in ("requirements.txt", "pyproject.toml"):
            (folder / name).write_text(f"{name} as it was\n")
        bin_folder.mkdir()
        python = bin_folder / "python3"
        python.write_text(SCRIPT)
        python.chmod(0o755)
        self.environment = {
            "PATH": f"{bin_folder}{os.pathsep}{os.defpath}",
            "HOME": "/home/reader",
            "CALLS": str(self.log),
        }

    def make(self, *arguments, **environment):
        """Run make and return it, and what Python was called with."""
        self.log.unlink(missing_ok=True)
        self.done = subprocess.run(
            ["make", *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
        )
        return self.log.read_text().splitlines() if self.log.exists() else []

    def builds(self):
        """Whether `make run` builds .venv."""
        return any(call.endswith("-m venv --clear .venv") for call in self.make("run"))


@pytest.fixture
def workbook(tmp_path):
    return Workbook(tmp_path / "my work – ß", tmp_path / "bin")


def test_the_environment_is_built_once(workbook):
    assert workbook.builds()
    assert workbook.done.returncode == 0, workbook.done.stderr
    assert "Building .venv with Python 3.12.0" in workbook.done.stdout
    assert not workbook.builds()
    assert workbook.done.returncode == 0


def test_an_environment_that_is_a_link_is_not_emptied(workbook, fault):
    fault(".venv is a link, and out of date")
    assert workbook.builds()
    shared = workbook.folder.parent / "shared"
    (workbook.folder / ".venv").rename(shared)
    (workbook.folder / ".venv").symlink_to(shared)
    assert not workbook.builds() and workbook.done.returncode == 0  # up to date, it serves
    (workbook.folder / "requirements.txt").write_text("another\n")
    assert not workbook.builds() and workbook.done.returncode != 0
    assert "error: .venv is a link" in workbook.done.stderr
    assert (shared / "bin" / "python").is_file()


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_what_it_is_built_from_counts_and_not_its_date(workbook, name, fault):
    fault("requirements.txt or pyproject.toml dated in the future")
    assert workbook.builds()
    tomorrow = time.time() + 86_400
    os.utime(workbook.folder / name, (tomorrow, tomorrow))
    assert not workbook.builds()
    (workbook.folder / name).write_text("another\n")
    os.utime(workbook.folder / name, (0, 0))
    assert workbook.builds()
    assert not workbook.builds()


def test_an_environment_that_somebody_calls_ready_is_taken(workbook):
    workbook.builds()
    (workbook.folder / ".venv" / "ready").write_text("")  # as `touch` leaves it
    assert not workbook.builds()
    os.utime(workbook.folder / ".venv" / "ready", (0, 0))
    assert workbook.builds()


@pytest.mark.parametrize("how", ["gone", "dangling", "no program"])
def test_an_environment_without_its_python_is_built_again(workbook, how, fault):
    fault(f".venv/bin/python is {how}")
    workbook.builds()
    python = workbook.folder / ".venv" / "bin" / "python"
    if how == "no program":
        python.chmod(0o644)
    else:
        python.unlink()
    if how == "dangling":
        python.symlink_to("/nowhere/python3.12")
    assert workbook.builds()
    assert not workbook.builds()


def test_a_failed_build_is_no_environment(workbook, fault):
    fault("packages that cannot be installed")
    python = workbook.log.with_name("python3")
    python.write_text(SCRIPT.replace("esac", '    *"pip install"*) exit 1 ;;\nesac'))
    for _ in range(2):
        assert workbook.builds()
        assert workbook.done.returncode != 0
        assert "error: the packages could not be installed" in workbook.done.stderr
    python.write_text(SCRIPT)
    assert workbook.builds()
    assert workbook.done.returncode == 0


def test_a_path_with_a_colon_is_refused_before_anything_is_built(tmp_path, fault):
    fault("workbook in a folder with a colon")
    workbook = Workbook(tmp_path / "a:b" / "work", tmp_path / "bin")
    assert workbook.make("run") == []
    assert workbook.done.returncode != 0
    assert "a:b/work cannot hold a virtual environment" in workbook.done.stderr
    assert "because of the colon in its path; move the workbook." in workbook.done.stderr
    assert not (workbook.folder / ".venv").exists()
    assert "index" not in workbook.done.stderr


def test_an_interpreter_may_lie_in_a_folder_with_spaces(workbook):
    other = workbook.log.with_name("my python")
    workbook.log.with_name("python3").rename(other)
    calls = workbook.make("run", f"PYTHON={other}")
    assert workbook.done.returncode == 0, workbook.done.stderr
    assert any(call.endswith("my python -m venv --clear .venv") for call in calls)


FOLDERS = ["~/cifar", "~", "data of mine/x y", "/data/x y", "../x", "~other/x"]


@pytest.mark.parametrize("as_variable", [True, False])
@pytest.mark.parametrize("folder", FOLDERS)
def test_the_folder_of_the_data_reaches_the_runner_as_it_was_given(workbook, folder, as_variable):
    if as_variable:
        calls = workbook.make("run", f"CIFAR10_DIR={folder}")
    else:
        calls = workbook.make("run", CIFAR10_DIR=folder)
    assert calls[-1].startswith(f"{folder}||")
    assert "-m tta_helpers.workbook.runs run" in calls[-1]


def test_jupyterlab_gets_absolute_folders(workbook):
    absolute = ["/home/reader/cifar", "/home/reader", "{}/data of mine/x y", "/data/x y", "{}/../x"]
    for folder, expected in zip(FOLDERS, [*absolute, "~other/x"], strict=True):
        [*_, last] = workbook.make("lab", f"CIFAR10_DIR={folder}", TTA_CACHE=folder)
        expected = expected.format(workbook.folder)
        start = "--FileContentsManager.preferred_dir=notebooks"
        assert last == f"{expected}|{expected}||jupyter lab {start}"
    [*_, last] = workbook.make("lab")
    assert last.startswith("|||")


def test_a_readers_warnings_filters_stop_neither_pip_nor_the_runner(workbook, fault):
    fault("PYTHONWARNINGS=error", 3)
    calls = workbook.make("run", PYTHONWARNINGS="error")
    *built, ran = (call.split("|")[2:] for call in calls)
    assert all(filters == "" for filters, _ in built)
    assert ran == [
        "error",
        "python -W ignore -m tta_helpers.workbook.runs run --tier lesson --name lesson",
    ]
    calls = workbook.make("sweep", PYTHONWARNINGS="error")
    assert [call.split("|")[3].split(" run ")[0] for call in calls[:-1]] == [
        "python -W ignore -m tta_helpers.workbook.sweeps"
    ]


def test_names_with_spaces_reach_grading_and_homework(workbook):
    calls = workbook.make("grade", "SUBMISSIONS=my class", "ROSTER=a b.csv", "OPTIONS=--workers 4")
    assert calls[-1].endswith("-m course.grade my class --roster a b.csv --workers 4")
    assert workbook.make("grade", "SUBMISSIONS=x")[-1].rstrip().endswith("-m course.grade x")
    assert workbook.make("homework", "STUDENTS=a b.txt")[-1].rstrip().endswith("homework a b.txt")
