"""What training images go through before a network sees them: flips, AugMix, CutMix, policies."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageOps

from tta_helpers.quiet import keras, ops
from tta_helpers.workbook.corruptions import corrupt_at_random

AUGMENTATIONS = ("none", "flip_shift", "augmix", "corruptions", "cutmix", "searched")
CONSISTENT = ("augmix", "corruptions")
"""Those that show each image three times: moved only, and twice mixed."""
CONSISTENCY = 12.0  # weight of the divergence (Hendrycks et al. 2020, section 3)
HARDEST, CHAINS, LONGEST = 0.3, 3, 3  # AugMix: level, chains, operations in one (section 3)


class Augmented(keras.utils.PyDataset):
    """Batches of augmented images and one-hot labels, in a new order every epoch.

    Parameters
    ----------
    images
        uint8, shape (n, height, width, channels), of one or three channels for AugMix.
    labels
        One-hot, shape (n, classes).
    augmentation
        "flip_shift": mirrored at random and shifted by up to an eighth. "augmix": the same, then
        AugMix (Hendrycks et al. 2020), whose operations are not among CIFAR-10-C's corruptions. A
        batch has images (batch, 3, height, width, channels), moved only and mixed twice, and labels
        (batch, 3, classes); `consistent_trainer` takes it. "corruptions": likewise, with the seen
        corruptions, drawn anew every epoch, before both mixtures, after AugMix+ of Kim, Kim and Kim
        2020. "cutmix": CutMix (Yun et al. 2019). "searched": `policies`, then as "flip_shift".
    batch_size, seed
        Images a batch; what the order and the augmentations are drawn from.
    policies
        For "searched", what `searched_policies` returns.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        augmentation: str,
        batch_size: int,
        seed: int,
        policies: Sequence = (),
    ):
        super().__init__()
        self._clean, self._labels, self._batch_size = images, labels, batch_size
        self._augmentation, self._seed, self._epoch = augmentation, seed, -1
        layers = keras.layers
        flip = layers.RandomFlip("horizontal", seed=seed)
        shift = layers.RandomTranslation(0.125, 0.125, seed=seed + 1)
        cutmix = layers.CutMix(factor=(1.0, 1.0), seed=seed)
        self._layers = [cutmix] if augmentation == "cutmix" else [flip, shift]
        self._policies = policies
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Draw the next epoch's order, and its corruptions or policies."""
        self._epoch += 1
        stream = self._seed + 1000 * self._epoch
        rng = np.random.default_rng(stream)
        self._order = rng.permutation(len(self._clean))
        self._images = self._clean
        if self._augmentation == "corruptions":
            self._images, _ = corrupt_at_random(self._clean, seed=stream)
        if self._augmentation == "searched":
            self._images = through_policies(self._clean, self._policies, rng)

    def __len__(self) -> int:
        return math.ceil(len(self._order) / self._batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        if self._augmentation in CONSISTENT:
            rng = np.random.default_rng((self._seed, self._epoch, index))
            labels = np.repeat(self._labels[rows][:, None], 3, axis=1)
            return three_ways(self._clean[rows], self._images[rows], rng), labels
        batch = {"images": np.float32(self._images[rows]) / 255, "labels": self._labels[rows]}
        for layer in self._layers:
            batch = layer(batch, training=True)
        return batch["images"], batch["labels"]


def three_ways(clean: np.ndarray, spoiled: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return images moved, and what they are spoiled into, moved likewise and mixed, twice.

    Both are uint8 (n, height, width, channels); the result is float32 (n, 3, height, width,
    channels) in [0, 1].
    """
    moved, spoiled = moved_alike((clean, spoiled), rng)
    three = [moved, augmix(spoiled, rng), augmix(spoiled, rng)]
    return np.stack(three, axis=1, dtype=np.float32) / 255


def moved_alike(sets: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Mirror images at random and shift them by whole pixels, at most an eighth, borders reflected.

    Images of one row of the sets move alike.
    """
    n, height, width = sets[0].shape[:3]
    down, right = height // 8, width // 8
    top, left = rng.integers(0, 2 * down + 1, n), rng.integers(0, 2 * right + 1, n)
    rows = top[:, None] + np.arange(height)
    columns = left[:, None] + np.arange(width)
    columns = np.where(rng.random(n)[:, None] < 0.5, columns, columns[:, ::-1])
    take = np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]
    around = ((0, 0), (down, down), (right, right), (0, 0))
    return [np.pad(images, around, mode="reflect")[take] for images in sets]


def augmix(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return mixtures of 8-bit images and chains of operations on them, on their scale, as floats.

    Algorithm 1 of Hendrycks et al. 2020, drawn for each image: the weights of three chains of one
    to three operations from a Dirichlet distribution, the image's own from a Beta distribution,
    both flat. Its operations leave out those that CIFAR-10-C holds. Their levels go up to 0.3 of
    the hardest. Images of one draw that share an operation go through it together.
    """
    n, mixed = len(images), np.zeros(images.shape, np.float32)
    for weights in np.float32(rng.dirichlet(np.ones(CHAINS), n)).T:
        chain, lengths = images.copy(), rng.integers(1, LONGEST + 1, n)
        for step in range(LONGEST):
            which, signs = rng.integers(len(OPERATIONS), size=n), 2 * rng.integers(0, 2, n) - 1
            levels = rng.uniform(HARDEST / 30, HARDEST, n)
            for number, operation in enumerate(OPERATIONS):
                rows = np.flatnonzero((which == number) & (step < lengths))
                chain[rows] = operation(chain[rows], levels[rows], signs[rows])
        mixed += _each(weights) * chain
    share = _each(np.float32(rng.random(n)))  # Beta(1, 1)
    return (1 - share) * images + share * mixed


def _each(values: np.ndarray) -> np.ndarray:
    """Return one value an image, for arithmetic with images."""
    return values[:, None, None, None]


def autocontrast(images: np.ndarray, *_: np.ndarray) -> np.ndarray:
    """Stretch each channel to the whole range, cut to 8 bits, as Pillow does."""
    low, high = (extreme(axis=(1, 2), keepdims=True) for extreme in (images.min, images.max))
    flat = low == high
    scale = np.float32(255) / np.where(flat, 255, high - low)
    return ((images - np.where(flat, 0, low)) * scale).astype(np.uint8)


def equalize(images: np.ndarray, *_: np.ndarray) -> np.ndarray:
    """Spread each channel's values evenly over the range, as Pillow does."""
    return _one_by_one(images, ImageOps.equalize)


def posterize(images: np.ndarray, levels: np.ndarray, *_: np.ndarray) -> np.ndarray:
    """Keep four bits of each value at level 0, and up to four fewer."""
    return images & _each(256 - 2 ** (4 + (4 * levels).astype(int))).astype(np.uint8)


def solarize(images: np.ndarray, levels: np.ndarray, *_: np.ndarray) -> np.ndarray:
    """Turn values into their negative, from 255 down to 255 (1 - level)."""
    return np.where(images < _each(256 - (256 * levels).astype(int)), images, 255 - images)


def rotate(images: np.ndarray, levels: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Turn each image about its centre, by up to 30 degrees."""
    angles = np.pi / 6 * signs * levels
    cos, sin = np.cos(angles), np.sin(angles)
    y, x = (side / 2 for side in images.shape[1:3])
    first, second = (cos, -sin, x - cos * x + sin * y), (sin, cos, y - sin * x - cos * y)
    return _moved(images, *first, *second)


def _moved(images: np.ndarray, *matrix: float | np.ndarray) -> np.ndarray:
    """Take each pixel of each image from (a x + b y + c, d x + e y + f), bilinearly."""
    rows = iter(np.column_stack(np.broadcast_arrays(*matrix, np.zeros(len(images))))[:, :6])
    how = Image.Transform.AFFINE, Image.BILINEAR
    return _one_by_one(images, lambda p: p.transform(p.size, how[0], tuple(next(rows)), how[1]))


def _one_by_one(images: np.ndarray, operation: Callable) -> np.ndarray:
    """Apply a function of pictures to each image."""
    grey, changed = images.shape[-1] == 1, np.empty_like(images)
    for image, out in zip(images[..., 0] if grey else images, changed, strict=True):
        out[:] = np.reshape(operation(Image.fromarray(image)), out.shape)
    return changed


OPERATIONS = (  # of images, levels in [0, 1] and signs, one an image
    *(autocontrast, equalize, posterize, solarize, rotate),
    lambda x, levels, signs: _moved(x, 1, 0.3 * signs * levels, 0, 0, 1, 0),
    lambda x, levels, signs: _moved(x, 1, 0, 0, 0.3 * signs * levels, 1, 0),
    lambda x, levels, signs: _moved(x, 1, 0, signs * levels * x.shape[2] / 3, 0, 1, 0),
    lambda x, levels, signs: _moved(x, 1, 0, 0, 0, 1, signs * levels * x.shape[1] / 3),
)
"""The last four shear by up to 0.3, and translate by up to a third, along each axis."""


def consistent_trainer(model: keras.Model) -> keras.Model:
    """Return a compiled model around a compiled one, with AugMix's loss over three of each image.

    Its images are (n, 3, height, width, channels), its labels and answers (n, 3, classes); all
    three go through the model as one batch. Fitting it fits the model.
    """
    inputs = keras.Input((3, *model.input_shape[1:]))
    probs = model(ops.reshape(inputs, (-1, *model.input_shape[1:])))
    outputs = ops.reshape(probs, (-1, 3, probs.shape[-1]))
    trainer = keras.Model(inputs, outputs)
    how = {"metrics": ["accuracy"], "jit_compile": model.jit_compile}
    trainer.compile(model.optimizer, consistency_loss, **how)
    return trainer


def consistency_loss(labels: keras.KerasTensor, probs: keras.KerasTensor) -> keras.KerasTensor:
    """Return each image's cross-entropy, and 12 times how far its three answers diverge.

    Hendrycks et al. 2020, equations 1 and 2: the Jensen-Shannon divergence is the mean of the three
    Kullback-Leibler divergences from their mean. Both arguments are (n, 3, classes), the first of
    each three without mixture; the result is (n,).
    """
    probs = ops.clip(probs, 1e-7, 1)
    mean = ops.mean(probs, axis=1, keepdims=True)
    divergence = ops.mean(ops.sum(probs * (ops.log(probs) - ops.log(mean)), axis=2), axis=1)
    return -ops.sum(labels[:, 0] * ops.log(probs[:, 0]), axis=1) + CONSISTENCY * divergence


def through_policies(
    images: np.ndarray, policies: Sequence, rng: np.random.Generator
) -> np.ndarray:
    """Return 8-bit images, an equal part through each policy.

    A policy is a sequence of (view, share): the view is applied to that share of the policy's
    images, drawn anew for each view. Numbers of images are fixed, so nothing is compiled anew.
    """
    augmented = np.array(images)
    for rows, policy in zip(
        np.array_split(rng.permutation(len(images)), len(policies)), policies, strict=True
    ):
        batch = np.float32(images[rows]) / 255
        for view, share in policy:
            some = rng.permutation(len(rows))[: round(share * len(rows))]
            if len(some):
                batch[some] = ops.convert_to_numpy(view(batch[some]))
        augmented[rows] = np.rint(255 * batch)
    return augmented
