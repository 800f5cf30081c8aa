"""A prediction in shards that is stopped and started again."""

import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
from test_shards import files as files  # a fixture

from tta_helpers import predict_views, views
from tta_helpers.workbook import place


def test_an_interrupted_command_goes_on(files, fault):
    """Ctrl-C in the middle, then the same command with more workers."""
    command = [sys.executable, "-W", "ignore", "-m", "tta_helpers.workbook.shards"]
    command += ["model.keras", "images.npy", "probs.npy", "--views", "FLIP", "--shard", "50"]
    command += ["--batch-size", "50", "--workers"]
    environment = {**os.environ, "PYTHONPATH": str(place.ROOT)}
    options = {"cwd": files, "env": environment, "text": True, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*command, "1"], **options, stdout=subprocess.PIPE)
    folder, started = files / "probs.shards", time.monotonic()
    while len(list(folder.glob("*.npy"))) < 2 and time.monotonic() - started < 100:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    kept = sorted(path.name for path in folder.glob("*.npy"))
    assert process.returncode == 130
    assert "The same command goes on" in told
    assert 2 <= len(kept) < 22
    assert not (files / "probs.npy").exists()
    done = subprocess.run([*command, "2"], **options, stdout=subprocess.PIPE, check=True)
    assert "1,100 images, 2 views" in done.stdout
    model = keras.saving.load_model(files / "model.keras")
    predict_views(model, np.load(files / "images.npy"), views.FLIP, 50, out=files / "flip.npy")
    assert (files / "flip.npy").read_bytes() == (files / "probs.npy").read_bytes()
    fault("Ctrl-C in a prediction in shards")
