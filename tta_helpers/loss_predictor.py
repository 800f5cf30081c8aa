"""Learn which views will suit an image, from the image alone, and forward only those.

Kim, Kim and Kim, "Learning Loss for Test-Time Augmentation", NeurIPS 2020 (arXiv 2010.11422). A
small network, the loss predictor, sees the image once and scores every candidate view; the target
network then sees only the views with the lowest scores. A score is a relative loss: only its order
within an image means something.

The steps: `loss_table` measures the frozen target's loss on every view of many corrupted images;
`fit_predictor` trains a network on that table with one of the rank losses; `policies.lowest` or
`policies.guarded` turn its scores into a choice; `predict_selected` forwards the choice.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tta_helpers import checks
from tta_helpers.fitting import ProgressBar
from tta_helpers.forward import checked_ending, predict_mixed, worth_a_graph
from tta_helpers.metrics import rank_correlation
from tta_helpers.policies import checked_choice, cross_entropy
from tta_helpers.predict import predict_views, probabilities
from tta_helpers.progress import progress
from tta_helpers.quiet import keras, ops
from tta_helpers.views import View, check_turns

RankLoss = Callable[[Any, Any], Any]


# ---------------------------------------------------------------- networks


def compact_predictor(
    image_shape: tuple[int, int, int] = (32, 32, 3), n_views: int = 12, n_classes: int = 10
) -> keras.Model:
    """Return a loss predictor that is small beside a target of six million multiply-adds.

    4x4 patches and a residual convolution; the mean and the mean square of both levels show texture
    and noise, a coarse map of the second shows what lies where. Which view suits an image depends
    on its class too, so the network also guesses the class (layer "classes") and scores the views
    for every class: the scores are the expectation over its guess. `fit_predictor` teaches it both.

    Images are on the scale 0 to 255, (n, h, w, 3); the outputs are scores, (n, views), lower is
    better. Rescaling the images would take as long as the first convolution: batch normalisation
    after it sees to the scale instead.
    """
    layers = keras.layers
    inputs = keras.Input(image_shape)
    x = layers.Conv2D(24, 4, strides=4, use_bias=False)(inputs)
    x = layers.Activation("swish")(layers.BatchNormalization(momentum=0.9)(x))
    y = layers.Add()([x, layers.Conv2D(24, 3, padding="same")(x)])
    y = layers.Activation("swish")(y)
    levels = (x, y, layers.Multiply()([x, x]), layers.Multiply()([y, y]))
    features = [layers.GlobalAveragePooling2D()(level) for level in levels]
    features.append(layers.Flatten()(layers.AveragePooling2D(2)(y)))
    z = layers.Dropout(0.1)(layers.Concatenate()(features))
    z = layers.Dense(64, activation="swish")(z)
    classes = layers.Dense(n_classes, activation="softmax", name="classes")(z)
    by_class = layers.Reshape((n_classes, n_views))(layers.Dense(n_classes * n_views)(z))
    scores = layers.Dot(axes=1, name="scores")([classes, by_class])
    return keras.Model(inputs, scores, name="compact_predictor")


def efficientnet_predictor(
    image_shape: tuple[int, int, int] = (32, 32, 3), n_views: int = 12
) -> keras.Model:
    """Return the paper's loss predictor: EfficientNet-B0 with features of several levels.

    Section 3.3. The outputs of four blocks are pooled, each passes a dense layer of its own width,
    and in training each of the four is dropped for a whole image with probability 0.2; joined to
    the head's 1280 features they make 1616, of which 0.3 are dropped. Images are on the scale 0 to
    255, of at least 32 x 32 pixels; the outputs are scores, (n, views), lower is better.
    """
    layers = keras.layers
    inputs = keras.Input(image_shape)
    body = keras.applications.EfficientNetB0(include_top=False, weights=None, input_tensor=inputs)
    taps = []
    for name in ("block2b_add", "block3b_add", "block4c_add", "block6d_add"):
        tap = layers.GlobalAveragePooling2D()(body.get_layer(name).output)
        tap = layers.Dense(tap.shape[-1], activation="swish")(tap)
        taps.append(layers.Dropout(0.2, noise_shape=(None, 1))(tap))
    taps.append(layers.GlobalAveragePooling2D()(body.output))
    x = layers.Dropout(0.3)(layers.Concatenate()(taps))
    scores = layers.Dense(n_views, name="scores")(x)
    return keras.Model(inputs, scores, name="efficientnet_predictor")


def new_predictor(
    name: str, image_shape: tuple[int, int, int], n_views: int, n_classes: int
) -> keras.Model:
    """Return an untrained loss predictor: "compact" or "efficientnet"."""
    if name == "compact":
        return compact_predictor(image_shape, n_views, n_classes)
    if name == "efficientnet":
        return efficientnet_predictor(image_shape, n_views)
    raise ValueError(f"predictor is {name!r}; use 'compact' or 'efficientnet'.")


# ---------------------------------------------------------------- rank losses


def true_ranks(losses: Any) -> Any:
    """Return the rank of every loss within its row, 0 the lowest; ties share their mean rank."""
    one, other = losses[:, :, None], losses[:, None, :]
    above = ops.cast(one > other, "float32") + 0.5 * ops.cast(one == other, "float32")
    return ops.sum(above, axis=2) - 0.5


def soft_ranks(scores: Any, temperature: float = 0.2) -> Any:
    """Return differentiable ranks, (images, views): the sum over views of a sigmoid.

    A score's rank is the number of scores below it. Each "is below" becomes
    sigmoid(difference / temperature), so that the ranks have a slope; they tend to `true_ranks` as
    the temperature falls to 0.
    """
    differences = scores[:, :, None] - scores[:, None, :]
    return ops.sum(ops.sigmoid(differences / temperature), axis=2) - 0.5


def _centred(rows: Any) -> Any:
    return rows - ops.mean(rows, axis=1, keepdims=True)


def spearman_loss(losses: Any, scores: Any) -> Any:
    """Return 1 - the correlation of `soft_ranks(scores)` with `true_ranks(losses)`, an image."""
    a, b = _centred(soft_ranks(scores)), _centred(true_ranks(losses))
    scale = ops.sqrt(ops.sum(a * a, axis=1) * ops.sum(b * b, axis=1) + 1e-6)
    return 1 - ops.sum(a * b, axis=1) / scale


def centred_mse(losses: Any, scores: Any) -> Any:
    """Return the mean squared error of scores against losses, each less its row's mean."""
    return ops.mean((_centred(losses) - _centred(scores)) ** 2, axis=1)


def combined_loss(losses: Any, scores: Any) -> Any:
    """Return `spearman_loss` plus a tenth of `centred_mse`, an image."""
    return spearman_loss(losses, scores) + 0.1 * centred_mse(losses, scores)


# ---------------------------------------------------------------- SoDeep: a learned sorter


def synthetic_sequences(n: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """Return sequences for a sorter to learn from, float32 of shape (n, length).

    Equal shares of uniform, normal, evenly spaced (sorted and shuffled) and mixed ones, as for
    SoDeep (Engilberge et al., CVPR 2019), then standardised row by row, as `sodeep_loss` does.
    """
    low, high = np.sort(rng.uniform(-1, 1, (2, n, 1)), axis=0)
    even = low + (high - low) * np.linspace(0, 1, length)
    kinds = np.stack(
        [
            rng.uniform(-1, 1, (n, length)),
            rng.standard_normal((n, length)),
            even[:, ::-1] if rng.random() < 0.5 else even,
            rng.permuted(even, axis=1),
        ]
    )
    mixed = np.take_along_axis(kinds, rng.integers(0, 4, (1, n, length)), axis=0)
    rows = np.concatenate([kinds, mixed])[rng.integers(0, 5, n), np.arange(n)]
    rows -= rows.mean(axis=1, keepdims=True)
    return (rows / (rows.std(axis=1, keepdims=True) + 1e-6)).astype(np.float32)


def rank_sorter(length: int = 12, units: int = 64) -> keras.Model:
    """Return an untrained sorter: (n, length) values to (n, length) ranks divided by `length`.

    A GRU layer reads the sequence both ways, a dense layer gives each place its rank. The SoDeep
    paper's default is an LSTM of two layers; on twelve values a second one changed little.
    """
    layers = keras.layers
    inputs = keras.Input((length,))
    x = layers.Reshape((length, 1))(inputs)
    x = layers.Bidirectional(layers.GRU(units, return_sequences=True))(x)
    outputs = layers.Reshape((length,))(layers.Dense(1)(x))
    return keras.Model(inputs, outputs, name="rank_sorter")


def fit_sorter(sorter: keras.Model, steps: int = 800, batch_size: int = 256, seed: int = 0) -> None:
    """Train a sorter on synthetic sequences, drawn anew for every step.

    The loss is the mean absolute error of the ranks; Adam's rate falls from 0.003 to 0 along a
    cosine.
    """
    length, rng = sorter.input_shape[1], np.random.default_rng(seed)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    sorter.compile(keras.optimizers.Adam(rate), "mean_absolute_error")
    for _ in progress(range(steps), desc="fit the sorter"):
        rows = synthetic_sequences(batch_size, length, rng)
        sorter.train_on_batch(rows, _normalised_ranks(rows))


def sorter_error(sorter: keras.Model, n: int = 2000, seed: int = 1) -> float:
    """Return a sorter's mean absolute error, in ranks, on n synthetic sequences."""
    length = sorter.input_shape[1]
    rows = synthetic_sequences(n, length, np.random.default_rng(seed))
    parts = progress(np.array_split(rows, 4), desc="check the sorter")
    found = np.concatenate([sorter.predict_on_batch(part) for part in parts])
    return float(length * np.abs(found - _normalised_ranks(rows)).mean())


def _normalised_ranks(rows: np.ndarray) -> np.ndarray:
    return rows.argsort(axis=1).argsort(axis=1).astype(np.float32) / rows.shape[1]


def sodeep_loss(sorter: keras.Model) -> RankLoss:
    """Return the rank loss of a trained sorter, which is frozen: its error in sorting the scores.

    Section 3.4 of the paper: mean squared difference between the sorter's ranks of the scores and
    the true ranks. Scores are standardised row by row first, the form that the sorter was trained
    on; the paper takes their softmax.
    """
    sorter.trainable = False
    length = sorter.input_shape[1]

    def loss(losses: Any, scores: Any) -> Any:
        scores = _centred(scores)
        scale = ops.sqrt(ops.mean(scores**2, axis=1, keepdims=True) + 1e-6)
        return ops.mean((sorter(scores / scale) - true_ranks(losses) / length) ** 2, axis=1)

    return loss


def rank_losses(sorter: keras.Model) -> dict[str, RankLoss]:
    """Return the rank losses by name; the sorter is for SoDeep's."""
    return {
        "spearman": spearman_loss,
        "sodeep": sodeep_loss(sorter),
        "mse": centred_mse,
        "combined": combined_loss,
    }


# ---------------------------------------------------------------- training


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


class _BestRanking(keras.callbacks.Callback):
    """Measure the rank correlation on loss-valid after every epoch and keep the best weights."""

    def __init__(self, predictor: keras.Model, images: np.ndarray, losses: np.ndarray) -> None:
        super().__init__()
        self._predictor, self._images, self._losses = predictor, images, losses
        self._best = -np.inf

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        scores = predict_scores(self._predictor, self._images)
        logs["rank_correlation"] = float(rank_correlation(scores, self._losses).mean())
        if logs["rank_correlation"] > self._best:
            self._best, self._weights = logs["rank_correlation"], self._predictor.get_weights()

    def on_train_end(self, logs: dict | None = None) -> None:
        self._predictor.set_weights(self._weights)


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

    AdamW, its rate falling to 0 along a cosine. A predictor with a layer "classes" learns the
    labels as well, by cross-entropy.

    Parameters
    ----------
    predictor
        A network of this module, or another from images on the scale 0 to 255 to one score a view.
    rank_loss
        A function of (losses, scores), such as `spearman_loss`.
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
        Of each epoch the training losses and the `rank_correlation` on loss-valid.

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
    trained = keras.Model(predictor.inputs, outputs)
    keras.utils.set_random_seed(seed)
    steps = epochs * -(-len(images) // batch_size)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    trained.compile(keras.optimizers.AdamW(rate, weight_decay=1e-4), terms, loss_weights=weights)
    aims = {"scores": losses, "classes": labels}
    history = trained.fit(
        images,
        {name: aims[name] for name in outputs},
        batch_size=batch_size,
        epochs=epochs,
        verbose=0,
        callbacks=[_BestRanking(predictor, *validation), ProgressBar()],
    )
    return history.history


# ---------------------------------------------------------------- use


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
    images = checks.checked_images(images)
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
    logits: bool = False,
) -> np.ndarray:
    """Return each image's mean prediction over its chosen views, in the order of the images.

    Nothing is forwarded that was not chosen, and a batch is forwarded whole, whichever views its
    images see: k views an image cost k passes.

    Parameters
    ----------
    model, images, views, batch_size, logits
        As `predict_views` takes them.
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
    last = checked_ending(model, logits)
    images = checks.checked_images(images)
    checks.check_size(model, images.shape[1:])
    check_turns(views, images.shape[1:])
    choice = checked_choice(choice, len(views), len(images))
    checks.check_whole_number("batch_size", batch_size, "images")
    probs = None  # how many classes there are, a subclassed model shows with its first outputs
    keep = worth_a_graph(model, len(images))
    bar = progress(desc="predict selected views", total=choice.size)
    for start in range(0, len(images), batch_size):
        rows = slice(start, start + batch_size)
        batch = checks.checked_batch(images[rows])
        for column in choice[rows].T:
            outputs = predict_mixed(model, batch, views, column, keep=keep)
            found = probabilities(outputs, logits, last)
            if probs is None:
                probs = np.zeros((len(images), found.shape[1]), np.float32)
            probs[rows] += found
            bar.update(len(batch))
    bar.close()
    return probs / choice.shape[1]
