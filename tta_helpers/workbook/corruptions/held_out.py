"""Corruptions under lock: named only for a stated purpose, and every opening counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tta_helpers.workbook.data import noted_opening


@dataclass(frozen=True)
class HeldOut:
    """Names of corruptions that only `open` hands out.

    They ask whether what was learned on other corruptions carries over. A design that is tried on
    them, even once, is tuned to them a little: so a lesson opens them with the test set.

    Attributes
    ----------
    openings
        One dictionary an opening, with "purpose" and "at" (UTC, ISO 8601).
    """

    _names: Sequence[str] = field(repr=False)
    openings: list[dict[str, str]] = field(default_factory=list, compare=False)

    def open(self, purpose: str) -> tuple[str, ...]:
        """Return the names, and note the opening.

        Raises
        ------
        DataError
            If no purpose is given.
        """
        self.openings.append(noted_opening("the held-out corruptions are", purpose))
        return tuple(self._names)
