import hashlib
from collections import Counter
from functools import partial

import keras
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from tta_helpers.workbook.networks import baseline_cnn
from tta_helpers.workbook.sample import (
    CLASS_NAMES,
    SCENE_CLASSES,
    make_sample,
    make_scenes,
    scenes,
)
from tta_helpers.workbook.sample.canvas import Dice
from tta_helpers.workbook.sample.pictures import SUBJECTS


@pytest.fixture(scope="module")
def small():
    return make_sample(n_train=300, n_test=200)


def rows(images):
    return {image.tobytes() for image in images}


def test_shapes_types_and_balance():
    train_images, train_labels, test_images, test_labels = make_sample(n_train=53, n_test=20)
    assert train_images.shape == (53, 32, 32, 3)
    assert test_images.shape == (20, 32, 32, 3)
    assert train_images.dtype == test_images.dtype == np.uint8
    assert train_labels.dtype == test_labels.dtype == np.int64
    assert sorted(np.bincount(train_labels, minlength=10)) == [5] * 7 + [6] * 3
    assert np.bincount(test_labels).tolist() == [2] * 10
    assert (np.diff(train_labels) < 0).any(), "the classes are in order, not shuffled"
    assert CLASS_NAMES[0] == "airplane"
    assert len(CLASS_NAMES) == 10


def test_a_seed_names_one_sample_whatever_the_global_state(small):
    np.random.seed(5)  # noqa: NPY002  (the global state must not matter)
    again = make_sample(n_train=300, n_test=200)
    for array, same in zip(small, again, strict=True):
        np.testing.assert_array_equal(array, same)


def test_the_bytes_are_those_of_every_machine():
    digest = hashlib.sha256()
    for array in make_sample(n_train=50, n_test=20):
        digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    assert digest.hexdigest() == "79392d64786571179ef143701712a15c54597a86c4c89795f0f7f07a422012de"


def test_no_image_returns_in_another_place_split_or_seed(small):
    train, _, test, _ = small
    other, _, other_test, _ = make_sample(n_train=300, n_test=200, seed=1)
    assert len(rows(train) | rows(test) | rows(other) | rows(other_test)) == 1000


def test_a_larger_sample_holds_the_smaller_one(small):
    few, few_labels, _, _ = make_sample(n_train=40, n_test=1)
    labels = {image.tobytes(): label for image, label in zip(small[0], small[1], strict=True)}
    assert [labels[image.tobytes()] for image in few] == few_labels.tolist()


def test_headings_are_even_in_every_class(monkeypatch):
    counts = np.zeros((10, 2), int)

    def note(pen, dice, label):
        heads_right = pen.at(1, 0)[0] > pen.at(-1, 0)[0]
        counts[label, int(heads_right)] += 1

    for label, name in enumerate(CLASS_NAMES):
        subject = SUBJECTS[name]._replace(draw=partial(note, label=label))
        monkeypatch.setitem(SUBJECTS, name, subject)
    make_sample(n_train=2000, n_test=1)
    assert counts.sum() == 2001
    assert stats.binomtest(int(counts[:, 0].sum()), int(counts.sum())).pvalue > 0.01
    assert stats.chi2_contingency(counts).pvalue > 0.01


def test_colour_alone_does_not_name_a_class():
    images, labels, _, _ = make_sample(n_train=1000, n_test=1)
    colours = np.concatenate([images.mean(axis=(1, 2)), images.std(axis=(1, 2))], axis=1) / 255
    accuracy = cross_val_score(LogisticRegression(max_iter=1000), colours, labels, cv=5).mean()
    assert accuracy < 0.35


def test_progress_wraps_the_loop_over_each_split():
    lengths = []

    def count(iterable):
        lengths.append(len(iterable))
        return iterable

    make_sample(n_train=12, n_test=3, progress=count)
    assert lengths == [12, 3]


@pytest.mark.parametrize("name", ["n_train", "n_test", "seed"])
@pytest.mark.parametrize("value", [-1, 2.5, "10", True, None])
def test_a_bad_argument_is_named_with_its_value(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value!r}; pass an integer of at least"):
        make_sample(**{"n_train": 1, "n_test": 1, name: value})


@pytest.mark.parametrize("name", ["n_train", "n_test"])
def test_an_empty_split_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0; pass an integer of at least 1"):
        make_sample(**{name: 0})


def gain_interval(correct, correct_tta):
    """Return the 95 % bootstrap interval of the mean paired difference, by SciPy."""
    difference = correct_tta.astype(float) - correct
    result = stats.bootstrap((difference,), np.mean, n_resamples=2000, method="percentile", rng=0)
    return result.confidence_interval


def test_the_tutorials_network_lands_in_the_band_and_gains_from_mirroring_only():
    """Half of the default's images in a quarter of its batch size: as many steps, half the time."""
    train_images, train_labels, test_images, test_labels = make_sample(10_000, 2_000)
    keras.utils.set_random_seed(0)
    model = baseline_cnn()
    one_hot = np.eye(10, dtype="float32")[train_labels]
    model.fit(train_images.astype("float32") / 255, one_hot, epochs=3, batch_size=32, verbose=0)

    images = test_images.astype("float32") / 255
    upright, mirrored, overturned = (
        model.predict(view, batch_size=500, verbose=0)
        for view in (images, images[:, :, ::-1], images[:, ::-1])
    )
    correct, with_mirror, with_overturned = (
        (probs.argmax(axis=1) == test_labels)
        for probs in (upright, upright + mirrored, upright + overturned)
    )
    assert 0.60 <= correct.mean() <= 0.85
    assert gain_interval(correct, with_mirror).low > 0
    assert gain_interval(correct, with_overturned).high < 0


# ---------------------------------------------------------------- scenes


@pytest.fixture(scope="module")
def few_scenes():
    return make_scenes(30, size=(64, 96))


def test_scenes_have_the_shapes_that_they_promise(few_scenes):
    images, masks, boxes, labels = few_scenes
    assert (images.shape, images.dtype) == ((30, 64, 96, 3), np.uint8)
    assert (masks.shape, masks.dtype) == ((30, 64, 96), np.uint16)
    for mask, box, label in zip(masks, boxes, labels, strict=True):
        assert (box.shape, box.dtype) == ((mask.max(), 4), np.float32)
        assert (label.shape, label.dtype) == ((mask.max(),), np.int64)
        assert np.unique(mask).tolist() == list(range(mask.max() + 1))


def test_every_box_is_the_bounds_of_its_objects_pixels(few_scenes):
    """SciPy finds the bounds."""
    n = 0
    for mask, box in zip(few_scenes.masks, few_scenes.boxes, strict=True):
        for (down, across), row in zip(ndimage.find_objects(mask.astype(int)), box, strict=True):
            assert [across.start, down.start, across.stop, down.stop] == row.tolist()
            n += 1
    assert n > 100


def count_colours(picture):
    """Return the drawn colours of every pixel's 16 parts, and how many parts each fills."""
    height, width = picture.shape[0] // 4, picture.shape[1] // 4
    parts = picture.reshape(height, 4, width, 4, 3).swapaxes(1, 2).reshape(height, width, 16, 3)
    return [[Counter(map(tuple, parts[y, x])) for x in range(width)] for y in range(height)]


@pytest.mark.parametrize("seed", range(4))
def test_masks_are_the_drawn_pixels(seed, monkeypatch):
    """Every object gets a colour of its own on a black ground; the colours say whose a pixel is."""
    colours, pictures = [(200, 40 + i, 7) for i in range(40)], []

    def plain(dice, colour, rough, size):
        return Image.new("RGB", (size[1] * 4, size[0] * 4))

    def developed(dice, pixels):
        return pixels.astype(np.uint8)

    def keep(dice, size, objects):
        pictures.append(draw_scene(dice, size, objects))
        return pictures[-1]

    draw_scene = scenes.draw_scene
    monkeypatch.setattr(scenes, "backdrop", plain)
    monkeypatch.setattr(scenes, "stain", lambda *args: None)
    monkeypatch.setattr(scenes, "inside", lambda *args: None)
    monkeypatch.setattr(scenes, "developed", developed)
    monkeypatch.setattr(scenes, "draw_scene", keep)
    drawn = iter([colour for colour in colours for _ in range(2)])  # plasma and core alike
    monkeypatch.setattr(scenes, "shade", lambda colour, factor: next(drawn))
    _, masks, boxes, labels = make_scenes(1, seed, size=(40, 56), objects=(8, 12))

    picture, _, kinds = pictures[0]
    expected = np.zeros((40, 56), int)
    for y, row in enumerate(count_colours(np.asarray(picture))):
        for x, counts in enumerate(row):
            filled = [i for i, c in enumerate(colours, 1) if counts[tuple(c)] >= 8]
            expected[y, x] = max(filled, default=0)  # the one in front
    seen = np.unique(expected)[1:]
    assert len(seen) >= 6
    assert [kinds[i - 1] for i in seen] == [SCENE_CLASSES[label] for label in labels[0]]
    for number, i in enumerate(seen, 1):
        np.testing.assert_array_equal(masks[0] == number, expected == i)
        rows, columns = np.nonzero(expected == i)
        bounds = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert bounds == boxes[0][number - 1].tolist()
    assert ((masks[0] > 0) == (expected > 0)).all()


@pytest.mark.parametrize("seed", range(4))
def test_what_lies_in_a_cell_stays_in_it(seed, monkeypatch):
    """All that is drawn is one bright colour on black, so a nucleus that stood out would show."""
    bright, black = (255, 255, 255), (0, 0, 0)
    monkeypatch.setattr(scenes, "stain", lambda *args: None)
    monkeypatch.setattr(scenes, "shade", lambda colour, factor: bright)
    monkeypatch.setattr(scenes, "faded", lambda colours, ground, strength: [bright, bright])
    monkeypatch.setattr(scenes, "backdrop", lambda *args: Image.new("RGB", (384, 384)))
    picture, numbers, _ = scenes.draw_scene(Dice((seed, 0)), (96, 96), (14, 14))
    drawn = (np.asarray(picture) != black).any(axis=2)
    np.testing.assert_array_equal(drawn, np.asarray(numbers) > 0)


def test_scenes_touch_are_cut_by_the_frame_and_show_every_kind():
    _, masks, boxes, labels = make_scenes(60)
    touching = sum(
        ((mask[:, 1:] != mask[:, :-1]) & (mask[:, 1:] > 0) & (mask[:, :-1] > 0)).any()
        for mask in masks
    )
    at_the_frame = sum(((box[:, :2] == 0) | (box[:, 2:] == 96)).any() for box in boxes)
    assert touching >= 30 and at_the_frame >= 30
    counts = np.bincount(np.concatenate(labels), minlength=3)
    assert len(counts) == len(SCENE_CLASSES) == 3 and counts.min() > 40
    areas = np.concatenate([np.bincount(mask.ravel())[1:] for mask in masks])
    assert areas.min() >= 4 and np.percentile(areas, 95) > 10 * np.percentile(areas, 5)


def test_a_threshold_does_not_find_the_cells():
    """Otsu's threshold on grey, the better of its two sides for each picture."""
    images, masks, _, _ = make_scenes(40)
    scores = []
    for image, mask in zip(images, masks, strict=True):
        grey, truth = image.mean(axis=2), mask > 0
        levels = np.arange(grey.min() + 1, grey.max())
        sides = [(grey[grey < t], grey[grey >= t]) for t in levels]
        between = [a.size * b.size * (a.mean() - b.mean()) ** 2 for a, b in sides]
        found = grey < levels[int(np.argmax(between))]
        scores.append(max((side & truth).sum() / (side | truth).sum() for side in (found, ~found)))
    assert 0.2 < np.mean(scores) < 0.8


def test_scenes_are_those_of_every_machine_and_more_keep_the_first(few_scenes):
    again = make_scenes(3, size=(64, 96))
    for i in range(3):
        for part, same in zip(again, few_scenes, strict=True):
            np.testing.assert_array_equal(part[i], same[i])
    assert not np.array_equal(make_scenes(1, seed=1, size=(64, 96)).images, again.images[:1])
    assert len(rows(few_scenes.images)) == 30
    digest = hashlib.sha256()
    for array in (again.images, again.masks, *again.boxes, *again.labels):
        digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    assert digest.hexdigest() == "f3cc5a92b5156f4b1903e97c09ce9964ffb5f196e69ed604685b33430e085815"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n is 0; pass an integer of at least 1"),
        ({"n": 2.0}, r"n is 2\.0; pass an integer"),
        ({"n": 1, "seed": -1}, "seed is -1; pass an integer of at least 0"),
        ({"n": 1, "size": (96, 31)}, "size is 31; pass an integer of at least 32"),
        ({"n": 1, "size": "96"}, "size is '96'; pass an integer"),
        ({"n": 1, "objects": (0, 3)}, "objects is 0; pass an integer of at least 1"),
        ({"n": 1, "objects": (5, 3)}, r"objects is \(5, 3\); pass \(fewest, most\), and at most"),
        ({"n": 1, "objects": (5, 256)}, r"objects is \(5, 256\); .* at most 255"),
    ],
)
def test_a_bad_argument_of_a_scene_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_scenes(**arguments)


def test_scenes_report_progress():
    lengths = []
    make_scenes(2, progress=lambda items: lengths.append(len(items)) or items)
    assert lengths == [2]
