"""The prepared predictions: what the networks of a run on the sample say, for every exercise.

They come from the workbook's procedural sample, so their numbers say nothing about photographs.
`make course-data` writes them from a run's networks.
"""

from functools import cache, lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("predictions.npz")


@cache
def _fields() -> dict[str, Any]:
    """Return all that the file holds."""
    with np.load(FILE) as saved:  # no pickles
        fields = {name: saved[name] for name in saved.files}
    for name, values in fields.items():
        if values.dtype == np.float16:
            fields[name] = values.astype(np.float32)
    for name in PROBABILITIES:
        fields[name] /= fields[name].sum(axis=-1, keepdims=True)
    fields["about"] = str(fields["about"])
    fields["class_names"] = fields["class_names"].tolist()
    fields["view_names"] = fields["view_names"].tolist()
    return fields


def load(own: int | None = None) -> SimpleNamespace:
    """Return the prepared predictions, each a field; all probabilities are float32.

    The arrays are shared and can only be read: `copy` one to change it.

    Parameters
    ----------
    own
        Seed of a learner's own images: half of the validation images and half of the test images,
        drawn without replacement. None takes all. Copies of photographs are the same for all.

    Returns
    -------
    SimpleNamespace
        `about`, where they come from; `class_names`; `images`, a few validation images,
        (images, 32, 32, 3) uint8. On validation images: `labels`; `tutorial`, `settled` and
        `mirrored`, the three networks' (2, images, classes), first the image, then its mirror
        image; `fits`, those of the repeated fits, (fits, 2, images, classes); `ten_crop` of the
        settled network, (10, images, classes). The same with `test_` before it on test images,
        without `fits`. Of the mirrored network on the views of `view_names`: `repairs` on the
        validation images, `noisy` on corrupted copies of them, one copy each, in the cell `cells`;
        `scores` and `noisy_scores`, what the loss predictor foretells, (images, views). On copies
        of test photographs: `copies` (views, rows x photographs, classes), `copy_labels`,
        `copy_scores`, and `row_groups`, "clean", "seen" or "held out" for each row of copies.
    """
    return SimpleNamespace(**_drawn(own))


@lru_cache(maxsize=4)
def _drawn(own: int | None) -> dict[str, Any]:
    """Return the fields of `load`, their arrays for reading alone: all callers share them."""
    fields = dict(_fields())
    if own is not None:
        rng = np.random.default_rng(own)
        for labels, axes in (("labels", OF_VALIDATION), ("test_labels", OF_TEST)):
            n = len(fields[labels])
            rows = np.sort(rng.choice(n, n // 2, replace=False))
            for name, axis in axes.items():
                fields[name] = fields[name].take(rows, axis)
    for value in fields.values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return fields


NETWORKS = ("tutorial", "settled", "mirrored")
PROBABILITIES = (
    *NETWORKS,
    *(f"test_{name}" for name in NETWORKS),
    "fits",
    "ten_crop",
    "test_ten_crop",
    "repairs",
    "noisy",
    "copies",
)
# Along which axis the images lie.
OF_VALIDATION = {
    **dict.fromkeys(("labels", "cells", "scores", "noisy_scores"), 0),
    **dict.fromkeys((*NETWORKS, "ten_crop", "repairs", "noisy"), 1),
    "fits": 2,
}
OF_TEST = {"test_labels": 0} | dict.fromkeys((f"test_{n}" for n in (*NETWORKS, "ten_crop")), 1)
