"""Class folders of every shape that readers bring: `python tests/make_folders.py NAME FOLDER`.

Pictures are drawn from a seed: each class has a colour, a stripe's slope and a corner of its own,
with noise, so that a network can learn them, and no picture is like another or like its mirror
image.
"""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

Draw = Callable[[np.ndarray], Image.Image]


def as_rgb(pixels: np.ndarray) -> Image.Image:
    """Return pixels (h, w, 3) uint8 as they are."""
    return Image.fromarray(pixels)


def as_grey(pixels: np.ndarray) -> Image.Image:
    """Return a picture of one channel."""
    return Image.fromarray(pixels).convert("L")


def with_alpha_or_palette(pixels: np.ndarray) -> Image.Image:
    """Return every other picture with an alpha channel, the others with a palette."""
    picture = Image.fromarray(pixels)
    if pixels[0, 0].sum() % 2:
        return picture.quantize(64)
    picture.putalpha(Image.fromarray(255 - pixels[..., 0] // 4))
    return picture


@dataclass(frozen=True)
class Kind:
    """What a data set looks like: training images a class, size, and how a picture is stored."""

    classes: dict[str, int]
    size: tuple[int, int] = (32, 32)  # height, width
    draw: Draw = as_rgb
    image_size: int = 0  # the notebooks' parameter


def _named(*names: str, n: int) -> dict[str, int]:
    return dict.fromkeys(names, n)


KINDS = {
    "two_classes": Kind(_named("cat", "dog", n=150)),
    "names": Kind(_named("chat noir", "Füchse", "🦊 $x_1$ a|b", n=120)),
    "hundred_classes": Kind(_named(*(f"kind {k:02}" for k in range(100)), n=12)),
    "imbalance": Kind({"often": 300, "seldom": 30, "rare": 6}),
    "resized": Kind(_named("a", "b", "c", n=100), size=(53, 61), image_size=48),
    "not_square": Kind(_named("a", "b", "c", "d", n=80), size=(64, 40)),
    "grey": Kind(_named("a", "b", "c", n=100), draw=as_grey),
    "alpha_and_palette": Kind(_named("a", "b", "c", n=100), draw=with_alpha_or_palette),
}


def pictures(kind: Kind, seed: int) -> Iterator[tuple[str, int, np.ndarray]]:
    """Yield class, number and pixels (h, w, 3) uint8 of every picture of one split."""
    rng = np.random.default_rng(seed)
    height, width = kind.size
    down, across = np.mgrid[0:height, 0:width] / 8.0
    for k, (name, n) in enumerate(kind.classes.items()):
        of_class = np.random.default_rng(k)
        colour, slope = of_class.uniform(0.2, 0.8, 3), of_class.uniform(0, np.pi)
        for number in range(n if seed == 0 else max(3, n // 3)):
            phase, shade = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.1, 3)
            stripes = np.sin(np.cos(slope) * across + np.sin(slope) * down + phase)
            pixels = colour + shade + 0.15 * stripes[..., None]
            pixels[: height // 4, : width // 3] += 0.3  # a corner, so that a mirror image differs
            pixels += rng.normal(0, 0.08, pixels.shape)
            yield name, number, np.uint8(255 * np.clip(pixels, 0, 1))


def make(name: str, folder: Path) -> Path:
    """Draw a data set of `KINDS` into a folder, whole or not at all, and return the folder."""
    kind, partial = KINDS[name], folder.with_name(f".{folder.name}.partial")
    if folder.is_dir():
        return folder
    shutil.rmtree(partial, ignore_errors=True)
    for seed, split in enumerate(("train", "test")):
        for label, number, pixels in pictures(kind, seed):
            path = partial / split / label / f"{number:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            kind.draw(pixels).save(path)
    partial.rename(folder)
    return folder


if __name__ == "__main__":
    print(make(sys.argv[1], Path(sys.argv[2])))
