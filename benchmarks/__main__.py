"""Run every benchmark and write the results: `python -m benchmarks`; see docs/benchmarks.md."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from benchmarks import groups, report
from benchmarks.pytorch import PYTHON, PyTorch, PyTorchMissing
from benchmarks.selecting import CALLS, selecting
from benchmarks.timing import Entry, machine
from tta_helpers.predict import WORTH_A_GRAPH, worth_a_graph
from tta_helpers.workbook.data import load_dataset
from tta_helpers.workbook.networks import baseline_cnn, wide_resnet
from tta_helpers.workbook.place import ROOT


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    `cnn` and `resnet` are the images of each network, at most, and `tutorial` those that the
    tutorial's loop and plain batches see; `rounds` are those of groups 1 and 7. `flip` and `views`
    are images, at most, and rounds of groups 2, and 3 to 5; `calls` is how many batches of each
    size group 5 times. `other` are images and rounds of the CNN on other backends, `growth` are
    images and views, `corrupted` is images a corruption. `selecting` are the rounds of group 8 and,
    where they are not its own, the batches of each size.
    """

    cnn: int = 10_000
    resnet: int = 200
    tutorial: tuple[int, int] = (10, 1_000)
    rounds: int = 3
    flip: tuple[int, int] = (2_000, 11)
    views: tuple[int, int] = (1_000, 5)
    calls: tuple[tuple[int, int], ...] = ((1, 100), (32, 30), (1000, 2))
    growth: tuple[tuple[int, int], ...] = (
        *((n, 2) for n in (1_000, 5_000, 10_000, 20_000, 50_000)),
        *((1_000, n) for n in (1, 4, 8, 16, 32)),
    )
    corrupted: int = 500
    other: tuple[int, int] = (500, 5)
    selecting: tuple[int, dict[int, int] | None] = (9, None)


QUICK = Sizes(
    cnn=20,
    resnet=4,
    tutorial=(1, 4),
    rounds=1,
    flip=(20, 1),
    views=(20, 1),
    calls=((1, 1), (4, 1)),
    growth=((20, 2), (40, 2), (20, 1), (20, 4)),
    corrupted=4,
    other=(20, 1),
    selecting=(1, {1: 1, 4: 1}),
)


def measured(images: np.ndarray, dataset: str, sizes: Sizes, notes: list[str]) -> Iterator[Entry]:
    """Yield the entries of all groups; what could not be measured is told in `notes`."""
    shape = images.shape[1:]
    for model, n in ((baseline_cnn(shape), sizes.cnn), (wide_resnet(10, 2, shape), sizes.resnet)):
        worth_a_graph(model, WORTH_A_GRAPH)  # as in a program that has run for some seconds
        copies, flip, views = (
            groups.Subject(model, images[: min(n, most)], rounds)
            for most, rounds in ((n, sizes.rounds), sizes.flip, sizes.views)
        )
        yield from groups.tutorial_loop(copies, *sizes.tutorial)
        with ExitStack() as stack:
            torch = _pytorch(flip, stack, notes)
            yield from groups.exact_flip(flip, torch)
        yield from groups.twelve_views(views)
        yield from groups.tuning(views)
        yield from groups.loss_predictor(views, dict(sizes.calls))
    for backend in ("jax", "torch"):
        yield from _on_backend(backend, dataset, sizes.other, notes)
    yield from groups.growth(list(sizes.growth))
    yield from groups.loading(dataset, sizes.corrupted, sizes.rounds)
    rounds, calls = sizes.selecting
    for model in (baseline_cnn(shape), wide_resnet(16, 2, shape)):
        yield from selecting(model, images, calls or CALLS[model.name], rounds)


def _pytorch(subject: groups.Subject, stack: ExitStack, notes: list[str]) -> PyTorch | None:
    name, folder = subject.model.name, stack.enter_context(tempfile.TemporaryDirectory())
    try:
        torch = PyTorch(subject.model, subject.floats, subject.batch, Path(folder))
    except PyTorchMissing as error:
        notes.append(f"{name} in PyTorch: not measured, {error}")
        return None
    if torch.missing:
        notes.append(f"{name} with torch.compile: not measured, {torch.missing}")
    notes.append(f"{name} in PyTorch: " + ", ".join(f"{k} {v}" for k, v in torch.versions.items()))
    return stack.enter_context(torch)


def _on_backend(
    backend: str, dataset: str, size: tuple[int, int], notes: list[str]
) -> Iterator[Entry]:
    """Yield entries measured by `benchmarks.backend` in the other environment."""
    command = [PYTHON, "-m", "benchmarks.backend", dataset, *size]
    path = {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            env=os.environ | path,
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError:
        notes.append(f"Keras on {backend}: not measured, there is no .venv-bench.")
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        notes.append(f"Keras on {backend}: not measured, {last}")
    else:
        found = json.loads(done.stdout.splitlines()[-1])
        notes.append(f"Keras on {backend} {found['version']}.")
        yield from (Entry(**entry) for entry in found["entries"])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--dataset", default="auto", help="as for the notebooks (default: auto)")
    parser.add_argument(
        "--out", type=Path, help="folder for the results; docs/benchmarks.md is left alone"
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    options = parser.parse_args(arguments)
    if keras.backend.backend() != "tensorflow":
        print("error: unset KERAS_BACKEND; other backends are measured beside it.", file=sys.stderr)
        return 1
    if options.quick and not options.out:
        print("error: --quick needs --out FOLDER; its numbers mean nothing.", file=sys.stderr)
        return 1
    start, notes = time.perf_counter(), []
    data = load_dataset(options.dataset)
    about = machine() | {"dataset": data.provenance}
    sizes = QUICK if options.quick else Sizes()
    images = np.array(data.test.open("a benchmark")[0][: sizes.cnn])
    entries = []
    for entry in measured(images, options.dataset, sizes, notes):
        entries.append(entry)
        if not entry.detail:
            print(report.line(entry), flush=True)
    about |= {"minutes": (time.perf_counter() - start) / 60, "notes": notes}
    report.write(about, entries, options.out or report.RESULTS)
    if not options.out:
        report.publish(about, entries)
    return 0


if __name__ == "__main__":
    sys.exit(main())
