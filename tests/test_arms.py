"""The arms of the loss predictor and the choice of its views: what is judged, by hand."""

import csv
import json

import keras
import numpy as np
import pytest

from benchmarks import arms, candidates
from tta_helpers import views
from tta_helpers.workbook import networks
from tta_helpers.workbook.corruptions import SEEN, corrupted_cells
from tta_helpers.workbook.data import load_dataset, train_validation_split

GIVEN = {"dataset": "sample", "image_size": 0, "n_train": 800, "n_test": 100, "seed": 1}


@pytest.fixture(scope="module")
def data():
    return load_dataset("sample").take(800, 100, seed=1)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A run folder with the record of notebook 01 and a network that has learned a little."""
    folder = tmp_path_factory.mktemp("run")
    record = {"dataset": {"fingerprint": data.fingerprint}, "seconds": 1, "headline": {}}
    record["parameters"] = {**GIVEN, "validation_fraction": 0.25}
    (folder / "01_baseline_cnn.json").write_text(json.dumps(record), encoding="utf-8")
    keras.utils.set_random_seed(0)
    model = networks.baseline_cnn(data.train_images.shape[1:], len(data.class_names))
    networks.fit(model, data.train_images / np.float32(255), data.train_labels, epochs=2)
    model.save(folder / "mirrored.keras")
    return folder


def always(view, n_views):
    """A predictor that gives one view the lowest score, whatever the image."""
    inputs = keras.Input((32, 32, 3))
    scores = keras.layers.Dense(n_views, kernel_initializer="zeros")(
        keras.layers.GlobalAveragePooling2D()(inputs)
    )
    model = keras.Model(inputs, scores)
    model.layers[-1].set_weights([np.zeros((3, n_views)), np.arange(n_views) != view])
    return model


@pytest.mark.parametrize("place", [0, 1])
def test_an_arm_is_judged_on_validation_photographs(run, data, monkeypatch, place):
    """The line's gains are differences of accuracies counted without the package's predictions."""
    bench = arms.Bench(str(run), "mirrored", arms.Sizes(60, 50, 2))
    monkeypatch.setattr(bench, "trained", lambda *_: always(place, len(views.REPAIRS)))
    line = bench.judged(arms.ARMS[0])
    _, valid = train_validation_split(data.train_labels, 0.25, 1)
    labels, clean = data.train_labels[valid], data.train_images[valid]
    noisy = corrupted_cells(clean, SEEN, 1, 0)[0][:, 0]

    def accuracy(images, view):
        probs = bench.target.predict(np.asarray(view(images / np.float32(255))), verbose=0)
        return 100 * np.mean(probs.argmax(axis=1) == labels)

    for name, images in (("gain", noisy), ("gain, clean", clean)):
        change = accuracy(images, views.REPAIRS[place]) - accuracy(images, views.Identity())
        assert float(line[name].split()[0]) == pytest.approx(change, abs=0.0051)
    assert line["n"] == str(len(valid)) == "200"
    assert line["gain on what it learned from"] == line["gain"]


def test_arms_are_added_to_a_file_and_not_trained_twice(run, tmp_path, monkeypatch):
    path, sizes = tmp_path / "arms.csv", arms.Sizes(60, 50, 2)
    monkeypatch.setitem(arms.VIEWS, "workbook", views.REPAIRS[:3])
    monkeypatch.setattr(arms, "STEPS", {"recognise": (1, 4e-3), "mixture": (1, 1e-3)})
    for name in ("RANK", "LATER_RANK"):
        monkeypatch.setattr(arms, name, (1, 4e-3))
    blur, sodeep = (
        next(arm for arm in arms.ARMS if word in arm or (word,) in arm)
        for word in ("blur", "sodeep")
    )
    some = (blur, sodeep)
    arms.main(str(run), "mirrored", str(path), sizes, some[:1])
    first = path.read_text(encoding="utf-8")
    arms.main(str(run), "mirrored", str(path), sizes, some)
    assert path.read_text(encoding="utf-8").startswith(first)
    monkeypatch.setattr(arms.Bench, "judged", lambda *_: pytest.fail("trained again"))
    arms.main(str(run), "mirrored", str(path), sizes, some)
    lines = list(csv.DictReader(path.open(encoding="utf-8")))
    assert [line["learned from"] for line in lines] == ["blur", "all"]
    assert [line["losses"] for line in lines] == ["recognise then combined then mixture", "sodeep"]
    assert lines[0]["gain"] != lines[0]["gain on what it learned from"]


def test_an_arm_may_imitate_a_wider_one_that_learned_from_the_losses_before(run, monkeypatch):
    bench = arms.Bench(str(run), "mirrored", arms.Sizes(60, 50, 2))
    monkeypatch.setattr(arms, "STEPS", {"recognise": (1, 4e-3), "imitate": (1, 4e-3)})
    monkeypatch.setattr(arms, "LATER_RANK", (1, 2e-3))
    fitted, fit = [], arms.lp.fit_predictor
    monkeypatch.setattr(
        arms.lp, "fit_predictor", lambda *given, **how: fitted.append(given) or fit(*given, **how)
    )
    losses = ("recognise", "combined", "imitate")
    small = bench.trained(views.REPAIRS, "compact", losses, SEEN)
    (learned, *_), (teacher, _, table, _), (pupil, loss, taught, check) = fitted
    assert pupil is learned is small and teacher.count_params() > small.count_params()
    assert loss is arms.lp.centred_mse and len(table[0]) == 40 and len(taught[0]) == 60
    for images, scores in (taught[:2], check):
        np.testing.assert_allclose(scores, arms.lp.predict_scores(teacher, images), atol=1e-5)


def test_a_plus_asks_for_the_sum_of_losses():
    rng = np.random.default_rng(0)
    losses, scores = rng.random((2, 5, 4), dtype=np.float32)
    bench = arms.Bench.__new__(arms.Bench)  # no run is needed
    found = bench.loss("mse + mixture", 4)(losses, scores)
    centred = [rows - rows.mean(axis=1, keepdims=True) for rows in (losses, scores)]
    weights = np.exp(-2 * scores) / np.exp(-2 * scores).sum(axis=1, keepdims=True)
    mixture = -np.log((weights * np.exp(-losses)).sum(axis=1))
    expected = ((centred[0] - centred[1]) ** 2).mean(axis=1) + mixture
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_cells_view_is_found_on_one_half_and_judged_on_the_other():
    losses = np.float32([[3, 1, 2], [3, 2, 1], [0, 1, 1], [1, 0, 1], [9, 9, 0]])
    cells, half = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 0, 1, 1])
    of = candidates.Answers(losses < 1, losses, cells, half)
    # Half 0 finds views 1 and 0 for the two cells, half 1 views 2 and 2 (sums of cell 1: 10, 9, 1).
    assert of.chosen([0, 1, 2]).tolist() == [2, 1, 2, 0, 0]
    assert of.chosen([0, 1]).tolist() == [1, 1, 1, 0, 0]


def test_views_are_added_one_by_one_for_what_they_do_together():
    """View 2 repairs three of four cells, view 1 two of them, view 3 the fourth."""
    cells, half = np.repeat(np.arange(4), 2), np.tile([0, 1], 4)
    right = np.zeros((8, 4))
    right[:4, 1:3], right[4:6, 3], right[6:, 2] = 1, 1, 1
    of = candidates.Answers(right, 1 - right, cells, half)
    assert candidates.greedy([of, of], 3) == [0, 2, 3]
    assert candidates.greedy([of], 1) == [0]


def test_the_choice_of_views_is_written_into_its_page(run, tmp_path, monkeypatch):
    page, pool = tmp_path / "page.md", (views.Identity(), views.REPAIRS[1], views.Sharpness(4))
    page.write_text("Before.\n<!-- candidates: x -->\nold\n<!-- end of candidates -->\n", "utf-8")
    monkeypatch.setattr(candidates, "PAGE", page)
    monkeypatch.setattr(candidates, "ROOT", tmp_path)
    monkeypatch.setattr(candidates, "POOL", pool)
    monkeypatch.setattr(views, "REPAIRS", pool[:2])
    candidates.main(str(run), "mirrored")
    lines = page.read_text(encoding="utf-8").split("\n")
    assert lines[0] == "Before." and "old" not in lines
    assert [line.split(" | ")[:2] for line in lines[4:8]] == [
        ["| the paper's photometric views", "3"],
        ["| `views.REPAIRS`", "2"],
        ["| one by one", "2"],
        ["| all that were tried", "3"],
    ]
    bench = arms.Bench(str(run), "mirrored", arms.Sizes())
    of = candidates.answers(bench)
    copies, cells = corrupted_cells(bench.clean, SEEN, 2, 0)
    flat = copies.reshape(-1, 32, 32, 3) / np.float32(255)
    probs = bench.target.predict(np.asarray(pool[1](flat)), verbose=0)
    labels = np.repeat(bench.labels[bench.valid], 2)
    assert of.right[:, 1].tolist() == (probs.argmax(axis=1) == labels).tolist()
    assert of.half[:6].tolist() == [0, 0, 1, 1, 0, 0]
    assert of.cells.tolist() == cells.ravel().tolist()
