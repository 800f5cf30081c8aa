"""Figures of gains with their intervals: row by row, budget by budget, and against cost."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tta_helpers.metrics import PairedComparison, significant, verdict
from tta_helpers.plots.finishing import VERDICTS, noted
from tta_helpers.plots.text import apart, short_name


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
    figure, axis = plt.subplots(figsize=(7, 1 + min(0.3 * len(changes), 300)))
    _draw_gains(axis, changes)
    axis.set_xlabel(x_name)
    axis.set_title(title, loc="left")
    return noted(figure, note)


def by_budget(
    panels: Mapping[str, Mapping[str, PairedComparison | tuple[float, float, float]]],
    *,
    marked: Mapping[str, str] | None = None,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw gains with their 95 % intervals, a panel a budget, every policy by name.

    The panels share their scale; colours are those of `gains`.

    Parameters
    ----------
    panels
        By budget and policy, what a policy changes.
    marked
        By budget, the policy whose name is bold.
    """
    heights = [max(len(changes), 1) for changes in panels.values()] or [1]
    size = (7, 1.2 + 0.26 * sum(heights) + 0.35 * len(heights))
    how = {"sharex": True, "squeeze": False, "height_ratios": heights}
    figure, axes = plt.subplots(len(heights), 1, figsize=size, **how)
    for axis, (budget, changes) in zip(axes[:, 0], panels.items(), strict=False):
        _draw_gains(axis, changes)
        axis.set_title(budget, loc="left", fontsize=9)
        for label, name in zip(axis.get_yticklabels(), changes, strict=True):
            label.set_fontweight("bold" if (marked or {}).get(budget) == name else "normal")
    axes[-1, 0].set_xlabel("gain in accuracy (percentage points), 95 % interval")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return noted(figure, note)


def _draw_gains(
    axis: Axes, changes: Mapping[str, PairedComparison | tuple[float, float, float]]
) -> None:
    """Draw a dot and an interval a change, named at the left, the first on top."""
    for y, change in enumerate(changes.values()):
        if isinstance(change, PairedComparison):
            word, change = significant(change), (change.gain, change.low, change.high)
        else:
            word = verdict(*change[1:])
        gain, low, high = (100 * value for value in change)
        axis.plot([low, high], [y, y], color=VERDICTS[word])
        axis.plot(gain, y, "o", color=VERDICTS[word])
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_yticks(range(len(changes)), list(changes))
    axis.set_ylim(max(len(changes), 1) - 0.4, -0.6)


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
