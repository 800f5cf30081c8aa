"""The whole workbook, smoke tier, on data of every shape: `make test-data` (half an hour).

Runs that are up to date are not made again, as with `make run`.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from executed import faults_of
from make_folders import KINDS, make

from tta_helpers.workbook import place

FOLDERS = place.ROOT / "build" / "datasets"


LEAST = {
    **dict.fromkeys(["epochs", "mirrored_epochs", "repeat_images", "n_copies"], "1"),
    **dict.fromkeys(["max_copies", "loop_images"], "1"),
    **dict.fromkeys(["sweep_copies", "n_photos", "target_epochs", "timed_images"], "1"),
    **dict.fromkeys(["sorter_steps", "predictor_epochs", "teacher_width", "imitation_epochs"], "1"),
    **dict.fromkeys(["recognise_epochs", "mixture_epochs", "timed_rounds"], "1"),
    **dict.fromkeys(["leak_resamples", "auc_resamples", "repeats", "n_test_photographs"], "2"),
    **dict.fromkeys(["choice_resamples", "n_confirm"], "2"),
    "n_of_fits": "4",
    **dict.fromkeys(["n_sweep", "n_train_images", "n_recognise"], "10"),
    "penalties": "1e-9",
    "alpha": "1e-9",
}


def run(name: str, dataset: Path | str, *options: str) -> None:
    """Run the smoke tier on a data set, and hold its notebooks and records to being clean."""
    command = [sys.executable, "-m", "tta_helpers.workbook.runs", "run", "--tier", "smoke"]
    command += ["--name", name, "--dataset", str(dataset), *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=place.ROOT)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert not faults_of(place.ROOT / "runs" / name)


@pytest.mark.parametrize("name", KINDS)
def test_the_workbook_runs_on_class_folders(name):
    FOLDERS.mkdir(parents=True, exist_ok=True)
    size = str(KINDS[name].image_size)
    run(f"data_{name}", make(name, FOLDERS / name), "-p", "image_size", size)


def test_the_workbook_runs_with_every_parameter_at_its_least():
    """Down to one image, one step, one round: what a range lets in, the lessons must bear."""
    run("data_least", "sample", *(word for pair in LEAST.items() for word in ("-p", *pair)))


@pytest.mark.skipif(not os.environ.get("CIFAR10_DIR"), reason="CIFAR10_DIR is not set")
@pytest.mark.parametrize("part", ["images", "cifar-10-batches-py"])
def test_the_workbook_runs_on_photographs(part):
    folder = Path(os.environ["CIFAR10_DIR"]) / part
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    run(f"data_{part}", folder)
