"""Running notebooks: parameters, resuming, failing, records and the published tables."""

import json
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import small_workbook
import yaml

from tta_helpers.workbook import chain, parameters, place, publishing, runs
from tta_helpers.workbook.data import DataError, Dataset, Locked, load_cells
from tta_helpers.workbook.place import RunError
from tta_helpers.workbook.records import price_table

CODE = """\
import json
from pathlib import Path
Path(log).open("a").write("one ")
record = {
    "notebook": "01_one",
    "headline": {"baseline": 0.5, "tta": 0.52, "gain": 0.02, "low": 0.01, "high": 0.03},
    "seconds": {"all": 1.2},
    "dataset": {"provenance": "Nine images made for a test."},
    "python": "3", "versions": {"keras": "3", "jax": "1"}, "backend": "jax",
    "devices": ["cpu:0"], "machine": "a test"}
(Path("..") / run_dir / "01_one.json").write_text(json.dumps(record))
if copies == 13:
    raise RuntimeError("unlucky")
"""


@pytest.fixture
def workbook(tmp_path, monkeypatch):
    """A workbook of one small notebook, outside the real one."""
    (tmp_path / "notebooks" / "tiers").mkdir(parents=True)
    declared = 'dataset = "auto"\nrun_dir = "runs/lesson"\ncopies = 7\nrate = 0.5\nlog = ""\n'
    cell = nbformat.v4.new_code_cell(declared, metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell(CODE)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    path = tmp_path / "notebooks" / "01_one.ipynb"
    nbformat.write(notebook, path)
    small_workbook.enter(tmp_path, monkeypatch.setattr)
    data = small_workbook.nine_images()
    return SimpleNamespace(root=tmp_path, path=path, log=tmp_path / "log.txt", data=data)


def injected(path):
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if "injected-parameters" in cell.metadata.get("tags", [])]


def ran(workbook):
    return workbook.log.read_text().count("one") if workbook.log.exists() else 0


def test_parameters_are_strict(workbook):
    paths = [workbook.path]
    assert parameters.checked_for({"copies": 9, "rate": 1}, paths)[workbook.path]["copies"] == 9
    with pytest.raises(RunError, match=r"Unknown parameter coppies. Known: copies, dataset"):
        parameters.checked_for({"coppies": 9}, paths)
    for name, value in (("copies", "9"), ("copies", True), ("copies", 9.0), ("rate", "fast")):
        with pytest.raises(RunError, match=f"{name} is .*it takes"):
            parameters.checked_for({name: value}, paths)


def test_second_run_skips_and_changes_run_again(workbook, monkeypatch, capsys):
    given = {"dataset": "auto", "copies": 9, "log": str(workbook.log)}
    runs.run_workbook(given, "a")
    assert ran(workbook) == 1
    folder = workbook.root / "runs" / "a"
    found = {path.name for path in folder.iterdir()}
    assert found == {"01_one.ipynb", "01_one.json", "finished.json", "summary.md"}
    assert "+2.00 [+1.00, +3.00]" in capsys.readouterr().out
    runs.run_workbook(given, "a")
    assert ran(workbook) == 1
    assert "up to date" in capsys.readouterr().out

    runs.run_workbook({**given, "copies": 5}, "a")  # a parameter changed
    assert ran(workbook) == 2
    changed = Dataset(**{**vars(workbook.data), "fingerprint": "beef"})
    monkeypatch.setattr(runs, "load_dataset", lambda name, image_size: changed)
    runs.run_workbook({**given, "copies": 5}, "a")  # the data changed
    assert ran(workbook) == 3
    notebook = nbformat.read(workbook.path, as_version=4)
    notebook.cells[1].source += "\n# changed"
    nbformat.write(notebook, workbook.path)
    runs.run_workbook({**given, "copies": 5}, "a")  # the code changed
    assert ran(workbook) == 4
    (folder / "01_one.json").unlink()
    runs.run_workbook({**given, "copies": 5}, "a")  # the result is gone
    assert ran(workbook) == 5
    (folder / "01_one.json").write_text("{}")
    runs.run_workbook({**given, "copies": 5}, "a")  # the result is another's
    assert ran(workbook) == 6


def test_a_failing_notebook_leaves_the_last_good_one(workbook):
    given = {"dataset": "auto", "copies": 9, "log": str(workbook.log)}
    runs.run_workbook(given, "a")
    folder = workbook.root / "runs" / "a"
    good = (folder / "01_one.ipynb").read_bytes()
    with pytest.raises(RunError, match="RuntimeError: unlucky"):
        runs.run_workbook({**given, "copies": 13}, "a")
    assert (folder / "01_one.ipynb").read_bytes() == good
    assert (folder / "01_one.failed.ipynb").is_file()
    runs.run_workbook({**given, "copies": 11}, "a")
    assert not (folder / "01_one.failed.ipynb").exists()
    assert not list(folder.glob("*.partial")) and not list(folder.glob(".*"))


def test_one_line_a_notebook_where_the_output_is_no_terminal(workbook, capsys):
    runs.run_workbook({"dataset": "auto", "log": str(workbook.log)}, "a")
    told, errors = capsys.readouterr()
    assert re.search(r"^01_one: \d+ s$", told, re.M)
    assert "\r" not in told and errors == ""


def test_the_time_left_follows_the_committed_runs(workbook, monkeypatch):
    paths = [workbook.path.with_name(f"0{k}.ipynb") for k in range(3)]
    committed = dict(zip(paths, (10.0, 30.0, 200.0), strict=True))
    now = iter([0.0, 5.0, 25.0, 90.0])  # half the committed time, then two thirds
    monkeypatch.setattr(chain, "inspected", lambda path: SimpleNamespace(seconds=committed[path]))
    monkeypatch.setattr(chain.time, "perf_counter", lambda: next(now))
    clock = chain._Clock(paths)
    assert clock.label(paths[0]) == "00"
    assert clock.done(paths[0]) == "00: 5 s, about 2 min to go"  # 5 / 10 x 230 s
    assert clock.label(paths[1]) == "01, about 2 min to go"
    assert clock.done(paths[1]) == "01: 20 s, about 2 min to go"  # 25 / 40 x 200 s
    assert clock.done(paths[2]) == "02: 65 s"


def test_kernels_are_of_this_interpreter_and_package(workbook, tmp_path, monkeypatch):
    foreign = tmp_path / "jupyter" / "kernels" / "python3"
    foreign.mkdir(parents=True)
    spec = {"argv": ["/bin/false"], "display_name": "another's", "language": "python"}
    (foreign / "kernel.json").write_text(json.dumps(spec))
    for there in (workbook.root, tmp_path / "elsewhere"):
        (there / "tta_helpers").mkdir(parents=True)
        (there / "tta_helpers" / "__init__.py").write_text("")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "elsewhere"))
    notebook = nbformat.read(workbook.path, as_version=4)
    says = "import sys\nfrom importlib.util import find_spec\n"
    says += "print(sys.executable, find_spec('tta_helpers').origin)"
    notebook.cells.append(nbformat.v4.new_code_cell(says))
    nbformat.write(notebook, workbook.path)
    runs.run_workbook({"dataset": "auto", "log": str(workbook.log)}, "a")
    ran = nbformat.read(workbook.root / "runs" / "a" / "01_one.ipynb", as_version=4)
    own = str(workbook.root / "tta_helpers" / "__init__.py")
    assert ran.cells[-1].outputs[0].text.split() == [sys.executable, own]


def test_too_few_images_are_refused_before_a_kernel_starts(workbook, monkeypatch):
    notebook = nbformat.read(workbook.path, as_version=4)
    notebook.cells[0].source += "n_test = 0\n"
    nbformat.write(notebook, workbook.path)
    labels = np.arange(30) % 10
    ten_classes = Locked(np.zeros((30, 1, 1, 3), np.uint8), labels)
    data = Dataset(**{**vars(workbook.data), "test": ten_classes})
    monkeypatch.setattr(runs, "load_dataset", lambda name, image_size: data)
    with pytest.raises(DataError, match=r"n_test is 9, too few for 10 classes"):
        runs.run_workbook({"dataset": "auto", "n_test": 9, "log": str(workbook.log)}, "a")
    assert ran(workbook) == 0


def test_a_lesson_does_not_import_what_executes_lessons():
    code = "import sys; from tta_helpers.workbook import runs; print('nbformat' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=place.ROOT
    )
    assert done.stdout == "False\n", done.stderr


def test_a_notebook_that_leaves_no_record_has_failed(workbook):
    notebook = nbformat.read(workbook.path, as_version=4)
    notebook.cells[1].source = "1 + 1"
    nbformat.write(notebook, workbook.path)
    for _ in range(2):  # it is not taken for up to date either
        with pytest.raises(RunError, match=r"left no record 01_one.json"):
            runs.run_workbook({"dataset": "auto"}, "a")


def test_names_and_tiers_are_checked(workbook):
    for name in ("", "..", "a/b", ".hidden"):
        with pytest.raises(RunError, match="NAME is"):
            runs.run_workbook({"dataset": "auto"}, name)
    with pytest.raises(RunError, match="no tier 'huge'"):
        parameters.load_tier("huge")


def test_record_is_whole_or_absent(workbook):
    values = {"dataset": "auto", "run_dir": "runs/x", "copies": 7, "rate": 0.5, "log": ""}
    record = runs.Record("01_one", "runs/x", values, workbook.data)
    record.section("think")
    with pytest.raises(AttributeError):
        record.save({}, {"what": object()})
    assert not list((workbook.root / "runs" / "x").iterdir())
    about = "one network, test images"
    record.save({"baseline": np.float32(0.5)}, {"curve": np.arange(3)}, about=about)
    saved = runs.read_record("runs/x", "01_one")
    assert saved["parameters"] == {"dataset": "auto", "copies": 7, "rate": 0.5, "log": ""}
    assert (saved["headline"], saved["metrics"]) == ({"baseline": 0.5}, {"curve": [0, 1, 2]})
    assert "| 01_one | one network, test images | 50.00 % | - |" in runs.summary_table([saved])
    assert set(saved["seconds"]) == {"set-up", "think"}
    assert saved["test_set_opened"] == []
    assert saved["dataset"]["fingerprint"] == "f00d"
    assert saved["versions"]["keras"] and saved["devices"]
    with pytest.raises(RunError, match="run notebook 02_two first"):
        runs.read_record("runs/x", "02_two")


def test_a_record_without_sections_counts_from_the_beginning(workbook):
    values = {"dataset": "auto", "run_dir": "runs/x", "copies": 7, "rate": 0.5, "log": ""}
    runs.begin("01_one", values)
    time.sleep(0.3)
    workbook.data.test.open("confirm")
    runs.Record("01_one", "runs/x", values, workbook.data).save({}, {})
    saved = runs.read_record("runs/x", "01_one")
    assert set(saved["seconds"]) == {"all"} and 0.3 <= saved["seconds"]["all"] < 30
    assert [one["purpose"] for one in saved["test_set_opened"]] == ["confirm"]


def test_a_record_of_several_sets_names_them_all(workbook, monkeypatch):
    monkeypatch.delenv("CELLS_DIR", raising=False)
    sets = tuple(load_cells("scenes", n_scenes=(n, 1, 1)) for n in (1, 2))
    for some in sets[::-1]:
        some.test.open(f"count {len(some.train)}")
    values = {"dataset": "auto", "run_dir": "runs/x", "copies": 7, "rate": 0.5, "log": ""}
    runs.Record("01_one", "runs/x", values, sets).save({}, {})
    saved = runs.read_record("runs/x", "01_one")
    told = [saved["dataset"], *saved["more_datasets"]]
    assert [one["fingerprint"] for one in told] == [some.fingerprint for some in sets]
    assert [one["purpose"] for one in saved["test_set_opened"]] == ["count 1", "count 2"]
    summary = runs.summary_table([saved])
    assert all(some.provenance in summary for some in sets)


def test_prices_are_told_with_their_range():
    costs = {  # in an order of their own, for a notebook's record is sorted by letters
        "flip": {"32": [3], "1000": [2]},
        "one, guarded": {"32": [2, 1], "1000": [1.1, 0.9, 1.04]},
    }
    record = {"notebook": "04_one", "metrics": {"cost_in_passes": costs}}
    assert price_table(record).split("\n") == [
        "| passes, 04_one | batch 1,000 | batch 32 |",
        "|---|---|---|",
        "| one, guarded | 1.04 (0.90 to 1.10) | 1.50 (1.00 to 2.00) |",
        "| flip | 2.00 (2.00 to 2.00) | 3.00 (3.00 to 3.00) |",
    ]


def test_timings_are_told_with_their_range_and_digits_as_asked():
    assert runs.median_and_range([4.04, 1.96, 3]) == "3.00 (1.96 to 4.04)"
    assert runs.median_and_range(np.float32([4.04, 1.96]), digits=1) == "3.0 (2.0 to 4.0)"


def test_models_of_other_images_are_refused(workbook, capsys):
    with pytest.raises(RunError, match="run notebook 01_one first"):
        runs.require("runs/x", "01_one", workbook.data)
    values = {"dataset": "auto", "run_dir": "runs/x", "copies": 7, "rate": 0.5, "log": ""}
    runs.Record("01_one", "runs/x", values, workbook.data).save({}, {})
    runs.announce(workbook.data, "runs/x", "01_one")
    assert capsys.readouterr().out == "Nine images made for a test.\n"
    other = Dataset(**{**vars(workbook.data), "fingerprint": "beef", "provenance": "Ten others."})
    with pytest.raises(RunError, match=r"Then: Nine images.*\nNow: Ten others"):
        runs.require("runs/x", "01_one", other)


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    runs.write_whole(tmp_path / "result.json", "old")

    def refuse(*_):
        raise OSError("disk full")

    monkeypatch.setattr(place.os, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        runs.write_whole(tmp_path / "result.json", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]
    assert (tmp_path / "result.json").read_text() == "old"


def test_arrays_come_back_and_a_failed_write_keeps_them(tmp_path, monkeypatch):
    path = tmp_path / "arrays.npz"
    weights, names = np.arange(6, dtype=np.float32).reshape(2, 3), np.array(["flip", "crop"])
    runs.save_arrays(path, weights=weights, names=names, plain=[3, 1])

    def refuse(*_):
        raise OSError("disk full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr(place.os, "replace", refuse)
        runs.save_arrays(path, weights=weights + 1)
    assert [p.name for p in tmp_path.iterdir()] == ["arrays.npz"]
    with np.load(path) as saved:
        assert set(saved) == {"weights", "names", "plain"}
        assert saved["weights"].dtype == np.float32
        np.testing.assert_array_equal(saved["weights"], weights)
        assert (saved["names"].tolist(), saved["plain"].tolist()) == (["flip", "crop"], [3, 1])
    runs.save_arrays(path, weights=weights + 1)
    with np.load(path) as saved:
        assert set(saved) == {"weights"}
        np.testing.assert_array_equal(saved["weights"], weights + 1)


def test_command_line_reports_plainly(workbook, capsys):
    assert runs.main(["run", "--tier", "huge"]) == 1
    assert capsys.readouterr().err.startswith("error: There is no tier 'huge'")
    (workbook.root / "notebooks" / "tiers" / "small.yml").write_text("dataset: auto\ncopies: 3\n")
    assert runs.main(["run", "--tier", "small", "-p", "copies", "many"]) == 1
    assert "copies is 'many' (str); it takes int, such as 7" in capsys.readouterr().err
    given = ["-p", "copies", "4", "-p", "log", str(workbook.log), "--dataset", str(workbook.root)]
    assert runs.main(["run", "--tier", "small", "--name", "b", *given]) == 0
    (cell,) = injected(workbook.root / "runs" / "b" / "01_one.ipynb")
    assert f"dataset = {str(workbook.root)!r}".replace("'", '"') in cell.source
    assert "copies = 4" in cell.source


def test_every_tier_names_known_parameters_and_lesson_is_the_default():
    paths = place.lesson_paths()
    for tier in ("smoke", "lesson", "full"):
        parameters.checked_for(parameters.load_tier(tier), paths)
    for path in paths:
        defaults = parameters.declared_parameters(path)
        lesson = parameters.checked_for(parameters.load_tier("lesson"), paths)[path]
        assert lesson == {name: defaults[name] for name in lesson}


def test_notebooks_share_the_values_of_shared_parameters():
    """A tier sets a name once for all notebooks, so their defaults must agree."""
    values = {}
    for path in place.lesson_paths():
        for name, default in parameters.declared_parameters(path).items():
            assert values.setdefault(name, default) == default, (path.name, name)


def test_committed_notebooks_and_readme_tell_the_same_results():
    notebooks = [nbformat.read(path, as_version=4) for path in place.lesson_paths()]
    for notebook in notebooks:
        nbformat.validate(notebook)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
        outputs = [output for cell in code for output in cell.outputs]
        assert not any(o.output_type == "error" or o.get("name") == "stderr" for o in outputs)
    records = [notebook.metadata["tta_result"] for notebook in notebooks]
    readme = place.ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    assert publishing.with_results(readme, records) == text
    for record in records:
        assert record["dataset"]["provenance"] in text
        assert json.dumps(record["headline"])


def test_a_page_keeps_what_stands_around_a_section(tmp_path):
    text = (
        "before\n<!-- b: by hand -->\nb\n<!-- end of b -->\n<!-- a: -->\n<!-- end of a -->\nafter\n"
    )
    page = tmp_path / "page.md"
    page.write_text(text)
    changed = publishing.with_section(page, "b", r"new \1" + "\n")
    assert changed == text.replace("\nb\n", "\n" + r"new \1" + "\n")
    page.write_text(changed)
    assert publishing.with_section(page, "b", "b\n") == text
    with pytest.raises(RunError, match=r"page\.md lacks the comments <!-- c: … -->.*put them back"):
        publishing.with_section(page, "c", "new")


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("results", "README.md"),
        ("benchmarks", "docs/benchmarks.md"),
        ("faults", "docs/faults.md"),
        ("sweep", "docs/sweeps.md"),
    ],
)
def test_there_is_a_place_for_whatever_commands_write(name, page):
    path = place.ROOT / page
    assert publishing.with_section(path, name, "new") != path.read_text(encoding="utf-8")


def test_environment_file_and_lock_name_the_same_python():
    environment = yaml.safe_load((place.ROOT / "environment.yml").read_text())
    assert {"pip": ["-r requirements.txt"]} in environment["dependencies"]


def test_published_outputs_belong_to_the_code_and_prose_may_change(tmp_path):
    cells = [nbformat.v4.new_markdown_cell("old words"), nbformat.v4.new_code_cell("1 + 1")]
    ran = nbformat.v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    (output,) = [nbformat.v4.new_output("execute_result", {"text/plain": "2"}, execution_count=1)]
    ran.cells[1].outputs, ran.cells[1].execution_count = [output], 1
    (tmp_path / "run").mkdir()
    nbformat.write(ran, tmp_path / "run" / "01_one.ipynb")
    cells[0].source, ran.cells[1].outputs = "new words", []
    committed = tmp_path / "01_one.ipynb"
    nbformat.write(ran, committed)
    taken = publishing.executed_copy(committed, tmp_path / "run")
    assert taken.cells[0].source == "new words"
    assert taken.cells[1].outputs[0].data["text/plain"] == "2"
    ran.cells[1].source = "1 + 2"
    nbformat.write(ran, committed)
    with pytest.raises(RunError, match="differs from what ran in run"):
        publishing.executed_copy(committed, tmp_path / "run")
