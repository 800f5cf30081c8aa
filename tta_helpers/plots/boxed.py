"""Figures of pictures with boxes on them."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from tta_helpers.plots.finishing import noted
from tta_helpers.plots.images import show_image
from tta_helpers.plots.text import cut, spelled

DASHES = ("-", "--", ":")


def boxed(
    images: Sequence[np.ndarray],
    groups: Mapping[str, Sequence[np.ndarray]],
    *,
    titles: Sequence[str] = (),
    texts: Mapping[str, Sequence[Sequence[str]]] | None = None,
    columns: int = 4,
    inches: float = 2.4,
    title: str = "",
    note: str = "",
) -> Figure:
    """Show pictures with boxes on them, each group of boxes in a colour and a kind of line.

    Parameters
    ----------
    images
        Each (height, width), (height, width, 1) or (height, width, 3), uint8 or floats in [0, 1].
    groups
        By name, boxes for each picture: floats (k, 4), x0, y0, x1, y1 in pixels, edges.
    titles
        One short text a picture, shown above it.
    texts
        By the name of a group, for each picture one short text a box, shown at its upper edge.
    columns, inches
        Pictures a row, and how wide one is drawn.
    """
    n = len(images)
    rows, columns = max(1, -(-n // columns)), min(columns, max(n, 1))
    tall = inches * max((np.shape(image)[0] / np.shape(image)[1] for image in images), default=1)
    size = (max(inches * columns + 0.2, 6.2), (tall + 0.25 * bool(len(titles))) * rows + 0.9)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axis in axes.flat[n:]:
        axis.set_axis_off()
    for i, (axis, image) in enumerate(zip(axes.flat, images, strict=False)):
        height, width = np.shape(image)[:2]
        show_image(axis, image, extent=(0, width, height, 0))
        for k, (name, boxes) in enumerate(groups.items()):
            style = {"edgecolor": f"C{k}", "linestyle": DASHES[k % 3], "linewidth": 1.4}
            for x0, y0, x1, y1 in np.reshape(boxes[i], (-1, 4)):
                axis.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, **style))
            for (x0, y0, _, _), text in zip(
                np.reshape(boxes[i], (-1, 4)), (texts or {}).get(name, [[]] * n)[i], strict=False
            ):
                axis.text(x0, y0, cut(text, 12), fontsize=7, color=f"C{k}", va="bottom")
        axis.set(xlim=(0, width), ylim=(height, 0))
        if i < len(titles):
            axis.set_title(cut(titles[i], 40), fontsize=9)
    shown = [
        Patch(fill=False, edgecolor=f"C{k}", linestyle=DASHES[k % 3]) for k in range(len(groups))
    ]
    if groups:
        names = [spelled(name) for name in groups]
        wide = {"loc": "outside upper right", "ncols": len(groups)}
        beside = {"loc": "outside right upper"}  # in a narrow figure the title takes the top
        figure.legend(shown, names, fontsize=8, **(wide if inches * columns > 6 else beside))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return noted(figure, note)
