"""The workbook's figures and tables; each figure carries a note on the data that it shows.

Every figure function returns the `Figure`, drawn with the notebooks' matplotlibrc. `note` is the
small print under the figure: which data, how many images, how many fits.

Names of classes and policies are anybody's. `table` and `noted`, through which every figure goes,
show them as they are: no mathematics, no markup, no missing signs.
"""

from tta_helpers.plots.boxed import boxed
from tta_helpers.plots.changes import by_budget, gain_for_cost, gains
from tta_helpers.plots.charts import (
    bars,
    class_counts,
    lines,
    matrix,
    reliability_diagrams,
    training_curves,
)
from tta_helpers.plots.diagrams import pipeline
from tta_helpers.plots.finishing import noted
from tta_helpers.plots.images import explained, followed, image_grid
from tta_helpers.plots.paired import both_views, dumbbells, margin, margins, slopes
from tta_helpers.plots.tables import Table, answer, compared, points, table
from tta_helpers.plots.text import spelled

__all__ = [
    "Table",
    "answer",
    "bars",
    "both_views",
    "boxed",
    "by_budget",
    "class_counts",
    "compared",
    "dumbbells",
    "explained",
    "followed",
    "gain_for_cost",
    "gains",
    "image_grid",
    "lines",
    "margin",
    "margins",
    "matrix",
    "noted",
    "pipeline",
    "points",
    "reliability_diagrams",
    "slopes",
    "spelled",
    "table",
    "training_curves",
]
