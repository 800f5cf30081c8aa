"""Policies: arithmetic that turns the probabilities of many views into one prediction an image.

A policy takes `probs`, shape (views, images, classes), and returns (images, classes), rows summing
to one. None of them calls a model. `weights` holds one non-negative number a view; it is normalised
to sum to one, and leaving it out weighs all views alike.

`mean` and `geometric_mean` also take one probability a label ("sigmoid"), maps, and `mean` any
numbers ("raw"), such as a regression: see `outputs`. All others are for one class an image.

A policy that picks views image by image has two steps: a rule makes a `choice`, shape (images, k),
the numbers of the views that each image gets, and `chosen` averages those. A policy that learns has
two steps as well: `fit_weights`, `greedy_search` and `fit_temperature` look at validation images.
"""

from tta_helpers.policies.arrays import checked_probs, normalised_weights, softmax
from tta_helpers.policies.averages import (
    class_weighted_mean,
    entropy,
    entropy_weighted,
    geometric_mean,
    maximum,
    mean,
    running_mean,
    tempered,
    vote,
)
from tta_helpers.policies.choices import (
    at_random,
    checked_choice,
    chosen,
    guarded,
    least_confident,
    least_entropy,
    lowest,
    most_confident,
    selective,
)
from tta_helpers.policies.learned import (
    calibrated_log_likelihood,
    cross_entropy,
    fit_temperature,
    fit_weights,
    greedy_search,
)

__all__ = [
    "at_random",
    "calibrated_log_likelihood",
    "checked_choice",
    "checked_probs",
    "chosen",
    "class_weighted_mean",
    "cross_entropy",
    "entropy",
    "entropy_weighted",
    "fit_temperature",
    "fit_weights",
    "geometric_mean",
    "greedy_search",
    "guarded",
    "least_confident",
    "least_entropy",
    "lowest",
    "maximum",
    "mean",
    "most_confident",
    "normalised_weights",
    "running_mean",
    "selective",
    "softmax",
    "tempered",
    "vote",
]
