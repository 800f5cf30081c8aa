"""Several views: one after the other, or side by side as a set that is checked."""

from collections.abc import Iterable
from itertools import combinations

import numpy as np

from tta_helpers.quiet import keras, ops
from tta_helpers.views.base import View, register
from tta_helpers.views.geometric import Rotate

LARGEST_LOSS = 0.25  # of a picture, by turning it; a square one loses at most 0.17


@register
class Compose(View):
    """Views applied one after the other.

    Parameters
    ----------
    views : iterable of View
        At least one; the first is applied first. The default name joins theirs with dots:
        "shift_1_1.horizontal_flip".
    """

    def __init__(self, views: Iterable[View], *, name: str | None = None, **kwargs):
        views = as_views(views)
        super().__init__(name=name or ".".join(view.name for view in views), **kwargs)
        self.views = views

    def transform(self, images):
        """Apply the views, left to right."""
        for view in self.views:
            images = view(images)
        return images

    def inverse(self):
        """Return the inverses, the last view's first."""
        return Compose([view.inverse() for view in reversed(self.views)])

    def undo(self, maps, image_shape=None):
        """Undo the views, the last one first."""
        for view in reversed(self.views):
            maps = view.undo(maps, image_shape)
        return maps

    def get_config(self):
        """Return what `from_config` needs, the views included."""
        views = [keras.saving.serialize_keras_object(view) for view in self.views]
        return {**super().get_config(), "views": views}

    @classmethod
    def from_config(cls, config):
        """Rebuild the views, then their composition."""
        views = [keras.saving.deserialize_keras_object(view) for view in config["views"]]
        return super().from_config({**config, "views": views})


def as_views(views):
    """Return a sequence of views as a tuple, or say what is wrong with it."""
    if isinstance(views, View) or not isinstance(views, Iterable):
        raise ValueError(f"Expected a sequence of views, got {views!r}. Write (view,) for one.")
    views = tuple(views)
    if not views:
        raise ValueError("The set of views is empty. Name at least one, for example Identity().")
    for view in views:
        if not isinstance(view, View):
            hint = "Add () to build it." if isinstance(view, type) else "Use a View, or write one."
            raise ValueError(f"{view!r} is not a view. {hint}")
    return views


def check_views(
    views: Iterable[View], image_shape: tuple[int, int, int] = (32, 32, 3)
) -> tuple[View, ...]:
    """Return `views` as a tuple, or say what is wrong with them.

    Two views that coincide would silently count twice in every average: flips combined with
    quarter turns, for instance, name 16 views of which 8 are distinct. Hence every view is tried
    on one random image. On images that are not square, turns that leave much of the picture out are
    refused as well.

    Parameters
    ----------
    views : iterable of View
        The set.
    image_shape : tuple of int, default (32, 32, 3)
        Height, width and channels of the images to come.

    Returns
    -------
    tuple of View

    Raises
    ------
    ValueError
        If the set is empty, holds something that is not a `View`, uses a name twice, holds two
        views whose outputs differ nowhere by 1e-6 or more, or one that `check_turns` refuses.
    """
    views = as_views(views)
    check_turns(views, image_shape)
    # Between 0.2 and 0.8: on an image that fills the range, stretching its contrast does nothing.
    probe = 0.2 + 0.6 * np.random.default_rng(0).random((1, *image_shape), dtype="float32")
    outputs = [ops.convert_to_numpy(view(probe)) for view in views]
    for (one, a), (other, b) in combinations(zip(views, outputs, strict=True), 2):
        if one.name == other.name:
            raise ValueError(f"Two views are called {one.name!r}. Drop one, or give it a name.")
        if np.abs(a - b).max() < 1e-6:
            raise ValueError(
                f"{one.name} and {other.name} give the same image at shape {image_shape}. "
                "Keep one of them: twins count twice in every average."
            )
    return views


def check_turns(views: Iterable[View], image_shape: tuple[int, int, int]) -> None:
    """Raise a ValueError for a rotation that turns a quarter or more of an image out of its frame.

    A quarter turn of a picture of 64 x 40 pixels shows 40 x 40 of them, and mirrored edges in place
    of the others. Square images lose at most their corners and are not looked at.
    """
    height, width = image_shape[:2]
    for view in views if height != width else ():
        if isinstance(view, Compose):
            check_turns(view.views, image_shape)
        if isinstance(view, Rotate) and (lost := view.lost(height, width)) >= LARGEST_LOSS:
            raise ValueError(
                f"{view.name} turns {lost:.0%} of an image of {height} x {width} pixels out of the "
                "frame. Leave it out, turn by less, or bring the images to a square first, by "
                "padding or cropping."
            )
