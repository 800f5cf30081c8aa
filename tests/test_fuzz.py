"""Made-up input, seeded: each command line, file and folder is taken as it is or refused in words.

What a strategy cannot know beforehand is asserted: no error but the package's own, and what is
taken is what was written, read by other means.
"""

import io
import json
import math
import pickle
import string
from contextlib import redirect_stderr, redirect_stdout
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import numpy as np
import opened
import pytest
import small_workbook as tiny
from hypothesis import HealthCheck, configuration, given, settings
from hypothesis import strategies as st
from PIL import Image

from tta_helpers.workbook import chain, parameters, place, records, runs
from tta_helpers.workbook.data import DataError, load_dataset
from tta_helpers.workbook.place import RunError
from tta_helpers.workbook.sweep_files import read_sweep

configuration.set_hypothesis_home_dir(place.ROOT / "build" / "hypothesis")
SEEDED = settings(
    derandomize=True,
    deadline=timedelta(seconds=30),  # that it ends at all
    max_examples=1500,
    suppress_health_check=list(HealthCheck),
    database=None,
)
PARAMETERS = {"dataset": str, "seed": int, "copies": int, "rate": float, "pause": float}
names = st.one_of(st.sampled_from([*PARAMETERS, "run_dir"]), st.text(max_size=8))
numbers = st.one_of(st.integers(), st.floats(), st.booleans())
plain = st.one_of(numbers, st.text(max_size=12), st.none())
nested = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def workbook(tmp_path_factory):
    """A workbook of one notebook, with ranges beside two of its parameters."""
    folder = tiny.build(tmp_path_factory.mktemp("fuzz"))
    path = folder / "notebooks" / "01_one.ipynb"
    text = path.read_text(encoding="utf-8")
    text = text.replace("copies = 7", "copies = 7  # some (1 to 99)")
    path.write_text(text.replace("rate = 0.5", "rate = 0.5  # a share (above 0, below 1)"))
    with mock.patch.multiple(place, ROOT=folder, LESSONS=("01_one",)):
        yield folder


def inside(name, value):
    """Say by hand whether a notebook of the workbook takes a value."""
    wanted = PARAMETERS.get(name)
    if wanted is float and type(value) is int:
        value = float(value) if abs(value) < 2**53 else math.inf
    fits = type(value) is wanted
    if fits and wanted is float:
        fits = math.isfinite(value) and (name != "rate" or 0 < value < 1)
    if fits and wanted is str:
        fits = "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value)
    return fits and (name != "copies" or 1 <= value <= 99)


@SEEDED
@given(st.text(alphabet=st.sampled_from(":-[]{}&*!|>'\"%@`#,? \n\tab01.e~"), max_size=60))
def test_any_text_as_yaml(text):
    try:
        parameters.parse_yaml(text, "it")
    except RunError as error:
        assert str(error).startswith("it ") and len(str(error)) < 500


@SEEDED
@given(name=names, value=nested)
def test_any_value_for_a_parameter(workbook, name, value):
    try:
        (taken,) = parameters.checked_for({name: value}, place.lesson_paths()).values()
    except RunError as error:
        assert not inside(name, value) and len(str(error)) < 500
    else:
        assert name == "run_dir" or (inside(name, value) and taken == {name: value})


@SEEDED
@given(
    tier=st.one_of(st.sampled_from(["lesson", "small"]), nested),
    fixed=st.one_of(st.dictionaries(names, nested, max_size=2), nested),
    cross=st.one_of(
        st.dictionaries(names, st.one_of(st.lists(st.integers(1, 9), max_size=4), nested)), nested
    ),
    more=st.dictionaries(st.sampled_from(["zip", "report", "notebooks", "crossed"]), nested),
)
def test_any_sweep_file(workbook, tier, fixed, cross, more):
    content = {"tier": tier, "fixed": fixed, "cross": cross, **more}
    path = workbook / "my.yml"
    try:  # JSON is YAML; what it cannot hold, a sweep file cannot either
        path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
    except ValueError:
        return
    try:
        sweep = read_sweep(path)
    except RunError as error:
        assert len(str(error)) < 700
        return
    fixed, cross, zipped = (part or {} for part in (fixed, cross, more.get("zip")))
    rows = len(next(iter(zipped.values()))) if zipped else 1
    assert len(sweep.combinations) == rows * math.prod(map(len, cross.values()))
    for name, value in fixed.items():
        assert inside(name, value) and all(c[name] == value for c in sweep.combinations)
    for name, values in {**cross, **zipped}.items():
        assert all(inside(name, value) for value in values)
        assert {c[name] for c in sweep.combinations} == set(values)


arguments = st.lists(
    st.one_of(
        st.tuples(st.just("-p"), names, st.one_of(st.text(max_size=10), numbers.map(str))),
        st.tuples(st.just("--dataset"), st.text(max_size=10)),
        st.tuples(st.just("--name"), st.text(max_size=10)),
        st.tuples(st.just("--tier"), st.one_of(st.just("small"), st.text(max_size=10))),
        st.tuples(st.just("--cell-hours"), st.one_of(st.text(max_size=5), numbers.map(str))),
    ),
    max_size=4,
)


@SEEDED
@given(arguments)
def test_any_command_line(workbook, arguments):
    words = ["run", "--tier", "small", *(word for some in arguments for word in some)]
    out, err, ran = io.StringIO(), io.StringIO(), mock.Mock()
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        mock.patch.multiple(runs, load_dataset=lambda *_, **__: tiny.nine_images(), run_steps=ran),
    ):
        try:
            status = runs.main(words)
        except SystemExit as stop:  # argparse's own refusals, and --help
            assert stop.code in (0, 2)
            return
    told = err.getvalue()
    assert "Traceback" not in told and "not foreseen" not in told, told
    assert status == (0 if ran.called else 1)
    assert (status == 0) != told.startswith("error: ")
    if ran.called:
        (step,) = ran.call_args.args[0]
        assert all(inside(name, value) for name, value in step.parameters.items())


@SEEDED
@given(st.one_of(st.binary(max_size=60), nested.map(lambda value: json.dumps(value).encode())))
def test_any_file_among_results(content):
    with TemporaryDirectory() as folder:
        for name in ("01_one.json", "finished.json"):
            (Path(folder) / name).write_bytes(content)
        chain.older(Path(folder))
        assert not chain.intact(Path(folder), ["01_one"])
        with pytest.raises(RunError, match="is not a result record"):
            records.read_record(folder, "01_one")


# ---------------------------------------------------------------- data


letters = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(lambda name: name not in (".", ".."))


def picture(seed, kind, size):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


files = st.one_of(
    st.binary(max_size=40),
    st.builds(
        picture,
        st.integers(0, 999),
        st.sampled_from(["PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG"]),
        st.sampled_from([(8, 8), (8, 9)]),
    ),
)
damage = st.tuples(st.sampled_from(["cut", "flip", "none", "none"]), st.integers(0, 10**6))


def damaged(content, how):
    kind, place_ = how
    at = place_ % max(1, len(content))
    if kind == "cut":
        return content[:at]
    if kind == "flip" and content:
        return content[:at] + bytes([content[at] ^ 1 << place_ % 8]) + content[at + 1 :]
    return content


@settings(SEEDED, max_examples=400)
@given(
    classes=st.lists(letters, min_size=1, max_size=3, unique=True),
    extra=st.lists(st.tuples(letters, files, damage), max_size=3),
    seed=st.integers(0, 10**6),
)
def test_any_class_folders(classes, extra, seed):
    with TemporaryDirectory() as folder:
        root, written = Path(folder) / "photos", {}
        for split, n in (("train", 3), ("test", 1)):
            for k, name in enumerate(classes):
                try:
                    (root / split / name).mkdir(parents=True)
                except OSError:  # too long in bytes
                    return
                for i in range(n):
                    content = picture(seed + 10 * k + i + 5 * (split == "test"), "PNG", (8, 8))
                    (root / split / name / f"{i}.png").write_bytes(content)
                    written[split, k, i] = content
        for name, content, how in extra:
            path = root / "train" / classes[0] / f"{name}.png"
            if len(path.name.encode()) < 250:
                path.write_bytes(damaged(content, how))
        try:
            data = load_dataset(source=root, cache=Path(folder) / "cache")
        except DataError as error:
            assert len(str(error)) < 3000
            return
        assert len(data.class_names) == len({*data.class_names}) >= 2
        counts = np.bincount(data.train_labels)
        assert (counts >= 3).all() and len(counts) == len(data.class_names)
        shown = {image.tobytes() for image in (*data.train_images, *opened.images(data))}
        for content in written.values():
            hidden = all(name.startswith(".") for name in classes)
            pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
            assert pixels.tobytes() in shown or hidden or not all(map(str.isprintable, classes))


def batches(folder):
    """Write the official files of a data set of twenty training images and ten test images."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for k, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        labels = [(i + k) % 10 for i in range(10)]
        content = {b"data": rng.integers(0, 256, (10, 3072), np.uint8), b"labels": labels}
        (folder / name).write_bytes(pickle.dumps(content))
    names = [letter.encode() for letter in string.ascii_lowercase[:10]]
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": names}))


@settings(SEEDED, max_examples=400)
@given(st.sampled_from(["data_batch_3", "test_batch", "batches.meta"]), damage, st.integers(0, 400))
def test_any_damage_to_official_batches(name, how, start):
    with TemporaryDirectory() as folder:
        root = Path(folder) / "cifar-10-batches-py"
        batches(root)
        whole = load_dataset(source=root, cache=Path(folder) / "cache")
        content = (root / name).read_bytes()
        head = damaged(content[start : start + 200], how)  # where the structure lies
        changed = content[:start] + head + content[start + 200 :]
        (root / name).write_bytes(changed)
        try:
            data = load_dataset(source=root, cache=Path(folder) / "cache")
        except DataError as error:
            assert name in str(error) or "each class needs" in str(error)
            return
        assert data.train_labels.max() < 10 and opened.images(data).shape[1:] == (32, 32, 3)
        if data.fingerprint != whole.fingerprint:  # as Python itself reads the file
            read = pickle.loads(changed, encoding="bytes")
            if name == "batches.meta":
                assert data.class_names == tuple(
                    n.decode("utf-8", "replace") for n in read[b"label_names"]
                )
            else:
                rows = slice(20, 30) if name == "data_batch_3" else slice(50, 60)
                images = np.concatenate([data.train_images, opened.images(data)])[rows]
                labels = np.concatenate([data.train_labels, opened.labels(data)])[rows]
                np.testing.assert_array_equal(labels, read[b"labels"])
                planes = images.transpose(0, 3, 1, 2).reshape(-1, 3072)
                np.testing.assert_array_equal(planes, read[b"data"])


@settings(SEEDED, max_examples=400)
@given(st.sampled_from(["meta.json", "train_labels.npy", "test_labels.npy"]), damage, nested)
def test_any_damage_to_a_cache(name, how, value):
    with TemporaryDirectory() as folder:
        root, cache = Path(folder) / "cifar-10-batches-py", Path(folder) / "cache"
        batches(root)
        whole = load_dataset(source=root, cache=cache)
        (path,) = cache.glob(f"*/{name}")
        content = path.read_bytes()
        if name == "meta.json" and how[0] == "none":
            meta = json.loads(content)
            meta[list(meta)[how[1] % len(meta)]] = value
            content = json.dumps(meta).encode()
        path.write_bytes(damaged(content, how))
        try:
            data = load_dataset(source=root, cache=cache)
        except DataError as error:
            assert "cache" in str(error)
            return
        for split in ("train", "test"):
            for found, expected in zip(
                *(opened.split(d, split) for d in (data, whole)), strict=True
            ):
                np.testing.assert_array_equal(found, expected)
