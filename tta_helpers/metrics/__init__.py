"""What TTA changes, with the uncertainty beside it: accuracy, calibration, tests and intervals.

Labels are integers, shape (images,); predictions are scores, shape (images, classes), and the
highest score is the prediction: outputs of kind "softmax", or "logits" once they are probabilities.
Two policies are always compared on the same images. For masks there is one number a picture, and
`compare_values` compares two of them; for several labels an image and regressions, compute one
number an image and give it to `image_interval`.
"""

from tta_helpers.metrics.calibration import calibration_error, reliability
from tta_helpers.metrics.conformal import conformal_sets
from tta_helpers.metrics.intervals import image_interval, mean_errors, mean_interval
from tta_helpers.metrics.masks import (
    Matched,
    boundary_f1,
    connected_components,
    mask_dice,
    mask_iou,
    match_objects,
    object_ap,
)
from tta_helpers.metrics.paired import (
    PairedComparison,
    compare,
    compare_all,
    compare_by_class,
    compare_copies,
    compare_values,
    duel,
    gain_interval,
    holm,
    mcnemar,
    significant,
    verdict,
    with_holm,
)
from tta_helpers.metrics.per_image import (
    accuracy,
    brier_score,
    correct,
    disagreement,
    negative_log_likelihood,
    rank_correlation,
)
from tta_helpers.metrics.power import images_needed, mcnemar_power
from tta_helpers.metrics.resampled import compare_resamples

__all__ = [
    "Matched",
    "PairedComparison",
    "accuracy",
    "boundary_f1",
    "brier_score",
    "calibration_error",
    "compare",
    "compare_all",
    "compare_by_class",
    "compare_copies",
    "compare_resamples",
    "compare_values",
    "conformal_sets",
    "connected_components",
    "correct",
    "disagreement",
    "duel",
    "gain_interval",
    "holm",
    "image_interval",
    "images_needed",
    "mask_dice",
    "mask_iou",
    "match_objects",
    "mcnemar",
    "mcnemar_power",
    "mean_errors",
    "mean_interval",
    "negative_log_likelihood",
    "object_ap",
    "rank_correlation",
    "reliability",
    "significant",
    "verdict",
    "with_holm",
]
