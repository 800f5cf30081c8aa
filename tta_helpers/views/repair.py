"""Views that take out single wrong values, such as impulse noise; every pixel stays in place."""

from typing import Any

from tta_helpers.quiet import ops
from tta_helpers.views.base import Photometric, register


@register
class Despeckle(Photometric):
    """Each value clamped to the range of its eight neighbours in its channel.

    A value that lies above all of them becomes the highest of them, one that lies below all the
    lowest; every other value stays. Image processing knows it as conservative smoothing. Beyond the
    edge lies the image's mirror image with the edge pixel not repeated.
    """

    def transform(self, images):
        """Clamp."""
        wide = _mirrored(images, 2)
        left, right = wide[:, :, :-2], wide[:, :, 2:]
        edges = []
        for extreme in (ops.minimum, ops.maximum):
            beside = extreme(left, right)
            tall = _mirrored(extreme(beside, images), 1)  # of three columns, a row more each side
            edges.append(extreme(extreme(tall[:, :-2], tall[:, 2:]), beside))
        low, high = edges
        return ops.minimum(ops.maximum(images, low), high)


@register
class Median(Photometric):
    """Each value replaced by the median of the 3x3 values around it in its channel.

    The same as `scipy.ndimage.median_filter` of size 3 with mode "mirror".
    """

    def transform(self, images):
        """Sort each column of three, then take the median of what can still be it."""
        tall = _mirrored(images, 1)
        low, middle, high = _sorted(tall[:, :-2], tall[:, 1:-1], tall[:, 2:])
        low, middle, high = (_mirrored(part, 2) for part in (low, middle, high))
        lows = ops.maximum(ops.maximum(low[:, :, :-2], low[:, :, 1:-1]), low[:, :, 2:])
        highs = ops.minimum(ops.minimum(high[:, :, :-2], high[:, :, 1:-1]), high[:, :, 2:])
        middles = _middle(middle[:, :, :-2], middle[:, :, 1:-1], middle[:, :, 2:])
        return _middle(lows, middles, highs)


def _mirrored(images: Any, axis: int) -> Any:
    """Return images with one row (axis 1) or column (axis 2) more at both ends, mirrored."""
    size = images.shape[axis]
    inner = min(1, size - 1)  # an image of one pixel is its own mirror image
    ends = [[slice(None)] * axis + [slice(k, k + 1)] for k in (inner, size - 1 - inner)]
    before, after = (images[tuple(end)] for end in ends)
    return ops.concatenate([before, images, after], axis=axis)


def _sorted(a: Any, b: Any, c: Any) -> tuple[Any, Any, Any]:
    """Return three arrays of images sorted value by value."""
    low, high = ops.minimum(a, b), ops.maximum(a, b)
    return ops.minimum(low, c), ops.maximum(low, ops.minimum(high, c)), ops.maximum(high, c)


def _middle(a: Any, b: Any, c: Any) -> Any:
    """Return the middle one of three arrays, value by value."""
    return ops.maximum(ops.minimum(a, b), ops.minimum(ops.maximum(a, b), c))
