"""The figure: gains with their intervals, an ImageNet network's answers, and a mask."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from benchmarks.real import pictures
from benchmarks.real.judge import MaskJudgement
from benchmarks.real.networks import Network
from benchmarks.real.page import Findings
from tta_helpers import predict_views
from tta_helpers.metrics import PairedComparison
from tta_helpers.plots import noted
from tta_helpers.views import FLIP

COLOURS = {"helps": "C0", "hurts": "C1", "no clear effect": "#777777"}


@dataclass(frozen=True)
class Answer:
    """What a classifier makes of one picture.

    Attributes
    ----------
    picture
        (height, width, 3) uint8.
    lines
        Class and probability: plain, mirrored, average.
    """

    picture: np.ndarray
    lines: tuple[str, str, str]


def answers(network: Network) -> list[Answer]:
    """Return what an ImageNet classifier makes of pictures that may be shown."""
    shown = [pictures.cropped(picture) for picture in pictures.well_known().values()]
    probs = predict_views(network.load(), np.stack(shown), FLIP, **network.options)
    names = pictures.class_names()
    three = (*probs, probs.mean(axis=0))
    labels = ("plain", "mirrored", "average")
    return [
        Answer(picture, tuple(_line(w, p[k], names) for w, p in zip(labels, three, strict=True)))
        for k, picture in enumerate(shown)
    ]


def _line(word: str, probs: np.ndarray, names: list[str]) -> str:
    best = int(probs.argmax())
    return f"{word}: {names[best]} {probs[best]:.2f}"


def figure(found: Findings, shown: list[Answer], note: str) -> Figure:
    """Draw what was found, from top to bottom; what was not is left out."""
    heights = {"gains": 0.7 + 0.28 * len(found.family()), "answers": 2.6, "mask": 2.2}
    wanted = [("gains", found.judged), ("answers", shown), ("mask", found.masks)]
    rows = [name for name, what in wanted if what]
    drawn = plt.figure(figsize=(8, sum(heights[name] for name in rows)), layout="constrained")
    parts = drawn.subfigures(len(rows), 1, height_ratios=[heights[name] for name in rows])
    for name, part in zip(rows, np.atleast_1d(parts), strict=True):
        if name == "gains":
            _gains(part.subplots(), found.family())
        elif name == "answers":
            _answers(part.subplots(1, len(shown)), shown)
        else:
            _mask(part.subplots(1, 4), found.masks[0])
    return noted(drawn, note)


def _gains(axis: plt.Axes, changes: dict[tuple[str, str], PairedComparison]) -> None:
    """Draw each gain with its interval, in the colour of what it allows one to say."""
    for row, change in enumerate(changes.values()):
        gain, low, high = (100 * v for v in (change.gain, change.low, change.high))
        axis.plot([low, high], [row, row], color=COLOURS[change.verdict])
        axis.plot(gain, row, "o", color=COLOURS[change.verdict], markersize=4)
    labels = [f"{network}: {name}, n = {c.n:,}" for (network, name), c in changes.items()]
    axis.set_yticks(range(len(changes)), labels, fontsize=8)
    axis.invert_yaxis()
    axis.axvline(0, color="#999999", linewidth=0.8)
    axis.set_xscale("symlog", linthresh=5)
    ticks = (-20, -10, -5, -2, 0, 2, 5, 10, 20)
    axis.set_xticks(ticks, [f"{tick:+d}" if tick else "0" for tick in ticks])
    axis.set_xticks([], minor=True)
    axis.set_xlabel("gain in points with its 95 % interval (logarithmic beyond 5)", fontsize=8)


def _answers(axes: np.ndarray, shown: list[Answer]) -> None:
    for axis, answer in zip(np.atleast_1d(axes), shown, strict=True):
        axis.imshow(answer.picture)
        axis.set_axis_off()
        axis.set_title("\n".join(answer.lines), fontsize=7)


def _mask(axes: np.ndarray, judgement: MaskJudgement) -> None:
    masks = judgement.masks
    axes[0].imshow(judgement.picture)
    style = {"cmap": "gray", "vmin": 0, "vmax": 1}
    axes[1].imshow(masks["plain"], **style)
    axes[2].imshow(np.abs(masks["plain"] - masks["mirrored"]), **style)
    axes[3].imshow(masks["average"], **style)
    titles = ("picture", "mask: white is person", "plain and mirrored: difference", "average")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_axis_off()
        axis.set_title(title, fontsize=7)
