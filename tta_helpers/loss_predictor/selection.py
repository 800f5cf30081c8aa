"""Scores of a trained predictor, and a target that sees the selected views alone."""

from collections.abc import Callable, Sequence

import numpy as np

from tta_helpers import checks
from tta_helpers.interface import Interface, interface
from tta_helpers.policies import checked_choice
from tta_helpers.predict.batches import Source
from tta_helpers.predict.forward import as_it_is_now, checked_endings, predict_mixed, worth_a_graph
from tta_helpers.progress import progress
from tta_helpers.quiet import keras
from tta_helpers.views import View, check_turns
from tta_helpers.views.compose import as_views


def predict_scores(
    predictor: keras.Model, images: np.ndarray, batch_size: int = 1000
) -> np.ndarray:
    """Return the predictor's scores, float32 of shape (images, views); lower is better.

    Parameters
    ----------
    predictor
        A network on the scale 0 to 255, as those of this module are.
    images
        (n, h, w, 3), uint8 or floats in [0, 1], as `predict_views` takes them.
    batch_size
        Images a forward pass.

    Raises
    ------
    ValueError
        For images of another shape or range, or scores that are no numbers.
    """
    if not isinstance(predictor, keras.Model):
        raise ValueError(f"predictor is a {type(predictor).__name__}; give a fitted network.")
    images = checks.checked_images(images, Interface())
    checks.check_whole_number("batch_size", batch_size, "images")
    scores = np.empty((len(images), predictor.output_shape[-1]), np.float32)
    for start in progress(range(0, len(images), batch_size), desc="predict losses"):
        batch = images[start : start + batch_size]
        batch = batch if batch.dtype == np.uint8 else checks.checked_batch(batch) * 255
        scores[start : start + batch_size] = predictor.predict_on_batch(batch)
    checks.check_scores(scores)
    return scores


def predict_selected(
    model: keras.Model,
    images: np.ndarray,
    views: Sequence[View],
    choice: np.ndarray,
    batch_size: int = 500,
    *,
    outputs: str = "softmax",
    head: str | int | None = None,
    value_range: tuple[float, float] = (0, 1),
    preprocess: Callable | None = None,
    data_format: str = "channels_last",
) -> np.ndarray:
    """Return each image's mean prediction over its chosen views, in the order of the images.

    Nothing is forwarded that was not chosen, and a batch is forwarded whole, whichever views its
    images see: k views an image cost k passes.

    Parameters
    ----------
    model, images, views, batch_size, outputs, head, value_range, preprocess, data_format
        As `predict_views` takes them; `images` is one array, `outputs` one kind, and the outputs
        are one row an image, no maps.
    choice
        The numbers of the views that each image gets, shape (n, k); named twice, a view is
        forwarded twice and counts twice.

    Returns
    -------
    probs : float32 array of shape (n, classes)

    Raises
    ------
    ValueError
        For images, views or a model that `predict_views` refuses; coinciding views may be chosen.
    """
    if not isinstance(outputs, str):
        raise ValueError(f"outputs is {outputs!r}; a selection is averaged for one head: head=...")
    views = as_views(views)
    checks.check_whole_number("batch_size", batch_size, "images")
    how = interface(outputs, head, value_range, preprocess, data_format, maps=False)
    (last,) = checked_endings(model, how)
    source = Source(images, model, how, batch_size)
    if source.structure is not None or source.n is None:
        raise ValueError("Views are selected for one array of images; give that.")
    checks.check_size(model, source.shape, how)
    shape = how.image_shape(source.shape)
    check_turns(views, shape)
    how = as_it_is_now(how, shape)
    choice = checked_choice(choice, len(views), source.n)
    probs = None  # how many classes there are, a subclassed model shows with its first outputs
    keep = worth_a_graph(model, source.n)
    with progress(desc="predict selected views", total=choice.size) as bar:
        for k, batch in enumerate(source.batches()):
            rows = slice(k * batch_size, k * batch_size + len(batch))
            for column in choice[rows].T:
                found = predict_mixed(model, batch, views, column, how, keep=keep)
                found = checks.probabilities(found, outputs, last)
                checks.check_rows(found)
                if probs is None:
                    probs = np.zeros((source.n, *found.shape[1:]), np.float32)
                probs[rows] += found
                bar.update(len(batch))
    return probs / choice.shape[1]
