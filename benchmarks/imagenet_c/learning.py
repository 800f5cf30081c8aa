"""What is learned or chosen before anything is judged: the loss predictor, the greedy policies."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from PIL import Image

from benchmarks.imagenet_c.folders import Cell, Folders, Photographs
from tta_helpers import loss_predictor as lp
from tta_helpers import policies, views
from tta_helpers.predict import predict_views
from tta_helpers.progress import progress

SIDE = 64  # pixels that the predictor sees: the paper, section 4.2
SEARCHED = 2000  # photographs at most for a greedy search, which holds all their probabilities
SORTER_STEPS = 5000
LARGEST_POLICY = 4


@dataclass(frozen=True)
class Learned:
    """A loss predictor, and the views of greedy policies in their order."""

    predictor: keras.Model
    greedy: Sequence[int]
    greedy_corrupted: Sequence[int]

    @property
    def side(self) -> int:
        """Pixels a side of what the predictor sees."""
        return self.predictor.input_shape[1]


def kinds_drawn(n: int, n_cells: int, copies: int, seed: int) -> np.ndarray:
    """Return what befalls each copy of n photographs, integers (1 + copies, n).

    0 is nothing, which is copy 0 of each; k + 1 is cell k of the seen corruptions. Those of one
    photograph are drawn without repetition.
    """
    order = np.random.default_rng((seed, 1)).random((n, n_cells)).argsort(axis=1)
    return np.vstack([np.zeros((1, n), int), 1 + order[:, :copies].T])


def small(images: np.ndarray, side: int) -> np.ndarray:
    """Return images as the predictor sees them, (n, side, side, 3) uint8, resized bilinearly."""
    if images.shape[1] == side:
        return images
    how = (side, side), Image.Resampling.BILINEAR
    return np.stack([np.asarray(Image.fromarray(image).resize(*how)) for image in images])


def measured(
    network: keras.Model,
    folders: Folders,
    photographs: Photographs,
    cells: Sequence[Cell],
    *,
    search: bool,
    batch_size: int,
) -> dict[str, np.ndarray]:
    """Return what one copy of every photograph teaches.

    Returns
    -------
    parts : dict
        "small" images (n, side, side, 3), "losses" of the network on the twelve views (n, 12),
        and with `search` the "greedy" policy of the first `SEARCHED`.
    """
    n, side = len(photographs), min(SIDE, folders.size)
    images, losses = np.empty((n, side, side, 3), np.uint8), np.empty((n, 12), np.float32)
    kept = []
    for start in progress(range(0, n, batch_size), desc="losses of the views"):
        rows = slice(start, start + batch_size)
        named = zip(cells[rows], photographs.names[rows], strict=True)
        whole = np.stack([folders.read(cell, name) for cell, name in named])
        probs = predict_views(network, whole, views.TWELVE, batch_size)
        images[rows] = small(whole, side)
        losses[rows] = policies.cross_entropy(photographs.labels[rows], probs)
        if search and start < SEARCHED:
            kept.append(probs[:, : SEARCHED - start])
    parts = {"small": images, "losses": losses}
    if search:
        labels = photographs.labels[:SEARCHED]
        some = np.concatenate(kept, axis=1)
        parts["greedy"] = np.array(policies.greedy_search(labels, some, LARGEST_POLICY)[0])
    return parts


def trained(
    name: str,
    copies: Sequence[dict[str, np.ndarray]],
    kinds: np.ndarray,
    labels: np.ndarray,
    sizes: tuple[int, int],
    epochs: int,
) -> keras.Model:
    """Return a predictor that has learned from four of five photographs, all copies of them.

    The other photographs tell the best epoch. The paper's, "efficientnet", learns by SoDeep's rank
    loss; the workbook's, "compact", recognises classes and corruptions first, then learns by
    `combined_loss` and `mixture_loss`. Rates and batches are those of `benchmarks.arms`.

    Parameters
    ----------
    name
        "efficientnet" or "compact".
    copies
        What `measured` returned for each copy.
    kinds
        As `kinds_drawn` returns them.
    labels
        Of the photographs.
    sizes
        How many classes and kinds there are.
    epochs
        Of each fit; the mixture loss gets half as many.
    """
    keras.utils.set_random_seed(0)
    cut = max(4 * len(labels) // 5, 1)
    images, losses = (np.stack([part[key] for part in copies]) for key in ("small", "losses"))
    teach = _flat(images[:, :cut]), _flat(losses[:, :cut]), np.tile(labels[:cut], len(copies))
    check = _flat(images[:, cut:]), _flat(losses[:, cut:])
    shape, n_views = images.shape[2:], losses.shape[2]

    def fit(loss: lp.RankLoss, epochs: int, rate: float, batch_size: int) -> None:
        how = {"epochs": epochs, "learning_rate": rate, "batch_size": batch_size}
        lp.fit_predictor(predictor, loss, teach, check, **how)

    if name == "efficientnet":
        predictor, sorter = lp.efficientnet_predictor(shape, n_views), lp.rank_sorter(n_views)
        lp.fit_sorter(sorter, SORTER_STEPS)
        fit(lp.sodeep_loss(sorter), epochs, 1e-3, 128)
        return predictor
    predictor = lp.compact_predictor(shape, n_views, *sizes)
    lp.fit_recogniser(predictor, teach[0], teach[2], kinds[:, :cut].ravel(), epochs=epochs)
    fit(lp.combined_loss, epochs, 4e-3, 512)
    fit(lp.mixture_loss, -(-epochs // 2), 1e-3, 512)
    return predictor


def _flat(copies: np.ndarray) -> np.ndarray:
    """Return (copies, photographs, ...) as one row after the other."""
    return copies.reshape(-1, *copies.shape[2:])
