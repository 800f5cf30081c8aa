"""The target's loss on every view, and a predictor that is trained on it."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tta_helpers import checks
from tta_helpers.fitting import ProgressBar
from tta_helpers.loss_predictor.rank_losses import RankLoss
from tta_helpers.loss_predictor.selection import predict_scores
from tta_helpers.metrics import rank_correlation
from tta_helpers.policies import cross_entropy
from tta_helpers.predict import predict_views
from tta_helpers.progress import progress
from tta_helpers.quiet import keras, ops
from tta_helpers.views import View


def loss_table(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    views: Sequence[View],
    folder: str | Path,
    chunk: int = 5000,
) -> np.ndarray:
    """Return the model's cross-entropy on every view of every image, measured once.

    The table is a file in `folder`, named after a digest of the model's weights, the images, the
    labels and the views, so that it is found again if all are the same. A run that was stopped goes
    on with the chunk that it was at.

    Parameters
    ----------
    model
        The frozen target, as `predict_views` takes it.
    images
        uint8, shape (n, h, w, 3).
    labels
        Integers, shape (n,).
    views
        The candidate views.
    folder
        An existing folder where the table is kept, some 48 bytes an image.
    chunk
        Images between two saves.

    Returns
    -------
    losses : float32 array of shape (n, views), in nats
    """
    checks.check_whole_number("chunk", chunk, "images")
    named = [(type(view).__name__, view.get_config()) for view in views]
    digest = hashlib.sha256(repr(named).encode())
    for array in (*model.get_weights(), images, labels):
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array))
    path = Path(folder) / f"losses_{digest.hexdigest()[:16]}.npy"
    if path.is_file():
        return np.load(path)
    partial, shape = path.with_suffix(".partial"), (len(images), len(views))
    if not partial.is_file() or partial.stat().st_size != 4 * shape[0] * shape[1]:
        np.full(shape, np.nan, np.float32).tofile(partial)
    table = np.memmap(partial, np.float32, "r+", shape=shape)
    for start in progress(range(0, len(images), chunk), desc="loss table"):
        rows = slice(start, start + chunk)
        if np.isnan(table[rows]).any():
            table[rows] = cross_entropy(labels[rows], predict_views(model, images[rows], views))
            table.flush()
    losses = np.array(table)
    np.save(path.with_suffix(".whole.npy"), losses)
    os.replace(path.with_suffix(".whole.npy"), path)
    del table  # the file must be closed before it can go
    partial.unlink()
    return losses


class _BestEpoch(keras.callbacks.Callback):
    """Measure the loss on loss-valid after every epoch and keep the weights of the best one."""

    def __init__(
        self, predictor: keras.Model, loss: RankLoss, images: np.ndarray, losses: np.ndarray
    ) -> None:
        super().__init__()
        self._predictor, self._loss, self._images, self._losses = predictor, loss, images, losses
        self._best = np.inf

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        scores = predict_scores(self._predictor, self._images)
        given = ops.convert_to_tensor(self._losses), ops.convert_to_tensor(scores)
        value = float(ops.convert_to_numpy(self._loss(*given)).mean())
        logs["validation_loss"] = value
        logs["rank_correlation"] = float(rank_correlation(scores, self._losses).mean())
        if value < self._best:
            self._best, self._weights = value, self._predictor.get_weights()

    def on_train_end(self, logs: dict | None = None) -> None:
        self._predictor.set_weights(self._weights)


def fit_recogniser(
    predictor: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    kinds: np.ndarray,
    *,
    epochs: int = 6,
    batch_size: int = 512,
    learning_rate: float = 4e-3,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Teach a loss predictor what images show and what has befallen them, before any score.

    This costs no pass of the target, and the features that tell corruptions apart are those that
    tell which view repairs them: see notebook 04 for what it brings.

    Parameters
    ----------
    predictor
        A network with the layers "classes" and "kinds", such as `compact_predictor` with `n_kinds`.
    images
        uint8, shape (n, h, w, 3), corrupted and clean ones.
    labels, kinds
        Integers, shape (n,): the class of each image, and the number of its kind of corruption.
    epochs, batch_size, learning_rate
        Settings of the fit: AdamW, its rate falling to 0 along a cosine. Images are mirrored at
        random.
    seed
        Fixes the order of the images and which are mirrored.

    Returns
    -------
    history : dict
        The losses and accuracies of each epoch.

    Raises
    ------
    ValueError
        For a predictor without these layers.
    """
    missing = {"classes", "kinds"} - {layer.name for layer in predictor.layers}
    if missing:
        raise ValueError(
            f"the predictor has no layer {' and none '.join(map(repr, sorted(missing)))}; "
            "compact_predictor(..., n_kinds=...) has both."
        )
    outputs = {name: predictor.get_layer(name).output for name in ("classes", "kinds")}
    return _fit(
        *(predictor, outputs, images, {"classes": labels, "kinds": kinds}),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        loss=dict.fromkeys(outputs, "sparse_categorical_crossentropy"),
        metrics=dict.fromkeys(outputs, "accuracy"),
    )


def fit_predictor(
    predictor: keras.Model,
    rank_loss: RankLoss,
    training: tuple[np.ndarray, np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    epochs: int = 8,
    batch_size: int = 512,
    learning_rate: float = 4e-3,
    class_weight: float = 1.0,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Train a loss predictor and leave it with the weights of its best epoch on loss-valid.

    AdamW, its rate falling to 0 along a cosine; images are mirrored at random. A predictor with a
    layer "classes" learns the labels as well, by cross-entropy. Called again with another loss, it
    goes on from what was learned.

    Parameters
    ----------
    predictor
        A network of this module, or another from images on the scale 0 to 255 to one score a view.
    rank_loss
        A function of (losses, scores), such as `spearman_loss` or `mixture_loss`; the lowest mean
        on loss-valid makes the best epoch.
    training
        Images (n, h, w, 3) uint8, losses (n, views) and integer labels (n,) of loss-train.
    validation
        Images and losses of loss-valid, of other photographs.
    epochs, batch_size, learning_rate
        Settings of the fit.
    class_weight
        Weight of the labels' cross-entropy beside the rank loss; 0 teaches the ranks alone.
    seed
        Fixes the order of the images; the first weights are the predictor's own.

    Returns
    -------
    history : dict
        Of each epoch the training losses, and `validation_loss` and `rank_correlation` on
        loss-valid.

    Raises
    ------
    ValueError
        If images, losses and views do not fit.
    """
    images, losses, labels = training
    if images.dtype != np.uint8 or losses.shape != (len(images), predictor.output_shape[-1]):
        raise ValueError(
            f"images {images.dtype} {images.shape} and losses {losses.shape} do not fit; give "
            f"uint8 images and one loss for each of the {predictor.output_shape[-1]} views."
        )
    outputs = {"scores": predictor.outputs[0]}
    terms, weights = {"scores": rank_loss}, {"scores": 1.0}
    if any(layer.name == "classes" for layer in predictor.layers):
        outputs["classes"] = predictor.get_layer("classes").output
        terms["classes"], weights["classes"] = "sparse_categorical_crossentropy", class_weight
    return _fit(
        *(predictor, outputs, images, {"scores": losses, "classes": labels}),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        callbacks=[_BestEpoch(predictor, rank_loss, *validation)],
        loss=terms,
        loss_weights=weights,
    )


def _fit(
    predictor: keras.Model,
    outputs: Mapping[str, Any],
    images: np.ndarray,
    aims: Mapping[str, np.ndarray],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **compiled: Any,
) -> dict[str, list[float]]:
    """Fit some outputs of a predictor, seen through a layer that mirrors images at random."""
    keras.utils.set_random_seed(seed)
    heads = keras.Model(predictor.inputs, dict(outputs))
    given = keras.Input(predictor.input_shape[1:])
    trained = keras.Model(given, heads(keras.layers.RandomFlip("horizontal", seed=seed)(given)))
    steps = epochs * -(-len(images) // batch_size)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    trained.compile(keras.optimizers.AdamW(rate, weight_decay=1e-4), **compiled)
    history = trained.fit(
        images,
        {name: aims[name] for name in outputs},
        batch_size=batch_size,
        epochs=epochs,
        verbose=0,
        callbacks=[*callbacks, ProgressBar()],
    )
    return history.history
