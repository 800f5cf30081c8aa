"""Forward passes: a model behind one view, or behind one view an image, and what it keeps for them.

One by one, a view's operations cost up to half as much as the network of notebook 01, each with an
array of its own; in one graph with the model it is about a tenth. Building a graph takes a tenth of
a second or two, the saving on some thousand images.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tta_helpers import checks
from tta_helpers.checks.models import output_names, output_struct
from tta_helpers.interface import Interface, packed
from tta_helpers.predict.batches import Batch
from tta_helpers.predict.results import digest
from tta_helpers.quiet import keras, ops
from tta_helpers.views import Compose, View

WORTH_A_GRAPH = 4000  # images that a model predicts, in one call or in several
SETTINGS = ("activation", "mean", "variance", "scale", "offset")  # of layers: a graph holds them
KEPT_GRAPHS = 64  # of a model: one a view, image size, type and interface


class _Memory:
    """What is known of a model while it stays as it is.

    It hangs on the model itself, past Keras' tracking, and so goes when the model goes; a cache
    beside it would keep every network that a session has dropped, for a graph holds its model.
    """

    __slots__ = ("bfloat16", "graphs", "parts", "predicted", "sound", "steady")

    def __init__(self, parts: list, predicted: int = 0):
        self.parts, self.predicted = parts, predicted
        self.graphs, self.sound, self.bfloat16, self.steady = {}, {}, None, False


def memory_of(model: keras.Model) -> _Memory:
    """Return a model's memory, a fresh one if layers, settings or variables were exchanged."""
    parts = []
    for layer in model._flatten_layers():
        parts += [layer, *(vars(layer).get(name) for name in SETTINGS)]
    parts += model.variables
    memory = vars(model).get("_tta_memory")
    changed = memory and list(map(id, memory.parts)) != list(map(id, parts))
    if changed:
        model.predict_function = None  # Keras' own graph is as old as ours
    if changed or memory is None:
        memory = _Memory(parts, memory.predicted if memory else 0)
        object.__setattr__(model, "_tta_memory", memory)
    return memory


def kept_memory(model: keras.Model) -> _Memory:
    """Return a model's memory as `checked_endings` left it: to look again costs 0.1 ms a batch."""
    return vars(model).get("_tta_memory") or memory_of(model)


def checked_endings(model: keras.Model, interface: Interface, *, plain: bool = True) -> list[str]:
    """Return what a model's wanted outputs end in, once `checks.check_model` has passed it."""
    if not isinstance(model, keras.Model):
        checks.check_model(model, interface)
    preprocessed = interface.preprocess is not None  # each new lambda would be a case of its own
    memory, case = memory_of(model), (replace(interface, preprocess=None), preprocessed, plain)
    if case not in memory.sound:
        checks.check_model(model, interface, plain=plain)
        built = getattr(model, "outputs", None)
        found = interface.selected(output_struct(model), output_names(model)) if built else []
        memory.sound[case] = list(map(checks.ending, found)) or [""] * len(interface.heads)
    return memory.sound[case]


def shown_probe(interface: Interface, shape: Sequence[int]) -> list[np.ndarray]:
    """Return what a model is shown of two fixed images, (rows, columns, channels)."""
    probe = np.random.default_rng(0).random((2, *shape), np.float32)
    shown = keras.tree.flatten(interface.shown(ops.convert_to_tensor(probe)))
    return [ops.convert_to_numpy(part) for part in shown]


def as_it_is_now(interface: Interface, shape: Sequence[int]) -> Interface:
    """Return an interface that knows what its `preprocess` does now, so that no old graph serves.

    A layer may have been adapted since, and a function may read what has changed.
    """
    if interface.preprocess is None:
        return interface
    return replace(interface, does=digest(*shown_probe(interface, shape)))


def worth_a_graph(model: keras.Model, n_images: int) -> bool:
    """Count `n_images` more that the model predicts; return whether a graph with views pays."""
    memory = kept_memory(model)
    memory.predicted += n_images
    return memory.predicted >= WORTH_A_GRAPH


def predict_view(
    model: keras.Model,
    batch: Batch,
    view: View,
    interface: Interface,
    structure: Any = None,
    *,
    keep: bool,
) -> list[np.ndarray]:
    """Return the wanted outputs of a model for one view of a batch.

    Parameters
    ----------
    model, interface
        The model, and what is declared of it.
    batch
        Images that were checked.
    view
        What the model sees of them.
    structure
        How it takes several inputs, see `interface.packed`.
    keep
        Whether a graph of both pays, from `worth_a_graph`.
    """
    if keep and (graph := _graph(model, view, batch, interface, structure)):
        found = graph.predict_on_batch([batch.images, *batch.others])
        return list(found) if isinstance(found, list | tuple) else [found]
    images = interface.shown(view(interface.unit(ops.convert_to_tensor(batch.images))))
    others = [ops.convert_to_tensor(other) for other in batch.others]  # PyTorch mixes none
    found = model.predict_on_batch(packed(structure, images, others))
    return interface.selected(found, output_names(model))


def _kept(model: keras.Model, key: tuple, build: Callable[[], keras.Model]) -> keras.Model | None:
    """Return the graph that a model keeps under a key, built if it is not there.

    None if there can be no graph, because `preprocess` is a function for arrays alone.
    """
    graphs = kept_memory(model).graphs
    if key not in graphs:
        if len(graphs) >= KEPT_GRAPHS:
            del graphs[next(iter(graphs))]
        try:
            graphs[key] = build()
        except _NoGraph:
            graphs[key] = None
    return graphs[key]


class _NoGraph(Exception):
    """A function that takes no symbols."""


def _shown(interface: Interface, images: Any) -> Any:
    """Return what the model is shown, as a symbol.

    A layer is called within another one: as a part of the graph it would remember every model.
    """
    first = interface.preprocess
    if isinstance(first, keras.Layer):
        plain = replace(interface, preprocess=None).shown(images)
        return keras.layers.Lambda(lambda given: first(given), dtype="float32")(plain)
    try:
        return interface.shown(images)
    except Exception as error:
        if first is None:
            raise
        raise _NoGraph from error


def _graph(
    model: keras.Model, view: View, batch: Batch, interface: Interface, structure: Any
) -> keras.Model | None:
    """Return the model behind a view, from batches like this one, as one graph."""
    arrays = [batch.images, *batch.others]
    forms = tuple((array.shape[1:], array.dtype.name) for array in arrays)

    def build() -> keras.Model:
        inputs = [keras.Input(shape, dtype=dtype) for shape, dtype in forms]
        images = _shown(
            interface, own(view, interface.image_shape(forms[0][0]))(interface.unit(inputs[0]))
        )
        outputs = interface.selected(
            model(packed(structure, images, inputs[1:])), output_names(model)
        )
        return keras.Model(inputs, outputs)

    told = repr(view.get_config())  # its settings may be set anew
    return _kept(model, (view, told, forms, interface, repr(structure)), build)


def predict_mixed(
    model: keras.Model,
    batch: Batch,
    views: Sequence[View],
    choice: np.ndarray,
    interface: Interface,
    *,
    keep: bool,
) -> np.ndarray:
    """Return the model's outputs for one view of each image, in the order of the images.

    The images are grouped by view, every view sees its group, and the network sees all groups
    together: twelve passes over small groups would take a seventh longer than one.

    Parameters
    ----------
    model, batch, interface, keep
        As `predict_view`'s.
    views
        The candidates.
    choice
        The number of each image's view, shape (n,).
    """
    if (choice == choice[0]).all():  # for a single image, empty groups take half a pass
        return predict_view(model, batch, views[choice[0]], interface, keep=keep)[0]
    images = batch.images
    order = np.argsort(choice, kind="stable")
    ends = np.cumsum(np.bincount(choice, minlength=len(views)))
    groups = np.split(images[order], ends[:-1])
    graph = None
    if keep and keras.backend.backend() != "jax":  # it would compile for every mixture of sizes
        graph = _mixed_graph(model, tuple(views), images, interface)
    if graph:
        found = np.asarray(graph.predict_on_batch(groups))
    else:
        pairs = [(view, group) for view, group in zip(views, groups, strict=True) if len(group)]
        seen = np.concatenate([_through(view, group, interface) for view, group in pairs])
        found = model.predict_on_batch(interface.shown(ops.convert_to_tensor(seen)))
        found = np.asarray(interface.selected(found, output_names(model))[0])
    in_order = np.empty_like(found)
    in_order[order] = found
    return in_order


def _through(view: View, group: np.ndarray, interface: Interface) -> np.ndarray:
    """Return what a view makes of some images, on the scale of views."""
    n = len(group)
    if keras.backend.backend() == "jax":  # it compiles every operation for every size of group
        group = np.concatenate([group, np.repeat(group[:1], 2 ** (n - 1).bit_length() - n, axis=0)])
    return ops.convert_to_numpy(view(interface.unit(ops.convert_to_tensor(group))))[:n]


def _mixed_graph(
    model: keras.Model, views: tuple[View, ...], images: np.ndarray, interface: Interface
) -> keras.Model | None:
    """Return the model behind all views, from one group of images a view, as one graph."""
    shape, dtype = images.shape[1:], images.dtype.name

    def build() -> keras.Model:
        inputs = [keras.Input(shape, dtype=dtype) for _ in views]
        copies = [own(view, interface.image_shape(shape)) for view in views]
        seen = [view(interface.unit(group)) for view, group in zip(copies, inputs, strict=True)]
        found = model(_shown(interface, ops.concatenate(seen)))
        return keras.Model(inputs, interface.selected(found, output_names(model))[0])

    told = tuple(repr(view.get_config()) for view in views)
    return _kept(model, (views, told, shape, dtype, interface), build)


def own(view: View, image_shape: Sequence[int]) -> View:
    """Return a copy of a view for one graph; a shared one would remember every model.

    Raises
    ------
    ValueError
        If the copy does something else, because the view's config leaves a setting out.
    """
    if isinstance(view, Compose):  # its config names its views, which may not be registered
        return Compose([own(part, image_shape) for part in view.views], name=view.name)
    probe = np.random.default_rng(0).random((1, *image_shape), np.float32)
    try:
        copy = type(view).from_config(view.get_config())
        same = np.allclose(*(ops.convert_to_numpy(v(probe)) for v in (view, copy)), equal_nan=True)
    except TypeError:  # a setting that has no default
        same = False
    if not same:
        raise ValueError(
            f"{type(view).__name__} cannot be copied into a graph: its config leaves out what it "
            "was given. Let its __init__ pass its settings on, as in super().__init__({'factor': "
            "factor}, **kwargs)."
        )
    return copy


def bfloat16_copy(model: keras.Model) -> keras.Model:
    """Return the model with layers that compute in bfloat16, but for the last: probabilities."""
    last = model
    while isinstance(last, keras.Model) and last.layers:
        last = last.layers[-1]

    def lowered(layer: keras.Layer) -> keras.Layer:
        exact = layer is last or not isinstance(layer, keras.Layer)  # x / 255, say
        dtype = {} if exact else {"dtype": "mixed_bfloat16"}
        return type(layer).from_config({**layer.get_config(), **dtype})

    memory = kept_memory(model)
    try:
        if memory.bfloat16 is None:
            memory.bfloat16 = keras.models.clone_model(
                model, clone_function=lowered, recursive=True
            )
        memory.bfloat16.set_weights(model.get_weights())  # they may have changed since
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ValueError(
            "The model cannot be copied layer by layer, as precision='bfloat16' does: it is "
            "subclassed or quantized, or has a layer whose config does not build it again. Leave "
            f"precision out ({type(error).__name__}: {error})."
        ) from error
    return memory.bfloat16
