"""Parameters: ranges beside them, checked before anything starts; tiers and YAML."""

import itertools
import json
import math

import pytest

from tta_helpers.workbook import corruptions, parameters, place
from tta_helpers.workbook.parameters import checked_for, inspected, parse_yaml, range_check
from tta_helpers.workbook.place import RunError

RANGES = [
    # range, default, values inside, values outside
    ("1 or more", 1, (1, 2, 10**9), (0, -1)),
    ("0 to 12", 1, (0, 12), (-1, 13)),
    ("above 0, below 1", 0.1, (0.5, 1e-9), (0.0, 1.0, -0.1)),
    ("0, or 8 or more", 0, (0, 8, 9), (1, 7, -1)),
    ("one of 10, 16", 10, (10, 16), (11, 1016)),
    ("one of none, cutmix", "none", ("none", "cutmix"), ("cut", "", "none, cutmix")),
    ("each above 0", "1", ("1", "0.1 2", " 3 "), ("", "0", "1 x", "1 nan", "inf", "1,2")),
    ("corruptions", "noise", ("fog", "noise blur", "saturate"), ("", "nois", "fog fogg")),
]


@pytest.mark.parametrize(("text", "default", "inside", "outside"), RANGES)
def test_ranges_in_words(text, default, inside, outside):
    holds = range_check(text, default)
    assert [holds(value) for value in inside] == [True] * len(inside)
    assert [holds(value) for value in outside] == [False] * len(outside)


@pytest.mark.parametrize("text", ["positive", "1 or fewer", "1 to x", "above", "each one", ""])
def test_words_that_are_no_range(text):
    assert range_check(text, 1) is None


def test_every_corruption_that_can_be_named_passes():
    for words in (*corruptions.GROUPS, *corruptions.SEEN, *corruptions.HELD_OUT):
        assert corruptions.named(words) and range_check("corruptions", "")(words)


def write_notebook(folder, source, name="01_one"):
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": source}
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps({"cells": [cell], "metadata": {}}), encoding="utf-8")
    return path


def test_values_are_taken_in_the_defaults_type_and_within_the_range(tmp_path):
    path = write_notebook(
        tmp_path,
        'rate = 0.5  # a share (above 0, below 2)\nn = 3  # some (1 or more)\nw = "a#(b)"\n',
    )
    assert parameters.declared_parameters(path) == {"rate": 0.5, "n": 3, "w": "a#(b)"}
    (taken,) = checked_for({"rate": 1, "n": 4, "w": "ü"}, [path]).values()
    assert taken == {"rate": 1.0, "n": 4, "w": "ü"} and type(taken["rate"]) is float
    refused = {
        "rate": (math.nan, math.inf, -math.inf, 2, 0, 10**400, "1", True, None, [1]),
        "n": (0, 1.0, True, "3", None, {}),
        "w": (1, None, "\udce9", "a\0b"),
    }
    for name, values in refused.items():
        for value in values:
            with pytest.raises(RunError, match=rf"01_one: {name} is ") as caught:
                checked_for({name: value}, [path])
            assert len(str(caught.value)) < 200
    with pytest.raises(RunError, match=r"rate is nan; it must be above 0, below 2"):
        checked_for({"rate": math.nan}, [path])


def test_one_number_passes_for_a_text_of_several(tmp_path):
    path = write_notebook(tmp_path, 'penalties = "0.1 1"  # strengths (each above 0)\n')
    for value, text in ((0.5, "0.5"), (1e-9, "1e-09"), (2, "2"), ("1 2", "1 2")):
        assert checked_for({"penalties": value}, [path]) == {path: {"penalties": text}}
    for value in (0, -1.0, math.nan, True, [1]):
        with pytest.raises(RunError, match="penalties is"):
            checked_for({"penalties": value}, [path])


def test_a_range_that_is_none_is_told_of(tmp_path):
    path = write_notebook(tmp_path, "n = 3  # some (a few)\n")
    with pytest.raises(RunError, match=r"\(a few\) beside n is no range"):
        inspected(path)


def test_every_number_of_a_lesson_has_a_range_and_its_default_lies_in_it():
    for path in place.lesson_paths():
        for parameter in inspected(path).parameters.values():
            assert parameter.checked(parameter.default, path.stem) == parameter.default
            free = parameter.name in ("dataset", "run_dir", "cifar10c_dir")
            assert bool(parameter.range) != free, (path.stem, parameter.name)


NO_NOTEBOOKS = {
    "empty": b"",
    "merge markers": b'<<<<<<< HEAD\n{"cells": []}\n=======\n',
    "UTF-16": '{"cells": []}'.encode("utf-16"),
    "a list": b"[]",
    "no cells": b"{}",
    "cells of another kind": b'{"cells": [3]}',
    "deep": b"[" * 100_000,
    "no Python": json.dumps(
        {"cells": [{"metadata": {"tags": ["parameters"]}, "source": "n = (("}]}
    ).encode(),
    "odd seconds": json.dumps(
        {
            "cells": [{"metadata": {"tags": ["parameters"]}, "source": "n = 1"}],
            "metadata": {"tta_result": {"seconds": ["long"]}},
        }
    ).encode(),
}


@pytest.mark.parametrize("kind", NO_NOTEBOOKS)
def test_what_is_no_notebook_is_named(tmp_path, kind, fault):
    fault(f"notebook file: {kind}")
    path = tmp_path / "01_one.ipynb"
    path.write_bytes(NO_NOTEBOOKS[kind])
    with pytest.raises(RunError, match=r"01_one\.ipynb"):
        inspected(path)


def test_a_notebook_that_is_missing_or_a_folder_is_named(tmp_path, fault):
    fault("notebook file: missing, a folder", 2)
    (tmp_path / "02_two.ipynb").mkdir()
    for name in ("01_one", "02_two"):
        with pytest.raises(RunError, match=rf"{name}\.ipynb cannot be read as a notebook"):
            inspected(tmp_path / f"{name}.ipynb")


# ---------------------------------------------------------------- YAML


def test_yaml_is_read_as_version_1_2_says():
    text = "a: 010\nb: 1:30\nc: 1e-3\nd: yes\ne: 0o14\nf: [1, 1.0]\ng: .nan\n"
    found = parse_yaml(text, "it")
    assert math.isnan(found.pop("g"))
    assert found == {"a": 10, "b": "1:30", "c": 0.001, "d": "yes", "e": 12, "f": [1, 1.0]}


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n"
for last, letter in itertools.pairwise("abcdefghij"):  # nine times as many values a line
    BOMB += f"{letter}: &{letter} [{', '.join([f'*{last}'] * 9)}]\n"
REFUSED = {
    "key twice": "a: 1\na: 2",
    "key twice, deep": "a:\n  b: 1\n  b: 1",
    "anchor": "a: &x [1]\nb: *x",
    "open list": "[1",
    "directive": "%x",
    "tag": "!!python/object:os.system {}",
    "two documents": "--- 1\n--- 2",
    "control character": "a: \x07",
    "deep": "[" * 50_000,
    "deep in lines": "- " * 50_000,
    "bomb": BOMB,
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_yaml_that_is_refused(kind, fault):
    fault(f"YAML: {kind}")
    with pytest.raises(RunError, match="my file") as caught:
        parse_yaml(REFUSED[kind], "my file")
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"- 1", b"epochs: 3", b"1: 2\ndataset: auto", b"dataset: \xff", b"dataset"]
)
def test_a_tier_that_is_none(tmp_path, monkeypatch, content, fault):
    fault("tier file of another kind")
    monkeypatch.setattr(place, "ROOT", tmp_path)
    (tmp_path / "notebooks" / "tiers").mkdir(parents=True)
    (tmp_path / "notebooks" / "tiers" / "my.yml").write_bytes(content)
    with pytest.raises(RunError, match=r"my\.yml (sets no dataset|cannot be read)"):
        parameters.load_tier("my")


@pytest.mark.parametrize("tier", ["", "../tiers/lesson", "lesson.yml", "a\0b", "x" * 300, "*"])
def test_a_tier_that_is_not_there(tier):
    with pytest.raises(RunError, match="choose one of: full, lesson, smoke"):
        parameters.load_tier(tier)
