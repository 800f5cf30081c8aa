"""Reading a FlatBuffer with NumPy: tables whose fields lie where a table of offsets says."""

import struct

import numpy as np


class Table:
    """A table in a FlatBuffer; fields are known by their number in the schema.

    Parameters
    ----------
    content
        The whole buffer.
    place
        Where the table begins; without it, the root table.
    """

    def __init__(self, content: bytes, place: int | None = None):
        self._content = content
        self._place = self._offset(0) if place is None else place
        self._fields = self._place - self._number("<i", self._place)

    def _number(self, form: str, place: int) -> int:
        return struct.unpack_from(form, self._content, place)[0]

    def _offset(self, place: int) -> int:
        """Return where the offset at a place leads."""
        return place + self._number("<I", place)

    def _field(self, number: int) -> int | None:
        """Return where a field lies, None if it was left out."""
        at = 4 + 2 * number
        if at >= self._number("<H", self._fields):
            return None
        return self._place + step if (step := self._number("<H", self._fields + at)) else None

    def number(self, number: int, form: str = "<i", default: int = 0) -> int:
        """Return a field that is a number, `form` as `struct` has it."""
        place = self._field(number)
        return default if place is None else self._number(form, place)

    def table(self, number: int) -> "Table | None":
        """Return a field that is a table, None if it was left out."""
        place = self._field(number)
        return None if place is None else Table(self._content, self._offset(place))

    def tables(self, number: int) -> list["Table"]:
        """Return a field that is a row of tables."""
        start, length = self._row(number)
        return [Table(self._content, self._offset(start + 4 * k)) for k in range(length)]

    def array(self, number: int, dtype: str = "<i4") -> np.ndarray:
        """Return a field that is a row of numbers; empty if it was left out."""
        start, length = self._row(number)
        return np.frombuffer(self._content, dtype, length, start)

    def text(self, number: int) -> str:
        """Return a field that is a text; empty if it was left out."""
        return self.array(number, "u1").tobytes().decode()

    def _row(self, number: int) -> tuple[int, int]:
        """Return where the first item of a row lies, and how many there are."""
        place = self._field(number)
        if place is None:
            return 0, 0
        start = self._offset(place)
        return start + 4, self._number("<I", start)
