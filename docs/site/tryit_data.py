"""Write what the page "Try it" shows: pictures, probabilities, and answers to test its script by.

`make try-it` fits notebook 01's three networks on the procedural sample and calls this. The same
seed draws the same pictures; the fits, and so the probabilities, differ a little by machine.
"""

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tta_helpers import compare, policies, predict_views, views
from tta_helpers.metrics import gain_interval, mcnemar
from tta_helpers.policies.arrays import SMALLEST
from tta_helpers.workbook import networks
from tta_helpers.workbook.data import load_dataset
from tta_helpers.workbook.place import ROOT, write_whole

HERE = Path(__file__).resolve().parent
DATA, EXPECTED = HERE / "tryit.json", ROOT / "tests" / "site" / "expected.json"
NETWORKS = ("tutorial", "settled", "mirrored")
VIEWS = {
    "original": views.Identity(),
    "mirrored": views.HorizontalFlip(),
    "shifted up and left": views.Shift(-1, -1),
    "shifted down and right": views.Shift(1, 1),
    "turned anticlockwise": views.Rotate(10),
    "turned clockwise": views.Rotate(-10),
    "enlarged": views.Zoom(1.2),
    "made smaller": views.Zoom(0.8),
    "more contrast": views.Contrast(1.5),
    "sharpened": views.Sharpness(3),
    "stronger colours": views.Color(2),
    "upside down": views.VerticalFlip(),
}
N_COUNTED, N_AGREEING, N_DISAGREEING, SEED = 400, 12, 24, 0
STEP = 2048  # negative log-probabilities are stored in steps of 1/2048 nat, as 16-bit integers


def encoded(probs: np.ndarray) -> str:
    """Return probabilities as base64 of their negative logarithms, in order, little end first."""
    logs = -np.log(np.maximum(probs, SMALLEST))
    steps = np.minimum(np.rint(logs * STEP), 2**16 - 1).astype("<u2")
    return base64.b64encode(steps.tobytes()).decode()


def decoded(text: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the probabilities that `encoded` stored, each row summing to one again."""
    steps = np.frombuffer(base64.b64decode(text), "<u2").reshape(shape)
    return policies.softmax(-(steps / STEP))


def shown(probs: np.ndarray) -> np.ndarray:
    """Return the numbers of the pictures to show, in order: on some the views agree, on more not.

    Parameters
    ----------
    probs
        The settled network's, shape (views, images, classes).
    """
    named = probs.argmax(axis=-1)
    agree = (named == named[0]).all(axis=0)
    return np.sort([*np.flatnonzero(agree)[:N_AGREEING], *np.flatnonzero(~agree)[:N_DISAGREEING]])


def sheet(images: np.ndarray) -> str:
    """Return one picture, a row an image and a column a view, as the text of a data URL.

    Parameters
    ----------
    images
        Floats in [0, 1], shape (n, rows, columns, 3).
    """
    columns = np.stack([np.asarray(view(images)) for view in VIEWS.values()])
    whole = np.concatenate(np.concatenate(columns, axis=2), axis=0)  # (n rows, views columns, 3)
    file = io.BytesIO()
    Image.fromarray(np.rint(255 * whole).astype(np.uint8)).save(file, "WEBP", quality=82, method=6)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def content(run: Path) -> dict[str, Any]:
    """Return what the page reads, from the networks that notebook 01 left in a run's folder.

    Raises
    ------
    ValueError
        If the run was not on the procedural sample, the only pictures that may be published.
    """
    record = json.loads((run / "01_baseline_cnn.json").read_text("utf-8"))
    if record["dataset"]["name"] != "sample":
        raise ValueError(
            f"{run} holds fits on {record['dataset']['name']}; make them on the procedural sample: "
            "make run DATASET=sample NAME=sample"
        )
    data = load_dataset("sample").take(0, N_COUNTED, seed=SEED)
    images, labels = data.test.open("show views and their averages on the site")
    images = images.astype("float32") / 255
    models = {name: networks.load_model(run / f"{name}.keras") for name in NETWORKS}
    probs = {name: predict_views(m, images, tuple(VIEWS.values())) for name, m in models.items()}
    rows = shown(probs["settled"])
    return {
        "provenance": data.provenance.replace(": asked for by name", ""),
        "classes": list(data.class_names),
        "views": list(VIEWS),
        "networks": list(NETWORKS),
        "labels": labels.tolist(),
        "shown": rows.tolist(),
        "agreeing": N_AGREEING,
        "step": STEP,
        "size": images.shape[1],
        "sheet": sheet(images[rows]),
        "probs": {name: encoded(values) for name, values in probs.items()},
    }


def averaged(probs: np.ndarray, setting: dict[str, Any]) -> np.ndarray:
    """Return the average of a setting by `tta_helpers.policies`, shape (images, classes)."""
    taken = [k for k, weight in enumerate(setting["weights"]) if weight > 0]
    weights = np.array(setting["weights"])[taken]
    some = policies.tempered(probs[taken], setting["temperature"])
    return getattr(policies, setting["policy"])(some, weights)


def settings(n: int, seed: int) -> list[dict[str, Any]]:
    """Draw settings of the page's controls, about half of the views taking part.

    Weights are of the kind that no two groups of views share, so that no vote is tied: in a tie,
    normalised weights may differ in the last digit.
    """
    rng, drawn = np.random.default_rng(seed), []
    for k in range(n):
        weights = np.where(rng.random(len(VIEWS)) < 0.5, rng.uniform(0.2, 4, len(VIEWS)), 0.0)
        weights[rng.integers(len(VIEWS))] = 1.1
        drawn.append(
            {
                "network": NETWORKS[k % len(NETWORKS)],
                "policy": ("mean", "geometric_mean", "vote")[k // len(NETWORKS) % 3],
                "temperature": float(np.round(2 ** rng.uniform(-2, 2), 3)),
                "weights": weights.tolist(),
            }
        )
    return drawn


def answer(data: dict[str, Any], setting: dict[str, Any]) -> dict[str, Any]:
    """Return what the page must find with a setting: some averages, and the count over all."""
    shape = (len(data["views"]), len(data["labels"]), len(data["classes"]))
    probs = decoded(data["probs"][setting["network"]], shape)
    average = averaged(probs, setting)
    counted = compare(np.array(data["labels"]), probs[0], average).as_dict()
    return {**setting, "averages": average[data["shown"]].tolist(), "counted": counted}


def intervals() -> list[list[float]]:
    """Return images, fixed, broken, both ends of the gain's interval, and the test's p-value."""
    counts = (0, 1, 2, 5, 6, 9, 17, 40, 160)
    cases = [(n, f, b) for n in (20, 400) for f in counts for b in counts if f + b <= n]
    return [[*case, *gain_interval(*case[1:], case[0]), mcnemar(*case[1:])] for case in cases]


def expected(data: dict[str, Any]) -> dict[str, Any]:
    """Return settings with what `tta_helpers` makes of them, to test the page's script by."""
    answers = [answer(data, setting) for setting in settings(18, SEED)]
    return {"settings": answers, "intervals": intervals()}


def main() -> int:
    """Write both files; return the exit status."""
    data = content(Path(sys.argv[1]))
    write_whole(DATA, json.dumps(data, ensure_ascii=False, indent=0) + "\n")
    EXPECTED.parent.mkdir(exist_ok=True)
    write_whole(EXPECTED, json.dumps(expected(data)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
