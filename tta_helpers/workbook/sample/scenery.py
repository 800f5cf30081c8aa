"""Scenery: the places that objects are met in, and the clutter that stands there."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from tta_helpers.workbook.sample.canvas import SIZE, SUPER, Dice, Pen
from tta_helpers.workbook.sample.colours import FUR, GLASS, GRASS, LEAF, PAINT, SKY, Colour, shade


class Scene(NamedTuple):
    """A place: colours above and below a horizon (a fraction of the height), and what stands there.

    `behind` and `ahead` name functions that draw clutter behind and in front of the object.
    """

    above: tuple[Colour, ...]
    below: tuple[Colour, ...]
    horizon: tuple[float, float]
    behind: tuple[str, ...]
    ahead: tuple[str, ...]


SCENES = {
    "sky": Scene(SKY, SKY, (1.2, 1.3), ("cloud", "cloud"), ("cloud",)),
    "sea": Scene(SKY, ((62, 98, 130), (88, 122, 138), (48, 74, 104)), (0.3, 0.6), ("hill",), ()),
    "road": Scene(
        (*SKY, (150, 138, 128)),
        ((104, 104, 106), (138, 134, 128), (82, 82, 86)),
        (0.4, 0.65),
        ("house", "tree", "pole"),
        ("pole", "grass"),
    ),
    "field": Scene(
        (*SKY, *LEAF), GRASS, (0.25, 0.6), ("tree", "hill", "fence"), ("grass", "fence")
    ),
    "forest": Scene(
        LEAF, (*GRASS, (106, 86, 60)), (0.4, 0.7), ("tree", "trunk"), ("grass", "trunk")
    ),
    "indoor": Scene(
        ((196, 184, 164), (150, 160, 170), (174, 140, 122), (208, 206, 200)),
        ((142, 104, 70), (176, 164, 148), (110, 74, 66), (90, 98, 118)),
        (0.45, 0.7),
        ("frame", "frame"),
        ("cushion",),
    ),
    "snow": Scene(
        (*SKY, *LEAF), ((226, 230, 236), (206, 212, 222)), (0.3, 0.6), ("tree", "hill"), ()
    ),
    "sand": Scene(SKY, ((204, 182, 140), (170, 148, 116)), (0.25, 0.55), ("hill",), ("grass",)),
}


def clutter(kind: str, canvas: ImageDraw.ImageDraw, dice: Dice, horizon: float) -> None:
    """Draw one piece of scenery, at a place of its own; `horizon` is a fraction of the height."""
    x, size = dice.between(0.0, 1.0), dice.between(0.6, 1.4)
    pen = Pen(canvas, x, min(horizon + dice.between(0.0, 0.1), 1.0), 0.25 * size)
    if kind == "cloud":
        white = dice.colour(((236, 238, 242), (206, 210, 218)), 10)
        pen = Pen(canvas, x, dice.between(0.05, 0.95), 0.25 * size)
        for dx in (-0.5, 0.0, 0.5):
            pen.oval(white, dx, dice.between(-0.1, 0.15), 0.6, 0.26)
    elif kind == "hill":
        pen.oval(dice.colour(((96, 108, 112), (110, 118, 92))), 0, -0.1, 2.2, 0.7)
    elif kind == "tree":
        pen.limb((84, 64, 48), 0.18, (0, 0), (0, 1.0))
        for _ in range(3):
            pen.oval(dice.colour(LEAF), dice.between(-0.3, 0.3), dice.between(0.9, 1.5), 0.55, 0.5)
    elif kind == "trunk":
        pen.limb(dice.colour(((84, 64, 48), (110, 98, 84))), 0.3 * size, (0, -0.6), (0.1, 4))
    elif kind == "house":
        pen.box(dice.colour(((176, 150, 130), (140, 90, 76), (190, 188, 180))), -0.9, 0, 0.9, 1.4)
        for dx in (-0.6, -0.1, 0.4):
            pen.box(shade(GLASS, 0.8), dx, 0.7, dx + 0.25, 1.05)
    elif kind == "pole":
        pen.limb(dice.colour(((90, 90, 92), (120, 104, 84))), 0.12, (0, -1.5), (0, 4))
    elif kind == "fence":
        wood, y = dice.colour(((150, 128, 100), (222, 220, 212))), dice.between(-0.6, 0.3)
        pen.limb(wood, 0.1, (-4, y), (4, y))
        for dx in range(-4, 5, 2):
            pen.limb(wood, 0.12, (dx, y - 0.5), (dx, y + 0.3))
    elif kind == "frame":
        pen = Pen(canvas, x, dice.between(0.1, 0.5), 0.25 * size)
        pen.box(dice.colour((*PAINT, *FUR)), -0.7, -0.6, 0.7, 0.6)
        pen.box(dice.colour((*SKY, *FUR)), -0.55, -0.45, 0.55, 0.45)
    elif kind == "cushion":
        pen = Pen(canvas, x, 1.0, 0.25 * size)
        pen.oval(dice.colour(PAINT), 0, 0, 1.3, dice.between(0.3, 0.8))
    elif kind == "grass":
        pen, green = Pen(canvas, x, 1.02, 0.25 * size), dice.colour((*GRASS, *LEAF))
        for _ in range(7):
            dx = dice.between(-1.2, 1.2)
            pen.limb(green, 0.07, (dx, 0), (dx + dice.between(-0.3, 0.3), dice.between(0.4, 1.1)))


def backdrop(
    dice: Dice, colour: Colour, rough: int, size: tuple[int, int] = (SIZE, SIZE)
) -> Image.Image:
    """Return a canvas of one colour, mottled by up to `rough` grey levels.

    `size` is the finished picture's height and width in pixels.
    """
    rows, columns = dice.pick(((3, 3), (8, 4), (5, 9), (12, 12)))
    mottle = dice.rng.integers(-rough, rough + 1, (rows, columns, 1))
    tile = np.clip(np.array(colour) + mottle, 0, 255).astype(np.uint8)
    # Smooth at the finished size, then enlarged plainly: a third of the time, the same look. Only
    # ever enlarged: Pillow's versions differ in how they shrink an image.
    height, width = size
    smooth = Image.fromarray(tile).resize((width, height), Image.Resampling.BILINEAR)
    return smooth.resize((width * SUPER, height * SUPER), Image.Resampling.NEAREST)
