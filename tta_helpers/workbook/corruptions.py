"""The corruptions of CIFAR-10-C: fifteen seen while something is trained or chosen, four held out.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019. The constants are those of its CIFAR-10 release, made for 32x32 pixels,
and milder than the ImageNet ones of most packages. `corrupt` makes the corruptions anew, for
training and where the released files are not at hand; its images are not the released ones, and
errors measured on the two are not comparable. `load_cifar10c` reads the released files.

Common to all corruptions, and unlike the release: results are floats, not rounded to 8 bits
(`pixelate` and `jpeg_compression` are, as they pass through Pillow). What else differs is said
where it does. In each function `images` is (n, h, w, 3) float32 in [0, 1], `streams` holds one
random generator an image, and the result may leave [0, 1]: `corrupt` clips it.
"""

import io
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from tta_helpers.progress import progress
from tta_helpers.workbook.data import DataError

SEVERITIES = (1, 2, 3, 4, 5)
GROUPS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
SEEN = tuple(name for names in GROUPS.values() for name in names)
HELD_OUT = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
LUMA = np.float32([0.299, 0.587, 0.114])  # weights of red, green and blue in grey (BT.601)
ICE = np.float32([0.86, 0.94, 1.0])
WATER = np.float32([175, 238, 238]) / 255
MUD = np.float32([63, 42, 20]) / 255

Streams = Sequence[np.random.Generator]


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
    if name not in _CORRUPTIONS:
        raise ValueError(f"unknown corruption {name!r}: use one of {', '.join(_CORRUPTIONS)}")
    if severity not in SEVERITIES:
        raise ValueError(f"severity is {severity!r}: use 1 (mild), 2, 3, 4 or 5")
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed is {seed!r}: pass an integer of at least 0")
    images = _checked(images)
    rows = range(len(images)) if rows is None else rows
    if len(rows) != len(images):
        raise ValueError(f"{len(rows)} rows are named for {len(images)} images: name one for each")
    if not len(images):
        return images

    corruption, severity = _CORRUPTIONS[name], int(severity)
    constants = corruption.constants[severity - 1]
    constants = constants if isinstance(constants, tuple) else (constants,)
    if corruption.random:
        key = (int(seed), zlib.crc32(name.encode()), severity)
        streams = [np.random.default_rng((*key, int(row))) for row in rows]
        corrupted = corruption.function(images, streams, *constants)
    else:
        corrupted = corruption.function(images, *constants)
    return np.clip(corrupted, 0, 1).astype(np.float32, copy=False)


def named(words: str) -> tuple[str, ...]:
    """Return the corruptions that a text names, each once: single names or `GROUPS`, with spaces.

    Raises
    ------
    ValueError
        For a word that names neither, and for a text that names nothing.
    """
    known = {**GROUPS, **{name: (name,) for name in _CORRUPTIONS}}
    unknown = [word for word in words.split() if word not in known]
    if unknown or not words.split():
        raise ValueError(
            f"corruptions are {words!r}: name one or more, with spaces, of {', '.join(known)}"
        )
    return tuple(dict.fromkeys(name for word in words.split() for name in known[word]))


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
    _check_eight_bit(images)
    if not 0 <= clean <= 1 or not names:
        raise ValueError(f"clean is {clean} and names are {names}: pass a share and some names")
    n, rng = len(images), np.random.default_rng(seed)
    cell = np.where(rng.random(n) < clean, -1, rng.integers(0, 5 * len(names), n))
    corrupted = np.array(images)
    for k in progress(np.setdiff1d(cell, [-1]), desc="corrupt images"):
        rows = np.flatnonzero(cell == k)
        batch = images[rows].astype(np.float32) / 255
        corrupted[rows] = _eight_bit(corrupt(batch, names[k // 5], k % 5 + 1, seed, rows))
    return corrupted, cell // 5


def corrupted_copies(
    images: np.ndarray, names: Sequence[str] = SEEN + HELD_OUT, seed: int = 0
) -> dict[tuple[str, int], np.ndarray]:
    """Return a copy of all images for each corruption and severity, as `load_cifar10c` does.

    Parameters
    ----------
    images
        (n, h, w, 3) uint8.
    names
        The corruptions.
    seed
        At least 0.

    Returns
    -------
    dict
        For each (name, severity) the (n, h, w, 3) uint8 images.
    """
    _check_eight_bit(images)
    floats = images.astype(np.float32) / 255
    cells = [(name, severity) for name in names for severity in SEVERITIES]
    bar = progress(cells, desc="corrupt images")
    return {(name, s): _eight_bit(corrupt(floats, name, s, seed)) for name, s in bar}


def _check_eight_bit(images: np.ndarray) -> None:
    if images.dtype != np.uint8:
        raise ValueError(f"images are {images.dtype}: pass uint8 values from 0 to 255")


def _eight_bit(images: np.ndarray) -> np.ndarray:
    return np.rint(images * 255).astype(np.uint8)


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


# Random numbers and resampling


def _normal(streams: Streams, shape: tuple[int, ...]) -> np.ndarray:
    return np.stack([stream.standard_normal(shape, np.float32) for stream in streams])


def _uniform(streams: Streams, shape: tuple[int, ...], low=0.0, high=1.0) -> np.ndarray:
    unit = np.stack([stream.random(shape, np.float32) for stream in streams])
    return low + (high - low) * unit


def _blur(images: np.ndarray, sigma: float, **options) -> np.ndarray:
    """Blur axes 1 and 2 with a Gaussian of `sigma` pixels."""
    sigmas = (0, sigma, sigma, 0)[: images.ndim]
    return ndimage.gaussian_filter(images, sigmas, **{"mode": "nearest", **options})


def _zoom_matrix(size: int, factor: float) -> np.ndarray:
    """Return the (size, size) weights that enlarge one axis about its centre, bilinearly."""
    centre = (size - 1) / 2
    source = centre + (np.arange(size)[:, None] - centre) / factor
    return np.maximum(0, 1 - np.abs(source - np.arange(size))).astype(np.float32)


def _zoom(images: np.ndarray, factor: float) -> np.ndarray:
    """Enlarge (..., h, w) about the centre; what leaves the frame is cut off."""
    height, width = images.shape[-2:]
    return _zoom_matrix(height, factor) @ images @ _zoom_matrix(width, factor).T


def _resample(images: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Take each pixel, bilinearly, from `source` (n, h, w, 2) in rows and columns."""
    result = np.empty_like(images)
    for image, points, out in zip(images, np.moveaxis(source, -1, 1), result, strict=True):
        for channel in range(image.shape[-1]):
            out[..., channel] = ndimage.map_coordinates(
                image[..., channel], points, order=1, mode="mirror"
            )
    return result


def smear(images: np.ndarray, degrees: np.ndarray, radius: int, sigma: float) -> np.ndarray:
    """Drag each image along a line: the motion blur of `motion_blur` and `snow`.

    The release lets ImageMagick do this. Here the line is 2·radius + 1 whole-pixel steps, each
    rounded to the nearest pixel, with weights exp(-step²/2σ²) that sum to one. Pixels are drawn
    from one side only, and beyond the border from its nearest pixel.

    Parameters
    ----------
    images
        (n, h, w, c).
    degrees
        (n,) direction in which the line looks for its sources: 0 is right, 90 down.
    radius, sigma
        In pixels.
    """
    n, height, width, _ = images.shape
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2)).astype(np.float32)
    angle = np.radians(degrees)[:, None]
    down, right = (np.rint(steps * part).astype(int) for part in (np.sin(angle), np.cos(angle)))
    smeared = np.zeros_like(images)
    for step, weight in enumerate(weights / weights.sum()):
        row = np.clip(np.arange(height) + down[:, step, None], 0, height - 1)[:, :, None]
        column = np.clip(np.arange(width) + right[:, step, None], 0, width - 1)[:, None, :]
        smeared += weight * images[np.arange(n)[:, None, None], row, column]
    return smeared


def plasma(streams: Streams, height: int, width: int, decay: float) -> np.ndarray:
    """Draw clouds (n, height, width) in [0, 1] by the diamond-square algorithm.

    A map that wraps round, 32 pixels wide or the power of two that holds the image, is refined
    from coarse to fine. A new point is the mean of its four neighbours plus a uniform deviation,
    whose amplitude falls by `decay` squared from one level to the next: the algorithm's "wibble"
    falls by `decay` and sets both a factor and the range that it multiplies.
    """
    step = max(32, 1 << (max(height, width) - 1).bit_length())
    jitter = _uniform(streams, (step, step), -1, 1)
    field, amplitude = np.zeros_like(jitter), 1.0
    while step > 1:
        half = step // 2
        corners = field[:, ::step, ::step]
        below, right = np.roll(corners, -1, 1), np.roll(corners, -1, 2)
        centres = (corners + below + right + np.roll(below, -1, 2)) / 4
        centres += amplitude * jitter[:, half::step, half::step]
        field[:, half::step, half::step] = centres
        beside = (corners + below + centres + np.roll(centres, 1, 2)) / 4
        field[:, half::step, ::step] = beside + amplitude * jitter[:, half::step, ::step]
        above = (corners + right + centres + np.roll(centres, 1, 1)) / 4
        field[:, ::step, half::step] = above + amplitude * jitter[:, ::step, half::step]
        step, amplitude = half, amplitude / decay**2
    field -= field.min(axis=(1, 2), keepdims=True)
    field /= field.max(axis=(1, 2), keepdims=True)
    return field[:, :height, :width]


# Noise


def gaussian_noise(images, streams, scale):
    """Add N(0, scale²) to every value."""
    return images + scale * _normal(streams, images.shape[1:])


def shot_noise(images, streams, photons):
    """Count light: a value x becomes Poisson(x · photons) / photons."""
    rates = images.astype(np.float64) * photons
    return np.stack([s.poisson(rate) for s, rate in zip(streams, rates, strict=True)]) / photons


def impulse_noise(images, streams, share):
    """Set this share of the values to 0 or 1, with equal chance; channels are hit separately."""
    dice = _uniform(streams, images.shape[1:])
    return np.where(dice < share, dice < share / 2, images)


def speckle_noise(images, streams, scale):
    """Add noise in proportion to the value: x + x · N(0, scale²)."""
    return images + images * scale * _normal(streams, images.shape[1:])


# Blur


def gaussian_blur(images, sigma):
    """Blur each channel with a Gaussian of `sigma` pixels, the border repeated."""
    return _blur(images, sigma)


def defocus_kernel(radius: float, alias: float) -> np.ndarray:
    """Return a disk of `radius` pixels, softened by a 3x3 Gaussian of sigma `alias`; sums to 1."""
    reach = int(radius) + 1
    offset = np.arange(-reach, reach + 1)
    disk = (offset**2 + offset[:, None] ** 2 <= radius**2).astype(float)
    bell = np.exp(-(np.arange(-1, 2) ** 2) / (2 * alias**2))
    kernel = ndimage.convolve(disk, np.outer(bell, bell), mode="constant")
    return kernel / kernel.sum()


def defocus_blur(images, radius, alias):
    """Spread each pixel over `defocus_kernel`, the surroundings mirrored."""
    return ndimage.correlate(images, defocus_kernel(radius, alias)[None, :, :, None], mode="mirror")


def glass_blur(images, streams, sigma, reach, iterations):
    """Blur, put a random neighbour in each pixel's place `iterations` times, blur again.

    Pixels are visited from the bottom right to the top left, without a border of `reach`; the
    neighbour lies -reach … reach-1 rows and columns away. The paper says that the two are
    exchanged. The release's code assigns one view of an array to another, which overwrites the
    pixel and leaves the neighbour, and so it is done here; exchanging would scatter pixels farther.
    """
    n, height, width, _ = images.shape
    source = np.tile(np.arange(height * width).reshape(height, width), (n, 1, 1))
    for _ in range(iterations):
        steps = np.floor(_uniform(streams, (height, width, 2), -reach, reach)).astype(int)
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                down, right = steps[:, row, column].T
                source[:, row, column] = source[np.arange(n), row + down, column + right]
    pixels = _blur(images, sigma).reshape(n, height * width, 3)
    moved = np.take_along_axis(pixels, source.reshape(n, -1, 1), axis=1)
    return _blur(moved.reshape(images.shape), sigma)


def motion_blur(images, streams, radius, sigma):
    """`smear` along a line within 45 degrees of the horizontal."""
    return smear(images, _uniform(streams, (), -45, 45), radius, sigma)


def zoom_blur(images, largest):
    """Mean of the image and its enlargements by 1, 1.01 … `largest`.

    The enlargements are those that `numpy.arange` counts, as in the release: its rounding includes
    the largest at severities 1 and 2 only. They are made about the exact centre; the release first
    cuts out a whole number of pixels, so that its small factors come out uneven.
    """
    planes = np.moveaxis(images, -1, 1)
    factors = np.arange(1, largest, 0.01)
    mean = (planes + sum(_zoom(planes, factor) for factor in factors)) / (len(factors) + 1)
    return np.moveaxis(mean, 1, -1)


# Weather


def snow(images, streams, mean, spread, zoom, threshold, radius, sigma, keep):
    """Whiten the image and let flakes fall on it.

    Flakes are N(mean, spread²), enlarged by `zoom`, set to 0 below `threshold`, and smeared along
    a line within 45 degrees of the vertical; the layer is added as it is and turned upside down.
    `keep` is the image's share in its mixture with the brightened grey copy max(x, 1.5 grey + 0.5).
    Enlargement and line are those of `zoom_blur` and `smear`, not the release's.
    """
    flakes = _zoom(mean + spread * _normal(streams, images.shape[1:3]), zoom)[..., None]
    flakes = np.where(flakes < threshold, 0, np.clip(flakes, 0, 1))
    flakes = smear(flakes, _uniform(streams, (), -135, -45), radius, sigma)
    white = np.maximum(images, 1.5 * (images @ LUMA)[..., None] + 0.5)
    return keep * images + (1 - keep) * white + flakes + flakes[:, ::-1, ::-1]


def frost(images, streams, keep, strength):
    """Lay frost on the image: keep · image + strength · frost.

    The release takes random cuts from photographs of frosted glass. They are not part of this
    project: crystals are drawn instead, bright ridges of one `plasma` over the haze of another.
    """
    height, width = images.shape[1:3]
    haze = plasma(streams, height, width, 1.5)
    crystals = 1 - np.abs(2 * plasma(streams, height, width, 1.3) - 1)
    ice = np.minimum(0.7 * haze + 0.8 * crystals**6, 1)
    return keep * images + strength * ice[..., None] * ICE


def fog(images, streams, strength, decay):
    """Add `strength` times a `plasma`, then scale back so that the brightest value can remain."""
    brightest = images.max(axis=(1, 2, 3), keepdims=True)
    mist = plasma(streams, *images.shape[1:3], decay)[..., None]
    return (images + strength * mist) * brightest / (brightest + strength)


def brightness(images, amount):
    """Add `amount` to the value V of hue, saturation and value, V kept to 1."""
    value = images.max(axis=-1, keepdims=True)
    colour = np.divide(images, value, out=np.ones_like(images), where=value > 0)
    return colour * np.minimum(value + amount, 1)


# Digital


def contrast(images, factor):
    """Multiply the distance from each image's and channel's mean by `factor`."""
    mean = images.mean(axis=(1, 2), keepdims=True)
    return (images - mean) * factor + mean


def elastic_transform(images, streams, strength, smoothness, jitter):
    """Shear the image by a random affine map, then warp it by a smooth random field.

    All three constants are fractions of the shorter side. The map moves three points, a third of
    the side off the centre, by up to `jitter` each way. The field is uniform noise in ±1, blurred
    with `smoothness` and multiplied by `strength`. Both resample bilinearly and mirror the border.
    """
    height, width = images.shape[1:3]
    side = min(height, width)
    grid = np.moveaxis(np.indices((height, width)), 0, -1)
    points = np.array([height, width]) // 2 + side // 3 * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = points + _uniform(streams, (3, 2), -jitter * side, jitter * side)
    back = np.linalg.solve(np.pad(moved, ((0, 0), (0, 0), (0, 1)), constant_values=1), points)
    images = _resample(images, grid @ back[:, None, :2] + back[:, None, 2:])
    field = _uniform(streams, (height, width, 2), -1, 1)
    field = _blur(field, smoothness * side, mode="reflect", truncate=3)
    return _resample(images, grid + strength * side * field)


def pixelate(images, factor):
    """Shrink each side to this factor with Pillow's box filter, and enlarge it again likewise."""

    def shrink(image: Image.Image) -> Image.Image:
        small = [int(size * factor) for size in image.size]
        return image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BOX)

    return _through_pillow(images, shrink)


def jpeg_compression(images, quality):
    """Write and read each image as a JPEG file of this quality, with Pillow."""

    def compress(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return _through_pillow(images, compress)


def _through_pillow(images: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    changed = [np.asarray(change(Image.fromarray(image))) for image in _eight_bit(images)]
    return np.stack(changed).astype(np.float32) / 255


def saturate(images, factor, shift):
    """Turn the saturation S of hue, saturation and value into factor · S + shift, kept to 1.

    Grey has no hue and counts as red, as in the usual conversions: a shift tints it.
    """
    value = images.max(axis=-1, keepdims=True)
    chroma = value - images.min(axis=-1, keepdims=True)
    saturation = np.divide(chroma, value, out=np.zeros_like(value), where=value > 0)
    red = np.broadcast_to(np.float32([0, 1, 1]), images.shape).copy()
    descent = np.divide(value - images, chroma, out=red, where=chroma > 0)
    return value * (1 - np.clip(factor * saturation + shift, 0, 1) * descent)


def spatter(images, streams, mean, spread, blur, threshold, mix, mud):
    """Splash water (`mud` 0) or mud (1) on the image, where blurred noise passes a threshold.

    Noise is N(mean, spread²), blurred with `blur` pixels. Mud covers these spots, their outline
    blurred with `mix` pixels and kept where it stays above 0.8. Water adds a pale turquoise of up
    to `mix`, lit from the top left: the release shades its drops by the distance from edges
    that OpenCV's Canny detector finds, here they are embossed directly.
    """
    liquid = _blur(mean + spread * _normal(streams, images.shape[1:3]), blur)
    if mud:
        cover = _blur((liquid > threshold).astype(np.float32), mix)[..., None]
        cover[cover < 0.8] = 0
        return images * (1 - cover) + MUD * cover
    liquid = np.where(liquid < threshold, 0, liquid)
    relief = ndimage.correlate(liquid, np.array([[[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]]))
    light = liquid * ndimage.uniform_filter(np.clip(relief, 0, 1), (0, 3, 3))
    brightest = np.maximum(light.max(axis=(1, 2), keepdims=True), 1e-6)
    return images + mix * (light / brightest)[..., None] * WATER


# All of them


class _Corruption(NamedTuple):
    """A function, its constants at severities 1 to 5, and whether it takes random streams."""

    function: Callable[..., np.ndarray]
    constants: tuple
    random: bool = True


_CORRUPTIONS = {
    "gaussian_noise": _Corruption(gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10)),
    "shot_noise": _Corruption(shot_noise, (500, 250, 100, 75, 50)),
    "impulse_noise": _Corruption(impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07)),
    "defocus_blur": _Corruption(
        defocus_blur, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)), random=False
    ),
    "glass_blur": _Corruption(
        glass_blur, ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))
    ),
    "motion_blur": _Corruption(motion_blur, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))),
    "zoom_blur": _Corruption(zoom_blur, (1.06, 1.11, 1.16, 1.21, 1.26), random=False),
    "snow": _Corruption(
        snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    ),
    "frost": _Corruption(frost, ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))),
    "fog": _Corruption(fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),
    "brightness": _Corruption(brightness, (0.05, 0.1, 0.15, 0.2, 0.3), random=False),
    "contrast": _Corruption(contrast, (0.75, 0.5, 0.4, 0.3, 0.15), random=False),
    "elastic_transform": _Corruption(
        elastic_transform,
        ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    ),
    "pixelate": _Corruption(pixelate, (0.95, 0.9, 0.85, 0.75, 0.65), random=False),
    "jpeg_compression": _Corruption(jpeg_compression, (80, 65, 58, 50, 40), random=False),
    "speckle_noise": _Corruption(speckle_noise, (0.06, 0.1, 0.12, 0.16, 0.2)),
    "gaussian_blur": _Corruption(gaussian_blur, (0.4, 0.6, 0.7, 0.8, 1), random=False),
    "spatter": _Corruption(
        spatter,
        (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
    ),
    "saturate": _Corruption(
        saturate, ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)), random=False
    ),
}


# The released files


def load_cifar10c(
    folder: str | os.PathLike, names: Iterable[str] = SEEN + HELD_OUT
) -> tuple[dict[tuple[str, int], np.ndarray], np.ndarray]:
    """Open the released CIFAR-10-C: a file `<name>.npy` a corruption, and `labels.npy`.

    A file holds the test images five times over, severities 1 to 5 one after the other, each in
    the test set's order; labels.npy holds the labels five times over. Other files are ignored.

    Parameters
    ----------
    folder
        The unpacked archive.
    names
        The corruptions to open; all of them must be there.

    Returns
    -------
    images : dict
        For each (name, severity) the (n, 32, 32, 3) uint8 images, memory-mapped read-only; n is
        10,000 in the release and a fifth of the labels in general.
    labels : numpy.ndarray
        (n,) int64, 0 to 9.

    Raises
    ------
    DataError
        For a folder or file that is missing, unreadable, truncated or of another shape or type,
        and for labels that differ between the five blocks or lie outside 0 … 9.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: name the unpacked CIFAR-10-C archive")
    names = tuple(names)
    missing = [name for name in ("labels", *names) if not (folder / f"{name}.npy").is_file()]
    if missing:
        raise DataError(
            f"{folder} has no {', '.join(f'{name}.npy' for name in missing)}: unpack CIFAR-10-C "
            "again, or pass names= with the corruptions that are there"
        )

    path = folder / "labels.npy"
    labels = _open(path)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or not labels.size:
        raise DataError(f"{path} holds {labels.dtype} {labels.shape}, not one row of integers")
    if len(labels) % 5:
        raise DataError(f"{path} holds {len(labels)} labels, not a multiple of 5: fetch it again")
    blocks = labels.reshape(5, -1).astype(np.int64)
    if (blocks != blocks[0]).any():
        raise DataError(f"{path} differs between its five blocks, one a severity: fetch it again")
    if blocks.min() < 0 or blocks.max() > 9:
        raise DataError(
            f"{path} holds labels from {blocks.min()} to {blocks.max()}, not 0 to 9: fetch it again"
        )

    images, n, shape = {}, blocks.shape[1], (len(labels), 32, 32, 3)
    for name in names:
        path = folder / f"{name}.npy"
        array = _open(path)
        if array.dtype != np.uint8 or array.shape != shape:
            raise DataError(
                f"{path} holds {array.dtype} {array.shape}, not uint8 {shape} as its labels ask "
                "for: it is truncated or another file, fetch it again"
            )
        images |= {(name, s): array[(s - 1) * n : s * n] for s in SEVERITIES}
    return images, blocks[0]


def _open(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError) as error:  # the last: an absurd shape
        raise DataError(f"{path} cannot be read ({error}): fetch it again") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} is an archive, not one array: fetch it again")
    return array
