"""Vehicles: cars, lorries, aeroplanes and ships, each drawn in a pen's frame."""

from collections.abc import Sequence

from tta_helpers.workbook.sample.canvas import Dice, Pen
from tta_helpers.workbook.sample.colours import GLASS, PAINT, TYRE, WHITE, shade


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
