"""Microscope pictures of cells, and the drawn scenes that stand in for them."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tta_helpers.progress import progress
from tta_helpers.workbook.data.annotated import (
    Annotated,
    AnnotatedSplits,
    make_splits,
    split_by_name,
)
from tta_helpers.workbook.data.errors import DataError, printable
from tta_helpers.workbook.data.label_files import read_voc
from tta_helpers.workbook.data.marking import Faults, check_numbers
from tta_helpers.workbook.data.mask_files import read_masks
from tta_helpers.workbook.data.paths import given_path
from tta_helpers.workbook.sample import SCENE_CLASSES, make_scenes

CELLS = ("nuclei", "blood_cells", "scenes")
BLOOD = ("RBC", "WBC", "Platelets")
VALIDATION = 0.2  # of the nuclei's training pictures
# IoU: the blood cells have 8 pairs of one class from 0.8 on, and none from 0.6 to 0.8.
DOUBLED = 0.8


def load_cells(
    name: str,
    source: str | os.PathLike | None = None,
    *,
    shrink: int = 1,
    faults: str = "drop",
    n_scenes: Sequence[int] = (200, 50, 80),
) -> AnnotatedSplits:
    """Load microscope pictures with masks or boxes, or the scenes that stand in for them.

    Parameters
    ----------
    name
        "nuclei": fluorescence pictures with a mask of every nucleus (its bounds are its box).
        "blood_cells": blood smears with boxes of red cells, white cells and platelets, no masks.
        "scenes": what `sample.make_scenes` draws, with both.
    source
        The folder with `nuclei/` and `blood_cells/`; without it the one named by the environment
        variable `CELLS_DIR`. One that is set but unusable is an error; where none is set, scenes
        are drawn, and the provenance says so.
    shrink
        Whole factor by which pictures, boxes and masks are made smaller; scenes are drawn small,
        and left as they are.
    faults
        "drop": faulty labels are left out, counted in the provenance and listed in `dropped`, as
        the blood cells have a few. "refuse": they are an error.
    n_scenes
        Training, validation and test scenes, should they be drawn.

    Returns
    -------
    AnnotatedSplits
        Training, validation and test part, the last under lock. Nuclei: the folders `train/` and
        `test/`, with a fifth of the training pictures, by a digest of their names, for validation.
        Blood cells: the lists of the data set. Scenes: a seed for each.

    Raises
    ------
    DataError
        For an unknown name, a folder without the set, what `read_masks` and `read_voc` refuse, and
        a bad value of an argument.

    Notes
    -----
    Nuclei: 2018 Data Science Bowl, stage 1 (BBBC038), Caicedo et al., *Nature Methods* 2019; CC0.
    Blood cells: BCCD, Shenggan and Chen; MIT. Its labels miss some cells.
    """
    if name not in CELLS:
        raise DataError(f"unknown set {name!r}: use one of {', '.join(CELLS)}")
    check_numbers(shrink)
    Faults(faults, Path())  # refuses another word
    if name == "scenes":
        return _scenes("asked for by name", n_scenes)
    folder = cells_folder(name, source)
    if folder is None:
        return _scenes(f"CELLS_DIR is not set, so they stand in for {name!r}", n_scenes)
    why = "the folder named by CELLS_DIR" if source is None else "the folder given as source"
    load = _nuclei if name == "nuclei" else _blood_cells
    return load(folder, why, faults, shrink)


def cells_folder(name: str, source: str | os.PathLike | None = None) -> Path | None:
    """Return the folder of "nuclei" or "blood_cells"; None where no source and no CELLS_DIR is set.

    Raises
    ------
    DataError
        If the source, or else `CELLS_DIR`, is no path or does not hold that folder.
    """
    named = os.environ.get("CELLS_DIR")
    if source is None and not named:
        return None
    folder = given_path(named if source is None else source, "source= or CELLS_DIR")
    if not (folder / name).is_dir():
        raise DataError(
            f"{printable(folder)} holds no folder {name!r}: correct source= or CELLS_DIR, or "
            "leave both out for drawn scenes"
        )
    return folder / name


def _nuclei(folder: Path, why: str, faults: str, shrink: int) -> AnnotatedSplits:
    whole, test = (
        read_masks(
            folder / part / "images",
            folder / part / "labels",
            ("nucleus",),
            faults=faults,
            shrink=shrink,
        )
        for part in ("train", "test")
    )
    train, validation = split_by_name(whole, VALIDATION)
    return make_splits("nuclei", "nuclei (BBBC038)", why, train, validation, test)


def _blood_cells(folder: Path, why: str, faults: str, shrink: int) -> AnnotatedSplits:
    parts = (
        read_voc(folder, split, BLOOD, faults=faults, shrink=shrink, doubled=DOUBLED)
        for split in ("train", "val", "test")
    )
    return make_splits("blood_cells", "blood cells (BCCD)", why, *parts)


def _scenes(why: str, n_scenes: Sequence[int]) -> AnnotatedSplits:
    try:
        parts = [_drawn(n, seed) for seed, n in zip(range(3), n_scenes, strict=True)]
    except (TypeError, ValueError) as error:
        raise DataError(
            f"n_scenes is {n_scenes!r} ({error}): give numbers of training, validation and test "
            "scenes, each at least 1"
        ) from error
    return make_splits("scenes", "scenes drawn by code", why, *parts)


def _drawn(n: int, seed: int) -> Annotated:
    images, masks, boxes, labels = make_scenes(
        n, seed, progress=partial(progress, desc="drawing scenes")
    )
    names = tuple(f"scene {seed}.{i}" for i in range(n))
    provenance = f"{n:,} pictures of drawn scenes, seed {seed}"
    return Annotated(names, images, tuple(boxes), tuple(labels), masks, SCENE_CLASSES, provenance)
