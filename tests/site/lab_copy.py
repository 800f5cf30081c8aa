"""A copy of the workbook at smoke parameters, and JupyterLab on it, for test_lab.py.

The tests run in the site's environment, so the project's own, .venv, is called from outside: it
serves JupyterLab and runs the kernels.
"""

import json
import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import yaml
from conftest import ROOT

BIN = ROOT / ".venv" / "bin"
PARTS = ("tta_helpers", "course", "notebooks")  # what lessons and exercises need
FIRST = "01_baseline_cnn"
QUIET = {"fetchNews": "false", "checkForUpdates": False}  # nothing is asked of the network
NO_DATA = ("CIFAR10_DIR", "CELLS_DIR")


def make(folder):
    """Copy the workbook into a folder, its lessons set to the smoke tier on the sample."""
    for name in PARTS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    tier = yaml.safe_load((ROOT / "notebooks" / "tiers" / "smoke.yml").read_text("utf-8"))
    for path in (folder / "notebooks").glob("0*.ipynb"):
        nbformat.write(fresh(nbformat.read(path, as_version=4), tier), path)
    networks_of(folder)
    return folder


def fresh(book, tier):
    """Return a lesson without outputs, set to a tier on the sample by a cell of its own."""
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    (place,) = [k for k, c in enumerate(book.cells) if "parameters" in c.metadata.get("tags", [])]
    declared = re.findall(r"(?m)^(\w+) = ", book.cells[place].source)
    given = tier | {"dataset": "sample"}
    own = [f"{name} = {given[name]!r}" for name in declared if name in given]
    book.cells.insert(place + 1, nbformat.v4.new_code_cell("\n".join(own)))
    return book


def environment(copy):
    """Return the environment of a reader without settings and photographs."""
    kept = {name: value for name, value in os.environ.items() if name not in NO_DATA}
    home = copy.parent / "home"
    own = {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "PYTHONPATH": str(copy),  # the copy's package, not the one that .venv points at
        "MATPLOTLIBRC": str(copy / "notebooks"),
        "TTA_CACHE": str(ROOT / "data" / "cache"),  # the sample is drawn once
    }
    return kept | own


def networks_of(copy):
    """Put notebook 01's networks where the lessons look: those of a smoke run, or new ones.

    New ones take two minutes.
    """
    to = copy / "runs" / "lesson"
    for name in ("smoke", "smoke_sample"):
        record = ROOT / "runs" / name / f"{FIRST}.json"
        if record.is_file() and '"name": "sample"' in record.read_text("utf-8"):
            shutil.copytree(record.parent, to, ignore=shutil.ignore_patterns("*.ipynb"))
            return
    to.mkdir(parents=True)
    path = copy / "notebooks" / f"{FIRST}.ipynb"
    command = [BIN / "papermill", path, to / path.name, "-k", "python3", "--no-progress-bar"]
    subprocess.run(command, cwd=path.parent, env=environment(copy), check=True)


@contextmanager
def serving(copy):
    """Serve JupyterLab on a copy, and yield the address of a notebook, its path left open."""
    settings, log = environment(copy), copy.parent / "server.log"
    file = Path(settings["JUPYTERLAB_SETTINGS_DIR"], "@jupyterlab", "apputils-extension")
    file.mkdir(parents=True)
    (file / "notification.jupyterlab-settings").write_text(json.dumps(QUIET))
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--ServerApp.root_dir={copy}"]
    command = [BIN / "jupyter", "lab", *options, "--expose-app-in-browser"]
    with log.open("wb") as out:
        lab = subprocess.Popen(command, cwd=copy, env=settings, stdout=out, stderr=out)
    try:
        yield address(Path(settings["JUPYTER_RUNTIME_DIR"]), lab, log)
    finally:
        lab.terminate()
        lab.wait(30)


def address(folder, lab, log):
    """Return where a server listens, with its token, once it has written that down."""
    end = time.monotonic() + 60
    while not (found := [*folder.glob("jpserver-*.json")]):
        assert lab.poll() is None and time.monotonic() < end, log.read_text("utf-8")
        time.sleep(0.2)
    told = json.loads(found[0].read_text("utf-8"))
    return f"{told['url']}lab/tree/{{}}?reset&token={told['token']}"
