"""The light on the drops of `spatter`: edges, distances from them, and their relief, in 8 bits.

The release shades its water by a chain of OpenCV's functions. Here each link is written for many
images at once, mostly in whole numbers; its values are those of OpenCV 5.0 on 1,500 layers of
noise. Images come last in the arrays within, (h, w, n), so that NumPy goes through them at a
stretch.
"""

from itertools import pairwise

import numpy as np

EMBOSS = ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))
PIXEL = 10_000  # distances count in parts of a pixel
SIDE, CORNER, KNIGHT = (round(length * PIXEL) for length in (1, 1.4, 2.1969))
FURTHEST = 20  # pixels


def shading(liquid: np.ndarray) -> np.ndarray:
    """Return how light each pixel of the drops is.

    The distance from the nearest edge is averaged over 3x3 pixels, spread over the 8 bits, embossed
    as if lit from one corner, and averaged again.

    Parameters
    ----------
    liquid
        (n, h, w) uint8, 0 where there is no drop.

    Returns
    -------
    numpy.ndarray
        (n, h, w) int16 from 0 to 255.
    """
    images = np.ascontiguousarray(np.moveaxis(liquid, 0, -1))
    near = _box(distances(edges(images))) // (9 * PIXEL)
    relief = _filtered(equalised(near), EMBOSS, "reflect").clip(0, 255)
    return np.moveaxis((_box(relief) + 4) // 9, -1, 0)


def edges(images: np.ndarray, weak: int = 50, strong: int = 150) -> np.ndarray:
    """Find edges by the method of Canny 1986 (IEEE PAMI 8): from (h, w, n) uint8 to booleans.

    The gradient is Sobel's, its size the sum of both parts' amounts. A crest is a pixel of more
    than `weak` that exceeds its neighbours on the line of its gradient, which is level, steep or
    one of the diagonals. Chains of crests are edges where they pass `strong` somewhere.
    """
    images = images.astype(np.int16)
    across = _filtered(_filtered(images, ((1,), (2,), (1,)), "edge"), ((-1, 0, 1),), "edge")
    down = _filtered(_filtered(images, ((1, 2, 1),), "edge"), ((-1,), (0,), (1,)), "edge")
    x, y, tangent = np.abs(across), np.abs(down), np.float32(np.tan(np.pi / 8))
    level, steep = y < tangent * x, y > (tangent + 2) * x
    size = x + y
    near = _neighbours(size, "constant")
    # Of two that are equal, the first is the crest; on a diagonal neither is.
    beside = (size > near[1][0]) & (size >= near[1][2])
    above = (size > near[0][1]) & (size >= near[2][1])
    falling = (size > near[0][0]) & (size > near[2][2])
    rising = (size > near[0][2]) & (size > near[2][0])
    same_sign = (across < 0) == (down < 0)
    slanted = ~(level | steep) & ((same_sign & falling) | (~same_sign & rising))
    crests = (size > weak) & ((level & beside) | (steep & above) | slanted)
    return _linked(crests, size > strong)


def _linked(crests: np.ndarray, strong: np.ndarray) -> np.ndarray:
    """Keep the crests that touch strong ones, at sides or corners, over any number of others."""
    kept = np.zeros_like(crests)
    grown = crests & strong
    while (grown != kept).any():
        kept = grown
        beside = kept.copy()
        beside[1:] |= kept[:-1]
        beside[:-1] |= kept[1:]
        grown = beside.copy()
        grown[:, 1:] |= beside[:, :-1]
        grown[:, :-1] |= beside[:, 1:]
        grown &= crests
    return kept


def distances(zeros: np.ndarray) -> np.ndarray:
    """Return each pixel's distance from the nearest True, in 10,000ths, 20 pixels at most.

    This is the distance of Borgefors 1986 (CVGIP 34): the shortest way in steps to a side (1), to a
    corner (1.4) and of a chess knight (2.1969). Each row takes over from the two above it, and then
    from the two below it. `zeros` is (h, w, n).
    """
    field = np.where(zeros, np.int32(0), np.int32(FURTHEST * PIXEL))
    for rows in (field, field[::-1]):
        for k, row in enumerate(rows):
            if k > 0:
                np.minimum(row, rows[k - 1] + SIDE, out=row)
                _step(row, rows[k - 1], 1, CORNER)
                _step(row, rows[k - 1], 2, KNIGHT)
            if k > 1:
                _step(row, rows[k - 2], 1, KNIGHT)
            for pixels in (row, row[::-1]):
                for before, pixel in pairwise(pixels):
                    np.minimum(pixel, before + SIDE, out=pixel)
    return field


def _step(row: np.ndarray, source: np.ndarray, columns: int, length: int) -> None:
    """Lower a row (w, n) to a source's values plus `length`, `columns` to the left and right."""
    far = source + length
    np.minimum(row[columns:], far[:-columns], out=row[columns:])
    np.minimum(row[:-columns], far[columns:], out=row[:-columns])


def equalised(images: np.ndarray) -> np.ndarray:
    """Spread each image's values by their ranks, the lowest to 0 and the highest to 255.

    Parameters
    ----------
    images
        (h, w, n) integers from 0 to `FURTHEST`. An image of a single value is left as it is.
    """
    n, values = images.shape[-1], FURTHEST + 1
    flat = (images + values * np.arange(n)).ravel()
    counts = np.bincount(flat, minlength=n * values).reshape(n, values)
    below = np.cumsum(counts, axis=1)
    lowest = counts[np.arange(n), np.argmax(counts > 0, axis=1)][:, None]
    others = below[:, -1:] - lowest
    scale = np.float32(255) / np.maximum(others, 1).astype(np.float32)
    table = np.rint((below - lowest).astype(np.float32) * scale)
    table = np.where(others > 0, table, np.arange(values)).astype(np.int16)
    return table.ravel()[flat].reshape(images.shape)


def _box(images: np.ndarray) -> np.ndarray:
    """Return the sums over 3x3 pixels, the surroundings mirrored."""
    return _filtered(_filtered(images, ((1, 1, 1),), "reflect"), ((1,), (1,), (1,)), "reflect")


def _filtered(images: np.ndarray, weights, border: str) -> np.ndarray:
    """Return the sums of neighbours times whole weights, in the type of `images`."""
    near, result = _neighbours(images, border, *np.shape(weights)), np.zeros_like(images)
    for i, j in np.argwhere(weights):
        part = near[i][j]
        result += part if weights[i][j] == 1 else part * images.dtype.type(weights[i][j])
    return result


def _neighbours(images: np.ndarray, border: str, rows: int = 3, columns: int = 3) -> list:
    """Return each pixel's neighbours, by row and column; `border` is a mode of `numpy.pad`."""
    height, width = images.shape[:2]
    around = ((rows // 2, rows // 2), (columns // 2, columns // 2), (0, 0))
    padded = np.pad(images, around, mode=border)
    return [[padded[i : i + height, j : j + width] for j in range(columns)] for i in range(rows)]
