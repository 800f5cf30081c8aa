"""The named sets of views."""

from tta_helpers.views.base import Identity
from tta_helpers.views.compose import Compose
from tta_helpers.views.geometric import HorizontalFlip, Rotate, Shift, VerticalFlip, Zoom
from tta_helpers.views.photometric import Autocontrast, Brightness, Color, Contrast, Sharpness
from tta_helpers.views.repair import Despeckle

_IDENTITY, _MIRROR = Identity(), HorizontalFlip()


def _mirrored(views):
    return tuple(Compose((view, _MIRROR)) for view in views)


FLIP = (_IDENTITY, _MIRROR)

# The symmetries of a square: flips and quarter turns, each once. For square images without an up.
_QUARTER = Rotate(90)
D4 = (
    *(_IDENTITY, _MIRROR, VerticalFlip()),
    *(_QUARTER, Rotate(180), Rotate(270)),
    *_mirrored((_QUARTER, Rotate(270))),
)

# The six views of cifar10-airbench's `infer` at tta_level 2 (github.com/KellerJordan), which
# averages logits with these weights.
_DIAGONAL = (Shift(-1, -1), Shift(1, 1))
SHIFT_SIX = (*FLIP, *_DIAGONAL, *_mirrored(_DIAGONAL))
SHIFT_SIX_WEIGHTS = (0.25, 0.25, 0.125, 0.125, 0.125, 0.125)

# Centre and corners of the image padded by 2 pixels a side, which suits 32 x 32.
FIVE_CROP = (_IDENTITY, *(Shift(dx, dy) for dy in (2, -2) for dx in (2, -2)))
TEN_CROP = (*FIVE_CROP, _MIRROR, *_mirrored(FIVE_CROP[1:]))

# The candidates of Kim, Kim and Kim, NeurIPS 2020 (arXiv 2010.11422), section 4: each alone.
TWELVE = (
    _IDENTITY,
    *(Rotate(-20), Rotate(20), Zoom(0.8), Zoom(1.2), Autocontrast()),
    *(Sharpness(0.2), Sharpness(0.5), Sharpness(3), Sharpness(4)),
    *(Color(0.5), Color(2)),
)
TWELVE_FLIP = (*TWELVE, *_mirrored(TWELVE))  # view k + 12 is view k, mirrored

# Photometric views that one operation applies (`PhotometricChoice`), for a loss predictor to choose
# from: picked for what they do together if every corruption and severity gets its best one, on
# validation photographs under the fifteen corruptions of CIFAR-10-C, for the settled and the
# mirrored network of notebook 01. `benchmarks.candidates` measures that (docs/sweeps.md).
_STRETCH, _DESPECKLE, _SOFTER = Autocontrast(), Despeckle(), Sharpness(0.5)
REPAIRS = (
    *(_IDENTITY, _STRETCH, Contrast(2), Brightness(-0.15), Color(2)),
    *(_SOFTER, Sharpness(2), Sharpness(3), Compose((_STRETCH, Sharpness(3)))),
    *(_DESPECKLE, Compose((_DESPECKLE, Sharpness(0))), Compose((_DESPECKLE, _SOFTER))),
    Compose((_DESPECKLE, _STRETCH, _SOFTER)),
)
