"""What every figure ends with: its small print, and its text shown as it is."""

import matplotlib.pyplot as plt
from matplotlib import ticker
from matplotlib.category import StrCategoryFormatter
from matplotlib.figure import Figure
from matplotlib.text import Text

from tta_helpers.plots.text import cut, font_with, not_in_font, spelled

GREY = "#666666"
VERDICTS = {"helps": "C0", "hurts": "C1", "no clear effect": GREY}  # colours of comparisons


def noted(figure: Figure, note: str) -> Figure:
    """Write the small print under a figure that is done, and return it to be shown once.

    All text that was given to the figure is shown as it is: a dollar sign is one, and a sign that
    the font lacks is taken from another installed font or spelled out (`spelled`). Only labels that
    matplotlib makes itself, such as powers of ten, stay mathematics.
    """
    if note:
        figure.supxlabel(note, fontsize=8, color=GREY, x=0.01, ha="left")
    given = (ticker.FuncFormatter, ticker.FixedFormatter, StrCategoryFormatter)
    own = set()  # labels of matplotlib's
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if not isinstance(axis.get_major_formatter(), given):
            own.update(axis.get_ticklabels(), axis.get_ticklabels(minor=True))
            continue
        places = axis.get_majorticklocs()
        labels = list(axis.get_major_formatter().format_ticks(places))
        legible = [cut(label, 48) for label in labels]
        if legible != labels:
            axis.set_ticks(places, legible)
    for text in set(figure.findobj(Text)) - own:
        text.set_parse_math(False)
        text.set_text(spelled(text.get_text()))
        if others := {font_with(sign) for sign in not_in_font(text.get_text())} - {None}:
            text.set_fontfamily([*text.get_fontfamily(), *sorted(others)])
    plt.close(figure)  # returned and shown by the notebook; without this it would show twice
    return figure
