"""Text as a figure can show it: no signs that the fonts lack, no bytes, no long lines."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
from matplotlib import font_manager

_NO_TEXT = re.compile("cm|stix(non|size)|.*last ?resort|.*blank", re.IGNORECASE)  # fonts of symbols


def spelled(text: object) -> str:
    """Spell out the signs that no installed font has, such as `sa` for the Hangul syllable.

    A letter or syllable becomes the last word of its Unicode name, another sign its name in
    brackets, an ideograph its number; signs without width go.
    """
    text = encodable(text)
    for sign in not_in_font(text):
        if font_with(sign) is None:
            name, kind = unicodedata.name(sign, "IDEOGRAPH"), unicodedata.category(sign)
            said = f"({name.lower()})"
            if kind in ("Cf", "Mn", "Me"):
                said = ""
            elif kind[0] == "Z" or kind == "Cc":
                said = " "
            elif "IDEOGRAPH" in name:
                said = f"[U+{ord(sign):04X}]"
            elif kind == "Lo":
                said = name.split()[-1].lower()
            text = text.replace(sign, said)
    return text


def encodable(text: object) -> str:
    """Return text in which bytes of a file name that are no UTF-8 are written as numbers."""
    return str(text).encode("utf-8", "backslashreplace").decode()


def cut(text: object, most: int) -> str:
    """Spell out a text, and cut its lines where they have more than `most` signs."""
    lines = spelled(text).split("\n")
    return "\n".join(line if len(line) <= most else line[: most - 1] + "…" for line in lines)


def short_name(name: object, most: int) -> str:
    """Spell out and cut a name, on one line."""
    return cut(" ".join(str(name).split()), most)


def apart(values: Sequence[float], least: float) -> np.ndarray:
    """Return places for labels near their values, in the same order, at least so far apart."""
    order = np.argsort(values, kind="stable")
    places = np.asarray(values, dtype=float)[order]
    for _ in range(200):
        gaps = np.diff(places)
        close = gaps < least - 1e-9
        if not close.any():
            break
        push = np.where(close, (least - gaps) / 2, 0)
        places[:-1] -= push
        places[1:] += push
    return places[np.argsort(order, kind="stable")]


def not_in_font(text: str) -> list[str]:
    """Return the signs that matplotlib's font lacks, line breaks aside."""
    if text.isascii() and text.isprintable():
        return []
    font = font_manager.findfont(font_manager.FontProperties())
    return [sign for sign in sorted({*text} - {"\n"}) if not _has(font, sign)]


@cache
def font_with(sign: str) -> str | None:
    """Return the name of an installed font that has a sign."""
    for font in font_manager.fontManager.ttflist:
        if not _NO_TEXT.match(font.name) and _has(font.fname, sign):
            return font.name
    return None


@cache
def _has(path: str, sign: str) -> bool:
    """Tell whether a font file can draw a sign."""
    try:
        return font_manager.get_font(path).get_char_index(ord(sign)) > 0 and sign.isprintable()
    except (OSError, RuntimeError):  # gone, or of fixed sizes as some emoji are
        return False
