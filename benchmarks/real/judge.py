"""What TTA does to a network that somebody else trained: on labelled images, and on a mask."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.real.networks import Network
from benchmarks.timing import interleaved
from tta_helpers import compare, policies, predict_views
from tta_helpers.metrics import PairedComparison
from tta_helpers.quiet import keras
from tta_helpers.views import Compose, HorizontalFlip, Identity, Shift, View
from tta_helpers.views.sets import SHIFT_SIX_WEIGHTS

PASSES = {"mirror": 2, "mirror and shifts": 6}
TIMED = 200  # images at most whose predictions are timed
ROUNDS = 3
CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


@dataclass(frozen=True)
class Judgement:
    """What two policies do to a classifier on some labelled images.

    Attributes
    ----------
    network, data
        What was judged, and on what: a few words.
    changes
        For each policy, the comparison with the plain image.
    ratios
        For each policy, seconds over those of a plain pass, one a round.
    """

    network: Network
    data: str
    changes: dict[str, PairedComparison]
    ratios: dict[str, np.ndarray]


@dataclass(frozen=True)
class MaskJudgement:
    """What TTA does to masks of one picture, of which nobody knows the right one.

    Attributes
    ----------
    network, data, ratios
        As `Judgement`'s.
    picture
        (height, width, 3) uint8.
    masks
        What the network gives to the picture, to its mirror image (turned back), their average, and
        the average without turning back; (height, width) each, probabilities of a person.
    """

    network: Network
    data: str
    ratios: dict[str, np.ndarray]
    picture: np.ndarray
    masks: dict[str, np.ndarray]

    def differing(self, a: str, b: str) -> float:
        """Return the share of pixels that two masks answer otherwise."""
        return float(((self.masks[a] > 0.5) != (self.masks[b] > 0.5)).mean())


def six_views(step: int) -> tuple[View, ...]:
    """Return airbench's six views: the image, moved up and down a diagonal, each mirrored too.

    The first two are the image and its mirror image.
    """
    mirror, moved = HorizontalFlip(), (Shift(-step, -step), Shift(step, step))
    return Identity(), mirror, *moved, *(Compose((view, mirror)) for view in moved)


def averages(probs: np.ndarray) -> dict[str, np.ndarray]:
    """Return each policy's predictions from those of `six_views`, (6, n, ...)."""
    return {
        "mirror": policies.mean(probs[:2]),
        "mirror and shifts": policies.mean(probs, SHIFT_SIX_WEIGHTS),
    }


def judged(network: Network, images: np.ndarray, labels: np.ndarray, data: str) -> Judgement:
    """Judge a classifier on images (n, height, width, 3) uint8 and their labels (n,)."""
    model, views = network.load(), six_views(network.step)
    probs = predict_views(model, images, views, **network.options)
    changes = {name: compare(labels, probs[0], p) for name, p in averages(probs).items()}
    return Judgement(network, data, changes, timed(network, model, views, images))


def judged_mask(network: Network, picture: np.ndarray, data: str) -> MaskJudgement:
    """Judge a segmenter on one picture, (height, width, 3) uint8."""
    model, views = network.load(), six_views(network.step)
    probs = predict_views(model, picture[None], views, **network.options)
    plain, mirrored, *_ = probs[:, 0, ..., 0]
    masks = {
        "plain": plain,
        "mirrored": mirrored,
        "average": averages(probs)["mirror"][0, ..., 0],
        "not turned back": (plain + mirrored[:, ::-1]) / 2,
    }
    ratios = timed(network, model, views, np.stack([picture] * 8))
    return MaskJudgement(network, data, ratios, picture, masks)


def timed(
    network: Network, model: keras.Model, views: Sequence[View], images: np.ndarray
) -> dict[str, np.ndarray]:
    """Return each policy's seconds over those of the plain pass, one a round."""
    some = np.array(images[:TIMED])
    counts = {"plain": 1, **PASSES}
    ways = {
        name: lambda n=n: predict_views(model, some, views[:n], **network.options)
        for name, n in counts.items()
    }
    seconds = interleaved(ways, ROUNDS, f"timing {network.name}")
    return {name: seconds[name] / seconds["plain"] for name in PASSES}


def is_cifar10(class_names: Sequence[str], shape: Sequence[int]) -> bool:
    """Whether images of this shape (n, rows, columns, channels) and classes are CIFAR-10's."""
    return (*map(str.lower, class_names),) == CIFAR10 and tuple(shape[1:]) == (32, 32, 3)
