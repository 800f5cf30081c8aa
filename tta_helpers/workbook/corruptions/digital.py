"""Digital corruptions: contrast, elastic transform, pixelate and JPEG; held out: saturate."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from tta_helpers.workbook.corruptions.randomness import uniform
from tta_helpers.workbook.corruptions.resampling import blurred, eight_bit, resampled


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
    moved = points + uniform(streams, (3, 2), -jitter * side, jitter * side)
    back = np.linalg.solve(np.pad(moved, ((0, 0), (0, 0), (0, 1)), constant_values=1), points)
    images = resampled(images, grid @ back[:, None, :2] + back[:, None, 2:])
    field = uniform(streams, (height, width, 2), -1, 1)
    field = blurred(field, smoothness * side, mode="reflect", truncate=3)
    return resampled(images, grid + strength * side * field)


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
    changed = [np.asarray(change(Image.fromarray(image))) for image in eight_bit(images)]
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
