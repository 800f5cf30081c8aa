"""Copies of photographs under a few cells each: a cell is one corruption at one severity."""

from collections.abc import Mapping, Sequence

import numpy as np

from tta_helpers.progress import progress
from tta_helpers.workbook.corruptions.corrupting import check_eight_bit, check_seed, in_cell
from tta_helpers.workbook.corruptions.table import SEEN, SEVERITIES


def corrupted_cells(
    images: np.ndarray,
    names: Sequence[str] = SEEN,
    per_image: int = 4,
    seed: int = 0,
    released: Mapping[tuple[str, int], np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a few corrupted copies of every image, all cells equally often.

    The benchmark shows every photograph under every cell, 75 for the fifteen corruptions. Copies of
    one photograph tell much the same, so at equal cost more photographs under fewer cells each
    give a shorter interval, with the photograph as its unit.

    Parameters
    ----------
    images
        (n, h, w, 3) uint8.
    names
        The corruptions; cell 5 k + s - 1 is the k-th of them at severity s.
    per_image
        Copies of an image, each under another cell: 1 to 5 times the number of `names`.
    seed
        At least 0; draws the cells, and the corruptions themselves.
    released
        What `load_cifar10c` returns for the same images, to take copies from; without it they are
        drawn anew.

    Returns
    -------
    copies : uint8 array (n, per_image, h, w, 3)
    cells : integer array (n, per_image)
        How often two cells occur differs by one at most.

    Raises
    ------
    ValueError
        For images that are not uint8, a seed below 0, and a `per_image` out of range.
    """
    check_eight_bit(images)
    check_seed(seed)
    n, n_cells = len(images), len(SEVERITIES) * len(names)
    if not 1 <= per_image <= n_cells:
        raise ValueError(f"per_image is {per_image}: {len(names)} corruptions have {n_cells} cells")
    rng = np.random.default_rng((seed, n_cells))
    places = (np.arange(n * per_image) % n_cells).reshape(n, per_image)
    cells = rng.permutation(n_cells)[places[rng.permutation(n)]]
    copies = np.empty((n, per_image, *images.shape[1:]), np.uint8)
    for cell in progress(np.unique(cells), desc="corrupt images"):
        rows, columns = np.nonzero(cells == cell)
        if released is None:
            copies[rows, columns] = in_cell(images, names, cell, seed, rows)
        else:
            copies[rows, columns] = released[names[cell // 5], int(cell % 5 + 1)][rows]
    return copies, cells
