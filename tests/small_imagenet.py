"""Tiny made-up folders of ImageNet and ImageNet-C, with a network whose errors NumPy can count."""

import functools

import keras
import numpy as np
import pytest
from PIL import Image
from scipy import special

from benchmarks.imagenet_c import __main__ as script
from benchmarks.imagenet_c import folders
from tta_helpers import views

SIZE, CLASSES, EACH = 32, ("n01", "n02", "n03", "n04"), 9
SEVERITIES = (1, 2, 3, 4, 5)
SETS = {"seen": ("gaussian_noise", "fog"), "held out": ("spatter",)}
GROUPED = {"gaussian_noise": "noise/", "fog": "", "spatter": "extra/"}  # either way to unpack
OPTIONS = ["--photographs", "14", "--learn-from", "20", "--predictor", "compact", "--epochs", "1"]


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


@pytest.fixture(scope="module", autouse=True)
def three_corruptions():
    with pytest.MonkeyPatch.context() as patch:
        for key, names in SETS.items():
            patch.setitem(folders.SETS, key, names)
        yield patch


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return Small(tmp_path_factory.mktemp("imagenet"))
