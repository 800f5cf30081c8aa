"""Where predictions go while they are made: into memory, or image by image into a file.

A file grows in the order of the images, so it needs no more memory than a batch, and what a stopped
prediction has written is taken up by the next one. It is a plain `.npy` of shape (images, views,
...), which NumPy maps; `probs` of (views, images, ...) is a view of that map.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

try:
    import fcntl
except ImportError:  # Windows, which renames no file that another process has open
    fcntl = None

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
        What is predicted, as JSON can hold it. A partial file is gone on with if it is of the same
        and of the same images; a whole one is the answer.

    Raises
    ------
    ValueError
        If the file, or a partial one, is of something else, or another process is writing it.
    """

    def __init__(self, path: str | os.PathLike, what: Mapping[str, Any]):
        if not isinstance(path, str | os.PathLike):
            raise ValueError(f"out is {path!r}; name a file that ends in .npy.")
        self._path = Path(path)
        if self._path.suffix != ".npy":
            raise ValueError(f"out is {os.fspath(path)!r}; name a file that ends in .npy.")
        if not self._path.parent.is_dir():
            raise ValueError(f"out lies in {self._path.parent}, which is no folder; make it first.")
        self._partial = self._path.with_suffix(".partial")
        self._trail = self._path.with_suffix(".trail")  # a line a batch: how many images, a digest
        self._note = self._path.with_suffix(".json")
        self._what = json.loads(json.dumps(what))
        self._row: tuple[int, ...] | None = None
        self._file, self._done = None, 0
        self._left: list[list] = []  # batches that were there and have not come again yet
        if not self._path.exists():
            self._file = self._claimed()
        self._finished = self._path.exists()
        try:
            if self._finished:
                self._check(self._read_note(), self._path)
                self._left = list(self._read_note().get("batches", []))
                self._release()  # it was finished a moment ago
            elif self._partial.stat().st_size:
                self._left = self._left_over()
            elif self._note.exists() and "what" not in self._read_note():
                raise ValueError(
                    f"{self._note} is there already, and would be written over: the note of "
                    f"{self._path.name} has this name. Move it, or name another file."
                )
        except BaseException:
            self.close()
            raise

    def _claimed(self) -> Any:
        """Open the partial file for this process alone, made if it is not there."""

        def made(name: str, flags: int) -> int:
            return os.open(name, flags | os.O_CREAT, 0o666)

        file = open(self._partial, "r+b", opener=made)  # noqa: SIM115 (open over many batches)
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise ValueError(
                f"{self._path} is being written by another prediction. Wait until it has ended, or "
                "name another file."
            ) from None
        except OSError:  # a file system without locks
            pass
        return file

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()

    def _read_note(self) -> dict[str, Any]:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) and isinstance(note.get("what"), dict) else {}

    def _check(self, note: Mapping[str, Any], path: Path) -> None:
        differing = [key for key in self._what if note.get("what", {}).get(key) != self._what[key]]
        if differing:
            raise ValueError(
                f"{path} is there already, from another prediction (other {', '.join(differing)}). "
                "Delete it, or name another file."
            )

    def _left_over(self) -> list[list]:
        """Return the batches that a partial file of the same prediction holds whole."""
        note = self._read_note()
        self._check(note, self._partial)
        self._row = tuple(note["row"])
        room, kept = (self._partial.stat().st_size - HEADER) // self._row_bytes, []
        text = self._trail.read_text() if self._trail.exists() else ""
        for n, told in map(str.split, text.split("\n")[:-1]):  # a kill may have torn the last line
            room -= int(n)
            if room < 0:
                break
            kept.append([int(n), told])
        self._write_trail(kept)
        return kept

    def _write_trail(self, batches: Sequence[Sequence]) -> None:
        self._trail.write_text("".join(f"{n} {told}\n" for n, told in batches))

    def has(self, n: int, told: str) -> bool:
        """Return whether the next batch, of `n` images with this digest, is in the file already.

        Raises
        ------
        ValueError
            If another batch is there.
        """
        if not self._left:
            if self._finished:
                raise ValueError(self._other_images("more"))
            return False
        if self._left.pop(0) != [n, told]:
            raise ValueError(self._other_images("other"))
        self._done += n
        return True

    def _other_images(self, which: str) -> str:
        path = self._path if self._finished else self._partial
        return (
            f"{path} is from another prediction (other images: from number {self._done} on, "
            f"{which} came now). Delete it, or name another file."
        )

    @property
    def _row_bytes(self) -> int:
        return 4 * int(np.prod(self._row))

    def add(self, block: np.ndarray, told: str) -> None:
        """Take the next images' predictions, shape (views, images, ...), and their digest."""
        rows = np.ascontiguousarray(np.moveaxis(block, 1, 0))
        if self._row is None or not self._file.tell():
            self._begin(rows.shape[1:])
        if rows.shape[1:] != self._row:
            raise ValueError(f"An image's predictions were {self._row} and are {rows.shape[1:]}.")
        self._file.write(rows.data)
        self._file.flush()
        with self._trail.open("a") as trail:
            trail.write(f"{len(rows)} {told}\n")
        self._done += len(rows)

    def _begin(self, row: tuple[int, ...]) -> None:
        """Write what comes before the next rows; cut off what a stop has left after the last."""
        if self._row is None:
            self._row = tuple(row)
            self._write_note()
            self._write_trail([])
        self._write_header()
        self._file.truncate(HEADER + self._done * self._row_bytes)
        self._file.seek(0, os.SEEK_END)

    def _write_note(self, **more: Any) -> None:
        whole = self._note.with_suffix(".json.new")
        note = {"what": self._what, "row": self._row, **more}
        whole.write_text(json.dumps(note), encoding="utf-8")
        os.replace(whole, self._note)

    def _write_header(self) -> None:
        self._file.seek(0)
        form = {"descr": "<f4", "fortran_order": False, "shape": (self._done, *self._row)}
        np.lib.format.write_array_header_1_0(self._file, form)
        if self._file.tell() != HEADER:
            raise ValueError(f"{len(self._row)} axes an image are too many for a file.")

    def result(self) -> np.ndarray:
        """Return the map of the whole file as (views, images, ...), which is read as it is used."""
        if self._left:
            raise ValueError(self._other_images("none"))
        if not self._finished:
            if not self._file.tell():  # every image was there
                self._begin(self._row)
            self._write_header()
            batches = [[int(n), t] for n, t in map(str.split, self._trail.open())]
            self._write_note(batches=batches)
            if fcntl is None:
                self._file.close()
            os.replace(self._partial, self._path)
            self._file.close()
            self._trail.unlink()
            self._finished = True
        return np.moveaxis(np.load(self._path, mmap_mode="r"), 0, 1)

    def close(self) -> None:
        """Leave a partial file to be gone on with, if there is anything in it."""
        self._release()
        with contextlib.suppress(OSError):
            if self._file is not None and not self._partial.stat().st_size:
                self._partial.unlink()


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


def spot_check(array: np.ndarray) -> str:
    """Return an array's shape and some values to three digits, which other processors agree on."""
    flat = np.asarray(array, np.float64).ravel()
    scale = np.abs(flat).max(initial=0.0) or 1.0
    some = flat[np.linspace(0, len(flat) - 1, 64).astype(int)] / scale
    return f"{array.shape} {scale:.3g} {(np.round(some, 3) + 0.0).tolist()}"


def form(model: Any) -> str:
    """Return a digest of how a model is built; what differs from one session to another is left."""
    try:
        told = repr(model.get_config())
    except Exception:  # a subclassed model need not tell
        told = repr([type(layer).__name__ for layer in model._flatten_layers()])
    session = r"_\d+|0x[0-9a-f]+|'(?:trainable|name|shared_object_id)': [^,}]*"
    return hashlib.sha256(re.sub(session, "", told).encode()).hexdigest()[:16]
