"""Shared by the tests: an asymmetric model whose predictions NumPy can repeat; tiny workbooks."""

import logging
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import small_workbook
from distributed import LocalCluster
from scipy import special

from tta_helpers.quiet import keras  # before TensorFlow, as in the processes that tests start
from tta_helpers.workbook.place import write_whole
from tta_helpers.workbook.publishing import with_section


class LinearModel:
    """A softmax regression on pixels: every pixel of every channel has a weight of its own.

    Nothing about it is symmetric, so a dropped, doubled, mirrored or transposed view shows.
    """

    def __init__(self, shape=(8, 6, 3), n_classes=4, softmax=True):
        rng = np.random.default_rng(7)
        self.kernel = rng.normal(size=(int(np.prod(shape)), n_classes)).astype("float32")
        self.bias = rng.normal(size=n_classes).astype("float32")
        head = keras.layers.Dense(n_classes, activation="softmax" if softmax else None)
        self.model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), head])
        head.set_weights([self.kernel, self.bias])

    def logits(self, images):
        return images.reshape(len(images), -1).astype("float64") @ self.kernel + self.bias

    def probs(self, images):
        return special.softmax(self.logits(images), axis=-1)


@pytest.fixture
def linear():
    return LinearModel()


@pytest.fixture
def linear_logits():
    return LinearModel(softmax=False)


@pytest.fixture
def photos():
    """Eleven distinguishable 8 x 6 images, uint8."""
    return np.random.default_rng(1).integers(0, 256, size=(11, 8, 6, 3), dtype=np.uint8)


FAULTS = Counter()  # (fault, name of the test that tries it) -> how often


@pytest.fixture
def fault(request):
    """Called with a fault that a test tries, it is counted; the summary tells how many."""

    def tried(what, times=1):
        FAULTS[what, request.node.originalname] += times

    return tried


def pytest_addoption(parser):
    what = "run the tests that try faults, and if all pass put their table into this page"
    parser.addoption("--faults-into", type=Path, help=what)


def pytest_collection_modifyitems(config, items):
    if not config.getoption("faults_into"):
        return
    long = [item for item in items if item.path.parent.name == "soak"]
    if not long:
        raise pytest.UsageError("The table needs tests/soak too; add `-o norecursedirs=`.")
    items[:] = [item for item in items if "fault" in item.fixturenames or item in long]


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    if not FAULTS:
        return
    listed = "; ".join(f"{what} ({times})" for (what, _), times in sorted(FAULTS.items()))
    terminalreporter.write_line(f"{FAULTS.total()} faults tried: {listed}")
    page = config.getoption("faults_into")
    if page and exitstatus == 0:
        write_whole(page, with_section(page, "faults", faults_table()))


def faults_table():
    """Return the faults as Markdown: how many there were, then a row a test."""
    rows = defaultdict(list)
    for (what, test), times in FAULTS.items():
        rows[test].append(what if times == 1 else f"{what} ({times} times)")
    lines = [f"{FAULTS.total()} faults tried, all of them survived or refused.", ""]
    lines += ["<details><summary>Which, and by which test</summary>", ""]
    lines += ["| faults | test |", "|---|---|"]
    lines += [f"| {'; '.join(whats)} | `{test}` |" for test, whats in rows.items()]
    return "\n".join([*lines, "", "</details>", ""])


@pytest.fixture(scope="session")
def scheduler():
    """The address of two Dask workers, started once for all tests of sweeps."""
    cluster = LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        memory_limit=0,
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    )
    with cluster:
        yield cluster.scheduler_address


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A workbook of one tiny notebook, in a folder with spaces and letters beyond ASCII."""
    folder = small_workbook.build(tmp_path / "Übung 1 – ß")
    small_workbook.enter(folder, monkeypatch.setattr)
    return folder
