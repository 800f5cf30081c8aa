"""What lessons write out by hand, on inputs that the committed run did not meet."""

from types import SimpleNamespace

import keras
import nbformat
import numpy as np
import pytest
from keras import ops
from scipy import ndimage, stats

from tta_helpers import boxes, loss_predictor, metrics, views
from tta_helpers.policies import least_confident
from tta_helpers.workbook import detector, networks, place


def defined(notebook, text, **names):
    """Run the one cell of a lesson that holds a text, and return the names that it defines."""
    (path,) = place.notebooks().glob(f"{notebook}_*.ipynb")
    (cell,) = [c for c in nbformat.read(path, as_version=4).cells if text in c.source]
    exec(cell.source, names)
    return names


def test_the_written_out_ranks_share_ties():
    losses = np.float32([[3, 1, 1, 2], [0, 0, 0, 0], [5, 4, 4, 4], [1, 2, 3, 4]])
    scores = np.random.default_rng(0).normal(size=losses.shape).astype("float32")
    by_hand = defined("04", "def ranks_of", ops=ops)
    by_hand = defined("04", "def spearman_loss", **by_hand)
    expected = stats.rankdata(losses, axis=1) - 1  # SciPy: ties share their mean rank
    np.testing.assert_array_equal(by_hand["ranks_of"](ops.convert_to_tensor(losses)), expected)
    found = by_hand["spearman_loss"](ops.convert_to_tensor(losses), ops.convert_to_tensor(scores))
    packaged = loss_predictor.spearman_loss(losses, scores)
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (found, packaged)), atol=1e-6)


def test_the_written_out_mixture_is_the_chance_of_a_right_answer():
    probs = np.float32([[0.9, 0.5, 0.1], [0.2, 0.2, 0.2]])  # of the right class, view by view
    scores = np.float32([[0.0, 1.0, 2.0], [5.0, -3.0, 0.0]])
    weights = np.exp(-scores / 0.5)
    mixed = (weights * probs).sum(axis=1) / weights.sum(axis=1)
    by_hand = defined("04", "def mixture_loss", ops=ops)["mixture_loss"]
    found = by_hand(*map(ops.convert_to_tensor, (-np.log(probs), scores)))
    np.testing.assert_allclose(ops.convert_to_numpy(found), -np.log(mixed), rtol=1e-5)


def test_a_lookup_takes_the_view_with_the_lowest_mean_loss_of_a_kind():
    losses = np.float32([[1, 0, 3], [1, 4, 0], [2, 1, 5], [9, 9, 8]])
    found = defined("04", "def lookup", np=np, n_views=3, table_teach=losses)["lookup"]
    kinds = np.array([0, 0, 2, 2])  # means (1, 2, 1.5) and (5.5, 5, 6.5); of kind 1 there is none
    assert found(kinds, np.array([2, 0, 1, 2, 3])).tolist() == [[1], [0], [0], [1], [0]]


def test_photographs_that_are_moved_are_shifted_and_mirrored_copies():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 9, 11, 3)).astype(np.uint8)
    moved = defined("04", "def moved", np=np)["moved"](images, np.random.default_rng(1))
    assert moved.shape == images.shape and moved.dtype == np.uint8
    seen = set()
    for image, result in zip(images, moved, strict=True):
        for mirrored in (False, True):
            straight = result[:, ::-1] if mirrored else result
            for down, right in np.ndindex(7, 7):
                inner = image[max(0, down - 3) : 9 + min(0, down - 3)]
                inner = inner[:, max(0, right - 3) : 11 + min(0, right - 3)]
                top, left = max(0, 3 - down), max(0, 3 - right)
                part = straight[top : top + inner.shape[0], left : left + inner.shape[1]]
                if np.array_equal(part, inner):
                    seen.add((mirrored, down, right))
                    break
    assert len(seen) > 30 and {key[0] for key in seen} == {False, True}
    assert {key[1] for key in seen} == {key[2] for key in seen} == set(range(7))


def test_gains_are_read_back_from_records_fit_by_fit_and_photograph_by_photograph():
    counts = {"no TTA": "410", "k = 1": "201", "greedy": "400"}
    other = {"no TTA": "222", "k = 1": "222", "greedy": "022"}
    records = [
        {"metrics": {"errors_by_photograph": {"seen": some}, "copies": {"seen": 4}}}
        for some in (counts, other)
    ]
    nothing = SimpleNamespace(committed_records=lambda beginning: [])
    read = defined("04", "def wrong_in", np=np, runs=nothing)
    found = read["gains_of"](records, "k = 1", "seen")
    assert found.tolist() == [[0.5, 0.25, -0.25], [0, 0, 0]]
    found = read["gains_of"](records, "k = 1", "seen", "greedy")
    assert found.tolist() == [[0.5, 0, -0.25], [-0.5, 0, 0]]


def test_a_record_of_a_long_run_says_whom_it_helped():
    told = defined("04", "def target_of")["target_of"]
    fitted = {"target": "fitted", "architecture": "wide_resnet", "depth": 16, "width": 2}
    fitted |= {"train_augmentation": "flip_shift", "target_epochs": 20, "predictor_width": 4}
    fitted |= {"order_weight": 1.0, "teacher_width": 3}
    network = "wide_resnet 16-2, flip_shift, epochs: 20"
    assert told({"parameters": fitted}) == f"{network}; predictor x 4, its teacher x 3"
    for key in ("order_weight", "teacher_width"):
        without = {name: value for name, value in fitted.items() if name != key}
        for earlier in (without, {**fitted, "order_weight": 0.0}):
            assert told({"parameters": earlier}) == f"{network}; predictor x 4, earlier version"
    mirrored = {**fitted, "target": "mirrored"}
    assert told({"parameters": mirrored}) == "mirrored; predictor x 4, its teacher x 3"
    defaults = {"architecture": "baseline_cnn", "train_augmentation": "none", "target_epochs": 3}
    settled = {**fitted, **defaults, "target": "settled", "predictor_width": 1}
    again = {**settled, "target": "fitted", "target_fit": 1}
    words = "baseline_cnn, none, epochs: 3; predictor x 1, its teacher x 3"
    assert told({"parameters": settled}) == told({"parameters": again}) == words


def test_a_row_of_the_paper_stands_beside_a_network_of_its_kind_alone():
    errors = {"flip": {"clean": "1.0 [0.5, 1.5] *", "seen": "2.0 [1, 3]", "held out": "3.0 [2, 4]"}}
    known = {"like_it": {("WRN-40-2", "AugMix"): {"error": errors}}}
    known |= {"same_policy": {"Horizontal-Flip": "flip", "5-Crops": "five-crop"}}
    run_here = defined("04", "def run_here", groups=("clean", "seen", "held out"), **known)[
        "run_here"
    ]
    row = {"table": "1", "network": "WRN-40-2", "training": "AugMix", "row": "Horizontal-Flip"}
    assert run_here(row) == "1.0 / 2.0 / 3.0"
    others = {"table": "4", "network": "ResNeXt-29", "training": "AugMix+", "row": "5-Crops"}
    for key, value in (*others.items(), ("row", "10-Crops")):
        assert run_here({**row, key: value}) == "not run here"


@pytest.mark.parametrize("equal", ["before", "after", "gains"])
def test_no_t_test_where_nothing_varies(equal):
    before, after = {
        "before": ([0.5, 0.5], [0.6, 0.7]),
        "after": ([0.5, 0.6], [0.7, 0.7]),
        "gains": ([0.5, 0.6], [0.6, 0.7]),
    }[equal]
    values = {"before": np.array(before), "after": np.array(after)}
    found = defined(
        "02", "def p_of", np=np, stats=stats, gains=values["after"] - values["before"], **values
    )
    assert ("no spread" in found["paired"]) == (equal == "gains")
    assert ("no spread" in found["unpaired"]) == (equal in ("before", "after"))
    if equal == "gains":
        expected = stats.ttest_ind(after, before, equal_var=False).pvalue
        assert found["unpaired"] == f"{expected:.2g}"


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_ordinary_images_are_the_middle_two(n):
    sure = np.array([0.9, 0.5, 0.7, 0.6, 0.8])  # of the average, image by image
    found = defined("02", "def ordinary", np=np, average=np.stack([sure, 1 - sure], axis=1))
    picked = found["ordinary"](np.arange(n))
    in_order = np.argsort(sure[:n])
    middle = {0: [], 1: in_order, 2: in_order, 3: in_order[:2], 5: in_order[1:3]}[n]
    assert picked.tolist() == list(middle)


@pytest.mark.parametrize("right", [[True, False, True], [True] * 3, [False] * 3, []])
def test_third_classes_are_shown_right_and_wrong_where_there_are_both(right):
    views = np.array([[0.5, 0.45, 0.05], [0.05, 0.45, 0.5]])
    original, mirror = np.repeat(views[:, None], len(right), axis=1)
    average, right = (original + mirror) / 2, np.array(right, dtype=bool)
    names = {"original": original, "mirror": mirror, "average": average, "right_after": right}
    found = defined("02", "third = np.flatnonzero", np=np, **names)
    assert found["third"].tolist() == list(range(len(right)))
    assert right[found["one_of_each"]].tolist() == sorted({*right.tolist()}, reverse=True)


def test_the_written_out_network_is_the_packaged_one():
    names = defined("01", "def block(", keras=keras)
    names |= {"n_classes": 3, "x_train": np.zeros((1, 40, 24, 1))}
    written = defined("01", "def tutorial_cnn(", **names)["tutorial_cnn"]()
    packaged = networks.baseline_cnn((40, 24, 1), 3)
    assert [w.shape for w in written.weights] == [w.shape for w in packaged.weights]


@pytest.mark.parametrize(("n_classes", "fewest"), [(2, 12), (5, 4), (1000, 3)])
def test_the_first_figure_shows_each_row_under_its_name_and_does_not_grow(n_classes, fewest):
    counts = np.full(n_classes, 12)
    counts[n_classes // 2 % 20] = fewest  # one class, among those shown, has fewer images
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(n_classes), counts))
    shown = []
    defined(
        "01",
        "row_labels=shown",
        np=np,
        data=SimpleNamespace(
            class_names=[f"class {k}" for k in range(n_classes)],
            train_labels=labels,
            train_images=labels,  # each image is its label, so that a wrong row shows
            label="made for a test",
        ),
        plots=SimpleNamespace(image_grid=lambda *args, **options: shown.append((args, options))),
    )
    (((images,), options),) = shown
    rows = images.reshape(len(options["row_labels"]), options["columns"])
    assert rows.shape == (min(n_classes, 20), min(10, fewest))
    for name, row in zip(options["row_labels"], rows, strict=True):
        assert {f"class {label}" for label in row} == {name}


def test_no_lesson_keeps_a_sorter_from_one_run_to_the_next():
    """SoDeep's sorter was read back whatever steps, seed or code it had been trained with."""
    (path,) = place.notebooks().glob("04_*.ipynb")
    for cell in nbformat.read(path, as_version=4).cells:
        assert not (
            "sorter" in cell.source and (".keras" in cell.source or "is_file" in cell.source)
        )


def test_the_rule_takes_the_cheapest_policy_within_one_standard_error():
    best = np.arange(100) < 80

    def other(loses, wins):
        return best ^ (np.arange(100) < loses) ^ (np.arange(100) >= 100 - wins)

    right = np.array([other(10, 0), other(6, 4), other(3, 2), best])
    price, within = [1, 2, 2, 5], []
    for row in right:
        behind = best.astype(int) - row
        within.append(bool(behind.mean() <= stats.sem(behind)))  # SciPy's standard error
    assert within == [False, True, True, True]
    pick = defined("05", "def pick", np=np)["pick"]
    assert pick(right, price) == 2 and pick(right, price, errors=0) == 3
    assert pick(right, [1, 3, 4, 5]) == 1


def test_a_threshold_judges_image_by_image_and_a_rank_does_not():
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(3), 300)
    policies = SimpleNamespace(least_confident=least_confident)
    sent_on = defined("05", "def sent_on", np=np, policies=policies, plain=probs)["sent_on"]
    easy, mixed = np.argsort(-probs.max(axis=1)), np.arange(300)
    assert (sent_on(easy) != sent_on(mixed)).any()
    assert sent_on(easy).sum() == sent_on(mixed).sum() == 60
    where_unsure = defined("05", "def where_unsure", np=np)["where_unsure"]
    whole, full = where_unsure(probs, 1 - probs, 0.6), 1 - probs
    assert ((whole == full).all(axis=1) == (probs.max(axis=1) < 0.6)).all()
    alone = [where_unsure(probs[[k]], full[[k]], 0.6)[0] for k in range(300)]
    np.testing.assert_array_equal(whole, alone)


def test_no_image_is_judged_by_what_it_has_taught():
    labels, taught, judged = np.array([0, 1, 1, 0, 1]), [], []
    odd = np.arange(5) % 2 == 1
    probs = np.arange(5.0)[None, :, None] + np.zeros((1, 1, 2))  # each image is its number

    def learn(labels, probs):
        taught.append(set(probs[0, :, 0].tolist()))
        return taught[-1]

    def menu(probs, learned, scores):
        judged.append(set(probs[0, :, 0].tolist()))
        assert not judged[-1] & learned
        return {"ones": (1, np.tile([0.0, 1.0], (probs.shape[1], 1)))}

    names = {"np": np, "metrics": metrics, "odd": odd, "learn": learn, "menu": menu}
    right = defined("05", "def out_of_fold", **names)["out_of_fold"](labels, probs, None)
    assert right["ones"].tolist() == [False, True, True, False, True]
    assert set.union(*judged) == set.union(*taught) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("values", [4, 1000])
def test_the_written_out_area_is_that_of_a_mann_whitney_test(values):
    rng = np.random.default_rng(values)
    wrong, doubt = rng.random(90) < 0.3, rng.integers(0, values, 90)
    area = defined("05", "def area", np=np)["area"]
    test = stats.mannwhitneyu(doubt[wrong], doubt[~wrong])
    assert area(wrong, doubt) == pytest.approx(test.statistic / (wrong.sum() * (~wrong).sum()))
    assert area(np.ones(90, bool), doubt) == area(np.zeros(90, bool), doubt) == 0.5


def test_a_true_box_is_taken_once_by_the_best_box_of_its_class():
    taken = defined("06", "def taken", np=np, boxes=boxes)["taken"]
    true = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], float)
    some = np.array([[1, 0, 11, 10], [0, 0, 10, 10], [20, 0, 30, 10], [40, 6, 50, 16]], float)
    answer, truth = (some, None, np.array([0, 0, 1, 0])), (true, np.array([0, 0, 0]))
    assert taken(answer, truth).tolist() == [0, -1, -1, -1]  # twice, another class, IoU 0.25
    assert taken(answer, truth, 0.25).tolist() == [0, -1, -1, 2]
    assert taken(answer, (true[:0], np.zeros(0, int))).tolist() == [-1] * 4
    assert taken((some[:0], None, np.zeros(0, int)), truth).tolist() == []


def test_a_turned_map_is_wrong_by_what_the_lesson_says():
    """One box in the mirror: its centre in column 5 of 12, a quarter of the cell from the left."""
    maps = np.zeros((1, 12, 5))
    maps[0, 5] = 1, 0.25, 0.5, 8, 2
    mirrored, turned = (
        detector.cell_boxes(one)[0, c] for one, c in ((maps, 5), (maps[:, ::-1], 6))
    )
    (right,) = boxes.undo_boxes(views.HorizontalFlip(), mirrored[None], (4, 48))
    wrong_by = detector.STRIDE * (2 * 0.25 - 1)
    np.testing.assert_allclose(turned - right, [wrong_by, 0, wrong_by, 0])


def test_the_written_out_risk_is_the_share_of_errors_among_the_surest_pixels():
    rng = np.random.default_rng(0)
    doubt, errors = rng.random((3, 4, 5)), rng.random((3, 4, 5)) < 0.3
    kept = np.array([1 / 60, 0.5, 0.99, 1])
    found = defined("06", "def risks", np=np)["risks"](doubt, errors, kept)
    order = sorted(zip(doubt.ravel(), errors.ravel(), strict=True))
    for share, n in zip(found, (1, 30, 60, 60), strict=True):
        assert share == np.mean([wrong for _, wrong in order[:n]])


def test_tiles_are_put_back_where_they_were_cut():
    pictures = np.random.default_rng(0).random((2, 16, 24, 1))
    same = SimpleNamespace(predict=lambda tile, **how: tile)
    tiled = defined("06", "def tiled", np=np, network=same)["tiled"]
    for step in (8, 4):
        found, times = tiled(pictures, 8, step)
        np.testing.assert_allclose(found, pictures[..., 0])
    assert times[0, 0] == times[-1, -1] == 1 and times[0, 8] == 2 and times[8, 8] == 4
    assert times.sum() == 3 * 5 * 64


@pytest.mark.parametrize("by", [-0.4, 0.0, 0.25])
def test_the_lean_of_labels_is_how_far_the_pictures_were_moved(by):
    masks = np.zeros((2, 40, 40), bool)
    masks[0, 10:22, 8:20] = masks[1, 15:30, 12:30] = True
    soft = ndimage.gaussian_filter(masks.astype(float), (0, 1.5, 1.5))
    moved = ndimage.shift(soft, (0, by, 0), order=3)
    lean = defined("06", "def lean", np=np)["lean"]
    found = [lean(moved, masks, axis) for axis in (1, 2)]
    np.testing.assert_allclose(found, [by, 0], atol=0.05)
