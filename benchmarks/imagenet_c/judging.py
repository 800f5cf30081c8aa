"""The policies of table 4, and which photographs each gets right in one cell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from benchmarks.imagenet_c.folders import Cell, Folders, Photographs
from benchmarks.imagenet_c.learning import Learned, small
from tta_helpers import loss_predictor as lp
from tta_helpers import metrics, policies, views
from tta_helpers.predict import predict_views

KS = (1, 2, 4)
CORNERS = ((1, 1), (-1, 1), (1, -1), (-1, -1))
MIRRORED = views.TWELVE_FLIP[len(views.TWELVE) :]
PASSES = {  # of the network, an image
    "Center-Crop": 1,
    "Horizontal-Flip": 2,
    "5-Crops": 5,
    "10-Crops": 10,
    **{f"Random, k = {k}": k for k in KS},
    **{f"GPS, k = {k}": k for k in KS},
    **{f"GPS on corrupted images, k = {k}": k for k in KS},
    "Ours, k = 1": 1,
    "Ours, k = 2": 2,
    "Ours, k = 2 + flip": 4,
    "Ours, k = 2 + 5-Crops": 10,
}
# Of the network an image and cell: the ten crops and the twelve views, the image itself once; the
# two chosen views mirrored, and moved towards four corners.
SPENT = 10 + 11 + 2 + 8


def crops(size: int) -> tuple[views.View, ...]:
    """Return ten crops: the image, moved towards its corners by a sixteenth, and all mirrored.

    What `views.TEN_CROP` does at 32 pixels, 2 of them, is 14 of 224.
    """
    mirror, moved = views.HorizontalFlip(), _shifts(size)
    both = (views.Compose((shift, mirror)) for shift in moved)
    return (views.Identity(), *moved, mirror, *both)


def _shifts(size: int) -> tuple[views.View, ...]:
    far = max(round(size / 16), 1)
    return tuple(views.Shift(far * dx, far * dy) for dx, dy in CORNERS)


@dataclass(frozen=True)
class Judge:
    """A network, what was learned for it, and the photographs that it is judged on."""

    network: keras.Model
    learned: Learned
    folders: Folders
    photographs: Photographs
    seed: int
    batch_size: int

    def right(self, cell: Cell) -> np.ndarray:
        """Return what each of `PASSES` gets right in a cell, bool (policies, photographs)."""
        n = len(self.photographs)
        drawn = 1000 * self.seed + list(self.folders.of).index(cell)
        lots = policies.at_random(n, len(views.TWELVE), max(KS), drawn)
        found = np.empty((len(PASSES), n), bool)
        for start in range(0, n, self.batch_size):
            rows = slice(start, start + self.batch_size)
            names = self.photographs.names[rows]
            images = np.stack([self.folders.read(cell, name) for name in names])
            answers = dict(self._answers(images, lots[rows]))
            for row, name in enumerate(PASSES):
                found[row, rows] = metrics.correct(self.photographs.labels[rows], answers[name])
        return found

    def _answers(self, images: np.ndarray, lots: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Yield each policy's name and probabilities (images, classes)."""
        cropped = crops(images.shape[1])
        probs = predict_views(
            self.network, images, (*cropped, *views.TWELVE[1:]), batch_size=self.batch_size
        )
        twelve = np.concatenate([probs[:1], probs[len(cropped) :]])
        yield "Center-Crop", probs[0]
        yield "Horizontal-Flip", policies.mean(probs[[0, 5]])
        yield "5-Crops", policies.mean(probs[:5])
        yield "10-Crops", policies.mean(probs[:10])
        for k in KS:
            yield f"Random, k = {k}", policies.chosen(twelve, lots[:, :k])
            yield f"GPS, k = {k}", policies.mean(twelve[self.learned.greedy[:k]])
            on_corrupted = twelve[self.learned.greedy_corrupted[:k]]
            yield f"GPS on corrupted images, k = {k}", policies.mean(on_corrupted)
        scores = lp.predict_scores(self.learned.predictor, small(images, self.learned.side))
        best = policies.lowest(scores, 2)
        yield "Ours, k = 1", policies.chosen(twelve, best[:, :1])
        two = policies.chosen(twelve, best)
        yield "Ours, k = 2", two
        yield "Ours, k = 2 + flip", (two + self._shown(images, MIRRORED, best)) / 2
        yield "Ours, k = 2 + 5-Crops", (two + 4 * self._shown(images, *moved(best, images))) / 5

    def _shown(
        self, images: np.ndarray, among: Sequence[views.View], choice: np.ndarray
    ) -> np.ndarray:
        return lp.predict_selected(self.network, images, among, choice, self.batch_size)


def moved(best: np.ndarray, images: np.ndarray) -> tuple[tuple[views.View, ...], np.ndarray]:
    """Return the twelve views moved towards the four corners, and which of them follow `best`.

    Parameters
    ----------
    best
        The views chosen for each image, (images, k).
    images
        Their size tells how far to move.

    Returns
    -------
    views
        View number 4 v + c is view v of the twelve, then moved towards corner c.
    choice
        The 4 k that each image gets, (images, 4 k).
    """
    shifts = _shifts(images.shape[1])
    every = tuple(views.Compose((view, shift)) for view in views.TWELVE for shift in shifts)
    choice = (len(shifts) * best[:, :, None] + np.arange(len(shifts))).reshape(len(best), -1)
    return every, choice
