"""Scenes of cells, drawn by code: many objects a picture, with exact boxes and masks.

Each object is drawn twice at four times the size, with the same polygon: in its colours on the
picture, and as a number on a map. What averages down to the picture and what becomes the mask are
therefore the same pixels.
"""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from tta_helpers.workbook.sample.canvas import BIG, SUPER, Dice, Pen
from tta_helpers.workbook.sample.colours import Colour, shade
from tta_helpers.workbook.sample.scenery import backdrop

SCENE_CLASSES = ("ring", "nucleated", "fragment")
RADII = {"ring": (5.5, 9.0), "nucleated": (8.5, 13.5), "fragment": (2.5, 4.5)}  # pixels
SHARES = ("ring",) * 5 + ("nucleated",) * 2 + ("fragment",) * 3
GROUND = ((212, 204, 200), (196, 190, 206), (222, 214, 190), (186, 196, 196))
PLASMA = ((186, 138, 146), (170, 132, 158), (196, 158, 140), (162, 150, 172))
CORE = ((106, 72, 128), (124, 78, 104), (88, 84, 130))
MOST = 255  # objects a picture: the map that they are drawn on has 8 bits
CORNERS = 20  # of an outline


class Cell(NamedTuple):
    """An object to draw: its kind, and its centre and mean radius in pixels of the picture."""

    kind: str
    x: float
    y: float
    radius: float


class Scenes(NamedTuple):
    """Pictures and what is drawn on them.

    Attributes
    ----------
    images
        (n, height, width, 3) uint8, 0 to 255.
    masks
        (n, height, width) uint16: 0 background, 1 to k the objects of a picture.
    boxes
        One (k, 4) float32 a picture: x0, y0, x1, y1 in pixels, edges (x1 and y1 exclusive). Row i
        is the object of number i + 1.
    labels
        One (k,) int64 a picture, indices into `SCENE_CLASSES`.
    """

    images: np.ndarray
    masks: np.ndarray
    boxes: list[np.ndarray]
    labels: list[np.ndarray]


def make_scenes(
    n: int,
    seed: int = 0,
    size: int | tuple[int, int] = 96,
    objects: tuple[int, int] = (6, 14),
    progress: Callable[[Iterable], Iterable] | None = None,
) -> Scenes:
    """Draw scenes of cells, the same on every machine.

    Three kinds lie on an uneven ground with stains that are no objects: rings with a pale middle,
    large cells with a dark nucleus, and small fragments. Some touch or cover each other a little,
    some are cut by the frame; light, contrast, focus and grain differ from picture to picture.

    Parameters
    ----------
    n : int
        Pictures, at least 1. Each has a random stream of its own, so more never change the first.
    seed : int
        Which scenes to draw, at least 0.
    size : int or pair of int
        Height and width in pixels, one number for both or (height, width), at least 32.
    objects : pair of int
        Fewest and most objects to place on a picture, 1 to 255. Where no place is left for one, it
        is left out.
    progress : callable, optional
        Wraps the loop over the pictures, for example ``tqdm.tqdm``.

    Returns
    -------
    Scenes
        Images, masks, boxes and labels. A pixel belongs to the object that fills half of it or
        more, of two that fill half each to the one in front; a box holds exactly the pixels of its
        object's mask.

    Raises
    ------
    ValueError
        If an argument is out of its range; the message names it and its value.

    Notes
    -----
    Source: this project. A score on drawings says nothing about microscope pictures.
    """
    height, width = pair(size)
    low, high = pair(objects)
    for name, value, least in (
        ("n", n, 1),
        ("seed", seed, 0),
        *(("size", side, 32) for side in (height, width)),
        *(("objects", count, 1) for count in (low, high)),
    ):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < least:
            raise ValueError(f"{name} is {value!r}; pass an integer of at least {least}.")
    if not low <= high <= MOST:
        raise ValueError(f"objects is {objects!r}; pass (fewest, most), and at most {MOST}.")

    images = np.empty((n, height, width, 3), np.uint8)
    masks = np.empty((n, height, width), np.uint16)
    boxes, labels = [], []
    for i in progress(range(n)) if progress else range(n):
        dice = Dice((seed, i))
        picture, numbers, kinds = draw_scene(dice, (height, width), (low, high))
        images[i] = developed(dice, np.asarray(picture.reduce(SUPER), np.float64))
        masks[i], seen = numbered(reduced(np.asarray(numbers), len(kinds)))
        boxes.append(visible_boxes(masks[i]))
        labels.append(np.array([SCENE_CLASSES.index(kinds[k - 1]) for k in seen], np.int64))
    return Scenes(images, masks, boxes, labels)


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """Return two numbers; one stands for both."""
    return tuple(value) if isinstance(value, tuple | list) and len(value) == 2 else (value, value)


def draw_scene(
    dice: Dice, size: tuple[int, int], objects: tuple[int, int]
) -> tuple[Image.Image, Image.Image, list[str]]:
    """Return picture and map of numbers, at `SUPER` times the size, and each object's kind."""
    ground = dice.colour(GROUND)
    picture = backdrop(dice, ground, 16, size)
    numbers = Image.new("L", picture.size)
    brush, counter = ImageDraw.Draw(picture), ImageDraw.Draw(numbers)
    for _ in range(dice.pick((0, 2, 4))):
        stain(dice, brush, ground, size)
    cells = placed(dice, size, objects)
    plasma, core = dice.colour(PLASMA), dice.colour(CORE)
    strength = dice.between(0.45, 1.0)  # how far the colours stand out from the ground
    for number, cell in enumerate(cells, 1):
        draw_cell(dice, cell, (brush, counter), number, faded((plasma, core), ground, strength))
    return picture, numbers, [cell.kind for cell in cells]


def placed(dice: Dice, size: tuple[int, int], objects: tuple[int, int]) -> list[Cell]:
    """Return cells, the back one first, that cover each other by little and lie in the frame."""
    height, width = size
    cells: list[Cell] = []
    for _ in range(int(dice.between(objects[0], objects[1] + 1))):
        for _ in range(20):
            kind = dice.pick(SHARES)
            radius = dice.between(*RADII[kind])
            x, y = dice.between(0, width), dice.between(0, height)
            if cells and dice.chance(0.45):  # beside another one, touching it
                other, angle = dice.pick(cells), dice.between(0, 2 * math.pi)
                reach = (other.radius + radius) * dice.between(0.86, 1.0)
                x, y = other.x + reach * math.cos(angle), other.y + reach * math.sin(angle)
            cell = Cell(kind, round(x * SUPER) / SUPER, round(y * SUPER) / SUPER, radius)
            if 0 <= cell.x < width and 0 <= cell.y < height and not crowded(cell, cells):
                cells.append(cell)
                break
    return cells


def crowded(cell: Cell, cells: list[Cell]) -> bool:
    """Tell whether a cell would cover much of another one."""
    return any(
        math.hypot(cell.x - other.x, cell.y - other.y) < 0.82 * (cell.radius + other.radius)
        for other in cells
    )


def faded(colours: Iterable[Colour], ground: Colour, strength: float) -> list[Colour]:
    """Return colours moved towards the ground; strength 1 leaves them, 0 hides them."""
    return [
        tuple(int(g + (c - g) * strength) for c, g in zip(colour, ground, strict=True))
        for colour in colours
    ]


def draw_cell(
    dice: Dice,
    cell: Cell,
    canvases: tuple[ImageDraw.ImageDraw, ImageDraw.ImageDraw],
    number: int,
    colours: list[Colour],
) -> None:
    """Draw a cell in its colours on one canvas, and its outline's inside as a number on another."""
    unit, tilt, stretch = BIG / SUPER, dice.between(0, math.pi), dice.between(0.85, 1.15)
    pose = cell.x / unit, cell.y / unit, cell.radius / unit, 1, tilt, stretch
    on_picture, on_map = (Pen(canvas, *pose) for canvas in canvases)
    outline = wobbly(dice, 0.16 if cell.kind == "fragment" else 0.07)
    plasma, core = (shade(colour, dice.between(0.9, 1.1)) for colour in colours)
    on_picture.poly(core if cell.kind == "fragment" else plasma, *outline)
    on_map.poly(number, *outline)
    inside(dice, on_picture, cell.kind, plasma, core)


def wobbly(dice: Dice, unevenness: float) -> list[tuple[float, float]]:
    """Return the corners of a round outline of mean radius 1, at least 0.8 everywhere."""
    low, high = dice.between(0, 2 * math.pi), dice.between(0, 2 * math.pi)
    angles = [2 * math.pi * k / CORNERS for k in range(CORNERS)]
    radii = [1 + unevenness * (math.sin(2 * a + low) + math.sin(3 * a + high)) / 2 for a in angles]
    return [(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]


def inside(dice: Dice, pen: Pen, kind: str, plasma: Colour, core: Colour) -> None:
    """Draw what lies in a cell, none of it farther than 0.8 of the radius from the middle."""
    if kind == "ring" and dice.chance(0.75):  # the others are plain discs
        r = dice.between(0.3, 0.55)
        pen.oval(shade(plasma, 1.12), dice.between(-0.1, 0.1), dice.between(-0.1, 0.1), r, r)
    elif kind == "nucleated":
        for _ in range(dice.pick((1, 1, 2, 3))):  # lobes
            x, y, r = dice.between(-0.3, 0.3), dice.between(-0.3, 0.3), dice.between(0.22, 0.36)
            pen.oval(core, x, y, r, r * dice.between(0.75, 1.0))
    elif kind == "fragment":
        pen.oval(plasma, dice.between(-0.3, 0.3), dice.between(-0.3, 0.3), 0.25, 0.25)


def stain(dice: Dice, brush: ImageDraw.ImageDraw, ground: Colour, size: tuple[int, int]) -> None:
    """Draw a faint blot that is no object."""
    unit = BIG / SUPER
    x, y = dice.between(0, size[1]) / unit, dice.between(0, size[0]) / unit
    pen = Pen(brush, x, y, dice.between(3, 11) / unit)
    pen.oval(shade(ground, dice.between(0.9, 1.06)), 0, 0, 1, dice.between(0.5, 1.0))


def developed(dice: Dice, pixels: np.ndarray) -> np.ndarray:
    """Return a picture (height, width, 3) as a microscope may show it: focus, light and grain."""
    height, width = pixels.shape[:2]
    for _ in range(dice.pick((0, 0, 1, 2))):  # out of focus
        for axis in (0, 1):
            edge = np.pad(pixels, [(int(a == axis),) * 2 for a in range(3)], mode="edge")
            before, after = (edge.take(range(k, k + pixels.shape[axis]), axis) for k in (0, 2))
            pixels = (before + 2 * pixels + after) / 4
    down, across = dice.between(-0.3, 0.3), dice.between(-0.3, 0.3)
    rows, columns = np.arange(height) / height - 0.5, np.arange(width) / width - 0.5
    light = 1 + down * rows[:, None, None] + across * columns[None, :, None]
    contrast, bright, noise = dice.between(0.7, 1.3), dice.between(-45, 20), dice.pick((4, 9, 16))
    grain = dice.rng.integers(-noise, noise + 1, pixels.shape)
    return np.clip((pixels * light - 170) * contrast + 170 + bright + grain, 0, 255).astype(
        np.uint8
    )


def reduced(numbers: np.ndarray, n_objects: int) -> np.ndarray:
    """Return a map of numbers at the picture's size: the object that fills half a pixel or more."""
    height, width = (side // SUPER for side in numbers.shape)
    blocks = numbers.reshape(height, SUPER, width, SUPER).swapaxes(1, 2).reshape(height, width, -1)
    mask = np.zeros((height, width), np.uint16)
    for number in range(1, n_objects + 1):  # the front one last
        mask[2 * (blocks == number).sum(axis=2) >= SUPER * SUPER] = number
    return mask


def numbered(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a mask whose objects are numbered 1 to k without gaps, and their numbers before.

    Parameters
    ----------
    mask
        (height, width) whole numbers of at least 0; 0 is background.

    Returns
    -------
    mask, numbers
        (height, width) uint16, in the order of the numbers before; those k numbers, ascending.
    """
    numbers = np.unique(mask)
    numbers = numbers[numbers > 0]
    places = np.searchsorted(numbers, mask) + 1
    return np.where(mask > 0, places, 0).astype(np.uint16), numbers


def visible_boxes(mask: np.ndarray) -> np.ndarray:
    """Return the bounds of each object's pixels, (k, 4) float32: x0, y0, x1, y1 in pixel edges.

    Parameters
    ----------
    mask
        (height, width) whole numbers: 0 background, 1 to k the objects, each with a pixel or more.
    """
    down, across = np.nonzero(mask)
    objects, edges = mask[down, across].astype(int) - 1, np.stack([across, down], axis=1)
    first = np.full((objects.max(initial=-1) + 1, 2), max(mask.shape))
    last = np.zeros_like(first)
    np.minimum.at(first, objects, edges)
    np.maximum.at(last, objects, edges + 1)
    return np.hstack([first, last]).astype(np.float32)
