"""Errors that say which data are wrong, and the words that their messages are made of."""

import os
import unicodedata
from collections.abc import Iterable


class DataError(ValueError):
    """Data that is missing, damaged or not what was asked for; the message says what to do."""


def printable(name: str | os.PathLike) -> str:
    r"""Return a name from the file system as text that can be printed, compared and saved.

    Bytes that are no UTF-8 become escapes such as `\xe9`, control characters too; a letter and its
    accent become one character (NFC), because macOS stores them apart and others do not.
    """
    text = unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "backslashreplace"))
    unseen = ("Cc", "Zl", "Zp")  # control characters and line separators
    return "".join(ascii(c)[1:-1] if unicodedata.category(c) in unseen else c for c in text)


def some(items: Iterable[str], between: str = ", ", most: int = 5) -> str:
    """Return the first few of a list as text, and how many more there are."""
    items = list(items)
    more = f"{between}and {len(items) - most:,} more" if len(items) > most else ""
    return between.join(items[:most]) + more
