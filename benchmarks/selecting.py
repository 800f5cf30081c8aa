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
from tta_helpers.workbook.corruptions import SEEN
from tta_helpers.workbook.networks import baseline_cnn, multiply_adds, wide_resnet

_WITHOUT = tuple(view for view in views.REPAIRS if "despeckled" not in views.coefficients(view))
CANDIDATES = {  # notebook 04's, which hold Despeckle, and two other sets
    "whole": views.REPAIRS,
    "a median in despeckle's place": (*_WITHOUT, views.Median()),
    "no repair": _WITHOUT,
}
BY_KERAS = ", by Keras"
GOALS = {1000: 1.05, 32: 1.15}
CALLS = {"baseline_cnn": {1: 100, 32: 30, 1000: 2}, "wide_resnet_16_2": {1: 30, 32: 5, 1000: 1}}


def selecting(
    model: keras.Model, images: np.ndarray, calls: Mapping[int, int], rounds: int = 9
) -> Iterator[Entry]:
    """8. Selection in one graph, against the target's own graph from the same 8-bit images.

    `calls` is how many batches of each size are timed in a round. What a repair among the views
    adds is measured on the smaller network.
    """
    subject = groups.Subject(model, images, rounds)
    predictor = _predictor(model, "whole")
    share = sum(row[-1] for row in multiply_adds(predictor)) / subject.work
    text, goal = "selector's multiply-adds / the network's", ("at most", 0.02)
    yield subject.entry(8, text, [share], images=None, batch=None, goal=goal)
    graphs = _graphs(model, [*CANDIDATES] if model.name == "baseline_cnn" else ["whole"])
    for size, n_calls in calls.items():
        yield from _compared(subject, graphs, size, n_calls)


def _predictor(model: keras.Model, name: str) -> keras.Model:
    """Return an untrained predictor for a set of candidates, with the kinds of notebook 04."""
    sizes = len(CANDIDATES[name]), model.output_shape[-1], 5 * len(SEEN) + 1
    return compact_predictor(model.input_shape[1:], *sizes)


def _graphs(model: keras.Model, sets: list[str]) -> dict[str, Callable]:
    """Return forward passes, all from 8-bit images: compiled, and some as Keras calls them."""
    models = {
        "target": _from_bytes(model),
        "folded": _from_bytes(folded(model)),
        "selector": _from_bytes(folded(_predictor(model, "whole")), white=1),
    }
    for name in sets:
        models[name] = selecting_model(model, _predictor(model, name), CANDIDATES[name])
    by_keras = {name + BY_KERAS: models[name].predict_on_batch for name in ("target", "whole")}
    return {name: groups.compiled(some) for name, some in models.items()} | by_keras


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
        ("whole" + BY_KERAS, "target" + BY_KERAS, "the same, both by predict_on_batch"),
        ("whole", "folded", "selection in one graph / the target's graph, folded"),
        ("folded", "target", "the target's graph, folded / as it is"),
        ("selector", "target", "the selector alone / the target's graph"),
    ]
    for name in [*CANDIDATES][1:]:
        if name in graphs:
            rows.append((name, "target", f"selection, {name} among the views / the target's graph"))
    for row, (name, base, text) in enumerate(rows):
        limit = {"goal": ("at most", GOALS[size])} if size in GOALS and row < 2 else {}
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
