"""How a model takes its images and what its outputs mean: what the caller declares, in one object.

    images as given  --unit-->  [0, 1], channels last  --view-->  the same  --shown-->  the model

Everything here works on arrays, on tensors, and on the symbols that a graph is built from.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tta_helpers.quiet import keras, ops

KINDS = ("softmax", "logits", "sigmoid", "raw")
FORMATS = ("channels_last", "channels_first")


@dataclass(frozen=True)
class Interface:
    """What `predict_views` and `tta_model` are told of a model.

    Attributes
    ----------
    heads
        (name or number, kind) of each output that is wanted, the kind one of `KINDS`; the name is
        None for the only output of a model.
    single
        Whether one array is the answer, and not a dictionary of heads.
    value_range
        Black and white as the model, or `preprocess` before it, takes them. Floats are given in it,
        8-bit images in 0..255 are brought to it.
    preprocess
        What is done to a view before the model sees it: a layer or function of a batch of images.
    data_format
        The order of axes of the images and the model, one of `FORMATS`.
    image_input
        Name or number of the images among several inputs.
    maps
        Whether outputs are maps of the image, to be turned back; None: those of four axes are.
    does
        A digest of what `preprocess` does to images, for it may do something else another time.
    """

    heads: tuple[tuple[str | int | None, str], ...] = ((None, "softmax"),)
    single: bool = True
    value_range: tuple[float, float] = (0, 1)
    preprocess: Callable | None = None
    data_format: str = "channels_last"
    image_input: str | int | None = None
    maps: bool | None = None
    does: str = ""

    def unit(self, images: Any) -> Any:
        """Return images as float32 in [0, 1], channels last."""
        low, high = self.value_range
        if keras.backend.standardize_dtype(images.dtype) == "uint8":
            images = ops.cast(images, "float32") / 255
        elif (low, high) != (0, 1):
            images = (images - low) / (high - low)
        return ops.transpose(images, (0, 2, 3, 1)) if self._first else images

    def shown(self, images: Any) -> Any:
        """Return a view, as float32 in [0, 1], the way that the model takes it."""
        low, high = self.value_range
        if (low, high) != (0, 1):
            images = images * (high - low) + low
        images = ops.transpose(images, (0, 3, 1, 2)) if self._first else images
        return images if self.preprocess is None else self.preprocess(images)

    @property
    def _first(self) -> bool:
        return self.data_format == "channels_first"

    def image_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return (height, width, channels) of an image whose axes are in the declared order."""
        return (*shape[1:], shape[0]) if self._first else tuple(shape)

    def is_map(self, shape: Sequence[int], size: Sequence[int] | None = None) -> bool:
        """Return whether outputs of this shape, (n, ...), are maps that views are undone for.

        Parameters
        ----------
        shape
            Of the outputs.
        size
            (height, width) of the images, where it is known.

        Raises
        ------
        ValueError
            If that cannot be known: three axes, or more than four, and `maps` was left out; or if
            they are maps whose values come first.
        """
        if len(shape) <= 2 or self.maps is False:
            return False
        if (len(shape) != 4 and self.maps is None) or len(shape) > 4:
            raise ValueError(
                f"The model answers with arrays of shape {tuple(shape[1:])} an image. Pass "
                "maps=True if they are (rows, columns) or (rows, columns, values) of the image, to "
                "have the views undone, and maps=False if no axis is a position in the image."
            )
        if size and _values_first(shape[1:], size):
            raise ValueError(
                f"The model answers with arrays of shape {tuple(shape[1:])} an image, maps with "
                "their values first. Hand over keras.Sequential([keras.Input(shape), model, "
                "keras.layers.Permute((2, 3, 1))]); or pass maps=False if no axis is a position in "
                "the image."
            )
        return True

    def selected(self, outputs: Any, names: Sequence[str] = ()) -> list:
        """Return the outputs that are wanted, in the order of `heads`.

        Parameters
        ----------
        outputs
            What the model returned: one tensor, or a list or dictionary of them.
        names
            The model's names of a list of outputs, where it has them.
        """
        named = _by_name(outputs, names)
        found = list(named.values())
        if self.heads[0][0] is None:
            if len(found) != 1:
                some, one = ", ".join(map(repr, named)), next(iter(named))
                raise ValueError(
                    f"The model has {len(found)} outputs: {some}. Take one with head={one!r}, or "
                    f"several with outputs={{head: kind, ...}}, such as {{{one!r}: 'softmax'}}."
                )
            return [_flat(found[0], next(iter(named)))]
        return [self._head(head, named, found) for head, _ in self.heads]

    def _head(self, head: str | int, named: Mapping[Any, Any], found: Sequence[Any]) -> Any:
        if head in named:
            return _flat(named[head], head)
        if isinstance(head, int) and -len(found) <= head < len(found):
            return _flat(found[head], head)
        raise ValueError(f"The model has no output {head!r}; it has {', '.join(map(repr, named))}.")


def _values_first(shape: Sequence[int | None], size: Sequence[int]) -> bool:
    """Whether a map's last two axes have the proportions of the image, and its first two have not.

    Then it is (values, rows, columns).
    """
    if len(shape) != 3 or None in shape:
        return False
    (a, b, c), (height, width) = shape, size
    return b * width == c * height and a * width != b * height


def _by_name(outputs: Any, names: Sequence[str]) -> dict[Any, Any]:
    if isinstance(outputs, Mapping):
        return dict(outputs)
    outputs = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
    names = list(names) if len(names) == len(outputs) else range(len(outputs))
    return dict(zip(names, outputs, strict=True))


def _flat(output: Any, head: Any) -> Any:
    if isinstance(output, Mapping | list | tuple):
        raise ValueError(
            f"The model's output {head!r} is a {type(output).__name__} of outputs. Hand over one "
            "that answers with one list or dictionary: keras.Model(model.inputs, model.outputs)."
        )
    return output


def interface(
    outputs: str | Mapping[str | int, str] = "softmax",
    head: str | int | None = None,
    value_range: Sequence[float] = (0, 1),
    preprocess: Callable | None = None,
    data_format: str = "channels_last",
    image_input: str | int | None = None,
    maps: bool | None = None,
) -> Interface:
    """Return the interface that these words, which `predict_views` explains, declare.

    Raises
    ------
    ValueError
        For a word that is none; the message names it.
    """
    single = not isinstance(outputs, Mapping)
    if not single and head is not None:
        raise ValueError(f"head is {head!r}, but outputs already names the heads; leave one out.")
    heads = ((head, outputs),) if single else tuple(outputs.items())
    if not heads:
        raise ValueError("outputs is empty; name at least one head and its kind.")
    for option, value in (("image_input", image_input), *(("head", name) for name, _ in heads)):
        if not isinstance(value, str | int | None):
            raise ValueError(f"{option} is {value!r}; give a name or a number.")
    for name, kind in heads:
        if kind not in KINDS:
            where = f"outputs of head {name!r} is" if name is not None else "outputs is"
            raise ValueError(f"{where} {kind!r}; use one of {KINDS}.")
    if data_format not in FORMATS:
        raise ValueError(f"data_format is {data_format!r}; use one of {FORMATS}.")
    if maps not in (None, True, False):
        raise ValueError(f"maps is {maps!r}; give True or False, or leave it out.")
    if preprocess is not None and not callable(preprocess):
        raise ValueError(f"preprocess is {preprocess!r}; give a Keras layer or a function.")
    if preprocess is not None and type(preprocess).__hash__ is None:  # a dataclass, for instance
        preprocess = functools.partial(preprocess)  # what may change has no graph to be kept
    limits = _limits(value_range)
    return Interface(heads, single, limits, preprocess, data_format, image_input, maps)


def _limits(value_range: Any) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in value_range)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            f"value_range is {value_range!r}; give black and white as the model takes them, such "
            "as (0, 1), (0, 255) or (-1, 1)."
        )
    return low, high


def packed(structure: Any, images: Any, others: Sequence[Any]) -> Any:
    """Return a model's inputs: `others` in the places that `structure` has for them.

    Parameters
    ----------
    structure
        None for images alone; else a list or dictionary that holds None at the images' place.
    images, others
        The images, and the other inputs in order.
    """
    if structure is None:
        return images
    rest = iter(others)
    if isinstance(structure, dict):
        return {key: images if place is None else next(rest) for key, place in structure.items()}
    return [images if place is None else next(rest) for place in structure]
