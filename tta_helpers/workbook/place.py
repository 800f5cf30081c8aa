"""Where the workbook lies, which lessons it has, and how files are written there."""

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

ROOT = Path(__file__).resolve().parents[2]
LESSONS = (
    "01_baseline_cnn",
    "02_flip_tta",
    "03_tune_tta",
    "04_learned_loss_predictor",
    "05_choose_policy",
    "06_boxes_and_masks",
)
LONGEST_NAME = 60  # in UTF-8 at most 240 bytes, and names that begin with it fit in 255


class RunError(Exception):
    """A run cannot start or has failed; the message says what to do."""


def notebooks() -> Path:
    """Return the folder of the notebooks."""
    return ROOT / "notebooks"


def lesson_paths() -> list[Path]:
    """Return the lessons in order. A copy of one, or a notebook of the reader's, is none."""
    return [notebooks() / f"{name}.ipynb" for name in LESSONS]


def run_folder(run_dir: str | Path) -> Path:
    """Return the folder for a run's files, made if need be; a relative one lies in the workbook.

    Raises
    ------
    RunError
        If it cannot be made.
    """
    folder = ROOT / run_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # a name may hold what no name can
        raise RunError(
            f"The folder {folder} cannot be made ({error}): move what is in its place, make the "
            "disk writable, or choose another name."
        ) from error
    return folder


def named_folder(name: str) -> Path:
    """Return the folder in runs/ of this name, made if need be.

    Raises
    ------
    RunError
        If it is not one plain name, or the folder cannot be made.
    """
    plain = name and Path(name).name == name and not name.startswith(".") and name.isprintable()
    if not plain or len(name) > LONGEST_NAME:
        raise RunError(
            f"NAME is {name[: 2 * LONGEST_NAME]!r}; give one plain folder name of at most "
            f"{LONGEST_NAME} letters, it is made in runs/."
        )
    return run_folder(Path("runs") / name)


@contextmanager
def locked(folder: Path, *, wait: float = 0) -> Iterator[None]:
    """Hold the lock that keeps two runs off one folder; it falls when the process ends.

    Parameters
    ----------
    folder
        The folder; the lock lies beside it.
    wait
        Seconds to wait for another run that holds it.

    Raises
    ------
    RunError
        If another run holds it for longer, or the lock cannot be written.
    """
    lock = FileLock(folder.with_name(f".{folder.name}.lock"), timeout=wait)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunError(
            f"Another run is at work in {folder}: wait until it is done, or choose another name."
        ) from error
    except OSError as error:
        raise RunError(
            f"The lock {lock.lock_file} cannot be written ({error.strerror}): make the folder "
            "writable or the name shorter, or delete the lock if another user left it."
        ) from error
    try:
        yield
    finally:
        lock.release()


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all: under a temporary name first, then renamed."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return a table's rows by its columns; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table whole or not at all; the first of the rows, one or more, names the columns."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_whole(path, text.getvalue())
