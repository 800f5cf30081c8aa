"""Losses of scores: how far they are from the order of the true losses, and what they choose."""

from collections.abc import Callable
from typing import Any

from tta_helpers.quiet import ops

RankLoss = Callable[[Any, Any], Any]


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


def centred(rows: Any) -> Any:
    """Return rows less their means."""
    return rows - ops.mean(rows, axis=1, keepdims=True)


def spearman_loss(losses: Any, scores: Any) -> Any:
    """Return 1 - the correlation of `soft_ranks(scores)` with `true_ranks(losses)`, an image."""
    a, b = centred(soft_ranks(scores)), centred(true_ranks(losses))
    scale = ops.sqrt(ops.sum(a * a, axis=1) * ops.sum(b * b, axis=1) + 1e-6)
    return 1 - ops.sum(a * b, axis=1) / scale


def centred_mse(losses: Any, scores: Any) -> Any:
    """Return the mean squared error of scores against losses, each less its row's mean."""
    return ops.mean((centred(losses) - centred(scores)) ** 2, axis=1)


def relative_loss(losses: Any, scores: Any) -> Any:
    """Return the mean squared error of the scores' softmax against that of the losses, an image.

    The "relative losses" of Kim, Kim and Kim 2020, section 3.4, without a surrogate for ranks.
    """
    return ops.mean((ops.softmax(losses, axis=1) - ops.softmax(scores, axis=1)) ** 2, axis=1)


def combined_loss(losses: Any, scores: Any) -> Any:
    """Return `spearman_loss` plus a tenth of `centred_mse`, an image."""
    return spearman_loss(losses, scores) + 0.1 * centred_mse(losses, scores)


def mixture_loss(losses: Any, scores: Any, temperature: float = 0.5) -> Any:
    """Return the loss of a soft choice: the views' probabilities mixed by a softmax of the scores.

    A loss is -log p of the right class on one view, so exp(-loss) is that probability; weighed by
    softmax(-scores / temperature) and summed, it is what an average with these weights would give
    the right class. The ranking losses want the whole order; this one wants a good first place, or
    two that complement each other. Start it from scores that know the order: from scratch it learns
    to choose one view for all. Alone it forgets the order again; the sum of a ranking loss and this
    one keeps it, at no less gain (notebook 04, section 6).
    """
    weights = ops.softmax(-scores / temperature, axis=1)
    return -ops.log(ops.sum(weights * ops.exp(-losses), axis=1) + 1e-6)
