"""What corruptions do to images, in numbers, and the tables that hold these for every cell.

`python tests/corruptions/cells.py` writes sample.csv anew, after a change that is meant.
"""

import csv
from pathlib import Path

import numpy as np
from scipy import ndimage

from tta_helpers.workbook import corruptions as c
from tta_helpers.workbook.sample import make_sample

HERE = Path(__file__).parent
RELEASED, SAMPLE = HERE / "released.csv", HERE / "sample.csv"
CELLS = [(name, severity) for name in c.SEEN + c.HELD_OUT for severity in c.SEVERITIES]


def read(path):
    """Return a table's rows by (corruption, severity), each a dictionary of numbers."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    rows = {(row.pop("corruption"), int(row.pop("severity"))): row for row in csv.DictReader(lines)}
    return {cell: {key: float(value) for key, value in row.items()} for cell, row in rows.items()}


def corrupted(images, name, severity):
    """Corrupt 8-bit images, with the seed 0, and cut the result to 8 bits."""
    return np.floor(c.corrupt(images / np.float32(255), name, severity) * 255).astype(np.uint8)


def statistics(images, changed):
    """Return the mean absolute change, the mean and the standard deviation of each image."""
    changed, inside = changed.astype(float), (1, 2, 3)
    return {
        "mean_abs_change": np.abs(changed - images).mean(inside),
        "mean": changed.mean(inside),
        "std": changed.std(inside),
    }


def similarity(images, changed):
    """Return the mean structural similarity (Wang et al. 2004) over windows of 7x7 pixels."""
    a, b = images.astype(float), changed.astype(float)

    def mean(values):
        return ndimage.uniform_filter(values, (0, 7, 7, 0))[:, 3:-3, 3:-3]

    def covariance(p, q):
        return (mean(p * q) - mean(p) * mean(q)) * 49 / 48

    luminance = (2 * mean(a) * mean(b) + 2.55**2) / (mean(a) ** 2 + mean(b) ** 2 + 2.55**2)
    spread = covariance(a, a) + covariance(b, b) + 7.65**2
    return (luminance * (2 * covariance(a, b) + 7.65**2) / spread).mean()


def of_the_sample():
    """Return the statistics of every cell, averaged over a hundred pictures of the sample."""
    images = make_sample(100, 1)[0]
    cells = {cell: statistics(images, corrupted(images, *cell)) for cell in CELLS}
    return {cell: {key: v.mean() for key, v in row.items()} for cell, row in cells.items()}


if __name__ == "__main__":
    lines = [line for line in SAMPLE.read_text().splitlines() if line.startswith("#")]
    lines += ["corruption,severity,mean_abs_change,mean,std"]
    for (name, severity), row in of_the_sample().items():
        lines.append(",".join([name, str(severity), *(f"{value:.3f}" for value in row.values())]))
    SAMPLE.write_text("\n".join([*lines, ""]))
