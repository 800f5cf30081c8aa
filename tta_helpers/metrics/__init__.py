"""What TTA changes, with the uncertainty beside it: accuracy, calibration, tests and intervals.

Labels are integers, shape (images,); predictions are scores, shape (images, classes), and the
highest score is the prediction: outputs of kind "softmax", or "logits" once they are probabilities.
Two policies are always compared on the same images. For several labels an image, regressions and
maps, compute one number an image and give it to `image_interval`.
"""

from tta_helpers.metrics.calibration import calibration_error, reliability
from tta_helpers.metrics.conformal import conformal_sets
from tta_helpers.metrics.intervals import image_interval, mean_errors, mean_interval
from tta_helpers.metrics.paired import (
    PairedComparison,
    compare,
    compare_all,
    compare_by_class,
    compare_copies,
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

__all__ = [
    "PairedComparison",
    "accuracy",
    "brier_score",
    "calibration_error",
    "compare",
    "compare_all",
    "compare_by_class",
    "compare_copies",
    "conformal_sets",
    "correct",
    "disagreement",
    "duel",
    "gain_interval",
    "holm",
    "image_interval",
    "images_needed",
    "mcnemar",
    "mcnemar_power",
    "mean_errors",
    "mean_interval",
    "negative_log_likelihood",
    "rank_correlation",
    "reliability",
    "significant",
    "verdict",
    "with_holm",
]
