"""Data sets: found, checked and decoded once, memory-mapped after.

Every source ends as the same `Dataset`: four arrays, the class names, one sentence on where they
come from, and a fingerprint of their content. Decoded arrays are cached on disk, so a second call
opens files instead of decoding 60,000 images. Pictures with boxes or masks, read from files as
Pascal VOC and COCO have them and from folders of masks, end as an `Annotated`.
"""

from tta_helpers.workbook.data.annotated import (
    Annotated,
    AnnotatedSplits,
    LockedPictures,
    make_splits,
    split_by_name,
)
from tta_helpers.workbook.data.cells import cells_folder, load_cells
from tta_helpers.workbook.data.dataset import Dataset, train_validation_split
from tta_helpers.workbook.data.download import file_sha256
from tta_helpers.workbook.data.errors import DataError, some
from tta_helpers.workbook.data.label_files import read_coco, read_voc
from tta_helpers.workbook.data.locked import Locked, noted_opening
from tta_helpers.workbook.data.mask_files import read_masks
from tta_helpers.workbook.data.memory import available_memory
from tta_helpers.workbook.data.paths import DEFAULT_CACHE, keras_home
from tta_helpers.workbook.data.sources import load_dataset

__all__ = [
    "DEFAULT_CACHE",
    "Annotated",
    "AnnotatedSplits",
    "DataError",
    "Dataset",
    "Locked",
    "LockedPictures",
    "available_memory",
    "cells_folder",
    "file_sha256",
    "keras_home",
    "load_cells",
    "load_dataset",
    "make_splits",
    "noted_opening",
    "read_coco",
    "read_masks",
    "read_voc",
    "some",
    "split_by_name",
    "train_validation_split",
]
