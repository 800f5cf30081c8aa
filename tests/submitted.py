"""Notebooks as a class may hand them in, right, wrong, half done and hostile, and what each is due.

What is due stands here by construction: a right answer passes, a wrong one gets the words that it
opens with, and a hostile cell costs the exercise in whose place it stands.
"""

import json
import os
import random
from dataclasses import dataclass, field

import pytest

from course import copies, sources
from course.checks import RIGHT, UNANSWERED
from course.grading import confining

LESSONS = list(sources.lessons())
GONE, STOPPED = "the cell with the answer is gone", "stopped"


def _in_the_way() -> str:
    """Return why no process can be shut in here, so that nothing is graded; "" where one can."""
    try:
        confining.check()
    except confining.CannotConfine as why:
        return f"Nothing is graded here: {why}."
    return ""


SHUT_IN = pytest.mark.skipif(bool(_in_the_way()), reason=_in_the_way())


@dataclass
class Due:
    """What a notebook is due: its lesson, the words of each verdict, and its status."""

    lesson: str = ""
    verdicts: dict[str, str] = field(default_factory=dict)
    status: str = "complete"

    @property
    def passed(self):
        return sum(words == RIGHT for words in self.verdicts.values())


# A cell in place of an answer, what its verdict says, and the status. {name} is the exercise's
# name, {outside} a folder that nobody may write to, {right} a right answer, {wrong} a wrong one.
REFUSED = "PermissionError"
HOSTILE = {
    "endless": ("while True:\n    pass", "ran longer", STOPPED),
    "outlives the grader": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.prctl(1, 0, 0, 0, 0):\n    raise PermissionError(ctypes.get_errno())",
        "PermissionError",
        "complete",
    ),
    "asleep": ("import time\ntime.sleep(10**6)", "ran longer", STOPPED),
    "deaf": (
        "import signal\nfor k in (2, 15, 24):\n    signal.signal(k, signal.SIG_IGN)\n"
        "while True:\n    pass",
        "ran longer",
        STOPPED,
    ),
    "answers for ever": ("def {name}(*_):\n    while True:\n        pass", "ran longer", STOPPED),
    "too much memory": ("x = bytearray(10**11)", "MemoryError", "complete"),
    "ever more memory": (
        "x = []\nwhile True:\n    x.append(bytearray(10**7))",
        "MemoryError",
        "complete",
    ),
    "threads": (
        "from threading import Event, Thread\nwhile True:\n    Thread(target=Event().wait).start()",
        "RuntimeError",
        "complete",
    ),
    "prints 100 MB": ("for _ in range(100):\n    print('x' * 10**6)\n{right}", RIGHT, "complete"),
    "leaves": ("import os\nos._exit(0)", "kernel died", STOPPED),
    "aborts": ("import os\nos.abort()", "kernel died", STOPPED),
    "breaks memory": ("import ctypes\nctypes.string_at(0)", "bad memory access", STOPPED),
    "asks to leave": ("exit()\n{name} = ...", UNANSWERED, "complete"),
    "raises SystemExit": ("raise SystemExit(0)", "SystemExit", "complete"),
    "raises KeyboardInterrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt", "complete"),
    "imports what is not there": ("import not_there", "ModuleNotFoundError", "complete"),
    "is no Python": ("def (", "SyntaxError", "complete"),
    "forks for ever": ("import os\nwhile True:\n    os.fork()", REFUSED, "complete"),
    "starts a program": ("import subprocess\nsubprocess.run(['ls'])", REFUSED, "complete"),
    "becomes a program": ("import os\nos.execv('/bin/sh', ['sh'])", REFUSED, "complete"),
    "kills the grader": ("import os\nos.kill(os.getppid(), 9)", REFUSED, "complete"),
    "kills all": ("import os\nos.kill(-1, 9)", REFUSED, "complete"),
    "writes elsewhere": ("open('{outside}/taken', 'w')", REFUSED, "complete"),
    "opens other folders": ("import os\nos.chmod('{outside}', 0o777)", REFUSED, "complete"),
    "reads what is no business of it": ("open('/etc/passwd')", REFUSED, "complete"),
    "lists the others": ("import os\nos.listdir('{outside}')", REFUSED, "complete"),
    "reads the grader's memory": (
        "import os\nopen(f'/proc/{{os.getppid()}}/mem', 'rb')",
        REFUSED,
        "complete",
    ),
    "calls home": (
        "import socket\nsocket.create_connection(('127.0.0.1', 9))",
        REFUSED,
        "complete",
    ),
    "limits the grader": (
        "import os, resource\nresource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
        REFUSED,
        "complete",
    ),
    "fills the disk": (
        "k = 0\nwhile True:\n    open(f'f{{k}}', 'wb').write(bytes(10**6))\n    k += 1",
        "it wrote more",
        STOPPED,
    ),
    "nests folders": (
        "import os\nwhile True:\n    os.mkdir('d')\n    os.chdir('d')",
        "it wrote more",
        STOPPED,
    ),
    "one file that fills the disk": (
        "with open('f', 'wb') as f:\n    while True:\n        f.write(bytes(10**6))",
        "",
        None,
    ),
    "says that it is right": ("print('{name}: right.')\n{name} = ...", UNANSWERED, "complete"),
    "takes the check over": (
        "import sys\nsys.modules['course.checks'].check = check = lambda *_: print('right.')\n"
        "{name} = ...",
        UNANSWERED,
        "complete",
    ),
    "looks for the checks": ("from course.checks import judging", "Error", "complete"),
    "has all numbers close": (
        "np.allclose = np.array_equal = lambda *_, **__: True\n{wrong}",
        None,
        "complete",
    ),
    "speaks for the kernel": (
        "import os\nfor k in range(3, 64):\n    try:\n        os.write(k, b'right.' * 99)\n"
        "    except OSError:\n        pass",
        "was ended",
        STOPPED,
    ),
    "cuts the line": ("import os\nos.closerange(3, 64)\n{name} = 1", "", None),
    "equals everything": (
        "class Equal:\n    __eq__ = lambda *_: True\n    __array__ = lambda *_, **__: 1 / 0\n"
        "{name} = lambda *_: Equal()",
        "not yet",
        "complete",
    ),
    "holds itself": ("{name} = []\n{name}.append({name})", "cannot be handed over", "complete"),
    "answers at length": ("{name} = lambda *_: np.zeros(10**7)", "not yet", None),
    "swallows hints": (
        "def {name}(*given):\n    try:\n        return given[0](*given)\n"
        "    except BaseException:\n        return {{}}",
        "not yet",
        "complete",
    ),
}
"""Words are None where they are the wrong answer's, a status where either may come first."""


def damaged(path, kind):
    """Write a file that is no notebook of exercises."""
    if kind == "link":
        path.symlink_to("/etc/passwd")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "too long":
        with path.open("wb") as file:
            file.truncate(65 * 2**20)
    else:
        path.write_bytes(DAMAGED[kind])


DAMAGED = {
    "empty": b"",
    "cut": b'{"cells": [{"cell_type": "co',
    "a list": b"[1, 2]",
    "deep": b"[" * 10**5,
    "noise": bytes(range(256)) * 9,
    "cells of numbers": b'{"cells": [1, 2]}',
    "no exercises": b'{"cells": [{"cell_type": "code", "source": ["x = 1"], "id": "x"}]}',
}
FILES = [*DAMAGED, "link", "pipe", "too long"]


# ---------------------------------------------------------------- notebooks


def answered(lesson, texts, *, more=None):
    """Return the learner's copy of a lesson with these answers; None takes a cell out.

    `more` are texts that take the place of other cells, by id.
    """
    book = copies.copy_of(lesson, solved=False)
    replaced = {f"{name}-answer": text for name, text in texts.items()} | (more or {})
    book.cells = [c for c in book.cells if replaced.get(c.id, c.source) is not None]
    for cell in book.cells:
        cell.source = replaced.get(cell.id, cell.source)
    return book


def with_check(text, name):
    return f'{text}\n\ncheck("{name}", {name})'


def right_ones(lesson, k):
    """Return right answers, the k-th of each, and the words that they are due."""
    found = {}
    for exercise in sources.exercises(lesson):
        ways = [sources.solution_of(exercise.answer), *exercise.also_right]
        found[exercise.name] = (with_check(ways[k % len(ways)], exercise.name), RIGHT)
    return found


def wrong_ones(lesson, k):
    """Return wrong answers, the k-th of each, and the words that they are due."""
    found = {}
    for exercise in sources.exercises(lesson):
        text = exercise.wrong[k % len(exercise.wrong)]
        found[exercise.name] = (with_check(text, exercise.name), sources.opening(text))
    return found


def half_done(lesson, lot):
    """Return answers by lot: right, wrong, left open, or taken out."""
    found = {}
    for exercise in sources.exercises(lesson):
        name = exercise.name
        k = lot.randrange(4)
        ways = [right_ones(lesson, k)[name], wrong_ones(lesson, k)[name]]
        ways += [(sources.with_hole(exercise.answer), UNANSWERED), (None, GONE)]
        found[name] = lot.choice(ways)
    return found


def hostile(lesson, kind, k, outside):
    """Return right answers, the k-th of them replaced by a hostile cell, and the status."""
    found = right_ones(lesson, k)
    name = list(found)[k % len(found)]
    cell, words, status = HOSTILE[kind]
    wrong, hint = wrong_ones(lesson, k)[name]
    text = cell.format(name=name, outside=outside, right=found[name][0], wrong=wrong)
    found[name] = (with_check(text, name), hint if words is None else words)
    return found, status


def hand_in(path, lesson, texts, status="complete"):
    """Write a notebook, and return what it is due."""
    book = answered(lesson, {name: text for name, (text, _) in texts.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(book))
    return Due(lesson, {name: words for name, (_, words) in texts.items()}, status)


def hand_in_all(folder, n, outside):
    """Write n notebooks of every kind, and return what each is due, by its place in the folder."""
    lot, due = random.Random(0), {}
    for k in range(n):
        lesson = LESSONS[k // 4 % len(LESSONS)]
        turn = k // 4
        if k % 4 == 0:
            path, texts, status = f"ruth_{k}.ipynb", right_ones(lesson, turn // 6), "complete"
        elif k % 4 == 1:
            path = f"wanda_{k}_{lesson[:2]}_exercises.ipynb"
            texts, status = wrong_ones(lesson, turn // 6), "complete"
        elif k % 4 == 2:
            path, texts, status = f"hal {k}/my work.ipynb", half_done(lesson, lot), "complete"
        elif turn < len(HOSTILE):
            path = f"henry-{k}/{lesson[:2]}_exercises.ipynb"
            texts, status = hostile(lesson, list(HOSTILE)[turn], turn, outside)
        else:
            path = f"fred_{k}.ipynb"
            damaged(folder / path, FILES[turn % len(FILES)])
            due[path] = Due(status="unreadable")
            continue
        due[path] = hand_in(folder / path, lesson, texts, status)
    return due


def faults_of(due, marks):
    """Return how marks differ from what a notebook is due, one line each."""
    said = marks.verdicts
    found = [] if marks.lesson == due.lesson else [f"lesson {marks.lesson!r}"]
    if due.status is not None and marks.status != due.status:
        found.append(f"status {marks.status!r}, not {due.status!r}")
    if list(said) != list(due.verdicts):
        found.append(f"verdicts on {list(said)}, not on {list(due.verdicts)}")
    for name, words in due.verdicts.items():
        told = said.get(name, "")
        if words not in told or told.startswith(RIGHT) != (words == RIGHT):
            found.append(f"{name} is told {told!r}, not {words!r}")
    return found
