"""A procedural stand-in for CIFAR-10, so that the workbook runs anywhere, offline.

Ten classes with CIFAR-10's names are drawn by code: silhouettes with posed parts, in scenery, with
light, texture, clutter and something in the way, at four times the size and then averaged down to
32x32. They are drawings for teaching and testing, not photographs: a number measured on them says
nothing about CIFAR-10.

Each image has a random stream of its own, keyed by seed, split, class and index, so an image does
not depend on how many others are drawn. The streams give only uniform doubles and integers, and
every coordinate is rounded to a whole pixel before it is drawn; no font and no platform function
takes part. So a seed gives the same images on every machine that has the locked Pillow; versions
11.3 to 13 agree to the byte, an older one may fill an edge differently.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

CLASS_NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
SIZE = 32  # pixels a side of a finished image
SUPER = 4  # drawn this many times larger, then averaged down: soft edges, as a lens gives
BIG = SIZE * SUPER

Colour = tuple[int, int, int]
Point = tuple[float, float]

# Palettes are shared between classes, so that colour alone does not name one.
FUR = ((92, 62, 40), (150, 108, 70), (46, 42, 42), (128, 124, 120), (214, 204, 188), (186, 122, 62))
PAINT = (
    *((205, 208, 212), (178, 38, 38), (44, 78, 150), (52, 54, 60), (214, 176, 50), (56, 112, 78)),
    *((240, 240, 236), (130, 136, 142), (204, 108, 46)),
)
PLUMAGE = (*FUR, (66, 96, 150), (176, 60, 48), (236, 236, 232))
SKIN = ((82, 128, 52), (112, 134, 62), (118, 96, 58), (70, 92, 60), (146, 150, 70), (98, 70, 48))
GLASS, TYRE, BLACK, WHITE = (62, 80, 98), (28, 28, 30), (18, 16, 16), (238, 238, 232)


class Scene(NamedTuple):
    """A place: colours above and below a horizon (a fraction of the height), and what stands there.

    `behind` and `ahead` name functions that draw clutter behind and in front of the object.
    """

    above: tuple[Colour, ...]
    below: tuple[Colour, ...]
    horizon: tuple[float, float]
    behind: tuple[str, ...]
    ahead: tuple[str, ...]


SKY = ((132, 178, 226), (186, 204, 222), (92, 132, 190), (222, 196, 172), (156, 162, 172))
LEAF = ((58, 84, 48), (84, 104, 62), (96, 92, 66), (46, 62, 50))
GRASS = ((94, 128, 62), (128, 142, 78), (150, 138, 88), (72, 98, 52))
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


class Dice:
    """The random choices of one image, all made from one stream of uniform doubles."""

    def __init__(self, key: Sequence[int]):
        self.rng = np.random.default_rng(key)

    def between(self, low: float, high: float) -> float:
        """Return a double of [low, high)."""
        return low + (high - low) * self.rng.random()

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.rng.random() < probability

    def pick(self, items: Sequence):
        """Return one of the items; an item that is listed twice is twice as likely."""
        return items[int(self.rng.random() * len(items))]

    def colour(self, palette: Sequence[Colour], spread: float = 17) -> Colour:
        """Return a colour of the palette, moved a little in each channel."""
        return tuple(int(c + self.between(-spread, spread)) for c in self.pick(palette))


def shade(colour: Colour, factor: float) -> Colour:
    """Return the colour made darker (factor below 1) or lighter (above 1), within 0 to 255."""
    return tuple(max(0, min(255, int(c * factor))) for c in colour)


class Pen:
    """Draws parts in an object's own frame: x ahead, y up, feet at y = 0, about 2 units long.

    The frame's pose (place, size, heading, tilt, stretch) is applied to every point, so the class
    functions below draw one upright object that heads right.
    """

    def __init__(
        self,
        canvas: ImageDraw.ImageDraw,
        x: float,
        y: float,
        size: float,
        heading: int = 1,
        tilt: float = 0.0,
        stretch: float = 1.0,
        aloft: bool = False,
    ):
        self.draw = canvas
        self.aloft = aloft  # nothing to stand on
        self.origin, self.size = (x * BIG, y * BIG), size * BIG
        cos, sin = math.cos(tilt) * self.size, math.sin(tilt) * self.size
        self.matrix = (heading * stretch * cos, -heading * sin, stretch * sin, cos)

    def at(self, x: float, y: float) -> tuple[int, int]:
        """Return the pixel of a point of the frame."""
        a, b, c, d = self.matrix
        # Whole pixels: rounding hides the last bits in which two machines' arithmetic may differ.
        return round(self.origin[0] + a * x + b * y), round(self.origin[1] - c * x - d * y)

    def poly(self, colour: Colour, *points: Point) -> None:
        """Fill a polygon."""
        self.draw.polygon([self.at(x, y) for x, y in points], fill=colour)

    def box(self, colour: Colour, left: float, low: float, right: float, high: float) -> None:
        """Fill a rectangle."""
        self.poly(colour, (left, low), (right, low), (right, high), (left, high))

    def oval(
        self, colour: Colour, x: float, y: float, rx: float, ry: float, tilt: float = 0
    ) -> None:
        """Draw an ellipse with half axes rx and ry, the first turned up by `tilt` radians."""
        a, b, c, d = self.matrix
        cos, sin = math.cos(tilt), math.sin(tilt)
        left, top = self.origin[0] + a * x + b * y, self.origin[1] - c * x - d * y
        # The half axes in pixels; an ellipse stays an ellipse under the frame's pose.
        ax, ay = rx * (a * cos + b * sin), -rx * (c * cos + d * sin)
        bx, by = ry * (b * cos - a * sin), -ry * (d * cos - c * sin)
        points = [(round(left + ax * u + bx * v), round(top + ay * u + by * v)) for u, v in CIRCLE]
        self.draw.polygon(points, fill=colour)

    def limb(self, colour: Colour, width: float, *points: Point) -> None:
        """Draw a bent line with round joints, `width` thick."""
        pixels = [self.at(x, y) for x, y in points]
        thick = max(1, round(width * self.size))
        self.draw.line(pixels, fill=colour, width=thick)
        for x, y in pixels:
            r = thick // 2
            self.draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)


# Points of the unit circle.
CIRCLE = [(math.cos(k * math.pi / 8), math.sin(k * math.pi / 8)) for k in range(16)]

# ---------------------------------------------------------------------------------------- animals


class Beast(NamedTuple):
    """A four-legged animal in units of the object's frame; every number varies by 15 % an image."""

    length: float  # half the trunk's length
    depth: float  # half the trunk's depth
    leg: float
    girth: float  # thickness of a leg
    neck: float
    head: float  # radius of the skull
    snout: float


BEASTS = {
    "cat": Beast(0.54, 0.19, 0.30, 0.10, 0.14, 0.25, 0.0),
    "dog": Beast(0.52, 0.21, 0.42, 0.12, 0.26, 0.20, 0.25),
    "deer": Beast(0.50, 0.19, 0.66, 0.06, 0.46, 0.13, 0.18),
    "horse": Beast(0.60, 0.25, 0.58, 0.10, 0.50, 0.14, 0.30),
}


def ear(pen: Pen, name: str, coat: Colour, x: float, y: float, r: float, side: float) -> None:
    """Draw an ear on a skull of radius r at (x, y); `side` runs from -1 (behind) to 1 (ahead)."""
    ex, ey = x + side * r * 0.6, y + r * 0.6
    if name == "cat":
        pen.poly(coat, (ex - r * 0.45, ey), (ex + side * r * 0.25, ey + r), (ex + r * 0.45, ey))
    elif name == "dog":
        ex, ey = ex + side * r * 0.3, ey - r * 0.5
        pen.oval(shade(coat, 0.6), ex, ey, r * 0.35, r * 0.85, side * 0.25)
    elif name == "deer":
        ex, ey = ex + side * r * 0.8, ey + r * 0.3
        pen.oval(shade(coat, 0.85), ex, ey, r * 0.75, r * 0.32, side * 0.5)
    else:
        pen.poly(coat, (ex - r * 0.3, ey), (ex, ey + r * 0.9), (ex + r * 0.3, ey))


def antlers(pen: Pen, dice: Dice, x: float, y: float, sides: Sequence[float]) -> None:
    """Draw a branching antler for each side."""
    bone, h = dice.colour(((176, 150, 112), (96, 76, 56)), 12), dice.between(0.35, 0.6)
    for side in sides:
        for line in (
            ((0, 0), (0.6, 0.4), (0.75, 1)),
            ((0.35, 0.24), (0.2, 0.8)),
            ((0.6, 0.4), (1, 0.6)),
        ):
            pen.limb(bone, 0.05, *((x + side * h * u, y + h * v) for u, v in line))


def face(pen: Pen, dice: Dice, name: str, coat: Colour) -> None:
    """Draw a head seen from the front, with the chest below it."""
    long = {"cat": 0.0, "dog": 0.25, "deer": 0.55, "horse": 0.75}[name]
    r, y = 0.62 - 0.2 * long, 0.95
    pen.oval(shade(coat, 0.75), 0, 0.05, r * 0.9, 0.75)
    if name == "deer" and dice.chance(0.75):
        antlers(pen, dice, 0.0, y + r * 0.7, (-1, 1))
    for side in (-1, 1):
        ear(pen, name, shade(coat, 0.85), 0, y, r, side)
    pen.oval(coat, 0, y, r, r * 0.9)
    turn = dice.between(-0.12, 0.22)
    if long:
        pen.oval(coat, turn, y - r * (0.4 + long), r * (0.8 - 0.35 * long), r * (0.45 + long))
    if name == "horse":
        pen.poly(shade(coat, 0.45), (-0.15, y + r), (0.2, y + r), (0.05, y + 0.05))
    pale = shade(coat, 1.35)
    low = y - r * (0.38 + 1.3 * long)
    pen.oval(pale, turn, low, r * 0.42, r * 0.32)
    pen.oval(BLACK if name != "cat" else (150, 84, 84), turn, low + r * 0.12, r * 0.17, r * 0.12)
    iris = dice.colour(((170, 170, 60), (90, 150, 90)), 15) if name == "cat" else shade(coat, 0.4)
    for side in (-1, 1):
        ex = turn * 0.7 + side * r * (0.42 + 0.2 * (long > 0.5))
        pen.oval(iris, ex, y + r * 0.12, r * 0.19, r * 0.17)
        pen.oval(BLACK, ex, y + r * 0.12, r * (0.07 if name == "cat" else 0.12), r * 0.15)
        if name == "cat":
            pen.limb(WHITE, 0.02, (turn + side * 0.15, low), (turn + side * 0.6, low + 0.08))


def profile(pen: Pen, dice: Dice, name: str, beast: Beast, coat: Colour, at: Point) -> None:
    """Draw a head seen from the side."""
    (x, y), r, s = at, beast.head, beast.snout
    droop = dice.between(-0.1, 0.5) + (0.0 if name in PETS else 0.5)  # of the nose, in radians
    nose = (x + (r * 0.5 + s) * math.cos(droop), y - r * 0.25 - (r * 0.5 + s) * math.sin(droop))
    if name == "deer" and dice.chance(0.7):
        antlers(pen, dice, x, y + r * 0.7, (-0.8, 0.7))
    ear(pen, name, shade(coat, 0.75), x, y, r, -1)
    pen.limb(coat, r * 1.2, (x, y - r * 0.2), nose)
    pen.oval(coat, x, y, r, r * 0.95)
    pen.oval(BLACK, nose[0] + r * 0.4, nose[1] + r * 0.2, r * 0.22, r * 0.2)
    pen.oval(BLACK, x + r * 0.4, y + r * 0.2, r * 0.17, r * 0.2)
    ear(pen, name, coat, x, y, r, 0.4 if name == "cat" else -0.5)


PETS = ("cat", "dog")


def sit(pen: Pen, dice: Dice, beast: Beast, coat: Colour) -> Point:
    """Draw the trunk and legs of a sitting pet; return where its chest is."""
    depth, girth = beast.depth, beast.girth
    hip, chest = -beast.length * 0.55, (beast.length * 0.35, beast.leg + 2 * depth)
    tail = ((hip, girth), (hip - 0.4, girth * 0.7), (hip - 0.55, dice.between(0.2, 0.6)))
    pen.limb(coat, girth, *tail)
    pen.limb(coat, depth * 2.1, (hip, depth), chest)
    pen.oval(shade(coat, 0.72), hip + 0.05, depth * 0.9, depth * 1.3, depth)
    for x in (-0.02, 0.1):
        pen.limb(shade(coat, 0.8 + 2 * x), girth, chest, (chest[0] + x, girth / 2))
    return chest


def stand(pen: Pen, dice: Dice, name: str, beast: Beast, coat: Colour) -> Point:
    """Draw the trunk, tail and four walking legs; return where the chest is."""
    length, depth, leg, girth = beast[:4]
    top, dark = leg + depth, shade(coat, 0.72)
    stride = dice.between(0.02, 0.3)
    for near, tone in ((-1, dark), (1, coat)):
        for hip, swing in ((-length * 0.75, near), (length * 0.75, -near)):
            foot = hip + swing * stride * leg
            knee = (hip + foot) / 2 + 0.08 * leg
            pen.limb(tone, girth, (hip, top), (knee, leg * 0.5), (foot, girth / 2))
    x, y = -length, top + depth * 0.4
    if name == "horse":
        pen.limb(shade(coat, 0.5), 0.12, (x, y), (x - 0.16, top), (x - 0.18, leg * 0.5))
    elif name == "deer":
        pen.oval(WHITE, x * 0.95, top + depth * 0.3, 0.1, 0.15)
    elif name == "dog":
        pen.limb(coat, girth * 0.7, (x, y), (x - 0.3, y + dice.between(-0.2, 0.4)))
    else:
        lift = dice.between(0.3, 0.7)
        pen.limb(coat, girth * 0.8, (x, y), (x - 0.25, y + lift * 0.4), (x - 0.2, y + lift))
    pen.oval(dark, 0, top - depth * 0.15, length, depth)
    pen.oval(coat, 0, top + depth * 0.08, length, depth * 0.88)
    pen.oval(shade(coat, 1.22), 0, top + depth * 0.45, length * 0.7, depth * 0.35)
    width = dice.pick((0, 0, 0.16, 0.03, 0.05))  # plain, plain, patches, stripes, spots
    if width:
        ink = dice.colour((WHITE, shade(coat, 0.5), shade(coat, 0.5)), 5)
        for k in range(-2, 3):
            x, y = k * length * 0.35 + dice.between(-0.05, 0.05), dice.between(-0.3, 0.5)
            pen.oval(ink, x, top + y * depth, width, max(width, depth * 0.3))
    return length * 0.75, top


def quadruped(pen: Pen, dice: Dice, name: str) -> None:
    """Draw a cat, deer, dog or horse: its face, or all of it from the side."""
    beast = Beast(*(v * dice.between(0.85, 1.15) for v in BEASTS[name]))
    coat, pet = dice.colour(FUR), name in PETS
    if dice.chance(0.4 if pet else 0.15):
        face(pen, dice, name, coat)
        return
    if pet and dice.chance(0.4):
        x, y = sit(pen, dice, beast, coat)
    else:
        x, y = stand(pen, dice, name, beast, coat)
    grazing = not pet and dice.chance(0.3)
    angle = dice.between(-0.8, 0.1) if grazing else dice.between(0.5, 1.2)
    head = (x + beast.neck * math.cos(angle), y + beast.depth * 0.4 + beast.neck * math.sin(angle))
    pen.limb(coat, beast.depth * (1.2 if pet else 1.0), (x, y), head)
    if name == "horse":
        mane = ((x - 0.12, y + beast.depth), (head[0] - 0.1, head[1] + 0.1))
        pen.limb(shade(coat, 0.45), 0.11, *mane)
    profile(pen, dice, name, beast, coat, (head[0] + beast.head * 0.3, head[1]))


def bird(pen: Pen, dice: Dice) -> None:
    """Draw a bird in flight or standing."""
    coat = dice.colour(PLUMAGE)
    dark, pale = shade(coat, 0.65), dice.colour((shade(coat, 1.3), WHITE, (196, 112, 60)), 12)
    beak = dice.colour(((216, 152, 50), (60, 54, 48), (190, 90, 50)), 12)
    if pen.aloft or dice.chance(0.3):
        y, rise = 0.6, dice.pick((-1, 1, 1)) * dice.between(0.55, 0.95)  # of the wings
        pen.poly(dark, (0.25, y), (-0.2, y), (-0.35, y + rise), (0.0, y + rise * 0.9))
        pen.poly(dark, (-0.4, y), (-0.95, y + 0.14), (-0.9, y - 0.12))
        pen.oval(coat, 0, y, 0.5, 0.17)
        pen.oval(pale, 0.05, y - 0.07, 0.35, 0.09)
        wing = shade(coat, 0.85)
        pen.poly(wing, (0.3, y), (-0.2, y), (-0.6, y + rise), (-0.1, y + rise * 0.7))
        head, r = (0.52, y + 0.08), 0.15
    else:
        lean, neck, leg = dice.between(0.2, 0.9), dice.between(0.0, 0.45), dice.between(0.15, 0.5)
        y = leg + 0.3
        for x in (-0.05, 0.1):
            pen.limb(beak, 0.04, (x, y - 0.15), (x + 0.03, 0.0), (x + 0.14, 0.0))
        dx, dy = math.cos(lean), math.sin(lean)
        pen.poly(dark, (-0.4 * dx, y - 0.4 * dy + 0.1), (-dx, y - dy), (-0.85 * dx, y - dy - 0.12))
        pen.oval(coat, 0, y, 0.5, 0.29, lean)
        pen.oval(pale, 0.14, y - 0.05, 0.3, 0.18, lean)
        pen.oval(dark, -0.15, y, 0.42, 0.16, lean)
        head, r = (0.42 * dx + neck * 0.3, y + 0.42 * dy + 0.1 + neck), dice.between(0.16, 0.22)
        pen.limb(coat, 0.2, (0.3 * dx, y + 0.3 * dy), head)
    hx, hy = head
    long = dice.between(0.14, 0.4)
    pen.poly(beak, (hx + r * 0.7, hy + 0.07), (hx + r + long, hy - 0.03), (hx + r * 0.7, hy - 0.09))
    pen.oval(dice.pick((coat, dark, pale)), hx, hy, r, r)
    pen.oval(BLACK, hx + r * 0.4, hy + r * 0.25, r * 0.24, r * 0.24)


def frog(pen: Pen, dice: Dice) -> None:
    """Draw a frog seen from the side or from the front."""
    coat = dice.colour(SKIN)
    dark, pale = shade(coat, 0.68), shade(coat, 1.4)
    fat = dice.between(0.85, 1.15)
    if dice.chance(0.4):  # from the front
        for side in (-1, 1):
            pen.oval(dark, side * 0.62, 0.28, 0.3, 0.3 * fat)
            pen.limb(coat, 0.14, (side * 0.4, 0.4), (side * 0.55, 0.06), (side * 0.8, 0.03))
        pen.oval(coat, 0, 0.42, 0.6, 0.4 * fat)
        pen.oval(pale, 0, 0.25, 0.42, 0.24)
        pen.limb(dark, 0.05, (-0.42, 0.46), (0, 0.4), (0.42, 0.46))
        eyes = ((-0.34, 0.82 * fat), (0.34, 0.82 * fat))
    else:
        back = ((-0.75, 0.12), (-0.55, 0.5 * fat), (0.3, 0.95 * fat), (0.85, 0.6), (0.5, 0.2))
        pen.poly(coat, *back)
        pen.oval(coat, 0.42, 0.6 * fat, 0.46, 0.27)
        pen.oval(pale, 0.3, 0.3, 0.42, 0.18, 0.3)
        pen.limb(dark, 0.05, (0.2, 0.5), (0.84, 0.55))
        pen.limb(coat, 0.15, (0.25, 0.4), (0.38, 0.15), (0.62, 0.04))
        pen.oval(dark, -0.42, 0.28, 0.42, 0.24, 0.5)
        pen.limb(dark, 0.15, (-0.7, 0.1), (-0.1, 0.06), (0.12, 0.04))
        eyes = ((0.42, 0.9 * fat),)
    for _ in range(4):
        pen.oval(dark, dice.between(-0.35, 0.3), dice.between(0.45, 0.65), 0.07, 0.06)
    for x, y in eyes:
        pen.oval(coat, x, y, 0.2, 0.2)
        pen.oval(dice.colour(((214, 180, 60), (190, 110, 50)), 15), x, y + 0.02, 0.14, 0.14)
        pen.oval(BLACK, x, y + 0.02, 0.07, 0.1)


# --------------------------------------------------------------------------------------- vehicles


def wheels(pen: Pen, dice: Dice, places: Sequence[float], r: float) -> None:
    """Draw wheels of radius r on the ground."""
    for x in places:
        pen.oval(TYRE, x, r, r, r)
        pen.oval(dice.colour(((150, 152, 156), (90, 90, 94)), 15), x, r, r * 0.5, r * 0.5)


# Roof lines of cars as (x, height) above the belt line, from tail to bonnet.
ROOFS = (
    ((-0.75, 0.0), (-0.45, 0.36), (0.2, 0.36), (0.55, 0.0)),  # saloon
    ((-0.95, 0.0), (-0.85, 0.40), (0.15, 0.40), (0.55, 0.0)),  # estate
    ((-0.85, 0.0), (-0.2, 0.30), (0.1, 0.30), (0.55, 0.0)),  # coupe
    ((-0.70, 0.0), (-0.6, 0.44), (0.25, 0.46), (0.65, 0.0)),  # small car
)


def automobile(pen: Pen, dice: Dice) -> None:
    """Draw a car seen from the side, or from the front."""
    paint, r = dice.colour(PAINT), dice.between(0.17, 0.22)
    dark = shade(paint, 0.7)
    if dice.chance(0.25):  # from the front
        tall = dice.between(0.9, 1.1)
        for side in (-1, 1):
            pen.box(TYRE, side * 0.66 - 0.12, 0, side * 0.66 + 0.12, 0.3)
        pen.poly(paint, (-0.66, 0.6), (-0.48, 1.02 * tall), (0.48, 1.02 * tall), (0.66, 0.6))
        pen.poly(GLASS, (-0.55, 0.62), (-0.42, 0.95 * tall), (0.42, 0.95 * tall), (0.55, 0.62))
        pen.box(paint, -0.8, 0.16, 0.8, 0.64)
        pen.box(dark, -0.8, 0.14, 0.8, 0.28)
        pen.box(TYRE, -0.4, 0.3, 0.4, 0.46)
        for side in (-1, 1):
            pen.oval((240, 234, 200), side * 0.6, 0.44, 0.13, 0.09)
        return
    belt, roof = dice.between(0.46, 0.56), dice.pick(ROOFS)
    rise = dice.between(0.85, 1.15)
    pen.poly(paint, *((x, belt + h * rise - 0.02 + 0.02 * (h > 0)) for x, h in roof))
    mid = (roof[1][0] + roof[2][0]) / 2
    inner = [(mid + (x - mid) * 0.86, belt + h * rise * 0.84) for x, h in roof]
    pen.poly(shade(GLASS, dice.between(0.7, 1.5)), *inner)
    pen.box(paint, mid - 0.04, belt, mid + 0.04, belt + 0.3)
    pen.poly(paint, (-1, 0.18), (-1, belt), (0.6, belt), (0.98, belt - 0.1), (1, 0.18))
    pen.poly(dark, (-1, 0.16), (-1, 0.28), (1, 0.28), (1, 0.16))
    pen.limb(shade(paint, 1.3), 0.03, (-0.95, belt - 0.03), (0.6, belt - 0.03))
    pen.box((236, 226, 170), 0.9, belt - 0.2, 0.99, belt - 0.11)
    pen.box((170, 36, 30), -1.0, belt - 0.16, -0.93, belt - 0.05)
    wheels(pen, dice, (-0.6, 0.6), r)


def truck(pen: Pen, dice: Dice) -> None:
    """Draw a lorry with a box, a tank, a tipper or an open bed, seen from the side or the front."""
    paint, load, r = dice.colour(PAINT), dice.colour(PAINT), dice.between(0.16, 0.21)
    dark, high = shade(paint, 0.7), dice.between(0.95, 1.2)
    if dice.chance(0.2):  # from the front
        pen.box(load, -0.68, 0.3, 0.68, high + 0.3)
        for side in (-1, 1):
            pen.box(TYRE, side * 0.52 - 0.13, 0, side * 0.52 + 0.13, 0.3)
        pen.box(paint, -0.62, 0.16, 0.62, high)
        pen.box(GLASS, -0.52, high * 0.58, 0.52, high * 0.9)
        pen.box(TYRE, -0.34, 0.28, 0.34, high * 0.45)
        for side in (-1, 1):
            pen.oval((240, 234, 200), side * 0.5, 0.32, 0.1, 0.08)
        return
    pen.box(shade(TYRE, 1.6), -1, 0.16, 0.95, 0.3)
    kind = dice.pick(("box", "box", "tank", "tipper", "bed"))
    if kind == "box":
        pen.box(load, -1.02, 0.28, 0.4, high + 0.12)
        pen.box(shade(load, 1.15), -1.02, high, 0.4, high + 0.12)
        stripe = dice.between(0.5, 0.8)
        pen.box(dice.colour(PAINT), -0.9, stripe, 0.3, stripe + 0.12)
    elif kind == "tank":
        pen.oval(load, -0.32, 0.6, 0.72, 0.34)
        pen.oval(shade(load, 1.25), -0.32, 0.75, 0.6, 0.12)
    elif kind == "tipper":
        pen.poly(load, (-1.05, 0.85), (-0.9, 0.3), (0.38, 0.3), (0.42, 0.85))
        pen.poly((120, 100, 76), (-0.9, 0.85), (-0.3, 1.08), (0.35, 0.85))
    else:
        pen.box(load, -1, 0.28, 0.4, 0.52)
        for x in (-0.7, -0.3, 0.1):
            pen.oval((122, 88, 56), x, 0.62, 0.2, 0.16)
    nose = dice.pick((0.0, 0.0, 0.22))  # length of the bonnet before the cab
    roof, sill, eaves = 0.78 - nose / 2, 0.96 - nose, high - 0.1
    pen.poly(paint, (0.45, 0.2), (0.45, high), (roof, high), (sill, 0.6), (0.98, 0.2))
    if nose:
        pen.box(paint, 0.6, 0.2, 1.02, 0.58)
    pen.poly(GLASS, (0.56, 0.62), (0.56, eaves), (roof - 0.04, eaves), (sill - 0.08, 0.62))
    pen.box(dark, 0.45, 0.18, 1.0, 0.28)
    wheels(pen, dice, dice.pick(((-0.75, -0.35, 0.68), (-0.6, 0.68))), r)


def airplane(pen: Pen, dice: Dice) -> None:
    """Draw an aeroplane from the side, wings towards the reader, or banking, seen from below."""
    paint, trim = dice.colour((*PAINT, WHITE, WHITE)), dice.colour(PAINT)
    dark, pale = shade(paint, 0.68), shade(paint, 1.2)
    sweep, y = dice.between(0.2, 0.5), 0.5
    if dice.chance(0.35):  # banking: both wings in sight
        slim, span = dice.between(0.1, 0.15), dice.between(0.6, 0.9)
        for side, tone in ((1, dark), (-1, paint)):
            reach = y + side * span * (0.75 if side > 0 else 1)
            pen.poly(tone, (0.3, y), (-0.3, y), (-0.1 - sweep, reach), (0.08 - sweep, reach))
            tip = y + side * span * 0.4
            pen.poly(trim, (-0.62, y), (-0.92, y), (-1.05, tip), (-0.9, tip))
        pen.oval(paint, 0, y, 1, slim)
        pen.oval(pale, 0.2, y + slim * 0.35, 0.7, slim * 0.4)
        pen.oval(GLASS, 0.75, y + 0.03, 0.12, slim * 0.4)
        return
    fat = dice.between(0.13, 0.19)
    if dice.chance(0.35):  # wheels down
        for x in (-0.1, 0.6):
            pen.limb(TYRE, 0.05, (x, y), (x, 0.12))
            pen.oval(TYRE, x, 0.1, 0.09, 0.09)
    root, tip = y + 0.1, y + 0.35
    pen.poly(dark, (0.2, root), (-0.1, root), (-0.25 - sweep, tip), (-0.1 - sweep, tip))
    pen.poly(trim, (-0.55, y), (-0.98, y + 0.6), (-0.78, y + 0.6), (-0.35, y + 0.1))
    pen.oval(paint, 0, y, 1, fat)
    pen.oval(pale, 0, y + fat * 0.5, 0.8, fat * 0.35)
    pen.oval(GLASS, 0.8, y + fat * 0.35, 0.1, fat * 0.3)
    pen.limb(shade(GLASS, 0.8), 0.04, (-0.6, y + 0.04), (0.55, y + 0.04))
    pen.poly(trim, (-0.7, y), (-1.05, y - 0.08), (-0.92, y - 0.08), (-0.5, y))
    tip = y - dice.between(0.25, 0.5)
    pen.poly(dark, (0.28, y - 0.05), (-0.22, y - 0.05), (-0.25 - sweep, tip), (-0.05 - sweep, tip))
    pen.oval(shade(trim, 0.8), 0.1, y - 0.2, 0.17, 0.08)


def ship(pen: Pen, dice: Dice) -> None:
    """Draw a liner, a freighter or a sailing boat, low in the water."""
    paint, trim = dice.colour(PAINT), dice.colour(PAINT)
    pale, deck = dice.colour((WHITE, WHITE, (204, 196, 180))), dice.between(0.26, 0.4)
    kind = dice.pick(("liner", "freighter", "sail"))
    if kind == "sail":
        mast = dice.between(1.2, 1.6)
        pen.limb((110, 84, 60), 0.05, (0.05, deck), (0.05, mast))
        pen.poly(pale, (0.0, deck + 0.08), (0.0, mast), (-0.7, deck + 0.12))
        pen.poly(shade(pale, 0.85), (0.12, deck + 0.08), (0.08, mast * 0.9), (0.7, deck + 0.08))
        pen.poly(paint, (-0.75, 0), (-0.85, deck), (0.95, deck + 0.06), (0.65, 0))
        pen.limb(shade(paint, 0.6), 0.05, (-0.72, 0.04), (0.66, 0.04))
        return
    pen.limb(shade(trim, 0.6), 0.04, (0.5, deck), (0.5, dice.between(0.8, 1.2)))
    if kind == "liner":
        decks = dice.pick((2, 3))
        for k in range(decks):
            pen.box(pale, -0.75 + 0.1 * k, deck + 0.18 * k, 0.6 - 0.16 * k, deck + 0.18 * k + 0.18)
            high = deck + 0.18 * k + 0.09
            pen.limb(shade(GLASS, 0.9), 0.05, (-0.65 + 0.1 * k, high), (0.5 - 0.16 * k, high))
        top = deck + 0.18 * decks
        for x in (-0.35, -0.02):
            pen.box(trim, x, top - 0.02, x + 0.18, top + dice.between(0.2, 0.36))
    else:
        pen.box(pale, -0.85, deck, -0.5, deck + 0.5)
        pen.limb(GLASS, 0.06, (-0.8, deck + 0.4), (-0.55, deck + 0.4))
        pen.box(trim, -0.78, deck + 0.5, -0.62, deck + 0.7)
        for k in range(5):
            x = -0.42 + 0.22 * k
            pen.box(dice.colour(PAINT), x, deck, x + 0.2, deck + dice.pick((0.16, 0.3)))
    pen.poly(paint, (-0.88, 0), (-0.98, deck + 0.05), (1.05, deck + 0.14), (0.75, 0))
    pen.poly(shade(paint, 0.6), (-0.9, 0), (-0.92, 0.12), (0.85, 0.12), (0.75, 0))
    pen.limb(shade(paint, 1.35), 0.04, (-0.95, deck + 0.03), (1.0, deck + 0.1))


# ---------------------------------------------------------------------------------------- scenery


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


def backdrop(dice: Dice, colour: Colour, rough: int) -> Image.Image:
    """Return a canvas of one colour, mottled by up to `rough` grey levels."""
    rows, columns = dice.pick(((3, 3), (8, 4), (5, 9), (12, 12)))
    mottle = dice.rng.integers(-rough, rough + 1, (rows, columns, 1))
    tile = np.clip(np.array(colour) + mottle, 0, 255).astype(np.uint8)
    # Smooth at the finished size, then enlarged plainly: a third of the time, the same look. Only
    # ever enlarged: Pillow's versions differ in how they shrink an image.
    smooth = Image.fromarray(tile).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return smooth.resize((BIG, BIG), Image.Resampling.NEAREST)


class Subject(NamedTuple):
    """How a class is drawn, and the scenes it is met in, once for each share."""

    draw: Callable
    scenes: tuple[str, ...]


SUBJECTS = {
    "airplane": Subject(airplane, ("sky", "sky", "sky", "road", "field", "sea")),
    "automobile": Subject(automobile, ("road", "road", "field", "sand", "snow")),
    "bird": Subject(bird, ("sky", "field", "forest", "sea", "sand", "snow")),
    "cat": Subject(partial(quadruped, name="cat"), ("indoor", "indoor", "field", "forest", "road")),
    "deer": Subject(partial(quadruped, name="deer"), ("field", "forest", "forest", "snow", "sand")),
    "dog": Subject(partial(quadruped, name="dog"), ("indoor", "indoor", "field", "snow", "road")),
    "frog": Subject(frog, ("forest", "field", "sand", "indoor", "sea")),
    "horse": Subject(
        partial(quadruped, name="horse"), ("field", "field", "forest", "sand", "snow")
    ),
    "ship": Subject(ship, ("sea", "sea", "sea", "sea", "sand")),
    "truck": Subject(truck, ("road", "road", "field", "sand", "snow")),
}


def draw_image(key: Sequence[int], name: str) -> np.ndarray:
    """Draw the image of class `name` whose random stream is keyed by `key`.

    Returns
    -------
    numpy.ndarray
        uint8, shape (32, 32, 3), values 0 to 255.
    """
    dice = Dice(key)
    subject = SUBJECTS[name]
    scene = SCENES[dice.pick(subject.scenes)]
    horizon = dice.between(*scene.horizon)
    picture, floor = backdrop(dice, dice.colour(scene.above), 18), dice.colour(scene.below)
    if horizon < 1:
        picture.paste(backdrop(dice, floor, 26), (0, round(horizon * BIG)))
    canvas = ImageDraw.Draw(picture)
    for kind in scene.behind:
        if dice.chance(0.5):
            clutter(kind, canvas, dice, horizon)

    size = dice.between(0.33, 0.48)
    heading = 1 if dice.chance(0.5) else -1
    x, stretch = dice.between(0.4, 0.6), dice.between(0.82, 1.15)
    if horizon > 1:  # in the air: anywhere, at any bank
        y, tilt = dice.between(0.55, 0.85), dice.between(-0.45, 0.45)
    else:
        y, tilt = max(horizon + 0.05, dice.between(0.7, 0.95)), dice.between(-0.12, 0.12)
        shadow = Pen(canvas, x, y, size)
        shadow.oval(shade(floor, 0.6), dice.between(-0.2, 0.2), 0.02, dice.between(0.8, 1.1), 0.12)
    subject.draw(Pen(canvas, x, y, size, heading, tilt, stretch, aloft=horizon > 1), dice)

    for kind in scene.ahead:
        if dice.chance(0.3):
            clutter(kind, canvas, dice, horizon)

    small = np.asarray(picture.reduce(SUPER), np.float64)
    # Light: brightness and contrast, a cast of colour, and sensor noise, different for each image.
    contrast, bright, noise = dice.between(1.0, 1.7), dice.between(-45, 25), dice.pick((3, 8, 14))
    cast = np.array([dice.between(-15, 15) for _ in range(3)])
    grain = dice.rng.integers(-noise, noise + 1, small.shape)
    return np.clip((small - 120) * contrast + 120 + bright + cast + grain, 0, 255).astype(np.uint8)


def make_sample(
    n_train: int = 20_000,
    n_test: int = 2_000,
    seed: int = 0,
    progress: Callable[[Iterable], Iterable] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw the sample data set: ten balanced classes, shuffled, the same on every machine.

    Parameters
    ----------
    n_train, n_test : int
        Images to draw for each split, at least 1. Class counts differ by at most one. The 20,000
        are there for batch normalisation: with Keras' momentum of 0.99, its running averages still
        hold 1 % of their starting values after the tutorial's three epochs of 128 images an
        update, against 9 % with 10,000, where test accuracy stays below one half.
    seed : int
        Which sample to draw, at least 0. Train and test come from different random streams.
    progress : callable, optional
        Wraps the loop over the images of each split, for example ``tqdm.tqdm``.

    Returns
    -------
    train_images, train_labels, test_images, test_labels : numpy.ndarray
        Images are uint8, shape (n, 32, 32, 3), values 0 to 255; labels are int64, shape (n,),
        indices into `CLASS_NAMES`.

    Raises
    ------
    ValueError
        If a count is not an integer of at least 1, or the seed is not an integer of at least 0.

    Notes
    -----
    Source: this project. The images are its own drawings; no photograph takes part.
    """
    for name, value, least in (("n_train", n_train, 1), ("n_test", n_test, 1), ("seed", seed, 0)):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < least:
            raise ValueError(f"{name} is {value!r}; pass an integer of at least {least}.")

    splits = []
    for split, n in enumerate((n_train, n_test)):
        # An image's key holds its index within its class, so more images never change the first.
        images = np.empty((n, SIZE, SIZE, 3), np.uint8)
        order = np.random.default_rng((seed, split)).permutation(n)
        for place, i in enumerate(progress(order) if progress else order):
            index, label = divmod(int(i), len(CLASS_NAMES))
            images[place] = draw_image((seed, split, label, index), CLASS_NAMES[label])
        splits += [images, (order % len(CLASS_NAMES)).astype(np.int64)]
    return tuple(splits)
