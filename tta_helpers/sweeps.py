"""Sweeps: many runs of notebooks with other parameters, on one machine or a cluster.

`python -m tta_helpers.sweeps --help` lists what it can do; `make sweep` calls it. Dask.distributed
places, retries and moves the runs; what is here says which runs there are and which are finished.
"""

import argparse
import base64
import csv
import importlib.util
import io
import itertools
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import keras
import nbformat
import yaml
from distributed import Client, Future, LocalCluster, as_completed
from distributed.comm import CommClosedError
from tqdm import tqdm

from tta_helpers import runs
from tta_helpers.data import load_dataset
from tta_helpers.progress import progress
from tta_helpers.runs import RunError, Step

REPORT = "90_sweep_report"
SECTIONS = ("notebooks", "tier", "fixed", "cross", "zip", "report")
PASSED_ON = ("CIFAR10_DIR", "TTA_CACHE", "KERAS_HOME", "MATPLOTLIBRC")
"""Environment variables that runs depend on; workers elsewhere get them from here."""
RETRIES = 1
DASK = {
    # A worker holds the one run that it executes: when it dies, no other is blamed for it.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.allowed-failures": 5,
}

# ---------------------------------------------------------------- what to run


@dataclass(frozen=True)
class Sweep:
    """A sweep file, read and checked.

    Attributes
    ----------
    name
        The file's name without its extension; results go to runs/<name>/.
    notebooks
        The notebooks of each run, executed in this order in one folder.
    combinations
        The parameters of each run: the tier's, then the fixed ones, then those that vary.
    varied
        Names of the parameters that vary, in the order of the file.
    report
        Parameters for the report notebook.
    """

    name: str
    notebooks: tuple[Path, ...]
    combinations: tuple[dict[str, Any], ...]
    varied: tuple[str, ...]
    report: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One run of a sweep: its folder, its steps, and the values of the varied parameters."""

    folder: Path
    steps: tuple[Step, ...]
    values: dict[str, Any]

    @property
    def label(self) -> str:
        """The varied parameters in one line."""
        return ", ".join(f"{name}={value}" for name, value in self.values.items()) or "the one run"


def read_sweep(path: str | Path) -> Sweep:
    """Read a sweep file and check every parameter of every run against the notebooks.

    Raises
    ------
    RunError
        If the file cannot be read, has a section, notebook, tier or parameter that there is not,
        a value of another type than the notebook's default, an empty list, lists to zip of unequal
        length, or the same run twice.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RunError(f"The sweep file {path} cannot be read: {error}") from error
    if not isinstance(content, dict) or set(content) - set(SECTIONS):
        odd = sorted(map(str, set(content) - set(SECTIONS))) if isinstance(content, dict) else []
        raise RunError(
            f"{path} has the unknown section {', '.join(odd)}."
            if odd
            else f"{path} is no mapping of sections."
        ) from None
    sections = {name: _mapping(content, name, path) for name in ("fixed", "cross", "zip", "report")}
    fixed, cross, zipped = sections["fixed"], sections["cross"], sections["zip"]
    varied = (*cross, *zipped)
    for name in set(cross) & set(zipped) | set(fixed) & set(varied):
        raise RunError(f"{path}: {name} stands in more than one of fixed, cross and zip.")
    for name, values in (*cross.items(), *zipped.items()):
        _check_list(path, name, values, unique=name in cross)
    lengths = {name: len(values) for name, values in zipped.items()}
    if len(set(lengths.values())) > 1:
        raise RunError(f"{path}: the lists under zip have unequal lengths: {lengths}.")
    together = list(zip(*zipped.values(), strict=True)) or [()]
    if len(together) != len(set(map(repr, together))):
        raise RunError(f"{path}: the lists under zip give the same run twice.")
    base = {**runs.load_tier(content.get("tier", "lesson")), **fixed}
    combinations = tuple(
        runs.settled({**base, **dict(zip(varied, (*crossed, *zipped_row), strict=True))})
        for crossed in itertools.product(*cross.values())
        for zipped_row in together
    )
    notebooks = _notebooks(content.get("notebooks", "all"), path)
    _check_parameters(path, notebooks, (*fixed, *varied), combinations)
    report = runs.NOTEBOOKS / f"{REPORT}.ipynb"
    if sections["report"]:
        runs.parameters_for(sections["report"], [report])
    return Sweep(path.stem, notebooks, combinations, varied, sections["report"])


def _mapping(content: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    found = content.get(name) or {}
    if not isinstance(found, dict):
        raise RunError(f"{path}: {name} is {found!r}; give names with their values.")
    return found


def _check_list(path: Path, name: str, values: Any, unique: bool) -> None:
    if not isinstance(values, list) or not values:
        raise RunError(f"{path}: {name} is {values!r}; give a list of one value or more.")
    twice = [value for k, value in enumerate(values) if value in values[:k]]
    if unique and twice:
        raise RunError(f"{path}: {name} lists {twice[0]!r} twice.")


def _notebooks(named: Any, path: Path) -> tuple[Path, ...]:
    """Return the notebooks that a file names: one, a list in order, or "all" lessons."""
    if named == "all":
        return tuple(runs.notebook_paths())
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list) or not names:
        raise RunError(f"{path}: notebooks is {named!r}; name one, list several, or write all.")
    known = {p.stem: p for p in runs.notebook_paths()}
    for name in names:
        if name not in known or names.count(name) > 1:
            what = "is listed twice" if name in known else "is none of " + ", ".join(known)
            raise RunError(f"{path}: the notebook {name!r} {what}.")
    return tuple(known[name] for name in names)


def _check_parameters(
    path: Path,
    notebooks: Sequence[Path],
    named: Iterable[str],
    combinations: Iterable[Mapping[str, Any]],
) -> None:
    """Check the parameters of every run; a tier's may be for notebooks that are not in the chain.

    What the file itself names must be a parameter of the chain: it would else change nothing.
    """
    declared = set().union(*(runs.declared_parameters(p) for p in notebooks))
    for name in named:
        if name not in declared:
            known = ", ".join(sorted(declared - {"run_dir"}))
            raise RunError(f"{path}: none of its notebooks has a parameter {name}. Known: {known}.")
        if name == "run_dir":
            raise RunError(f"{path}: run_dir is set for each run; leave it out.")
    for given in combinations:
        runs.parameters_for(given, [*runs.notebook_paths()])


def runs_of(sweep: Sweep) -> list[Run]:
    """Return the runs of a sweep, each with the key that names its folder.

    The key stands for parameters, code and data; the data sets are loaded to know the latter.
    """
    folder = runs.ROOT / "runs" / sweep.name
    declared = set().union(*(runs.declared_parameters(p) for p in sweep.notebooks))
    fingerprints: dict[tuple, str] = {}
    planned = []
    for given in sweep.combinations:
        source = (given["dataset"], given.get("image_size") or None)
        if source not in fingerprints:
            data = load_dataset(source[0], image_size=source[1])
            print(f"Data: {data.provenance}")
            fingerprints[source] = data.fingerprint
        known = {name: value for name, value in given.items() if name in declared}
        steps = tuple(runs.plan(sweep.notebooks, known, fingerprints[source]))
        values = {name: given[name] for name in sweep.varied}
        planned.append(Run(folder / steps[-1].key[:16], steps, values))
    return planned


# ---------------------------------------------------------------- running


def run_sweep(path: str | Path, cluster: "Cluster") -> int:
    """Execute the runs of a sweep file that are not finished yet; return how many failed.

    Parameters
    ----------
    path
        The sweep file.
    cluster
        Where to run.

    Raises
    ------
    RunError
        If the file is refused, another sweep is at work in the folder, or no worker is to be had.
    """
    sweep = read_sweep(path)
    folder = runs.named_folder(sweep.name)
    if (folder / "finished.json").exists():
        raise RunError(
            f"runs/{sweep.name}/ holds the results of `make run`: give the sweep file another name."
        )
    with runs.locked(folder):
        planned = runs_of(sweep)
        _write_manifest(folder, sweep, planned)
        waiting = [run for run in planned if not runs.all_up_to_date(run.steps, run.folder)]
        done = len(planned) - len(waiting)
        print(f"{sweep.name}: {len(planned)} runs, {done} of them finished already.", flush=True)
        failures = _execute(waiting, cluster) if waiting else {}
        _write_failures(folder, failures)
    ended = len(planned) - len(failures)
    print(f"{ended} of {len(planned)} runs are finished, in runs/{sweep.name}/.")
    return len(failures)


def execute_run(run: Run, environment: Mapping[str, str]) -> float:
    """Execute one run on a worker and return its seconds; a notebook that is finished is skipped.

    The lock of its folder keeps a run that lost its runner apart from the one that goes on with it.
    """
    os.environ.update(environment)
    start = time.perf_counter()
    run.folder.mkdir(parents=True, exist_ok=True)
    with runs.locked(run.folder, wait=True):
        runs.run_steps(run.steps, run.folder, quiet=True)
    return time.perf_counter() - start


def _execute(waiting: Sequence[Run], cluster: "Cluster") -> dict[str, str]:
    """Execute runs on a cluster, telling of each as it ends; return the failures by label."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment["KERAS_BACKEND"] = keras.backend.backend()
    with cluster.client(len(waiting)) as client, progress(total=len(waiting), desc="sweep") as bar:
        # By the word before its key's hyphen Dask knows many of a kind, which it hands out one by
        # one; it would deal out all others at once, and blame each for the death of its worker.
        keys = [f"run-{run.folder.name}" for run in waiting]
        futures = client.map(
            execute_run, waiting, environment=environment, key=keys, retries=RETRIES
        )
        try:
            return _watch(client, dict(zip(futures, waiting, strict=True)), bar)
        except (CancelledError, OSError) as error:
            raise RunError(
                "The connection to Dask's scheduler was lost. What is finished is kept; the same "
                "command goes on, with a scheduler that runs."
            ) from error


def _watch(client: Client, futures: dict[Future, Run], bar: tqdm) -> dict[str, str]:
    """Wait for runs, telling of each as it ends; return the failures by label."""
    failures, seconds, n = {}, [], len(futures)
    for k, future in enumerate(as_completed(list(futures)), 1):
        run = futures.pop(future)
        try:
            seconds.append(future.result())  # waits, if its worker died and it is run again
            how = f"finished in {_span(seconds[-1])}"
        except (CancelledError, CommClosedError):
            raise
        except Exception as error:  # whatever went wrong in it, on whichever machine
            failures[run.label] = _problem(error)
            how = "FAILED"
        future.release()  # or Dask would run it again if the worker that did it dies later
        at_a_time = max(1, sum(client.nthreads().values()))
        left = (n - k) / at_a_time * sum(seconds) / max(1, len(seconds))
        rest = f"; about {_span(left)} left" if left else ""
        tqdm.write(f"[{k}/{n}] {run.label}: {how}{rest}")
        sys.stdout.flush()
        bar.update()
    return failures


def _problem(error: Exception) -> str:
    """Return why a run failed, with the traceback of its cell."""
    text = str(error) if isinstance(error, RunError) else f"{type(error).__name__}: {error}"
    return "\n".join([text, *getattr(error, "__notes__", [])])


def _span(seconds: float) -> str:
    """Return a time in words: 50 s, 12 min, 3 h 5 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _write_manifest(folder: Path, sweep: Sweep, planned: Sequence[Run]) -> None:
    """Write which runs the sweep has; `report` gathers these and no others."""
    manifest = {
        "notebooks": [path.stem for path in sweep.notebooks],
        "varied": sweep.varied,
        "report": sweep.report,
        "runs": {run.folder.name: run.values for run in planned},
    }
    runs.write_whole(folder / "sweep.json", json.dumps(manifest, indent=1) + "\n")


def _write_failures(folder: Path, failures: Mapping[str, str]) -> None:
    """Tell of each failure, here and in failures.txt, which is there only if there are some."""
    path = folder / "failures.txt"
    if not failures:
        path.unlink(missing_ok=True)
        return
    text = "\n\n".join(f"{label} failed twice:\n{problem}" for label, problem in failures.items())
    runs.write_whole(path, text + "\n")
    print(f"\n{text}\n\nThis stands in {path.relative_to(runs.ROOT)} too.")


# ---------------------------------------------------------------- where to run


@dataclass(frozen=True)
class Cluster:
    """Where a sweep runs: an existing Dask scheduler, Slurm, or else this machine.

    Attributes
    ----------
    scheduler
        Address of a scheduler, such as tcp://host:8786.
    slurm
        A YAML file: `jobs`, and the settings that dask-jobqueue's SLURMCluster takes.
    workers
        Runs at a time on this machine; 0 takes one a core.
    """

    scheduler: str = ""
    slurm: str = ""
    workers: int = 0

    @contextmanager
    def client(self, n_runs: int) -> Iterator[Client]:
        """Connect, starting what `n_runs` runs can use, and end that afterwards.

        Raises
        ------
        RunError
            If no scheduler answers, or the Slurm settings are refused.
        """
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # we tell of it
        if self.scheduler:
            try:
                client = Client(self.scheduler, timeout=10)
            except (OSError, ValueError) as error:
                raise RunError(
                    f"No Dask scheduler answers at {self.scheduler!r}: start one with "
                    "`dask scheduler`, and workers with `dask worker`; both take the address "
                    "that it prints."
                ) from error
            with client:
                yield client
        else:
            dask.config.set(DASK)
            with self._started(n_runs) as cluster, Client(cluster) as client:
                yield client

    def _started(self, n_runs: int) -> Any:
        if self.slurm:
            return slurm_cluster(self.slurm)
        if self.workers < 0:
            raise RunError(f"workers is {self.workers}; give 1 or more, or 0 for one a core.")
        cores = os.cpu_count() or 1
        workers = min(self.workers or cores, n_runs)
        # The runs share the cores, so that they do not get in each other's way.
        share = max(1, cores // workers)
        names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        dask.config.set({"distributed.nanny.pre-spawn-environ": dict.fromkeys(names, share)})
        # Ctrl-C reaches the whole terminal; workers inherit that it is ignored, and we end them.
        ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=0,  # the memory is in the kernels, where Dask does not see it
                dashboard_address="127.0.0.1:0",  # any free port
                silence_logs=logging.CRITICAL,  # failures are told of by `_write_failures`
            )
        finally:
            signal.signal(signal.SIGINT, ours)


def slurm_cluster(path: str | Path) -> Any:
    """Return dask-jobqueue's cluster for a file of settings, with its jobs asked for.

    Raises
    ------
    RunError
        If dask-jobqueue is not installed, or the file or a setting is refused.
    """
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise RunError(
            "Sweeps on Slurm need dask-jobqueue: pip install 'tta-workbook[slurm]'."
        ) from error
    try:
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        jobs = settings.pop("jobs")
        if type(jobs) is not int or jobs < 1:
            raise ValueError(f"jobs is {jobs!r}, and not a whole number above 0")
        # One run at a time in a job, in a kernel process of its own.
        cluster = SLURMCluster(**{"cores": 1, "processes": 1, **settings})
    except (OSError, AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise RunError(
            f"The Slurm settings {path} are refused ({type(error).__name__}: {error}). They take "
            "`jobs`, `memory`, and whatever dask_jobqueue.SLURMCluster takes."
        ) from error
    cluster.scale(jobs=jobs)
    return cluster


# ---------------------------------------------------------------- report


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Return what a sweep's folder says of its runs.

    Raises
    ------
    RunError
        If no sweep ran there.
    """
    path = runs.ROOT / folder / "sweep.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is not a sweep's ({error}): run the sweep first.") from error


def gather(folder: str | Path) -> list[dict[str, Any]]:
    """Return the finished runs of a sweep: their key, varied `values`, and `records` by notebook.

    A run whose files were changed or cut off since it finished is left out; running the sweep
    again makes it anew.
    """
    folder = runs.ROOT / folder
    manifest = read_manifest(folder)
    names = manifest["notebooks"]
    return [
        {
            "key": key,
            "values": values,
            "records": {name: runs.read_record(folder / key, name) for name in names},
        }
        for key, values in manifest["runs"].items()
        if runs.intact(folder / key, names)
    ]


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, int, float]]:
    """Yield every number in nested results as (dotted name, position, number).

    The position is that in a list, from 0, and 0 for a number that stands alone; lists in lists
    are counted through.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from numbers(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        found = [triple for inner in value for triple in numbers(inner, name)]
        seen: dict[str, int] = {}
        for dotted, _, number in found:
            seen[dotted] = seen.get(dotted, -1) + 1
            yield dotted, seen[dotted], number
    elif isinstance(value, int | float):
        yield name, 0, float(value)


def tidy(gathered: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for each number of each record: run, varied parameters, where, and value."""
    return [
        {"run": one["key"], **one["values"], "notebook": notebook, "part": part}
        | {"name": name, "position": position, "value": value}
        for one in gathered
        for notebook, record in one["records"].items()
        for part in ("headline", "metrics", "seconds")
        for name, position, value in numbers(record.get(part, {}))
    ]


def write_report(name: str) -> None:
    """Write a sweep's table and its executed report notebook into its folder.

    Raises
    ------
    RunError
        If there is no such sweep, none of its runs is finished, or the report fails.
    """
    folder = runs.ROOT / "runs" / name
    manifest = read_manifest(folder)
    with runs.locked(folder):
        gathered = gather(folder)
        if not gathered:
            raise RunError(f"No run of {name} is finished; see runs/{name}/failures.txt.")
        rows = tidy(gathered)
        text = io.StringIO()
        table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        runs.write_whole(folder / "table.csv", text.getvalue())
        _write_parquet(folder / "table.parquet", rows)
        print(f"{len(gathered)} of {len(manifest['runs'])} runs, {len(rows):,} numbers.")
        runs.execute(runs.NOTEBOOKS / f"{REPORT}.ipynb", folder, manifest["report"])
    print(f"runs/{name}/table.csv and runs/{name}/{REPORT}.ipynb")


def publish(name: str) -> None:
    """Put the outputs of a sweep's report into the committed one, and its gist into README.md.

    The gist is what the cells tagged `readme` show.

    Raises
    ------
    RunError
        If the sweep has no report, or one made with other parameters than the notebook's defaults.
    """
    path, readme = runs.NOTEBOOKS / f"{REPORT}.ipynb", runs.ROOT / "README.md"
    run = runs.executed_copy(path, runs.ROOT / "runs" / name)
    tagged = [cell for cell in run.cells if "readme" in cell.metadata.get("tags", [])]
    outputs = [output for cell in tagged for output in cell.outputs]
    text = readme.read_text(encoding="utf-8")
    text = runs.with_section(text, "sweep", "\n\n".join(map(_told, outputs)) + "\n")
    runs.write_whole(path, nbformat.writes(run) + "\n")
    runs.write_whole(readme, text)


def _told(output: nbformat.NotebookNode) -> str:
    """Return an output as Markdown; a figure is saved beside the committed notebooks."""
    if output.output_type == "stream":
        return "\n\n".join(output.text.splitlines())
    if "image/png" in output.data:
        runs.write_whole(runs.NOTEBOOKS / "sweep.png", base64.b64decode(output.data["image/png"]))
        return "![What the sweep found](notebooks/sweep.png)"
    return output.data["text/markdown"]


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as Parquet where pyarrow is installed; it is no dependency of the workbook."""
    if importlib.util.find_spec("pyarrow"):
        import pyarrow
        from pyarrow import parquet

        buffer = io.BytesIO()
        parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
        runs.write_whole(path, buffer.getvalue())


# ---------------------------------------------------------------- command line


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status: 0 if every run is finished."""
    parser = argparse.ArgumentParser(prog="python -m tta_helpers.sweeps", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="execute a sweep file's runs, resuming where it can")
    run.add_argument("file", help="a YAML file, such as sweeps/flip_seeds.yml")
    where = run.add_mutually_exclusive_group()
    where.add_argument("--scheduler", default="", help="a Dask scheduler, such as tcp://host:8786")
    where.add_argument("--slurm", default="", help="a YAML file of settings for Slurm jobs")
    where.add_argument("--workers", type=int, default=0, help="runs at a time (default: the cores)")
    report = commands.add_parser("report", help="gather a sweep's results into table and notebook")
    published = commands.add_parser("publish", help="commit a report's outputs to its notebook")
    for command in (report, published):
        command.add_argument("name", help="the sweep's folder in runs/")
    options = parser.parse_args(arguments)
    return runs.exit_status(lambda: _command(options))


def _command(options: argparse.Namespace) -> int:
    """Do what the command line asks for; return 1 if a run failed."""
    if options.command == "run":
        cluster = Cluster(options.scheduler, options.slurm, options.workers)
        return min(1, run_sweep(options.file, cluster))
    {"report": write_report, "publish": publish}[options.command](options.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
