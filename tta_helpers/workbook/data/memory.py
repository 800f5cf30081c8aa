"""How much memory this machine has, and whether the images asked for fit in it."""

import math
import os
import re
from contextlib import suppress
from pathlib import Path

from tta_helpers.workbook.data.errors import DataError

# Where Linux says how much memory is there: file, what to look for, bytes a unit.
MEMORY_FILES = (
    ("/proc/meminfo", r"^MemAvailable:\s+(\d+) kB$", 1024),
    ("/sys/fs/cgroup/memory.max", r"^(\d+)$", 1),  # a container's limit
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", r"^(\d+)$", 1),  # the same, in older systems
)


def available_memory() -> int | None:
    """Return how many bytes can be filled, or None where the system does not say.

    On Linux what is available now, or a container's limit if that is less; on other systems all of
    the machine's memory.
    """
    found = []
    for path, pattern, unit in MEMORY_FILES:
        with suppress(OSError):
            lines = re.findall(pattern, Path(path).read_text(encoding="ascii"), re.MULTILINE)
            found += [int(line) * unit for line in lines]
    if not found and hasattr(os, "sysconf"):
        found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    return min(found, default=None)


def check_room(n_images: int, size: tuple[int, int], channels: int = 3) -> None:
    """Refuse what cannot fit in this machine's memory, before the machine stops at it.

    Raises
    ------
    DataError
        If so many images of this size (height, width) are more than the memory that is available.
    """
    memory = available_memory()
    need = n_images * size[0] * size[1] * channels
    if memory is not None and need > memory:
        fits = math.isqrt(memory // (n_images * channels))
        raise DataError(
            f"{n_images:,} images of {size[0]}x{size[1]} pixels (height x width) take "
            f"{need / 2**30:,.1f} GiB, and {memory / 2**30:,.1f} GiB of memory are available: "
            f"choose image_size={max(1, fits)} or smaller, or fewer images"
        )
