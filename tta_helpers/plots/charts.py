"""Figures of numbers: curves, matrices, gains, trade-offs and reliability diagrams."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import ticker
from matplotlib.figure import Figure

from tta_helpers.metrics import PairedComparison, significant, verdict
from tta_helpers.plots.finishing import GREY, VERDICTS, noted
from tta_helpers.plots.text import apart, short_name


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
        drawn += axis.plot(x, rows[0], color=f"C{k}")
        if len(rows) == 3:
            axis.fill_between(x, rows[1], rows[2], color=f"C{k}", alpha=0.2, linewidth=0)
    for values in (dots or {}).values():
        drawn += axis.plot(x, values, "o", color="black", markersize=4)
    for k, height in enumerate((levels or {}).values()):
        style = {"color": f"C{(len(curves) + k) % 7}", "linestyle": ("--", ":", "-.")[k % 3]}
        drawn.append(axis.axhline(height, **style))
    axis.set(xlabel=x_name, ylabel=y_name, xscale="log" if log else "linear")
    if log or len(x) <= 20:
        axis.set_xticks(x, [f"{place:,}" for place in x])
        axis.minorticks_off()
    # Names are given, because matplotlib would leave out one that begins with "_".
    axis.legend(drawn, [*curves, *(dots or {}), *(levels or {})], fontsize=8)
    axis.set_title(title, loc="left")
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
    size = (max(1.9 + cell[0] * values.shape[1], 3.8), 1.3 + cell[1] * values.shape[0])
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
    axis.set_xticks(across, [short_name(columns[k], 24) for k in across], rotation=35, ha="right")
    axis.set_yticks(down, [short_name(rows[k], 24) for k in down])
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


def gains(
    changes: Mapping[str, PairedComparison | tuple[float, float, float]],
    note: str = "",
    title: str = "",
    x_name: str = "gain in accuracy (percentage points), 95 % interval",
) -> Figure:
    """Draw each gain in percentage points with its 95 % interval, first on top.

    A change is a comparison, or a gain and the ends of its interval, as shares. Clear gains are
    blue, clear losses orange, others grey: by its p-value, which may be adjusted for the number of
    comparisons, or else by the interval.
    """
    names = list(changes)
    figure, axis = plt.subplots(figsize=(7, 1 + min(0.3 * len(names), 300)))
    for y, change in enumerate(changes.values()):
        if isinstance(change, PairedComparison):
            word, change = significant(change), (change.gain, change.low, change.high)
        else:
            word = verdict(*change[1:])
        gain, low, high = (100 * value for value in change)
        axis.plot([low, high], [y, y], color=VERDICTS[word])
        axis.plot(gain, y, "o", color=VERDICTS[word])
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axis.set_xlabel(x_name)
    axis.set_title(title, loc="left")
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
    front, passes = list(front), np.asarray(passes, dtype=float)
    gain, low, high = _in_points(changes)
    axis.plot(passes, gain, ".", color=GREY, alpha=0.6, label="a policy")
    x, y, low, high = (values[front] for values in (passes, gain, low, high))
    axis.errorbar(x, y, (y - low, high - y), fmt="o", color="C0", capsize=2, label="on the front")
    axis.step(x, y, where="post", color="C0", linewidth=0.8)
    for number, point in enumerate(zip(x, y, strict=True), start=1):
        offset = (3, 5) if number % 2 else (3, -12)  # above and below in turn
        axis.annotate(str(number), point, offset, textcoords="offset points", fontsize=8)
    axis.axhline(0, color="black", linewidth=0.8)
    ticks = [tick for tick in (1, 1.5, 2, 3, 5, 10, 20, 50) if tick <= 1.2 * passes.max(initial=1)]
    axis.set(xscale="log", xlabel="cost (forward passes)", ylabel="gain (percentage points)")
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.legend(fontsize=8)
    return noted(figure, note)


def gain_for_cost(
    groups: Mapping[str, Mapping[str, tuple[float, PairedComparison]]],
    *,
    x_name: str,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw gains with their 95 % intervals against cost, each named above the frame.

    Parameters
    ----------
    groups
        By group and name, what a policy costs, above 0, and what it changes.
    """
    figure, axis = plt.subplots(figsize=(7, 4.4))
    points, drawn = [], []
    for k, members in enumerate(groups.values()):
        costs = [cost for cost, _ in members.values()]
        gain, low, high = _in_points([change for _, change in members.values()])
        style = {"fmt": "os^Dv"[k % 5], "color": f"C{k % 7}", "capsize": 2}
        drawn.append(axis.errorbar(costs, gain, (gain - low, high - gain), **style))
        points += zip(members, costs, high, [f"C{k % 7}"] * len(costs), strict=True)
    axis.axhline(0, color="black", linewidth=0.8)
    costs = np.array([cost for _, cost, _, _ in points]) if points else np.ones(1)
    span = np.log([costs.min() / 1.3, costs.max() * 1.3])
    axis.set(xscale="log", xlabel=x_name, ylabel="gain (percentage points)", xlim=np.exp(span))
    ticks = [tick for tick in (1, 2, 3, 5, 10, 20, 50, 100) if span[0] <= np.log(tick) <= span[1]]
    axis.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axis.minorticks_off()
    places = (np.log(costs) - span[0]) / np.ptp(span)  # as shares of the width
    roomy = apart(places, 0.04) if points else places
    for (name, cost, top, colour), place in zip(points, roomy, strict=False):
        axis.annotate(
            short_name(name, 24),
            (cost, top),
            (place, 1.03),
            textcoords="axes fraction",
            rotation=50,
            fontsize=8,
            color=colour,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.4},
        )
    low, high = axis.get_ylim()
    axis.set_ylim(low - 0.15 * (high - low), high)  # room for the legend
    axis.legend(drawn, list(groups), fontsize=8, loc="lower right", ncols=max(1, len(groups)))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return noted(figure, note)


def _in_points(changes: Sequence[PairedComparison]) -> np.ndarray:
    """Return gains and the ends of their intervals in percentage points, shape (3, changes)."""
    ends = ("gain", "low", "high")
    return np.array([[100 * getattr(change, end) for change in changes] for end in ends])


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
