"""The workbook's figures and tables; each figure carries a note on the data that it shows.

Every figure function returns the `Figure`, drawn with the notebooks' matplotlibrc. `note` is the
small print under the figure: which data, how many images, how many fits.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from matplotlib.figure import Figure

from tta_helpers.metrics import PairedComparison, verdict

_GREY = "#666666"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Markdown:
    """Return a table to display; floats are shown with four digits after the point."""

    def cell(value: object) -> str:
        return f"{value:.4f}" if isinstance(value, float) else str(value)

    lines = [header, ["---"] * len(header), *rows]
    return Markdown("\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines))


def points(change: PairedComparison | tuple[float, float, float]) -> str:
    """Return a gain in percentage points with its interval, such as `+1.20 [+0.85, +1.55]`.

    `change` is a comparison, or a gain and the ends of its interval, as shares.
    """
    if isinstance(change, PairedComparison):
        change = (change.gain, change.low, change.high)
    gain, low, high = (f"{round(100 * value, 2) + 0.0:+.2f}" for value in change)  # no "-0.00"
    return f"{gain} [{low}, {high}]"


def image_grid(
    images: np.ndarray,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 10,
    row_labels: Sequence[str] | None = None,
    note: str = "",
) -> Figure:
    """Show images side by side, row by row.

    Parameters
    ----------
    images
        Shape (n, height, width, 3), uint8 or floats in [0, 1].
    titles
        One short text an image, shown above it; those for the first row alone will do.
    columns
        Images a row.
    row_labels
        One text a row, shown at its left.
    """
    rows = max(1, -(-len(images) // columns))
    titles = titles or []
    lines = max((title.count("\n") + 1 for title in titles), default=0)
    titled_rows = -(-len(titles) // columns)
    height = 0.9 * rows + 0.2 * lines * titled_rows + 0.25
    size = (max(columns, 4) * 0.95 + (0.9 if row_labels else 0), height)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for k, axis in enumerate(axes.flat):
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        if k < len(images):
            axis.imshow(images[k])
            if k < len(titles):
                axis.set_title(titles[k], fontsize=8)
    for label, axis in zip(row_labels or [], axes[:, 0], strict=False):
        axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
    return noted(figure, note)


def two_views(
    image: np.ndarray, probs: np.ndarray, names: Sequence[str], *, top: int = 4, note: str = ""
) -> Figure:
    """Show an image, its mirror image, and the probabilities that each gets, with their average.

    Parameters
    ----------
    image
        Shape (height, width, 3), uint8 or floats in [0, 1].
    probs
        Shape (2, classes): of the image and of its mirror image.
    names
        One name a class.
    top
        How many classes to show, the most probable by the average first.
    """
    figure, axes = plt.subplots(1, 3, figsize=(8.5, 2.6), width_ratios=(1, 1, 2.2))
    for axis, picture, title in zip(
        axes, (image, image[:, ::-1]), ("original", "mirror"), strict=False
    ):
        axis.imshow(picture)
        axis.set(xticks=[], yticks=[], title=title)
        axis.spines[:].set_visible(False)
    rows = {"original": probs[0], "mirror": probs[1], "average": probs.mean(axis=0)}
    classes = np.argsort(-rows["average"])[:top]
    for k, (label, row) in enumerate(rows.items()):
        colour = ("C5", "C4", "black")[k]
        axes[2].barh(np.arange(top) + 0.27 * (k - 1), row[classes], 0.25, label=label, color=colour)
    axes[2].set_yticks(range(top), [names[k] for k in classes])
    axes[2].invert_yaxis()
    axes[2].set(xlabel="probability", xlim=(0, 1))
    axes[2].legend(fontsize=8, loc="lower right")
    return noted(figure, note)


def learning_curves(history: Mapping[str, Sequence[float]], note: str = "") -> Figure:
    """Draw loss and accuracy by epoch, on training and validation images."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2))
    for axis, key in zip(axes, ("loss", "accuracy"), strict=True):
        epochs = range(1, len(history[key]) + 1)
        axis.plot(epochs, history[key], "o-", label="training (running mean of the epoch)")
        axis.plot(epochs, history[f"val_{key}"], "s--", label="validation (end of the epoch)")
        axis.set(xlabel="epoch", ylabel=key, xticks=list(epochs))
    axes[0].legend(fontsize=8)
    return noted(figure, note)


def matrix(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    row_name: str = "",
    column_name: str = "",
    value_name: str = "",
    form: str = "{:.0f}",
    diverging: bool = False,
    note: str = "",
) -> Figure:
    """Draw a matrix as a heat map with its values written in; NaN stays empty.

    Parameters
    ----------
    values
        Shape (rows, columns).
    diverging
        Whether to colour around zero, blue above and red below.
    form
        Format of a written value.
    """
    size = (1.9 + 0.62 * len(columns), 1.3 + 0.38 * len(rows))
    figure, axis = plt.subplots(figsize=size)
    limit = np.nanmax(np.abs(values)) or 1.0
    style = {"cmap": "RdBu", "vmin": -limit, "vmax": limit} if diverging else {"cmap": "Blues"}
    picture = axis.imshow(values, aspect="auto", **style)
    axis.grid(False)
    axis.set(xlabel=column_name, ylabel=row_name)
    axis.set_xticks(range(len(columns)), columns, rotation=35, ha="right")
    axis.set_yticks(range(len(rows)), rows)
    figure.colorbar(picture, label=value_name, shrink=0.9)
    for (r, c), value in np.ndenumerate(values):
        if np.isfinite(value):
            red, green, blue, _ = picture.cmap(picture.norm(value))
            dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
            colour = "white" if dark else "black"
            axis.text(c, r, form.format(value), ha="center", va="center", fontsize=8, color=colour)
    return noted(figure, note)


def gains(
    changes: Mapping[str, PairedComparison | tuple[float, float, float]], note: str = ""
) -> Figure:
    """Draw each gain in percentage points with its 95 % interval, first on top.

    A change is a comparison, or a gain and the ends of its interval, as shares.
    """
    names = list(changes)
    figure, axis = plt.subplots(figsize=(7, 1 + 0.3 * len(names)))
    for y, change in enumerate(changes.values()):
        if isinstance(change, PairedComparison):
            change = (change.gain, change.low, change.high)
        gain, low, high = (100 * value for value in change)
        colour = {"helps": "C0", "hurts": "C1", "no clear effect": _GREY}[verdict(low, high)]
        axis.plot([low, high], [y, y], color=colour)
        axis.plot(gain, y, "o", color=colour)
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set_xlabel("gain in accuracy (percentage points), 95 % interval")
    return noted(figure, note)


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
        One line an image, above its row.
    """
    n = len(pairs)
    figure, axes = plt.subplots(n, 3, figsize=(7.5, 2.3 * n), width_ratios=(1, 2, 1), squeeze=False)
    for row, (images, text) in enumerate(zip(pairs, texts, strict=True)):
        left, middle, last = axes[row]
        for axis, image in ((left, images[0]), (last, images[1])):
            axis.imshow(image)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        for answer, marker, colour in ((True, "o", "C0"), (False, "^", "C1")):
            some = right[row] == answer
            label = "the target is right" if answer else "the target is wrong"
            style = {"marker": marker, "color": colour, "label": label}
            middle.scatter(scores[row, some], losses[row, some], **style)
        taken = choice[row]
        at = {"s": 160, "facecolors": "none", "edgecolors": "black", "label": "chosen"}
        middle.scatter(scores[row, taken], losses[row, taken], **at)
        middle.set(ylabel="true loss", title=text)
    axes[-1, 1].set_xlabel("score of the loss predictor")
    axes[0, 1].legend(fontsize=7)
    axes[0, 0].set_title("as it came")
    axes[0, 2].set_title("chosen view")
    return noted(figure, note)


def trade_off(
    passes: Sequence[float],
    changes: Sequence[PairedComparison],
    front: Sequence[int],
    note: str = "",
) -> Figure:
    """Draw gains against cost: every policy a dot, those on the front numbered, with intervals.

    Parameters
    ----------
    passes
        The cost of each policy in forward passes.
    changes
        What each policy changes.
    front
        The policies to join up by steps, in the order of their cost; the first is number 1.
    """
    figure, axis = plt.subplots(figsize=(8, 4))
    gain = np.array([100 * change.gain for change in changes])
    passes = np.asarray(passes, dtype=float)
    axis.plot(passes, gain, ".", color=_GREY, alpha=0.6, label="a policy")
    x, y = passes[list(front)], gain[list(front)]
    low, high = (
        np.array([100 * getattr(changes[k], end) for k in front]) for end in ("low", "high")
    )
    axis.errorbar(x, y, (y - low, high - y), fmt="o", color="C0", capsize=2, label="on the front")
    axis.step(x, y, where="post", color="C0", linewidth=0.8)
    for number, point in enumerate(zip(x, y, strict=True), start=1):
        offset = (3, 5) if number % 2 else (3, -12)  # above and below in turn
        axis.annotate(str(number), point, offset, textcoords="offset points", fontsize=8)
    axis.axhline(0, color="black", linewidth=0.8)
    ticks = [tick for tick in (1, 1.5, 2, 3, 5, 10, 20, 50) if tick <= 1.2 * passes.max()]
    axis.set(xscale="log", xlabel="cost (forward passes)", ylabel="gain (percentage points)")
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.legend(fontsize=8)
    return noted(figure, note)


def reliability_diagrams(
    panels: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]], note: str = ""
) -> Figure:
    """Draw accuracy against confidence, one panel a title, one line a policy.

    On the diagonal a prediction may be believed; below it, it is too sure.

    Parameters
    ----------
    panels
        By title and policy, what `metrics.reliability` returns.
    """
    size = (3.6 * len(panels), 3.6)
    figure, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False, sharey=True)
    for axis, (title, lines) in zip(axes[0], panels.items(), strict=True):
        axis.plot([0, 1], [0, 1], color="black", linewidth=0.8)
        for name, bins in lines.items():
            axis.plot(bins["confidence"], bins["accuracy"], "o-", markersize=4, label=name)
        axis.set(title=title, xlabel="confidence (mean of a bin)", xlim=(0, 1), ylim=(0, 1))
    axes[0, 0].set_ylabel("accuracy (share right in a bin)")
    axes[0, 0].legend(fontsize=7)
    return noted(figure, note)


def explained(
    images: np.ndarray,
    titles: Sequence[str],
    probs: np.ndarray,
    weights: np.ndarray,
    names: Sequence[str],
    label: int,
    note: str = "",
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
    """
    n = len(images)
    figure = plt.figure(figsize=(max(0.9 * n, 6), 4.6))
    grid = figure.add_gridspec(3, n, height_ratios=(2.2, 1, 2.4))
    for k, (image, title) in enumerate(zip(images, titles, strict=True)):
        axis = figure.add_subplot(grid[0, k])
        axis.imshow(image, alpha=1 if weights[k] else 0.35)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        axis.set_title(title.replace(" ", "\n"), fontsize=7)
        best = int(probs[k].argmax())
        said = f"{names[best]}\n{100 * probs[k, best]:.0f} %"
        axis.set_xlabel(said, fontsize=7, color="C0" if best == label else "C1")
    bars = figure.add_subplot(grid[1, :])
    bars.bar(range(n), weights, color=_GREY)
    bars.set(xticks=[], xlim=(-0.5, n - 0.5), ylabel="weight")
    average = weights @ probs
    outcome = figure.add_subplot(grid[2, :])
    outcome.bar(
        names, average, color=["C0" if k == label else "#bbbbbb" for k in range(len(names))]
    )
    outcome.set(ylabel="average", ylim=(0, 1))
    said = f"answer: {names[average.argmax()]}; right would be {names[label]} (blue)"
    outcome.set_title(said, fontsize=9)
    return noted(figure, note)


def noted(figure: Figure, note: str) -> Figure:
    """Write the small print under a figure that is done, and return it to be shown once."""
    if note:
        figure.supxlabel(note, fontsize=8, color=_GREY, x=0.01, ha="left")
    plt.close(figure)  # returned and shown by the notebook; without this it would show twice
    return figure
