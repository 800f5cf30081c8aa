"""What the README says, run; and the house rules that it states."""

import ast
import re
import subprocess
import sys

import numpy as np
import pytest

from tta_helpers.workbook import place

PACKAGE = place.ROOT / "tta_helpers"
README = (place.ROOT / "README.md").read_text(encoding="utf-8")


def test_the_snippet_runs_on_a_model_of_ones_own(linear, photos, tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    monkeypatch.chdir(tmp_path)
    exec(code, {"model": linear.model, "images": photos, "labels": np.arange(11) % 4})
    assert len(code.splitlines()) <= 12
    assert capsys.readouterr().out.count("PairedComparison(n=11") == 3
    assert (tmp_path / "with_tta.keras").is_file()


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (place.ROOT / target).exists(), target


def test_the_table_lists_every_notebook():
    for path in place.lesson_paths():
        assert f"](notebooks/{path.name})" in README


def imports(path):
    """Return the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module(path):
    return "tta_helpers." + path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")


MODULES = {module(path): path for path in sorted(PACKAGE.rglob("[!_]*.py"))}


def test_no_import_runs_back_up_the_house():
    listed = re.findall(r"^ {6}([\w/]+)\.py ", README, re.M)
    order = [f"tta_helpers.{name.replace('/', '.')}" for name in listed]
    assert sorted(order) == sorted(MODULES)
    for k, name in enumerate(order):
        assert not set(imports(MODULES[name])) & set(order[k:]), name


@pytest.mark.parametrize("name", MODULES)
def test_the_package_imports_no_tensorflow(name):
    assert not [m for m in imports(MODULES[name]) if m and m.split(".")[0] == "tensorflow"]


@pytest.mark.parametrize("name", ["policies", "metrics"])
def test_policies_and_metrics_call_no_model(name):
    found = set(imports(MODULES[f"tta_helpers.{name}"]))
    assert not [m for m in found if m.split(".")[0] == "keras" or m == "tta_helpers.quiet"]


def test_the_command_lines_start_no_backend():
    """A word about a wrong parameter should not take the seconds that TensorFlow does."""
    code = "import sys; from tta_helpers.workbook import runs, sweeps; "
    code += "print({'keras', 'tensorflow'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=place.ROOT, check=True
    )
    assert done.stdout == "set()\n"
