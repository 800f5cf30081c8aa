"""The ranges of the guide: taken from a sweep over seeds, merged into one record, told in words."""

import json
import re

import nbformat
import numpy as np
import pytest

from course import expecting
from tta_helpers.workbook import place
from tta_helpers.workbook.parameters import load_tier

README = (place.ROOT / "README.md").read_text(encoding="utf-8")


def row(value, seed=0, number="headline.gain", tier="smoke", data="sample", lesson="02_flip_tta"):
    about = {"lesson": lesson, "number": number, "tier": tier, "data": data}
    return {**about, "seed": str(seed), "value": str(value)}


@pytest.fixture
def sweep(monkeypatch):
    """A sweep of two finished runs of lesson 02, as `gather` returns it."""
    names = [one["number"].split(".") for one in expecting.headlines("02_flip_tta")]
    runs = []
    for seed in (0, 2):
        record = {"parameters": load_tier("smoke") | {"dataset": "sample", "seed": seed}}
        record["dataset"] = {"name": "sample"}
        for k, (part, *inner) in enumerate(names):
            at = record.setdefault(part, {})
            for name in inner[:-1]:
                at = at.setdefault(name, {})
            at[inner[-1]] = seed + k / 10
        runs.append(
            {"key": str(seed), "values": {"seed": seed}, "records": {"02_flip_tta": record}}
        )
    monkeypatch.setattr(expecting, "gather", lambda folder: runs)
    return runs


def test_a_sweep_is_taken_number_by_number(sweep):
    rows = expecting.taken("some")
    asked = expecting.headlines("02_flip_tta")
    assert len(rows) == 2 * len(asked)
    assert rows[0] == row("0", number=asked[0]["number"])
    assert rows[len(asked) + 1] == row("2.1", 2, number=asked[1]["number"])


def test_what_is_no_sweep_over_seeds_of_one_tier_is_told(sweep, monkeypatch):
    sweep[0]["values"] = {"seed": 0, "epochs": 3}
    with pytest.raises(place.RunError, match="varies seed, epochs"):
        expecting.taken("some")
    sweep[0]["values"] = {"seed": 0}
    del sweep[0]["records"]["02_flip_tta"]["headline"]["gain"]
    with pytest.raises(place.RunError, match=r"no number 'headline\.gain'"):
        expecting.taken("some")
    sweep[0]["records"]["02_flip_tta"]["parameters"]["epochs"] = 77
    with pytest.raises(place.RunError, match="no tier"):
        expecting.taken("some")
    monkeypatch.setattr(expecting, "gather", lambda folder: [])
    with pytest.raises(place.RunError, match="No run of some is finished"):
        expecting.taken("some")


@pytest.mark.parametrize("tier", expecting.TIERS)
def test_a_tier_is_known_by_its_values_whatever_seed_and_data(tier):
    values = load_tier(tier) | {"seed": 9, "dataset": "mine"}
    some = {
        name: values[name] for name in ("n_train", "repeat_images", "n_sweep", "seed", "dataset")
    }
    assert expecting.tier_of(some | {"run_dir": "runs/x"}) == tier


def test_new_rows_take_the_place_of_those_of_the_same_lesson_tier_and_data():
    old = [row(1), row(2, tier="lesson"), row(3, data="cifar10"), row(4, lesson="01_baseline_cnn")]
    new = [row(5, 8), row(6, 9)]
    assert expecting.merged(old, new) == [old[3], old[1], old[2], *new]
    assert expecting.merged([], new) == new


def test_a_range_is_told_by_hand(monkeypatch):
    values = (0.012, -0.004, 0.02)
    rows = [row(value, seed) for seed, value in enumerate(values)] + [row(0.5, tier="lesson")]
    monkeypatch.setattr(expecting, "committed", lambda: rows)
    lines = expecting.section("02_flip_tta")
    (line,) = [line for line in lines if line.startswith("| flip, settled network")]
    assert line.endswith("| -0.40 to +2.00 (+1.20) | +50.00 to +50.00 (+50.00) |")
    assert "smoke, sample: lowest to highest of 3 (middle)" in lines[0]
    (line,) = [line for line in lines if line.startswith("| flip, tutorial network")]
    assert line.endswith("| - | - |")
    assert "at most 100% of cases" in lines[-1]


def test_the_chance_of_a_run_outside_is_that_of_a_count():
    draws = np.random.default_rng(0).normal(size=(20_000, 21))
    last, others = draws[:, -1], draws[:, :-1]
    outside = (last < others.min(axis=1)) | (last > others.max(axis=1))
    (chance,) = [line for line in expecting.explained(None, {"a": 20}) if "%" in line]
    assert abs(100 * outside.mean() - float(chance.split("most ")[1].split("%")[0])) < 1


def test_a_lesson_without_a_record_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(expecting, "FILE", tmp_path / "expected.csv")
    assert expecting.committed() == []
    lines = expecting.section("02_flip_tta")
    assert "No seeds are swept" in lines[-1] and lines[0] == "| number | committed run |"


@pytest.mark.parametrize("lesson", place.LESSONS)
def test_every_number_that_is_asked_for_stands_in_the_committed_run(lesson):
    record = nbformat.read(place.notebooks() / f"{lesson}.ipynb", as_version=4).metadata.get(
        "tta_result"
    )
    asked = expecting.headlines(lesson)
    assert len(asked) >= 3 and {one["as"] for one in asked} <= set(expecting.READ)
    if not record:
        return  # changed since, and not published again
    found, told = expecting.found_in(record, lesson), "\n".join(expecting.section(lesson))
    (result,) = re.findall(rf"(?m)^\| {lesson} \|.*$", README)
    gain = re.findall(r"([+-]\d+\.\d+) \[", result)
    assert (
        [f"{100 * found['headline.gain']:+.2f}"] == gain if gain else "headline.gain" not in found
    )
    assert all(f"| {one} |" in told for one in gain) and record["dataset"]["provenance"] in told


def test_the_committed_record_is_whole():
    rows = expecting.committed()
    groups = {(one["lesson"], one["tier"], one["data"]) for one in rows}
    for lesson, tier, data in groups:
        some = [
            one for one in rows if (one["lesson"], one["tier"], one["data"]) == (lesson, tier, data)
        ]
        seeds = {}
        for one in some:
            seeds.setdefault(one["number"], []).append(int(one["seed"]))
            assert np.isfinite(float(one["value"]))
        assert set(seeds) == {one["number"] for one in expecting.headlines(lesson)}
        first = next(iter(seeds.values()))
        assert len(set(first)) == len(first) >= 20 and all(one == first for one in seeds.values())
    assert {"01_baseline_cnn", "02_flip_tta", "03_tune_tta"} <= {lesson for lesson, *_ in groups}


def test_the_command_writes_the_record_and_tells_what_is_wrong(
    sweep, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(expecting, "FILE", tmp_path / "expected.csv")
    monkeypatch.setattr(expecting, "ROOT", tmp_path)
    assert expecting.main(["some"]) == 0
    assert len(expecting.committed()) == len(expecting.taken("some"))
    assert json.dumps(expecting.committed()) == json.dumps(expecting.taken("some"))
    sweep.clear()
    assert expecting.main(["some"]) == 1
    assert "error: No run of some is finished" in capsys.readouterr().err
