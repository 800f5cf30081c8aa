"""Paths: those that a reader gives, and where data lie without one."""

import os
from pathlib import Path

from tta_helpers.workbook.data.errors import DataError

DEFAULT_CACHE = Path(__file__).parents[3] / "data" / "cache"


def given_path(value: str | os.PathLike, argument: str) -> Path:
    """Return a path that a reader gave, absolute and with its links followed."""
    try:
        if not os.fsdecode(value):
            raise ValueError("it is empty")
        return Path(os.fsdecode(value)).expanduser().resolve()
    except (OSError, RuntimeError, TypeError, ValueError) as error:  # links in a ring, null bytes
        raise DataError(f"{str(value)!r} is no path ({error}): correct {argument}") from error


def keras_home() -> Path:
    """Return Keras' folder, with its settings and downloads.

    Raises
    ------
    DataError
        If `KERAS_HOME` is no path.
    """
    return given_path(os.environ.get("KERAS_HOME") or "~/.keras", "KERAS_HOME")
