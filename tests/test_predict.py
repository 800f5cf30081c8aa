"""Predicting views: against NumPy, for an asymmetric model and distinguishable images."""

import subprocess
import sys
import tracemalloc

import keras
import ml_dtypes
import numpy as np
import pytest
from scipy import special

from tta_helpers import views
from tta_helpers.predict import (
    generator_views,
    predict_copies,
    predict_views,
    tta_model,
    worth_a_graph,
)

SHIFTED = views.Shift(1, -2)
SET = (views.Identity(), views.HorizontalFlip(), views.VerticalFlip(), SHIFTED)


def by_numpy(images):
    """Return the four views of `SET`, made without the package."""
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    shifted = padded[:, 4:12, 1:7]  # right by 1: starts a column earlier; up by 2: two rows later
    return [images, images[:, :, ::-1], images[:, ::-1], shifted]


@pytest.mark.parametrize("batch_size", [1, 4, 11, 500])
def test_every_view_of_every_image(linear, photos, batch_size):
    expected = np.stack([linear.probs(view / 255) for view in by_numpy(photos)])
    probs = predict_views(linear.model, photos, SET, batch_size)
    assert (probs.shape, probs.dtype) == ((4, 11, 4), np.float32)
    np.testing.assert_allclose(probs, expected, atol=1e-5)
    floats = (photos / 255).astype("float32")
    np.testing.assert_allclose(predict_views(linear.model, floats, SET), expected, atol=1e-5)


def test_order_of_the_views_is_kept(linear, photos):
    probs = predict_views(linear.model, photos, SET)
    np.testing.assert_array_equal(predict_views(linear.model, photos, SET[::-1]), probs[::-1])


def test_a_memory_map_is_read_and_left_alone(linear, photos, tmp_path):
    np.save(tmp_path / "photos.npy", photos)
    mapped = np.load(tmp_path / "photos.npy", mmap_mode="r")
    expected = predict_views(linear.model, photos, SET)
    np.testing.assert_array_equal(predict_views(linear.model, mapped, SET), expected)


def test_logits_pass_through_a_softmax(linear_logits, photos):
    with pytest.raises(ValueError, match="outputs='logits'"):
        predict_views(linear_logits.model, photos, SET)
    probs = predict_views(linear_logits.model, photos, SET, outputs="logits")
    expected = np.stack([linear_logits.probs(view / 255) for view in by_numpy(photos)])
    np.testing.assert_allclose(probs, expected, atol=1e-5)


def test_bad_input_names_the_value(linear, photos):
    with pytest.raises(ValueError, match=r"\(8, 6, 3\).*images\[None\]"):
        predict_views(linear.model, photos[0], SET)
    with pytest.raises(ValueError, match="n at least 1"):
        predict_views(linear.model, photos[:0], SET)
    with pytest.raises(ValueError, match="int64"):
        predict_views(linear.model, photos.astype(int), SET)
    with pytest.raises(ValueError, match=r"255.*images / 255"):
        predict_views(linear.model, photos.astype("float32"), SET)
    with pytest.raises(ValueError, match="hold NaN"):
        predict_views(linear.model, np.full(photos.shape, np.nan, "float32"), SET)
    for size in (0, 2.5, True):
        with pytest.raises(ValueError, match="batch_size is"):
            predict_views(linear.model, photos, SET, size)
    with pytest.raises(ValueError, match="same image"):
        predict_views(linear.model, photos, (views.Identity(), views.Rotate(360)))


def test_bfloat16_rounds_what_the_hidden_layers_see(photos):
    """A hidden layer that picks pixels shows the rounding; the last layer keeps float32."""
    hidden, head = keras.layers.Dense(5, use_bias=False), keras.layers.Dense(4)
    layers = [keras.Input((8, 6, 3)), keras.layers.Flatten(), hidden, head]
    model = keras.Sequential([*layers, keras.layers.Softmax(dtype="float32")])
    rng, pixels = np.random.default_rng(3), [0, 17, 40, 77, 143]
    hidden.set_weights([np.eye(144, dtype="float32")[:, pixels]])
    kernel = 3 * rng.standard_normal((5, 4)).astype("float32")
    for head_kernel in (kernel, -kernel):  # the copy must follow the model's weights
        head.set_weights([head_kernel, np.zeros(4)])
        rounded = (photos / 255).astype("float32").astype(ml_dtypes.bfloat16)
        picked = rounded.reshape(11, -1)[:, pixels].astype("float64")
        logits = picked @ head_kernel.astype(ml_dtypes.bfloat16).astype("float64")
        expected = special.softmax(logits.astype(ml_dtypes.bfloat16).astype("float64"), axis=-1)
        probs = predict_views(model, photos, SET, precision="bfloat16")
        assert probs.dtype == np.float32
        # Processors differ in when they round the head's sums, by a last bit of the logits.
        np.testing.assert_allclose(probs[0], expected, atol=1e-2)
        exact = special.softmax((photos / 255).reshape(11, -1)[:, pixels] @ head_kernel, axis=-1)
        assert np.abs(probs[0] - exact).max() > 1e-4  # 8 bits do not give what 24 bits give
        np.testing.assert_allclose(predict_views(model, photos, SET)[0], exact, atol=1e-5)


def test_an_unknown_precision_is_refused(linear, photos):
    with pytest.raises(ValueError, match=r"'int8'.*'float32', 'bfloat16'"):
        predict_views(linear.model, photos, SET, precision="int8")


def test_a_graph_pays_after_many_images_in_one_call_or_in_several(linear, linear_logits):
    assert not worth_a_graph(linear.model, 1500)
    assert not worth_a_graph(linear.model, 1500)
    assert worth_a_graph(linear.model, 1500)
    assert not worth_a_graph(linear_logits.model, 3999)  # every model counts for itself
    assert worth_a_graph(linear_logits.model, 1)


class FlipByCoin:
    """Stands in for ImageDataGenerator: the same protocol, seeded batch by batch as Keras does."""

    def flow(self, images, batch_size, shuffle, seed):
        assert not shuffle
        for batch, start in enumerate(range(0, len(images), batch_size)):
            np.random.seed(seed + batch)  # noqa: NPY002
            part = images[start : start + batch_size].copy()
            coins = np.random.random(len(part)) < 0.5  # noqa: NPY002
            part[coins] = part[coins, :, ::-1]
            yield part


@pytest.fixture(params=["coin", "keras"])
def datagen(request):
    if request.param == "coin":
        return FlipByCoin()
    image = pytest.importorskip("tensorflow.keras.preprocessing.image")
    return image.ImageDataGenerator(horizontal_flip=True)


def test_seven_copies_are_seven_and_a_prefix_of_nine(datagen, photos):
    images = (photos / 255).astype("float32")
    seven = np.stack(list(generator_views(datagen, images, 7, seed=5)))
    nine = np.stack(list(generator_views(datagen, images, 9, seed=5)))
    assert seven.shape == (7, *images.shape)
    np.testing.assert_array_equal(seven, nine[:7])
    is_original = (nine == images).all(axis=(2, 3, 4))
    is_mirrored = (nine == images[:, :, ::-1]).all(axis=(2, 3, 4))
    assert (is_original ^ is_mirrored).all()  # each copy is one of the two views, in input order
    assert 0.3 < is_original.mean() < 0.7
    assert len(np.unique(is_original, axis=0)) > 5  # and the copies differ from each other


def test_seeds_give_different_copies_and_leave_numpys_state_alone(datagen, photos):
    images = np.tile((photos / 255).astype("float32"), (10, 1, 1, 1))
    np.random.seed(99)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first = [c.copy() for c in generator_views(datagen, images, 4, seed=0)]
    second = [c.copy() for c in generator_views(datagen, images, 4, seed=1)]
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    for a in range(4):  # no copy of one series stands anywhere in the other
        assert not any(np.array_equal(first[a], copy) for copy in second)


@pytest.mark.parametrize("n", [0, -1, 2.0, True])
def test_copies_must_be_a_whole_number(n, photos):
    with pytest.raises(ValueError, match="n_copies is"):
        generator_views(FlipByCoin(), photos, n)


def test_predict_copies(linear, photos):
    images = (photos / 255).astype("float32")
    copies = [images, images[:, ::-1], images * 0.5]
    expected = np.stack([linear.probs(copy) for copy in copies])
    probs = predict_copies(linear.model, iter(copies), batch_size=4)
    np.testing.assert_allclose(probs, expected, atol=1e-5)
    with pytest.raises(ValueError, match="at least one"):
        predict_copies(linear.model, iter([]))


def test_a_copy_that_came_before_is_not_forwarded_again(linear, photos, monkeypatch):
    images = (photos / 255).astype("float32")
    sizes, forward = [], linear.model.predict_on_batch

    def counted(batch):
        sizes.append(len(batch))
        return forward(batch)

    monkeypatch.setattr(linear.model, "predict_on_batch", counted)

    def copies():  # the mirror images come at other places, in the same array each time
        array = images.copy()
        for order in ([0, 1, 2], [2, 1, 0], [1, 1, 0]):
            for k, row in enumerate(order):
                array[k] = images[row]
            yield array[:3]
            array[:3] = images[:3, :, ::-1]
            yield array[:3]

    probs = predict_copies(linear.model, copies(), batch_size=4)
    straight, mirrored = linear.probs(images[:3]), linear.probs(images[:3, :, ::-1])
    expected = [straight, mirrored, straight[[2, 1, 0]], mirrored, straight[[1, 1, 0]], mirrored]
    np.testing.assert_allclose(probs, expected, atol=1e-5)
    assert sizes == [4, 2]  # six different pictures in full batches


WEIGHTS = np.array([4, 3, 2, 1])


def expected_average(linear, photos, space):
    outputs = [linear.probs(view / 255) for view in by_numpy(photos)]
    if space == "probabilities":
        return np.average(outputs, axis=0, weights=WEIGHTS)
    logits = [linear.logits(view / 255) for view in by_numpy(photos)]
    return special.softmax(np.average(logits, axis=0, weights=WEIGHTS), axis=-1)


@pytest.mark.parametrize("space", ["probabilities", "logits"])
def test_tta_model_is_one_file_that_another_process_can_use(linear, photos, space, tmp_path):
    model = tta_model(linear.model, SET, WEIGHTS, space)
    images = (photos / 255).astype("float32")
    expected = expected_average(linear, photos, space)
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, atol=1e-5)
    model.save(tmp_path / "tta.keras")
    np.save(tmp_path / "images.npy", images)
    program = (
        "import tta_helpers.predict, keras, numpy as np\n"
        "model = keras.saving.load_model('tta.keras', safe_mode=True)\n"
        "np.save('probs.npy', model.predict(np.load('images.npy'), verbose=0))\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "probs.npy"), expected, atol=1e-5)


def test_tta_model_without_weights_is_the_plain_mean(linear, photos):
    model = tta_model(linear.model, SET)
    expected = np.mean([linear.probs(view / 255) for view in by_numpy(photos)], axis=0)
    np.testing.assert_allclose(model.predict(photos / 255, verbose=0), expected, atol=1e-5)


def test_tta_model_refuses_what_does_not_fit(linear):
    with pytest.raises(ValueError, match=r"'geometric'.*'probabilities' or 'logits'"):
        tta_model(linear.model, SET, space="geometric")
    with pytest.raises(ValueError, match="4 views"):
        tta_model(linear.model, SET, [1, 2])
    with pytest.raises(ValueError, match="same image"):
        tta_model(linear.model, (views.Identity(), views.Shift(0, 0)))
    unsized = keras.Sequential([keras.Input((None, None, 3)), keras.layers.GlobalMaxPooling2D()])
    with pytest.raises(ValueError, match="height"):
        tta_model(unsized, SET)


def test_memory_stays_flat(linear, photos, tmp_path):
    """Beyond the result, five times the images need no more memory (as NumPy allocates it)."""
    np.save(tmp_path / "photos.npy", np.tile(photos, (2000, 1, 1, 1)))
    mapped = np.load(tmp_path / "photos.npy", mmap_mode="r")
    predict_views(linear.model, mapped[:4400], SET)  # what is built once is built now
    beyond = []
    for n in (4_400, 22_000):
        tracemalloc.start()
        probs = predict_views(linear.model, mapped[:n], SET)
        beyond.append(tracemalloc.get_traced_memory()[1] - probs.nbytes)
        tracemalloc.stop()
    as_floats = 4 * mapped.size
    assert max(beyond) < as_floats / 4
    assert beyond[1] - beyond[0] < as_floats / 10  # threads of other tests take some too
