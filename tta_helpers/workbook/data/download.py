"""The official archives: fetched into Keras' folder, checked, and given up in time."""

import hashlib
import math
import os
import tempfile
import urllib.error
import urllib.request
from functools import partial
from itertools import islice
from pathlib import Path

from tta_helpers.progress import progress
from tta_helpers.workbook.data.errors import DataError, printable
from tta_helpers.workbook.data.official import Official
from tta_helpers.workbook.data.paths import keras_home

PROBE_SECONDS = 3  # how long to wait for a first answer from where the archives are
DOWNLOAD_SECONDS = 30.0  # of silence, after which a download is given up; TTA_DOWNLOAD_SECONDS
MOST_SECONDS = 86_400
MEBIBYTE = 2**20
MOST_MEBIBYTES = 500  # of an archive; the official ones have 163


class NoDownload(DataError):
    """An official archive is neither on this machine nor to be had; `reason` says why."""

    def __init__(self, official: "Official", reason: str):
        self.reason = reason
        super().__init__(
            f"{official.title} could not be downloaded ({reason}): connect to the network, or "
            f"unpack {official.url} elsewhere and name the folder as source= "
            "(CIFAR-10 also in CIFAR10_DIR), or use load_dataset('sample')"
        )


def fetched_archive(official: Official) -> Path:
    """Return the official archive in Keras' folder, fetched if need be and checked.

    An archive that is there stays as it is: Keras would delete a damaged one.
    """
    archive = keras_home() / "datasets" / f"{official.folder}-target_archive"
    if not archive.exists():
        _download(official, archive)
    elif (digest := file_sha256(archive)) != official.sha256:
        raise DataError(
            f"{printable(archive)} is damaged or still being downloaded (its SHA-256 is {digest}, "
            f"not {official.sha256}): wait for the download, or delete the file"
        )
    return archive


def _download(official: Official, archive: Path) -> None:
    """Fetch an archive into a folder aside; it takes its place when it is whole and the right one.

    Keras' own `get_file` leaves what is wrong in its place, and waits without limit.
    """
    seconds = _seconds_of_silence()
    try:
        # A machine without a network is not to wait as long as a download may.
        probe = urllib.request.Request(official.url, method="HEAD")
        urllib.request.urlopen(probe, timeout=PROBE_SECONDS).close()
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".downloading-") as aside:
            new = Path(aside) / archive.name
            _fetch(official, new, seconds)
            if file_sha256(new) != official.sha256:
                raise ValueError("what came is not the archive; a login page, or a broken download")
            os.replace(new, archive)
    except Exception as error:  # servers, proxies and disks fail in many ways
        raise NoDownload(official, _reason(error, seconds)) from error


def _fetch(official: Official, path: Path, seconds: float) -> None:
    with urllib.request.urlopen(official.url, timeout=seconds) as answer, path.open("wb") as file:
        parts = math.ceil(int(answer.headers.get("Content-Length") or 0) / MEBIBYTE)
        read = iter(partial(answer.read, MEBIBYTE), b"")
        most = islice(read, MOST_MEBIBYTES)  # a server need not come to an end
        for part in progress(most, f"downloading {official.title}", parts or None):
            file.write(part)


def _reason(error: Exception, seconds: float) -> str:
    """Say in a few words why a download failed."""
    if isinstance(error, TimeoutError):
        return f"nothing came for {seconds:g} seconds; TTA_DOWNLOAD_SECONDS sets how long to wait"
    cause = getattr(error, "reason", error)
    reason = getattr(cause, "strerror", None) or str(cause)
    if getattr(error, "filename", None) and not isinstance(error, urllib.error.URLError):
        reason = f"Keras' folder cannot be written: {reason}; KERAS_HOME names another"
    return reason


def _seconds_of_silence() -> float:
    text = os.environ.get("TTA_DOWNLOAD_SECONDS") or DOWNLOAD_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= MOST_SECONDS:
        raise DataError(
            f"TTA_DOWNLOAD_SECONDS is {text!r}: give the seconds without a byte after which a "
            f"download is given up, above 0 and at most {MOST_SECONDS:,}"
        )
    return seconds


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
