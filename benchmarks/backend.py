"""Exact flip and the twelve views on the backend that KERAS_BACKEND names.

`python -m benchmarks.backend DATASET IMAGES ROUNDS` prints one line of JSON, in `.venv-bench`.
"""

import json
import sys
from dataclasses import asdict
from importlib.metadata import version
from itertools import chain

import keras

from benchmarks import groups
from tta_helpers.predict import WORTH_A_GRAPH, worth_a_graph
from tta_helpers.workbook.data import load_dataset
from tta_helpers.workbook.networks import baseline_cnn


def main(dataset: str, n_images: int, rounds: int) -> None:
    """Print the entries that have a goal: TTA against the passes that it needs."""
    images = load_dataset(dataset).test.open("a benchmark")[0][:n_images]
    model = baseline_cnn(images.shape[1:])
    worth_a_graph(model, WORTH_A_GRAPH)
    subject = groups.Subject(model, images, rounds)
    entries = chain(groups.exact_flip(subject, None), groups.twelve_views(subject))
    found = [asdict(entry) for entry in entries if entry.goal]
    print(json.dumps({"version": version(keras.backend.backend()), "entries": found}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
