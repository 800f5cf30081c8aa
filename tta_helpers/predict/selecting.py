"""One Keras model from 8-bit images through selector and chosen view to the prediction."""

from collections.abc import Callable, Sequence
from typing import Any

from tta_helpers import checks
from tta_helpers.checks.models import output_names
from tta_helpers.interface import interface
from tta_helpers.predict.folding import folded
from tta_helpers.predict.forward import checked_endings
from tta_helpers.predict.served import AverageViews, fixed_shape
from tta_helpers.quiet import keras, ops
from tta_helpers.views import HorizontalFlip, PhotometricChoice, View, check_views
from tta_helpers.views.family import coefficient_table


@keras.saving.register_keras_serializable(package="tta_helpers")
class LowestScores(keras.layers.Layer):
    """Choose views by their scores: (n, views) to k tensors (n,) of view numbers, the lowest first.

    Parameters
    ----------
    k
        Views an image. Ties go to the first view, as `policies.lowest` has it.
    margin
        With k = 1: view 0, unless another's score is lower by more than this, as
        `policies.guarded` has it.
    """

    def __init__(self, k: int = 1, margin: float = 0.0, **options: Any):
        super().__init__(**{"dtype": "float32", **options})
        self.k, self.margin = k, margin

    def call(self, scores: Any) -> list:
        """Return the view numbers."""
        if self.k > 1:
            order = ops.argsort(scores, axis=1)[:, : self.k]
            return [ops.cast(order[:, j], "int32") for j in range(self.k)]
        best = ops.cast(ops.argmin(scores, axis=1), "int32")
        if self.margin > 0:
            gain = scores[:, 0] - ops.min(scores, axis=1)
            best = ops.where(gain > self.margin, best, 0)
        return [best]

    def compute_output_spec(self, scores: Any) -> list:
        """Return one integer an image, k times."""
        return [keras.KerasTensor(scores.shape[:1], "int32") for _ in range(self.k)]

    def get_config(self) -> dict:
        """Return what `__init__` needs."""
        return {**super().get_config(), "k": self.k, "margin": self.margin}


def selecting_model(
    model: keras.Model,
    predictor: keras.Model,
    views: Sequence[View],
    *,
    k: int = 1,
    margin: float = 0.0,
    mirror: bool = False,
    outputs: str = "softmax",
    head: str | int | None = None,
    value_range: tuple[float, float] = (0, 1),
    preprocess: Callable | None = None,
    data_format: str = "channels_last",
) -> keras.Model:
    """Return one Keras model that scores each image's views and forwards the best ones.

    It gives what `loss_predictor.predict_scores`, `policies.lowest` or `policies.guarded`, and
    `loss_predictor.predict_selected` give, in one graph in which the views are one operation (see
    `views.PhotometricChoice`), and in less time. Batch normalisation is folded in both networks, in
    copies (see `folded`), so train `model` first. It saves to a `.keras` file, which
    `tta_helpers.load_model` reads.

    Parameters
    ----------
    model
        The target network, with a fixed image size.
    predictor
        A network from images on the scale 0 to 255 to one score a view, lower is better, such as
        `loss_predictor.compact_predictor`.
    views
        The candidates, in the order of the scores: photometric views that `coefficients` knows.
    k
        Views an image; their predictions are averaged, and each costs a pass.
    margin
        With k = 1: an image sees view 0, which then must be `Identity`, unless the best score is
        lower than the score of view 0 by more than this.
    mirror
        Whether each chosen view is also shown mirrored, which doubles the passes.
    outputs, head, value_range, preprocess, data_format
        As `predict_views` takes them, of one output that is one row an image. A `preprocess` must
        be a layer, or be written with `keras.ops`.

    Returns
    -------
    keras.Model
        From uint8 images (n, h, w, channels), 0 to 255, to predictions (n, classes). Give it 8-bit
        images: Keras cuts other numbers to whole ones without a word.

    Raises
    ------
    ValueError
        For views that are not of the family (`predict_selected` takes any), that coincide, or that
        do not fit the scores; for k, margin or a model out of order.
    """
    if not isinstance(outputs, str):
        raise ValueError(f"outputs is {outputs!r}; a selection is averaged for one head: head=...")
    how = interface(outputs, head, value_range, preprocess, data_format, maps=False)
    checked_endings(model, how)
    shape = how.image_shape(fixed_shape(model, how, None))
    views = check_views(views, shape)
    _check_choice(views, k, margin)
    _check_predictor(predictor, shape, len(views))
    table, target, scorer = coefficient_table(views), folded(model), folded(predictor)

    images = keras.Input(shape, dtype="uint8", name="images")
    choices = LowestScores(k, margin, name="choice")(scorer(ops.cast(images, "float32")))
    apply, flip, predictions = PhotometricChoice(table, name="chosen_view"), HorizontalFlip(), []
    for choice in choices:
        seen = apply(images, choice)
        for view in (seen, flip(seen)) if mirror else (seen,):
            predictions += how.selected(target(how.shown(view)), output_names(model))
    weights = [1 / len(predictions)] * len(predictions)
    answer = AverageViews(weights, kind=outputs, name="average_views")(predictions)
    return keras.Model(images, answer, name=f"{model.name}_selecting")


def _check_choice(views: Sequence[View], k: int, margin: float) -> None:
    """Raise a ValueError for a choice that no image can have."""
    checks.check_whole_number("k", k, "views an image")
    if k > len(views):
        raise ValueError(f"k is {k}; choose between 1 and {len(views)} views an image.")
    if not margin >= 0:
        raise ValueError(f"margin is {margin}; give a number of at least 0.")
    if margin and k > 1:
        raise ValueError(f"margin is {margin} and k is {k}; a margin guards the choice of one.")
    if margin and coefficient_table(views[:1]) != [{}]:
        raise ValueError(
            f"margin is {margin}, and an image without a gain above it sees view 0, which is "
            f"{views[0].name}. Put Identity() first, in the predictor's order too."
        )


def _check_predictor(predictor: keras.Model, shape: tuple[int, ...], n_views: int) -> None:
    """Raise a ValueError if a predictor does not score these views of such images."""
    if not isinstance(predictor, keras.Model) or not getattr(predictor, "inputs", None):
        raise ValueError(
            f"predictor is a {type(predictor).__name__}; give a fitted network that knows the size "
            "of its images."
        )
    takes, gives = tuple(predictor.input_shape[1:]), tuple(predictor.output_shape[1:])
    if takes != tuple(shape) or gives != (n_views,):
        raise ValueError(
            f"The predictor takes images {takes} and gives scores {gives}; the model takes images "
            f"{tuple(shape)} and there are {n_views} views."
        )
