"""Build the wheel, install it into an empty environment, and run the README on each backend.

    python tests/wheel/try_out.py

`make wheel` calls it. The versions are those of the two locks. Each backend is the only one there
while it is tried, as it may be with a reader.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "wheel"
BACKENDS = ("jax", "torch", "tensorflow")  # the largest last: nothing after it wants it removed
# A copy without these is what a clean checkout has.
IGNORED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "runs", "data")
# A reader's PYTHONPATH or PYTHONWARNINGS would reach the empty environment.
ENVIRONMENT = {name: os.environ[name] for name in os.environ if not name.startswith("PYTHON")}


def built(folder: Path) -> Path:
    """Build the wheel in `folder`, from a copy in which no earlier build has left a module."""
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=IGNORED)
    pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def pip(python: str | Path, *arguments: str | Path) -> None:
    """Run pip, and end with what it wrote if it fails."""
    command = [python, "-m", "pip", *arguments]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(
            f"{done.stdout[-2000:]}{done.stderr[-2000:]}\n"
            f"error: pip {arguments[0]} failed, so the wheel was not tried out. "
            "Is the package index within reach?"
        )


def locked(name: str) -> list[str]:
    """Return the options and pinned packages of a lock; as constraints they can have no hashes."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line.removesuffix("\\").strip() for line in lines if re.match(r"\w|--extra", line)]


def is_there(backend: str, lines: list[str]) -> bool:
    """Whether a lock has a backend for this machine and Python."""
    pins = [Requirement(line) for line in lines if not line.startswith("-")]
    return any(pin.name == backend and (not pin.marker or pin.marker.evaluate()) for pin in pins)


class Empty:
    """An environment with the wheel, what the wheel asks for, and one backend at a time."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "env", with_pip=True)
        self.python, self.folder = folder / "env" / "bin" / "python", folder

    def install(self, *what: str | Path, versions: list[str]) -> None:
        """Install packages in the versions of a lock."""
        constraints = self.folder / "constraints.txt"
        constraints.write_text("\n".join(versions), encoding="utf-8")
        pip(
            self.python,
            "install",
            "--retries",
            "1",
            "--no-compile",
            "--constraint",
            constraints,
            *what,
        )

    def run_readme(self, backend: str) -> str:
        """Run the README's lines in an empty folder outside the repository; return the version."""
        with tempfile.TemporaryDirectory() as elsewhere:
            done = subprocess.run(
                [self.python, "-I", Path(__file__).with_name("run_readme.py")],
                env=ENVIRONMENT | {"KERAS_BACKEND": backend, "KERAS_HOME": elsewhere},
                cwd=elsewhere,
                capture_output=True,
                text=True,
            )
        if done.returncode:
            raise SystemExit(
                f"{done.stdout}{done.stderr}\n"
                f"error: the wheel is installed, but the README's lines failed on {backend}."
            )
        return done.stdout.strip()


def main() -> None:
    """Build, install and try out; end with an error where anything of it cannot be done."""
    start = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - start:4.0f} s  {what}", flush=True)

    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=KEPT) as temporary:
        wheel = shutil.copy(built(Path(temporary)), KEPT)
        say(f"built {Path(wheel).name}")
        empty = Empty(Path(temporary))
        workbook, benchmarks = locked("requirements.txt"), locked("benchmarks/requirements.txt")
        empty.install(wheel, versions=workbook)
        say("installed into an empty environment")
        for backend in BACKENDS:
            versions = workbook if backend == "tensorflow" else benchmarks
            if not is_there(backend, versions):
                say(f"note: not tried on {backend}, which no lock has for this machine and Python")
                continue
            empty.install(backend, versions=versions)
            say(f"the README's lines ran on {empty.run_readme(backend)}")
            if backend != BACKENDS[-1]:
                pip(empty.python, "uninstall", "--yes", backend)


if __name__ == "__main__":
    main()
