"""The light on the drops of `spatter`: edges, distances from them, and their relief, in 8 bits.

The release shades its water by a chain of OpenCV's functions. Here each link is written for a
whole batch (n, h, w), in whole numbers as there, so that it gives the same values.
"""

import numpy as np
from scipy import ndimage

SOBEL = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))
EMBOSS = ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))
BOX = ((1, 1, 1),) * 3
PIXEL = 1 << 16  # distances count in parts of a pixel
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
        (n, h, w) integers from 0 to 255.
    """
    near = _filtered(distances(edges(liquid)), BOX, "reflect") // (9 * PIXEL)
    relief = _filtered(equalised(near), EMBOSS, "reflect").clip(0, 255)
    return (_filtered(relief, BOX, "reflect") + 4) // 9


def edges(images: np.ndarray, weak: int = 50, strong: int = 150) -> np.ndarray:
    """Find edges by the method of Canny 1986 (IEEE PAMI 8): from (n, h, w) uint8 to booleans.

    The gradient is Sobel's, its size the sum of both parts' amounts. A crest is a pixel of more
    than `weak` that exceeds its neighbours on the line of its gradient, which is level, steep or
    one of the diagonals. Chains of crests are edges where they pass `strong` somewhere.
    """
    images = images.astype(np.int16)
    across = _filtered(images, SOBEL, "edge")
    down = _filtered(images, np.transpose(SOBEL), "edge")
    size = np.abs(across) + np.abs(down)
    tangent = np.float32(np.tan(np.pi / 8))
    level = np.abs(down) < tangent * np.abs(across)
    steep = np.abs(down) > (tangent + 2) * np.abs(across)
    lines = [level, steep, (across < 0) == (down < 0)]
    near = _neighbours(size, "constant")
    before = np.select(lines, [near[1][0], near[0][1], near[0][0]], near[0][2])
    behind = np.select(lines, [near[1][2], near[2][1], near[2][2]], near[2][0])
    behind -= level | steep  # of two that are equal, the first is the crest
    crests = (size > weak) & (size > before) & (size > behind)
    return _linked(crests, size > strong)


def _linked(crests: np.ndarray, strong: np.ndarray) -> np.ndarray:
    """Keep the crests that touch strong ones, at sides or corners, over any number of others."""
    touching = np.zeros((3, 3, 3))
    touching[1] = 1  # none in the images before and after
    chains, count = ndimage.label(crests, touching)
    kept = np.zeros(count + 1, bool)
    kept[chains[crests & strong]] = True
    return kept[chains]


def distances(zeros: np.ndarray) -> np.ndarray:
    """Return each pixel's distance from the nearest True, in 65,536ths, 20 pixels at most.

    This is the distance of Borgefors 1986 (CVGIP 34): the shortest way in steps to a side (1), to a
    corner (1.4) and of a chess knight (2.1969). Each row takes over from the two above it, and then
    from the two below it.
    """
    rows = np.array(np.moveaxis(np.where(zeros, 0, FURTHEST * PIXEL), 1, 0), np.int32, order="C")
    for sweep in (rows, rows[::-1]):
        for k, row in enumerate(sweep):
            if k > 0:
                np.minimum(row, sweep[k - 1] + SIDE, out=row)
                _step(row, sweep[k - 1], 1, CORNER)
                _step(row, sweep[k - 1], 2, KNIGHT)
            if k > 1:
                _step(row, sweep[k - 2], 1, KNIGHT)
            _spread(row)
    return np.moveaxis(rows, 0, 1)


def _step(row: np.ndarray, source: np.ndarray, columns: int, length: int) -> None:
    """Lower a row (n, w) to a source's values plus `length`, `columns` to the left and right."""
    far = source + length
    np.minimum(row[:, columns:], far[:, :-columns], out=row[:, columns:])
    np.minimum(row[:, :-columns], far[:, columns:], out=row[:, :-columns])


def _spread(row: np.ndarray) -> None:
    """Lower a row (n, w) to its values elsewhere plus the way along the row."""
    slope = SIDE * np.arange(row.shape[-1], dtype=np.int32)
    from_left = np.minimum.accumulate(row - slope, axis=-1) + slope
    from_right = np.minimum.accumulate((row + slope)[:, ::-1], axis=-1)[:, ::-1] - slope
    np.minimum(from_left, from_right, out=row)


def equalised(images: np.ndarray) -> np.ndarray:
    """Spread each image's values by their ranks, the lowest to 0 and the highest to 255.

    Parameters
    ----------
    images
        (n, h, w) integers from 0 to `FURTHEST`. One of a single value is left as it is.
    """
    n, values = len(images), FURTHEST + 1
    flat = (images + values * np.arange(n)[:, None, None]).ravel()
    counts = np.bincount(flat, minlength=n * values).reshape(n, values)
    below = np.cumsum(counts, axis=1)
    lowest = counts[np.arange(n), np.argmax(counts > 0, axis=1)][:, None]
    others = below[:, -1:] - lowest
    table = np.rint((below - lowest) * (255 / np.maximum(others, 1)))
    table = np.where(others > 0, table, np.arange(values)).astype(np.int16)
    return table.ravel()[flat].reshape(images.shape)


def _neighbours(images: np.ndarray, border: str) -> list[list[np.ndarray]]:
    """Return the nine neighbours of all pixels, by row and column; `border` is NumPy's mode."""
    height, width = images.shape[1:]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode=border)
    return [[padded[:, i : i + height, j : j + width] for j in range(3)] for i in range(3)]


def _filtered(images: np.ndarray, weights, border: str) -> np.ndarray:
    """Return the sums of the 3x3 neighbours times whole weights, in the type of `images`."""
    near, result = _neighbours(images, border), np.zeros_like(images)
    for i, j in np.ndindex(3, 3):
        if weights[i][j]:
            result += near[i][j] * images.dtype.type(weights[i][j])
    return result
