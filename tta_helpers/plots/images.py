"""Figures of images: in a grid, with their probabilities, and on their way through the views."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tta_helpers.plots.finishing import GREY, noted
from tta_helpers.plots.text import cut, short_name


def image_grid(
    images: np.ndarray,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 10,
    side: float = 0.9,
    row_labels: Sequence[str] | None = None,
    title: str = "",
    note: str = "",
) -> Figure:
    """Show images side by side, row by row.

    Parameters
    ----------
    images
        Shape (n, height, width, 3) or grey (n, height, width, 1), uint8 or floats in [0, 1].
    titles
        One short text an image, shown above it; those for the first row alone will do.
    columns
        Images a row.
    side
        Inches of an image's longer side; less where there are many rows.
    row_labels
        One text a row, shown at its left.
    """
    images = np.asarray(images) if len(images) else np.zeros((0, 1, 1, 3))
    titles, row_labels = list(titles or []), list(row_labels or [])
    rows, longest = max(1, -(-len(images) // columns)), max(images.shape[1:3])
    images = images[:, :: -(-longest // 256), :: -(-longest // 256)]  # finer than is drawn
    height, width = images.shape[1:3]
    side = np.clip(40 / rows, min(0.3, 300 / rows), side)  # a higher figure cannot be drawn
    inch, gap = max(height, width) / side, -(-max(height, width) // 18)  # in pixels of the images
    lines = max((text.count("\n") + 1 for text in titles), default=0)
    titled = np.arange(rows) < -(-len(titles) // columns)
    space = gap + titled * int(np.ceil(0.15 * lines * inch))
    tops = np.cumsum(space + height) - height
    lefts = np.arange(columns) * (width + gap)
    empty = 255 if images.dtype == np.uint8 else 1
    grid = np.full((tops[-1] + height, lefts[-1] + width, *images.shape[3:]), empty, images.dtype)
    for k, image in enumerate(images):
        top, left = tops[k // columns], lefts[k % columns]
        grid[top : top + height, left : left + width] = image
    wide = max(grid.shape[1] / inch, 3.8) + (0.9 if row_labels else 0)
    size = (wide + 0.2, grid.shape[0] / inch + 0.4)
    figure, axis = plt.subplots(figsize=size, layout="compressed")  # labels beside a fixed shape
    show_image(axis, grid)
    for k, text in enumerate(titles[: len(images)]):
        at = lefts[k % columns] + width / 2 - 0.5, tops[k // columns] - gap / 2
        axis.text(*at, cut(text, 16), ha="center", va="bottom", fontsize=8, in_layout=False)
    axis.set_yticks(tops[: len(row_labels)] + height / 2, row_labels[:rows], fontsize=9)
    axis.tick_params(length=0)
    axis.set_title(title, loc="left")
    return noted(figure, note)


def show_image(axis: Axes, image: np.ndarray, **style: object) -> None:
    """Show an image, (height, width), (height, width, 1), 3 or 4, without axes around it."""
    image = np.asarray(image)
    if image.ndim == 2 or image.shape[-1] == 1:
        image = np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    if image.dtype.kind == "f":
        image = np.clip(np.nan_to_num(image.astype(np.float64)), 0, 1)  # rounding may lead outside
    axis.imshow(image, **style)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    axis.grid(False)


def class_ticks(
    axis: Axes, classes: Sequence[int], names: Sequence[str], label: int | None, most: int
) -> None:
    """Name classes down the left of horizontal bars, the first on top, the right one in blue."""
    axis.set_yticks(range(len(classes)), [short_name(names[k], most) for k in classes], fontsize=8)
    for text, k in zip(axis.get_yticklabels(), classes, strict=True):
        text.set_color("C0" if k == label else "black")
    axis.invert_yaxis()


def followed(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    scores: np.ndarray,
    losses: np.ndarray,
    right: np.ndarray,
    choice: Sequence[int],
    texts: Sequence[str],
    note: str = "",
) -> Figure:
    """Follow images through a loss predictor: image, scores against true losses, chosen view.

    Parameters
    ----------
    pairs
        For each image, the image and its chosen view, (height, width, 3) in [0, 1] or uint8.
    scores, losses
        Predicted scores and true losses, shape (images, views).
    right
        Whether the target is right on each view, shape (images, views).
    choice
        The view that is taken for each image.
    texts
        A few words on each image, above its row; a new line begins after each semicolon.
    """
    n = max(1, len(pairs))
    figure, axes = plt.subplots(n, 3, figsize=(7.5, 2.3 * n), width_ratios=(1, 2, 1), squeeze=False)
    for row, (images, text) in enumerate(zip(pairs, texts, strict=True)):
        left, middle, last = axes[row]
        for axis, image in ((left, images[0]), (last, images[1])):
            show_image(axis, image)
        for answer, marker, colour in ((True, "o", "C0"), (False, "^", "C1")):
            some = right[row] == answer
            label = "the target is right" if answer else "the target is wrong"
            style = {"marker": marker, "color": colour, "label": label}
            middle.scatter(scores[row, some], losses[row, some], **style)
        taken = choice[row]
        at = {"s": 160, "facecolors": "none", "edgecolors": "black", "label": "chosen"}
        middle.scatter(scores[row, taken], losses[row, taken], **at)
        middle.set(ylabel="true loss")
        middle.set_title(text.replace("; ", "\n"), fontsize=9)
    axes[-1, 1].set_xlabel("score of the loss predictor")
    if len(pairs):
        axes[0, 1].legend(fontsize=7)
    axes[0, 0].set_title("as it came")
    axes[0, 2].set_title("chosen view")
    return noted(figure, note)


def explained(
    images: np.ndarray,
    titles: Sequence[str],
    probs: np.ndarray,
    weights: np.ndarray,
    names: Sequence[str],
    label: int,
    note: str = "",
    *,
    top: int = 12,
) -> Figure:
    """Show how the views of one image become one prediction.

    Above, the views with the class that each names, blue if right; in the middle, their weights;
    below, the weighted average.

    Parameters
    ----------
    images
        The views, shape (views, height, width, 3), in [0, 1].
    titles
        One name a view.
    probs
        Shape (views, classes).
    weights
        Shape (views,), summing to one; a view of weight 0 is drawn pale.
    names, label
        One name a class, and the number of the right one.
    top
        How many classes the average is shown for at most: the likeliest, and the right one.
    """
    n = len(images)
    figure = plt.figure(figsize=(max(0.9 * n, 6), 4.6))
    grid = figure.add_gridspec(3, n, height_ratios=(2.2, 1, 2.4))
    for k, (image, title) in enumerate(zip(images, titles, strict=True)):
        axis = figure.add_subplot(grid[0, k])
        show_image(axis, image, alpha=1 if weights[k] else 0.35)
        axis.set_title(title.replace(" ", "\n"), fontsize=7)
        best = int(probs[k].argmax())
        said = f"{short_name(names[best], 14)}\n{100 * probs[k, best]:.0f} %"
        axis.set_xlabel(said, fontsize=7, color="C0" if best == label else "C1")
    bars = figure.add_subplot(grid[1, :])
    bars.bar(range(n), weights, color=GREY)
    bars.set(xticks=[], xlim=(-0.5, n - 0.5), ylabel="weight")
    average = np.asarray(weights) @ np.asarray(probs)
    likeliest = np.argsort(-average, kind="stable")[:top]
    likeliest[-1] = likeliest[-1] if label in likeliest else label
    classes, places = np.sort(likeliest), range(len(likeliest))
    outcome = figure.add_subplot(grid[2, :])
    outcome.bar(
        places, average[classes], color=["C0" if k == label else "#bbbbbb" for k in classes]
    )
    wide = 5.5 * figure.get_figwidth() > sum(len(short_name(names[k], 14)) for k in classes)
    turned = {} if wide else {"rotation": 25, "ha": "right"}
    outcome.set_xticks(places, [short_name(names[k], 14) for k in classes], **turned)
    outcome.set(ylabel="average", ylim=(0, 1))
    answer, right = (short_name(names[k], 40) for k in (average.argmax(), label))
    outcome.set_title(f"answer: {answer}; right: {right} (blue)", fontsize=9)
    return noted(figure, note)
