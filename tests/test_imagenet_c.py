"""Table 4's script on tiny made-up folders: errors counted by hand, bad input, gone on with."""

import csv
import functools
import shutil

import keras
import numpy as np
import pytest
from PIL import Image
from scipy import optimize, special

from benchmarks.imagenet_c import __main__ as script
from benchmarks.imagenet_c import folders, judging, learning, network, table
from tta_helpers import policies, views
from tta_helpers.workbook.corruptions import HELD_OUT, SEEN
from tta_helpers.workbook.data import DataError
from tta_helpers.workbook.place import ROOT

SIZE, CLASSES, EACH = 32, ("n01", "n02", "n03", "n04"), 9
SEVERITIES = (1, 2, 3, 4, 5)
SETS = {"seen": ("gaussian_noise", "fog"), "held out": ("spatter",)}
GROUPED = {"gaussian_noise": "noise/", "fog": "", "spatter": "extra/"}  # either way to unpack
OPTIONS = ["--photographs", "14", "--learn-from", "20", "--predictor", "compact", "--epochs", "1"]
# AlexNet's errors at severities 1 to 5, as the release's README has them.
ALEXNET = {
    "gaussian_noise": (0.69528, 0.82542, 0.93554, 0.98138, 0.99452),
    "shot_noise": (0.71224, 0.85108, 0.93574, 0.98182, 0.99146),
    "impulse_noise": (0.78374, 0.89808, 0.94870, 0.98720, 0.99548),
    "defocus_blur": (0.65624, 0.73202, 0.85036, 0.91364, 0.94714),
    "glass_blur": (0.64308, 0.75054, 0.88806, 0.91622, 0.93344),
    "motion_blur": (0.58430, 0.70048, 0.82108, 0.89750, 0.92638),
    "zoom_blur": (0.70008, 0.76992, 0.80784, 0.84198, 0.87198),
    "snow": (0.71726, 0.88392, 0.86468, 0.91870, 0.94952),
    "frost": (0.61390, 0.79734, 0.88790, 0.89942, 0.93430),
    "fog": (0.67474, 0.76050, 0.84378, 0.87260, 0.94500),
    "brightness": (0.45140, 0.48502, 0.54048, 0.62166, 0.72440),
    "contrast": (0.64548, 0.76150, 0.88874, 0.97760, 0.99270),
    "elastic_transform": (0.52596, 0.70116, 0.55686, 0.64076, 0.80554),
    "pixelate": (0.52218, 0.54620, 0.73728, 0.87092, 0.91262),
    "jpeg_compression": (0.51002, 0.54718, 0.57294, 0.65458, 0.74778),
    "speckle_noise": (0.66192, 0.74440, 0.90246, 0.94548, 0.97268),
    "gaussian_blur": (0.54732, 0.70444, 0.82574, 0.89864, 0.95940),
    "spatter": (0.47196, 0.62194, 0.75052, 0.84132, 0.90182),
    "saturate": (0.59342, 0.65514, 0.51174, 0.70834, 0.82260),
}


class Small:
    """Folders of ImageNet and ImageNet-C, a softmax regression for them, and its errors by hand."""

    def __init__(self, root):
        self.validation, self.released = root / "val", root / "c"
        self.model, self.out, self.kept = root / "model.keras", root / "table.csv", {}
        rng = np.random.default_rng(3)
        coarse = rng.integers(0, 256, (4, 5, 6, 3)).astype(np.uint8)
        templates = [np.asarray(Image.fromarray(c).resize((52, 46)), float) for c in coarse]
        for label, name in enumerate(CLASSES):
            for k in range(EACH):
                file = f"{name}_{k:02}.JPEG"
                picture = templates[label] / 2 + rng.integers(0, 128, (46, 52, 3))
                self._save(picture, self.validation / name / file)
                for corruption, group in GROUPED.items():
                    for severity in SEVERITIES:
                        noise = rng.normal(0, 40 * severity, (SIZE, SIZE, 3))
                        place = self.released / f"{group}{corruption}" / f"{severity}" / name
                        self._save(255 * self.shown(name, file) + noise, place / file)
        shown = np.stack([self.shown(name, f"{name}_00.JPEG") for name in CLASSES])
        flat = shown.reshape(4, -1)
        self.kernel = (0.02 * (flat - flat.mean(axis=0)).T).astype("float32")
        self.kernel += rng.normal(0, 0.02, self.kernel.shape).astype("float32")
        self.bias = rng.normal(size=4).astype("float32")
        head = keras.layers.Dense(4, activation="softmax")
        given = keras.Input((SIZE, SIZE, 3))
        model = keras.Model(given, head(keras.layers.Flatten()(given)))
        head.set_weights([self.kernel, self.bias])
        model.save(self.model)

    @staticmethod
    def _save(pixels, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path, "JPEG", quality=95)

    def shown(self, folder, file):
        """A photograph as the network is shown it: 46 pixels to 37, of them the middle 32."""
        whole = Image.open(self.validation / folder / file)
        assert whole.size == (52, 46)
        return np.asarray(whole.resize((42, 37), Image.Resampling.BILINEAR))[2:34, 5:37] / 255

    def images(self, cell, names):
        """Photographs in a cell, in [0, 1]."""
        if cell[0] == "clean":
            return np.stack([self.shown(*name.split("/")) for name in names])
        place = self.released / f"{GROUPED[cell[0]]}{cell[0]}" / str(cell[1])
        return np.stack([np.asarray(Image.open(place / name)) for name in names]) / 255

    def probs(self, images):
        flat = np.asarray(images, "float64").reshape(len(images), -1)
        return special.softmax(flat @ self.kernel + self.bias, axis=1)

    def errors(self, policy, judged, names):
        """Each cell's share of wrong answers, of a function from images to probabilities."""
        return {
            (name, severity): np.mean(
                policy(self.images((name, severity), judged.names)).argmax(1) != judged.labels
            )
            for name in names
            for severity in (SEVERITIES if name != "clean" else (0,))
        }

    def command(self, **changes):
        paths = {"validation": self.validation, "released": self.released, "out": self.out}
        given = {**paths, "model": self.model, "options": OPTIONS, **changes}
        places = [str(given[key]) for key in paths]
        return script.main([*places, "--model", str(given["model"]), *given["options"]])

    @functools.cached_property
    def bench(self):
        sizes = script.Sizes(14, 20, 2, "compact", 1)
        paths = self.validation, self.released, self.out
        return script.Bench(*paths, str(self.model), sizes)

    def seen(self, images):
        """The twelve views of images, and the two whose scores by the kept predictor are lowest."""
        if (key := images.tobytes()) not in self.kept:
            twelve = [np.asarray(view(images.astype("float32"))) for view in views.TWELVE]
            predictor = keras.saving.load_model(self.out.with_suffix(".parts") / "predictor.keras")
            scores = predictor.predict_on_batch(np.round(255 * images))
            self.kept[key] = np.array(twelve), scores.argsort(axis=1, kind="stable")[:, :2]
        return self.kept[key]


def corner_crops(images):
    """The image and four crops of it padded by 2 mirrored pixels a side, cut with NumPy."""
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    return [images, *(padded[:, y : y + 32, x : x + 32] for y in (0, 4) for x in (0, 4))]


@pytest.fixture(scope="module", autouse=True)
def three_corruptions():
    with pytest.MonkeyPatch.context() as patch:
        for key, names in SETS.items():
            patch.setitem(folders.SETS, key, names)
        yield patch


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return Small(tmp_path_factory.mktemp("imagenet"))


@pytest.fixture(scope="module")
def done(small, three_corruptions):
    """The table of a run that was killed after three cells and gone on with; what it has read."""
    read, judging_cells = [], []
    right, one = judging.Judge.right, folders.Folders.read

    def killed(self, cell):
        judging_cells.append(cell)
        if len(judging_cells) == 4:
            raise KeyboardInterrupt
        return right(self, cell)

    def noted(self, cell, name):
        read.append((bool(judging_cells), name))
        return one(self, cell, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judging.Judge, "right", killed)
        patch.setattr(folders.Folders, "read", noted)
        assert small.command() == 130
        assert not small.out.exists()
        patch.setattr(script, "trained", lambda *_: pytest.fail("trained again"))
        patch.setattr(script, "measured", lambda *_: pytest.fail("measured again"))
        assert small.command() == 0
    assert len(judging_cells) == 17  # sixteen cells, and the one that was stopped
    lines = list(csv.DictReader(small.out.open(encoding="utf-8")))
    return {line["row"]: line for line in lines}, read


def number(text):
    return float(text.split()[0])


def check(small, line, policy):
    """Compare a line of the table with errors counted cell by cell."""
    judged = small.bench.judged
    clean = small.errors(policy, judged, ["clean"])
    assert number(line["clean: error in %"]) == pytest.approx(100 * clean["clean", 0], abs=0.006)
    for part, names in SETS.items():
        wrong = small.errors(policy, judged, names)
        each = [np.mean([wrong[name, s] for s in SEVERITIES]) for name in names]
        mce = [e / np.mean(ALEXNET[name]) for e, name in zip(each, names, strict=True)]
        mean = number(line[f"{part}: mean error in %"])
        assert mean == pytest.approx(100 * np.mean(each), abs=0.006)
        assert number(line[f"{part}: mCE in %"]) == pytest.approx(100 * np.mean(mce), abs=0.006)


def test_the_rows_are_those_of_the_paper_with_its_figures_beside(done):
    lines, _ = done
    published = list(csv.DictReader(table.PAPER.open(encoding="utf-8")))
    standard = [x for x in published if x["table"] == "4" and x["training"] == "standard"]
    assert {*lines} == {x["row"] for x in standard} | {"Ours, k = 2 + 5-Crops"}
    for said in standard:
        line = lines[said["row"]]
        found = [line[f"{part}: the paper's"] for part in ("clean", "seen", "held out")]
        assert found == [said["clean"], said["corrupted"], said["held out"]]
    assert lines["Ours, k = 2 + 5-Crops"]["seen: the paper's"] == ""
    augmix = table.published("AugMix")
    assert augmix["Ours, k = 2 + 5-Crops"]["corrupted"] == "63.50"
    line = lines["Center-Crop"]
    assert line["n"] == "14" and line["network"] == "model.keras"
    assert "20 other validation photographs" in line["learned from"]
    assert line["seen: mCE lower by %"].startswith("0.00 ")


def test_alexnets_errors_are_the_means_of_those_by_severity():
    assert {*table.ALEXNET} == {*ALEXNET} == {*SEEN, *HELD_OUT}
    for name, errors in ALEXNET.items():
        assert table.ALEXNET[name] == pytest.approx(np.mean(errors), abs=1e-9)


def test_photographs_are_resized_and_cut_and_copies_are_as_released(small):
    where = small.bench.folders
    for cell in (("clean", 0), ("fog", 2), ("spatter", 5)):
        expected = small.images(cell, ["n02/n02_04.JPEG"])[0]
        np.testing.assert_array_equal(where.read(cell, "n02/n02_04.JPEG"), np.round(255 * expected))
    high = folders.middle(Image.new("RGB", (375, 500)), 224)
    assert high.size == (224, 224)
    shown = np.asarray(folders.middle(Image.linear_gradient("L").convert("RGB"), 224))
    np.testing.assert_array_equal(shown[:, 0, 0], np.arange(16, 240))  # rows 16 to 239 of 256


def test_the_center_crop(small, done):
    check(small, done[0]["Center-Crop"], small.probs)
    assert 5 < number(done[0]["Center-Crop"]["seen: mean error in %"]) < 80


def test_the_mirror(small, done):
    def policy(images):
        return small.probs(images) + small.probs(images[:, :, ::-1])

    check(small, done[0]["Horizontal-Flip"], policy)
    assert done[0]["Horizontal-Flip"]["seen: mCE in %"] != done[0]["Center-Crop"]["seen: mCE in %"]


def test_the_crops(small, done):
    def five(images):
        return sum(map(small.probs, corner_crops(images)))

    check(small, done[0]["5-Crops"], five)
    check(small, done[0]["10-Crops"], lambda images: five(images) + five(images[:, :, ::-1]))


@pytest.mark.parametrize(
    ("row", "k", "more"),
    [
        ("Ours, k = 1", 1, lambda image: [image]),
        ("Ours, k = 2", 2, lambda image: [image]),
        ("Ours, k = 2 + flip", 2, lambda image: [image, image[:, :, ::-1]]),
        ("Ours, k = 2 + 5-Crops", 2, corner_crops),
    ],
)
def test_the_views_that_the_predictor_chooses(small, done, row, k, more):
    def policy(images):
        twelve, best = small.seen(images)
        rows = np.arange(len(images))
        copies = [copy for v in best[:, :k].T for copy in more(twelve[v, rows])]
        return sum(map(small.probs, copies))

    check(small, done[0][row], policy)


@pytest.mark.parametrize(("row", "copy"), [("GPS", 0), ("GPS on corrupted images", 1)])
def test_the_greedy_policies_are_those_of_a_plain_loop(small, done, row, copy):
    bench = small.bench
    cells = [("clean", 0), *bench.seen]
    shown = np.concatenate(
        [
            small.images(cells[kind], [name])
            for kind, name in zip(bench.kinds[copy], bench.teaching.names, strict=True)
        ]
    )
    probs = [small.probs(view) for view in small.seen(shown)[0]]

    def likelihood(average):
        logs = np.log(average)

        def loss(power):
            return -special.log_softmax(power * logs, axis=1)[
                range(20), bench.teaching.labels
            ].mean()

        return -optimize.minimize_scalar(loss, bounds=(0.05, 20), method="bounded").fun

    policy, total = [], 0
    for count in range(1, 5):
        scores = [likelihood((total + p) / count) for p in probs]
        policy.append(int(np.argmax(scores)))
        total = total + probs[policy[-1]]
    for k in (1, 2, 4):
        check(
            small,
            done[0][f"{row}, k = {k}"],
            lambda images, k=k: sum(small.probs(small.seen(images)[0][v]) for v in policy[:k]),
        )


def test_random_views_are_drawn_anew_for_each_cell_and_differ_in_an_image(small, done, monkeypatch):
    drawn = []
    at_random = policies.at_random
    monkeypatch.setattr(policies, "at_random", lambda *a: drawn.append(at_random(*a)) or drawn[-1])
    bench = small.bench
    judge = judging.Judge(
        *(bench.network, bench.learned(), bench.folders, bench.judged, 0, bench.batch_size)
    )
    for cell in (("fog", 1), ("fog", 1), ("fog", 2)):
        judge.right(cell)
    assert (drawn[0] == drawn[1]).all() and (drawn[0] != drawn[2]).any()
    assert all(len(set(row)) == 4 for row in drawn[0])


def test_photographs_that_judge_teach_nothing(small, done):
    bench = small.bench
    assert not {*bench.judged.names} & {*bench.teaching.names}
    assert len({*bench.judged.names, *bench.teaching.names}) == 34
    assert {name for judging_now, name in done[1] if not judging_now} == {*bench.teaching.names}
    assert {name for judging_now, name in done[1] if judging_now} == {*bench.judged.names}
    (first, *others) = bench.kinds
    assert not first.any() and all(1 <= kind <= 10 for copy in others for kind in copy)
    assert (others[0] != others[1]).all()
    labels = [CLASSES.index(name.split("/")[0]) for name in bench.judged.names]
    assert labels == bench.judged.labels.tolist()


def test_a_run_without_a_break_gives_the_same(small, done, tmp_path):
    parts, out = small.out.with_suffix(".parts"), tmp_path / "t.csv"
    out.with_suffix(".parts").mkdir()
    for name in ("settings.json", "predictor.keras", *(f"learned_{k}.npz" for k in range(3))):
        shutil.copy(parts / name, out.with_suffix(".parts"))
    assert small.command(out=out) == 0
    assert out.read_bytes() == small.out.read_bytes()


def test_parts_of_another_run_are_not_taken(small, done, capsys):
    assert small.command(options=[*OPTIONS, "--seed", "1"]) == 1
    assert "holds parts of another run (seed 0, now 1" in capsys.readouterr().err


def test_batches_are_joined_in_order(small, done, monkeypatch):
    bench = small.bench
    judge = judging.Judge(*(bench.network, bench.learned(), bench.folders, bench.judged, 0, 5))
    with np.load(bench.parts / "fog_3.npz") as part:
        np.testing.assert_array_equal(judge.right(("fog", 3)), part["right"])
    cells = [("fog", 1)] * len(bench.teaching)
    how = {"search": True, "batch_size": 7}
    monkeypatch.setattr(learning, "SEARCHED", 10)
    part = learning.measured(bench.network, bench.folders, bench.teaching, cells, **how)
    shown = small.images(("fog", 1), bench.teaching.names)
    losses = -np.log(small.probs(shown)[range(20), bench.teaching.labels])
    np.testing.assert_allclose(part["losses"][:, 0], losses, atol=1e-3)
    np.testing.assert_array_equal(part["small"], np.round(255 * shown))
    probs = np.stack(list(map(small.probs, small.seen(shown[:10])[0])))
    first, _ = policies.greedy_search(bench.teaching.labels[:10], probs, 4)
    assert part["greedy"].tolist() == first


def test_the_network_sees_as_many_images_as_are_counted(small, done):
    seen, bench = [], small.bench
    counted = keras.saving.load_model(small.model)
    whole = counted.predict_on_batch
    counted.predict_on_batch = lambda images: seen.append(len(images)) or whole(images)
    made = bench.learned(), bench.folders, bench.judged
    judging.Judge(counted, *made, 0, bench.batch_size).right(("fog", 1))
    assert sum(seen) == 14 * judging.SPENT
    seen.clear()
    cells, how = [("fog", 1)] * 20, {"search": False, "batch_size": bench.batch_size}
    learning.measured(counted, bench.folders, bench.teaching, cells, **how)
    assert sum(seen) == 20 * 12
    assert script.passes(bench.sizes, 16) == 16 * 14 * judging.SPENT + 3 * 20 * 12


# ---------------------------------------------------------------- bad input, before anything slow


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
