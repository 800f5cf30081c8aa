"""Augmentation policies that are searched for, after Fast AutoAugment, and made of views."""

from collections.abc import Iterator

import numpy as np

from tta_helpers import views
from tta_helpers.policies import cross_entropy
from tta_helpers.progress import progress
from tta_helpers.workbook.augmenting import through_policies
from tta_helpers.workbook.data import train_validation_split
from tta_helpers.workbook.networks import FIT, baseline_cnn, fit

Policy = tuple[tuple[views.View, float], ...]


def searched_policies(
    images: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
    *,
    tried: int = 200,
    kept: int = 25,
    judged: int = 1000,
    seed: int = 0,
) -> list[Policy]:
    """Return the augmentation policies under which a network errs least on images new to it.

    Lim et al., NeurIPS 2019, "Fast AutoAugment", section 3: a network is fitted to one part of the
    training images without augmentation; policies that change the other part least in its eyes are
    taken to make images like those of the training set. So a policy is judged as test-time
    augmentation is, by the loss on what it makes. Here in one fold rather than five, and among
    policies drawn at random rather than by Bayesian optimisation; the network is `baseline_cnn`,
    its rate falling to zero, for one that leans would judge by its lean.

    Parameters
    ----------
    images
        uint8, shape (n, height, width, 3).
    labels
        Integers in [0, n_classes), shape (n,).
    n_classes
        Number of classes.
    tried, kept
        Policies that are drawn, and that are returned, the best first.
    judged
        Images of the other part that judge a policy, at most.
    seed
        At least 0; draws the parts, the policies and the network's first weights.

    Returns
    -------
    list of policies: each two views, with the share of the images that each is applied to

    Raises
    ------
    ValueError
        If more policies are to be kept than are tried.
    """
    if not 1 <= kept <= tried:
        raise ValueError(f"kept is {kept} of {tried} tried; keep at least 1, and no more than all.")
    fitted, other = train_validation_split(labels, 0.2, seed)
    steps = FIT["epochs"] * -(-len(fitted) // FIT["batch_size"])
    network = baseline_cnn(images.shape[1:], n_classes, steps)
    fit(network, np.float32(images[fitted]) / 255, labels[fitted])
    rng = np.random.default_rng(seed)
    other = rng.permutation(other)[:judged]
    drawn = [tuple(_steps(rng, images.shape[1:3])) for _ in range(tried)]
    losses = []
    for policy in progress(drawn, desc="try policies"):
        changed = through_policies(images[other], [policy], rng)
        probs = network.predict(np.float32(changed) / 255, batch_size=len(other), verbose=0)
        losses.append(cross_entropy(labels[other], probs[None]).mean())
    return [drawn[k] for k in np.argsort(losses, kind="stable")[:kept]]


def _steps(rng: np.random.Generator, size: tuple[int, int]) -> Iterator[tuple[views.View, float]]:
    """Draw the two steps of a policy: a view of another kind each, and its share in fifths.

    Few shares make few sizes of batches, each of which JAX compiles.
    """
    for kind in rng.choice(len(KINDS), 2, replace=False):
        make, low, high = KINDS[kind]
        view = make(round(rng.uniform(low, high), 2), int(rng.choice((-1, 1))), size)
        yield view, int(rng.integers(1, 6)) / 5


KINDS = (  # a view of (level, sign, image size), and the range of its level
    (lambda level, sign, size: views.Rotate(sign * level), 5, 30),
    (lambda level, sign, size: views.Zoom(level**sign), 1.05, 1.5),
    (lambda level, sign, size: views.Shift(sign * level * size[1], 0), 0.05, 0.3),
    (lambda level, sign, size: views.Shift(0, sign * level * size[0]), 0.05, 0.3),
    (lambda level, sign, size: views.Brightness(sign * level), 0.05, 0.5),
    (lambda level, sign, size: views.Contrast(level), 0.1, 1.9),
    (lambda level, sign, size: views.Sharpness(level), 0, 4),
    (lambda level, sign, size: views.Color(level), 0, 2),
    (lambda level, sign, size: views.Autocontrast(), 0, 0),
)
