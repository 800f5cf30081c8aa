"""Views: fixed, label-preserving copies of a batch of images, each a Keras layer.

A view takes float images (n, h, w, c), channels last, with values in [0, 1], and returns as many
of the same shape and range (to float32 rounding). It has no weights and draws nothing at random:
training and prediction see the same output, and a model that contains views saves and loads as
any other. `check_views` guards a set of views against mistakes. A view knows its way back:
`undo` turns maps that a model made of a view, such as masks, onto the image itself.

Geometric views resample bilinearly about the image centre ((h-1)/2, (w-1)/2). What lies outside
the image is its mirror image with the edge pixel not repeated: mode "reflect" of `numpy.pad`,
mode "mirror" of `scipy.ndimage`.
"""

from tta_helpers.views.base import Identity, Photometric, View
from tta_helpers.views.compose import Compose, check_turns, check_views
from tta_helpers.views.family import PhotometricChoice, coefficient_table, coefficients
from tta_helpers.views.geometric import HorizontalFlip, Rotate, Shift, VerticalFlip, Zoom
from tta_helpers.views.photometric import Autocontrast, Brightness, Color, Contrast, Sharpness
from tta_helpers.views.repair import Despeckle, Median
from tta_helpers.views.sets import (
    D4,
    FIVE_CROP,
    FLIP,
    REPAIRS,
    SHIFT_SIX,
    SHIFT_SIX_WEIGHTS,
    TEN_CROP,
    TWELVE,
    TWELVE_FLIP,
)

__all__ = [
    "D4",
    "FIVE_CROP",
    "FLIP",
    "REPAIRS",
    "SHIFT_SIX",
    "SHIFT_SIX_WEIGHTS",
    "TEN_CROP",
    "TWELVE",
    "TWELVE_FLIP",
    "Autocontrast",
    "Brightness",
    "Color",
    "Compose",
    "Contrast",
    "Despeckle",
    "HorizontalFlip",
    "Identity",
    "Median",
    "Photometric",
    "PhotometricChoice",
    "Rotate",
    "Sharpness",
    "Shift",
    "VerticalFlip",
    "View",
    "Zoom",
    "check_turns",
    "check_views",
    "coefficient_table",
    "coefficients",
]
