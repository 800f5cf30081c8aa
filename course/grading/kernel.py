"""The kernel of one submission: a process that runs its cells and answers the grader's calls.

It shuts itself in before the first cell. What a submission prints goes nowhere.
"""

import builtins
import contextlib
import os
import socket
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from course.grading import confining
from course.grading.wire import Line, Missing, decode, encode

SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts")
DEVICES = ("/dev/urandom", "/dev/random", "/dev/zero", "/proc/self", "/proc/meminfo")
WORKBOOK = ("tta_helpers", "course/__init__.py", "course/prepared.py", "course/predictions.npz")


class Shell(InteractiveShell):
    """IPython without a screen: what asks for a window, or to leave, does nothing."""

    def enable_gui(self, gui: str | None = None) -> None:
        """Open no window, as `%matplotlib` would."""

    def ask_exit(self) -> None:
        """Stay, whatever a cell says."""


class Session:
    """Runs cells, and calls what they define, for the grader at the other end of a line."""

    def __init__(self, line: Any, shell: Any) -> None:
        self._line, self._shell = line, shell
        self._ours: list[Callable] = []  # functions that the grader may call

    def serve(self) -> None:
        """Answer until the grader has gone."""
        while True:
            message = self._line.receive()
            try:
                reply = getattr(self, f"on_{message['do']}")(message)
            except BaseException as error:
                reply = _told(error)
            self._line.send(reply)

    def on_run(self, message: dict) -> dict:
        """Run a cell; return which error stopped it, if one did."""
        done = self._shell.run_cell(message["source"], store_history=False, silent=True)
        error = done.error_before_exec or done.error_in_exec
        return _told(error) if error is not None else {"value": None}

    def on_value(self, message: dict) -> dict:
        """Return what stands under a name."""
        value = self._shell.user_ns.get(message["name"], Missing)
        return {"missing": True} if value is Missing else {"value": encode(value, self._ours)}

    def on_call(self, message: dict) -> dict:
        """Call a function; return its result, and which arrays it was given it changed."""
        given = [decode(told, self._theirs) for told in message["arguments"]]
        arrays = {k: a.copy() for k, a in enumerate(given) if isinstance(a, np.ndarray)}
        value = encode(self._ours[message["place"]](*given), self._ours)
        changed = {
            str(k): encode(given[k], self._ours)
            for k, before in arrays.items()
            if not np.array_equal(before, given[k])
        }
        return {"value": value, "changed": changed}

    def _theirs(self, place: int) -> Callable:
        """Return what calls a function of the grader's."""

        def call(*arguments: Any) -> Any:
            told = [encode(argument, self._ours) for argument in arguments]
            self._line.send({"back": place, "arguments": told})
            reply = self._line.receive()
            if "error" in reply:
                raise _raised(reply)
            return decode(reply["value"], self._theirs)

        return call


def _told(error: BaseException) -> dict:
    told = {"error": type(error).__name__, "text": str(error)[:300]}
    number = getattr(error, "of_the_grader", None)
    return told | {"number": number} if type(number) is int else told


def _raised(reply: dict) -> Exception:
    """Return an error of the grader's as one of the same name, which remembers which it was."""
    kind = getattr(builtins, reply["error"], None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        kind = type(reply["error"], (Exception,), {})
    error = kind(reply["text"])
    error.of_the_grader = reply["number"]
    return error


def _without_checks() -> None:
    """Give cells a `check` that says nothing: the checks are the grader's."""
    module = types.ModuleType("course.checks")
    module.check = lambda *_: None
    sys.modules["course.checks"] = module


def main(settings: dict) -> None:
    """Shut this process in, say that it is ready, and serve.

    `settings` holds the workbook's folder, the parent's process id, the number of the open file
    that is the line, and the limits.
    """
    confining.die_with(settings["parent"])
    confining.limit(settings["memory"], settings["file"], settings["seconds"])
    line = Line(socket.socket(fileno=settings["line"]))
    _without_checks()
    quiet = Config(
        {"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}}
    )
    shell = Shell.instance(config=quiet)
    root = Path(settings["root"])
    own = [Path(os.path.realpath(path)) for path in (sys.prefix, sys.base_prefix)]
    readable = [*own, *map(Path, SYSTEM + DEVICES), *(root / name for name in WORKBOOK)]
    confining.confine(readable, [Path.cwd(), Path(os.environ["HOME"]), Path("/dev/null")])
    line.send({"ready": True})
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    with contextlib.suppress(Exception):
        Session(line, shell).serve()
