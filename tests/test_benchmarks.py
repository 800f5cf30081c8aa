"""The benchmarks' own arithmetic and their report; no time is asserted anywhere."""

import json
import re
from dataclasses import fields

import keras
import numpy as np
import pytest
from scipy import signal

from benchmarks import __main__ as bench
from benchmarks import groups, growth, pytorch, report, timing
from tta_helpers.views import TWELVE
from tta_helpers.workbook.networks import baseline_cnn, wide_resnet

ABOUT = {
    "processor": "Example(R) Chip(TM) @ 2.5GHz",
    "threads": 2,
    "matrix_product_gflops": 123.4,
    "minutes": 7.6,
    "dataset": "Drawn by hand.",
    "notes": ["PyTorch: not measured, it is away."],
    "python": "3.11.0",
    "versions": {"keras": "3.1", "tensorflow": "2.1"},
    "backend": "tensorflow",
    "devices": ["cpu:0"],
    "machine": "Linux x86_64, 2 cores",
}


def entry(**changes):
    whole = {"group": 2, "text": "ours / bare", "values": [1.25, 1.0, 1.5], "network": "net"}
    return timing.Entry(**{**whole, **changes})


def test_median_goal_and_spread_by_hand():
    assert entry().median == 1.25
    assert entry(values=[4.0, 1.0, 2.0, 3.0]).median == 2.5
    assert report.spread(entry()) == "1.25 × [1.00, 1.50]"
    assert report.spread(entry(values=[1234.5], unit="s")) == "1,234 s"
    assert report.number(0.00003) == "3.0e-05"
    assert entry().reached is None
    assert entry(goal=("at most", 1.25)).reached
    assert not entry(goal=("at most", 1.2)).reached
    assert entry(goal=("at least", 1.2)).reached
    assert not entry(goal=("at least", 500)).reached


def test_ways_take_turns_and_two_rounds_are_not_timed(monkeypatch):
    clock = iter(np.arange(0, 1000, 0.5))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    calls = []
    ways = {name: lambda name=name: calls.append(name) for name in "abc"}
    seconds = timing.interleaved(ways, 4, "turns")
    assert "".join(calls) == "bca" + "cab" + "abc" + "bca" + "cab" + "abc"
    assert {name: s.tolist() for name, s in seconds.items()} == {n: [0.5] * 4 for n in "abc"}


def test_work_by_hand():
    assert timing.gflops(5_000_000, 200, np.array([4.0, 1.0, 2.0])) == pytest.approx(1.0)
    assert len(groups.forty_policies(np.full((12, 5, 3), 1 / 3), np.zeros(5, int))) == 40


def test_the_table_and_the_files(tmp_path):
    entries = [
        entry(goal=("at most", 1.1), images=10_000, batch=500, gflops=99.7),
        entry(group=3, text="mirror", detail=True),
        *(
            entry(group=6, text="grown", unit=unit, images=30 * n, views=2, detail=True)
            for n in (1, 2)
            for unit in ("s", "MB")
        ),
    ]
    row = "| 2 | ours / bare | net | 1.25 × [1.00, 1.50] | at most 1.1: **not reached** "
    assert report.table(entries).splitlines()[2:] == [row + "| 10,000 | 500 | 100 |"]
    report.write(ABOUT, entries, tmp_path)
    names = {path.suffix: path for path in tmp_path.iterdir()}
    assert {path.stem for path in names.values()} == {"example-chip-2-5ghz-2-threads"}
    assert set(names) == {".json", ".png", ".md"}
    body = json.loads(names[".json"].read_text())
    assert body["entries"][0]["low"] == 1.0
    assert body["threads"] == 2
    text = names[".md"].read_text(encoding="utf-8")
    for part in ("2 threads", "123 GFLOP/s", "8 minutes", "Drawn by hand.", "it is away", row):
        assert part in text


def test_the_page_shows_what_is_committed(tmp_path, monkeypatch):
    committed = (report.ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    (name,) = re.findall(r"\]\(\.\./benchmarks/results/(.*)\.png\)", committed)
    about = json.loads((report.RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    own = {field.name for field in fields(timing.Entry)}
    rows = [{k: row[k] for k in row.keys() & own} for row in about.pop("entries")]
    page = tmp_path / "docs" / "benchmarks.md"
    page.parent.mkdir()
    page.write_text("a\n<!-- benchmarks: by hand -->\n<!-- end of benchmarks -->\nb\n")
    monkeypatch.setattr(report, "ROOT", tmp_path)
    report.publish(about, [timing.Entry(**row) for row in rows])
    above, section, below = re.split(r"<!--.*-->\n", page.read_text(encoding="utf-8"))
    assert (above, below) == ("a\n", "b\n")
    assert section in committed


def test_padding_by_hand():
    assert pytorch.same_padding(32, 3, 1) == (1, 1)
    assert pytorch.same_padding(32, 3, 2) == (0, 1)
    assert pytorch.same_padding(32, 1, 2) == (0, 0)
    assert pytorch.same_padding(7, 3, 2) == (1, 1)


def followed(steps, arrays, images):
    """Follow exported steps with NumPy and SciPy in PyTorch's conventions, channels first."""
    values = [images]
    for k, step in enumerate(steps):
        x, *others = [values[i] for i in step["inputs"]]
        mine = {n: arrays.get(f"{k}.{n}") for n in ("weight", "bias", "mean", "variance")}
        match step["kind"]:
            case "Conv2D":
                down, right = step["strides"]
                x = np.pad(x, ((0, 0), (0, 0), *step["padding"]))
                x = np.array(
                    [
                        [
                            sum(
                                signal.correlate2d(c, w, "valid")
                                for c, w in zip(image, kernel, strict=True)
                            )
                            for kernel in mine["weight"]
                        ]
                        for image in x
                    ]
                )[:, :, ::down, ::right]
                x = x if mine["bias"] is None else x + mine["bias"][:, None, None]
                x = np.maximum(x, 0) if step["relu"] else x
            case "BatchNormalization":
                columns = (-1, *[1] * (x.ndim - 2))
                mean, variance = mine["mean"], mine["variance"]
                scale = mine["weight"] / np.sqrt(variance + step["epsilon"])
                x = (x - mean.reshape(columns)) * scale.reshape(columns)
                x = x + mine["bias"].reshape(columns)
            case "MaxPooling2D":
                n, c, h, w = x.shape
                x = x.reshape(n, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))
            case "Flatten":
                x = x.reshape(len(x), -1)
            case "Dense":
                x = x @ mine["weight"].T + mine["bias"]
                x = np.maximum(x, 0) if step["activation"] == "relu" else x
                if step["activation"] == "softmax":
                    x = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
            case "GlobalAveragePooling2D":
                x = x.mean(axis=(2, 3))
            case "ReLU":
                x = np.maximum(x, 0)
            case "Add":
                x = x + others[0]
            case "Rescaling":
                x = x * step["scale"] + step["offset"]
        values.append(x)
    return values[-1]


@pytest.mark.parametrize(
    "build",
    [lambda: baseline_cnn((8, 12, 3), 4), lambda: wide_resnet(10, 1, (8, 12, 3), 4)],
    ids=["cnn", "wide resnet"],
)
def test_the_exported_network_is_the_same_in_pytorchs_conventions(build):
    """Height and width differ and no two channels are alike, so a wrong order of axes shows."""
    keras.utils.set_random_seed(5)
    model, rng = build(), np.random.default_rng(5)
    weights = [w * rng.uniform(0.5, 1.5, w.shape) for w in model.get_weights()]
    model.set_weights([w + rng.uniform(0, 0.02, w.shape) for w in weights])
    images, head = rng.random((2, 8, 12, 3), dtype=np.float32), model.layers[-1]
    features = keras.Model(model.inputs, head.input).predict(images, verbose=0)
    kernel, bias = head.get_weights()
    kernel = rng.normal(size=kernel.shape) / np.linalg.norm(features[0])  # logits around 1
    head.set_weights([kernel, bias])
    steps, arrays = pytorch.exported(model)
    json.dumps(steps)
    found = followed(steps, arrays, images.transpose(0, 3, 1, 2).astype("float64"))
    assert 0.01 < np.ptp(found) < 0.9
    np.testing.assert_allclose(found, model.predict(images, verbose=0), atol=1e-5)


def test_a_layer_without_counterpart_is_named():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.UpSampling2D(name="larger")])
    with pytest.raises(ValueError, match=r"larger \(UpSampling2D\)"):
        pytorch.exported(model)


def test_growth_prints_one_line_of_json(capsys):
    growth.main(20, 3, 10)
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"seconds", "megabytes"}
    assert found["megabytes"] >= 0


on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the benchmarks start on TensorFlow"
)


@on_tensorflow
def test_all_of_it_runs(tmp_path, monkeypatch, capsys):
    """Tiny sizes, without the other environment; `test_growth` sees to the processes of group 6."""
    for module in (bench, pytorch):
        monkeypatch.setattr(module, "PYTHON", tmp_path / "absent")
    monkeypatch.setattr(bench, "wide_resnet", lambda *_: baseline_cnn((32, 32, 3)))
    answer = json.dumps({"seconds": 1.5, "megabytes": 20})
    monkeypatch.setattr(
        groups.subprocess, "run", lambda *_, **__: type("Done", (), {"stdout": answer})
    )
    monkeypatch.setattr(bench, "_on_backend", lambda *_: iter(()))
    arguments = ["--quick", "--dataset", "sample", "--out", str(tmp_path / "out")]
    assert bench.main(arguments) == 0
    printed = capsys.readouterr().out
    assert all(f"\n{group}.  " in "\n" + printed for group in range(1, 9))
    (path,) = (tmp_path / "out").glob("*.json")
    body = json.loads(path.read_text(encoding="utf-8"))
    assert {e["text"] for e in body["entries"] if e["group"] == 3} >= {v.name for v in TWELVE}
    assert "there is no .venv-bench" in body["notes"][0]


@on_tensorflow
def test_quick_numbers_never_reach_the_readme(capsys):
    assert bench.main(["--quick"]) == 1
    assert "--quick needs --out" in capsys.readouterr().err
