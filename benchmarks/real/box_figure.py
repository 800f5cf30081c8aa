"""The figure of a detector: photographs with its boxes, and an edge of one box enlarged."""

from collections import Counter
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from benchmarks.real.boxes import BoxJudgement, agreeing, gaps
from benchmarks.real.centernet import CLASSES, SIDE
from tta_helpers.boxes.merging import Merged
from tta_helpers.plots import noted

STYLES = {  # colour and line of each way
    "alone": ("C0", "-"),
    "moved back": ("C2", "-"),
    "fused": ("C4", "-"),
    "averaged": ("C1", "--"),
    "turned": ("C3", ":"),
}
REACH = 20  # pixels to each side of the enlarged edge
NAMED = 40  # pixels across that a box needs to have its name written in


def figure(judgement: BoxJudgement, shown: Sequence[str], note: str) -> Figure:
    """Draw some of the pictures, a row each: alone, mirrored, fused, and what turned maps do."""
    size = (8, 0.4 + 2.35 * len(shown))
    drawn, axes = plt.subplots(len(shown), 4, figsize=size, squeeze=False, layout="constrained")
    names = list(judgement.pictures)
    for row, name in zip(axes, shown, strict=True):
        found = {way: answers[names.index(name)] for way, answers in judgement.answers.items()}
        for axis, title in zip(row, titles(name, found), strict=True):
            axis.imshow(judgement.pictures[name], extent=(0, SIDE, SIDE, 0))
            axis.set(xticks=[], yticks=[])
            axis.set_title(title, fontsize=7)
        for axis, way in zip(row, ("alone", "moved back", "fused"), strict=False):
            _named(axis, found[way], way)
        _enlarged(row[3], found)
    lines = [Patch(fill=False, edgecolor=c, linestyle=line) for c, line in STYLES.values()]
    drawn.legend(lines, STYLES, fontsize=7, ncols=len(lines), loc="outside upper center")
    return noted(drawn, note)


def titles(name: str, found: Mapping[str, Merged]) -> tuple[str, str, str, str]:
    """Return what stands above the pictures of a row."""
    alone, back, fused = (found[way] for way in ("alone", "moved back", "fused"))
    apart = np.abs(gaps(alone, back))
    near = f", {np.median(apart):.1f} px apart" if len(apart) else ""
    return (
        f"{name}, alone\n{tally(alone)}",
        f"moved back: {tally(back)}\n{len(agreeing(alone, back)[0])} agree{near}",
        f"fused\n{tally(fused)}",
        f"averaged: {_off(fused, found['averaged'])} fused\n"
        f"turned: {_off(back, found['turned'])} moved back",
    )


def tally(answer: Merged) -> str:
    """Return how many boxes there are of each class."""
    counts = Counter(CLASSES[label] for label in answer[2])
    return ", ".join(f"{n} × {name}" for name, n in counts.most_common()) or "nothing"


def _off(one: Merged, other: Merged) -> str:
    values = gaps(one, other)
    if len(values):
        return f"{np.median(values):+.1f} px from"
    return "cut at the frame as" if len(agreeing(one, other)[0]) else "none agrees with"


def _named(axis: plt.Axes, answer: Merged, way: str) -> None:
    """Draw boxes, the large ones with class and score, above and below in turn."""
    patch = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.8}
    for k, (box, score, label) in enumerate(zip(*answer, strict=True)):
        _rectangle(axis, box, way)
        if box[2] - box[0] > NAMED:
            place = (
                {"y": box[1] + 4, "va": "top"} if k % 2 == 0 else {"y": box[3] - 4, "va": "bottom"}
            )
            words = f"{CLASSES[label]} {score:.2f}"
            axis.text(box[0] + 4, s=words, fontsize=5.5, bbox=patch, clip_on=True, **place)


def _rectangle(axis: plt.Axes, box: np.ndarray, way: str) -> None:
    x0, y0, x1, y1 = box
    colour, line = STYLES[way]
    style = {"edgecolor": colour, "linestyle": line, "linewidth": 1.4}
    axis.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, **style))


def _enlarged(axis: plt.Axes, found: Mapping[str, Merged]) -> None:
    """Draw the left edge of the smallest box that both views found, if one lies off the frame."""
    for way in ("moved back", "fused", "averaged", "turned"):
        for box in found[way][0]:
            _rectangle(axis, box, way)
    fused = found["fused"][0][agreeing(found["fused"], found["moved back"])[0]]
    boxes = [box for box in fused if box[0] > 0]
    if boxes:
        x0, y0, _, y1 = min(boxes, key=lambda box: box[2] - box[0])
        x, y = np.clip([x0, (y0 + y1) / 2], REACH, SIDE - REACH)
        axis.set(xlim=(x - REACH, x + REACH), ylim=(y + REACH, y - REACH))
