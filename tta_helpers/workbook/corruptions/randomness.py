"""Random numbers, one stream an image, and the clouds that are drawn from them."""

from collections.abc import Sequence

import numpy as np

Streams = Sequence[np.random.Generator]


def normal(streams: Streams, shape: tuple[int, ...]) -> np.ndarray:
    """Return N(0, 1) numbers of this shape from each stream."""
    return np.stack([stream.standard_normal(shape, np.float32) for stream in streams])


def uniform(streams: Streams, shape: tuple[int, ...], low=0.0, high=1.0) -> np.ndarray:
    """Return numbers of this shape, uniform in [low, high), from each stream."""
    unit = np.stack([stream.random(shape, np.float32) for stream in streams])
    return low + (high - low) * unit


def plasma(streams: Streams, height: int, width: int, decay: float) -> np.ndarray:
    """Draw clouds (n, height, width) in [0, 1] by the diamond-square algorithm.

    A map that wraps round, 32 pixels wide or the power of two that holds the image, is refined
    from coarse to fine. A new point is the mean of its four neighbours plus a uniform deviation,
    whose amplitude falls by `decay` squared from one level to the next: the algorithm's "wibble"
    falls by `decay` and sets both a factor and the range that it multiplies.
    """
    step = max(32, 1 << (max(height, width) - 1).bit_length())
    jitter = uniform(streams, (step, step), -1, 1)
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
