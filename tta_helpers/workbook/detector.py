"""A small detector of boxes without anchors: where centres lie, and how large the boxes are.

After Zhou, Wang and Krähenbühl, "Objects as Points", 2019 (arXiv:1904.07850). The network answers
for each *cell*, a square of `STRIDE` x `STRIDE` pixels: a score for every class, that an object's
centre lies in the cell; where in the cell it lies, x and y as shares of the cell's sides from its
left and upper edge; and how wide and high the object is, in pixels.
"""

from collections.abc import Sequence

import numpy as np

from tta_helpers.boxes import view_boxes
from tta_helpers.fitting import ProgressBar
from tta_helpers.quiet import keras, ops
from tta_helpers.views import Identity, View
from tta_helpers.workbook.networks import jit_compile

STRIDE = 4  # pixels a side of a cell
MULTIPLE = 16  # of which a picture's sides must be one
PRIOR = 0.1  # the score of every class and cell before training
WIDE = 0.18  # standard deviation of a hill around a centre, as a share of the object's size
OFFSET, SIZE = 1.0, 1.0  # weights of the losses of place and size, beside that of the scores


def small_detector(input_shape: tuple[int, int, int], n_classes: int) -> keras.Model:
    """Return a detector of 0.25 million parameters, to be fitted by `fit_detector`.

    Convolutions of 4x4 with stride 2 lead down to a sixteenth of the picture's sides: they reach
    as far to the left as to the right, so that a mirrored picture's cells are the mirrored cells.
    Two steps lead back up to a quarter.

    Parameters
    ----------
    input_shape
        Height, width and channels of a picture; the sides multiples of 16.
    n_classes
        At least 1.

    Returns
    -------
    keras.Model
        From floats in [0, 1], (n, height, width, channels), to maps (n, height / 4, width / 4,
        n_classes + 4): the scores, in [0, 1], x and y in the cell, in [0, 1], width and height.

    Raises
    ------
    ValueError
        If the shape or the number of classes is not of this form.
    """
    if len(input_shape) != 3 or any(side % MULTIPLE or side < 1 for side in input_shape[:2]):
        raise ValueError(
            f"input_shape is {input_shape}; give (height, width, channels), the sides multiples of "
            f"{MULTIPLE}: pad the pictures."
        )
    if n_classes < 1:
        raise ValueError(f"n_classes is {n_classes}; a detector needs at least 1.")
    layers = keras.layers
    inputs = keras.Input(input_shape)
    quarter = _convolved(_convolved(_convolved(inputs, 16, 4, 2), 32, 4, 2), 32)
    eighth = _convolved(_convolved(quarter, 48, 4, 2), 48)
    x = _convolved(_convolved(eighth, 64, 4, 2), 64)
    for filters, before in ((48, eighth), (32, quarter)):
        x = layers.UpSampling2D()(layers.Conv2D(filters, 1)(x))
        x = _convolved(layers.Add()([x, before]), filters)
    x = _convolved(x, 64)
    prior = keras.initializers.Constant(np.log(PRIOR / (1 - PRIOR)))
    parts = [
        layers.Conv2D(n_classes, 1, activation="sigmoid", bias_initializer=prior)(x),
        layers.Conv2D(2, 1, activation="sigmoid")(x),
        layers.Conv2D(2, 1, activation=_pixels)(x),
    ]
    return keras.Model(inputs, layers.Concatenate()(parts), name="small_detector")


def _convolved(x, filters, size=3, stride=1):
    """Convolve, normalise and cut at zero.

    The running averages follow fast (momentum 0.9): a fit here has some hundred steps.
    """
    layers = keras.layers
    x = layers.Conv2D(filters, size, stride, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


@keras.saving.register_keras_serializable("tta_helpers")
def _pixels(x):
    """Turn a layer's answer into a size: 0 is 16 pixels, and all lie between 0.3 and 870."""
    return 16 * ops.exp(ops.clip(x, -4, 4))


def detector_targets(
    boxes: Sequence[np.ndarray], labels: Sequence[np.ndarray], shape: Sequence[int], n_classes: int
) -> np.ndarray:
    """Return what the network is to answer for pictures of one size.

    The score is 1 in the cell of an object's centre, and falls off around it like a Gaussian whose
    width goes with the object's.

    Parameters
    ----------
    boxes, labels
        For each picture floats (k, 4) in pixels, and integers (k,) in [0, n_classes).
    shape
        Height and width of the pictures, multiples of 4.
    n_classes
        How many classes there are.

    Returns
    -------
    float32 (n, rows, columns, n_classes + 5): as the network's maps, and last a 1 in the cells of
    centres, where alone place and size count. Of two centres in a cell the later box counts.
    """
    rows, columns = (side // STRIDE for side in shape[:2])
    maps = np.zeros((len(boxes), rows, columns, n_classes + 5), "float32")
    y, x = np.mgrid[:rows, :columns]
    for picture, some, kinds in zip(maps, boxes, labels, strict=True):
        for (x0, y0, x1, y1), kind in zip(np.asarray(some, float), kinds, strict=True):
            width, height = x1 - x0, y1 - y0
            at_x, at_y = (x0 + x1) / (2 * STRIDE), (y0 + y1) / (2 * STRIDE)  # in cells
            column, row = min(int(at_x), columns - 1), min(int(at_y), rows - 1)
            spread = (max(WIDE * side / STRIDE, 0.4) for side in (width, height))
            far = [(a - b) / s for a, b, s in zip((x, y), (column, row), spread, strict=True)]
            hill = np.exp(-(far[0] ** 2 + far[1] ** 2) / 2)
            picture[..., kind] = np.maximum(picture[..., kind], hill)
            answer = at_x - column, at_y - row, width, height, 1
            picture[row, column, n_classes:] = answer
    return maps


def detector_loss(targets, maps):
    """Return the loss of a batch: scores by the focal loss, places and sizes by their distance.

    Sizes are compared as logarithms. All is divided by the number of objects.
    """
    truth, maps = ops.cast(targets, "float32"), ops.cast(maps, "float32")
    n_classes = truth.shape[-1] - 5
    wanted, scores = truth[..., :n_classes], ops.clip(maps[..., :n_classes], 1e-4, 1 - 1e-4)
    hit = ops.cast(wanted > 0.9999, "float32")
    miss = (1 - hit) * (1 - wanted) ** 4
    heat = hit * (1 - scores) ** 2 * ops.log(scores) + miss * scores**2 * ops.log(1 - scores)
    place, size = slice(n_classes, n_classes + 2), slice(n_classes + 2, n_classes + 4)
    here = truth[..., -1:]
    away = OFFSET * ops.abs(truth[..., place] - maps[..., place])
    ratio = ops.log(ops.maximum(truth[..., size], 1.0)) - ops.log(maps[..., size])
    near = here * (away + SIZE * ops.abs(ratio))
    return (ops.sum(near) - ops.sum(heat)) / ops.maximum(ops.sum(hit), 1)


class _Batches(keras.utils.PyDataset):
    """Batches of pictures and targets in a new order every epoch, each batch in one view."""

    def __init__(self, images, targets, views, batch_size, seed):
        super().__init__()
        self._images, self._targets, self._views = images, targets, views
        self._batch_size, self._dice = batch_size, np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self._images) // self._batch_size)

    def on_epoch_end(self):
        """Draw the next epoch's order and views."""
        self._order = self._dice.permutation(len(self._images))
        self._drawn = self._dice.integers(len(self._views), size=len(self))

    def __getitem__(self, index):
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        view = self._drawn[index]
        pixels = self._views[view](self._images[rows].astype("float32") / 255)
        return ops.convert_to_numpy(pixels), self._targets[view][rows]


def fit_detector(
    model: keras.Model,
    images: np.ndarray,
    boxes: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    *,
    epochs: int,
    batch_size: int = 8,
    rate: float = 3e-3,
    views: Sequence[View] = (Identity(),),
    seed: int = 0,
) -> list[float]:
    """Fit a detector with Adam, the rate falling to zero along a cosine; return the loss by epoch.

    Parameters
    ----------
    model
        Of `small_detector`.
    images
        uint8 (n, height, width, channels).
    boxes, labels
        As `detector_targets` takes them.
    epochs, batch_size, rate
        Passes over the pictures, pictures a step, and learning rate at the beginning.
    views
        Each batch is shown in one of them, drawn at random, and its boxes are moved along: the
        eight of `views.D4` are training with flips and quarter turns.
    seed
        For the order of the pictures and the views.
    """
    n_classes = model.output_shape[-1] - 4
    shape = images.shape[1:3]
    targets = []
    for view in views:
        moved = [view_boxes(view, some, shape) for some in boxes]
        targets.append(detector_targets(moved, labels, shape, n_classes))
    data = _Batches(images, targets, views, batch_size, seed)
    falling = keras.optimizers.schedules.CosineDecay(rate, epochs * len(data))
    optimizer = keras.optimizers.Adam(falling, clipnorm=10.0)
    model.compile(optimizer, detector_loss, jit_compile=jit_compile())
    history = model.fit(data, epochs=epochs, verbose=0, callbacks=[ProgressBar()])
    return history.history["loss"]


def cell_boxes(maps: np.ndarray) -> np.ndarray:
    """Return the box that each cell would draw.

    Parameters
    ----------
    maps
        (..., rows, columns, n_classes + 4): what the network answers for one picture or more.

    Returns
    -------
    (..., rows, columns, 4): x0, y0, x1, y1 in pixels, cut at the picture's frame.
    """
    rows, columns = maps.shape[-3:-1]
    x_in, y_in, width, height = np.moveaxis(maps[..., -4:].astype(float), -1, 0)
    x = STRIDE * (np.arange(columns) + x_in)
    y = STRIDE * (np.arange(rows)[:, None] + y_in)
    edges = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=-1)
    return np.clip(edges, 0, STRIDE * np.array([columns, rows, columns, rows]))


def decode(
    scores: np.ndarray, boxes: np.ndarray, least: float = 0.01
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the boxes of one picture: those of cells that no neighbour beats in a class's score.

    Parameters
    ----------
    scores
        (rows, columns, n_classes).
    boxes
        (rows, columns, 4), of `cell_boxes`.
    least
        Scores that do not reach it are left out.

    Returns
    -------
    Boxes (n, 4), scores (n,) and labels (n,), the highest score first.
    """
    scores = np.asarray(scores, float)
    rows, columns = scores.shape[:2]
    padded = np.pad(scores, ((1, 1), (1, 1), (0, 0)))
    around = [padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    peak = (scores == np.max(around, axis=0)) & (scores >= least)
    row, column, label = np.nonzero(peak)
    found = scores[peak]
    order = np.argsort(-found, kind="stable")
    return boxes[row, column][order], found[order], label[order]
