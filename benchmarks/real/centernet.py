"""What CenterNet's maps mean: a score for each class, and where the sides of a box lie.

For each cell of `STRIDE` x `STRIDE` pixels the maps hold the scores of the classes, in [0, 1], and
last the distances, in pixels, from the cell's upper left corner to the box's left, upper, right and
lower side.
"""

import numpy as np

STRIDE = 4  # pixels a side of a cell
SIDE = 512  # pixels a side of a picture
OUTPUTS = ("tower_0/keypoints", "tower_0/wh")  # scores and distances, as the graph calls them
CLASSES = (  # of COCO, in its order
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    *("traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat"),
    *("dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack"),
    *("umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball"),
    *("kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket"),
    *("bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair"),
    *("couch", "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse"),
    *("remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink"),
    *("refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier"),
    "toothbrush",
)


def cell_boxes(maps: np.ndarray) -> np.ndarray:
    """Return the box that each cell would draw.

    Parameters
    ----------
    maps
        (..., rows, columns, classes + 4).

    Returns
    -------
    (..., rows, columns, 4): x0, y0, x1, y1 in pixels, cut at the picture's frame.
    """
    rows, columns = maps.shape[-3:-1]
    y, x = STRIDE * np.mgrid[:rows, :columns]
    left, above, right, below = np.moveaxis(maps[..., -4:].astype(float), -1, 0)
    edges = np.stack([x - left, y - above, x + right, y + below], axis=-1)
    return np.clip(edges, 0, STRIDE * np.array([columns, rows, columns, rows]))


def turned(maps: np.ndarray) -> np.ndarray:
    """Return maps with their columns reversed, and the distances to left and right exchanged.

    What looks like the way back from a mirror image, and is none: a distance still counts from a
    corner that was at its cell's other side.
    """
    n = maps.shape[-1]
    return maps[..., ::-1, [*range(n - 4), n - 2, n - 3, n - 4, n - 1]]
