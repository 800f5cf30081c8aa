"""What the README says, run; and the house rules that it states."""

import ast
import re

import numpy as np
import pytest

from tta_helpers import runs

PACKAGE = runs.ROOT / "tta_helpers"
README = (runs.ROOT / "README.md").read_text(encoding="utf-8")


def test_the_snippet_runs_on_a_model_of_ones_own(linear, photos, tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    monkeypatch.chdir(tmp_path)
    exec(code, {"model": linear.model, "images": photos, "labels": np.arange(11) % 4})
    assert len(code.splitlines()) <= 12
    assert capsys.readouterr().out.count("PairedComparison(n=11") == 3
    assert (tmp_path / "with_tta.keras").is_file()


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (runs.ROOT / target).exists(), target


def test_the_table_lists_every_notebook():
    for path in runs.notebook_paths():
        assert f"](notebooks/{path.name})" in README


def imports(path):
    """Return the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_import_runs_back_up_the_house():
    order = re.findall(r"^ {6}(\w+)\.py ", README, re.M)
    assert sorted(order) == sorted(p.stem for p in PACKAGE.glob("[!_]*.py"))
    for k, name in enumerate(order):
        found = set(imports(PACKAGE / f"{name}.py"))
        later = {f"tta_helpers.{other}" for other in order[k:]}
        assert not found & later, name


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_the_package_imports_no_tensorflow(path):
    assert not [name for name in imports(path) if name and name.split(".")[0] == "tensorflow"]


@pytest.mark.parametrize("name", ["policies", "metrics"])
def test_policies_and_metrics_call_no_model(name):
    assert not [m for m in imports(PACKAGE / f"{name}.py") if m.split(".")[0] == "keras"]
