"""Digests of what results depend on: the package's code, and the content of files."""

import functools
import hashlib
from pathlib import Path

from tta_helpers.workbook.data import cells_folder, file_sha256
from tta_helpers.workbook.place import RunError

ABOUT_RUNS = (
    *("runs", "command", "preflight", "publishing"),
    *("sweeps", "sweep_files", "sweep_report", "sweeping", "clusters", "shards"),
)
"""Modules that start notebooks or gather what they left; no result depends on them."""
PACKAGE = Path(__file__).parents[1]


def package_digest(*texts: str) -> str:
    """Return a digest of the package's code and of more texts, to tell results apart by.

    `ABOUT_RUNS` is left out.
    """
    return digest(_code(), *texts)


def check_code(code: str, asked_by: str) -> None:
    """Raise a RunError on a worker whose package is not the one of the digest `code`."""
    if code != package_digest():
        raise RunError(
            f"This worker has another version of tta_helpers than the {asked_by}: update its "
            "workbook, and start it again."
        )


@functools.cache
def _code() -> str:
    files = sorted(path for path in PACKAGE.rglob("*.py") if path.stem not in ABOUT_RUNS)
    return digest(*(path.read_text(encoding="utf-8") for path in files))


def content_digest(folder: str) -> str:
    """Return a digest of the arrays in an absolute folder; of nothing, where none is named."""
    files = sorted(Path(folder).glob("*.npy")) if folder else []
    stamps = [(path, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return digest(*(f"{stamp[0].name} {_digest_of_stamped(*stamp)}" for stamp in stamps))


def cells_digest() -> str:
    """Return a digest of the microscope pictures that `CELLS_DIR` names; of nothing without it."""
    folders = [cells_folder(name) for name in ("nuclei", "blood_cells")]
    paths = sorted(p for folder in folders if folder for p in folder.rglob("*") if p.is_file())
    return digest(*(f"{path.name} {file_sha256(path)}" for path in paths))


@functools.lru_cache(maxsize=256)
def _digest_of_stamped(path: Path, size: int, changed: int) -> str:
    """Return a file's digest; a sweep asks for the same ones run by run."""
    return file_sha256(path)


def digest(*texts: str) -> str:
    """Return the SHA-256 of texts, one after the other, in hexadecimal."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
