"""Errors by policy, as table 4 gives them, beside the paper's figures."""

from collections.abc import Mapping

import numpy as np

from benchmarks.imagenet_c.folders import CLEAN, SETS, Cell
from benchmarks.imagenet_c.judging import PASSES
from tta_helpers import metrics
from tta_helpers.workbook.corruptions import SEVERITIES
from tta_helpers.workbook.place import ROOT, read_csv

# AlexNet's error, the mean over the severities, by which an mCE divides a corruption's: the README
# of github.com/hendrycks/robustness, the release of Hendrycks and Dietterich 2019. Table 4 divides
# too, though the paper's other tables do not: it has a ResNet-50 at 78.93 on the fifteen, where
# that README has an mCE of 76.7, which is a mean error of about 61 %.
ALEXNET = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
    "speckle_noise": 0.845388,
    "gaussian_blur": 0.787108,
    "spatter": 0.717512,
    "saturate": 0.658248,
}
PAPER = ROOT / "notebooks" / "records" / "04_paper.csv"
COLUMNS = {"seen": "corrupted", "held out": "held out"}  # the paper's file calls them so


def published(training: str) -> dict[str, dict[str, str]]:
    """Return table 4's rows by name, for a network trained in the "standard" way or by "AugMix"."""
    lines = [line for line in read_csv(PAPER) if line["table"] == "4"]
    return {line["row"]: line for line in lines if line["training"] == training}


def errors(right: Mapping[Cell, np.ndarray], part: str, *, normalised: bool) -> np.ndarray:
    """Return each photograph's error in %, the mean over a part's cells: (policies, photographs).

    Its mean over the photographs is the part's mean error, or its mCE if every corruption's error
    is divided by AlexNet's. Photographs are what an interval is over: copies of one go together.
    """
    names = SETS[part]
    total = sum(
        (1 - right[name, severity].astype(float)) / (ALEXNET[name] if normalised else 1)
        for name in names
        for severity in SEVERITIES
    )
    return 100 * total / (len(names) * len(SEVERITIES))


def with_interval(values: np.ndarray, baseline: np.ndarray | None = None) -> str:
    """Return a mean over photographs with its 95 % interval.

    With a baseline, by how many % the mean is below the baseline's; nothing if that one is zero.
    """
    if baseline is not None and not baseline.any():
        return ""
    found = metrics.image_interval(values, baseline)
    mean, low, high = (number * (1 if baseline is None else 100) for number in found)
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def lines(
    right: Mapping[Cell, np.ndarray], training: str, about: Mapping[str, str]
) -> list[dict[str, str]]:
    """Return one line a policy: clean, seen and held-out errors, and what they are of."""
    paper = published(training)
    clean = 100 * (1 - right[CLEAN, 0].astype(float))
    mce, plain = (
        {part: errors(right, part, normalised=normalised) for part in SETS}
        for normalised in (True, False)
    )
    table = []
    for row, (name, passes) in enumerate(PASSES.items()):
        said = paper.get(name, {})
        line = {
            "row": name,
            "passes": f"{passes} and a predictor" if name.startswith("Ours") else f"{passes}",
            "clean: error in %": with_interval(clean[row]),
            "clean: the paper's": said.get("clean", ""),
        }
        for part in SETS:
            line |= {
                f"{part}: mCE in %": with_interval(mce[part][row]),
                f"{part}: the paper's": said.get(COLUMNS[part], ""),
                f"{part}: mCE lower by %": with_interval(mce[part][row], mce[part][0]),
                f"{part}: mean error in %": with_interval(plain[part][row]),
            }
        table.append({**line, "n": str(len(clean[row])), **about})
    return table
