"""Animals: four-legged ones, birds and frogs, each drawn in a pen's frame."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from tta_helpers.workbook.sample.canvas import Dice, Pen, Point
from tta_helpers.workbook.sample.colours import BLACK, FUR, PLUMAGE, SKIN, WHITE, Colour, shade


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
