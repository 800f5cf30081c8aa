"""Chains: what a result depends on, what belongs together, and what is refused beforehand."""

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import small_workbook as tiny

from tta_helpers.workbook import chain, environment, place, preflight, publishing, records, runs
from tta_helpers.workbook.clusters import Cluster
from tta_helpers.workbook.corruptions import SEEN
from tta_helpers.workbook.data import DataError, Dataset, Locked
from tta_helpers.workbook.place import RunError
from tta_helpers.workbook.sweeping import run_sweep

GIVEN = {"dataset": "auto"}


@pytest.fixture
def three(tmp_path, monkeypatch):
    """A workbook of three small notebooks."""
    folder = tiny.build(tmp_path / "three", ("01_one", "02_two", "03_three"))
    tiny.enter(folder, monkeypatch.setattr)
    return folder


def key(**given):
    return chain.plan(place.lesson_paths(), {**GIVEN, **given}, "f00d")[-1].key


def test_a_key_holds_versions_backend_and_python(small, monkeypatch):
    keys = {key()}
    for package in ("keras", "numpy", "scipy", "scikit-learn", "pillow"):
        found = dict(environment.versions())
        with monkeypatch.context() as patch:
            patch.setattr(chain, "versions", lambda p=package, f=found: {**f, p: "0.0"})
            keys.add(key())
    with monkeypatch.context() as patch:
        patch.setattr(chain.platform, "python_version", lambda: "3.99.0")
        keys.add(key())
    assert len(keys) == 7
    assert set(environment.versions()) == {
        "keras", "numpy", "scipy", "scikit-learn", "pillow", environment.backend()
    }  # fmt: skip


def test_a_key_tells_values_apart_and_types_not(small):
    assert key(rate=1) == key(rate=1.0)
    assert len({key(), key(rate=1.0), key(rate=0.25), key(seed=1), key(copies=8)}) == 5


def test_a_key_holds_the_content_of_the_released_corruptions(small, tmp_path, fault):
    fault("content of cifar10c_dir changed")
    path = small / "notebooks" / "01_one.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source += 'cifar10c_dir = ""\n'
    nbformat.write(notebook, path)
    (tmp_path / "released").mkdir()
    array = tmp_path / "released" / "fog.npy"
    keys = [key()]
    for value in (1, 2):
        np.save(array, np.full(5, value))
        os.utime(array, ns=(value, value))
        keys.append(key(cifar10c_dir=str(array.parent)))
    np.save(array, np.full(5, 1))
    assert key(cifar10c_dir=str(array.parent)) == keys[1]  # the content counts, not the time
    assert len(set(keys)) == 3


def test_a_key_holds_the_microscope_pictures_where_a_notebook_loads_them(
    small, tmp_path, monkeypatch
):
    monkeypatch.delenv("CELLS_DIR", raising=False)
    path, picture = small / "notebooks" / "01_one.ipynb", tmp_path / "cells" / "nuclei" / "a.png"
    for name in ("nuclei", "blood_cells"):
        (tmp_path / "cells" / name).mkdir(parents=True)
    before = key()
    monkeypatch.setenv("CELLS_DIR", str(tmp_path / "cells"))
    picture.write_bytes(b"one")
    assert key() == before  # this notebook loads none
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source += '\nif False:\n    load_cells("nuclei")'
    nbformat.write(notebook, path)
    keys = [key()]
    picture.write_bytes(b"two")
    keys.append(key())
    monkeypatch.delenv("CELLS_DIR")
    keys.append(key())
    assert len({before, *keys}) == 4


def test_a_folder_without_the_microscope_pictures_is_refused_before_anything_runs(
    small, tmp_path, monkeypatch
):
    monkeypatch.setenv("CELLS_DIR", str(tmp_path))
    with pytest.raises(DataError, match="holds no folder 'nuclei': correct source= or CELLS_DIR"):
        runs.run_workbook(GIVEN, "a")
    assert tiny.started(small) == []


def test_a_failed_chain_says_what_is_older(three, fault, capsys):
    fault("chain that fails after its first notebook")
    runs.run_workbook({**GIVEN, "copies": 3}, "a")
    folder = three / "runs" / "a"
    assert "older" not in (folder / "summary.md").read_text().lower()
    (three / "faults" / "0").write_text("none error")  # the second to start fails
    with pytest.raises(RunError, match=r"(?s)02_two stopped in cell 4.*its earlier results are"):
        runs.run_workbook({**GIVEN, "copies": 4}, "a")
    summary = (folder / "summary.md").read_text()
    assert "| 01_one | - | 50.00 % | 54.00 % |" in summary
    assert "| 02_two (older) | - | 50.00 % | 53.00 % |" in summary
    assert "| 03_three (older) | - | 50.00 % | 53.00 % |" in summary
    assert "Older: from before a notebook above ran again" in summary
    with pytest.raises(RunError, match="02_two, 03_three ran before a notebook above"):
        publishing.publish("a")
    runs.run_workbook({**GIVEN, "copies": 4}, "a")
    assert "older" not in (folder / "summary.md").read_text().lower()
    assert tiny.started(three)[-2:] == ["0 4 ", "0 4 "]  # the first did not run again


def test_a_damaged_record_does_not_hide_what_stopped_the_run(three, fault):
    fault("record damaged, and a notebook before it fails")
    runs.run_workbook(GIVEN, "a")
    (three / "runs" / "a" / "03_three.json").write_text("[")
    (three / "faults" / "0").write_text("error")
    with pytest.raises(RunError, match="01_one stopped in cell 4: RuntimeError: unlucky seed 0"):
        runs.run_workbook({**GIVEN, "copies": 4}, "a")


def test_publishing_writes_all_or_nothing(three, fault):
    fault("cell for the README without its figure")
    path = three / "notebooks" / "03_three.ipynb"
    notebook = nbformat.read(path, as_version=4)
    cell = nbformat.v4.new_code_cell("1", metadata={"tags": ["readme"]})
    notebook.cells.append(cell)
    nbformat.write(notebook, path)
    runs.run_workbook(GIVEN, "lesson")
    (three / "README.md").write_text("<!-- results: -->\nold\n<!-- end of results -->\n")
    before = {p: p.read_bytes() for p in three.rglob("*") if p.is_file()}
    with pytest.raises(RunError, match=r"03_three\.ipynb: a cell tagged `readme` shows no figure"):
        publishing.publish("lesson")
    assert {p: p.read_bytes() for p in before} == before


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[]", b"{}", b"[" * 100_000, b"3"])
def test_records_of_another_kind_are_named(three, content, fault):
    fault("result record of another kind")
    runs.run_workbook(GIVEN, "a")
    (three / "runs" / "a" / "02_two.json").write_bytes(content)
    with pytest.raises(RunError, match=r"02_two\.json is not a result record.*run 02_two again"):
        records.read_record("runs/a", "02_two")
    runs.run_workbook(GIVEN, "a")  # which makes it, and what comes after it, anew
    assert json.loads((three / "runs" / "a" / "02_two.json").read_text())["headline"]


def test_a_folder_in_place_of_a_record_is_told_of(three, fault):
    fault("folder in place of a record")
    (three / "runs" / "a" / "02_two.json").mkdir(parents=True)
    with pytest.raises(RunError, match=r"02_two stopped in cell 5: IsADirectoryError"):
        runs.run_workbook(GIVEN, "a")
    with pytest.raises(RunError, match=r"02_two\.json is not a result record"):
        records.read_record("runs/a", "02_two")


def test_the_commit_is_the_workbooks_and_not_one_around_it(tmp_path, monkeypatch, fault):
    fault("workbook unpacked in another's repository")
    run = {"cwd": tmp_path, "check": True, "capture_output": True}
    settings = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q"], **run)
    subprocess.run(["git", *settings, "commit", "-q", "--allow-empty", "-m", "theirs"], **run)
    head = subprocess.run(["git", "rev-parse", "HEAD"], **run, text=True).stdout.strip()
    (tmp_path / "workbook").mkdir()
    monkeypatch.setattr(place, "ROOT", tmp_path / "workbook")
    assert records._commit() is None
    monkeypatch.setattr(place, "ROOT", tmp_path)
    assert records._commit() == head


def test_pictures_too_small_for_the_network_are_refused(small, monkeypatch, fault):
    fault("pictures of 1 x 1 and 7 x 30 pixels", 2)
    nine = tiny.nine_images()
    for shape in ((1, 1), (7, 30)):
        images = np.zeros((9, *shape, 3), np.uint8)
        both = {"train_images": images, "test": Locked(images, nine.train_labels)}
        data = Dataset(**{**vars(nine), **both})
        monkeypatch.setattr(runs, "load_dataset", lambda name, image_size, data=data: data)
        with pytest.raises(RunError, match=rf"{shape[0]}x{shape[1]} pixels.*image_size to 8"):
            runs.run_workbook(GIVEN, "a")
    assert not tiny.started(small)


def test_more_images_than_the_memory_holds_are_refused(small, monkeypatch, fault):
    fault("images that do not fit in memory, in a batch and altogether", 2)
    nine = tiny.nine_images()  # 9 + 9 images of 8 x 8 x 3 floats: 13,824 bytes
    step = 4 * 112 * 64 * 9
    for memory, batch in ((13_000, 1), (13_824 + step - 1, 128)):
        monkeypatch.setattr(preflight, "available_memory", lambda memory=memory: memory)
        with pytest.raises(RunError, match=r"18 images of 8x8 pixels .*of memory are available"):
            preflight.check_data(nine, {"batch_size": batch})
    for enough in (13_824 + step, None):
        monkeypatch.setattr(preflight, "available_memory", lambda memory=enough: memory)
        preflight.check_data(nine, {"batch_size": 128})


def test_a_disk_that_is_almost_full_is_told_of(small, monkeypatch, fault):
    fault("disk almost full at the start", 2)
    usage = SimpleNamespace(total=10**9, used=0, free=10**7)
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(RunError, match=r"10 MiB are free on the disk of .*a; a run needs 200"):
        runs.run_workbook(GIVEN, "a")
    with pytest.raises(RunError, match="10 MiB are free"):
        run_sweep(tiny.sweep_file(small), Cluster(scheduler="tcp://nobody:1"))
    assert not tiny.started(small)


def test_released_corruptions_of_other_images_are_refused(tmp_path, fault):
    fault("cifar10c_dir: absent, incomplete, of other images", 3)
    labels, images = np.arange(10) % 2, np.zeros((10, 32, 32, 3), np.uint8)
    data = Dataset("x", images, labels, Locked(images, labels), ("a", "b"), "x", "", "f00d")
    given = {"cifar10c_dir": str(tmp_path / "c")}
    given |= {"seen_corruptions": "noise", "held_out_corruptions": "saturate"}
    with pytest.raises(DataError, match="is not a folder"):
        preflight.check_data(data, given)
    (tmp_path / "c").mkdir()
    with pytest.raises(DataError, match=r"has no labels\.npy"):
        preflight.check_data(data, given)
    for name in (*SEEN, "saturate"):
        np.save(tmp_path / "c" / f"{name}.npy", np.zeros((50, 32, 32, 3), np.uint8))
    np.save(tmp_path / "c" / "labels.npy", np.tile(labels, 5))
    preflight.check_data(data, given)
    for other in (1 - labels, np.roll(labels, 1)):
        np.save(tmp_path / "c" / "labels.npy", np.tile(other, 5))
        with pytest.raises(RunError, match="was not made from the test images of x"):
            preflight.check_data(data, given)
    pictures = Locked(np.zeros((10, 48, 48, 3), np.uint8), labels)
    larger = Dataset(**{**vars(data), "test": pictures})
    np.save(tmp_path / "c" / "labels.npy", np.tile(labels, 5))
    with pytest.raises(RunError, match="was not made from the test images"):
        preflight.check_data(larger, given)


@pytest.mark.parametrize("name", ["a\nb", "a\0b", "x" * 61, "\udce9", "a\x1bb"])
def test_names_that_no_folder_should_have(small, name, fault):
    fault("name of a run that cannot be a folder's everywhere")
    with pytest.raises(RunError, match=r"NAME is .*give one plain folder name"):
        runs.run_workbook(GIVEN, name)
    assert not (small / "runs").exists()


def test_a_lock_that_cannot_be_written_is_named(small, fault):
    fault("lock in the way")
    (small / "runs" / ".a.lock").mkdir(parents=True)
    with pytest.raises(RunError, match=r"The lock .*\.a\.lock cannot be written"):
        runs.run_workbook(GIVEN, "a")


def test_no_lesson_deletes_anything():
    for path in place.lesson_paths():
        for source in chain.inspected(Path(path)).sources:
            for word in ("rmtree", "unlink", "rmdir", "os.remove"):
                assert word not in source, path.name
