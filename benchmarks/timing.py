"""Clocks and scales: interleaved rounds, entries with their spread, the machine's own figures."""

import os
import platform
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tta_helpers.progress import progress
from tta_helpers.workbook.environment import environment

Ways = Mapping[str, Callable[[], Any]]


@dataclass(frozen=True)
class Entry:
    """One measured quantity: a value a round, and what it was measured on.

    Parameters
    ----------
    group
        The benchmark's number, 1 to 8.
    text
        What is compared, such as "ours / two compiled passes".
    values
        One a round.
    unit
        "×" for a ratio.
    network, backend, images, views, batch
        What ran, where that applies; `batch` is the images a forward pass.
    gflops
        Convolutions' and dense layers' work a second, in 10^9 floating-point operations.
    goal
        ("at most" or "at least", value).
    detail
        Whether the entry is for the JSON file and the figure only, not for the table.
    """

    group: int
    text: str
    values: list[float]
    unit: str = "×"
    network: str = ""
    backend: str = "tensorflow"
    images: int | None = None
    views: int | None = None
    batch: int | None = None
    gflops: float | None = None
    goal: tuple[str, float] | None = None
    detail: bool = False

    @property
    def median(self) -> float:
        """Return the middle value."""
        return float(np.median(self.values))

    @property
    def reached(self) -> bool | None:
        """Return whether the median reaches the goal; None without one."""
        if self.goal is None:
            return None
        word, limit = self.goal
        return self.median <= limit if word == "at most" else self.median >= limit


def interleaved(ways: Ways, rounds: int, desc: str) -> dict[str, np.ndarray]:
    """Time every way once a round, after two calls that are not timed; return the seconds.

    What slows the machine for a while then slows all ways, and a ratio within one round keeps its
    meaning. Every round starts with another way.
    """
    names = list(ways)
    seconds = {name: np.empty(rounds) for name in names}
    for done in progress(range(-2, rounds), desc=desc):
        turn = done % len(names)
        for name in names[turn:] + names[:turn]:
            start = time.perf_counter()
            ways[name]()
            if done >= 0:
                seconds[name][done] = time.perf_counter() - start
    return seconds


def gflops(multiply_adds: int, images: float, seconds: np.ndarray) -> float:
    """Return 10^9 floating-point operations a second; a multiply-add is two of them."""
    return 2 * multiply_adds * images / float(np.median(seconds)) / 1e9


def matrix_product_rate(size: int = 2048, repeats: int = 7) -> float:
    """Return the GFLOP/s of NumPy's float32 matrix product: the best of some repeats."""
    a = np.random.default_rng(0).random((size, size), dtype=np.float32)
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def threads() -> int:
    """Return how many threads may run at once: the cores that this process is allowed."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def processor() -> str:
    """Return the processor's name as the system tells it."""
    listing = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", listing.read_text()) if listing.is_file() else None
    return found[1] if found else platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """Return what every result of a run depends on."""
    return {
        **environment(),
        "processor": processor(),
        "threads": threads(),
        "matrix_product_gflops": round(matrix_product_rate(), 1),
    }
