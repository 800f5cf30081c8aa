"""Sweeps: which runs a file asks for, what is refused, what is skipped, and the report."""

import csv
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import small_workbook as tiny
import yaml

from tta_helpers.workbook import clusters, place, runs, sweep_files, sweep_report, sweeping, sweeps
from tta_helpers.workbook.clusters import Cluster
from tta_helpers.workbook.place import RunError
from tta_helpers.workbook.sweep_files import read_sweep
from tta_helpers.workbook.sweeping import run_sweep

REPOSITORY = Path(__file__).parents[1]


def combinations(path):
    sweep = read_sweep(path)
    return [tuple(given[name] for name in sweep.varied) for given in sweep.combinations]


def test_lists_are_crossed_and_zipped(small):
    crossed = tiny.sweep_file(small, cross={"seed": [1, 2], "copies": [3, 4]})
    assert combinations(crossed) == [(3, 1), (3, 2), (4, 1), (4, 2)]  # names come sorted by YAML
    both = tiny.sweep_file(small, cross={"seed": [1, 2]}, zip={"copies": [3, 4], "rate": [0.5, 1]})
    assert combinations(both) == [(1, 3, 0.5), (1, 4, 1), (2, 3, 0.5), (2, 4, 1)]
    fixed = tiny.sweep_file(small, fixed={"copies": 9}, tier="small")
    (given,) = read_sweep(fixed).combinations
    assert given == {"dataset": "auto", "pause": 0.0, "copies": 9}


REFUSED = {
    "unknown parameter": ({"cross": {"coppies": [1]}}, "parameter coppies. Known: copies, dataset"),
    "wrong type": ({"cross": {"copies": [1, "two"]}}, r"copies is 'two' \(str\); it takes int"),
    "wrong type, fixed": ({"fixed": {"rate": "fast"}}, "rate is 'fast'"),
    "empty list": ({"cross": {"seed": []}}, r"seed is \[\]; give a list of one value or more"),
    "no list": ({"zip": {"seed": 3}}, "seed is 3; give a list"),
    "unequal lists": ({"zip": {"seed": [1], "copies": [1, 2]}}, "unequal lengths"),
    "a value twice": ({"cross": {"seed": [4, 5, 4]}}, "seed lists 4 twice"),
    "a run twice": ({"zip": {"seed": [4, 4], "copies": [1, 1]}}, "the same run twice"),
    "a name twice": ({"fixed": {"seed": 1}, "cross": {"seed": [1]}}, "seed stands in more than"),
    "unknown notebook": ({"notebooks": "02_two"}, "'02_two' is none of 01_one"),
    "no notebook": ({"notebooks": []}, r"notebooks is \[\]"),
    "notebook twice": ({"notebooks": ["01_one", "01_one"]}, "'01_one' is listed twice"),
    "unknown tier": ({"tier": "huge"}, "no tier 'huge'; choose one of: lesson, small"),
    "unknown section": ({"crossed": {}}, "unknown section crossed"),
    "no mapping": ({"cross": ["seed"]}, r"cross is \['seed'\]; give names with their values"),
    "nested notebooks": ({"notebooks": [["01_one"]]}, r"the notebook \['01_one'\] is none of"),
    "tier of another kind": ({"tier": ["lesson"]}, r"tier is \['lesson'\]; give one name"),
    "whole numbers and fractions": ({"cross": {"rate": [1, 1.0]}}, r"rate lists 1.0 twice"),
    "not a number": ({"fixed": {"rate": float("nan")}}, "rate is nan; it must be a finite number"),
    "names that are numbers": ({"cross": {1: [2]}}, "give names with their values"),
    "too many": ({"cross": {n: list(range(1, 500)) for n in ("seed", "copies")}}, "249,001 runs"),
    "own folder": ({"cross": {"run_dir": ["a"]}}, "run_dir is set for each run"),
}


@pytest.mark.parametrize("content", REFUSED)
def test_a_bad_file_starts_nothing(small, content, fault):
    fault(f"sweep file: {content}")
    content, message = REFUSED[content]
    with pytest.raises(RunError, match=message):
        run_sweep(tiny.sweep_file(small, **content), Cluster(scheduler="tcp://nobody:1"))
    assert not tiny.started(small)


@pytest.mark.parametrize("text", ["a: [", "- 1", "\xff\x00", "fixed: {seed: 1, seed: 2}"])
def test_what_is_no_sweep_file_is_named(small, text):
    (small / "bad.yml").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match=r"bad\.yml"):
        read_sweep(small / "bad.yml")
    with pytest.raises(RunError, match=r"absent\.yml cannot be read"):
        read_sweep(small / "absent.yml")


def test_finished_runs_are_skipped_and_changed_ones_made_anew(small, scheduler, fault, capsys):
    fault("notebook edited between runs")
    where = Cluster(scheduler=scheduler)
    first = tiny.sweep_file(small, cross={"seed": [1, 2]}, fixed={"copies": 3})
    assert run_sweep(first, where) == 0
    assert sorted(tiny.started(small)) == ["1 3 ", "2 3 "]
    assert tiny.results(small) == [(1, 3), (2, 3)]
    output = capsys.readouterr().out
    assert "[2/2] seed=" in output and "2 of 2 runs are finished" in output
    assert run_sweep(first, where) == 0
    assert len(tiny.started(small)) == 2
    assert "2 runs, 2 of them finished already" in capsys.readouterr().out
    more = tiny.sweep_file(small, cross={"seed": [1, 2, 3]}, fixed={"copies": 3})
    run_sweep(more, where)  # only what is new
    assert tiny.started(small)[2:] == ["3 3 "]
    notebook = small / "notebooks" / "01_one.ipynb"
    notebook.write_text(notebook.read_text().replace("time.sleep(pause)", "time.sleep(pause )"))
    run_sweep(more, where)  # the code changed
    assert sorted(tiny.started(small)[3:]) == ["1 3 ", "2 3 ", "3 3 "]


def test_a_failing_run_is_isolated_retried_and_reported(small, scheduler, capsys):
    (small / "faults" / "1").write_text("error")
    (small / "faults" / "2").write_text("error error")
    path = tiny.sweep_file(small, cross={"seed": [0, 1, 2]})
    assert run_sweep(path, Cluster(scheduler=scheduler)) == 1
    assert tiny.results(small) == [(0, 7), (1, 7)]
    assert sorted(tiny.started(small)).count("2 7 error") == 2
    told = (small / "runs" / "many" / "failures.txt").read_text(encoding="utf-8")
    assert told in capsys.readouterr().out
    assert "seed=2 failed twice:\n01_one stopped in cell 4: RuntimeError: unlucky seed 2" in told
    assert '----> 9     raise RuntimeError(f"unlucky seed {seed}")' in told and "\x1b" not in told
    assert run_sweep(path, Cluster(scheduler=scheduler)) == 0
    assert not (small / "runs" / "many" / "failures.txt").exists()


def test_failures_are_told_of_before_the_disk_is_found_full(tmp_path, monkeypatch, capsys, fault):
    fault("disk full when the failures of a sweep are written")

    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(sweeping, "write_whole", full)
    with pytest.raises(OSError, match="No space left"):
        sweeping._write_failures(tmp_path, {"seed=1": "it broke"})
    assert "seed=1 failed twice:\nit broke" in capsys.readouterr().out


def test_a_chain_shares_a_folder_and_resumes_in_the_middle(tmp_path, monkeypatch, scheduler):
    folder = tiny.build(tmp_path / "two", ("01_one", "02_two"))
    tiny.enter(folder, monkeypatch.setattr)
    path = tiny.sweep_file(folder, notebooks="all", fixed={"seed": 5})
    run_sweep(path, Cluster(scheduler=scheduler))
    (run,) = [p for p in (folder / "runs" / "many").iterdir() if p.is_dir() and p.name[0] != "."]
    assert {"01_one.json", "02_two.json", "01_one.ipynb", "02_two.ipynb"} <= set(os.listdir(run))
    (run / "02_two.json").unlink()
    run_sweep(path, Cluster(scheduler=scheduler))
    assert len(tiny.started(folder)) == 3  # the first of the two was not run again
    assert (run / "02_two.json").is_file()


def test_the_folder_of_make_run_is_refused(small):
    runs.run_workbook({"dataset": "auto"}, "many")
    with pytest.raises(RunError, match="holds the results of `make run`"):
        run_sweep(tiny.sweep_file(small), Cluster(scheduler="tcp://nobody:1"))


def test_one_folder_named_twice_is_one_run(small, tmp_path, fault):
    fault("folder of data listed twice, by two names")
    (tmp_path / "photos").mkdir()
    (tmp_path / "same").symlink_to(tmp_path / "photos")
    names = [str(tmp_path / "photos"), str(tmp_path / "same")]
    with pytest.raises(RunError, match=r"dataset lists .* twice"):
        read_sweep(tiny.sweep_file(small, cross={"dataset": names}))


def test_the_report_leaves_out_runs_without_the_measure(small, scheduler, report, fault):
    fault("run whose record lacks the measure")
    path = small / "notebooks" / "01_one.ipynb"
    notebook = nbformat.read(path, as_version=4)
    last = notebook.cells[-1]
    without = "if seed == 1:\n    del record['headline']['gain'], record['metrics']['curve'][2]\n"
    last.source = last.source.replace("(workbook / run_dir", without + "(workbook / run_dir", 1)
    nbformat.write(notebook, path)
    shown = {"curve": "curve", "reference": "", "beside": ""}
    path = tiny.sweep_file(small, cross={"seed": [0, 1, 2]}, report=shown)
    assert run_sweep(path, Cluster(scheduler=scheduler)) == 0
    assert sweeps.main(["report", "many"]) == 0
    ran = nbformat.read(small / "runs/many" / report, as_version=4)
    outputs = [output for cell in ran.cells for output in cell.get("outputs", [])]
    assert "1 of 3 runs have no gain and are left out.\n" in [o.get("text") for o in outputs]
    shown = "\n".join(o.get("data", {}).get("text/markdown", "") for o in outputs)
    assert "| all runs | 2 | 50.00 [50.00, 50.00] |" in shown


def test_numbers_are_found_however_deep():
    nested = {"a": 1, "b": {"c": [2.5, 3], "d": "text", "e": None}, "f": [{"n": 4}, {"n": 5}]}
    assert list(sweeps.numbers(nested)) == [
        ("a", 0, 1.0),
        ("b.c", 0, 2.5),
        ("b.c", 1, 3.0),
        ("f.n", 0, 4.0),
        ("f.n", 1, 5.0),
    ]
    assert list(sweeps.numbers({"m": [[1, 2], [3]]})) == [("m", 0, 1), ("m", 1, 2), ("m", 2, 3)]


@pytest.fixture
def report(small):
    """The report's name, with the report and the package that its kernel takes in the workbook."""
    name = f"{sweep_files.REPORT}.ipynb"
    shutil.copy(REPOSITORY / "notebooks" / name, small / "notebooks")
    shutil.copytree(REPOSITORY / "tta_helpers", small / "tta_helpers")
    return name


def test_the_report_gathers_and_draws_whatever_varied(small, scheduler, report, capsys):
    lists = {"seed": [0, 1, 2], "copies": [1, 3]}
    path = tiny.sweep_file(
        small, cross=lists, report={"curve": "curve", "reference": "", "beside": ""}
    )
    run_sweep(path, Cluster(scheduler=scheduler))
    (record,) = [
        p
        for p in (small / "runs/many").glob("*/01_one.json")
        if '"seed": 2, "copies": 3' in p.read_text()
    ]
    record.write_text("{}")  # a result that was changed is left out
    assert sweeps.main(["report", "many"]) == 0
    assert "5 of 6 runs" in capsys.readouterr().out
    with (small / "runs/many/table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    gains = {
        (int(r["seed"]), int(r["copies"])): float(r["value"]) for r in rows if r["name"] == "gain"
    }
    assert gains == {
        (0, 1): 0.01, (1, 1): 0.011, (2, 1): 0.012, (0, 3): 0.03, (1, 3): 0.031
    }  # fmt: skip
    ran = nbformat.read(small / "runs/many" / report, as_version=4)
    outputs = [output for cell in ran.cells for output in cell.get("outputs", [])]
    shown = "\n".join(o.get("data", {}).get("text/markdown", "") for o in outputs)
    # By hand: mean of 1.0, 1.1 and 1.2 is 1.1; t(0.975, 2) * 0.1 / sqrt(3) = 0.248.
    assert (
        "| copies = 1 | 3 | 50.00 [50.00, 50.00] | 51.00 [51.00, 51.00] | 1.10 [0.85, 1.35] |"
        in shown
    )
    assert sum("image/png" in o.get("data", {}) for o in outputs) == 4
    assert not any(o.get("name") == "stderr" for o in outputs)


def test_publishing_puts_the_gist_of_a_report_into_its_page(small):
    told = [
        nbformat.v4.new_output("stream", text="two runs\nof one\n"),
        nbformat.v4.new_output("display_data", data={"image/png": "cG5n", "text/plain": "figure"}),
        nbformat.v4.new_output("display_data", data={"text/markdown": "**so**", "text/plain": "-"}),
        nbformat.v4.new_output("stream", text="not for the readme"),
    ]
    cells = [nbformat.v4.new_code_cell(str(k), metadata={"tags": ["readme"]}) for k in range(3)]
    cells.append(nbformat.v4.new_code_cell("k = 3", metadata={"tags": ["parameters"]}))
    report = nbformat.v4.new_notebook(cells=cells)
    report.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    name = f"{sweep_files.REPORT}.ipynb"
    nbformat.write(report, small / "notebooks" / name)
    for cell, output in zip(report.cells, told, strict=True):
        cell.outputs = [output]
    (small / "runs" / "many").mkdir(parents=True)
    nbformat.write(report, small / "runs" / "many" / name)
    marks = "<!-- sweep: -->\n", "<!-- end of sweep -->\n"
    page = small / "docs" / "sweeps.md"
    page.parent.mkdir()
    page.write_text("a\n" + "old\n".join(marks))
    sweeps.publish("many")
    gist = "two runs\n\nof one\n\n![What the sweep found](../notebooks/sweep.png)\n\n**so**\n"
    assert page.read_text() == "a\n" + gist.join(marks)
    assert (small / "notebooks" / "sweep.png").read_bytes() == b"png"
    committed = nbformat.read(small / "notebooks" / name, as_version=4)
    assert [cell.outputs for cell in committed.cells] == [[output] for output in told]


def test_a_report_that_cannot_be_published_leaves_everything(small, report, fault):
    fault("page without the place for a sweep")
    notebook = nbformat.read(small / "notebooks" / report, as_version=4)
    figure = nbformat.v4.new_output("display_data", data={"image/png": "cG5n"})
    next(c for c in notebook.cells if "readme" in c.metadata.get("tags", [])).outputs = [figure]
    (small / "runs" / "many").mkdir(parents=True)
    nbformat.write(notebook, small / "runs" / "many" / report)
    (small / "docs").mkdir()
    (small / "docs" / "sweeps.md").write_text("no marks")
    before = {p: p.read_bytes() for p in small.rglob("*") if p.is_file()}
    with pytest.raises(RunError, match="lacks the comments"):
        sweep_report.publish("many")
    assert {p: p.read_bytes() for p in small.rglob("*") if p.is_file()} == before


def test_a_report_without_runs_says_what_to_do(small, capsys):
    assert sweeps.main(["report", "many"]) == 1
    assert "run the sweep first" in capsys.readouterr().err


def test_an_absent_scheduler_is_named(small, monkeypatch, capsys):
    path = tiny.sweep_file(small)
    assert sweeps.main(["run", str(path), "--scheduler", "nonsense://x"]) == 1
    assert "No Dask scheduler answers at 'nonsense://x'" in capsys.readouterr().err
    assert sweeps.main(["run", str(path), "--workers", "-1"]) == 1
    assert "workers is -1" in capsys.readouterr().err


SLURM = {
    "jobs": 2,
    "queue": "gpu",
    "account": "course",
    "memory": "16GB",
    "walltime": "04:00:00",
    "job_extra_directives": ["--gpus=1"],
}


@pytest.fixture
def slurm(small, tmp_path, monkeypatch):
    """Settings for Slurm, and stand-ins for its two commands that run jobs on this machine."""
    commands = tmp_path / "bin"
    commands.mkdir()
    scripts = {
        "sbatch": f'cp "$1" "{tmp_path}/job.sh"\n'
        # The copy, as Slurm does: the file itself is deleted as soon as this command ends.
        f'sh "{tmp_path}/job.sh" > "{tmp_path}/job.log" 2>&1 &\n'
        "echo Submitted batch job $!\n",
        "scancel": 'kill "$@" 2> /dev/null || true\n',
    }
    for name, body in scripts.items():
        (commands / name).write_text(f"#!/bin/sh\n{body}")
        (commands / name).chmod(0o755 | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    path = tmp_path / "slurm.yml"
    path.write_text(yaml.safe_dump({**SLURM, "jobs": 1, "interface": "lo"}))
    return path


def test_slurm_jobs_ask_for_what_the_file_says_and_run_the_sweep(small, slurm, tmp_path):
    path = tiny.sweep_file(small, cross={"seed": [1, 2]})
    assert run_sweep(path, Cluster(slurm=str(slurm))) == 0
    assert tiny.results(small) == [(1, 7), (2, 7)]
    job = (tmp_path / "job.sh").read_text()
    for line in ("-p gpu", "-A course", "--cpus-per-task=1", "-t 04:00:00", "--gpus=1"):
        assert f"#SBATCH {line}\n" in job
    assert "#SBATCH --mem=15G\n" in job  # 16 GB in the units of Slurm
    assert f"{sys.executable} -m distributed.cli.dask_worker" in job and "--nthreads 1" in job


def test_slurm_settings_are_checked(small, tmp_path, monkeypatch):
    path = tmp_path / "slurm.yml"
    for changed, message in (
        ({"jobs": 0}, "jobs is 0"),
        ({"memori": "1GB"}, "memori"),
        ({"memory": None}, "memory"),
    ):
        path.write_text(yaml.safe_dump({**SLURM, **changed}))
        with pytest.raises(RunError, match=f"refused.*{message}"):
            clusters.slurm_cluster(path)
    with pytest.raises(RunError, match=r"absent\.yml are refused"):
        clusters.slurm_cluster(tmp_path / "absent.yml")
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(RunError, match=r"pip install 'tta-workbook\[slurm\]'"):
        clusters.slurm_cluster(path)


def test_every_sweep_file_of_the_workbook_is_sound():
    files = sorted((place.ROOT / "sweeps").glob("*.yml"))
    assert files
    for path in files:
        assert read_sweep(path).combinations


def test_the_committed_report_is_whole_and_says_what_it_shows():
    notebook = nbformat.read(place.notebooks() / f"{sweep_files.REPORT}.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not any(o.output_type == "error" or o.get("name") == "stderr" for o in outputs)


def test_the_shell_commands_of_make(small):
    """`make -n` shows what would run: no data set unless one is asked for, and the sweep's name."""

    def show(*arguments):
        command = ["make", "-n", "-o", ".venv/ready", *arguments]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
        return done.stdout

    assert "--dataset" not in show("run")
    assert '--dataset "sample"' in show("run", "DATASET=sample")
    swept = show("sweep", "SWEEP=sweeps/my.yml", "OPTIONS=--workers 3")
    assert 'run "sweeps/my.yml" --workers 3' in swept and 'report "my"' in swept
    lab = show("lab")
    assert "jupyter lab" in lab and "token" not in lab and "--ip" not in lab


def test_json_of_the_manifest_keeps_the_order_of_runs(small, scheduler):
    run_sweep(tiny.sweep_file(small, cross={"seed": [3, 1, 2]}), Cluster(scheduler=scheduler))
    manifest = json.loads((small / "runs/many/sweep.json").read_text())
    assert [values["seed"] for values in manifest["runs"].values()] == [3, 1, 2]
