"""Views that change values and leave every pixel where it is: light, contrast, detail, colour."""

from tta_helpers.quiet import ops
from tta_helpers.views.base import Photometric, register

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in a pixel's grey (ITU-R BT.601)


@register
class Brightness(Photometric):
    """A constant added to every value, then clipped to [0, 1].

    Parameters
    ----------
    delta : float
        Between -1 (black) and 1 (white), both excluded.
    """

    def __init__(self, delta: float, **kwargs):
        super().__init__({"delta": delta}, **kwargs)
        if not -1 < delta < 1:
            raise ValueError(
                f"delta must lie between -1 and 1, got {delta}. Images are in [0, 1]: divide a "
                "change on the 0-255 scale by 255."
            )

    def transform(self, images):
        """Add and clip."""
        return ops.clip(images + self.delta, 0, 1)


@register
class Contrast(Photometric):
    """Distances from the mean of each image and channel multiplied, then clipped to [0, 1].

    Parameters
    ----------
    factor : float
        0 or above. Over 1 raises the contrast, under 1 lowers it, 0 leaves the mean.
    """

    def __init__(self, factor: float, **kwargs):
        super().__init__({"factor": factor}, **kwargs)
        if factor < 0:
            raise ValueError(
                f"factor must be 0 or above, got {factor}. 1.2 raises contrast, 0.8 lowers it."
            )

    def transform(self, images):
        """(x - mean) * factor + mean, clipped."""
        # One axis at a time: TensorFlow takes twice as long over both.
        mean = ops.mean(ops.mean(images, axis=1, keepdims=True), axis=2, keepdims=True)
        return ops.clip(images * self.factor + mean * (1 - self.factor), 0, 1)


@register
class Autocontrast(Photometric):
    """Each channel of each image stretched so that its darkest value is 0 and its brightest 1.

    A channel of one value stays as it is. The same as Pillow's ``ImageOps.autocontrast``, without
    its rounding to 8 bits.
    """

    def transform(self, images):
        """Subtract the minimum and divide by the range."""
        low = ops.min(images, axis=(1, 2), keepdims=True)
        spread = ops.max(images, axis=(1, 2), keepdims=True) - low
        flat = spread <= 0
        return (images - ops.where(flat, 0.0, low)) / ops.where(flat, 1.0, spread)


@register
class Sharpness(Photometric):
    """Detail weakened or exaggerated, then clipped to [0, 1].

    Detail is the difference between a pixel and its smoothed version, by a 3x3 filter of weights 1
    around a 5. Pixels on the image's edge are not smoothed, so they stay as they are. The same as
    Pillow's ``ImageEnhance.Sharpness``, without its rounding to 8 bits. An image of fewer than 3
    pixels a side is all edge, and stays as it is.

    Parameters
    ----------
    factor : float
        0 or above. 0 gives the smoothed image, 1 the image itself, more than 1 sharpens.
    """

    def __init__(self, factor: float, **kwargs):
        super().__init__({"factor": factor}, **kwargs)
        if factor < 0:
            raise ValueError(f"factor must be 0 or above, got {factor}. 3 sharpens, 0.5 blurs.")

    def transform(self, images):
        """Add (factor - 1) times the detail, and clip."""
        if min(images.shape[1:3]) < 3:
            return images
        rows = images[:, :-2] + images[:, 1:-1] + images[:, 2:]
        block = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
        inner = images[:, 1:-1, 1:-1]
        detail = inner - (block + 4 * inner) / 13
        detail = ops.pad(detail, ((0, 0), (1, 1), (1, 1), (0, 0)))
        return ops.clip(images + (self.factor - 1) * detail, 0, 1)


@register
class Color(Photometric):
    """Distances from grey multiplied, then clipped to [0, 1].

    The grey of a pixel is its luma, 0.299 red + 0.587 green + 0.114 blue. The same as Pillow's
    ``ImageEnhance.Color``, without its rounding to 8 bits. Images must have three channels.

    Parameters
    ----------
    factor : float
        0 or above. 0 gives a grey image, 1 the image itself, more than 1 stronger colours.
    """

    def __init__(self, factor: float, **kwargs):
        super().__init__({"factor": factor}, **kwargs)
        if factor < 0:
            raise ValueError(f"factor must be 0 or above, got {factor}. 2 colours more, 0.5 less.")

    def transform(self, images):
        """(x - grey) * factor + grey, clipped."""
        if images.shape[-1] != 3:
            raise ValueError(
                f"{self.name} needs images of 3 channels (red, green, blue), got "
                f"{images.shape[-1]}. Leave it out for other images."
            )
        grey = sum(weight * images[..., k : k + 1] for k, weight in enumerate(LUMA))
        return ops.clip(images * self.factor + grey * (1 - self.factor), 0, 1)
