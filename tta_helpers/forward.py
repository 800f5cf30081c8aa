"""Forward passes: a model behind one view, or behind one view an image, and what it keeps for them.

One by one, a view's operations cost up to half as much as the network of notebook 01, each with an
array of its own; in one graph with the model it is about a tenth. Building a graph takes a tenth of
a second or two, the saving on some thousand images.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tta_helpers import checks
from tta_helpers.quiet import keras, ops
from tta_helpers.views import View

WORTH_A_GRAPH = 4000  # images that a model predicts, in one call or in several
KEPT_GRAPHS = 64  # of a model: one a view, image size and type


class _Memory:
    """What is known of a model while it stays as it is.

    It hangs on the model itself, past Keras' tracking, and so goes when the model goes; a cache
    beside it would keep every network that a session has dropped, for a graph holds its model.
    """

    __slots__ = ("bfloat16", "graphs", "parts", "predicted", "sound")

    def __init__(self, parts: list, predicted: int = 0):
        self.parts, self.predicted = parts, predicted
        self.graphs, self.sound, self.bfloat16 = {}, {}, None


def memory_of(model: keras.Model) -> _Memory:
    """Return a model's memory, a fresh one if layers, activations or variables were exchanged."""
    layers = model._flatten_layers()
    parts = [part for layer in layers for part in (layer, vars(layer).get("activation"))]
    parts += model.variables
    memory = vars(model).get("_tta_memory")
    changed = memory and list(map(id, memory.parts)) != list(map(id, parts))
    if changed:
        model.predict_function = None  # Keras' own graph is as old as ours
    if changed or memory is None:
        memory = _Memory(parts, memory.predicted if memory else 0)
        object.__setattr__(model, "_tta_memory", memory)
    return memory


def _kept_memory(model: keras.Model) -> _Memory:
    """Return a model's memory as `checked_ending` left it: to look again costs 0.1 ms a batch."""
    return vars(model).get("_tta_memory") or memory_of(model)


def checked_ending(model: keras.Model, logits: bool, *, plain: bool = True) -> str:
    """Return the name of what a model ends in, once `checks.check_model` has passed it."""
    if not isinstance(model, keras.Model):
        checks.check_model(model, logits=logits)
    memory, case = memory_of(model), (bool(logits), plain)
    if case not in memory.sound:
        checks.check_model(model, logits=logits, plain=plain)
        memory.sound[case] = checks.ending(model)
    return memory.sound[case]


def worth_a_graph(model: keras.Model, n_images: int) -> bool:
    """Count `n_images` more that the model predicts; return whether a graph with views pays."""
    memory = _kept_memory(model)
    memory.predicted += n_images
    return memory.predicted >= WORTH_A_GRAPH


def predict_view(model: keras.Model, batch: np.ndarray, view: View, *, keep: bool) -> np.ndarray:
    """Return the model's outputs for one view of a batch that `checks.checked_batch` has passed.

    `keep`, from `worth_a_graph`, says whether a graph of both pays.
    """
    if keep:
        return _graph(model, view, batch.shape[1:], batch.dtype.name).predict_on_batch(batch)
    return model.predict_on_batch(view(_unit(ops.convert_to_tensor(batch))))


def _kept(model: keras.Model, key: tuple, build: Callable[[], keras.Model]) -> keras.Model:
    """Return the graph that a model keeps under a key, built if it is not there."""
    graphs = _kept_memory(model).graphs
    if key not in graphs:
        if len(graphs) >= KEPT_GRAPHS:
            del graphs[next(iter(graphs))]
        graphs[key] = build()
    return graphs[key]


def _graph(model: keras.Model, view: View, shape: tuple[int, ...], dtype: str) -> keras.Model:
    """Return the model behind a view, from images of `dtype`, as one graph."""

    def build() -> keras.Model:
        inputs = keras.Input(shape, dtype=dtype)
        return keras.Model(inputs, checks.one_output(model(own(view)(_unit(inputs)))))

    return _kept(model, (view, shape, dtype), build)


def predict_mixed(
    model: keras.Model, batch: np.ndarray, views: Sequence[View], choice: np.ndarray, *, keep: bool
) -> np.ndarray:
    """Return the model's outputs for one view of each image, in the order of the images.

    The images are grouped by view, every view sees its group, and the network sees all groups
    together: twelve passes over small groups would take a seventh longer than one.

    Parameters
    ----------
    model, batch, keep
        As `predict_view`'s.
    views
        The candidates.
    choice
        The number of each image's view, shape (n,).
    """
    if (choice == choice[0]).all():  # for a single image, empty groups take half a pass
        return predict_view(model, batch, views[choice[0]], keep=keep)
    order = np.argsort(choice, kind="stable")
    ends = np.cumsum(np.bincount(choice, minlength=len(views)))
    groups = np.split(batch[order], ends[:-1])
    if keep and keras.backend.backend() != "jax":  # it would compile for every mixture of sizes
        graph = _mixed_graph(model, tuple(views), batch.shape[1:], batch.dtype.name)
        outputs = graph.predict_on_batch(groups)
    else:
        pairs = [(view, group) for view, group in zip(views, groups, strict=True) if len(group)]
        seen = [view(_unit(ops.convert_to_tensor(group))) for view, group in pairs]
        outputs = model.predict_on_batch(ops.concatenate(seen))
    outputs = np.asarray(checks.one_output(outputs))
    in_order = np.empty_like(outputs)
    in_order[order] = outputs
    return in_order


def _mixed_graph(
    model: keras.Model, views: tuple[View, ...], shape: tuple[int, ...], dtype: str
) -> keras.Model:
    """Return the model behind all views, from one group of images a view, as one graph."""

    def build() -> keras.Model:
        inputs = [keras.Input(shape, dtype=dtype) for _ in views]
        seen = [own(view)(_unit(group)) for view, group in zip(views, inputs, strict=True)]
        return keras.Model(inputs, checks.one_output(model(ops.concatenate(seen))))

    return _kept(model, (views, shape, dtype), build)


def own(view: View) -> View:
    """Return a copy of a view for one graph; a shared one would remember every model."""
    return type(view).from_config(view.get_config())


def bfloat16_copy(model: keras.Model) -> keras.Model:
    """Return the model with layers that compute in bfloat16, but for the last: probabilities."""

    def lowered(layer: keras.Layer) -> keras.Layer:
        dtype = {} if layer is model.layers[-1] else {"dtype": "mixed_bfloat16"}
        return type(layer).from_config({**layer.get_config(), **dtype})

    memory = _kept_memory(model)
    if memory.bfloat16 is None:
        copy = keras.models.clone_model(model, clone_function=lowered, recursive=True)
        memory.bfloat16 = copy
    return memory.bfloat16


def _unit(images: Any) -> Any:
    """Return images as float32 in [0, 1]."""
    is_8_bit = keras.backend.standardize_dtype(images.dtype) == "uint8"
    return ops.cast(images, "float32") / 255 if is_8_bit else images
