"""Copies made elsewhere: random ones that a generator draws, and what a model makes of them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tta_helpers import checks
from tta_helpers.checks.models import output_names
from tta_helpers.interface import interface
from tta_helpers.predict.forward import checked_endings
from tta_helpers.progress import progress
from tta_helpers.quiet import keras, ops


def predict_copies(
    model: keras.Model,
    copies: Iterable[np.ndarray],
    batch_size: int = 500,
    *,
    outputs: str = "softmax",
    head: str | int | None = None,
    value_range: tuple[float, float] | None = None,
) -> np.ndarray:
    """Return what a model makes of copies made elsewhere, such as `generator_views`'.

    An image that has come before is not forwarded again: any number of random flips of an image
    cost two passes at most. Images are known again by a hash of 64 bits of their pixels.

    Parameters
    ----------
    model
        A Keras model of images alone, one row an image: nothing here knows how a copy was turned,
        so maps cannot be turned back.
    copies
        Arrays of shape (n, height, width, channels), fed to the model as they are, one at a time.
    batch_size, outputs, head
        As `predict_views`'; one kind.
    value_range
        The range of the network's images, if the first copy is to be held to it. Without it, only
        8-bit values for a network that does not rescale them, and the reverse, are refused.

    Returns
    -------
    probs : float32 array of shape (copies, n, classes)

    Raises
    ------
    ValueError
        For copies of another form or range, or outputs as `predict_views` refuses them.
    """
    if isinstance(outputs, Mapping):
        raise ValueError("outputs names several heads; copies are predicted for one: head=...")
    how = interface(outputs, head, maps=False)
    (last,) = checked_endings(model, how, plain=False)
    if len(getattr(model, "inputs", None) or [1]) > 1:
        raise ValueError(
            f"The model takes {len(model.inputs)} inputs; copies are of images alone. Fix the "
            "others in a keras.Model that has only the images as its input."
        )
    checks.check_whole_number("batch_size", batch_size, "images")
    if isinstance(copies, keras.utils.PyDataset):
        raise ValueError("copies is an iterator without end; draw them with generator_views.")
    keys, found, waiting = [], {}, {}

    def forward() -> None:
        given = model.predict_on_batch(np.stack(list(waiting.values())))
        (answers,) = how.selected(given, output_names(model))
        answers = checks.probabilities(ops.convert_to_numpy(answers), how.heads[0][1], last)
        checks.check_rows(answers)
        found.update(zip(waiting, answers, strict=True))
        waiting.clear()

    shape = None
    for copy in map(checks.checked_copy, copies):
        if shape is None:
            shape = copy.shape
            checks.check_size(model, shape[1:], how)
            checks.check_copy_range(model, copy, value_range)
        if copy.shape != shape:
            raise ValueError(
                f"A copy has shape {copy.shape}, the first one {shape}; give as many images of the "
                "same size each time."
            )
        keys.append([hash(image.tobytes()) for image in copy])
        for key, image in zip(keys[-1], copy, strict=True):
            if key not in found:
                waiting[key] = image.copy()  # the next copy may take its place
            if len(waiting) == batch_size:
                forward()
    if waiting:
        forward()
    if not keys:
        raise ValueError("There are no copies to predict; draw at least one.")
    return np.array([[found[key] for key in row] for row in keys], dtype=np.float32)


def generator_views(
    datagen: Any, images: np.ndarray, n_copies: int, seed: int = 0
) -> Iterator[np.ndarray]:
    """Yield random copies of the whole set, drawn by an ImageDataGenerator.

    `model.predict(datagen.flow(image), steps=7)` returns one prediction, for the iterator holds one
    batch; drawing the whole set again for every copy gives as many as were asked for. Each copy has
    a random stream of its own, so the first copies of a longer series are those of a shorter one.
    NumPy's global random state, which ImageDataGenerator seeds, is put back.

    Parameters
    ----------
    datagen
        An `ImageDataGenerator`, or anything with its `flow`. One with featurewise statistics must
        have seen `fit` on the training images.
    images
        Floats, shape (n, height, width, channels), in the range that `datagen` expects.
    n_copies
        How many copies, at least 1.
    seed
        Any non-negative integer.

    Yields
    ------
    float32 array of shape (n, height, width, channels), in the order of `images`

    Raises
    ------
    ValueError
        For a generator that works on another range than the images': brightness on [0, 1], a
        second division by 255, or copies that leave [0, 1] though nothing standardises them.
    """
    checks.check_whole_number("n_copies", n_copies, "copies")
    white = float(np.max(images))
    checks.check_generator(datagen, white)
    return _drawn_copies(datagen, images, n_copies, seed, white)


def _drawn_copies(
    datagen: Any, images: np.ndarray, n: int, seed: int, white: float
) -> Iterator[np.ndarray]:
    # Stream i is seeded from (seed, i): Keras seeds batch b of a flow with seed + b, so flows with
    # neighbouring seeds would repeat each other.
    for i in progress(range(n), desc=f"draw {n} copies"):
        stream = int(np.random.SeedSequence([seed, i]).generate_state(1)[0]) >> 1
        state = np.random.get_state()  # noqa: NPY002 (it is the global state that flow() seeds)
        flow = datagen.flow(images, batch_size=len(images), shuffle=False, seed=stream)
        copy = next(flow)
        np.random.set_state(state)  # noqa: NPY002
        if i == 0:
            checks.check_drawn(datagen, white, copy)
        yield copy
