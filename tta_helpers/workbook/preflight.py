"""What is checked of data and machine before a kernel starts: each refusal in one sentence."""

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tta_helpers.workbook.data import Dataset, available_memory, cells_folder
from tta_helpers.workbook.place import RunError

SMALLEST = 8  # pixels a side: the lessons' network halves images three times
FREE_DISK = 200 * 2**20  # bytes; a lesson run leaves 73 MiB
FLOATS_A_PIXEL = 112  # that the lessons' network keeps of an image in training: 64 + 128/4 + 256/16


def check_data(data: Dataset, given: Mapping[str, Any]) -> None:
    """Refuse data on which a kernel would stop.

    Raises
    ------
    DataError
        If fewer images are asked for than the classes need, or `cifar10c_dir` holds other files.
    RunError
        If the images are too small for the lessons' network or too many for the memory, or
        CIFAR-10-C belongs to others.
    """
    part = data.take(given.get("n_train", 0), given.get("n_test", 0), seed=given.get("seed", 0))
    height, width = part.test.shape[1:3]
    if min(height, width) < SMALLEST:
        raise RunError(
            f"The images have {height}x{width} pixels, and the lessons' network halves them three "
            f"times: set image_size to {SMALLEST} or more."
        )
    _check_memory(part, given.get("batch_size", 1))
    if folder := given.get("cifar10c_dir"):
        _check_cifar10c(folder, part, given)


def _check_memory(data: Dataset, batch_size: int) -> None:
    """Refuse what cannot fit: the images as float32, and what one training step keeps."""
    height, width = data.test.shape[1:3]
    images = 4 * (data.train_images.size + math.prod(data.test.shape))
    step = 4 * FLOATS_A_PIXEL * height * width * min(batch_size, len(data.train_labels))
    memory = available_memory()
    if memory is not None and images + step > memory:
        raise RunError(
            f"{len(data.train_labels) + len(data.test):,} images of {height}x{width} pixels "
            f"take {images / 2**30:,.1f} GiB as float32, and a training step on {batch_size:,} of "
            f"them {step / 2**30:,.1f} GiB; {memory / 2**30:,.1f} GiB of memory are available. "
            "Set n_train, n_test, image_size or batch_size lower."
        )


def _check_cifar10c(folder: str, data: Dataset, given: Mapping[str, Any]) -> None:
    from tta_helpers.workbook.corruptions import SEEN, load_cifar10c, named

    wanted = {*SEEN, *named(given["seen_corruptions"]), *named(given["held_out_corruptions"])}
    _, labels = load_cifar10c(folder, sorted(wanted))
    _, of_data = data.test.open("see whether cifar10c_dir was made from it")
    if data.test.shape[1:3] != (32, 32) or not np.array_equal(labels, of_data):
        raise RunError(
            f"cifar10c_dir is {folder}, which was not made from the test images of {data.label}: "
            'take the whole CIFAR-10 at its own size (n_test 0, image_size 0), or leave it at "".'
        )


def check_cells() -> None:
    """Refuse a `CELLS_DIR` without the pictures of the lesson on boxes and masks.

    Raises
    ------
    DataError
        If it is set, and is no path or lacks a folder.
    """
    for name in ("nuclei", "blood_cells"):
        cells_folder(name)


def check_disk(folder: Path) -> None:
    """Refuse to start on a disk that is almost full.

    Raises
    ------
    RunError
        If less than `FREE_DISK` is free where the results go.
    """
    free = shutil.disk_usage(folder).free
    if free < FREE_DISK:
        raise RunError(
            f"{free / 2**20:,.0f} MiB are free on the disk of {folder}; a run needs "
            f"{FREE_DISK / 2**20:,.0f}. Free some, or move the workbook."
        )
