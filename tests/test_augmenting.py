"""What training images go through: batches, AugMix and its loss, searched policies, and fits."""

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image, ImageOps
from scipy import special

from tta_helpers import views
from tta_helpers.workbook import augmenting, networks
from tta_helpers.workbook import searched_policies as searching
from tta_helpers.workbook.sample import make_sample

POLICIES = (
    ((views.Brightness(0.2), 1.0), (views.HorizontalFlip(), 0.5)),
    ((views.Contrast(0.5), 0.6), (views.Rotate(20), 1.0)),
)
CONSISTENT = ("augmix", "corruptions")


def batches(dataset):
    """Return all images and labels of one epoch."""
    parts = zip(*(dataset[i] for i in range(len(dataset))), strict=True)
    return [np.concatenate([ops.convert_to_numpy(part) for part in side]) for side in parts]


def augmented(name, images, batch_size=4, seed=0):
    """Augmented images, of which each is a class of its own."""
    labels = np.eye(len(images), dtype="float32")
    return augmenting.Augmented(images, labels, name, batch_size, seed, POLICIES)


@pytest.fixture
def squares():
    return np.random.default_rng(0).integers(0, 256, (10, 16, 16, 3), dtype=np.uint8)


AUGMENTATIONS = tuple(name for name in augmenting.AUGMENTATIONS if name != "none")


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmented_epochs_have_every_image_once_in_form_and_range(name, squares):
    dataset, orders = augmented(name, squares, batch_size=6), []
    assert len(dataset) == 2
    times = (3,) if name in CONSISTENT else ()
    for _ in range(2):
        images, labels = batches(dataset)
        assert (images.shape, images.dtype) == ((10, *times, 16, 16, 3), np.float32)
        assert 0 <= images.min() < images.max() <= 1
        assert labels.shape == (10, *times, 10)
        assert labels.min() >= 0
        np.testing.assert_allclose(labels.sum(axis=-1), 1, rtol=1e-5)
        if name != "cutmix":  # which mixes the labels of a batch
            assert set(labels.ravel()) == {0, 1}
            classes = labels.argmax(axis=-1).reshape(10, -1)
            assert (classes == classes[:, :1]).all()
            assert sorted(classes[:, 0]) == list(range(10))
        orders.append(labels.argmax(axis=-1).tolist())
        dataset.on_epoch_end()
    assert orders[0] != orders[1]


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_order_and_augmentation_follow_the_seed(name, squares):
    first, again, other = (batches(augmented(name, squares, seed=s)) for s in (5, 5, 6))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any()
    assert (first[1] != other[1]).any()


def test_flip_shift_mirrors_half_and_moves_by_an_eighth_at_most():
    """Two spots in row 8, a faint one left of a bright one: their mean and their skew tell."""
    images = np.zeros((400, 16, 16, 3), np.uint8)
    images[:, 8, 6], images[:, 8, 9] = 60, 240
    images, _ = batches(augmented("flip_shift", images, 100))
    weights = images[..., 0].astype(float)
    weights /= weights.sum(axis=(1, 2), keepdims=True)
    rows, columns = (np.tensordot(weights, grid) for grid in np.indices((16, 16)))
    skew = (weights.sum(axis=1) * (np.arange(16) - columns[:, None]) ** 3).sum(axis=1)
    mirrored = skew > 0
    assert 0.4 < mirrored.mean() < 0.6
    down, right = rows - 8, columns - np.where(mirrored, 15 - 8.4, 8.4)
    for shift in (down, right):
        assert -2.01 < shift.min() < -1.8
        assert 1.8 < shift.max() < 2.01


def test_both_sets_move_alike_by_whole_pixels_with_reflected_borders():
    one = np.arange(16 * 24, dtype=np.int64).reshape(1, 16, 24, 1) * np.ones((900, 1, 1, 1), int)
    moved, other = augmenting.moved_alike((one, one + 1000), np.random.default_rng(0))
    np.testing.assert_array_equal(other, moved + 1000)
    wide = np.pad(one[0, ..., 0], ((2, 2), (3, 3)), mode="reflect")
    where = {}
    for down, right, mirrored in np.ndindex(5, 7, 2):
        window = wide[down : down + 16, right : right + 24]
        where[(window[:, ::-1] if mirrored else window).tobytes()] = down, right, mirrored
    found = [where[image[..., 0].tobytes()] for image in moved]
    assert len(set(found)) == 70  # every move occurs, and no other
    assert 0.4 < np.mean([mirrored for *_, mirrored in found]) < 0.6


def pillow(image, operation):
    return np.asarray(operation(Image.fromarray(image))).astype(int)


@pytest.mark.parametrize("seed", range(4))
def test_operations_are_those_of_pillow(seed):
    """Two unlike images side by side, each with a level and a sign of its own."""
    rng = np.random.default_rng(seed)
    images = rng.integers(20 * seed, 256 - 30 * seed, (2, 20, 28, 3), dtype=np.uint8)
    images[1] //= 2
    affine = {"method": Image.Transform.AFFINE, "resample": Image.BILINEAR}
    shears_x, shears_y, shifts_x, shifts_y = augmenting.OPERATIONS[5:]

    def moved(*matrix):
        return lambda picture: picture.transform(picture.size, data=matrix, **affine)

    expected = {
        augmenting.autocontrast: [ImageOps.autocontrast] * 2,
        augmenting.equalize: [ImageOps.equalize] * 2,
        augmenting.posterize: [
            lambda p: ImageOps.posterize(p, 3),
            lambda p: ImageOps.posterize(p, 1),
        ],
        augmenting.solarize: [
            lambda p: ImageOps.solarize(p, 256 - 76),
            lambda p: ImageOps.solarize(p, 256 - 230),
        ],
        augmenting.rotate: [
            lambda p: p.rotate(9, Image.BILINEAR),
            lambda p: p.rotate(-27, Image.BILINEAR),
        ],
        shears_x: [moved(1, 0.09, 0, 0, 1, 0), moved(1, -0.27, 0, 0, 1, 0)],
        shears_y: [moved(1, 0, 0, 0.09, 1, 0), moved(1, 0, 0, -0.27, 1, 0)],
        shifts_x: [moved(1, 0, 2.8, 0, 1, 0), moved(1, 0, -8.4, 0, 1, 0)],
        shifts_y: [moved(1, 0, 0, 0, 1, 2), moved(1, 0, 0, 0, 1, -6)],
    }
    assert {*expected} == {*augmenting.OPERATIONS}
    for operation, of_pillow in expected.items():
        found = operation(images, np.array([0.3, 0.9]), np.array([1, -1]))
        assert found.dtype == np.uint8
        for image, ours, theirs in zip(images, found, of_pillow, strict=True):
            assert np.abs(ours.astype(int) - pillow(image, theirs)).max() <= 1


def test_one_value_stays_as_it_is():
    for value in (0, 77, 255):
        flat = np.full((2, 4, 4, 3), value, np.uint8)
        for operation in (augmenting.autocontrast, augmenting.equalize):
            np.testing.assert_array_equal(operation(flat), flat)


@pytest.mark.parametrize("channels", [1, 3])
def test_augmix_is_a_mixture_of_images_weighted_once(channels, monkeypatch):
    """Operations that add one: a mixture then lies above the image by the mean chain's length."""
    counted = []

    def brighter(images, levels, signs):
        assert ((levels >= 0.01) & (levels <= 0.3)).all()
        counted.extend(signs)
        return images + np.uint8(1)

    monkeypatch.setattr(augmenting, "OPERATIONS", (brighter,))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 200, (400, 6, 8, channels), dtype=np.uint8)
    rises = augmenting.augmix(images, rng) - images
    np.testing.assert_allclose(np.ptp(rises, axis=(1, 2, 3)), 0, atol=1e-3)
    assert rises.min() >= -1e-3
    assert rises.max() <= 3.001
    assert len(np.unique(np.rint(rises[:, 0, 0, 0] * 1000))) > 300  # drawn for each image
    assert rises.mean() == pytest.approx(1, abs=0.1)  # half of a mean length of two
    assert len(counted) / 400 == pytest.approx(6, abs=0.2)
    assert {*counted} == {-1, 1}
    assert np.mean(counted) == pytest.approx(0, abs=0.1)


def test_each_operation_is_drawn_alike(monkeypatch):
    """Nine operations that count their images: a ninth each."""
    times = np.zeros(9)

    def counting(number):
        def operation(images, levels, signs):
            times[number] += len(images)
            return images

        return operation

    monkeypatch.setattr(augmenting, "OPERATIONS", tuple(map(counting, range(9))))
    augmenting.augmix(np.zeros((3000, 2, 2, 3), np.uint8), np.random.default_rng(0))
    np.testing.assert_allclose(times / times.sum(), 1 / 9, atol=0.01)


@pytest.mark.parametrize("name", CONSISTENT)
def test_images_keep_their_labels(name):
    """The first of three is the image, moved; most mixtures still resemble it."""
    photos, *_ = make_sample(8, 1)
    hits = []
    for seed in range(3):
        images, labels = batches(augmented(name, photos, 2, seed))
        first, *mixed = np.moveaxis(images, 1, 0).reshape(3, 8, -1)
        for other in mixed:
            likeness = np.corrcoef(other, first)[:8, 8:]
            hits += list(likeness.argmax(axis=1) == np.arange(8))
        shown = np.sort(np.rint(first * 255).astype(int).reshape(8, -1), axis=1)
        clean = np.sort(photos.reshape(8, -1)[labels[:, 0].argmax(axis=1)].astype(int), axis=1)
        assert np.abs(shown - clean).mean() < 8  # whole pixels moved, few lost
    assert np.mean(hits) > 0.9  # by chance: one in eight


def test_corruptions_are_drawn_anew_every_epoch(squares, monkeypatch):
    drawn = []

    def corrupt(images, seed):
        np.testing.assert_array_equal(images, squares)  # the clean ones, every time
        drawn.append(seed)
        return 0 * images, None

    monkeypatch.setattr(augmenting, "corrupt_at_random", corrupt)
    dataset = augmented("corruptions", squares)
    dataset.on_epoch_end()
    assert len(set(drawn)) == 2
    images, _ = batches(dataset)
    assert images[:, 0].max() > 0.9  # what is only moved is not corrupted
    assert images[:, 1:].max() < 0.1 or (images[:, 1:].std(axis=(2, 3, 4)) < 1e-6).all()


def test_cutmix_labels_are_the_shares_of_the_pixels():
    """Images of one grey each: what was pasted shows."""
    greys = np.arange(8) * 30 + 20
    images = np.broadcast_to(greys[:, None, None, None], (8, 32, 32, 3)).astype(np.uint8)
    images, labels = batches(augmented("cutmix", images, 8))
    found = np.rint(images[..., 0] * 255)[:, None] == greys[:, None, None]
    np.testing.assert_allclose(found.mean(axis=(2, 3)), labels, atol=2 / 32)
    assert (labels.max(axis=1) < 0.9).any()


# Consistency


def test_the_loss_is_cross_entropy_and_twelve_divergences():
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(4), (5, 3)).astype("float32")
    probs[0, 1:] = probs[0, :1]  # no divergence
    classes = np.array([0, 1, 2, 3, 1])
    labels = np.repeat(np.eye(4, dtype="float32")[classes][:, None], 3, axis=1)
    tensors = map(ops.convert_to_tensor, (labels, probs))
    loss = ops.convert_to_numpy(augmenting.consistency_loss(*tensors))
    entropy = -np.log(probs[np.arange(5), 0, classes])
    mean = np.repeat(probs.mean(axis=1, keepdims=True), 3, axis=1)
    divergence = special.rel_entr(probs, mean).sum(axis=2).mean(axis=1)
    np.testing.assert_allclose(loss, entropy + 12 * divergence, rtol=1e-5)
    assert loss[0] == pytest.approx(entropy[0])


def test_a_trainer_fits_the_model_within():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Flatten()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    model.compile(keras.optimizers.SGD(0.5), "categorical_crossentropy", jit_compile=False)
    before = model.get_weights()
    images = np.random.default_rng(0).random((6, 3, 4, 4, 1), dtype="float32")
    labels = np.repeat(np.eye(3, dtype="float32")[[0, 1, 2, 0, 1, 2]][:, None], 3, axis=1)
    trainer = augmenting.consistent_trainer(model)
    probs = trainer.predict(images, verbose=0)
    for k in range(3):
        np.testing.assert_allclose(probs[:, k], model.predict(images[:, k], verbose=0), rtol=1e-5)
    trainer.fit(images, labels, verbose=0)
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


# Policies


def test_policies_take_equal_parts_and_views_their_shares(squares):
    images = np.full((100, 6, 6, 3), 100, np.uint8)
    policies = (
        ((views.Brightness(51 / 255), 0.4), (views.Brightness(-30 / 255), 1.0)),
        ((views.Brightness(102 / 255), 0.5),),
    )
    changed = augmenting.through_policies(images, policies, np.random.default_rng(0))
    assert changed.dtype == np.uint8
    values, counts = np.unique(changed[:, 0, 0, 0], return_counts=True)
    by_hand = {70: 30, 121: 20, 202: 25, 100: 25}  # half of the images each; 0.4 and 0.5 of them
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == by_hand
    assert (changed == changed[:, :1, :1, :1]).all()
    assert (images == 100).all()


def test_what_is_searched_for_is_what_changes_a_networks_mind_least(monkeypatch):
    """A network that looks at brightness alone: turns leave its answers, light does not."""
    images, labels, *_ = make_sample(400, 1)
    labels = (images.mean(axis=(1, 2, 3)) > 120).astype(int)

    class Light:
        def predict(self, batch, **_):
            bright = 1 / (1 + np.exp(-20 * (batch.mean(axis=(1, 2, 3)) - 120 / 255)))
            return np.stack([1 - bright, bright], axis=1)

    monkeypatch.setattr(searching, "baseline_cnn", lambda *_: Light())
    monkeypatch.setattr(searching, "fit", lambda *_: None)
    how = {"tried": 60, "kept": 15, "judged": 80, "seed": 1}
    best = searching.searched_policies(images, labels, 2, **how)
    assert len(best) == 15
    names = " ".join(view.name for policy in best for view, _ in policy)
    assert "rotate" in names or "shift" in names or "zoom" in names
    strong = [view for policy in best for view, share in policy if share > 0.5]
    assert not [v for v in strong if isinstance(v, views.Brightness) and abs(v.delta) > 0.25]
    again = searching.searched_policies(images, labels, 2, **how)
    assert [[(v.name, share) for v, share in policy] for policy in best] == [
        [(v.name, share) for v, share in policy] for policy in again
    ]


@pytest.mark.parametrize("kept", [0, 5])
def test_more_policies_than_there_are_cannot_be_kept(kept, squares):
    with pytest.raises(ValueError, match=f"kept is {kept} of 4 tried"):
        searching.searched_policies(squares, np.arange(10) % 2, 2, tried=4, kept=kept)


# Fits


@pytest.fixture
def dense():
    """The smallest classifier of `squares`."""
    layers = [keras.Input((16, 16, 3)), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_fit_with_every_augmentation(name, dense, squares):
    before = dense.get_weights()
    clean = (squares / np.float32(255), np.arange(10))
    history = networks.fit(
        *(dense, squares, np.arange(10)),
        epochs=2,
        batch_size=5,
        validation_data=clean,
        augmentation=name,
        policies=POLICIES,
    )
    assert {key: len(values) for key, values in history.items()} == dict.fromkeys(
        ("loss", "accuracy", "val_loss", "val_accuracy"), 2
    )
    assert np.isfinite(history["loss"]).all()
    assert (before[0] != dense.get_weights()[0]).any()


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="JAX traces the loss: it sees no values"
)
def test_fit_shows_every_image_once_an_epoch(dense, squares):
    """What reaches the loss: Keras draws batches ahead, and some twice to learn their form."""
    seen = []

    def loss(true, predicted):
        seen.extend(ops.convert_to_numpy(true).argmax(axis=1).tolist())
        return keras.losses.categorical_crossentropy(true, predicted)

    dense.compile("sgd", loss, run_eagerly=True)
    networks.fit(dense, squares, np.arange(10), epochs=3, batch_size=4, augmentation="flip_shift")
    epochs = np.reshape(seen, (3, 10))
    np.testing.assert_array_equal(np.sort(epochs, axis=1), [range(10)] * 3)
    assert len(np.unique(epochs, axis=0)) == 3


def test_an_unknown_augmentation_is_named(dense, squares):
    with pytest.raises(ValueError, match=r"augmentation is 'mixup'; use one of .*'cutmix'"):
        networks.fit(dense, squares, np.arange(10), augmentation="mixup")


def test_searched_without_policies_is_refused(dense, squares):
    with pytest.raises(ValueError, match="augmentation is 'searched'; give what"):
        networks.fit(dense, squares, np.arange(10), augmentation="searched")
