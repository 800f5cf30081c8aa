"""The benchmarks: one function a group, each of which yields entries."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from benchmarks.pytorch import PyTorch
from benchmarks.timing import Entry, gflops, interleaved
from tta_helpers import metrics, policies
from tta_helpers.loss_predictor import compact_predictor, predict_scores, predict_selected
from tta_helpers.predict import generator_views, predict_copies, predict_views
from tta_helpers.progress import progress
from tta_helpers.views import FLIP, TWELVE
from tta_helpers.workbook import corruptions
from tta_helpers.workbook.data import load_dataset
from tta_helpers.workbook.networks import multiply_adds
from tta_helpers.workbook.place import ROOT

COPIES = 7  # the tutorial's


@dataclass(frozen=True)
class Subject:
    """A network and the images that it is timed on: 8 bits, and as floats in [0, 1]."""

    model: keras.Model
    images: np.ndarray
    rounds: int
    batch: int = 500

    @property
    def floats(self) -> np.ndarray:
        """Return the images as networks take them."""
        return self.images.astype("float32") / 255

    @property
    def work(self) -> int:
        """Return the multiply-adds of one pass of one image."""
        return sum(row[-1] for row in multiply_adds(self.model))

    def entry(self, group: int, text: str, values: Any, **more: Any) -> Entry:
        """Return an entry that names this network."""
        what = {"network": self.model.name, "backend": keras.backend.backend()}
        where = {"images": len(self.images), "batch": min(self.batch, len(self.images))}
        return Entry(group, text, [float(v) for v in values], **{**what, **where, **more})


def compiled(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Return the model's bare forward pass as the backend compiles it, without Keras around it."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        spec = tf.TensorSpec((None, *model.input_shape[1:]), model.inputs[0].dtype)
        forward = tf.function(lambda x: model(x, training=False), input_signature=[spec])
        return lambda x: forward(x).numpy()
    if keras.backend.backend() == "jax":
        import jax

        parts = model.trainable_variables, model.non_trainable_variables
        forward = jax.jit(lambda state, x: model.stateless_call(*state, x, training=False)[0])
        # Looked up for every pass: Keras' own predict gives the arrays away and renews them.
        return lambda x: np.asarray(forward([[v.value for v in part] for part in parts], x))
    import torch

    @torch.inference_mode()
    def eager(x: np.ndarray) -> np.ndarray:
        return model(torch.from_numpy(x), training=False).numpy()

    return eager


def passes(forward: Callable, images: np.ndarray, batch: int, times: int = 1) -> Callable:
    """Return a way that forwards all images in batches, so many times."""

    def run() -> None:
        for _ in range(times):
            for start in range(0, len(images), batch):
                forward(images[start : start + batch])

    return run


def tutorial_loop(subject: Subject, n_looped: int, n_batched: int) -> Iterator[Entry]:
    """1. Seven random flips an image: the tutorial's loop, plain batches and ours, each scaled."""
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    datagen, floats, model = ImageDataGenerator(horizontal_flip=True), subject.floats, subject.model
    looped, batched = floats[:n_looped], floats[:n_batched]

    def loop() -> None:
        for image in looped:
            copies = datagen.flow(image[None], batch_size=1)
            for _ in range(COPIES):  # `predict(copies, steps=7)` would return one prediction
                model.predict(next(copies), verbose=0)

    def batches() -> None:
        for copy in generator_views(datagen, batched, COPIES):
            model.predict(copy, subject.batch, verbose=0)

    def ours() -> None:
        predict_copies(model, generator_views(datagen, floats, COPIES), subject.batch)

    ways = {"loop": loop, "batches": batches, "ours": ours}
    seconds = interleaved(ways, subject.rounds, f"1 tutorial's loop, {model.name}")
    an_image = seconds["loop"] / len(looped)
    pictures = 2 - 2 ** (1 - COPIES)  # different ones, on average, among random flips of an image
    for name, text, n, passes_taken, goal in (
        ("batches", "the same copies in batches", len(batched), COPIES, None),
        ("ours", "ours", len(floats), pictures, ("at least", 500)),
    ):
        rate = gflops(subject.work, passes_taken * n, seconds[name])
        text = f"tutorial's loop ({len(looped)} images, scaled) / {text}, {COPIES} copies"
        ratio = an_image / (seconds[name] / n)
        yield subject.entry(1, text, ratio, images=n, gflops=rate, goal=goal)


def exact_flip(subject: Subject, torch: PyTorch | None) -> Iterator[Entry]:
    """2. An image and its mirror: ours, Keras' predict, bare passes, PyTorch with ttach."""
    model, floats, batch = subject.model, subject.floats, subject.batch
    ways = {
        "ours": lambda: predict_views(model, subject.images, FLIP, batch),
        "bfloat16": lambda: predict_views(model, subject.images, FLIP, batch, precision="bfloat16"),
        "predict": lambda: [model.predict(floats, batch, verbose=0) for _ in FLIP],
        "compiled": passes(compiled(model), floats, batch, times=len(FLIP)),
    }
    if torch:
        ways |= {name: lambda name=name: torch.run(name) for name in torch.ways}
    seconds = interleaved(ways, subject.rounds, f"2 exact flip, {model.name}")
    rate = {name: gflops(subject.work, 2 * len(floats), s) for name, s in seconds.items()}
    ours = seconds["ours"]
    for base, text, goal in (
        ("compiled", "flip: ours / two compiled passes", ("at most", 1.03)),
        ("predict", "flip: ours / two model.predict", None),
    ):
        more = {"gflops": rate["ours"], "goal": goal}
        yield subject.entry(2, text, ours / seconds[base], **more)
    for name, least in (("eager", 2.0), ("torch.compile", 1.0)):
        if name in seconds:
            more = {"gflops": rate[name], "goal": ("at least", least)}
            yield subject.entry(2, f"flip: ttach {name} / ours", seconds[name] / ours, **more)
    more = {"gflops": rate["bfloat16"]}
    yield subject.entry(2, "flip: float32 / bfloat16", ours / seconds["bfloat16"], **more)
    full = predict_views(model, subject.images, FLIP, batch)
    rough = predict_views(model, subject.images, FLIP, batch, precision="bfloat16")
    same = (full.argmax(axis=-1) == rough.argmax(axis=-1)).mean()
    yield subject.entry(2, "flip: bfloat16's answers that are float32's", [100 * same], unit="%")
    if torch:
        apart = np.abs(policies.mean(full) - torch.outputs).max()
        goal = ("at most", 1e-4)
        text = "flip: ours and PyTorch, largest difference"
        yield subject.entry(2, text, [apart], unit="", goal=goal)


def twelve_views(subject: Subject) -> Iterator[Entry]:
    """3. The loss predictor's twelve candidates: every view against one bare pass."""
    model, images, batch = subject.model, subject.images, subject.batch
    ways = {"bare": passes(compiled(model), subject.floats, batch, times=len(TWELVE))}
    for view in TWELVE:
        ways[view.name] = lambda view=view: predict_views(model, images, (view,), batch)
    ways["all"] = lambda: predict_views(model, images, TWELVE, batch)
    seconds = interleaved(ways, subject.rounds, f"3 twelve views, {model.name}")
    bare = seconds["bare"] / len(TWELVE)
    rate = gflops(subject.work, len(TWELVE) * len(images), seconds["all"])
    more = {"gflops": rate, "goal": ("at most", 1.25)}
    together = seconds["all"] / seconds["bare"]
    yield subject.entry(3, "twelve views / twelve bare passes", together, **more)
    for view in TWELVE:
        yield subject.entry(3, view.name, seconds[view.name] / bare, detail=True)
    dearest = max(TWELVE, key=lambda view: np.median(seconds[view.name] / bare)).name
    text = f"the dearest view, {dearest} / bare pass"
    yield subject.entry(3, text, seconds[dearest] / bare)


def forty_policies(probs: np.ndarray, labels: np.ndarray) -> list[float]:
    """Return the accuracies of forty policies: three averages of the first views, some weighted."""
    found = [
        metrics.accuracy(labels, average(probs[:k]))
        for k in range(1, len(TWELVE) + 1)
        for average in (policies.mean, policies.geometric_mean, policies.vote)
    ]
    weights = (np.r_[first, np.ones(len(TWELVE) - 1)] for first in (2, 3, 4, 5))
    return found + [metrics.accuracy(labels, policies.mean(probs, w)) for w in weights]


def tuning(subject: Subject) -> Iterator[Entry]:
    """4. Forty policies: from probabilities that are predicted once, or predicted for each."""
    model, images, batch = subject.model, subject.images, subject.batch
    labels = np.zeros(len(images), int)  # their values do not change the time
    probs = predict_views(model, images, TWELVE, batch)
    n = len(forty_policies(probs, labels))
    ways = {
        "predict": lambda: predict_views(model, images, TWELVE, batch),
        "policies": lambda: forty_policies(probs, labels),
    }
    seconds = interleaved(ways, subject.rounds, f"4 tuning, {model.name}")
    cached = seconds["predict"] + seconds["policies"]
    anew = n * seconds["predict"] + seconds["policies"]
    goal = ("at most", 1.05)
    text = f"{n} policies / predicting the views once"
    yield subject.entry(4, text, cached / seconds["predict"], goal=goal)
    yield subject.entry(4, f"predicting anew for each of {n} / cached", anew / cached)


def loss_predictor(subject: Subject, calls: dict[int, int]) -> Iterator[Entry]:
    """5. One selected view an image, for batches that arrive one by one; `calls` of each size."""
    model, shape = subject.model, subject.images.shape[1:]
    predictor = compact_predictor(shape, len(TWELVE), model.output_shape[-1])
    share = sum(row[-1] for row in multiply_adds(predictor)) / subject.work
    text = "loss predictor's multiply-adds / the network's"
    yield subject.entry(5, text, [share], images=None, batch=None)
    rng, forward = np.random.default_rng(0), compiled(model)
    for size, n_calls in calls.items():
        images = np.resize(subject.images, (size, *shape))
        floats = images.astype("float32") / 255
        scores = rng.random((size, len(TWELVE)))  # an untrained predictor may like one view only
        choice = policies.lowest(scores)
        steps = {
            "bare": lambda floats=floats: forward(floats),
            "predictor": lambda images=images: predict_scores(predictor, images, len(images)),
            "selection": lambda scores=scores: policies.lowest(scores),
            "forward": lambda images=images, choice=choice: predict_selected(
                model, images, TWELVE, choice, len(images)
            ),
        }
        ways = {
            name: lambda step=step, n=n_calls: [step() for _ in range(n)]
            for name, step in steps.items()
        }
        seconds = interleaved(ways, subject.rounds, f"5 loss predictor, batch {size}")
        bare = seconds.pop("bare")
        for name, spent in seconds.items():
            detail = {"images": size * n_calls, "batch": size, "detail": True}
            yield subject.entry(5, f"{name}, batch {size} / bare pass", spent / bare, **detail)
        more = {"images": size * n_calls, "batch": size}
        more["gflops"] = gflops(subject.work, size * n_calls, sum(seconds.values()))
        more["goal"] = ("at most", 1.05) if size == max(calls) else None
        text = f"k = 1 with its predictor, batch {size} / bare pass"
        yield subject.entry(5, text, sum(seconds.values()) / bare, **more)


def growth(sizes: list[tuple[int, int]], batch: int = 500) -> Iterator[Entry]:
    """6. Seconds and peak memory against images and views, each measured in a process of its own.

    `sizes` are pairs (images, views): the first half varies the images, the second the views.
    """
    found = []
    for n_images, n_views in progress(sizes, desc="6 growth"):
        command = [sys.executable, "-m", "benchmarks.growth", n_images, n_views, batch]
        out = subprocess.run(
            [str(part) for part in command], cwd=ROOT, check=True, capture_output=True, text=True
        )
        found.append(json.loads(out.stdout))
        size = {"images": n_images, "views": n_views, "batch": batch}
        where = {"network": "baseline_cnn", "detail": True, **size}
        text = f"{n_views} views of {n_images} images"
        yield Entry(6, text, [found[-1]["seconds"]], unit="s", **where)
        yield Entry(6, text, [found[-1]["megabytes"]], unit="MB", **where)
    half = len(sizes) // 2
    for what, column, rows in (("images", 0, slice(half)), ("views", 1, slice(half, None))):
        x = np.array([size[column] for size in sizes[rows]])
        y = np.array([result["seconds"] for result in found[rows]])
        text = f"time against {what}: R² of a straight line"
        yield Entry(6, text, [np.corrcoef(x, y)[0, 1] ** 2], unit="", network="baseline_cnn")
    peak = max(result["megabytes"] for result in found)
    more = {"unit": "MB", "network": "baseline_cnn", "batch": batch, "goal": ("at most", 500)}
    yield Entry(6, "peak memory over the data set, the largest of all sizes", [peak], **more)


def loading(dataset: str, n_corrupted: int, rounds: int) -> Iterator[Entry]:
    """7. Images a second: the data set opened and read, and corrupted."""

    def opened() -> int:
        data = load_dataset(dataset)
        parts = data.train_images, data.test.open("a benchmark")[0]
        return sum(int(part.sum(dtype=np.int64)) for part in parts)

    data = load_dataset(dataset)
    n = len(data.train_images) + len(data.test)
    seconds = interleaved({"open": opened}, rounds, "7 loading")["open"]
    rate = (n / seconds).tolist()
    yield Entry(7, "decoded data set opened and read", rate, "images/s", images=n)
    images = data.test.open("a benchmark")[0][:n_corrupted].astype("float32") / 255
    names = (*corruptions.SEEN, *corruptions.HELD_OUT)
    ways = {name: lambda name=name: corruptions.corrupt(images, name, 3) for name in names}
    seconds = interleaved(ways, rounds, "7 corruptions")
    size = {"unit": "images/s", "images": len(images)}
    for name, spent in seconds.items():
        yield Entry(7, name, (len(images) / spent).tolist(), detail=True, **size)
    mean = len(images) * len(seconds) / sum(seconds.values())
    yield Entry(
        7, f"corrupted, mean over {len(seconds)} corruptions at severity 3", mean.tolist(), **size
    )
