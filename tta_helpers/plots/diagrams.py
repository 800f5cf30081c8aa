"""The one diagram of this workbook: an image on its way through views, network and average."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch

from tta_helpers.plots.finishing import GREY, noted
from tta_helpers.plots.images import class_ticks, show_image
from tta_helpers.plots.text import short_name

COLUMNS = ((0.01, 0.15), (0.21, 0.11), (0.37, 0.12), (0.6, 0.12), (0.86, 0.12))  # left, width


def pipeline(
    views: Sequence[np.ndarray],
    view_names: Sequence[str],
    probs: np.ndarray | None = None,
    names: Sequence[str] = (),
    *,
    top: int = 3,
    label: int | None = None,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw how test-time augmentation answers: image, views, one network, probabilities, average.

    Parameters
    ----------
    views
        The views of one image, the image itself first: each (height, width, channels), uint8 or
        floats in [0, 1].
    view_names
        One name a view.
    probs
        Shape (views, classes); without it the bars are left out, for where no network has learned
        yet.
    names
        One name a class.
    top
        How many classes to show at most, the likeliest by the average.
    label
        The right class, if it is known: its name is written in blue.
    """
    n = len(views)
    figure = plt.figure(figsize=(9, 1.15 * max(n, 2) + 0.5), layout="none")
    floor, height = 0.5 / figure.get_figheight(), 1 - 0.8 / figure.get_figheight()

    def place(column: int, row: int = 0, rows: int = 1) -> Axes:
        """Return axes in one of five columns, the rows of a column sharing its height."""
        left, width = COLUMNS[column]
        share = height / rows
        bottom = floor + share * (rows - 1 - row)
        return figure.add_axes((left, bottom + 0.1 * share, width, 0.72 * share))

    classes = [] if probs is None else np.argsort(-np.mean(probs, axis=0), kind="stable")[:top]
    whole, network, last = place(0), _box(place(2), "the same\nnetwork"), place(4)
    show_image(whole, views[0])
    whole.set_title("one image", fontsize=9)
    for k, (view, name) in enumerate(zip(views, view_names, strict=True)):
        shown, answers = place(1, k, n), place(3, k, n)
        show_image(shown, view)
        shown.set_title(short_name(name, 18), fontsize=9)
        if probs is None:
            _box(answers, "probabilities")
        else:
            _bars(answers, probs[k][classes], GREY)
            class_ticks(answers, classes, names, label, most=11)
            if k == 0:
                answers.set_title("probabilities", fontsize=9)
        _arrow(figure, whole, shown)
        _arrow(figure, shown, network)
        room = 0 if probs is None else 0.75
        _arrow(figure, network, answers, room=room)
        _arrow(figure, answers, last, room=room)
    if probs is None:
        _box(last, "their average:\nthe answer")
    else:
        _bars(last, np.mean(probs, axis=0)[classes], "C0")
        class_ticks(last, classes, names, label, most=11)
        last.set_title(f"average: {short_name(names[classes[0]], 11)}", fontsize=9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return noted(figure, note)


def _box(axis: Axes, text: str) -> Axes:
    """Turn axes into a box with a text in it."""
    axis.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1), facecolor="#eef3f8")
    axis.spines[:].set_visible(True)
    axis.grid(False)
    axis.text(0.5, 0.5, text, ha="center", va="center", fontsize=9)
    return axis


def _bars(axis: Axes, values: np.ndarray, colour: str) -> None:
    """Draw probabilities as horizontal bars."""
    axis.barh(range(len(values)), values, 0.7, color=colour)
    axis.set(xlim=(0, 1))
    axis.set_xticks([0, 1], ["0", "1"], fontsize=7)
    axis.tick_params(axis="x", pad=1)
    axis.grid(False)


def _arrow(figure: Figure, start: Axes, end: Axes, room: float = 0) -> None:
    """Draw an arrow from the right edge of one axes to the left edge of another.

    `room` is what names take up left of the second, in widths of its axes.
    """
    ends = (1.04, 0.5), (-0.04 - room, 0.5)
    style = {"arrowstyle": "->", "color": GREY, "linewidth": 1}
    figure.add_artist(ConnectionPatch(*ends, start.transAxes, end.transAxes, **style))
