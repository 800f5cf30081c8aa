"""Benchmark 8, selection in one graph; `python -m benchmarks.selecting` measures it alone."""

import sys
from collections.abc import Iterator, Mapping

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

    `calls` is how many batches of each size are timed in a round.
    """
    shape = images.shape[1:]
    subject = groups.Subject(model, images, rounds)
    predictor = compact_predictor(shape, len(CANDIDATES), model.output_shape[-1])
    share = sum(row[-1] for row in multiply_adds(predictor)) / subject.work
    text, goal = "selector's multiply-adds / the network's", ("at most", 0.02)
    yield subject.entry(8, text, [share], images=None, batch=None, goal=goal)
    graphs = {
        "target": _from_bytes(model),
        "folded": _from_bytes(folded(model)),
        "selector": _from_bytes(folded(predictor), scale=1),
        "whole": selecting_model(model, predictor, CANDIDATES),
    }
    for name, view in REPAIRS.items():
        graphs[name] = selecting_model(model, predictor, (*CANDIDATES[:-1], view))
    forward = {name: groups.compiled(graph) for name, graph in graphs.items()}
    for size, n_calls in calls.items():
        batch = np.resize(images, (size, *shape))
        kept = [name for name in forward if size == max(calls) or name not in REPAIRS]
        ways = {name: groups.passes(forward[name], batch, size, times=n_calls) for name in kept}
        seconds = interleaved(ways, rounds, f"8 selecting, {model.name}, batch {size}")
        where = {"images": size * n_calls, "batch": size}
        limit = {"goal": ("at most", GOALS[size])} if size in GOALS else {}
        for name, base, text, more in (
            ("whole", "target", "selection in one graph / the target's graph", limit),
            ("whole", "folded", "selection in one graph / the target's graph, folded", {}),
            ("folded", "target", "the target's graph, folded / as it is", {}),
            ("selector", "target", "the selector alone / the target's graph", {}),
        ):
            text = f"{text}, batch {size}"
            yield subject.entry(8, text, seconds[name] / seconds[base], **where, **more)
        for name in REPAIRS.keys() & set(kept):
            text = f"selection with {name} among the views / the target's graph, batch {size}"
            yield subject.entry(8, text, seconds[name] / seconds["target"], **where)


def _from_bytes(model: keras.Model, scale: float = 1 / 255) -> keras.Model:
    """Return a model behind 8-bit images that are multiplied by a number."""
    images = keras.Input(model.input_shape[1:], dtype="uint8")
    return keras.Model(images, model(keras.layers.Rescaling(scale)(images)), name=model.name)


def main(names: list[str]) -> None:
    """Print the entries of the networks that are named, of both if none is."""
    images = np.random.default_rng(0).integers(0, 256, (1000, 32, 32, 3), dtype=np.uint8)
    for model in (baseline_cnn(), wide_resnet(16, 2)):
        if model.name in (names or CALLS):
            for entry in selecting(model, images, CALLS[model.name]):
                print(report.line(entry), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
