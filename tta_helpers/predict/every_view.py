"""Every view of every image, predicted once, into memory or into a file."""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tta_helpers import checks
from tta_helpers.interface import Interface, interface
from tta_helpers.predict.batches import Batch, Source, joined, labels_of
from tta_helpers.predict.forward import (
    as_it_is_now,
    bfloat16_copy,
    checked_endings,
    kept_memory,
    predict_view,
    shown_probe,
    worth_a_graph,
)
from tta_helpers.predict.results import InFile, InMemory, digest, form, spot_check
from tta_helpers.progress import progress
from tta_helpers.quiet import keras, ops
from tta_helpers.views import View, check_views

PRECISIONS = ("float32", "bfloat16")


def predict_views(
    model: keras.Model,
    images: Any,
    views: Sequence[View],
    batch_size: int = 500,
    *,
    outputs: str | Mapping[str | int, str] = "softmax",
    head: str | int | None = None,
    value_range: tuple[float, float] = (0, 1),
    preprocess: Callable | None = None,
    data_format: str = "channels_last",
    image_input: str | int | None = None,
    maps: bool | None = None,
    precision: str = "float32",
    out: str | os.PathLike | None = None,
    return_labels: bool = False,
) -> Any:
    """Return what a model makes of every view of every image.

    One batch of images is in memory at a time, and one view of it, so the memory needed beyond
    `images` and the result does not grow with either; with `out`, nor does the result.

    Parameters
    ----------
    model
        A Keras 3 model of images, built or subclassed.
    images
        An array or memory map of shape (n, height, width, channels); or, where the model has more
        inputs, a dictionary or list of arrays; or batches of these: a `keras.utils.PyDataset`, a
        `tf.data.Dataset`, a PyTorch `DataLoader`, any iterable of batches `x`, `(x,)` or `(x, y)`.
        8-bit images are in 0..255, floats in `value_range`.
    views
        The view layers; two that coincide are refused.
    batch_size
        Images a forward pass; a stream's batches are cut to it, but not joined.
    outputs
        What the model gives. "softmax": probabilities of classes that sum to one. "logits": of such
        classes; they are returned as probabilities. "sigmoid": one probability a label, which need
        not sum to one. "raw": any numbers, such as a regression, returned as they are. A dictionary
        {head: kind} takes several heads and returns a dictionary of arrays.
    head
        Name or number of the one output wanted, of a model that has several.
    value_range
        Black and white as the model, or `preprocess` before it, takes them: (0, 1), (0, 255),
        (-1, 1) or others. 8-bit images are brought to it.
    preprocess
        A layer, or a function of a batch of a view's images in `value_range`, in front of the
        model, such as `keras.applications.resnet.preprocess_input`. Hand over the same function
        each time, and not a new lambda, so that graphs are built once.
    data_format
        "channels_last", or "channels_first" for images and models of (n, channels, height, width).
    image_input
        Name or number of the images among several inputs, where more than one has four axes.
    maps
        Whether outputs are maps of the image, (n, rows, columns, values), such as masks: each
        view's is turned back onto the image, and is NaN where the view did not show it. Outputs of
        four axes are, unless this is False. Other numbers that name places, such as boxes, are
        not turned back.
    precision
        "float32" takes the model as it is. "bfloat16" runs a copy of it whose layers, but for the
        last, compute with 8 significant bits: another result, and faster only on a processor with
        instructions for it.
    out
        A `.npy` file to write instead of memory, shape (n, views, ...); the result is a map of it.
        The same call after an interruption goes on where that was; once the file is whole, it is
        the answer.
    return_labels
        Whether to return the stream's labels too, in the order in which the images came. A data set
        that shuffles gives another order each time, so labels read from it separately belong to
        other images.

    Returns
    -------
    probs : float32 array of shape (views, n, classes)
        Or (views, n) + the model's own shape; a dictionary of these for a dictionary `outputs`.
    labels : array
        With `return_labels`; a dictionary or tuple of arrays where the stream gives several.

    Raises
    ------
    ValueError
        For images of another shape or range, coinciding views, an option that is none, or a model
        whose outputs are not of their kind. The message names the value and the way out.

    Warns
    -----
    UserWarning
        If predicting changes the model's own state, as dropout does that is left on: then the same
        image gets another answer each time.
    """
    how = interface(outputs, head, value_range, preprocess, data_format, image_input, maps)
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; use one of {PRECISIONS}.")
    checks.check_whole_number("batch_size", batch_size, "images")
    if out is not None and (not how.single or return_labels):
        raise ValueError("out takes one head and no labels; leave out return_labels, name a head.")
    endings = checked_endings(model, how)
    source = Source(images, model, how, batch_size)
    checks.check_size(model, source.shape, how)
    shape = how.image_shape(source.shape)
    views, how = check_views(views, shape), as_it_is_now(how, shape)
    if precision == "bfloat16":
        model = bfloat16_copy(model)
    task = _Task(model, how, views, endings, source.structure, shape[:2])
    if out is not None:
        return _into_file(task, source, out, batch_size, precision)
    keep = worth_a_graph(model, source.n or 0)
    results, labels = [InMemory(source.n) for _ in how.heads], []
    with progress(total=len(source) or None, desc=f"predict {len(views)} views") as bar:
        for batch in source.batches():
            keep = keep or (source.n is None and worth_a_graph(model, len(batch)))
            for result, block in zip(results, task.blocks(batch, keep=keep), strict=True):
                result.add(block)
            if return_labels:
                labels.append(labels_of(batch))
            bar.update()
    found = [result.result() for result in results]
    probs = found[0] if how.single else dict(zip(dict(how.heads), found, strict=True))
    return (probs, joined(labels)) if return_labels else probs


class _Task:
    """A model, what is declared of it, and the views that it is shown."""

    def __init__(
        self,
        model: keras.Model,
        how: Interface,
        views: Sequence[View],
        endings: Sequence[str],
        structure: Any,
        size: tuple[int, int],
    ):
        self.model, self.how, self.views = model, how, views
        self._endings, self._structure, self._size = endings, structure, size

    def blocks(self, batch: Batch, *, keep: bool) -> list[np.ndarray]:
        """Return each head's predictions of a batch, shape (views, images, ...)."""
        state = None if kept_memory(self.model).steady else _state(self.model)
        blocks: list[np.ndarray] = []
        for k, view in enumerate(self.views):
            found = predict_view(self.model, batch, view, self.how, self._structure, keep=keep)
            if not k and state is not None:
                _check_steady(self.model, state)
            for j, output in enumerate(found):
                answer = self._finished(output, j, view)
                if not k:
                    blocks.append(np.empty((len(self.views), *answer.shape), np.float32))
                blocks[j][k] = answer
        return blocks

    def _finished(self, output: Any, j: int, view: View) -> np.ndarray:
        """Return the output of one head as checked probabilities, maps turned back."""
        output = ops.convert_to_numpy(output)
        is_map, kind = self.how.is_map(output.shape, self._size), self.how.heads[j][1]
        output = checks.probabilities(output, kind, self._endings[j])
        if not is_map:
            return output
        flat = output.ndim == 3
        turned = view.undo(ops.convert_to_tensor(output[..., None] if flat else output), self._size)
        return ops.convert_to_numpy(turned)[..., 0] if flat else ops.convert_to_numpy(turned)


def _into_file(
    task: _Task, source: Source, out: str | os.PathLike, batch_size: int, precision: str
) -> np.ndarray:
    """Predict into a file, from where an earlier call was stopped."""
    if not task.model.built:
        raise ValueError(
            "The model has no weights yet, by which a file tells what it is of. Load them, or call "
            "it once: model(images[:1])."
        )
    shape = task.how.image_shape(source.shape)
    what = {
        "model": f"{digest(*task.model.get_weights())} {form(task.model)}",
        "views": [[type(view).__name__, repr(view.get_config())] for view in task.views],
        "interface": repr(task.how.heads) + repr(task.how.value_range) + _named(task.how),
        "preprocess": list(map(spot_check, shown_probe(task.how, shape))),
        "images": [source.n, list(source.shape)],
        "batch_size": batch_size,
        "precision": precision,
    }
    file = InFile(out, what)
    with progress(total=source.n, desc=f"predict {len(task.views)} views") as bar:
        try:
            for batch in source.batches():
                told = digest(batch.images, *batch.others)
                if not file.has(len(batch), told):
                    file.add(task.blocks(batch, keep=True)[0], told)
                bar.update(len(batch))
            return file.result()
        except BaseException:  # Ctrl-C too
            file.close()
            raise


def _named(how: Interface) -> str:
    """Return what tells a `preprocess` and the axes apart, as far as a name can."""
    function = how.preprocess
    config = function.get_config() if isinstance(function, keras.Layer) else ""
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{name}{config}{how.data_format}{how.image_input}{how.maps}"


def _state(model: keras.Model) -> list[np.ndarray]:
    """Return copies of the variables that training alone should change."""
    return [_value(v) for v in model.variables if not v.trainable]


def _value(variable: keras.Variable) -> np.ndarray:
    return np.array(ops.convert_to_numpy(ops.convert_to_tensor(variable)))


def _check_steady(model: keras.Model, before: list[np.ndarray]) -> None:
    """Warn, once a model, if predicting a batch has changed its state."""
    variables = [v for v in model.variables if not v.trainable]
    changed = [
        variable.path
        for variable, old in zip(variables, before, strict=False)
        if not np.array_equal(_value(variable), old)
    ]
    kept_memory(model).steady = True
    if changed:
        warnings.warn(
            f"Predicting changes the model's {changed[0]}: the same image gets another answer each "
            "time, and what views change cannot be told from that. Is a dropout or noise layer "
            "left on, with training=True?",
            stacklevel=4,
        )
