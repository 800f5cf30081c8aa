"""Figures of pairs: with and without TTA, original and mirror image."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from tta_helpers.metrics import PairedComparison, significant
from tta_helpers.plots.finishing import GREY, VERDICTS, noted
from tta_helpers.plots.images import class_ticks, show_image
from tta_helpers.plots.text import apart, short_name


def slopes(
    changes: Mapping[str, PairedComparison],
    *,
    ends: tuple[str, str] = ("without TTA", "with TTA"),
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw paired accuracies as a slope graph: a line from before to after for each comparison.

    Clear gains are blue, clear losses orange, others grey, by the p-value, which may be adjusted
    for the number of comparisons. The names stand at the right, beside the ends of their lines.
    """
    inches = 0.5 * max(len(changes), 4)  # of the axes
    figure, axis = plt.subplots(figsize=(6.4, 1.2 + inches))
    pairs = [(100 * change.before, 100 * change.after) for change in changes.values()]
    for (before, after), change in zip(pairs, changes.values(), strict=True):
        axis.plot([0, 1], [before, after], "o-", color=VERDICTS[significant(change)])
    low, high = (np.min(pairs), np.max(pairs)) if pairs else (0, 1)
    least = 0.3 * max(high - low, 1) / inches  # a line of text
    for side, align in ((0, "right"), (1, "left")):
        texts = {}  # equal starts are named once
        for name, pair in zip(changes, pairs, strict=True):
            value = f"{pair[side]:.1f} %"
            texts[f"{value}  {short_name(name, 24)}" if side == 1 else value] = pair[side]
        for text, height in zip(texts, apart(list(texts.values()), least), strict=True):
            axis.text(1.04 * side - 0.04 * (1 - side), height, text, ha=align, va="center")
    axis.set(xlim=(-0.35, 1.95), ylim=(low - 2 * least, high + 2 * least), ylabel="accuracy (%)")
    axis.set_xticks([0, 1], ends)
    axis.grid(False)
    axis.set_title(title, loc="left")
    return noted(figure, note)


def margins(labels: np.ndarray, first: np.ndarray, second: np.ndarray, *, note: str = "") -> Figure:
    """Draw each image's margin on its mirror image against that on the original.

    The margin is the probability of the right class less the highest other one: above zero the
    answer is right. So the corners are the four cases of right and wrong, and their counts are
    written in. Blue dots are images that the average of both gets right. On the dashed line both
    margins weigh the same.

    Parameters
    ----------
    labels
        Integers, shape (images,).
    first, second
        Probabilities of the original and of the mirror image, shape (images, classes).
    """
    x, y, both = (margin(labels, probs) for probs in (first, second, (first + second) / 2))
    figure, axis = plt.subplots(figsize=(5.4, 5.4))
    for right, colour, text in ((True, "C0", "the average is right"), (False, "C1", "wrong")):
        some = (both > 0) == right
        axis.plot(x[some], y[some], ".", color=colour, markersize=3, alpha=0.5, label=text)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.axvline(0, color="black", linewidth=0.8)
    axis.plot([-1, 1], [1, -1], color=GREY, linestyle="--", linewidth=0.8)
    for sign_x, sign_y, text in (
        (1, 1, "both right"),
        (-1, 1, "only the mirror right"),
        (1, -1, "only the original right"),
        (-1, -1, "both wrong"),
    ):
        count = int((((x > 0) == (sign_x > 0)) & ((y > 0) == (sign_y > 0))).sum())
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85}
        place = 0.5 * sign_x, 1.12 * sign_y
        axis.text(*place, f"{text}: {count:,}", ha="center", va="center", bbox=box)
    fixed, broken = int(((x <= 0) & (both > 0)).sum()), int(((x > 0) & (both <= 0)).sum())
    axis.set_title(f"The average repairs {fixed:,} images and breaks {broken:,}", loc="left")
    axis.set(xlim=(-1.05, 1.05), ylim=(-1.2, 1.2))
    axis.set(xlabel="margin on the original", ylabel="margin on the mirror image")
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.12), "ncols": 2}
    axis.legend(fontsize=8, markerscale=3, **below)
    return noted(figure, note)


def margin(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Return by how much the right class leads the next: shape (images,), from -1 to 1."""
    rows = np.arange(len(labels))
    others = np.array(probs, dtype=np.float64)
    others[rows, labels] = -np.inf
    return np.asarray(probs, np.float64)[rows, labels] - others.max(axis=1)


def both_views(
    images: np.ndarray,
    probs: np.ndarray,
    labels: Sequence[int],
    names: Sequence[str],
    *,
    top: int = 3,
    title: str = "",
    note: str = "",
) -> Figure:
    """Show images with their mirror images and the probabilities of both views and the average.

    Parameters
    ----------
    images
        Shape (n, height, width, channels), uint8 or floats in [0, 1].
    probs
        Shape (2, n, classes): of the originals and of the mirror images.
    labels
        The right classes, shape (n,); the right class is written in blue.
    names
        One name a class.
    top
        How many classes to show at most, the likeliest by any of the three first.
    """
    n = len(images)
    columns = 2 if n > 1 else 1
    rows = max(1, -(-n // columns))
    figure = plt.figure(figsize=(5.2 * columns, 0.5 + 1.65 * rows))
    grid = figure.add_gridspec(rows, 3 * columns, width_ratios=(1, 1, 2.1) * columns)
    if not n:
        nothing = figure.add_subplot(grid[0, :])
        nothing.text(0, 0.5, "no such image", va="center")
        nothing.set_axis_off()
    for k in range(n):
        row, left = k // columns, 3 * (k % columns)
        for j, picture in enumerate((images[k], images[k][:, ::-1])):
            axis = figure.add_subplot(grid[row, left + j])
            show_image(axis, picture)
            if row == 0:
                axis.set_title(("original", "mirror")[j], fontsize=9)
        bars = figure.add_subplot(grid[row, left + 2])
        three = np.stack([*probs[:, k], probs[:, k].mean(axis=0)])
        classes = np.argsort(-three.max(axis=0), kind="stable")[:top]
        for j, (values, colour) in enumerate(zip(three, ("C5", "C4", "black"), strict=True)):
            text = ("original", "mirror", "average")[j]
            places = np.arange(len(classes)) + 0.27 * (j - 1)
            bars.barh(places, values[classes], 0.25, color=colour, label=text)
        class_ticks(bars, classes, names, labels[k], most=14)
        bars.set(xlim=(0, 1))
        if k == 0:
            bars.legend(fontsize=7, loc="lower right")
        bars.tick_params(labelsize=8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return noted(figure, note)


def dumbbells(
    pairs: Mapping[str, tuple[float, float]],
    *,
    ends: tuple[str, str],
    x_name: str,
    groups: Sequence[str] = (),
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw two values a row as dots joined by a line, the first row on top.

    `groups` names the group of each row; a line parts a row from one of another group.
    """
    figure, axis = plt.subplots(figsize=(7, 1.2 + min(0.26 * len(pairs), 300)))
    rows = np.arange(len(pairs))
    first, second = np.array([*pairs.values()], dtype=float).reshape(-1, 2).T
    axis.hlines(rows, first, second, color=GREY, linewidth=1)
    axis.plot(first, rows, "o", color="C1", label=ends[0], markersize=5)
    axis.plot(second, rows, "o", color="C0", label=ends[1], markersize=5)
    axis.axvline(0, color="black", linewidth=0.8)
    for row in range(1, len(groups)):
        if groups[row] != groups[row - 1]:
            axis.axhline(row - 0.5, color="#bbbbbb", linewidth=0.8)
    axis.grid(axis="y", visible=not groups)
    axis.set_yticks(rows, list(pairs))
    axis.set(ylim=(max(len(pairs), 1) - 0.4, -0.6), xlabel=x_name)
    figure.legend(fontsize=8, frameon=False, loc="outside upper right", ncols=2)
    axis.set_title(title, loc="left")
    return noted(figure, note)
