"""Table 4's script: bad input is refused before anything slow; the network at full size."""

import shutil

import keras
import numpy as np
import pytest
from PIL import Image
from small_imagenet import OPTIONS, SIZE, Small
from small_imagenet import small as small  # a fixture, as the next
from small_imagenet import three_corruptions as three_corruptions

from benchmarks.imagenet_c import __main__ as script
from benchmarks.imagenet_c import folders, judging, network
from tta_helpers import views
from tta_helpers.workbook.data import DataError
from tta_helpers.workbook.place import ROOT


@pytest.fixture
def copy(small, tmp_path):
    """Folders of one's own, to be spoiled."""
    own = object.__new__(Small)
    own.validation, own.released = tmp_path / "val", tmp_path / "c"
    own.model, own.out = small.model, tmp_path / "t.csv"
    shutil.copytree(small.validation, own.validation)
    shutil.copytree(small.released, own.released)
    return own


def resized(folder, name, size):
    Image.open(folder / name).resize(size).save(folder / name, "JPEG")


SPOILED = {
    "no validation": (
        lambda own: shutil.rmtree(own.validation),
        r"val is not a folder: name ImageNet's validation photographs, one folder a class",
    ),
    "no copies": (
        lambda own: shutil.rmtree(own.released),
        r"c is not a folder: name the unpacked ImageNet-C",
    ),
    "no corruption": (
        lambda own: shutil.rmtree(own.released / "extra"),
        r"c has no folder of spatter: unpack extra\.tar of ImageNet-C there",
    ),
    "no severity": (
        lambda own: shutil.rmtree(own.released / "fog" / "4"),
        r"fog has no folder 4, severity 4 of fog: unpack its archive again",
    ),
    "no class": (
        lambda own: shutil.rmtree(own.released / "fog" / "4" / "n03"),
        r"4 has no class folder n03, which the validation folder has",
    ),
    "another class": (
        lambda own: shutil.rmtree(own.validation / "n02"),
        r"1 has the class folder n02, which the validation folder has not",
    ),
    "other files": (
        lambda own: [
            path.rename(path.with_name(f"other_{path.name}"))
            for path in (own.released / "extra" / "spatter" / "5").glob("*/*")
        ],
        r"5 has no n0\d/n0\d_\d\d\.JPEG, .* and 7 more, which the validation folder has: "
        "ImageNet-C holds the validation photographs by their own file names",
    ),
    "other files everywhere": (
        lambda own: [
            path.rename(path.with_name(f"other_{path.name}"))
            for path in own.released.rglob("*.JPEG")
        ],
        r"cannot be opened .*: ImageNet-C holds the validation photographs by their own file",
    ),
    "not square": (
        lambda own: [
            resized(path.parent, path.name, (32, 30)) for path in own.released.rglob("*.JPEG")
        ],
        r"is 32 x 30 pixels; the copies of ImageNet-C are square",
    ),
    "another size": (
        lambda own: [
            resized(path.parent, path.name, (40, 40)) for path in own.released.rglob("*.JPEG")
        ],
        r"model\.keras cannot be shown copies of 40 x 40 pixels: images are of .*\(40, 40, 3\)",
    ),
    "fewer classes": (
        lambda own: [shutil.rmtree(path) for path in own.validation.parent.rglob("n02")],
        r"model\.keras names 4 classes, and there are 3 class folders",
    ),
}


@pytest.mark.parametrize("what", SPOILED)
def test_bad_folders_are_refused_before_anything_is_read(copy, what, capsys, monkeypatch):
    spoil, told = SPOILED[what]
    options = ["--photographs", "12", "--learn-from", "15"]
    spoil(copy)
    monkeypatch.setattr(script, "measured", lambda *_: pytest.fail("began"))
    assert copy.command(options=options) == 1
    error = capsys.readouterr().err
    with pytest.raises(ValueError, match=told):
        raise ValueError(error)
    assert not copy.out.exists() and not copy.out.with_suffix(".parts").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"options": ["--learn-from", "30"]}, r"val holds 36 photographs, fewer than the 2,000 to"),
        ({"options": [*OPTIONS, "--copies", "11"]}, r"--copies is 11; there are 10 seen cells"),
        ({"model": "none.keras"}, r"--model none\.keras: There is no file none\.keras"),
        ({"model": ""}, r"ResNet50 takes 224 x 224 pixels, and the copies are 32 x 32: name a"),
    ],
)
def test_bad_options_are_refused(small, tmp_path, changes, told, capsys):
    assert small.command(out=tmp_path / "t.csv", **changes) == 1
    with pytest.raises(ValueError, match=told):
        raise ValueError(capsys.readouterr().err)


@pytest.mark.parametrize(
    "option", [["--photographs", "1"], ["--epochs", "0"], ["--predictor", "x"]]
)
def test_options_out_of_range_are_refused(small, option, capsys):
    with pytest.raises(SystemExit):
        small.command(options=option)
    assert option[0] in capsys.readouterr().err


def test_a_damaged_copy_and_one_of_another_size_are_named_when_they_are_read(copy):
    folder = folders.Folders({("fog", 1): copy.released / "fog" / "1"}, SIZE)
    resized(copy.released / "fog" / "1" / "n01", "n01_03.JPEG", (30, 30))
    with pytest.raises(DataError, match=r"n01_03\.JPEG is 30 x 30 pixels, and others are 32 x 32"):
        folder.read(("fog", 1), "n01/n01_03.JPEG")
    (copy.released / "fog" / "1" / "n01" / "n01_04.JPEG").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"n01_04\.JPEG cannot be decoded"):
        folder.read(("fog", 1), "n01/n01_04.JPEG")


# ---------------------------------------------------------------- the full size


def test_resnet50_is_shown_what_it_was_trained_on(monkeypatch):
    """Blue, green, red less ImageNet's means, on 0 to 255, without a Lambda layer."""
    given = keras.Input((224, 224, 3))
    body = keras.Model(given, keras.layers.GlobalMaxPooling2D()(given))
    monkeypatch.setattr(keras.applications, "ResNet50", lambda weights: body)
    model = network.resnet50(224)
    colour = np.float32([0.2, 0.4, 0.9])
    found = model.predict(np.broadcast_to(colour, (1, 224, 224, 3)), verbose=0)[0]
    expected = 255 * colour[::-1] - [103.939, 116.779, 123.68]
    np.testing.assert_allclose(found, expected, atol=1e-2)
    assert not any(isinstance(layer, keras.layers.Lambda) for layer in model.layers)


def test_weights_that_cannot_be_had_are_said(monkeypatch):
    def refused(weights):
        raise OSError("no network")

    monkeypatch.setattr(keras.applications, "ResNet50", refused)
    with pytest.raises(script.RunError, match=r"cannot be had \(no network\): connect"):
        network.resnet50(224)


def test_crops_move_by_14_pixels_at_224():
    moved = [view for view in judging.crops(224) if isinstance(view, views.Shift)]
    assert {(view.dx, view.dy) for view in moved} == {(x, y) for x in (14, -14) for y in (14, -14)}
    names = [view.name for view in judging.crops(32)]
    assert names == [view.name for view in views.TEN_CROP]


def test_the_page_has_the_count_of_passes():
    page = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
    assert script.passes(script.Sizes()) == 96 * 2000 * 31 + 5000 * 3 * 12 == 6_132_000
    assert f"{script.passes(script.Sizes()):,} forward passes" in page
    few = script.Sizes(photographs=100, learn_from=250)
    assert f"{script.passes(few):,}" in page
