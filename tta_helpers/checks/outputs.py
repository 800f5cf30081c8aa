"""What a model's outputs must be like for what they are said to be."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tta_helpers.interface import Interface
from tta_helpers.policies import softmax

PROBABILITIES_SUM = 2e-2  # how far a row may sum from one; half precision may hide in a cast
BFLOAT16_SUM = 5e-2  # eight bits: rows of a hundred classes were seen 1 % out
ONE_NUMBER = (
    "The model answers with one number an image. Pass outputs='sigmoid' if it is a probability, "
    "outputs='raw' if it is a regression. One logit needs its sigmoid first: hand over "
    "keras.Sequential([keras.Input(shape), model, keras.layers.Activation('sigmoid')]) with "
    "outputs='sigmoid'."
)


def check_shape(shape: Sequence[int | None], kind: str, interface: Interface) -> None:
    """Raise a ValueError if outputs of this shape, (n, ...), cannot be of the kind."""
    interface.is_map(shape)  # says what it has to say
    if kind in ("softmax", "logits") and len(shape) > 1 and shape[-1] == 1:
        raise ValueError(ONE_NUMBER)
    if kind in ("softmax", "logits") and len(shape) not in (2, 4):
        raise ValueError(
            f"The model answers with arrays of shape {tuple(shape[1:])} an image; {kind} are "
            "(classes,), or (rows, columns, classes). Pass outputs='raw' for other numbers."
        )


def check_ending(last: str, shape: Sequence[int | None], kind: str) -> None:
    """Raise a ValueError if what a model ends in is not of the kind."""
    if kind == "raw":
        return
    if last in ("sigmoid", "hard_sigmoid") and kind != "sigmoid":
        raise ValueError(
            f"The model ends in {shape[-1]} sigmoids, one for each label, which need not sum to "
            "one. Pass outputs='sigmoid'."
        )
    if last == "softmax" and kind != "softmax":
        raise ValueError(
            "The model ends in a softmax: its outputs are probabilities. Pass outputs='softmax', "
            f"for outputs={kind!r} would read them as something else."
        )


def checked_outputs(outputs: Any, kind: str, last: str) -> np.ndarray:
    """Return a model's outputs as float32, or say that they are not of their kind.

    Parameters
    ----------
    outputs
        What the model returned for a batch: (n, classes), (n, rows, columns, classes), or for "raw"
        any shape.
    kind
        What they are said to be.
    last
        What the model ends in, as far as it is known.
    """
    slack = BFLOAT16_SUM if "bfloat16" in str(getattr(outputs, "dtype", "")) else PROBABILITIES_SUM
    outputs = np.asarray(outputs, np.float32)
    if kind in ("softmax", "logits") and (outputs.ndim not in (2, 4) or outputs.shape[-1] == 1):
        raise ValueError(ONE_NUMBER if outputs.ndim < 3 else f"outputs have {outputs.shape}.")
    low, high = outputs.min(), outputs.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        broken = ~np.isfinite(outputs.reshape(len(outputs), -1)).all(axis=1)
        raise ValueError(
            f"The model's outputs hold NaN or infinity for {broken.sum()} of {len(outputs)} "
            "images. Look for such values in its weights and in the images."
        )
    if kind == "softmax":
        _check_sums(outputs, low, high, slack)
    elif kind == "logits":
        _check_logits(low, high, last)
    elif kind == "sigmoid":
        _check_unit(low, high)
    return outputs


def probabilities(outputs: np.ndarray, kind: str, last: str = "") -> np.ndarray:
    """Return outputs as float32, logits as probabilities, or say that they are no such kind."""
    outputs = checked_outputs(outputs, kind, last)
    return softmax(outputs) if kind == "logits" else outputs


def check_rows(outputs: np.ndarray) -> None:
    """Raise a ValueError for more than one row an image, where nothing turns maps back."""
    if outputs.ndim > 2:
        raise ValueError(
            f"The model answers with arrays of shape {outputs.shape[1:]} an image. If they are "
            "maps, they must be turned back before they are averaged: use predict_views."
        )


def _check_unit(low: float, high: float) -> None:
    if low < -1e-4 or high > 1 + 1e-4:
        raise ValueError(
            f"The model's outputs run from {low:.3g} to {high:.3g}; sigmoids lie in [0, 1]. If "
            "they are logits, one for each label, hand over keras.Sequential([keras.Input(shape), "
            "model, keras.layers.Activation('sigmoid')]); for a regression pass outputs='raw'."
        )


def _check_logits(low: float, high: float, last: str) -> None:
    if low >= 0 and high <= 1 and last != "linear":
        raise ValueError(
            f"The model's outputs run from {low:.3g} to {high:.3g}: probabilities or sigmoids, "
            "hardly logits. Pass outputs='softmax' or outputs='sigmoid'. If they are logits all "
            "the same, hand over keras.Sequential([keras.Input(shape), model, "
            "keras.layers.Softmax()]) with outputs='softmax'."
        )


def _check_sums(outputs: np.ndarray, low: float, high: float, slack: float) -> None:
    sums = outputs.sum(axis=-1)
    if low >= 0 and np.abs(sums - 1).max() < slack:
        return
    advice = (
        "They may be sigmoids, one for each label: pass outputs='sigmoid'."
        if low >= 0 and high <= 1
        else f"If they are the logits of {outputs.shape[-1]} classes, of which an image has one, "
        "pass outputs='logits'; for a regression outputs='raw'. Sigmoids are no logits."
    )
    raise ValueError(
        f"The model's outputs run from {low:.3g} to {high:.3g} and their rows sum to "
        f"{sums.min():.3g} to {sums.max():.3g}, not to one. {advice}"
    )


def check_scores(scores: np.ndarray) -> None:
    """Raise a ValueError if a loss predictor's scores are not numbers."""
    broken = ~np.isfinite(scores.sum(axis=1))
    if broken.any():
        raise ValueError(
            f"The predictor's scores are NaN or infinite for {broken.sum()} of {len(scores)} "
            "images: they choose no view. Its fit has come apart; fit it with a lower learning "
            "rate."
        )
