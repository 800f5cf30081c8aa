"""A million images from a stream into a file: memory, and time against plain `model.predict`.

`make stream` runs it and writes its table into docs/models.md; `python -m benchmarks.stream 20000`
prints it for as many images. The images are synthetic, drawn batch by batch, so that no disk and no
memory holds them; the network is the tutorial's, untrained.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.growth import forget_peak, peak_megabytes
from benchmarks.report import machine_line
from benchmarks.timing import interleaved, machine
from tta_helpers.predict import predict_views
from tta_helpers.quiet import keras
from tta_helpers.views import FLIP
from tta_helpers.workbook.networks import baseline_cnn
from tta_helpers.workbook.place import ROOT, write_whole
from tta_helpers.workbook.publishing import with_section

N, BATCH, ROUND, ROUNDS = 1_000_000, 500, 20_000, 7
PAGE = ROOT / "docs" / "models.md"


class Drawn(keras.utils.PyDataset):
    """Batches of random images, each from a seed of its own, floats in [0, 1] as a CNN takes them.

    Sixteen are drawn once and dealt out in turn, so that drawing costs no time in the rounds.
    """

    def __init__(self, n_images: int):
        super().__init__()
        self._n = n_images // BATCH
        rng = np.random.default_rng(0)
        self._batches = [rng.random((BATCH, 32, 32, 3), dtype=np.float32) for _ in range(16)]

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: int) -> np.ndarray:
        return self._batches[index % 16]


def peaks(n_images: int, model: keras.Model) -> tuple[float, float, float]:
    """Return seconds, and the peak memory over that at the start after a tenth and after all.

    In MB, of the whole process: a thread reads it as the file reaches a tenth.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "probs.npy"
        forget_peak()
        before, tenth = peak_megabytes(), []
        watch = threading.Thread(target=_watch, args=(out, n_images, tenth), daemon=True)
        watch.start()
        start = time.perf_counter()
        probs = predict_views(model, Drawn(n_images), FLIP, BATCH, out=out)
        seconds = time.perf_counter() - start
        watch.join()
        assert probs.shape == (2, n_images, 10), probs.shape
        return seconds, tenth[0] - before, peak_megabytes() - before


def _watch(out: Path, n_images: int, found: list[float]) -> None:
    """Note the peak once a tenth of the images' predictions are written."""
    size = n_images // 10 * 2 * 10 * 4
    while not out.exists():
        partial = out.with_suffix(".partial")
        if partial.exists() and partial.stat().st_size >= size:
            break
        time.sleep(0.05)
    found.append(peak_megabytes())


def ratios(model: keras.Model, images: int) -> list[float]:
    """Return, round by round, our time for two views over that of two plain predictions."""

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            predict_views(model, Drawn(images), FLIP, BATCH, out=Path(folder) / "probs.npy")

    def plain() -> None:
        for _ in FLIP:
            model.predict(Drawn(images), verbose=0)

    seconds = interleaved({"ours": ours, "plain": plain}, ROUNDS, "stream")
    return list(seconds["ours"] / seconds["plain"])


def table(n_images: int) -> str:
    """Measure, and return the table with the machine below it."""
    model = baseline_cnn()
    found = sorted(ratios(model, min(ROUND, n_images)))
    seconds, tenth, whole = peaks(n_images, model)
    what = (
        f"time over {len(FLIP)} plain `model.predict`, {min(ROUND, n_images):,} images, median of "
        f"{ROUNDS} rounds [lowest, highest]"
    )
    rows = [
        f"| images, views, batch | {n_images:,}, {len(FLIP)}, {BATCH} |",
        f"| seconds | {seconds:,.0f} |",
        f"| peak memory over that at the start, after a tenth of the images | {tenth:.0f} MB |",
        f"| the same after all of them | {whole:.0f} MB |",
        f"| size of the predictions on disk | {n_images * len(FLIP) * 40 / 2**20:.0f} MB |",
        f"| {what} | {np.median(found):.3f} [{found[0]:.3f}, {found[-1]:.3f}] |",
    ]
    return "\n".join(["| measured | |", "|---|---|", *rows, "", machine_line(machine()), ""])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(table(int(sys.argv[1])))
    else:
        write_whole(PAGE, with_section(PAGE, "stream", table(N)))
        print(f"{PAGE.relative_to(ROOT)} is written.")
