"""Time and peak memory of predicting so many views of so many images, in a process of its own.

`python -m benchmarks.growth IMAGES VIEWS BATCH` prints one line of JSON.
"""

import json
import re
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from tta_helpers.predict import predict_views
from tta_helpers.views import Shift
from tta_helpers.workbook.networks import baseline_cnn


def peak_megabytes() -> float:
    """Return the most memory that this process has held, since `forget_peak` where that works."""
    status = Path("/proc/self/status")
    if status.is_file():  # `ru_maxrss` would count what the parent held when it started us
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def forget_peak() -> None:
    """Start the peak anew from what the process holds now; Linux only."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def main(n_images: int, n_views: int, batch: int) -> None:
    """Print the seconds, and the peak memory over that of the network and the data set."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n_images, 32, 32, 3), dtype=np.uint8)
    views = [Shift(dx, dy) for dx in range(-2, 4) for dy in range(-2, 4)][:n_views]
    model = baseline_cnn()
    forget_peak()
    before = peak_megabytes()
    start = time.perf_counter()
    predict_views(model, images, views, batch)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "megabytes": peak_megabytes() - before}))


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:]))
