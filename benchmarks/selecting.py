"""Benchmark 8, selection in one graph; `python -m benchmarks.selecting` measures it alone."""

import sys
from collections.abc import Callable, Iterator, Mapping

import keras
import numpy as np

from benchmarks import groups, report
from benchmarks.timing import Entry, interleaved
from tta_helpers import views
from tta_helpers.loss_predictor import compact_predictor
from tta_helpers.predict import folded, selecting_model
from tta_helpers.workbook.networks import baseline_cnn, multiply_adds, wide_resnet

CANDIDATES = (
    *(views.Identity(), views.Autocontrast()),
    *(views.Sharpness(factor) for factor in (0, 0.2, 0.5, 3, 4)),
    *(views.Color(factor) for factor in (0, 0.5, 2)),
    views.Compose((views.Autocontrast(), views.Sharpness(0.5))),
    views.Compose((views.Autocontrast(), views.Color(2))),
)
REPAIRS = {"despeckle": views.Despeckle(), "median": views.Median()}
GOALS = {1000: 1.05, 32: 1.15}
CALLS = {"baseline_cnn": {1: 100, 32: 30, 1000: 2}, "wide_resnet_16_2": {1: 30, 32: 5, 1000: 1}}


def selecting(
    model: keras.Model, images: np.ndarray, calls: Mapping[int, int], rounds: int = 9
) -> Iterator[Entry]:
    """8. Selection in one graph, against the target's own graph from the same 8-bit images.

    `calls` is how many batches of each size are timed in a round. What a repair among the views
    adds is measured on the smaller network, at the largest size.
    """
    subject = groups.Subject(model, images, rounds)
    predictor = compact_predictor(images.shape[1:], len(CANDIDATES), model.output_shape[-1])
    share = sum(row[-1] for row in multiply_adds(predictor)) / subject.work
    text, goal = "selector's multiply-adds / the network's", ("at most", 0.02)
    yield subject.entry(8, text, [share], images=None, batch=None, goal=goal)
    graphs = _graphs(model, predictor)
    for size, n_calls in calls.items():
        kept = size == max(calls) and model.name == "baseline_cnn"
        timed = {name: graph for name, graph in graphs.items() if kept or name not in REPAIRS}
        yield from _compared(subject, timed, size, n_calls)


def _graphs(model: keras.Model, predictor: keras.Model) -> dict[str, Callable]:
    """Return compiled forward passes, all from 8-bit images."""
    graphs = {
        "target": _from_bytes(model),
        "folded": _from_bytes(folded(model)),
        "selector": _from_bytes(folded(predictor), white=1),
        "whole": selecting_model(model, predictor, CANDIDATES),
    }
    for name, view in REPAIRS.items():
        graphs[name] = selecting_model(model, predictor, (*CANDIDATES[:-1], view))
    return {name: groups.compiled(graph) for name, graph in graphs.items()}


def _from_bytes(model: keras.Model, white: float = 255) -> keras.Model:
    """Return a model behind 8-bit images, as floats that are divided by what is white to it."""
    images = keras.Input(model.input_shape[1:], dtype="uint8")
    floats = keras.ops.cast(images, "float32")
    return keras.Model(images, model(floats if white == 1 else floats / white), name=model.name)


def _compared(
    subject: groups.Subject, graphs: Mapping[str, Callable], size: int, n_calls: int
) -> Iterator[Entry]:
    """Time the graphs on so many batches of one size, and yield their ratios."""
    batch = np.resize(subject.images, (size, *subject.images.shape[1:]))
    ways = {name: groups.passes(run, batch, size, times=n_calls) for name, run in graphs.items()}
    seconds = interleaved(ways, subject.rounds, f"8 selecting, {subject.model.name}, batch {size}")
    rows = [
        ("whole", "target", "selection in one graph / the target's graph"),
        ("whole", "folded", "selection in one graph / the target's graph, folded"),
        ("folded", "target", "the target's graph, folded / as it is"),
        ("selector", "target", "the selector alone / the target's graph"),
    ]
    for name in (name for name in REPAIRS if name in graphs):
        rows.append((name, "target", f"selection, {name} among the views / the target's graph"))
    for row, (name, base, text) in enumerate(rows):
        limit = {"goal": ("at most", GOALS[size])} if size in GOALS and row == 0 else {}
        more = {"images": size * n_calls, "batch": size, **limit}
        yield subject.entry(8, f"{text}, batch {size}", seconds[name] / seconds[base], **more)


def main(names: list[str]) -> None:
    """Print the entries of the networks that are named, of both if none is."""
    images = np.random.default_rng(0).integers(0, 256, (1000, 32, 32, 3), dtype=np.uint8)
    for model in (baseline_cnn(), wide_resnet(16, 2)):
        if model.name in (names or CALLS):
            for entry in selecting(model, images, CALLS[model.name]):
                print(report.line(entry), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
