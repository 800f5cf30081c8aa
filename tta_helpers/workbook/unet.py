"""A small U-Net for masks: what it learns from, its layers, and how it is fitted."""

from collections.abc import Sequence

import numpy as np

from tta_helpers.fitting import ProgressBar
from tta_helpers.quiet import keras
from tta_helpers.workbook import networks

FILTERS = (12, 24, 48, 64)
AUGMENTATIONS = ("none", "d4")


def normalised(images: np.ndarray, low: float = 1, high: float = 99) -> np.ndarray:
    """Return pictures in grey, each stretched between two percentiles of its own brightness.

    Parameters
    ----------
    images
        (n, height, width, channels) uint8; the channels are averaged.
    low, high
        Percentiles that become 0 and 1; what lies beyond them is cut off.

    Returns
    -------
    (n, height, width, 1) float32 in [0, 1]; a picture of one brightness becomes 0.
    """
    grey = np.asarray(images).mean(axis=-1, dtype=np.float32)
    dark, bright = np.percentile(grey, (low, high), axis=(1, 2))[:, :, None, None]
    span = np.where(bright > dark, bright - dark, 1)
    return np.clip((grey - dark) / span, 0, 1).astype(np.float32)[..., None]


def inner_masks(objects: np.ndarray) -> np.ndarray:
    """Return the masks of numbered objects, less the pixels at which two of them touch.

    A pixel is left out where one of its eight neighbours belongs to another object, so that objects
    that touch are two pieces.

    Parameters
    ----------
    objects
        (n, height, width) whole numbers: 0 background, else the number of an object.

    Returns
    -------
    (n, height, width) bool.
    """
    objects = np.asarray(objects)
    height, width = objects.shape[1:]
    around = np.pad(objects, ((0, 0), (1, 1), (1, 1)))
    inner = objects > 0
    for down in range(3):
        for across in range(3):
            other = around[:, down : down + height, across : across + width]
            inner &= (other == 0) | (other == objects)
    return inner


def unet(
    channels: int = 1,
    filters: Sequence[int] = FILTERS,
    steps: int = 300,
    rate: float = 3e-3,
    size: tuple[int | None, int | None] = (None, None),
) -> keras.Model:
    """Return a small U-Net, compiled with Adam and the cross-entropy of every pixel.

    After Ronneberger, Fischer and Brox, MICCAI 2015, but for size, padding and batch normalisation:
    two 3x3 convolutions at each resolution, pooled by 2 on the way down; on the way up, what comes
    from below is enlarged by 2 and set beside what the same resolution gave on the way down.

    Parameters
    ----------
    channels
        Of a picture; floats in [0, 1].
    filters
        Of the convolutions, from the finest resolution to the coarsest.
    steps, rate
        The learning rate falls from `rate` to 0 along a cosine in so many steps.
    size
        (height, width) of the pictures; without it any whose sides divide by
        2 ** (len(filters) - 1).

    Returns
    -------
    Model of (n, height, width, channels) to (n, height, width, 1): the probability that a pixel
    belongs to an object.

    Raises
    ------
    ValueError
        If there are fewer than two resolutions, or no steps.
    """
    if len(filters) < 2 or steps < 1:
        raise ValueError(
            f"filters are {tuple(filters)} and steps {steps}; give two or more resolutions and "
            "one step or more."
        )
    layers = keras.layers

    def block(x, width: int):
        for _ in range(2):
            x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)  # a short fit: 0.99 would trail behind
            x = layers.ReLU()(x)
        return x

    inputs = x = keras.Input((*size, channels), name="pictures")
    on_the_way_down = []
    for width in filters[:-1]:
        on_the_way_down.append(block(x, width))
        x = layers.MaxPooling2D(2)(on_the_way_down[-1])
    x = block(x, filters[-1])
    for width, beside in zip(filters[-2::-1], on_the_way_down[::-1], strict=True):
        x = block(layers.Concatenate()([layers.UpSampling2D(2)(x), beside]), width)
    outputs = layers.Conv2D(1, 1, activation="sigmoid", name="mask")(x)
    model = keras.Model(inputs, outputs, name="unet")
    falling = keras.optimizers.schedules.CosineDecay(rate, steps)
    how = {"loss": "binary_crossentropy", "jit_compile": networks.jit_compile()}
    model.compile(optimizer=keras.optimizers.Adam(falling), **how)
    return model


class Crops(keras.utils.PyDataset):
    """Batches of crops at random places of random pictures, the same ones for the same seed.

    Parameters
    ----------
    images, masks
        (n, height, width, channels) floats in [0, 1], and (n, height, width) bool.
    steps, batch_size, crop
        Batches, crops a batch, and pixels a side of a crop, cut to the pictures' sides.
    augmentation
        "none", or "d4": each crop is turned and mirrored into one of its eight positions at random.
    seed
        What places and positions are drawn from.
    """

    def __init__(
        self,
        images: np.ndarray,
        masks: np.ndarray,
        *,
        steps: int,
        batch_size: int = 8,
        crop: int = 96,
        augmentation: str = "none",
        seed: int = 0,
    ):
        super().__init__()
        if augmentation not in AUGMENTATIONS:
            raise ValueError(f"augmentation is {augmentation!r}; use one of {AUGMENTATIONS}.")
        self._images, self._masks = images, np.asarray(masks, np.float32)[..., None]
        self._steps, self._batch_size, self._seed = steps, batch_size, seed
        self._crop, self._turned = min(crop, *images.shape[1:3]), augmentation == "d4"

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng((self._seed, index))
        pairs = [self._draw(rng) for _ in range(self._batch_size)]
        images, masks = zip(*pairs, strict=True)
        return np.stack(images), np.stack(masks)

    def _draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        row, (height, width) = rng.integers(len(self._images)), self._images.shape[1:3]
        top, left = (rng.integers(side - self._crop + 1) for side in (height, width))
        here = row, slice(top, top + self._crop), slice(left, left + self._crop)
        turns, mirrored = rng.integers(4), rng.integers(2)  # drawn in any case: the same crops
        pair = self._images[here], self._masks[here]
        if self._turned:
            pair = [np.rot90(x, turns)[:, :: -1 if mirrored else 1] for x in pair]
        return pair


def fit_unet(
    images: np.ndarray,
    masks: np.ndarray,
    *,
    steps: int = 300,
    batch_size: int = 8,
    crop: int = 96,
    filters: Sequence[int] = FILTERS,
    augmentation: str = "none",
    seed: int = 0,
) -> keras.Model:
    """Return a U-Net fitted to crops of these pictures, with a progress bar.

    Parameters
    ----------
    images, masks, batch_size, crop, augmentation
        As `Crops` takes them.
    steps, filters
        As `unet` takes them.
    seed
        Of the first weights and of the crops; set before anything is drawn.

    Raises
    ------
    ValueError
        If pictures and masks do not belong together, or a side does not divide as `unet` needs it.
    """
    images, masks = np.asarray(images), np.asarray(masks)
    whole = 2 ** (len(filters) - 1)
    sides = min(crop, *images.shape[1:3]), *images.shape[1:3]
    if images.ndim != 4 or masks.shape != images.shape[:3] or any(s % whole for s in sides):
        raise ValueError(
            f"pictures {images.shape}, masks {masks.shape} and crops of {crop} pixels; give one "
            f"mask (height, width) a picture, and sides that divide by {whole}."
        )
    keras.utils.set_random_seed(seed)
    model = unet(images.shape[-1], filters, steps)
    how = {"steps": steps, "batch_size": batch_size, "crop": crop}
    crops = Crops(images, masks, **how, augmentation=augmentation, seed=seed)
    model.fit(crops, epochs=1, verbose=0, shuffle=False, callbacks=[ProgressBar()])
    return model
