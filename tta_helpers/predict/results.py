"""Where predictions go while they are made: into memory, or image by image into a file.

A file grows in the order of the images, so it needs no more memory than a batch, and what a stopped
prediction has written is taken up by the next one. It is a plain `.npy` of shape (images, views,
...), which NumPy maps; `probs` of (views, images, ...) is a view of that map.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HEADER = 128  # bytes: NumPy leaves room in it for as many images as there will be


class InMemory:
    """Blocks of (views, images, ...) put together, in place where the number of images is known."""

    def __init__(self, n: int | None):
        self._n, self._blocks, self._whole, self._filled = n, [], None, 0

    def add(self, block: np.ndarray) -> None:
        """Take the next images' predictions, shape (views, images, ...)."""
        if self._n is None:
            self._blocks.append(block)
            return
        if self._whole is None:
            shape = (len(block), self._n, *block.shape[2:])
            self._whole = np.empty(shape, np.float32)
        self._whole[:, self._filled : self._filled + block.shape[1]] = block
        self._filled += block.shape[1]

    def result(self) -> np.ndarray:
        """Return all of them, shape (views, images, ...)."""
        return np.concatenate(self._blocks, axis=1) if self._n is None else self._whole


class InFile:
    """The same in a file, which has its name once it is whole.

    Parameters
    ----------
    path
        The `.npy` file to be.
    what
        What is predicted, as JSON can hold it. A partial file is gone on with if it is of the same;
        a whole one is the answer.

    Attributes
    ----------
    done
        Images that an earlier, stopped prediction has left.
    finished
        Whether the file was whole already.

    Raises
    ------
    ValueError
        If the file, or a partial one, is of something else.
    """

    def __init__(self, path: str | os.PathLike, what: Mapping[str, Any], batch_size: int):
        self._path = Path(path)
        if self._path.suffix != ".npy":
            raise ValueError(f"out is {os.fspath(path)!r}; name a file that ends in .npy.")
        if not self._path.parent.is_dir():
            raise ValueError(f"out lies in {self._path.parent}, which is no folder; make it first.")
        self._partial = self._path.with_suffix(".partial")
        self._note = self._path.with_suffix(".json")
        self._what = json.loads(json.dumps(what))
        self._row: tuple[int, ...] | None = None
        self._file = None
        self.finished, self.done = self._path.exists(), 0
        if self.finished:
            self._check(self._read_note(), self._path)
        elif self._partial.exists():
            self.done = self._left_over(batch_size)

    def _read_note(self) -> dict[str, Any]:
        try:
            return json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def _check(self, note: Mapping[str, Any], path: Path) -> None:
        differing = [key for key in self._what if note.get("what", {}).get(key) != self._what[key]]
        if differing:
            raise ValueError(
                f"{path} is there already, from another prediction (other {', '.join(differing)}). "
                "Delete it, or name another file."
            )

    def _left_over(self, batch_size: int) -> int:
        """Return how many whole batches' images a partial file of the same prediction holds."""
        note = self._read_note()
        self._check(note, self._partial)
        self._row = tuple(note["row"])
        rows = (self._partial.stat().st_size - HEADER) // self._row_bytes
        return max(0, rows // batch_size * batch_size)

    @property
    def _row_bytes(self) -> int:
        return 4 * int(np.prod(self._row))

    def add(self, block: np.ndarray) -> None:
        """Take the next images' predictions, shape (views, images, ...)."""
        rows = np.ascontiguousarray(np.moveaxis(block, 1, 0))
        if self._file is None:
            self._open(rows.shape[1:])
        if rows.shape[1:] != self._row:
            raise ValueError(f"An image's predictions were {self._row} and are {rows.shape[1:]}.")
        self._file.write(rows.data)
        self._file.flush()
        self.done += len(rows)

    def _open(self, row: tuple[int, ...]) -> None:
        if self._row is None:
            self._row = tuple(row)
            note = {"what": self._what, "row": self._row}
            self._note.write_text(json.dumps(note, indent=1), encoding="utf-8")
        mode = "r+b" if self._partial.exists() else "w+b"
        self._file = open(self._partial, mode)  # noqa: SIM115 (it stays open over many batches)
        self._write_header()
        self._file.truncate(HEADER + self.done * self._row_bytes)
        self._file.seek(0, os.SEEK_END)

    def _write_header(self) -> None:
        self._file.seek(0)
        form = {"descr": "<f4", "fortran_order": False, "shape": (self.done, *self._row)}
        np.lib.format.write_array_header_1_0(self._file, form)
        if self._file.tell() != HEADER:
            raise ValueError(f"{len(self._row)} axes an image are too many for a file.")

    def result(self) -> np.ndarray:
        """Return the map of the whole file as (views, images, ...), which is read as it is used."""
        if not self.finished:
            if self._file is None:  # every image was there
                self._open(self._row)
            self._write_header()
            self._file.close()
            os.replace(self._partial, self._path)
            self.finished = True
        return np.moveaxis(np.load(self._path, mmap_mode="r"), 0, 1)

    def close(self) -> None:
        """Leave a partial file to be gone on with."""
        if self._file is not None:
            self._file.close()


def joined_files(paths: Sequence[Path], out: Path) -> None:
    """Put whole files of (images, views, ...) one after the other into one of the same form."""
    parts = [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]
    shape = (sum(map(len, parts)), *parts[0].shape[1:])
    partial = out.with_suffix(".partial")
    whole = np.lib.format.open_memmap(partial, "w+", np.float32, shape)
    start = 0
    for part in parts:
        whole[start : start + len(part)] = part
        start += len(part)
    whole.flush()
    os.replace(partial, out)


def digest(*arrays: np.ndarray) -> str:
    """Return a digest of arrays, to tell predictions apart by."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array))
    return found.hexdigest()[:16]
