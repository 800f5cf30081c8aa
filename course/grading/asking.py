"""The grader's side of a kernel: starts it, has it run cells and answer, and ends it in time."""

import builtins
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from course.grading.wire import LONGEST, Cut, Line, WireError, decode, encode
from tta_helpers.workbook.place import ROOT

START = 60  # seconds; a kernel needs one
BEGIN = "import json, sys; given = json.loads(sys.argv[1]); sys.path.insert(0, given['root']); "
BEGIN += "from course.grading.kernel import main; main(given)"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
MOST_FILES = 500
MOST_CALLS, MOST_BACK = 1000, 4 * LONGEST  # of a check's functions, for one answer; bytes


@dataclass(frozen=True)
class Limits:
    """What a submission may take.

    Attributes
    ----------
    cell
        Seconds of a cell and the check of its answer.
    total
        Seconds of all cells.
    memory
        Megabytes of address space.
    files
        Megabytes that it may write.
    """

    cell: float = 60
    total: float = 240
    memory: int = 2048
    files: int = 32


class KernelLost(BaseException):
    """The kernel is gone, and why; no `Exception`, for a check takes those for the answer's."""


class NoKernel(Exception):
    """A kernel does not start, which is no fault of the submission."""


class CellError(Exception):
    """A cell stopped with an error; the message names it."""


class Kernel:
    """A process of its own with two folders of its own, in which a submission's cells run."""

    def __init__(self, limits: Limits, until: float) -> None:
        self._limits, self._until, self._why = limits, until, ""
        self._deadline = monotonic() + START
        self._back: list[Callable] = []  # functions that the kernel may call
        self._raised: list[Exception] = []
        self._folder = Path(tempfile.mkdtemp(prefix="submission_"))
        ours, theirs = socket.socketpair()
        with theirs, open(self._folder / "words", "wb") as words:
            self._process = self._started(theirs, words)
        self._line = Line(ours)
        self._end = ours
        try:
            self._line.receive(self._deadline)
        except (TimeoutError, WireError) as error:
            last = (self._folder / "words").read_text(errors="replace").strip().splitlines()
            self.close()
            raise NoKernel(f"A kernel does not start: {last[-1] if last else error}.") from error
        threading.Thread(target=self._watch, daemon=True).start()

    def _started(self, line: socket.socket, words: Any) -> subprocess.Popen:
        for name in ("home", "work"):
            (self._folder / name).mkdir()
        home = str(self._folder / "home")
        settings = {
            "root": str(ROOT),
            "parent": os.getpid(),
            "line": line.fileno(),
            "memory": self._limits.memory * 2**20,
            "file": self._limits.files * 2**20,
            "seconds": round(self._limits.total) + 10,
        }
        folders = dict.fromkeys(("HOME", "TMPDIR", "IPYTHONDIR", "MPLCONFIGDIR"), home)
        return subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", "-c", BEGIN, json.dumps(settings)],
            cwd=self._folder / "work",
            env={
                "PATH": os.defpath,
                "LANG": "C.UTF-8",
                "MPLBACKEND": "agg",
                **folders,
                **ONE_THREAD,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            pass_fds=[line.fileno()],
        )

    def __enter__(self) -> "Kernel":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the kernel and delete its folders."""
        self._process.kill()
        self._process.wait()
        self._end.close()
        # Python's own way fails at folders in folders in folders.
        subprocess.run(["rm", "-rf", "--", self._folder], stderr=subprocess.DEVNULL)

    def _watch(self) -> None:
        """End a kernel that writes too much."""
        while self._process.poll() is None:
            if _overfull(self._folder, self._limits.files * 2**20):
                self._why = f"it wrote more than {self._limits.files} MB or {MOST_FILES} files"
                self._process.kill()
                return
            threading.Event().wait(0.2)

    # ------------------------------------------------------------ asking

    def allow(self, seconds: float) -> None:
        """Give the kernel so much time from now on, within that of the whole submission."""
        self._deadline = min(monotonic() + seconds, self._until)

    def run(self, source: str) -> None:
        """Run a cell.

        Raises
        ------
        CellError, KernelLost
            If an error stopped it, or it cost the kernel.
        """
        reply = self._asked({"do": "run", "source": source})
        if "error" in reply:
            raise CellError(f"{reply['error']}: {reply.get('text', '')}")

    def answer(self, name: str) -> Any:
        """Return what stands under a name; a function as one that calls it over there.

        Raises
        ------
        CellError, KernelLost
            If nothing stands there, or asking for it cost the kernel.
        """
        reply = self._asked({"do": "value", "name": name})
        if "missing" in reply:
            raise CellError(f"nothing is called `{name}`")
        if "error" in reply:
            raise CellError(f"`{name}` cannot be handed over: {reply['error']}")
        return self._read(reply.get("value"))

    def _call(self, place: int, arguments: tuple) -> Any:
        self._back.clear()
        self._raised.clear()
        told = [encode(argument, self._back) for argument in arguments]
        reply = self._asked({"do": "call", "place": place, "arguments": told})
        value = self._value(reply)
        for k, changed in reply.get("changed", {}).items():
            new, old = decode(changed, self._function), arguments[int(k)]
            if isinstance(old, np.ndarray) and np.shape(new) == old.shape:
                old[...] = new
        return value

    def _value(self, reply: dict) -> Any:
        """Return the value that a reply tells of, or raise the error that it tells of."""
        if "error" in reply:
            number = reply.get("number")
            if type(number) is int and 0 <= number < len(self._raised):
                raise self._raised[number]
            raise _error(reply["error"], reply.get("text"))
        return self._read(reply.get("value"))

    def _read(self, told: Any) -> Any:
        try:
            return decode(told, self._function)
        except WireError as error:
            raise self._lost(error) from error

    def _function(self, place: int) -> Callable:
        return lambda *arguments: self._call(place, arguments)

    def _asked(self, message: dict) -> dict:
        """Return the kernel's reply, having served its own calls in between."""
        start, calls = self._line.received, 0
        try:
            self._line.send(message, self._deadline)
            while "back" in (reply := self._line.receive(self._deadline)):
                calls += 1
                if calls > MOST_CALLS or self._line.received - start > MOST_BACK:
                    raise WireError("more questions back than any answer needs")
                self._line.send(self._served(reply), self._deadline)
        except (TimeoutError, WireError) as error:
            raise self._lost(error) from error
        return reply

    def _served(self, message: dict) -> dict:
        """Call a function of the check's for the kernel."""
        try:
            function = self._back[message["back"]]
            given = [self._read(told) for told in message["arguments"]]
            return {"value": encode(function(*given), self._back)}
        except Exception as error:
            self._raised.append(error.with_traceback(None))  # it would hold what was sent
            told = {"error": type(error).__name__, "text": str(error)[:300]}
            return told | {"number": len(self._raised) - 1}

    def _lost(self, error: Exception) -> KernelLost:
        """End the kernel, and return why."""
        code = _exit_code(self._process) if isinstance(error, Cut) else None
        self._process.kill()
        if isinstance(error, TimeoutError):
            whole = monotonic() >= self._until
            most = self._limits.total if whole else self._limits.cell
            why = f"it ran longer than the {most:g} s of {'all cells' if whole else 'one cell'}"
        elif self._why:
            why = self._why
        elif code is None:
            why = f"it sent {error}"
        else:
            why = f"its kernel died{_signal(code)}"
        return KernelLost(why)


def _exit_code(process: subprocess.Popen) -> int | None:
    """Return the exit code of a process that should be ending, or None if it does not."""
    try:
        return process.wait(2)
    except subprocess.TimeoutExpired:
        return None


def _signal(code: int) -> str:
    names = {
        -9: " (killed; often memory ran out, or the computing time)",
        -11: " (bad memory access)",
    }
    return names.get(code, f" ({f'signal {-code}' if code < 0 else f'exit status {code}'})")


def _error(name: Any, text: Any) -> Exception:
    """Return an error of a kernel's as one of the same name; none that would pass by a check."""
    kind = getattr(builtins, str(name), None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        kind = type(str(name)[:40], (Exception,), {})
    try:
        return kind(str(text)[:300])
    except Exception:  # such as a UnicodeDecodeError, which takes more
        return type(str(name)[:40], (Exception,), {})(str(text)[:300])


def _overfull(folder: Path, most: int) -> bool:
    """Return whether a folder holds more bytes or files than it may."""
    total = entries = 0
    for where, folders, files in os.walk(folder):
        entries += len(folders) + len(files)
        for name in files:
            try:
                total += os.lstat(os.path.join(where, name)).st_size
            except OSError:
                continue
        if total > most or entries > MOST_FILES:
            return True
    return False
