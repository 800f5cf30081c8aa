"""What views, models and images must be like, and what to do where they are not.

Every function here returns something usable or raises an error that names the value and the way
out.
"""

from tta_helpers.checks.copies import check_copy_range, check_drawn, check_generator, checked_copy
from tta_helpers.checks.images import TOLERANCE, check_whole_number, checked_batch, checked_images
from tta_helpers.checks.models import check_model, check_size, ending
from tta_helpers.checks.outputs import check_rows, check_scores, checked_outputs, probabilities

__all__ = [
    "TOLERANCE",
    "check_copy_range",
    "check_drawn",
    "check_generator",
    "check_model",
    "check_rows",
    "check_scores",
    "check_size",
    "check_whole_number",
    "checked_batch",
    "checked_copy",
    "checked_images",
    "checked_outputs",
    "ending",
    "probabilities",
]
