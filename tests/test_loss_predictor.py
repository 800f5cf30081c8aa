"""Loss predictors against SciPy, NumPy and hand counts."""

import re

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats
from scipy.special import softmax

from tta_helpers import loss_predictor as lp
from tta_helpers import policies, predict, views
from tta_helpers.predict import predict_views
from tta_helpers.workbook import networks

SET = (views.Identity(), views.HorizontalFlip(), views.Shift(1, -2))


def by_numpy(images):
    """Return the three views of `SET`, made without the package."""
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    return [images, images[:, :, ::-1], padded[:, 4:12, 1:7]]


# Selected views


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="only JAX compiles by size")
def test_another_mixture_of_views_compiles_nothing_new(caplog):
    import jax

    images = np.random.default_rng(3).integers(0, 256, (10, 8, 8, 3)).astype(np.uint8)
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(4, activation="softmax"))
    expected = predict_views(model, images, SET)

    def compiled(of_second):
        """Predict with so many images under the second view; return what was compiled."""
        choice = (np.arange(10) < of_second).astype(int)
        caplog.clear()
        with jax.log_compiles(), caplog.at_level("WARNING", logger="jax"):
            found = lp.predict_selected(model, images, SET, choice[:, None])
        np.testing.assert_allclose(found, expected[choice, np.arange(10)], atol=1e-6)
        return [r for r in caplog.records if "Finished XLA compilation" in r.getMessage()]

    assert compiled(3)  # seven and three: eight and four
    assert not compiled(4)  # six and four


# Networks


@pytest.mark.parametrize(("n_views", "n_kinds"), [(12, 0), (13, 76)])
def test_compact_predictor_is_small(n_views, n_kinds):
    """Beside the network of notebook 01: a fiftieth of its work, a tenth of its parameters."""
    predictor, target = (
        lp.compact_predictor((32, 32, 3), n_views, 10, n_kinds),
        networks.baseline_cnn(),
    )
    shapes = predictor.input_shape, predictor.output_shape
    assert shapes == ((None, 32, 32, 3), (None, n_views))
    assert predictor.count_params() < target.count_params() / 10
    work, its_work = (sum(row[3] for row in networks.multiply_adds(m)) for m in (predictor, target))
    assert work <= its_work / 50
    patches, squares = 64 * 48 * 16, 16 * 64 * 24
    by_hand = patches + squares + (2 * 16 + 16 * 24) * 64
    assert work == by_hand + 64 * (10 + 10 * n_views + n_kinds) + n_kinds * n_views


def test_a_wider_predictor_has_more_units_everywhere_but_in_what_it_says():
    wide = lp.compact_predictor((8, 12, 3), n_views=5, n_classes=4, n_kinds=3, width=2)
    first = 2 * 3 * 48 * 32  # two rows of three patches, thirty-two units
    second = 1 * 2 * (4 * 32) * 48  # a row of two squares, the second of them half empty
    third = (2 * 32 + 2 * 48) * 128
    heads = 128 * (4 + 4 * 5 + 3) + 3 * 5
    assert sum(row[3] for row in networks.multiply_adds(wide)) == first + second + third + heads
    assert wide.output_shape == (None, 5)


def test_compact_scores_are_expected_over_the_guessed_class():
    predictor = lp.compact_predictor((8, 12, 3), n_views=5, n_classes=4)
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 12, 3)).astype("float32")
    names = "classes", "by_class"
    inner = keras.Model(predictor.input, [predictor.get_layer(name).output for name in names])
    guess, by_class = (ops.convert_to_numpy(x) for x in inner(images))
    np.testing.assert_allclose(guess.sum(axis=1), 1, rtol=1e-5)
    scores = ops.convert_to_numpy(predictor(images))
    assert scores.shape == (6, 5)
    expected = [
        np.average(rows, axis=0, weights=w) for rows, w in zip(by_class, guess, strict=True)
    ]
    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_compact_scores_add_what_is_expected_of_the_kind():
    predictor = lp.compact_predictor((8, 12, 3), n_views=5, n_classes=4, n_kinds=3)
    weights = predictor.get_layer("by_kind").get_weights()
    predictor.get_layer("by_kind").set_weights([np.arange(15.0).reshape(3, 5), weights[1]])
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 12, 3)).astype("float32")
    names = "expected", "kinds"
    inner = keras.Model(predictor.input, [predictor.get_layer(name).output for name in names])
    by_class, kinds = (ops.convert_to_numpy(x) for x in inner(images))
    np.testing.assert_allclose(kinds.sum(axis=1), 1, rtol=1e-5)
    expected = by_class + kinds @ np.arange(15.0).reshape(3, 5)
    np.testing.assert_allclose(ops.convert_to_numpy(predictor(images)), expected, atol=1e-4)


@pytest.fixture(scope="module")
def efficientnet():
    return lp.efficientnet_predictor((32, 32, 3), n_views=7)


def test_efficientnet_joins_features_of_five_levels(efficientnet):
    """The stages of EfficientNet-B0 that are tapped have 24, 40, 80 and 192 channels."""
    head = efficientnet.layers[-1]
    assert head.kernel.shape == (24 + 40 + 80 + 192 + 1280, 7)
    assert head.kernel.shape[0] == 1616
    assert efficientnet.output_shape == (None, 7)
    assert 4.0e6 < efficientnet.count_params() < 4.4e6


def test_efficientnets_taps_are_dropped_for_whole_images_in_training(efficientnet):
    layers = efficientnet.layers
    [joined] = [x.output for x in layers if type(x) is keras.layers.Concatenate]
    features = keras.Model(efficientnet.input, joined)
    images = np.random.default_rng(0).integers(0, 256, (120, 32, 32, 3)).astype("float32")
    keras.utils.set_random_seed(0)
    values = np.split(np.asarray(features(images, training=True)), np.cumsum([24, 40, 80, 192]), 1)
    dropped = np.stack([(part == 0).mean(axis=1) for part in values])
    assert set(dropped[:4].ravel()) == {0, 1}  # all of a tap or nothing
    assert (dropped[4] == 0).all()  # the head's own features stay
    assert stats.binomtest(int(dropped.sum()), 480, 0.2).pvalue > 1e-4
    assert len(np.unique(dropped[:4], axis=1).T) > 4  # each tap by itself
    kept = np.asarray(features(images[:5], training=False))
    assert (kept != 0).all()


# Rank losses


@pytest.fixture
def losses():
    """Rows of losses, some with ties."""
    rng = np.random.default_rng(0)
    rows = rng.gamma(1.0, size=(30, 12)).astype("float32")
    rows[::2] = rng.integers(0, 5, (15, 12))
    return rows


def widely_spaced(rows, factor=100):
    """Scores in the order of `rows`, without ties, far apart beside the temperature of 0.2."""
    return (rows.argsort(axis=1, kind="stable").argsort(axis=1) * factor).astype("float32")


def test_true_ranks_are_scipys_less_one(losses):
    ranks = np.asarray(lp.true_ranks(losses))
    np.testing.assert_array_equal(ranks, stats.rankdata(losses, axis=1) - 1)


def test_soft_ranks_tend_to_true_ranks_as_the_temperature_falls(losses):
    ranks = stats.rankdata(losses, axis=1) - 1
    errors = [np.abs(lp.soft_ranks(losses, t) - ranks).max() for t in (1, 0.1, 0.01, 1e-6)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.5
    assert errors[-1] < 1e-5


def test_soft_ranks_by_hand():
    """Differences of ln 3 at temperature 1: the lower is below with probability 3/4."""
    soft = lp.soft_ranks(np.float32([[0, np.log(3)]]), 1)
    np.testing.assert_allclose(soft, [[0.25, 0.75]], rtol=1e-6)


def test_spearman_loss_tends_to_one_less_scipys_correlation(losses):
    scores = widely_spaced(np.random.default_rng(1).random(losses.shape))
    expected = [1 - stats.spearmanr(x, y).statistic for x, y in zip(losses, scores, strict=True)]
    np.testing.assert_allclose(lp.spearman_loss(losses, scores), expected, atol=1e-5)


def test_spearman_loss_knows_right_from_reversed_and_takes_rows_without_order():
    losses = np.float32([[0.1, 0.2, 3.0, 4.0], [0.1, 0.2, 3.0, 4.0], [5, 5, 5, 5]])
    scores = np.float32([[0, 10, 20, 30], [30, 20, 10, 0], [0, 10, 20, 30]])
    np.testing.assert_allclose(lp.spearman_loss(losses, scores), [0, 2, 1], atol=1e-5)
    flat = lp.spearman_loss(losses, np.zeros_like(scores))
    np.testing.assert_allclose(flat, [1, 1, 1], atol=1e-5)


def test_centred_mse_is_numpys_and_does_not_see_a_rows_level(losses):
    scores = np.random.default_rng(1).normal(size=losses.shape).astype("float32")
    errors = losses.astype(float) - scores
    result = lp.centred_mse(losses, scores)
    np.testing.assert_allclose(result, errors.var(axis=1), rtol=1e-5)
    level = np.arange(30, dtype="float32")[:, None]
    np.testing.assert_allclose(lp.centred_mse(losses + level, scores), result, rtol=1e-4)
    np.testing.assert_allclose(lp.centred_mse(losses, scores - level), result, rtol=1e-4)


def test_combined_loss_is_one_part_order_and_a_tenth_size(losses):
    scores = widely_spaced(np.random.default_rng(1).random(losses.shape), 10)
    expected = [
        1 - stats.spearmanr(x, y).statistic + 0.1 * np.var(x.astype(float) - y)
        for x, y in zip(losses, scores, strict=True)
    ]
    np.testing.assert_allclose(lp.combined_loss(losses, scores), expected, rtol=1e-5)


def test_mixture_loss_is_that_of_the_weighed_average():
    probs = np.float32([[0.9, 0.2, 0.5], [0.1, 0.1, 0.7]])  # of the right class, by view
    scores = np.float32([[0, 1, 2], [3, 0, -1]])
    weights = np.exp(-scores / 0.5)
    expected = -np.log((weights * probs).sum(axis=1) / weights.sum(axis=1))
    np.testing.assert_allclose(lp.mixture_loss(-np.log(probs), scores), expected, rtol=1e-4)
    even = lp.mixture_loss(-np.log(probs), scores, temperature=1e6)
    np.testing.assert_allclose(even, -np.log(probs.mean(axis=1)), rtol=1e-4)
    sure = lp.mixture_loss(-np.log(probs), scores, temperature=1e-3)
    np.testing.assert_allclose(sure, -np.log([0.9, 0.7]), rtol=1e-4)


def test_relative_loss_compares_softmaxes(losses):
    scores = np.random.default_rng(1).normal(size=losses.shape).astype("float32")
    expected = ((softmax(losses, axis=1) - softmax(scores, axis=1)) ** 2).mean(axis=1)
    np.testing.assert_allclose(lp.relative_loss(losses, scores), expected, rtol=1e-4)


def test_rank_losses_by_name():
    exact = exact_sorter(12)
    named = lp.rank_losses(exact)
    assert set(named) == {"spearman", "sodeep", "mse", "combined", "relative"}
    assert (named["spearman"], named["mse"]) == (lp.spearman_loss, lp.centred_mse)
    assert named["combined"] is lp.combined_loss
    scores = widely_spaced(np.random.default_rng(1).random((2, 12)))
    np.testing.assert_allclose(named["sodeep"](scores, scores), [0, 0], atol=1e-6)
    assert exact.asked.shape == (2, 12)


# A learned sorter


def test_synthetic_sequences_are_standardised():
    rows = lp.synthetic_sequences(4000, 12, np.random.default_rng(0))
    assert (rows.shape, rows.dtype) == ((4000, 12), np.float32)
    np.testing.assert_allclose(rows.mean(axis=1), 0, atol=1e-5)
    spread = rows.std(axis=1)
    assert spread.max() < 1 + 1e-5
    assert np.quantile(spread, 0.01) > 0.999
    assert spread.min() > 0.9


def test_synthetic_sequences_of_every_kind_have_their_share():
    """Two kinds of five are evenly spaced, and one of them is in order."""
    rows = lp.synthetic_sequences(4000, 12, np.random.default_rng(0))
    even = np.ptp(np.diff(np.sort(rows, axis=1), axis=1), axis=1) < 1e-3
    steps = np.sign(np.diff(rows, axis=1))
    in_order = np.abs(steps.sum(axis=1)) == 11
    for count, share in ((even.sum(), 2 / 5), (in_order.sum(), 1 / 5)):
        assert stats.binomtest(int(count), 4000, share).pvalue > 1e-4
    assert even[in_order].all()
    wide = np.abs(rows[~even]).max()
    assert wide > 2.2  # normal ones have outliers; 12 uniform or evenly spaced values do not


def rank_error(sorter):
    """The mean absolute rank error on normal sequences, against SciPy's ranks."""
    rows = np.random.default_rng(5).normal(size=(500, sorter.input_shape[1]))
    rows = stats.zscore(rows, axis=1).astype("float32")
    ranks = sorter.predict_on_batch(rows) * rows.shape[1]
    return np.abs(ranks - (stats.rankdata(rows, axis=1) - 1)).mean()


def test_a_sorter_learns_to_sort():
    keras.utils.set_random_seed(0)
    sorter = lp.rank_sorter(3, 6)
    assert sorter.output_shape == (None, 3)
    untrained = rank_error(sorter)
    lp.fit_sorter(sorter, 120, 64)
    assert rank_error(sorter) < untrained / 4


@pytest.fixture(scope="module")
def sorter():
    """One that is faster to build: any network of this form will do."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    network = keras.Sequential(
        [keras.Input((3,)), layers.Dense(32, activation="swish"), layers.Dense(3)]
    )
    lp.fit_sorter(network, 300, 64)
    return network


def test_sorter_error_is_a_mean_in_ranks(sorter):
    """On all kinds of sequences; normal ones alone come close. A sorter that says 0 errs by 1."""
    assert lp.sorter_error(sorter) == pytest.approx(rank_error(sorter), abs=0.1)
    assert lp.sorter_error(sorter, seed=2) == pytest.approx(lp.sorter_error(sorter), abs=0.02)
    silent = keras.Sequential([keras.Input((3,)), keras.layers.Rescaling(0)])
    assert lp.sorter_error(silent, n=50) == pytest.approx(1)


def exact_sorter(length):
    """Stands in for a sorter that makes no mistakes, and remembers what it was asked."""

    class Exact:
        input_shape, trainable = (None, length), True

        def __call__(self, rows):
            self.asked = np.asarray(rows)
            return (stats.rankdata(self.asked, axis=1) - 1).astype("float32") / length

    return Exact()


def test_sodeep_loss_by_hand():
    """The order 0 1 2 3 against 0 1 2 3, 3 2 1 0 and 1 0 2 3, in fourths."""
    exact = exact_sorter(4)
    loss = lp.sodeep_loss(exact)
    assert not exact.trainable
    losses = np.float32([[0.1, 0.2, 3, 4]] * 3)
    scores = np.float32([[1, 2, 3, 7], [50, 40, 30, 20], [-1, -2, 3, 4]])
    by_hand = [0, (9 + 1 + 1 + 9) / 4 / 16, (1 + 1) / 4 / 16]
    np.testing.assert_allclose(loss(losses, scores), by_hand, rtol=1e-6)
    np.testing.assert_allclose(exact.asked, stats.zscore(scores, axis=1), rtol=1e-4)


def test_sodeep_loss_is_lower_for_the_right_order(sorter):
    losses = np.random.default_rng(3).random((200, 3)).astype("float32")
    loss = lp.sodeep_loss(sorter)
    right, reverse = np.asarray(loss(losses, losses)), np.asarray(loss(losses, -losses))
    assert right.mean() < reverse.mean() / 10
    assert (right < reverse).mean() > 0.95


# The loss table


@pytest.fixture
def labels():
    return np.arange(11) % 4


def expected_losses(linear, photos, labels):
    rows = [linear.probs(view / 255)[np.arange(11), labels] for view in by_numpy(photos)]
    return np.minimum(-np.log(np.transpose(rows)), 7 * np.log(10))


@pytest.mark.parametrize("chunk", [4, 11, 5000])
def test_loss_table_is_the_loss_of_every_view(linear, photos, labels, chunk, tmp_path):
    table = lp.loss_table(linear.model, photos, labels, SET, tmp_path, chunk)
    assert (table.shape, table.dtype) == ((11, 3), np.float32)
    np.testing.assert_allclose(table, expected_losses(linear, photos, labels), atol=1e-4)
    [file] = tmp_path.iterdir()  # and nothing half done beside it
    np.testing.assert_array_equal(np.load(file), table)


def test_a_table_is_found_again(linear, photos, labels, tmp_path, monkeypatch):
    table = lp.loss_table(linear.model, photos, labels, SET, tmp_path)
    monkeypatch.setattr(lp.training, "predict_views", None)
    again = lp.loss_table(linear.model, photos.copy(), labels.copy(), list(SET), str(tmp_path), 3)
    np.testing.assert_array_equal(again, table)


def test_a_stopped_table_goes_on_where_it_was(linear, photos, labels, tmp_path, monkeypatch):
    calls = []

    def stopping(model, images, views):
        calls.append(images)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return predict_views(model, images, views)

    monkeypatch.setattr(lp.training, "predict_views", stopping)
    with pytest.raises(KeyboardInterrupt):
        lp.loss_table(linear.model, photos, labels, SET, tmp_path, 4)
    assert not list(tmp_path.glob("*.npy"))  # what is not whole is not taken for a table
    table = lp.loss_table(linear.model, photos, labels, SET, tmp_path, 4)
    np.testing.assert_allclose(table, expected_losses(linear, photos, labels), atol=1e-4)
    rest = np.concatenate(calls[2:])
    np.testing.assert_array_equal(rest, photos[4:])
    assert len(list(tmp_path.iterdir())) == 1


def test_a_part_of_another_length_is_not_taken_for_one(linear, photos, labels, tmp_path):
    lp.loss_table(linear.model, photos, labels, SET, tmp_path)
    [file] = tmp_path.iterdir()
    file.unlink()
    file.with_suffix(".partial").write_bytes(b"\0" * 20)  # a disk that was full, say
    table = lp.loss_table(linear.model, photos, labels, SET, tmp_path)
    np.testing.assert_allclose(table, expected_losses(linear, photos, labels), atol=1e-4)


def test_whatever_changes_has_a_table_of_its_own(linear, photos, labels, tmp_path):
    def table(images=photos, classes=labels, some=SET):
        return lp.loss_table(linear.model, images, classes, some, tmp_path)

    first = table()
    brighter, other = photos.copy(), labels.copy()
    brighter[3, 2, 1, 0] ^= 128
    other[5] = (other[5] + 1) % 4
    assert (table(images=brighter)[3] != first[3]).any()
    assert (table(classes=other)[5] != first[5]).all()
    np.testing.assert_array_equal(table(some=SET[::-1]), first[:, ::-1])
    moved = table(some=(*SET[:2], views.Shift(1, -1)))
    np.testing.assert_array_equal(moved[:, :2], first[:, :2])
    assert (moved[:, 2] != first[:, 2]).any()
    kernel, bias = linear.model.get_weights()
    linear.model.set_weights([kernel, bias + np.float32([0, 0, 0, 1e-3])])
    assert (table() != first).any()
    assert len(list(tmp_path.iterdir())) == 6


def test_labels_that_are_no_classes_are_named(linear, photos, labels, tmp_path):
    with pytest.raises(ValueError, match=r"\[0, 4\) for each of the 11 images"):
        lp.loss_table(linear.model, photos, labels + 1, SET, tmp_path)


# Training


def toy(n, seed):
    """Images of one brightness each, and three views: one for dark, one for bright ones.

    The label says whether an image is dark, middling or bright.
    """
    rng = np.random.default_rng(seed)
    level = rng.integers(0, 216, n)
    images = level[:, None, None, None] + rng.integers(0, 40, (n, 8, 8, 3))
    losses = np.abs(level[:, None] / 215 - [0.1, 0.5, 0.9])
    return images.astype(np.uint8), losses.astype("float32"), level // 72


def small_predictor():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(1 / 64, offset=-2)(layers.GlobalAveragePooling2D()(inputs))
    return keras.Model(inputs, layers.Dense(3)(layers.Dense(16, "swish")(x)))


@pytest.mark.parametrize("name", ["spearman", "mse", "sodeep", "relative"])
def test_a_predictor_learns_which_view_suits(name, sorter):
    frozen = [w.copy() for w in sorter.get_weights()]
    predictor, (images, losses, _) = small_predictor(), toy(200, 2)
    history = lp.fit_predictor(
        *(predictor, lp.rank_losses(sorter)[name], toy(400, 1), (images, losses)),
        epochs=6,
        batch_size=20,
        learning_rate=0.02,
    )
    assert {"loss", "rank_correlation"} <= set(history)
    assert {len(values) for values in history.values()} == {6}
    assert history["loss"][-1] < history["loss"][0] * 0.8
    choice = policies.lowest(lp.predict_scores(predictor, images))
    assert (choice[:, 0] == losses.argmin(axis=1)).mean() > 0.9  # by chance: a third
    for before, after in zip(frozen, sorter.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_predictor_that_guesses_classes_learns_both():
    """Here the scores are linear in the guess, so that they depend on it."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(1 / 64, offset=-2)(layers.GlobalAveragePooling2D()(inputs))
    x = layers.Dense(3, activation="softmax", name="classes")(layers.Dense(16, "swish")(x))
    predictor = keras.Model(inputs, layers.Dense(3)(x))
    images, losses, labels = toy(200, 2)
    history = lp.fit_predictor(
        *(predictor, lp.centred_mse, toy(400, 1), (images, losses)),
        epochs=6,
        batch_size=20,
        learning_rate=0.03,
        class_weight=0.5,
    )
    parts = [np.array(history[f"{name}_loss"]) for name in ("scores", "classes")]
    np.testing.assert_allclose(history["loss"], parts[0] + 0.5 * parts[1], rtol=1e-4)
    classes = keras.Model(inputs, predictor.get_layer("classes").output)
    guess = ops.convert_to_numpy(classes(images)).argmax(axis=1)
    assert (guess == labels).mean() > 0.85
    choice = policies.lowest(lp.predict_scores(predictor, images))
    assert (choice[:, 0] == losses.argmin(axis=1)).mean() > 0.8


def linear_predictor():
    """Scores that rise with brightness for the first view and fall with it for the last."""
    inputs = keras.Input((8, 8, 3))
    means = keras.layers.GlobalAveragePooling2D()(inputs)
    predictor = keras.Model(inputs, keras.layers.Dense(3)(means))
    rising = np.float32([[1, 0, -1]] * 3)
    predictor.set_weights([rising / 3 / 215, np.float32([-0.6, 0, 0.6])])
    return predictor


def test_a_predictor_ends_with_the_weights_of_its_best_epoch():
    """A good one is trained on losses in reverse order: on loss-valid its first epoch is best."""
    predictor, (images, losses, _) = linear_predictor(), toy(200, 2)
    seen, reversed_losses, labels = toy(200, 1)
    history = lp.fit_predictor(
        *(predictor, lp.centred_mse, (seen, 1 - reversed_losses, labels), (images, losses)),
        epochs=5,
        batch_size=50,
        learning_rate=3e-5,
    )
    values, correlations = history["validation_loss"], history["rank_correlation"]
    assert min(values) == values[0] < values[-1]
    assert max(correlations) == correlations[0] > correlations[-1] + 0.1
    scores = lp.predict_scores(predictor, images)
    now = np.mean([stats.spearmanr(x, y).statistic for x, y in zip(scores, losses, strict=True)])
    assert now == pytest.approx(correlations[0], abs=1e-6)
    error = (losses - losses.mean(axis=1, keepdims=True)) - (
        scores - scores.mean(axis=1, keepdims=True)
    )
    assert values[0] == pytest.approx(np.mean(error**2), rel=1e-4)


def test_a_recogniser_learns_class_and_kind():
    """The label is the brightness, the kind whether an image is noisy: neither tells the other."""
    rng = np.random.default_rng(0)
    labels, kinds = rng.integers(0, 3, 600), rng.integers(0, 2, 600)
    noise = rng.normal(size=(600, 8, 12, 3)) * np.where(kinds, 25, 2)[:, None, None, None]
    images = np.clip(60 + 60 * labels[:, None, None, None] + noise, 0, 255).astype(np.uint8)
    keras.utils.set_random_seed(0)
    predictor = lp.compact_predictor((8, 12, 3), n_views=5, n_classes=3, n_kinds=2)
    before = predictor.get_layer("by_kind").get_weights()
    fit = {"epochs": 8, "batch_size": 32, "learning_rate": 0.01}
    history = lp.fit_recogniser(predictor, images[:400], labels[:400], kinds[:400], **fit)
    assert {len(values) for values in history.values()} == {8}
    heads = [predictor.get_layer(name).output for name in ("classes", "kinds")]
    found = keras.Model(predictor.input, heads)(images[400:].astype("float32"))
    for guess, truth in zip(found, (labels, kinds), strict=True):
        assert (ops.convert_to_numpy(guess).argmax(axis=1) == truth[400:]).mean() > 0.9
    for was, now in zip(before, predictor.get_layer("by_kind").get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)  # scores are not taught here


def test_a_predictor_that_guesses_nothing_cannot_recognise():
    images, labels, kinds = np.zeros((4, 8, 8, 3), np.uint8), np.zeros(4, int), np.zeros(4, int)
    with pytest.raises(ValueError, match="no layer 'classes' and none 'kinds'; compact_predictor"):
        lp.fit_recogniser(small_predictor(), images, labels, kinds)
    predictor = lp.compact_predictor((8, 8, 3), n_views=5, n_classes=4)
    with pytest.raises(ValueError, match="no layer 'kinds'; compact_predictor"):
        lp.fit_recogniser(predictor, images, labels, kinds)


def test_the_same_seed_gives_the_same_predictor():
    parts, fits = (toy(90, 1), toy(30, 2)[:2]), []
    for state in (1, 2):
        fits.append(linear_predictor())
        keras.utils.set_random_seed(state)
        lp.fit_predictor(fits[-1], lp.centred_mse, *parts, epochs=1, batch_size=30, seed=3)
    for one, other in zip(*(predictor.get_weights() for predictor in fits), strict=True):
        np.testing.assert_array_equal(one, other)


def test_losses_that_do_not_fit_are_named():
    predictor, (images, losses, labels) = small_predictor(), toy(10, 1)
    for bad, message in (
        ((images, losses[:, :2]), r"losses \(10, 2\) do not fit; .* each of the 3 views"),
        ((images[:9], losses), r"uint8 \(9, 8, 8, 3\) and losses \(10, 3\)"),
        ((images / 255, losses), r"images float64 \(10, 8, 8, 3\)"),
    ):
        with pytest.raises(ValueError, match=message):
            lp.fit_predictor(predictor, lp.centred_mse, (*bad, labels), (images, losses))


# Use


@pytest.mark.parametrize("batch_size", [1, 4, 1000])
def test_scores_of_bytes_and_of_floats_are_the_same(photos, batch_size):
    """The mean brightness on the scale 0 to 255 is what this network returns."""
    predictor = keras.Sequential([keras.Input((8, 6, 3)), keras.layers.GlobalAveragePooling2D()])
    expected = photos.mean(axis=(1, 2))
    scores = lp.predict_scores(predictor, photos, batch_size)
    assert (scores.shape, scores.dtype) == ((11, 3), np.float32)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    for floats in (photos / 255, (photos / 255).astype("float32")):
        scores = lp.predict_scores(predictor, floats, batch_size)
        np.testing.assert_allclose(scores, expected, rtol=1e-5)


class Counter(keras.layers.Layer):
    """Counts the images that pass through it, and the most that came at once."""

    def build(self, input_shape):
        whole = {"shape": (), "dtype": "int32", "initializer": "zeros", "trainable": False}
        self.images, self.most = self.add_weight(**whole), self.add_weight(**whole)

    def call(self, images):
        n = ops.cast(ops.shape(images)[0], "int32")
        self.images.assign(self.images + n)
        self.most.assign(ops.maximum(self.most, n))
        return images

    def compute_output_spec(self, images):
        return keras.KerasTensor(images.shape, images.dtype)


CHOICES = {
    "one": [[i % 3] for i in (2, 0, 1, 1, 0, 2, 2, 2, 0, 1, 2)],
    "two": [[0, 2], [2, 1], [1, 0], [0, 1], [2, 0], [1, 2], [0, 2], [0, 2], [1, 0], [2, 1], [0, 1]],
    "repeated": [[0, 0], [1, 1], [2, 2], [0, 1], [1, 1], [2, 0], *[[0, 0]] * 2, *[[1, 2]] * 3],
    "same": [[1]] * 11,
    "all": [[0, 1, 2]] * 11,
}


@pytest.mark.parametrize("batch_size", [2, 500])
@pytest.mark.parametrize("worth", [0, 2000], ids=["graph", "no graph"])
def test_selected_views_are_averaged_in_the_order_of_the_images(
    linear, photos, batch_size, worth, monkeypatch
):
    monkeypatch.setattr(predict.forward, "WORTH_A_GRAPH", worth)
    counter = Counter()
    model = keras.Sequential([keras.Input((8, 6, 3)), counter, linear.model])
    outputs = np.stack([linear.probs(view / 255) for view in by_numpy(photos)])
    everything = predict_views(linear.model, photos, SET)
    for choice in CHOICES.values():
        counter.images.assign(0)
        probs = lp.predict_selected(model, photos, SET, np.array(choice), batch_size)
        assert (probs.shape, probs.dtype) == ((11, 4), np.float32)
        expected = [outputs[row, i].mean(axis=0) for i, row in enumerate(choice)]
        np.testing.assert_allclose(probs, expected, atol=1e-5)
        np.testing.assert_allclose(probs, policies.chosen(everything, choice), atol=1e-6)
        images = int(ops.convert_to_numpy(counter.images))
        assert images == 11 * len(choice[0])  # not a pass more than was chosen
    assert int(ops.convert_to_numpy(counter.most)) <= batch_size


def test_selected_views_of_floats_are_those_of_bytes(linear, photos):
    floats, choice = (photos / 255).astype("float32"), CHOICES["two"]
    np.testing.assert_allclose(
        lp.predict_selected(linear.model, floats, SET, choice),
        lp.predict_selected(linear.model, photos, SET, choice),
        atol=1e-6,
    )


def test_errors_name_the_value(linear, photos):
    predictor = small_predictor()
    with pytest.raises(ValueError, match=re.escape("images has shape (8, 6, 3)")):
        lp.predict_scores(predictor, photos[0])
    with pytest.raises(ValueError, match=r"images run from 0 to 255"):
        lp.predict_scores(predictor, np.float32([0, 255]) * np.ones((1, 8, 8, 2), "float32"))
    for choice, message in (
        ([[0]] * 10, r"choice has shape \(10, 1\).*11 images"),
        ([0] * 11, r"choice has shape \(11,\)"),
        ([[3]] * 11, "choice runs from 3 to 3; the 3 views"),
        ([[-1]] * 11, "choice runs from -1 to -1"),
        ([[0.5]] * 11, "choice holds float64"),
    ):
        with pytest.raises(ValueError, match=message):
            lp.predict_selected(linear.model, photos, SET, choice)
    with pytest.raises(ValueError, match="images are int64"):
        lp.predict_selected(linear.model, photos.astype(int), SET, [[0]] * 11)
