"""Data sets: found, checked and decoded once, memory-mapped after.

Every source ends as the same `Dataset`: four arrays, the class names, one sentence on where they
come from, and a fingerprint of their content. Decoded arrays are cached on disk, so a second call
opens files instead of decoding 60,000 images.
"""

from tta_helpers.workbook.data.dataset import Dataset, train_validation_split
from tta_helpers.workbook.data.download import file_sha256
from tta_helpers.workbook.data.errors import DataError, some
from tta_helpers.workbook.data.locked import Locked, noted_opening
from tta_helpers.workbook.data.memory import available_memory
from tta_helpers.workbook.data.paths import DEFAULT_CACHE, keras_home
from tta_helpers.workbook.data.sources import load_dataset

__all__ = [
    "DEFAULT_CACHE",
    "DataError",
    "Dataset",
    "Locked",
    "available_memory",
    "file_sha256",
    "keras_home",
    "load_dataset",
    "noted_opening",
    "some",
    "train_validation_split",
]
