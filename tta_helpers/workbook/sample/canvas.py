"""What the pictures are drawn with: dice that make their choices, and a pen for their parts."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import ImageDraw

from tta_helpers.workbook.sample.colours import Colour

SIZE = 32  # pixels a side of a finished image
SUPER = 4  # drawn this many times larger, then averaged down: soft edges, as a lens gives
BIG = SIZE * SUPER

Point = tuple[float, float]


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


class Pen:
    """Draws parts in an object's own frame: x ahead, y up, feet at y = 0, about 2 units long.

    The frame's pose (place, size, heading, tilt, stretch) is applied to every point, so the class
    functions draw one upright object that heads right.
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
