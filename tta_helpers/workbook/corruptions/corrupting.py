"""Corrupting images: a batch by one corruption, or a set at random."""

import zlib
from collections.abc import Sequence

import numpy as np

from tta_helpers.progress import progress
from tta_helpers.workbook.corruptions.resampling import eight_bit
from tta_helpers.workbook.corruptions.table import CORRUPTIONS, SEEN, SEVERITIES


def corrupt(
    images: np.ndarray,
    name: str,
    severity: int,
    seed: int = 0,
    rows: Sequence[int] | None = None,
) -> np.ndarray:
    """Corrupt a batch of images.

    Each image has a random stream of its own, keyed by seed, name, severity and the image's row.
    So the result for a row does not depend on which other rows are in the batch, nor on how many.

    Parameters
    ----------
    images
        (n, h, w, 3) floats in [0, 1]. 32x32 is what the constants are made for.
    name
        One of `SEEN` or `HELD_OUT`.
    severity
        1 (mild) to 5.
    seed
        At least 0.
    rows
        The images' row numbers in the whole set, for a part of it; without it 0 … n-1.

    Returns
    -------
    numpy.ndarray
        float32, the shape of `images`, values in [0, 1].

    Raises
    ------
    ValueError
        For an unknown name, a severity or seed out of range, images of another form than above,
        and rows that are not one an image.
    """
    if name not in CORRUPTIONS:
        raise ValueError(f"unknown corruption {name!r}: use one of {', '.join(CORRUPTIONS)}")
    if severity not in SEVERITIES:
        raise ValueError(f"severity is {severity!r}: use 1 (mild), 2, 3, 4 or 5")
    check_seed(seed)
    images = _checked(images)
    rows = range(len(images)) if rows is None else rows
    if len(rows) != len(images):
        raise ValueError(f"{len(rows)} rows are named for {len(images)} images: name one for each")
    if not len(images):
        return images

    corruption, severity = CORRUPTIONS[name], int(severity)
    constants = corruption.constants[severity - 1]
    constants = constants if isinstance(constants, tuple) else (constants,)
    if corruption.random:
        key = (int(seed), zlib.crc32(name.encode()), severity)
        streams = [np.random.default_rng((*key, int(row))) for row in rows]
        corrupted = corruption.function(images, streams, *constants)
    else:
        corrupted = corruption.function(images, *constants)
    return np.clip(corrupted, 0, 1).astype(np.float32, copy=False)


def corrupt_at_random(
    images: np.ndarray, names: Sequence[str] = SEEN, seed: int = 0, clean: float = 1 / 6
) -> tuple[np.ndarray, np.ndarray]:
    """Corrupt each image by one corruption at a random severity, or leave it as it is.

    Parameters
    ----------
    images
        (n, h, w, 3) uint8.
    names
        The corruptions to draw from, all with equal chance.
    seed
        At least 0; draws who gets what, and the corruptions themselves.
    clean
        Chance that an image is left clean, in [0, 1]. 1/6 treats clean as a sixth severity; the
        release of Kim, Kim and Kim 2020 leaves 0.6.

    Returns
    -------
    corrupted : uint8 array, the shape of `images`
    drawn : integer array (n,)
        Position in `names` of each image's corruption, -1 where it was left clean.
    """
    check_eight_bit(images)
    check_seed(seed)
    if not 0 <= clean <= 1 or not names:
        raise ValueError(f"clean is {clean} and names are {names}: pass a share and some names")
    n, rng = len(images), np.random.default_rng(seed)
    cell = np.where(rng.random(n) < clean, -1, rng.integers(0, 5 * len(names), n))
    corrupted = np.array(images)
    for k in progress(np.setdiff1d(cell, [-1]), desc="corrupt images"):
        rows = np.flatnonzero(cell == k)
        corrupted[rows] = in_cell(images, names, k, seed, rows)
    return corrupted, cell // 5


def in_cell(
    images: np.ndarray, names: Sequence[str], cell: int, seed: int, rows: np.ndarray
) -> np.ndarray:
    """Return some rows of 8-bit images under cell 5 k + s - 1: the k-th name at severity s."""
    clean = images[rows].astype(np.float32) / 255
    return eight_bit(corrupt(clean, names[cell // 5], cell % 5 + 1, seed, rows))


def check_seed(seed: int) -> None:
    """Refuse a seed that is no integer of at least 0."""
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed is {seed!r}: pass an integer of at least 0")


def check_eight_bit(images: np.ndarray) -> None:
    """Refuse images that are not uint8."""
    if images.dtype != np.uint8:
        raise ValueError(f"images are {images.dtype}: pass uint8 values from 0 to 255")


def _checked(images) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(
            f"images have shape {images.shape}: pass (n, h, w, 3), a single image as image[None]"
        )
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"images are {images.dtype}: divide 8-bit values by 255")
    if images.size and not (images.min() >= -1e-6 and images.max() <= 1 + 1e-6):
        raise ValueError(
            f"images range from {images.min():g} to {images.max():g}: pass values in [0, 1], "
            "for the 0-255 scale divide by 255"
        )
    return np.clip(images, 0, 1).astype(np.float32, copy=False)
