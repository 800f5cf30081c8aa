import hashlib
from functools import partial

import keras
import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from tta_helpers.workbook.networks import baseline_cnn
from tta_helpers.workbook.sample import CLASS_NAMES, make_sample
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
