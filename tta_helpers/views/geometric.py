"""Views that move pixels: flips, rotations, zooms and shifts, and the way back."""

import functools
import math

import numpy as np

from tta_helpers.quiet import ops
from tta_helpers.views.base import View, register


@register
class HorizontalFlip(View):
    """Left and right exchanged."""

    def transform(self, images):
        """Reverse the columns."""
        return ops.flip(images, axis=2)

    def inverse(self):
        """Return a mirror: it undoes itself."""
        return HorizontalFlip()

    def undo(self, maps, image_shape=None):
        """Reverse the columns of the maps."""
        return ops.flip(maps, axis=2)


@register
class VerticalFlip(View):
    """Top and bottom exchanged."""

    def transform(self, images):
        """Reverse the rows."""
        return ops.flip(images, axis=1)

    def inverse(self):
        """Return the same flip: it undoes itself."""
        return VerticalFlip()

    def undo(self, maps, image_shape=None):
        """Reverse the rows of the maps."""
        return ops.flip(maps, axis=1)


class _Geometric(View):
    """A view that moves pixels: an affine map from output to source, resampled bilinearly."""

    def _source(self):
        """Return (matrix, offset): output (row, column) -> source, both from the image centre."""
        raise NotImplementedError

    def transform(self, images):
        """Gather the source pixels of every output pixel and sum them by weight."""
        return _gathered(images, *_bilinear_table(*self._source(), *images.shape[1:3]))

    def undo(self, maps, image_shape=None):
        """Gather from where each pixel went; a pixel that left the frame becomes NaN."""
        size = tuple(maps.shape[1:3])
        scale = np.divide(image_shape or size, size)
        index, weight, seen = _undo_table(*self._source(), tuple(scale), *size)
        unseen = ops.convert_to_tensor(np.where(seen, 0, np.nan).astype("float32"))
        known = ops.logical_not(ops.isnan(maps))  # an earlier step may have left gaps
        if index.shape[1] > 1:
            gaps = _gathered(ops.cast(ops.logical_not(known), maps.dtype), index, weight)
            maps = ops.where(
                gaps > 1e-6, float("nan"), _gathered(ops.where(known, maps, 0.0), index, weight)
            )
        else:
            maps = _gathered(maps, index, weight)
        return maps + ops.reshape(unseen, (1, *size, 1))


def _gathered(images, index, weight):
    """Return images of the same size whose pixels are sums of `images`' at `index` by `weight`."""
    height, width, channels = images.shape[1:]
    pixels, size = height * width, height * width * channels
    if index.shape[1] == 1:  # whole pixels: nothing to interpolate
        moved = ops.take(ops.reshape(images, (-1, pixels, channels)), index[:, 0], axis=1)
    else:
        # Pixels first: each gather then copies one pixel of all images in one piece, which halves
        # the time. Zoom and shift as two matrix products would take half of that on a CPU, but GPUs
        # may round their factors to 10 bits (TensorFloat-32).
        flat = ops.reshape(ops.transpose(ops.reshape(images, (-1, size))), (pixels, -1))
        weight = ops.convert_to_tensor(weight[:, :, None], dtype=images.dtype)
        moved = ops.sum(ops.take(flat, index, axis=0) * weight, axis=1)
        moved = ops.transpose(ops.reshape(moved, (size, -1)))
    return ops.reshape(moved, (-1, height, width, channels))


@functools.lru_cache(maxsize=128)
def _bilinear_table(matrix, offset, height, width):
    """Return each output pixel's sources (h*w, k) and weights (h*w, k), k = 1, 2 or 4.

    Kept as NumPy arrays: a tensor made while one graph is traced would be invalid in the next.
    """
    source = _positions(matrix, offset, height, width)
    corner = np.floor(source).astype(int)
    fraction = source - corner
    indices, weights = [], []
    for step in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = np.where(step, fraction, 1 - fraction).prod(axis=1)
        if weight.any():
            row, column = (corner + step).T
            indices.append(_mirror(row, height) * width + _mirror(column, width))
            weights.append(weight)
    return np.stack(indices, axis=1).astype("int32"), np.stack(weights, axis=1).astype("float32")


def _positions(matrix, offset, height, width):
    """Return the source (row, column) of every output pixel, shape (h*w, 2)."""
    centre = np.array([height - 1, width - 1]) / 2
    output = np.indices((height, width)).reshape(2, -1).T - centre
    # Rounded, so that cos(90 degrees) = 6e-17 does not turn whole pixels into fractions.
    return np.round(output @ np.transpose(matrix) + offset + centre, 9)


@functools.lru_cache(maxsize=128)
def _undo_table(matrix, offset, scale, height, width):
    """Return the table of the way back for maps, and which pixels the view showed (h*w,) bool.

    An image's pixel p = M q + t went to q = M^-1 (p - t), both from the centre. A map's pixel is
    `scale` image pixels long, and one is seen if its centre lies within the frame.
    """
    stretch = np.diag(scale)
    back = np.linalg.inv(np.asarray(matrix, dtype=float) @ stretch)
    matrix, offset = tuple(map(tuple, back @ stretch)), tuple(-back @ np.asarray(offset))
    index, weight = _bilinear_table(matrix, offset, height, width)
    row, column = _positions(matrix, offset, height, width).T
    inside = (row >= -0.5) & (row <= height - 0.5) & (column >= -0.5) & (column <= width - 0.5)
    return index, weight, inside


def _mirror(index, size):
    """Reflect indices into 0 … size-1 without repeating the ends."""
    period = max(2 * (size - 1), 1)
    return np.minimum(index % period, -index % period)


@register
class Rotate(_Geometric):
    """Rotation about the image centre.

    Parameters
    ----------
    degrees : float
        Positive turns the content counter-clockwise, as Pillow's ``Image.rotate`` does.
    """

    def __init__(self, degrees: float, **kwargs):
        super().__init__({"degrees": degrees}, **kwargs)

    def _source(self):
        angle = math.radians(self.degrees)
        cos, sin = math.cos(angle), math.sin(angle)
        return ((cos, sin), (-sin, cos)), (0, 0)

    def inverse(self):
        """Return the turn back."""
        return Rotate(-self.degrees)

    def lost(self, height: int, width: int) -> float:
        """Return which share of an image's pixels the turn leaves out of the frame."""
        seen = np.zeros(height * width, bool)
        seen[_bilinear_table(*self._source(), height, width)[0]] = True
        return 1 - seen.mean()


@register
class Zoom(_Geometric):
    """Enlargement about the image centre.

    Parameters
    ----------
    factor : float
        Above 0. Over 1 the content grows; under 1 it shrinks and its mirrored surroundings appear.
        The ``zoom_range`` of Keras' ImageDataGenerator runs the other way: there 0.8 enlarges.
    """

    def __init__(self, factor: float, **kwargs):
        super().__init__({"factor": factor}, **kwargs)
        if factor <= 0:
            raise ValueError(f"factor must be above 0, got {factor}. 1.25 enlarges, 0.8 shrinks.")

    def _source(self):
        return ((1 / self.factor, 0), (0, 1 / self.factor)), (0, 0)

    def inverse(self):
        """Return the zoom back, which makes up what enlarging had cut off."""
        return Zoom(1 / self.factor)


@register
class Shift(_Geometric):
    """Translation.

    Parameters
    ----------
    dx, dy : float
        Pixels, fractions allowed. Positive `dx` moves the content right, positive `dy` down.
    """

    def __init__(self, dx: float, dy: float, **kwargs):
        super().__init__({"dx": dx, "dy": dy}, **kwargs)

    def _source(self):
        return ((1, 0), (0, 1)), (-self.dy, -self.dx)

    def inverse(self):
        """Return the shift back, which makes up what had left the frame."""
        return Shift(-self.dx, -self.dy)
