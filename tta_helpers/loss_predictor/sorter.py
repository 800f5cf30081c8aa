"""SoDeep: a learned sorter, whose ranks have a gradient."""

from typing import Any

import numpy as np

from tta_helpers.loss_predictor.rank_losses import (
    RankLoss,
    centred,
    centred_mse,
    combined_loss,
    relative_loss,
    spearman_loss,
    true_ranks,
)
from tta_helpers.progress import progress
from tta_helpers.quiet import keras, ops


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
        scores = centred(scores)
        scale = ops.sqrt(ops.mean(scores**2, axis=1, keepdims=True) + 1e-6)
        return ops.mean((sorter(scores / scale) - true_ranks(losses) / length) ** 2, axis=1)

    return loss


def rank_losses(sorter: keras.Model) -> dict[str, RankLoss]:
    """Return the rank losses by name; the sorter is for SoDeep's."""
    return {
        "spearman": spearman_loss,
        "sodeep": sodeep_loss(sorter),
        "mse": centred_mse,
        "relative": relative_loss,
        "combined": combined_loss,
    }
