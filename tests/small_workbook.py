"""A workbook of tiny notebooks in a folder of one's own, with faults to order.

`python tests/small_workbook.py FOLDER ARGUMENTS` runs the command line of sweeps there, in a
process that a test may kill; `... FOLDER make ARGUMENTS` that of runs.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import yaml

from tta_helpers.workbook import place, runs, sweep_files, sweeps
from tta_helpers.workbook.data import Dataset, Locked

PARAMETERS = """\
dataset = "auto"
run_dir = "runs/lesson"
seed = 0
copies = 7
rate = 0.5
pause = 0.0
"""
# Imports nothing that takes time. `faults/<seed>` holds, one a line, what goes wrong next there.
CODE = """\
import json, os, signal, time
from pathlib import Path
workbook = Path.cwd().parent
note = workbook / "faults" / str(seed)
faults = note.read_text().split() if note.exists() else []
fault = faults.pop(0) if faults else ""
if note.exists():
    note.write_text("\\n".join(faults))
(workbook / "log.txt").open("a").write(f"{seed} {copies} {fault}\\n")
time.sleep(pause)
"""
TROUBLE = """\
if copies < 1:
    raise ValueError(f"copies is {copies}; give 1 or more.")
if fault == "kernel":
    os.kill(os.getpid(), signal.SIGKILL)
if fault == "worker":
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
if fault == "error":
    raise RuntimeError(f"unlucky seed {seed}")
if fault == "disk":
    raise OSError(28, "No space left on device")
"""
RECORD = """\
record = {{
    "notebook": "{name}",
    "parameters": {{"seed": seed, "copies": copies, "rate": rate}},
    "headline": {{"baseline": 0.5, "tta": 0.5 + copies / 100, "gain": copies / 100 + seed / 1000,
                 "low": 0.01, "high": 0.03}},
    "metrics": {{"curve": [copies * k + seed for k in range(3)], "fits": [{{"n": 1}}, {{"n": 2}}],
                "name": "text"}},
    "seconds": {{"all": 1.5}},
    "dataset": {{"provenance": "Nine images made for a test.", "fingerprint": "f00d"}},
    "python": "3", "versions": {{"keras": "3", "jax": "1"}}, "backend": "jax",
    "devices": ["cpu:0"], "machine": "a test"}}
(workbook / run_dir / "{name}.json").write_text(json.dumps(record))
(workbook / run_dir / "{name}.keras").write_bytes(bytes(1000))
"""


def build(folder, names=("01_one",)):
    """Make a workbook with these notebooks and two tiers in a folder, and return the folder."""
    import nbformat  # two seconds, which a process that a test starts need not take

    (folder / "notebooks" / "tiers").mkdir(parents=True)
    (folder / "faults").mkdir()
    for name in names:
        cells = [nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})]
        cells += map(nbformat.v4.new_code_cell, (CODE, TROUBLE, RECORD.format(name=name)))
        notebook = nbformat.v4.new_notebook(cells=cells)
        kernel = {"name": "python3", "display_name": "", "language": "python"}
        notebook.metadata["kernelspec"] = kernel
        nbformat.write(notebook, folder / "notebooks" / f"{name}.ipynb")
    for tier in ("lesson", "small"):
        (folder / "notebooks" / "tiers" / f"{tier}.yml").write_text("dataset: auto\npause: 0.0\n")
    return folder


def nine_images():
    """Return a data set that need not be decoded: two classes, black pictures."""
    images, labels = np.zeros((9, 8, 8, 3), np.uint8), np.arange(9) % 2
    provenance = "Nine images made for a test."
    return Dataset(
        "nine",
        images,
        labels,
        Locked(images, labels),
        ("a", "b"),
        "nine",
        provenance,
        fingerprint="f00d",
    )


def enter(folder, patch=setattr):
    """Point the package at a workbook and at data that need not be decoded."""
    patch(place, "ROOT", folder)
    patch(place, "LESSONS", tuple(sorted(p.stem for p in (folder / "notebooks").glob("0*.ipynb"))))
    for module in (runs, sweep_files):
        patch(module, "load_dataset", lambda name, image_size: nine_images())


def sweep_file(folder, name="many", **content):
    """Write a sweep file of the workbook's first notebook and return its path."""
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump({"notebooks": "01_one", **content}), encoding="utf-8")
    return path


def command(folder, *arguments):
    """Return the command line that runs sweeps on a workbook in a process of its own."""
    return [sys.executable, __file__, str(folder), *map(str, arguments)]


def call(folder, *arguments):
    """Run that command to its end, and return status, output and errors."""
    done = subprocess.run(command(folder, *arguments), capture_output=True, text=True, timeout=900)
    return done.returncode, done.stdout, done.stderr


def interrupt(folder, *arguments, when):
    """Run that command, press Ctrl-C once a condition holds, and return status and errors."""
    runner = subprocess.Popen(
        command(folder, *arguments),
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(when)
    os.killpg(runner.pid, signal.SIGINT)  # what a terminal sends
    _, errors = runner.communicate(timeout=120)
    return runner.returncode, errors


def started(folder):
    """Return the log of a workbook: one line (seed, copies, fault) a notebook that began."""
    path = folder / "log.txt"
    return path.read_text().splitlines() if path.exists() else []


def wait_for(condition, seconds=120):
    """Wait until a condition holds; fail if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def results(folder, name="many"):
    """Return the records of a sweep's finished runs, read from the files alone."""
    records = [json.loads(p.read_text()) for p in (folder / "runs" / name).glob("*/01_one.json")]
    return sorted((r["parameters"]["seed"], r["parameters"]["copies"]) for r in records)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    enter(Path(sys.argv[1]))
    if sys.argv[2] == "make":
        sys.exit(runs.main(sys.argv[3:]))
    sys.exit(sweeps.main(sys.argv[2:]))
