"""What a model must be like, and how to hand over one that is not."""

from collections.abc import Sequence
from typing import Any

from tta_helpers.checks.images import channels_first
from tta_helpers.checks.outputs import check_ending, check_shape
from tta_helpers.checks.scale import check_scale
from tta_helpers.interface import Interface
from tta_helpers.quiet import keras


def check_model(model: Any, interface: Interface, *, plain: bool = True) -> None:
    """Raise a ValueError unless a model's build fits what is declared of it.

    Parameters
    ----------
    model
        A Keras model. Of a subclassed one, only its outputs can be judged, by `checked_outputs`.
    interface
        What the caller declares.
    plain
        Whether it will be fed views; copies made elsewhere are fed as they are.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"model is a {_kind(model)}")
    built = getattr(model, "inputs", None) and getattr(model, "outputs", None)
    images = image_symbol(model, interface) if built else None
    if plain and interface.preprocess is None:  # what it does to the images is not known
        _check_type(images)
        _check_channels(model, images, interface)
        check_scale(model, interface.value_range, images)
    if built:
        found = interface.selected(output_struct(model), output_names(model))
        for symbol, (_, kind) in zip(found, interface.heads, strict=True):
            check_shape(symbol.shape, kind, interface)
            check_ending(ending(symbol), symbol.shape, kind)


def _kind(model: Any) -> str:
    """Return what something is that is no Keras model, and what to do with it."""
    name = f"{type(model).__module__.split('.')[0]}'s {type(model).__name__}"
    if type(model).__module__.startswith("tf_keras"):
        return f"{name}, of Keras 2. Save it as .h5 and load that with tta_helpers.load_model."
    if hasattr(model, "named_parameters"):
        return (
            f"{name}. With KERAS_BACKEND=torch, hand over keras.Sequential([keras.Input(shape), "
            "keras.layers.TorchModuleWrapper(model)]) and data_format='channels_first'."
        )
    if hasattr(model, "signatures"):
        return (
            f"{name}, as tf.saved_model.load returns it. Load it as a layer: keras.Sequential(["
            "keras.Input(shape), keras.layers.TFSMLayer(folder, call_endpoint='serve')])."
        )
    return f"{type(model).__name__}; give a keras.Model. A file is read by tta_helpers.load_model."


def output_struct(model: keras.Model) -> Any:
    """Return a built model's outputs as it returns them: a symbol, a list or a dictionary."""
    functional = getattr(model, "_functional", None) or model  # a Sequential holds one
    struct = getattr(functional, "_outputs_struct", None)
    return model.outputs if struct is None else struct


def input_struct(model: keras.Model) -> Any:
    """Return a built model's inputs as it takes them: a symbol, a list or a dictionary."""
    functional = getattr(model, "_functional", None) or model
    struct = getattr(functional, "_inputs_struct", None)
    return model.inputs if struct is None else struct


def output_names(model: keras.Model) -> Sequence[str]:
    """Return the names of a model's outputs, as far as it has some."""
    names = getattr(model, "output_names", None) or ()
    return names if len(set(names)) == len(names) else ()


def image_symbol(model: keras.Model, interface: Interface) -> Any:
    """Return the symbol of the images among a built model's inputs."""
    if len(model.inputs) == 1:
        return model.inputs[0]
    struct = input_struct(model)
    named = struct if isinstance(struct, dict) else {symbol.name: symbol for symbol in struct}
    wanted, symbols = interface.image_input, list(named.values())
    if wanted in named:
        return named[wanted]
    if isinstance(wanted, int) and -len(symbols) <= wanted < len(symbols):
        return symbols[wanted]
    images = [name for name, symbol in named.items() if len(symbol.shape) == 4]
    if wanted is None and len(images) == 1:
        return named[images[0]]
    raise ValueError(
        f"The model takes {len(named)} inputs, {', '.join(map(repr, named))}; say which one holds "
        f"the images, such as image_input={(images or list(named))[0]!r}."
    )


def check_size(model: keras.Model, shape: tuple[int, ...], interface: Interface) -> None:
    """Raise a ValueError if the model takes images of another shape, axes in their given order."""
    if interface.preprocess is not None or not getattr(model, "inputs", None):
        return
    wanted = tuple(image_symbol(model, interface).shape[1:])
    fits = len(wanted) == len(shape)
    if not fits or any(w not in (None, s) for w, s in zip(wanted, shape, strict=True)):
        axes = "height, width, channels" if interface.data_format == "channels_last" else "axes"
        raise ValueError(
            f"images are of ({axes}) {tuple(shape)} and the model takes {wanted}. Bring the images "
            "to its size first, or fit a model on theirs."
        )


def ending(tensor: Any) -> str:
    """Return the name of the activation or operation that made a symbol, "" if unknown.

    A "linear" activation that only changes the precision is passed through.
    """
    while tensor is not None:
        operation, index, place = getattr(tensor, "_keras_history", (None, 0, 0))
        if isinstance(operation, keras.Model):
            tensor = operation.outputs[place] if getattr(operation, "outputs", None) else None
            continue
        if isinstance(operation, keras.layers.Activation) and _activation(operation) == "linear":
            tensor = operation._inbound_nodes[index].input_tensors[0]
            continue
        return _activation(operation)
    return ""


def _activation(operation: Any) -> str:
    activation = getattr(operation, "activation", None)
    return getattr(activation, "__name__", None) or type(operation).__name__.lower()


def _check_channels(model: keras.Model, images: Any, interface: Interface) -> None:
    """Raise a ValueError where model and declared order of axes can only be at odds."""
    if interface.data_format == "channels_first":
        return
    shape = tuple(images.shape[1:]) if images is not None else ()
    parts = [*model._flatten_layers(include_self=False), *getattr(model, "operations", ())]
    turns = {type(part).__name__ for part in parts} & {"Permute", "Transpose"}
    if channels_first(shape):
        raise ValueError(_first(f"takes images of shape {shape}, channels first"))
    for part in parts if not turns and len(shape) == 3 else ():
        if getattr(part, "data_format", None) == "channels_first":
            raise ValueError(_first(f"has a layer, {part.name}, that takes channels first"))


def _check_type(images: Any) -> None:
    """Raise a ValueError for a model of whole numbers: Keras would cut off a view's fractions."""
    dtype = keras.backend.standardize_dtype(images.dtype) if images is not None else "float32"
    if not keras.backend.is_float_dtype(dtype):
        raise ValueError(
            f"The model takes images as {dtype}, and views have fractions, which would be cut off. "
            "Pass value_range=(0, 255) and preprocess=keras.ops.round."
        )


def _first(what: str) -> str:
    return (
        f"The model {what}. For images (n, channels, height, width) pass "
        "data_format='channels_first'; for images (n, height, width, channels) pass "
        "preprocess=keras.layers.Permute((3, 1, 2))."
    )
