"""The test set under lock: handed out for a stated purpose, and every opening counted."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from tta_helpers.workbook.data.errors import DataError


def noted_opening(what: str, purpose: str) -> dict[str, str]:
    """Return a record of what is opened: "purpose" and "at".

    Raises
    ------
    DataError
        If no purpose is given.
    """
    if not isinstance(purpose, str) or not purpose.strip():
        raise DataError(
            f"{what} locked, and the purpose given is {purpose!r}: say in a few words what for, "
            "or choose on validation images and what may be seen"
        )
    return {"purpose": purpose, "at": datetime.now(UTC).isoformat(timespec="seconds")}


@dataclass(frozen=True)
class Locked:
    """Images and labels that only `open` hands out.

    A choice made on test images flatters itself there, so a lesson opens them once, in its last
    section, for what validation images have already chosen. Nothing here stops a determined reader;
    it keeps an absent-minded one honest, and its record tells when and for what.

    Attributes
    ----------
    openings
        One dictionary an opening, with "purpose" and "at" (UTC, ISO 8601). Parts that were drawn
        from one set share the list.
    """

    _images: np.ndarray = field(repr=False)
    _labels: np.ndarray = field(repr=False)
    openings: list[dict[str, str]] = field(default_factory=list, compare=False)

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of images, height, width, channels."""
        return self._images.shape

    def open(self, purpose: str) -> tuple[np.ndarray, np.ndarray]:
        """Return images (n, height, width, channels) uint8 and labels (n,), and note the opening.

        Parameters
        ----------
        purpose
            What for, in a few words; it stands in the lesson's record.

        Raises
        ------
        DataError
            If no purpose is given.
        """
        self.openings.append(noted_opening("the test set is", purpose))
        return self._images, self._labels

    def rows(self, index: np.ndarray) -> "Locked":
        """Return a part, locked as well, whose openings count with the whole's."""
        return Locked(self._images[index], self._labels[index], self.openings)
