"""The released files of CIFAR-10-C."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tta_helpers.workbook.corruptions.table import HELD_OUT, SEEN, SEVERITIES
from tta_helpers.workbook.data import DataError


def load_cifar10c(
    folder: str | os.PathLike, names: Iterable[str] = SEEN + HELD_OUT
) -> tuple[dict[tuple[str, int], np.ndarray], np.ndarray]:
    """Open the released CIFAR-10-C: a file `<name>.npy` a corruption, and `labels.npy`.

    A file holds the test images five times over, severities 1 to 5 one after the other, each in
    the test set's order; labels.npy holds the labels five times over. Other files are ignored.

    Parameters
    ----------
    folder
        The unpacked archive.
    names
        The corruptions to open; all of them must be there.

    Returns
    -------
    images : dict
        For each (name, severity) the (n, 32, 32, 3) uint8 images, memory-mapped read-only; n is
        10,000 in the release and a fifth of the labels in general.
    labels : numpy.ndarray
        (n,) int64, 0 to 9.

    Raises
    ------
    DataError
        For a folder or file that is missing, unreadable, truncated or of another shape or type,
        and for labels that differ between the five blocks or lie outside 0 … 9.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: name the unpacked CIFAR-10-C archive")
    names = tuple(names)
    missing = [name for name in ("labels", *names) if not (folder / f"{name}.npy").is_file()]
    if missing:
        raise DataError(
            f"{folder} has no {', '.join(f'{name}.npy' for name in missing)}: unpack CIFAR-10-C "
            "again, or pass names= with the corruptions that are there"
        )

    path = folder / "labels.npy"
    labels = _open(path)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or not labels.size:
        raise DataError(f"{path} holds {labels.dtype} {labels.shape}, not one row of integers")
    if len(labels) % 5:
        raise DataError(f"{path} holds {len(labels)} labels, not a multiple of 5: fetch it again")
    blocks = labels.reshape(5, -1).astype(np.int64)
    if (blocks != blocks[0]).any():
        raise DataError(f"{path} differs between its five blocks, one a severity: fetch it again")
    if blocks.min() < 0 or blocks.max() > 9:
        raise DataError(
            f"{path} holds labels from {blocks.min()} to {blocks.max()}, not 0 to 9: fetch it again"
        )

    images, n, shape = {}, blocks.shape[1], (len(labels), 32, 32, 3)
    for name in names:
        path = folder / f"{name}.npy"
        array = _open(path)
        if array.dtype != np.uint8 or array.shape != shape:
            raise DataError(
                f"{path} holds {array.dtype} {array.shape}, not uint8 {shape} as its labels ask "
                "for: it is truncated or another file, fetch it again"
            )
        images |= {(name, s): array[(s - 1) * n : s * n] for s in SEVERITIES}
    return images, blocks[0]


def _open(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError) as error:  # the last: an absurd shape
        raise DataError(f"{path} cannot be read ({error}): fetch it again") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} is an archive, not one array: fetch it again")
    return array
