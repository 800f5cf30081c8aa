"""The wheel: what is in it, what it brings along, and that this is what the package imports."""

import ast
import re
import sys
import zipfile
from email import message_from_bytes

import pytest
import try_out
from packaging.requirements import Requirement

import tta_helpers
from tta_helpers.workbook.place import ROOT

TAKE_AWAY = {"keras", "numpy", "scipy", "scikit-learn", "threadpoolctl", "tqdm", "matplotlib"}
PROJECTS = {"sklearn": "scikit-learn", "PIL": "pillow", "ruamel": "ruamel.yaml"}
PROJECTS |= {"distributed": "dask", "dask_jobqueue": "dask-jobqueue"}
PROJECTS |= {"jupyter_client": "jupyter-client"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, and the folder of the package that it was built from."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(try_out.built(folder)) as file:
        yield file, folder / "source"


@pytest.fixture(scope="module")
def metadata(wheel):
    file, _ = wheel
    (name,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(file.read(name))


def needed(metadata, extra=""):
    """The packages that an extra adds, or those without any extra."""
    found = map(Requirement, metadata.get_all("Requires-Dist"))
    return [
        each
        for each in found
        if (each.marker.evaluate({"extra": extra}) if each.marker else not extra)
    ]


def imported(files):
    """The packages, other than Python's own and this one, that modules import anywhere in them."""
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_bytes()))]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    tops = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"tta_helpers"}
    return {PROJECTS.get(name, name) for name in tops}


def wings(package):
    """The modules of the package, without and with the workbook."""
    every = set(package.rglob("*.py"))
    workbook = set((package / "workbook").rglob("*.py"))
    return every - workbook, workbook


def test_it_holds_the_package_and_nothing_else(wheel):
    file, source = wheel
    package = source / "tta_helpers"
    names = [name for name in file.namelist() if not name.endswith("/")]
    described = {name.partition("/")[2] for name in names if ".dist-info/" in name}
    assert described == {"METADATA", "RECORD", "WHEEL", "top_level.txt", "licenses/LICENSE"}
    expected = {path.relative_to(source).as_posix() for path in package.rglob("*.py")}
    assert all(wings(package))
    assert {name for name in names if ".dist-info/" not in name} == {
        *expected,
        "tta_helpers/py.typed",
    }
    (licence,) = (name for name in names if name.endswith("licenses/LICENSE"))
    assert file.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_it_says_what_it_is(metadata):
    assert metadata["Name"] == "tta-workbook"
    assert metadata["Version"] == tta_helpers.__version__
    assert metadata["Requires-Python"] == "<3.14,>=3.11"
    assert metadata["License-Expression"] == "MIT AND CC-BY-4.0"
    assert set(metadata.get_all("Provides-Extra")) == {"workbook", "slurm", "test"}
    assert "```python\nfrom tta_helpers import" in metadata.get_payload()


def test_it_brings_what_the_take_away_package_imports(wheel, metadata):
    found = needed(metadata)
    assert {each.name for each in found} == TAKE_AWAY
    assert all(">=" in str(each.specifier) for each in found)
    alone, _ = wings(wheel[1] / "tta_helpers")
    # IPython is imported in a kernel alone, which has loaded it by then.
    assert imported(alone) == TAKE_AWAY | {"IPython"}


def test_the_take_away_package_imports_nothing_of_the_workbook(wheel):
    alone, _ = wings(wheel[1] / "tta_helpers")
    for path in alone:
        lines = path.read_text(encoding="utf-8").splitlines()
        found = [line for line in lines if re.match(r"\s*(from|import) .*\bworkbook\b", line)]
        assert not found, path


def test_the_extras_bring_what_the_workbook_imports(wheel, metadata):
    workbook = {each.name for each in needed(metadata, "workbook")}
    assert {"jupyterlab", "tensorflow", "papermill", "ipywidgets"} <= workbook
    slurm = {each.name for each in needed(metadata, "slurm")}
    _, modules = wings(wheel[1] / "tta_helpers")
    optional = {"pyarrow"}  # where it is installed, a sweep's table is written as Parquet too
    assert imported(modules) - optional <= workbook | slurm | TAKE_AWAY


def test_the_lock_holds_every_extra(metadata):
    lock = {Requirement(line).name for line in try_out.locked("requirements.txt")}
    for extra in ("", "workbook", "slurm", "test"):
        names = {each.name.replace(".", "-") for each in needed(metadata, extra)}
        assert names - {"tta-workbook"} <= lock


def test_the_backends_are_locked():
    assert try_out.is_there("tensorflow", try_out.locked("requirements.txt"))
    lock = try_out.locked("benchmarks/requirements.txt")
    assert try_out.is_there("jax", lock)
    assert not try_out.is_there("jax", [f"jax==1 ; python_version < '{sys.version_info[0]}'"])


def test_a_failed_installation_is_told(tmp_path):
    with pytest.raises(SystemExit, match=r"not tried out. Is the package index within reach\?"):
        try_out.pip(sys.executable, "download", "--no-index", tmp_path / "gone.whl")
