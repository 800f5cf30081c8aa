"""The pages are as the code has them, and name only what is there; the house keeps its rules."""

import argparse
import ast
import importlib
import importlib.util
import re
import shlex
import subprocess
import sys
from datetime import date
from graphlib import CycleError

import keras
import numpy as np
import pytest
import test_views
from ruamel.yaml import YAML
from scipy import stats

import tta_helpers
from tta_helpers import policies, predict_views, tta_model, views
from tta_helpers.workbook import place
from tta_helpers.workbook.data import DataError, sources
from tta_helpers.workbook.data.cache import load_through_cache
from tta_helpers.workbook.data.decoding import make_form

PAGES = [
    *(place.ROOT / folder / "README.md" for folder in ("", "data")),
    *sorted((place.ROOT / "docs").glob("*.md")),
]
MAKEFILE = (place.ROOT / "Makefile").read_text(encoding="utf-8")
TAKE_AWAY_NEEDS = {"keras", "matplotlib", "numpy", "scipy", "sklearn", "threadpoolctl", "tqdm"}

spec = importlib.util.spec_from_file_location("write", place.ROOT / "docs" / "write.py")
write = importlib.util.module_from_spec(spec)
spec.loader.exec_module(write)
FILES, IMPORTS, HOUSE = write.source_files(), write.imports(), write.house()


# ---------------------------------------------------------------- what is written from the code


def test_what_is_written_from_the_code_is_as_the_code_has_it():
    for path, text in write.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale: run `make docs`"


@pytest.fixture
def small_house(tmp_path):
    """Three rooms: `low` is imported by the package `middle`, and both by the workbook's `top`."""
    code = {
        "__init__.py": "",
        "low.py": '"""Lowest of all. More."""\nimport numpy as np\n',
        "middle/__init__.py": '"""Two files."""\nfrom tta_helpers.middle.one import f',
        "middle/one.py": "from tta_helpers.middle import two\ndef f():\n    import scipy.stats",
        "middle/two.py": "from ..low import x",
        "workbook/__init__.py": "",
        "workbook/top.py": '"""Says 1, 2, ... and more."""\n'
        "from tta_helpers import low\nfrom tta_helpers.middle import f as g",
    }
    for name, text in code.items():
        path = tmp_path / "tta_helpers" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_imports_are_read_from_the_code(small_house):
    assert write.imports(small_house) == {
        "tta_helpers": set(),
        "tta_helpers.low": {"numpy"},
        "tta_helpers.middle": {"tta_helpers.middle.one"},
        "tta_helpers.middle.one": {"tta_helpers.middle.two", "scipy.stats"},
        "tta_helpers.middle.two": {"tta_helpers.low"},
        "tta_helpers.workbook": set(),
        "tta_helpers.workbook.top": {"tta_helpers.low", "tta_helpers.middle"},
    }


def test_the_house_is_drawn_by_hand(small_house):
    (small_house / "docs").mkdir()
    page = small_house / "docs" / "architecture.md"
    page.write_text("above\n<!-- house: -->\nold\n<!-- end of house -->\nbelow\n")
    assert write.architecture(small_house) == (
        """\
above
<!-- house: -->
**take-away**, `tta_helpers/`

- `low.py`: Lowest of all.
- `middle/`: Two files.

**workbook**, `tta_helpers/workbook/`

- `top.py`: Says 1, 2, ... and more.

```mermaid
flowchart TB
  subgraph workbook["workbook"]
    m_workbook_top["top"]
  end
  subgraph take_away["take-away"]
    m_low["low"]
    m_middle["middle"]
  end
  m_middle --> m_low
  m_workbook_top --> m_middle
```
<!-- end of house -->
below
"""
    )


def test_a_ring_of_imports_is_found(small_house):
    (small_house / "tta_helpers" / "low.py").write_text("import tta_helpers.middle.one")
    with pytest.raises(CycleError, match="nodes are in a cycle"):
        write.in_order(write.house(small_house))


# ---------------------------------------------------------------- the house


def inside(names):
    return {name for name in names if name.split(".")[0] == "tta_helpers"}


@pytest.mark.parametrize("name", [n for n in IMPORTS if write.wing(n) == "take-away"])
def test_what_readers_take_away_knows_nothing_of_the_workbook(name):
    assert not [other for other in inside(IMPORTS[name]) if write.wing(other) == "workbook"]


def test_no_modules_import_each_other():
    write.in_order({name: inside(others) for name, others in IMPORTS.items()})
    write.in_order(HOUSE)


@pytest.mark.parametrize("name", [n for n in IMPORTS if write.wing(n) == "take-away"])
def test_what_readers_take_away_needs_few_packages(name):
    outside = {other.split(".")[0] for other in IMPORTS[name] - inside(IMPORTS[name])}
    allowed = TAKE_AWAY_NEEDS | sys.stdlib_module_names
    if name == "tta_helpers.progress":
        allowed |= {"IPython"}
    assert not outside - allowed


def test_the_progress_bar_asks_for_ipython_only_when_it_draws():
    tree = ast.parse(FILES["tta_helpers.progress"].read_text(encoding="utf-8"))
    at_the_top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert "IPython" not in "\n".join(map(ast.unparse, at_the_top))


@pytest.mark.parametrize("name", IMPORTS)
def test_the_package_imports_no_tensorflow(name):
    assert not [other for other in IMPORTS[name] if other.split(".")[0] == "tensorflow"]


@pytest.mark.parametrize("start", ["tta_helpers.policies", "tta_helpers.metrics"])
def test_policies_and_metrics_call_no_model(start):
    rooms = [name for name in IMPORTS if write.room(name) == start]
    found = set().union(*(IMPORTS[name] for name in rooms))
    assert rooms
    assert not [m for m in found if m.split(".")[0] == "keras" or m == "tta_helpers.quiet"]


def test_the_command_lines_start_no_backend():
    """A word about a wrong parameter should not take the seconds that TensorFlow does."""
    code = "import sys; from tta_helpers.workbook import runs, sweeps; "
    code += "print({'keras', 'tensorflow'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=place.ROOT, check=True
    )
    assert done.stdout == "set()\n"


# ---------------------------------------------------------------- links and commands


def code_of(page):
    """Return what a page shows as code, blocks and spans, without comments."""
    text = re.sub(r"<!--.*?-->", "", page.read_text(encoding="utf-8"), flags=re.S)
    blocks = re.findall(r"^```(?:sh|python)?\n(.*?)^```", text, re.S | re.M)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))
    shown = "\n".join([*blocks, *spans]).replace("\\\n", " ")
    return re.sub(r"(?m)(^|\s)#.*", "", shown)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_every_file_that_is_named_is_there(page):
    folders = "tta_helpers|tests|notebooks|benchmarks|docs|sweeps"
    for target in re.findall(rf"(?<![\w/.])(?:{folders})/[\w/.-]*", code_of(page)):
        assert (place.ROOT / target.rstrip(".")).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_make_has_every_target_that_is_named(page):
    for target in re.findall(r"(?m)(?:^|[\s`])make ([a-z][a-z-]*)", code_of(page)):
        assert re.search(rf"^{target}:", MAKEFILE, re.M), target


class Parsed(Exception):
    """The command line was understood; what follows is not to run."""


COMMANDS = {
    (module, arguments.strip())
    for page in PAGES
    for module, arguments in re.findall(
        r"python -m (tta_helpers[\w.]*|benchmarks)(?![\w.])([^\n`]*)", code_of(page)
    )
}


@pytest.mark.parametrize(("module", "arguments"), sorted(COMMANDS))
def test_every_command_line_is_understood(module, arguments, monkeypatch):
    understand = argparse.ArgumentParser.parse_args

    def parse_args(*given):
        understand(*given)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
    main = importlib.import_module(module if "." in module else f"{module}.__main__").main
    with pytest.raises((Parsed, SystemExit)) as end:
        main(shlex.split(arguments))
    assert getattr(end.value, "code", 0) == 0  # as after --help


def test_commands_are_found():
    assert {module for module, _ in COMMANDS} >= {
        "benchmarks",
        "tta_helpers.workbook.runs",
        "tta_helpers.workbook.sweeps",
    }


# ---------------------------------------------------------------- the recipes


def recipe(title, **around):
    """Run the first code of a section of docs/contributing.md and return the names it defines."""
    text = (place.ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    (code,) = re.findall(rf"^## {title}\n[^#]*?^```python\n(.*?)^```", text, re.S | re.M)
    names = {**around, "__name__": "recipe"}
    exec(code, names)
    return names


def test_the_view_of_the_recipe_is_one(linear, photos, tmp_path):
    gamma = recipe("A view")["Gamma"](2)
    assert gamma.name == "gamma_2"
    test_views.test_shape_range_and_determinism(gamma, (9, 14, 3))
    test_views.test_config_round_trip(gamma)
    test_views.test_bad_images(gamma)
    images = (photos / 255).astype("float32")
    probs = predict_views(linear.model, photos, (views.Identity(), gamma))
    np.testing.assert_allclose(probs, [linear.probs(images), linear.probs(images**2)], atol=1e-5)
    path = tmp_path / "with_gamma.keras"
    tta_model(linear.model, (views.Identity(), gamma)).save(path)
    found = keras.saving.load_model(path).predict(images, verbose=0)
    np.testing.assert_allclose(found, probs.mean(axis=0), atol=1e-5)


def test_the_policy_of_the_recipe_is_one():
    power_mean = recipe("A policy")["power_mean"]
    probs = np.random.default_rng(5).dirichlet(np.ones(4), size=(3, 6))
    expected = stats.pmean(probs, 3, axis=0)
    expected /= expected.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(power_mean(probs, 3), expected)
    np.testing.assert_allclose(power_mean(probs, 1), policies.mean(probs))
    np.testing.assert_allclose(power_mean(probs, 200), policies.maximum(probs), rtol=0.05)
    with pytest.raises(ValueError, match="probs"):
        power_mean(probs[0])


def test_the_data_source_of_the_recipe_is_one(tmp_path):
    from_arrays = recipe("A data source", **vars(sources))["_from_arrays"]
    pictures = np.random.default_rng(6).integers(0, 256, (8, 4, 5, 3), dtype=np.uint8)
    content = {"train_images": pictures[:6], "train_labels": np.arange(6) % 2}
    content |= {"test_images": pictures[6:], "test_labels": np.arange(2)}
    file = tmp_path / "mine" / "arrays.npz"
    file.parent.mkdir()
    form = make_form(None, False, "rgb", False)

    def load(**changes):
        np.savez(file, **content, **changes)
        return load_through_cache(from_arrays(file), "a test", form, tmp_path / "cache")

    with pytest.raises(DataError, match=r"arrays\.npz lacks class_names: save them too"):
        load()
    dataset = load(class_names=["left", "right"])
    found = (dataset.train_images, dataset.train_labels, *dataset.test.open("a test"))
    for array, expected in zip(found, content.values(), strict=True):
        np.testing.assert_array_equal(array, expected)
    assert dataset.class_names == ("left", "right")
    assert dataset.provenance == "one file of arrays, 6 training and 2 test images: a test."


def test_the_recipes_name_tests_that_there_are():
    text = (place.ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    tests = "".join(path.read_text(encoding="utf-8") for path in place.ROOT.glob("tests/test_*.py"))
    for name in re.findall(r"`(test_\w+)`", text):
        assert f"def {name}(" in tests, name


# ---------------------------------------------------------------- how to cite it


def test_the_citation_file_follows_its_schema_and_names_this_version(tmp_path):
    path = place.ROOT / "CITATION.cff"
    cited = YAML(typ="safe", pure=True).load(path)
    assert cited.keys() >= {"cff-version", "message", "title", "authors"}
    assert cited["cff-version"] == "1.2.0"
    assert cited["version"] == tta_helpers.__version__
    assert isinstance(cited["date-released"], date)
    assert f"## {cited['version']}, {cited['date-released']}" in (
        place.ROOT / "docs" / "changelog.md"
    ).read_text(encoding="utf-8")
    schema = ["--builtin-schema", "vendor.citation-file-format"]
    wrong = tmp_path / "CITATION.cff"
    wrong.write_text(path.read_text(encoding="utf-8").replace("title:", "titel:"))
    for checked, status in ((path, 0), (wrong, 1)):
        command = [sys.executable, "-m", "check_jsonschema", *schema, "--default-filetype", "yaml"]
        done = subprocess.run([*command, str(checked)], capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
