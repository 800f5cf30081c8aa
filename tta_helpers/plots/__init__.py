"""The workbook's figures and tables; each figure carries a note on the data that it shows.

Every figure function returns the `Figure`, drawn with the notebooks' matplotlibrc. `note` is the
small print under the figure: which data, how many images, how many fits.

Names of classes and policies are anybody's. `table` and `noted`, through which every figure goes,
show them as they are: no mathematics, no markup, no missing signs.
"""

from tta_helpers.plots.charts import gains, learning_curves, matrix, reliability_diagrams, trade_off
from tta_helpers.plots.finishing import noted
from tta_helpers.plots.images import explained, followed, image_grid, two_views
from tta_helpers.plots.tables import Table, points, table
from tta_helpers.plots.text import spelled

__all__ = [
    "Table",
    "explained",
    "followed",
    "gains",
    "image_grid",
    "learning_curves",
    "matrix",
    "noted",
    "points",
    "reliability_diagrams",
    "spelled",
    "table",
    "trade_off",
    "two_views",
]
