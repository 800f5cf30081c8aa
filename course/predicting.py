"""Write the prepared predictions from a run on the sample: `make course-data NAME=its-folder`."""

import argparse
import io
import json
import sys
from pathlib import Path

import numpy as np

from course import prepared
from tta_helpers import views
from tta_helpers.loss_predictor import predict_scores
from tta_helpers.predict import predict_views
from tta_helpers.workbook import networks
from tta_helpers.workbook.corruptions import corrupted_cells, named
from tta_helpers.workbook.data import load_dataset, train_validation_split
from tta_helpers.workbook.place import RunError, named_folder, write_whole

N_IMAGES, N_SHOWN, N_PHOTOGRAPHS = 1000, 16, 300
Arrays = dict[str, np.ndarray]


def evenly(n: int, wanted: int) -> np.ndarray:
    """Return at most so many of n row numbers, evenly spaced, for classes may lie together."""
    return np.linspace(0, n - 1, min(n, wanted)).astype(int)


def parameters_of(folder: Path) -> dict:
    """Return the parameters of a run on the sample whose notebooks 01 and 04 have finished.

    Raises
    ------
    RunError
        If there is no such run in the folder.
    """
    records = [folder / f"{name}.json" for name in ("01_baseline_cnn", "04_learned_loss_predictor")]
    if not all(path.is_file() for path in records):
        raise RunError(
            f"{folder} holds no run: `make run DATASET=sample NAME={folder.name}` first."
        )
    record = json.loads(records[-1].read_text(encoding="utf-8"))
    if record["dataset"]["name"] != "sample":
        raise RunError(
            f"{folder} holds a run on {record['dataset']['name']}; it must be the sample."
        )
    return record["parameters"]


def of_three_networks(folder: Path, images: np.ndarray, prefix: str) -> Arrays:
    """Return what notebook 01's networks say of images and their mirror images."""
    found = {}
    for name in prepared.NETWORKS:
        found[prefix + name] = predict_views(
            networks.load_model(folder / f"{name}.keras"), images, views.FLIP
        )
    settled = networks.load_model(folder / "settled.keras")
    found[f"{prefix}ten_crop"] = predict_views(settled, images, views.TEN_CROP)
    return found


def of_the_predictor(folder: Path, clean: np.ndarray, rows: np.ndarray) -> Arrays:
    """Return what notebook 04's target says of all its views, and the predictor's scores."""
    n_views = len(views.REPAIRS)
    target = networks.load_model(folder / "target.keras")
    predictor = networks.load_model(folder / "loss_predictor.keras")
    with np.load(folder / "corrupted_probs.npz") as saved:
        kept = {name: saved[name] for name in saved.files}
    groups = kept["row_groups"]
    photographs = len(kept["test_labels"]) // len(groups)
    some = evenly(photographs, N_PHOTOGRAPHS)
    copies = (np.arange(len(groups))[:, None] * photographs + some).ravel()
    return {
        "view_names": np.array([view.name for view in views.REPAIRS]),
        "repairs": predict_views(target, clean, views.REPAIRS),
        "noisy": kept["valid_probs"][:n_views, rows],
        "scores": predict_scores(predictor, clean),
        "noisy_scores": kept["valid_scores"][rows],
        "copies": kept["test_probs"][:n_views, copies],
        "copy_labels": kept["test_labels"][copies].astype(np.uint8),
        "copy_scores": kept["test_scores"][copies],
        "row_groups": groups,
    }


def predicted(folder: Path) -> Arrays:
    """Return all that is prepared, from the networks of a run.

    Raises
    ------
    RunError
        If the folder holds no finished run on the sample.
    """
    chosen = parameters_of(folder)
    data = load_dataset("sample").take(chosen["n_train"], chosen["n_test"], seed=chosen["seed"])
    split = chosen["validation_fraction"], chosen["seed"]
    _, validation = train_validation_split(data.train_labels, *split)
    rows = evenly(len(validation), N_IMAGES)
    images, labels = data.train_images[validation], data.train_labels[validation]
    test_images, test_labels = data.test.open("prepare the predictions of the exercises")
    test_rows = evenly(len(test_labels), N_IMAGES)
    seen = named(chosen["seen_corruptions"])
    _, cells = corrupted_cells(images, seen, per_image=1, seed=chosen["seed"])
    fits = [
        predict_views(networks.load_model(path), images[rows], views.FLIP)
        for path in sorted(folder.glob("fit_*.keras"))
    ]
    return {
        "about": np.array(data.label),
        "class_names": np.array(data.class_names),
        "images": images[evenly(len(images), N_SHOWN)],
        "labels": labels[rows].astype(np.uint8),
        "test_labels": test_labels[test_rows].astype(np.uint8),
        "cells": cells[rows, 0].astype(np.uint8),
        "fits": np.stack(fits),
        **of_three_networks(folder, images[rows], ""),
        **of_three_networks(folder, test_images[test_rows], "test_"),
        **of_the_predictor(folder, images[rows], rows),
    }


def write(arrays: Arrays, path: Path) -> None:
    """Write arrays into one file; floats with half their digits, which keep three places."""
    small = {k: v.astype(np.float16) if v.dtype.kind == "f" else v for k, v in arrays.items()}
    content = io.BytesIO()
    np.savez_compressed(content, **small)
    write_whole(path, content.getvalue())


def main(arguments: list[str] | None = None) -> int:
    """Write the file; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="folder in runs/ of a run on the sample")
    name = parser.parse_args(arguments).name
    try:
        write(predicted(named_folder(name)), prepared.FILE)
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{prepared.FILE.name}: {prepared.FILE.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
