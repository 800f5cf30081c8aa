"""Figures of numbers: curves, bars, matrices and reliability diagrams."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import ticker
from matplotlib.figure import Figure

from tta_helpers.plots.finishing import noted
from tta_helpers.plots.text import short_name


def training_curves(
    histories: Mapping[str, Mapping[str, Sequence[float]]], note: str = ""
) -> Figure:
    """Draw the accuracy by epoch on training and validation images, one panel a network.

    Each panel's title says where validation ends. Training accuracy is Keras' running mean over
    the epoch, so the two curves are not measured alike.

    Parameters
    ----------
    histories
        By network, what `fit` returns as `history`: "accuracy" and "val_accuracy" by epoch.
    """
    n = max(1, len(histories))
    size = (1 + 2.6 * n, 3.2)
    figure, axes = plt.subplots(1, n, figsize=size, squeeze=False, sharey=True)
    for axis, (name, history) in zip(axes[0], histories.items(), strict=False):
        seen, fresh = (100 * np.array(history[key]) for key in ("accuracy", "val_accuracy"))
        epochs = range(1, len(seen) + 1)
        axis.plot(epochs, seen, "o-", label="training")
        axis.plot(epochs, fresh, "s--", label="validation")
        axis.set(xlabel="epoch", title=f"{name}: validation ends at {fresh[-1]:.0f} %")
        axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1))
    axes[0, 0].set_ylabel("accuracy (%)")
    axes[0, 0].legend(fontsize=8)
    return noted(figure, note)


def class_counts(
    answers: Mapping[str, np.ndarray], names: Sequence[str], *, even: float, note: str = ""
) -> Figure:
    """Draw how often each class is named, one mark a network; a healthy one stays near the line.

    Parameters
    ----------
    answers
        By network, the classes that it names, integers of shape (images,).
    names
        One name a class; of more than thirty, the fifteen least and the fifteen most often named
        by the first network are shown.
    even
        How many images a class has; drawn as a line.
    """
    counts = {name: np.bincount(some, minlength=len(names)) for name, some in answers.items()}
    order = np.argsort(next(iter(counts.values())), kind="stable")
    if len(order) > 30:
        order = np.concatenate([order[:15], order[-15:]])
    figure, axis = plt.subplots(figsize=(7, 1.4 + 0.24 * len(order)))
    for marker, (name, found) in zip("osD^v<>" * len(counts), counts.items(), strict=False):
        axis.plot(found[order], range(len(order)), marker, label=name, markersize=5)
    axis.axvline(even, color="black", linewidth=0.8)
    axis.set_yticks(range(len(order)), [short_name(names[k], 24) for k in order])
    most = max(even, *(found.max() for found in counts.values()))
    axis.set(xlabel="times named (the line: images of each class)", xlim=(0, 1.05 * max(most, 1)))
    ranges = [f"{name} {found.min():,} to {found.max():,}" for name, found in counts.items()]
    axis.set_title(f"Times named: {'; '.join(ranges)}", loc="left")
    axis.legend(fontsize=8)
    return noted(figure, note)


def bars(
    values: Mapping[str, float],
    *,
    x_name: str = "",
    y_name: str = "",
    marked: Collection[str] = (),
    dots: Mapping[str, Sequence[float]] | None = None,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw one upright bar a name; those in `marked` are orange.

    `dots` holds, by name, one more value a bar, drawn as a dot on it.
    """
    figure, axis = plt.subplots(figsize=(max(4.5, min(0.7 * len(values), 12)), 3.2))
    colours = ["C1" if name in marked else "C0" for name in values]
    axis.bar(range(len(values)), list(values.values()), color=colours)
    for name, heights in (dots or {}).items():
        axis.plot(range(len(values)), heights, "o", color="black", markersize=5, label=name)
    if dots:
        axis.legend(axis.lines, list(dots), fontsize=8)
    axis.set_xticks(range(len(values)), list(values))
    axis.set(xlabel=x_name, ylabel=y_name)
    axis.grid(axis="x", visible=False)
    axis.set_title(title, loc="left")
    return noted(figure, note)


def lines(
    x: Sequence[float],
    curves: Mapping[str, Any],
    *,
    x_name: str,
    y_name: str,
    levels: Mapping[str, float] | None = None,
    dots: Mapping[str, Sequence[float]] | None = None,
    log: bool = False,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw curves over common places, with bands, levels and dots.

    Parameters
    ----------
    x
        The places.
    curves
        By name, a value a place; or three rows: values, and the lower and upper edge of a band.
    levels
        By name, heights of horizontal lines.
    dots
        By name, values that are drawn as dots, not joined.
    log
        Whether the places lie on a logarithmic axis.
    """
    figure, axis = plt.subplots()
    drawn = []
    for k, rows in enumerate(curves.values()):
        rows = np.atleast_2d(np.asarray(rows, dtype=float))
        drawn += axis.plot(x, rows[0], "o-" if len(x) == 1 else "-", color=f"C{k}")
        if len(rows) == 3:
            axis.fill_between(x, rows[1], rows[2], color=f"C{k}", alpha=0.2, linewidth=0)
    for values in (dots or {}).values():
        drawn += axis.plot(x, values, "o", color="black", markersize=4)
    for k, height in enumerate((levels or {}).values()):
        style = {"color": f"C{(len(curves) + k) % 7}", "linestyle": ("--", ":", "-.")[k % 3]}
        drawn.append(axis.axhline(height, **style))
    axis.set(xlabel=x_name, ylabel=y_name, xscale="log" if log else "linear")
    if _roomy(np.log10(x) if log else np.asarray(x, dtype=float)):
        axis.set_xticks(x, [f"{place:,}" for place in x])
        axis.minorticks_off()
    # Names are given, because matplotlib would leave out one that begins with "_".
    axis.legend(drawn, [*curves, *(dots or {}), *(levels or {})], fontsize=8)
    axis.set_title(title, loc="left")
    return noted(figure, note)


def _roomy(places: np.ndarray) -> bool:
    """Whether places on an axis, at least a twentieth of it apart, can each have a tick."""
    gaps = np.diff(np.sort(places))
    return len(places) == 1 or bool(gaps.min() >= np.ptp(places) / 20)


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
    limit: float | None = None,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw a matrix as a heat map; NaN stays empty.

    Up to 40 rows and 20 columns have their values written in; of more, every second name or fewer
    is shown.

    Parameters
    ----------
    values
        Shape (rows, columns).
    diverging
        Whether to colour around zero, blue above and red below.
    limit
        Where the colours of a diverging scale end, so that one extreme does not pale the others;
        the largest value if left out.
    form
        Format of a written value.
    """
    values = np.asarray(values, dtype=np.float64)
    if not values.size:
        values = np.full((max(len(rows), 1), max(len(columns), 1)), np.nan)
    written = len(rows) <= 40 and len(columns) <= 20
    cell = (0.62, 0.38) if written else (min(0.62, 9 / len(columns)), min(0.38, 8 / len(rows)))
    rows = [short_name(name, 48) for name in rows]
    room = 1.9 + 0.08 * max(0, max(map(len, rows), default=0) - 24)
    size = (room + max(cell[0] * values.shape[1], 1.9), 1.3 + cell[1] * values.shape[0])
    figure, axis = plt.subplots(figsize=size)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    limit = limit or max(-low, high) or 1.0
    beyond = diverging and max(-low, high) > limit
    style = {"cmap": "RdBu", "vmin": -limit, "vmax": limit} if diverging else {"cmap": "Blues"}
    style = {"vmin": low, "vmax": high if high > low else low + 1, **style}
    picture = axis.imshow(values, aspect="auto", **style)
    axis.grid(False)
    axis.set(xlabel=column_name, ylabel=row_name)
    axis.set_title(title, loc="left")
    across, down = (range(0, len(names), 1 + len(names) // 41) for names in (columns, rows))
    axis.set_xticks(across, [short_name(columns[k], 32) for k in across], rotation=35, ha="right")
    axis.set_yticks(down, [rows[k] for k in down])
    if not written:
        axis.tick_params(labelsize=7)
    ends = "both" if beyond else "neither"
    figure.colorbar(picture, label=value_name, shrink=0.9, extend=ends)
    for (r, c), value in np.ndenumerate(values):
        if written and np.isfinite(value):
            red, green, blue, _ = picture.cmap(picture.norm(value))
            dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
            colour = "white" if dark else "black"
            axis.text(c, r, form.format(value), ha="center", va="center", fontsize=8, color=colour)
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
    n = max(1, len(panels))
    figure, axes = plt.subplots(1, n, figsize=(3.6 * n, 3.6), squeeze=False, sharey=True)
    for axis, (title, lines) in zip(axes[0], panels.items(), strict=False):
        axis.plot([0, 1], [0, 1], color="black", linewidth=0.8)
        for name, bins in lines.items():
            axis.plot(bins["confidence"], bins["accuracy"], "o-", markersize=4, label=name)
        axis.set(title=title, xlabel="confidence (mean of a bin)", xlim=(0, 1), ylim=(0, 1))
    axes[0, 0].set_ylabel("accuracy (share right in a bin)")
    if names := list(next(iter(panels.values()), {})):
        # Names are given, because matplotlib would leave out one that begins with "_".
        axes[0, 0].legend(axes[0, 0].lines[1:], names, fontsize=7)
    return noted(figure, note)
