"""Images as they come: an array, several inputs, a data set, or any iterable of batches."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tta_helpers.checks.images import as_array, checked_batch, checked_images
from tta_helpers.checks.models import input_struct
from tta_helpers.interface import Interface
from tta_helpers.quiet import keras


@dataclass(frozen=True)
class Batch:
    """Some images that have been checked, and what comes with them.

    Attributes
    ----------
    images
        uint8, or float32 in the declared range; four axes in the declared order.
    others
        The model's other inputs, an array each.
    given
        What the stream gave beside the inputs, None if nothing: for `among` images, of which these
        begin at number `start`.
    start, among
        See `given`.
    """

    images: np.ndarray
    others: tuple[np.ndarray, ...] = ()
    given: Any = None
    start: int = 0
    among: int = 0

    def __len__(self) -> int:
        return len(self.images)


class Source:
    """Batches of images from whatever holds them.

    Attributes
    ----------
    n
        Number of images, None where only the end of the stream will tell.
    structure
        How the model takes its inputs, as `interface.packed` takes it.
    shape
        Of one image, axes in the declared order.
    """

    def __init__(self, images: Any, model: keras.Model, interface: Interface, batch_size: int):
        self._interface, self._batch_size = interface, batch_size
        self._streamed = is_stream(images)
        if self._streamed:
            self.n, self._n_batches, batches = None, *_opened(images)
            first = next(batches, None)
            if first is None:
                raise ValueError(
                    f"images is an empty {type(images).__name__}: it gave no batch. An iterator "
                    "that was used up must be made again."
                )
            self._inputs, _ = _parted(first)
            self._batches = itertools.chain([first], batches)
        else:
            self._inputs = images
        self.structure, self._place = _structure(self._inputs, model, interface)
        whole = checked_images(self._taken(self._inputs)[0], interface)
        self.shape = whole.shape[1:]
        if not self._streamed:
            self._whole = whole, *map(as_array, self._taken(images)[1])
            self.n = len(whole)
            lengths = {len(array) for array in self._whole}
            if len(lengths) > 1:
                raise ValueError(f"The inputs hold {sorted(lengths)} rows; give as many of each.")
            self._n_batches = -(-self.n // batch_size)

    def __len__(self) -> int:
        """Return how many batches there are, 0 if unknown."""
        return self._n_batches or 0

    def batches(self) -> Iterator[Batch]:
        """Yield the batches, each checked.

        Raises
        ------
        ValueError
            For images of another shape, type or range than declared.
        """
        if not self._streamed:
            for row in range(0, self.n, self._batch_size):
                yield self._checked(*(part[row : row + self._batch_size] for part in self._whole))
            return
        for element in self._batches:
            inputs, given = _parted(element)
            images, others = self._taken(inputs)
            if np.ndim(images) == 4 and not len(images):
                continue
            images = checked_images(images, self._interface)
            if images.shape[1:] != self.shape:
                raise ValueError(
                    f"A batch holds images of shape {images.shape[1:]}, the first one of "
                    f"{self.shape}; bring all to one size."
                )
            for row in range(0, len(images), self._batch_size):
                parts = [as_array(part)[row : row + self._batch_size] for part in (images, *others)]
                yield self._checked(*parts, given=given, start=row, among=len(images))

    def _taken(self, inputs: Any) -> tuple[Any, list]:
        """Return the images and the other inputs of one batch."""
        if self.structure is None:
            return _alone(inputs, self._place), []
        keys = self.structure if isinstance(self.structure, dict) else range(len(self.structure))
        try:
            return inputs[self._place], [inputs[key] for key in keys if key != self._place]
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(
                f"A batch lacks one of the inputs {', '.join(map(repr, keys))}, which the first "
                "one has; give the same with every batch."
            ) from error

    def _checked(self, images: np.ndarray, *others: np.ndarray, **given: Any) -> Batch:
        return Batch(checked_batch(images, self._interface.value_range), others, **given)


def is_stream(images: Any) -> bool:
    """Whether these are batches one after the other, and not one array or a structure of them."""
    if isinstance(images, keras.utils.PyDataset):
        return True
    whole = isinstance(images, str | bytes | Mapping | list | tuple | np.ndarray)
    return not whole and not hasattr(images, "__array__") and hasattr(images, "__iter__")


def _opened(images: Any) -> tuple[int | None, Iterator]:
    """Return how many batches a stream has, as far as it says, and an iterator over them."""
    if isinstance(images, keras.utils.PyDataset):
        n = _finite(len(images), images)
        return n, (images[k] for k in range(n))
    if hasattr(images, "cardinality"):  # a tf.data.Dataset: -1 is endless, -2 unknown
        n = int(images.cardinality())
        return (None if n == -2 else _finite(n, images)), iter(images)
    try:
        return len(images), iter(images)
    except TypeError:  # a generator; or a DataLoader of a data set that only iterates
        return None, iter(images)


def _finite(n: int | None, images: Any) -> int:
    if n is None or n < 0:
        raise ValueError(
            f"images is an endless {type(images).__name__}; leave out repeat(), or cut it with "
            "take(n_batches)."
        )
    return n


def _parted(element: Any) -> tuple[Any, Any]:
    """Return inputs and labels of what a stream gave: (x,), (x, y), (x, y, weights), or x alone."""
    if isinstance(element, list | tuple) and element:
        return element[0], (element[1] if len(element) > 1 else None)
    return element, None


def _structure(inputs: Any, model: keras.Model, interface: Interface) -> tuple[Any, Any]:
    """Return the structure of the inputs with None at the images' place, and that place."""
    names, named = _input_names(model)
    is_dict, named_one = isinstance(inputs, Mapping), interface.image_input is not None
    several = isinstance(inputs, list | tuple) and (len(names) > 1 or named_one)
    if len(names) > 1 and not is_dict and (named or not several):
        raise ValueError(
            f"The model takes {len(names)} inputs; give images as a dictionary of arrays, "
            f"{{{', '.join(f'{name!r}: ...' for name in names)}}}"
            + ("." if named else ", or a list in that order.")
        )
    if not is_dict and not several:
        return None, None
    keys = list(inputs) if is_dict else list(range(len(inputs)))
    one_array = len(names) == 1 or isinstance(model, keras.Sequential)
    if one_array and len(keys) == 1:
        return None, keys[0]
    if one_array and is_dict:
        raise ValueError(
            f"images is a dictionary of {', '.join(map(repr, keys))}, and the model takes one "
            "array. Give the images alone, or batches of (images, labels)."
        )
    place = _place(inputs, keys, names, interface)
    if is_dict:
        return {key: None if key == place else key for key in keys}, place
    return [None if key == place else key for key in keys], place


def _input_names(model: keras.Model) -> tuple[list[str], bool]:
    """Return what a built model calls its inputs, and whether it takes them by these names."""
    if not getattr(model, "inputs", None):
        return [], False
    struct = input_struct(model)
    if isinstance(struct, Mapping):
        return list(struct), True
    return [symbol.name for symbol in model.inputs], False


def _place(inputs: Any, keys: Sequence, names: Sequence[str], interface: Interface) -> Any:
    """Return at which key the images lie."""
    wanted = interface.image_input
    if wanted is not None and wanted not in keys:
        order = names or keys  # a subclassed model has no names
        numbered = isinstance(wanted, int) and -len(order) <= wanted < len(order)
        wanted = order[wanted] if numbered else wanted
        wanted = names.index(wanted) if wanted in names and wanted not in keys else wanted
    if wanted is not None and wanted in keys:
        return wanted
    images = [key for key in keys if np.ndim(inputs[key]) == 4]
    if wanted is None and len(images) == 1:
        return images[0]
    raise ValueError(
        f"The inputs are {', '.join(map(repr, keys))}; say which one holds the images, such as "
        f"image_input={(images or keys)[0]!r}."
    )


def _alone(inputs: Any, place: Any) -> Any:
    return inputs if place is None else inputs[place]


def labels_of(batch: Batch) -> Any:
    """Return the labels of a batch's images, copied: a stream may fill the same array again."""
    given = batch.given
    if given is None:
        raise ValueError("return_labels is set, but the batches hold no labels, only images.")
    if isinstance(given, Mapping):
        return {key: _cut(value, batch) for key, value in given.items()}
    several = isinstance(given, list | tuple) and all(np.ndim(value) > 0 for value in given)
    if several and all(len(value) == batch.among for value in given):  # of several outputs
        return tuple(_cut(value, batch) for value in given)
    return _cut(given, batch)


def _cut(labels: Any, batch: Batch) -> np.ndarray:
    """Return what belongs to a batch's images, of the labels that came with them."""
    if np.ndim(labels) == 0 or len(labels) != batch.among:
        raise ValueError(
            f"A batch holds {batch.among} images and labels of shape {np.shape(labels)}; give one "
            "with each image."
        )
    return np.array(labels)[batch.start : batch.start + len(batch)]


def joined(labels: Iterable[Any]) -> Any:
    """Return the labels of all batches as one array, or one of each name or output."""
    labels = list(labels)
    if isinstance(labels[0], Mapping):
        return {key: np.concatenate([part[key] for part in labels]) for key in labels[0]}
    if isinstance(labels[0], tuple):
        return tuple(map(np.concatenate, zip(*labels, strict=True)))
    return np.concatenate(labels)
