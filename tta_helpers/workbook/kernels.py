"""Executing a notebook: in a kernel of this interpreter and package, without the user's settings.

What would change results or break a run is set aside in the kernels: Matplotlib's backend, warning
filters, IPython's start-up files and profile, Keras' limits on epochs and steps, Python's -O. A
kernelspec called "python3" that is found elsewhere is not asked. `begin` checks all that from
within, and gives Keras its own defaults, which a keras.json may have changed.
"""

import json
import math
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Any, BinaryIO

from tta_helpers.workbook import place
from tta_helpers.workbook.digests import package_digest
from tta_helpers.workbook.parameters import inspected
from tta_helpers.workbook.place import RunError

INLINE = "module://matplotlib_inline.backend_inline"
SET_ASIDE = (
    "MPLBACKEND",
    "PYTHONWARNINGS",
    "PYTHONSTARTUP",
    "PYTHONOPTIMIZE",
    "IPYTHONDIR",
    "KERAS_MAX_EPOCHS",
    "KERAS_MAX_STEPS_PER_EPOCH",
)
"""Environment variables that kernels of a run do not get."""
OWNERS = ("TTA_RUN_PYTHON", "TTA_RUN_WORKBOOK", "TTA_RUN_CODE")
"""Tell a kernel whose it is: the runner's interpreter, its workbook, and its package's digest."""
FINGERPRINT = "TTA_RUN_DATA"
"""Tells a kernel the fingerprint of the data that the run has found."""
BAR = "{desc} |{bar}| {n_fmt}/{total_fmt} cells, {elapsed}"


@dataclass(frozen=True)
class Limits:
    """How long to wait, in seconds: for a kernel to start, for a cell, and for all notebooks."""

    start: float = 120
    cell: float = 12 * 3600
    run: float = 72 * 3600


USUAL = Limits()


def owners() -> tuple[str, str, str]:
    """Return this process's interpreter and workbook, and the digest of its package."""
    return sys.executable, str(place.ROOT), package_digest()


def kernel_environment(profile: str, more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a run's kernels.

    Parameters
    ----------
    profile
        A folder for IPython's files.
    more
        Further variables.
    """
    kept = {name: value for name, value in os.environ.items() if name not in SET_ASIDE}
    places = [str(place.ROOT), kept.get("PYTHONPATH", "")]
    return {
        **kept,
        **dict(zip(OWNERS, owners(), strict=True)),
        "PYTHONPATH": os.pathsep.join(filter(None, places)),
        "PYTHONUTF8": "1",
        "MPLBACKEND": INLINE,
        "MATPLOTLIBRC": str(place.notebooks()),
        "IPYTHONDIR": profile,
        **more,
    }


def set_aside() -> list[str]:
    """Return which of the user's settings the kernels do not get, as text."""
    return [f"{name}={os.environ[name]}" for name in SET_ASIDE if os.environ.get(name)]


def check_owner() -> None:
    """Check, in a kernel that a run started, that interpreter and package are the runner's.

    Raises
    ------
    RunError
        If they are not, or the package was changed since the run began.
    """
    ours = owners()
    wanted = tuple(os.environ.get(name, own) for name, own in zip(OWNERS, ours, strict=True))
    if wanted[:2] != ours[:2]:
        raise RunError(
            f"This kernel is {ours[0]} with the package in {ours[1]}, and the run that started it "
            f"is {wanted[0]} with {wanted[1]}: results would go astray. Take the other package off "
            "the path (PYTHONPATH, .pth files), and run again."
        )
    if wanted != ours:
        raise RunError(
            "The code of tta_helpers was changed since this run began: its results would be of two "
            "versions. Run again."
        )


def _own_manager(environment: dict[str, str], log: BinaryIO) -> type:
    """Return a kernel manager for papermill that starts this interpreter, in that environment.

    What a kernel process tells of itself goes into `log`, and not between the runner's lines.

    A kernelspec "python3" that is found elsewhere may be another environment's, and a copied
    checkout's environment still points at the original's package: both would write into other
    folders than the ones that this run holds.
    """
    from ipykernel.kernelspec import RESOURCES, get_kernel_dict
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec

    class OwnKernel(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())

        async def start_kernel(self, **kw: Any) -> None:
            await super().start_kernel(**{**kw, "env": environment, "stderr": log})

    return OwnKernel


def execute(
    path: Path,
    folder: Path,
    parameters: Mapping[str, Any],
    *,
    label: str | None = None,
    limits: Limits = USUAL,
    started: float | None = None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Execute one notebook with papermill into a folder of the workbook.

    The executed notebook replaces the last one only if it succeeds; one that fails is kept beside
    it as <name>.failed.ipynb. With a label, a terminal shows a bar that is gone at the end.
    `limits.run` counts from `started` on, a reading of `time.monotonic`; without one, from now on.
    `more` are environment variables for the kernel.

    Raises
    ------
    RunError
        If a cell fails or takes too long, the kernel dies or the disk is full. A failed cell's
        traceback is a note.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    output = folder / path.name
    partial = output.with_name(f".{output.name}")
    failed = output.with_suffix(".failed.ipynb")
    bar = {"desc": label, "leave": False, "ncols": 100, "bar_format": BAR}
    workbook = path.parents[1]
    run_dir = folder.relative_to(workbook).as_posix()
    if run_dir != getattr(inspected(path).parameters.get("run_dir"), "default", run_dir):
        parameters = {**parameters, "run_dir": run_dir}
    log = tempfile.TemporaryFile()  # noqa: SIM115, the errors below read it
    ends = (monotonic() if started is None else started) + limits.run
    try:
        with tempfile.TemporaryDirectory() as profile:
            papermill.execute_notebook(
                path,
                partial,
                parameters,
                kernel_name="python3",
                kernel_manager_class=_own_manager(kernel_environment(profile, more), log),
                cwd=path.parent,
                progress_bar=bar if label and sys.stderr.isatty() else False,
                start_timeout=math.ceil(limits.start),
                coalesce_streams=True,  # else one line comes in two pieces now and then
                timeout_func=lambda cell: max(1, math.ceil(min(limits.cell, ends - monotonic()))),
            )
        os.replace(partial, output)
    except PapermillExecutionError as error:
        os.replace(partial, failed)
        failure = RunError(
            f"{path.stem} stopped in cell {error.exec_count}: {error.ename}: {error.evalue}\n"
            f"{failed.relative_to(workbook)} shows the notebook so far; its earlier results are "
            "untouched."
        )
        failure.add_note(re.sub(r"\x1b\[[\d;]*m", "", "\n".join(error.traceback)))
        raise failure from error
    except (RuntimeError, OSError) as error:
        raise _failure(error, path, partial, limits, ends, log) from error
    finally:
        log.close()
        partial.unlink(missing_ok=True)
    failed.unlink(missing_ok=True)


def _failure(
    error: Exception, path: Path, partial: Path, limits: Limits, ends: float, log: BinaryIO
) -> RunError:
    """Return what stopped a notebook, other than an error in one of its cells, in words."""
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    if isinstance(error, DeadKernelError):
        return RunError(
            f"{path.stem}: the kernel died in cell {_cells_begun(partial)}. Often memory ran out, "
            "or somebody ended it. Earlier results are untouched; the same command runs this "
            f"notebook again.{_last_words(log)}"
        )
    if isinstance(error, CellTimeoutError):
        limit = f"{limits.cell / 3600:g} h a cell (--cell-hours)"
        if monotonic() >= ends:
            limit = f"{limits.run / 3600:g} h a run (--run-hours)"
        return RunError(
            f"{path.stem}: cell {_cells_begun(partial)} was ended at the limit of {limit}. Its "
            "kernel may have been stopped, or the machine be too slow."
        )
    if isinstance(error, OSError):
        return RunError(
            f"{path.stem}: {partial.parent / path.name} cannot be written ({error}). Free the disk "
            "or make the folder writable; earlier results are untouched."
        )
    return RunError(
        f"{path.stem}: its kernel did not start within {limits.start:g} s ({error}). Is the "
        "machine short of memory or of ports? The same command tries again."
    )


def _last_words(log: BinaryIO) -> str:
    """Return the last line that a kernel process wrote for itself, such as a library's abort."""
    log.seek(0)
    lines = log.read().decode(errors="replace").split("\n")
    found = [line.strip() for line in lines if line.strip()]
    return f" It said last: {found[-1][:300]}" if found else ""


def _cells_begun(partial: Path) -> int:
    """Return the number of code cells that a notebook's run has begun, from papermill's file."""
    cells = json.loads(partial.read_text(encoding="utf-8"))["cells"]
    code = [cell["metadata"] for cell in cells if cell["cell_type"] == "code"]
    return sum(metadata["papermill"]["start_time"] is not None for metadata in code)
