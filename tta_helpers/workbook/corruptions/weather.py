"""Weather: snow, frost, fog and brightness; held out: spatter."""

import numpy as np

from tta_helpers.workbook.corruptions.drops import shading
from tta_helpers.workbook.corruptions.randomness import normal, plasma, uniform
from tta_helpers.workbook.corruptions.resampling import blurred, eight_bit, smear, zoomed

LUMA = np.float32([0.299, 0.587, 0.114])  # weights of red, green and blue in grey (BT.601)
ICE = np.float32([0.86, 0.94, 1.0])
WATER = np.float32([175, 238, 238]) / 255
MUD = np.float32([63, 42, 20]) / 255


def snow(images, streams, mean, spread, zoom, threshold, radius, sigma, keep):
    """Whiten the image and let flakes fall on it.

    Flakes are N(mean, spread²), enlarged by `zoom`, set to 0 below `threshold`, and smeared along
    a line within 45 degrees of the vertical; the layer is added as it is and turned upside down.
    `keep` is the image's share in its mixture with the brightened grey copy max(x, 1.5 grey + 0.5).
    Flakes have 8 bits. `smear` draws their lines, where the release calls ImageMagick.
    """
    flakes = zoomed(mean + spread * normal(streams, images.shape[1:3]), zoom)[..., None]
    flakes = eight_bit(np.where(flakes < threshold, 0, np.clip(flakes, 0, 1))) / np.float32(255)
    flakes = smear(flakes, uniform(streams, (), -135, -45), radius, sigma)
    white = np.maximum(images, 1.5 * (images @ LUMA)[..., None] + 0.5)
    return keep * images + (1 - keep) * white + flakes + flakes[:, ::-1, ::-1]


def frost(images, streams, keep, strength):
    """Lay frost on the image: keep · image + strength · frost.

    The release takes random cuts from photographs of frost. They are not part of this project:
    crystals are drawn instead, bright ridges of one `plasma` over the haze of another, on ice that
    is thin in some images and closed in others. Its thickness, haze and ridges are chosen so that
    corrupted photographs have the release's mean change, brightness, contrast and structural
    similarity at every severity.
    """
    height, width = images.shape[1:3]
    thickness = uniform(streams, (1, 1), 0.06, 0.66)
    haze = plasma(streams, height, width, 1.5)
    crystals = 1 - np.abs(2 * plasma(streams, height, width, 1.3) - 1)
    ice = np.minimum(thickness + 0.5 * haze + 0.3 * crystals**6, 1)
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


def spatter(images, streams, mean, spread, blur, threshold, mix, mud):
    """Splash water (`mud` 0) or mud (1) on the image, where blurred noise passes a threshold.

    Noise is N(mean, spread²), blurred with `blur` pixels. Mud covers these spots, their outline
    blurred with `mix` pixels and kept where it stays above 0.8. Water adds a pale turquoise, the
    noise times the `shading` of its drops, of up to `mix` in each image.
    """
    liquid = blurred(mean + spread * normal(streams, images.shape[1:3]), blur)
    if mud:
        cover = blurred((liquid > threshold).astype(np.float32), mix)[..., None]
        cover[cover < 0.8] = 0
        return images * (1 - cover) + MUD * cover
    liquid = eight_bit(np.where(liquid < threshold, 0, np.minimum(liquid, 1)))
    light = liquid * shading(liquid).astype(np.float32)
    brightest = np.maximum(light.max(axis=(1, 2), keepdims=True), 1)
    return images + mix * (light / brightest)[..., None] * WATER
