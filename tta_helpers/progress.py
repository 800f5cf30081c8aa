"""One progress bar for terminals and notebooks."""

import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from tqdm import tqdm


def _kernel_shell() -> Any:
    """Return IPython's shell if this process is a notebook's kernel, else None."""
    if "IPython" not in sys.modules:  # a kernel has loaded it
        return None
    from IPython import get_ipython

    shell = get_ipython()
    return shell if hasattr(shell, "kernel") else None


@lru_cache(maxsize=1)
def _output_line(request: str) -> Any:
    """Return the one output that all bars of one execution of a cell write to, one at a time."""
    from IPython.display import display

    return display({"text/plain": ""}, raw=True, display_id=True)


class _OutputLine:
    """A file for tqdm to write to: a notebook output that each write replaces.

    tqdm's own notebook bar needs a widget, and its text bar goes to standard error; either would
    stay in the saved notebook and differ from run to run. This line is empty before and after.
    """

    def __init__(self, request: str) -> None:
        self._line = _output_line(request)

    def write(self, text: str) -> None:
        self._line.update({"text/plain": text.strip()}, raw=True)

    def flush(self) -> None:
        """Nothing is buffered."""


def progress(iterable: Iterable | None = None, desc: str = "", total: int | None = None) -> tqdm:
    """Return a tqdm bar over `iterable` that leaves nothing behind when it is done.

    Parameters
    ----------
    iterable
        What to loop over; without it, call `update()` and `close()` on the bar.
    desc
        What is being done, shown before the bar.
    total
        Number of steps, where `iterable` has no length.
    """
    shell = _kernel_shell()
    if shell is not None:
        where = {"file": _OutputLine(shell.get_parent()["header"]["msg_id"]), "position": 0}
    else:
        where = {"disable": None}  # silent where the output is not a terminal
    return tqdm(iterable, desc=desc, total=total, leave=False, ncols=80, **where)
