"""Shards on two workers: the same bits as one machine, also if a worker dies; plain errors."""

import os
import signal

import keras
import numpy as np
import pytest

from tta_helpers import predict_views, views
from tta_helpers.workbook import place, shards
from tta_helpers.workbook.clusters import Cluster

SET = (*views.FLIP, views.Shift(1, 0))
LOCAL = Cluster(workers=2, shared=False)


@pytest.fixture
def files(tmp_path):
    """A convolutional network, 1,100 images, and what one machine makes of them."""
    keras.utils.set_random_seed(3)
    parts = [keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.Flatten()]
    model = keras.Sequential(
        [keras.Input((12, 10, 3)), *parts, keras.layers.Dense(4, activation="softmax")]
    )
    model.save(tmp_path / "model.keras")
    images = np.random.default_rng(5).integers(0, 256, (1100, 12, 10, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    predict_views(model, images, SET, 50, out=tmp_path / "alone.npy")
    return tmp_path


def predict(files, **options):
    paths = (files / "model.keras", files / "images.npy", files / "probs.npy")
    how = {"shard": 300, "batch_size": 50, **options}
    return shards.predict_shards(*paths, SET, how.pop("cluster", LOCAL), **how)


def same(files):
    alone, together = (files / f"{name}.npy" for name in ("alone", "probs"))
    return alone.read_bytes() == together.read_bytes()


def test_a_killed_worker_costs_its_shard_and_changes_nothing(files, fault):
    """The first worker that comes to the second shard is killed there."""
    trap = files / "trap"
    trap.touch()
    probs = predict(files, preprocess=Trap(str(trap)))
    assert not trap.exists()
    assert probs.shape == (3, 1100, 4)
    assert same(files)
    assert not (files / "probs.shards").exists()
    fault("worker killed in a shard")


class Trap:
    """A `preprocess` that changes nothing, and kills the first process in which it predicts."""

    def __init__(self, path):
        self.path = path

    def __call__(self, images):
        if os.path.exists(self.path):
            os.unlink(self.path)
            os.kill(os.getpid(), signal.SIGKILL)
        return images

    def __repr__(self):
        return "Trap"


def test_what_cannot_be_is_told_before_a_worker_starts(files, capsys):
    def error(*arguments):
        assert shards.main([str(argument) for argument in arguments]) == 1
        return capsys.readouterr().err

    model, images, out = files / "model.keras", files / "images.npy", files / "probs.npy"
    assert "There is no model" in error(files / "none.keras", images, out)
    assert "There is no array of images" in error(model, files / "none.npy", out)
    assert "holds no array" in error(model, model, out)
    assert "is there already" in error(model, images, files / "alone.npy")
    assert "name a .npy file" in error(model, images, files / "probs.csv")
    assert "name one of D4, FIVE_CROP, FLIP" in error(model, images, out, "--views", "flip")
    assert "shard is 0" in error(model, images, out, "--shard", 0)
    assert "names no function" in error(model, images, out, "--preprocess", "os.path.nothing")


def test_a_shard_that_fails_ends_in_one_message(files, scheduler):
    there = Cluster(scheduler=scheduler)
    with pytest.raises(place.RunError, match="outputs='softmax'"):
        predict(files, cluster=there, outputs="sigmoid")
