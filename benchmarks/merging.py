"""Merging the boxes of views: how long, and against ensemble-boxes in the same rounds.

`python -m benchmarks.merging` writes its table into docs/benchmarks.md. ensemble-boxes is large and
no part of the workbook: `pip install --target FOLDER ensemble-boxes==1.0.9`, then the same command
with FOLDER in PYTHONPATH, behind this one. Boxes are synthetic: objects that every view finds, each
a little elsewhere, and strays.
"""

import sys
from collections.abc import Callable
from importlib.metadata import version

import numpy as np

from benchmarks.report import machine_line
from benchmarks.timing import interleaved, machine
from tta_helpers.boxes import merge_pictures, nms, weighted_box_fusion
from tta_helpers.workbook.place import ROOT, RunError, write_whole
from tta_helpers.workbook.publishing import with_section

PICTURES, VIEWS, OBJECTS, STRAYS, CLASSES = 1000, 8, 80, 20, 3
COMPARED, ROUNDS, THRESHOLD = 50, 7, 0.55
PAGE = ROOT / "docs" / "benchmarks.md"


def picture(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return boxes in [0, 1], scores, labels and views of one picture, view after view."""
    corner, side = rng.uniform(0, 0.9, (OBJECTS, 2)), rng.uniform(0.02, 0.1, (OBJECTS, 2))
    names, parts = rng.integers(0, CLASSES, OBJECTS), []
    for _ in range(VIEWS):
        near = np.hstack([corner, corner + side])
        near = near + rng.normal(0, 0.1, near.shape) * np.tile(side, 2) / 2
        stray, size = rng.uniform(0, 0.9, (STRAYS, 2)), rng.uniform(0.02, 0.1, (STRAYS, 2))
        boxes = np.clip(np.vstack([near, np.hstack([stray, stray + size])]), 0, 1)
        labels = np.concatenate([names, rng.integers(0, CLASSES, STRAYS)])
        parts.append((boxes, rng.uniform(0.05, 1, len(boxes)), labels))
    boxes, scores, labels = map(np.concatenate, zip(*parts, strict=True))
    return boxes, scores, labels, np.repeat(np.arange(VIEWS), OBJECTS + STRAYS)


def ours(pictures: list[tuple]) -> dict[str, Callable]:
    """Return our two rules on all pictures at once, by name."""
    without_views = [found[:3] for found in pictures]
    return {
        "fusion": lambda: merge_pictures(weighted_box_fusion, pictures, THRESHOLD, VIEWS),
        "NMS": lambda: merge_pictures(nms, without_views, THRESHOLD),
    }


def theirs(pictures: list[tuple]) -> dict[str, Callable]:
    """Return those of ensemble-boxes, picture by picture."""
    import ensemble_boxes

    lists = [[np.split(part, VIEWS) for part in found[:3]] for found in pictures]
    rules = {"fusion": ensemble_boxes.weighted_boxes_fusion, "NMS": ensemble_boxes.nms}
    return {
        name: lambda rule=rule: [rule(*one, iou_thr=THRESHOLD) for one in lists]
        for name, rule in rules.items()
    }


def largest_difference(name: str, mine: Callable, other: Callable) -> float:
    """Return how far boxes and scores of one rule lie apart at most, each the highest score first.

    Raises
    ------
    RunError
        If the two leave another number of boxes of a picture.
    """
    apart = 0.0
    for a, b in zip(mine(), other(), strict=True):
        if len(a[1]) != len(b[1]):
            raise RunError(f"{name} leaves {len(a[1])} boxes here and {len(b[1])} there.")
        for first, second in zip(a[:2], b[:2], strict=True):
            in_order = np.argsort(-np.asarray(b[1]), kind="stable")
            apart = max(apart, float(np.abs(first - np.asarray(second)[in_order]).max()))
    return apart


def table() -> str:
    """Measure, and return the table with the machine below it."""
    rng = np.random.default_rng(0)
    pictures = [picture(rng) for _ in range(PICTURES)]
    whole = interleaved(ours(pictures), ROUNDS, "merge all")
    mine, others = ours(pictures[:COMPARED]), theirs(pictures[:COMPARED])
    ways = {f"ours, {name}": way for name, way in mine.items()}
    ways |= {f"theirs, {name}": way for name, way in others.items()}
    seconds = interleaved(ways, ROUNDS, "compare")
    rows = []
    for name in mine:
        times = seconds[f"theirs, {name}"] / seconds[f"ours, {name}"]
        rows.append(
            f"| {name} | {_ranged(whole[name])} | {_ranged(times)} | "
            f"{largest_difference(name, mine[name], others[name]):.1g} |"
        )
    header = (
        f"| rule | seconds for {PICTURES:,} pictures of {VIEWS} views x {OBJECTS + STRAYS} boxes | "
        f"ensemble-boxes {version('ensemble-boxes')} / ours, {COMPARED} pictures | "
        "largest difference |"
    )
    note = f"Median of {ROUNDS} rounds [lowest, highest]; boxes in widths of the picture."
    return "\n".join(
        [header, "|---|---|---|---|", *rows, "", f"{note} {machine_line(machine())}", ""]
    )


def _ranged(values: np.ndarray) -> str:
    return f"{np.median(values):.3g} [{values.min():.3g}, {values.max():.3g}]"


def main() -> int:
    """Measure and write the page; return the exit status."""
    try:
        import ensemble_boxes  # noqa: F401
    except ImportError:
        print(f"error: ensemble-boxes is not installed.\n{__doc__}", file=sys.stderr)
        return 1
    write_whole(PAGE, with_section(PAGE, "merging", table()))
    print(f"{PAGE.relative_to(ROOT)} is written.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
