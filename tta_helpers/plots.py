"""The workbook's figures and tables; each figure carries a note on the data that it shows.

Every figure function returns the `Figure`, drawn with the notebooks' matplotlibrc. `note` is the
small print under the figure: which data, how many images, how many fits.

Names of classes and policies are anybody's. `table` and `noted`, through which every figure goes,
show them as they are: no mathematics, no markup, no missing signs.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager, ticker
from matplotlib.axes import Axes
from matplotlib.category import StrCategoryFormatter
from matplotlib.figure import Figure
from matplotlib.text import Text

from tta_helpers.metrics import PairedComparison, verdict

_GREY = "#666666"
_NO_TEXT = re.compile("cm|stix(non|size)|.*last ?resort|.*blank", re.IGNORECASE)  # fonts of symbols


class Table:
    """A table as Markdown, in `data`; a notebook sets it, a terminal shows the text."""

    def __init__(self, data: str):
        self.data = data

    def __repr__(self) -> str:
        return self.data

    def _repr_markdown_(self) -> str:
        return self.data


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Return a table to display; floats are shown with four digits after the point.

    Text may hold **bold**, *italic* and `code`; other signs that Markdown, HTML or MathJax would
    act on are shown as they are.
    """

    def cell(value: object) -> str:
        if isinstance(value, float | np.floating):
            return f"{value:.4f}"
        text = re.sub(r"[\\|$]|(?<!\w)_|_(?!\w)", r"\\\g<0>", _encodable(value))
        text = text.replace("&", "&amp;").replace("<", "&lt;")
        return " ".join(text.split())

    lines = [header, ["---"] * len(header), *rows]
    return Table("\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines))


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
        Shape (n, height, width, 3) or grey (n, height, width, 1), uint8 or floats in [0, 1].
    titles
        One short text an image, shown above it; those for the first row alone will do.
    columns
        Images a row.
    row_labels
        One text a row, shown at its left.
    """
    images = np.asarray(images) if len(images) else np.zeros((0, 1, 1, 3))
    titles, row_labels = list(titles or []), list(row_labels or [])
    rows, longest = max(1, -(-len(images) // columns)), max(images.shape[1:3])
    images = images[:, :: -(-longest // 256), :: -(-longest // 256)]  # finer than is drawn
    height, width = images.shape[1:3]
    side = np.clip(40 / rows, min(0.3, 300 / rows), 0.9)  # inches; a higher figure cannot be drawn
    inch, gap = max(height, width) / side, -(-max(height, width) // 18)  # in pixels of the images
    lines = max((title.count("\n") + 1 for title in titles), default=0)
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
    _picture(axis, grid)
    for k, title in enumerate(titles[: len(images)]):
        at = lefts[k % columns] + width / 2 - 0.5, tops[k // columns] - gap / 2
        axis.text(*at, _cut(title, 16), ha="center", va="bottom", fontsize=8, in_layout=False)
    axis.set_yticks(tops[: len(row_labels)] + height / 2, row_labels[:rows], fontsize=9)
    axis.tick_params(length=0)
    return noted(figure, note)


def _picture(axis: Axes, image: np.ndarray, **style: object) -> None:
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


def two_views(
    image: np.ndarray, probs: np.ndarray, names: Sequence[str], *, top: int = 4, note: str = ""
) -> Figure:
    """Show an image, its mirror image, and the probabilities that each gets, with their average.

    Parameters
    ----------
    image
        Shape (height, width, 3) or (height, width, 1), uint8 or floats in [0, 1].
    probs
        Shape (2, classes): of the image and of its mirror image.
    names
        One name a class.
    top
        How many classes to show at most, the most probable by the average first.
    """
    figure, axes = plt.subplots(1, 3, figsize=(8.5, 2.6), width_ratios=(1, 1, 2.2))
    for axis, picture, title in zip(
        axes, (image, image[:, ::-1]), ("original", "mirror"), strict=False
    ):
        _picture(axis, picture)
        axis.set_title(title)
    rows = {"original": probs[0], "mirror": probs[1], "average": np.mean(probs, axis=0)}
    classes = np.argsort(-rows["average"], kind="stable")[:top]
    places = np.arange(len(classes))
    for k, (label, row) in enumerate(rows.items()):
        colour = ("C5", "C4", "black")[k]
        axes[2].barh(places + 0.27 * (k - 1), row[classes], 0.25, label=label, color=colour)
    axes[2].set_yticks(places, [_name(names[k], 24) for k in classes])
    axes[2].invert_yaxis()
    axes[2].set(xlabel="probability", xlim=(0, 1))
    axes[2].legend(fontsize=8, loc="lower right")
    return noted(figure, note)


def learning_curves(history: Mapping[str, Sequence[float]], note: str = "") -> Figure:
    """Draw loss and accuracy by epoch, on training and validation images."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2))
    for axis, key in zip(axes, ("loss", "accuracy"), strict=True):
        for name, style, label in (
            (key, "o-", "training (running mean of the epoch)"),
            (f"val_{key}", "s--", "validation (end of the epoch)"),
        ):
            values = history.get(name, [])
            axis.plot(range(1, len(values) + 1), values, style, label=label)
        epochs = max(1, len(history.get(key, [])))
        axis.set(xlabel="epoch", ylabel=key, xlim=(0.5, epochs + 0.5))
        axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1))
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
    """Draw a matrix as a heat map; NaN stays empty.

    Up to 40 rows and 20 columns have their values written in; of more, every second name or fewer
    is shown.

    Parameters
    ----------
    values
        Shape (rows, columns).
    diverging
        Whether to colour around zero, blue above and red below.
    form
        Format of a written value.
    """
    values = np.asarray(values, dtype=np.float64)
    if not values.size:
        values = np.full((max(len(rows), 1), max(len(columns), 1)), np.nan)
    written = len(rows) <= 40 and len(columns) <= 20
    cell = (0.62, 0.38) if written else (min(0.62, 9 / len(columns)), min(0.38, 8 / len(rows)))
    size = (1.9 + cell[0] * values.shape[1], 1.3 + cell[1] * values.shape[0])
    figure, axis = plt.subplots(figsize=size)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    limit = max(-low, high) or 1.0
    style = {"cmap": "RdBu", "vmin": -limit, "vmax": limit} if diverging else {"cmap": "Blues"}
    style = {"vmin": low, "vmax": high if high > low else low + 1, **style}
    picture = axis.imshow(values, aspect="auto", **style)
    axis.grid(False)
    axis.set(xlabel=column_name, ylabel=row_name)
    across, down = (range(0, len(names), 1 + len(names) // 41) for names in (columns, rows))
    axis.set_xticks(across, [_name(columns[k], 24) for k in across], rotation=35, ha="right")
    axis.set_yticks(down, [_name(rows[k], 24) for k in down])
    if not written:
        axis.tick_params(labelsize=7)
    figure.colorbar(picture, label=value_name, shrink=0.9)
    for (r, c), value in np.ndenumerate(values):
        if written and np.isfinite(value):
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
    figure, axis = plt.subplots(figsize=(7, 1 + min(0.3 * len(names), 300)))
    for y, change in enumerate(changes.values()):
        if isinstance(change, PairedComparison):
            change = (change.gain, change.low, change.high)
        gain, low, high = (100 * value for value in change)
        colour = {"helps": "C0", "hurts": "C1", "no clear effect": _GREY}[verdict(low, high)]
        axis.plot([low, high], [y, y], color=colour)
        axis.plot(gain, y, "o", color=colour)
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(max(len(names), 1) - 0.4, -0.6)
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
    n = max(1, len(pairs))
    figure, axes = plt.subplots(n, 3, figsize=(7.5, 2.3 * n), width_ratios=(1, 2, 1), squeeze=False)
    for row, (images, text) in enumerate(zip(pairs, texts, strict=True)):
        left, middle, last = axes[row]
        for axis, image in ((left, images[0]), (last, images[1])):
            _picture(axis, image)
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
    if len(pairs):
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
    ticks = [tick for tick in (1, 1.5, 2, 3, 5, 10, 20, 50) if tick <= 1.2 * passes.max(initial=1)]
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
        _picture(axis, image, alpha=1 if weights[k] else 0.35)
        axis.set_title(title.replace(" ", "\n"), fontsize=7)
        best = int(probs[k].argmax())
        said = f"{_name(names[best], 14)}\n{100 * probs[k, best]:.0f} %"
        axis.set_xlabel(said, fontsize=7, color="C0" if best == label else "C1")
    bars = figure.add_subplot(grid[1, :])
    bars.bar(range(n), weights, color=_GREY)
    bars.set(xticks=[], xlim=(-0.5, n - 0.5), ylabel="weight")
    average = np.asarray(weights) @ np.asarray(probs)
    likeliest = np.argsort(-average, kind="stable")[:top]
    likeliest[-1] = likeliest[-1] if label in likeliest else label
    classes, places = np.sort(likeliest), range(len(likeliest))
    outcome = figure.add_subplot(grid[2, :])
    outcome.bar(
        places, average[classes], color=["C0" if k == label else "#bbbbbb" for k in classes]
    )
    wide = 5.5 * figure.get_figwidth() > sum(len(_name(names[k], 14)) for k in classes)
    turned = {} if wide else {"rotation": 25, "ha": "right"}
    outcome.set_xticks(places, [_name(names[k], 14) for k in classes], **turned)
    outcome.set(ylabel="average", ylim=(0, 1))
    answer, right = (_name(names[k], 40) for k in (average.argmax(), label))
    outcome.set_title(f"answer: {answer}; right would be {right} (blue)", fontsize=9)
    return noted(figure, note)


def noted(figure: Figure, note: str) -> Figure:
    """Write the small print under a figure that is done, and return it to be shown once.

    All text that was given to the figure is shown as it is: a dollar sign is one, and a sign that
    the font lacks is taken from another installed font or spelled out (`spelled`). Only labels that
    matplotlib makes itself, such as powers of ten, stay mathematics.
    """
    if note:
        figure.supxlabel(note, fontsize=8, color=_GREY, x=0.01, ha="left")
    given = (ticker.FuncFormatter, ticker.FixedFormatter, StrCategoryFormatter)
    own = set()  # labels of matplotlib's
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if not isinstance(axis.get_major_formatter(), given):
            own.update(axis.get_ticklabels(), axis.get_ticklabels(minor=True))
            continue
        places = axis.get_majorticklocs()
        labels = list(axis.get_major_formatter().format_ticks(places))
        legible = [_cut(label, 48) for label in labels]
        if legible != labels:
            axis.set_ticks(places, legible)
    for text in set(figure.findobj(Text)) - own:
        text.set_parse_math(False)
        text.set_text(spelled(text.get_text()))
        if others := {_font_with(sign) for sign in _not_in_font(text.get_text())} - {None}:
            text.set_fontfamily([*text.get_fontfamily(), *sorted(others)])
    plt.close(figure)  # returned and shown by the notebook; without this it would show twice
    return figure


def spelled(text: object) -> str:
    """Spell out the signs that no installed font has, such as `sa` for the Hangul syllable.

    A letter or syllable becomes the last word of its Unicode name, another sign its name in
    brackets, an ideograph its number; signs without width go.
    """
    text = _encodable(text)
    for sign in _not_in_font(text):
        if _font_with(sign) is None:
            name, kind = unicodedata.name(sign, "IDEOGRAPH"), unicodedata.category(sign)
            said = f"({name.lower()})"
            if kind in ("Cf", "Mn", "Me"):
                said = ""
            elif kind[0] == "Z" or kind == "Cc":
                said = " "
            elif "IDEOGRAPH" in name:
                said = f"[U+{ord(sign):04X}]"
            elif kind == "Lo":
                said = name.split()[-1].lower()
            text = text.replace(sign, said)
    return text


def _encodable(text: object) -> str:
    """Return text in which bytes of a file name that are no UTF-8 are written as numbers."""
    return str(text).encode("utf-8", "backslashreplace").decode()


def _cut(text: object, most: int) -> str:
    """Spell out a text, and cut its lines where they have more than `most` signs."""
    lines = spelled(text).split("\n")
    return "\n".join(line if len(line) <= most else line[: most - 1] + "…" for line in lines)


def _name(name: object, most: int) -> str:
    """Spell out and cut a name, on one line."""
    return _cut(" ".join(str(name).split()), most)


def _not_in_font(text: str) -> list[str]:
    """Return the signs that matplotlib's font lacks, line breaks aside."""
    if text.isascii() and text.isprintable():
        return []
    font = font_manager.findfont(font_manager.FontProperties())
    return [sign for sign in sorted({*text} - {"\n"}) if not _has(font, sign)]


@cache
def _font_with(sign: str) -> str | None:
    """Return the name of an installed font that has a sign."""
    for font in font_manager.fontManager.ttflist:
        if not _NO_TEXT.match(font.name) and _has(font.fname, sign):
            return font.name
    return None


@cache
def _has(path: str, sign: str) -> bool:
    """Tell whether a font file can draw a sign."""
    try:
        return font_manager.get_font(path).get_char_index(ord(sign)) > 0 and sign.isprintable()
    except (OSError, RuntimeError):  # gone, or of fixed sizes as some emoji are
        return False
