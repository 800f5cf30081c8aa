"""Colab and Binder: the links, the cell that fetches the workbook, Binder's small environment."""

import os
import re
import subprocess
import sys
import tomllib
import types

import nbformat
import pytest
from jinja2 import Environment, FileSystemLoader

from tta_helpers.workbook import place

FOLDER = place.ROOT / "docs" / "site"
sys.path.insert(0, str(FOLDER))
import elsewhere  # noqa: E402
import stage  # noqa: E402

ADDRESS = "https://github.com/some-one/tta.workbook"
BOOKS = {path: nbformat.read(path, as_version=4) for path in stage.notebooks(place.ROOT)}
COPIES = elsewhere.copies([*BOOKS], place.ROOT, ADDRESS)
BINDER = place.ROOT / "binder"
LOCKED = re.compile(r"(?m)^([\w.-]+)==([^\s;]+)")
# Refuses what the lock has and Binder has not, then imports all that the lessons import.
BLOCKED = """
import sys
from importlib.metadata import packages_distributions
there = set(sys.argv[1].split())
named = {name: {one.lower().replace("_", "-").replace(".", "-") for one in owners}
         for name, owners in packages_distributions().items()}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if named.get(name.partition(".")[0], there).isdisjoint(there):
            raise ModuleNotFoundError(f"Binder has no {name}")
sys.meta_path.insert(0, Refuse())
for line in sys.stdin.read().splitlines():
    exec(line, {})
"""


def code_of(text):
    cells = nbformat.reads(text, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


# ---------------------------------------------------------------- links


def test_a_lesson_opens_in_the_repository_in_colab_and_in_binder():
    assert elsewhere.links(ADDRESS, "notebooks/02_flip_tta") == {
        "In the repository": f"{ADDRESS}/blob/main/notebooks/02_flip_tta.ipynb",
        "Open in Colab": "https://colab.research.google.com/github/some-one/tta.workbook/"
        "blob/colab/02_flip_tta.ipynb",
        "Open in Binder": "https://mybinder.org/v2/gh/some-one/tta.workbook/main"
        "?urlpath=lab/tree/notebooks/02_flip_tta.ipynb",
    }


def test_every_notebook_that_colab_is_said_to_open_has_a_copy():
    opened = set()
    for path in BOOKS:
        page = path.relative_to(place.ROOT).with_suffix("").as_posix()
        found = elsewhere.links(ADDRESS, page)
        assert found["In the repository"].endswith(f"/blob/main/{page}.ipynb")
        if "Open in Colab" in found:
            opened.add(found["Open in Colab"].rpartition("/")[2])
            assert found["Open in Binder"].endswith(f"lab/tree/{page}.ipynb")
    assert opened == {*COPIES} >= {path.name for path in place.lesson_paths()}
    assert len(opened) == len(BOOKS) - 1  # the report reads a sweep, which nobody has there


def test_without_an_address_there_is_no_link_and_a_wrong_one_is_refused(monkeypatch):
    monkeypatch.delenv("SITE_REPOSITORY", raising=False)
    assert elsewhere.repository() == ""
    assert elsewhere.links("", "notebooks/02_flip_tta") == {}
    assert elsewhere.copies([*BOOKS], place.ROOT, "") == {}
    monkeypatch.setenv("SITE_REPOSITORY", f"{ADDRESS}/")
    assert elsewhere.repository() == ADDRESS
    for wrong in ("github.com/a/b", "https://example.org/a/b", "https://github.com/a", "x y"):
        monkeypatch.setenv("SITE_REPOSITORY", wrong)
        with pytest.raises(ValueError, match=re.escape(repr(wrong)) + ".*https://github.com/OWNER"):
            elsewhere.repository()


@pytest.mark.parametrize("address", [ADDRESS, ""])
def test_the_page_of_a_lesson_shows_its_links(address):
    template = Environment(loader=FileSystemLoader(FOLDER / "templates"), autoescape=True)
    page = "notebooks/02_flip_tta"
    found = template.get_template("notebook.html").render(
        pagename=page,
        pathto=lambda name, _: f"../{name}",
        elsewhere=elsewhere.links(address, page),
    )
    shown = dict(re.findall(r'<a href="([^"]*)"(?: download)?>([^<]*)</a>', found))
    expected = {"../downloads/02_flip_tta.ipynb": "Download", "../slides/02/index.html": "Slides"}
    expected |= {link: name for name, link in elsewhere.links(address, page).items()}
    assert shown == expected


# ---------------------------------------------------------------- the copies for Colab


def test_a_copy_has_the_cells_of_its_notebook_one_more_and_no_outputs():
    for path, book in BOOKS.items():
        if path.name not in COPIES:
            continue
        own, *cells = code_of(COPIES[path.name])
        assert own.id == "on-colab"
        assert [c.source for c in cells] == [c.source for c in book.cells if c.cell_type == "code"]
        assert not any(cell.outputs or cell.execution_count for cell in [own, *cells])
        assert nbformat.reads(COPIES[path.name], as_version=4).cells[0] == book.cells[0]


def test_copies_are_written_in_place_of_those_that_were_there(tmp_path, monkeypatch):
    folder = tmp_path / "colab"
    folder.mkdir()
    (folder / "07_gone.ipynb").write_text("{}")
    monkeypatch.setenv("SITE_REPOSITORY", ADDRESS)
    elsewhere.write(folder, [*BOOKS], place.ROOT)
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == COPIES
    monkeypatch.delenv("SITE_REPOSITORY")
    elsewhere.write(folder, [*BOOKS], place.ROOT)
    assert not folder.exists()


def test_lessons_come_after_those_that_the_readme_names():
    found = elsewhere.before((place.ROOT / "README.md").read_text(encoding="utf-8"))
    assert [*found] == [path.stem for path in place.lesson_paths()]
    assert found["01_baseline_cnn"] == found["06_boxes_and_masks"] == []
    assert found["05_choose_policy"] == ["01_baseline_cnn", "04_learned_loss_predictor"]


def cell(name, home):
    """Return the first cell of a copy, with another folder in place of Colab's."""
    (own, *_) = code_of(COPIES[name])
    assert own.source.count('"/content/workbook"') == 1
    return own.source.replace("/content/workbook", str(home))


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """What the cell runs, run by nothing; a clone makes the folders that it would bring."""
    called = []

    def run(command, check):
        assert check
        called.append([str(part) for part in command])
        if command[0] == "git":
            (tmp_path / "workbook" / "notebooks").mkdir(parents=True)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.chdir(tmp_path)
    return called


@pytest.mark.parametrize("name", sorted(COPIES))
def test_elsewhere_than_on_colab_the_cell_does_nothing(name, calls, capsys, tmp_path):
    path, environment = [*sys.path], dict(os.environ)
    exec(cell(name, tmp_path / "workbook"), {})
    assert calls == [] and capsys.readouterr().out == ""
    assert (os.getcwd(), sys.path, dict(os.environ)) == (str(tmp_path), path, environment)
    assert [*tmp_path.iterdir()] == []


def test_on_colab_it_clones_installs_and_runs_what_comes_before(
    calls, monkeypatch, capsys, tmp_path
):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    home = tmp_path / "workbook"
    exec(cell("05_choose_policy.ipynb", home), {})
    clone, install, *runs = calls
    assert clone[:2] == ["git", "clone"] and clone[-2:] == [ADDRESS, str(home)]
    assert install[1:6] == ["-m", "pip", "install", "-q", "-e"] and install[6] == str(home)
    assert [run[-2:] for run in runs] == [
        [f"{name}.ipynb", f"{home}/runs/lesson/{name}.ipynb"]
        for name in ("01_baseline_cnn", "04_learned_loss_predictor")
    ]
    assert capsys.readouterr().out.count("runs first") == 2
    assert os.getcwd() == str(home / "notebooks") and sys.path[0] == str(home)
    (home / "runs" / "lesson" / "01_baseline_cnn.json").write_text("{}")
    calls.clear()  # a kernel that was started again: what is there is kept
    exec(cell("02_flip_tta.ipynb", home), {})
    assert calls == []


# ---------------------------------------------------------------- Binder


def locked(path):
    return dict(LOCKED.findall(path.read_text(encoding="utf-8")))


def test_binders_versions_are_the_locks_and_its_packages_those_asked_for():
    every, own = locked(place.ROOT / "requirements.txt"), locked(BINDER / "requirements.txt")
    assert {name: every.get(name) for name in own} == own
    lines = (BINDER / "requirements.in").read_text(encoding="utf-8").splitlines()
    asked = {line.split()[0].replace(".", "-") for line in lines if line[:1].isalpha()}
    assert asked <= {*own} and len(own) < 0.7 * len(every)
    text = tomllib.loads((place.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [*text["dependencies"], *text["optional-dependencies"]["workbook"]]
    known = {re.match(r"[\w.-]+", one)[0] for one in declared}
    assert {*elsewhere.MORE} <= known
    assert {re.match(r"[\w.-]+", one)[0] for one in text["dependencies"]} <= asked


def test_binder_has_a_python_of_the_workbook_and_installs_its_package():
    assert (BINDER / "runtime.txt").read_text(encoding="utf-8") == "python-3.12\n"
    script = BINDER / "postBuild"
    assert os.access(script, os.X_OK)
    assert "pip install --no-cache-dir --no-deps -e ." in script.read_text(encoding="utf-8")


def test_lessons_import_nothing_that_binder_lacks():
    text = "\n".join(
        c.source for book in BOOKS.values() for c in book.cells if c.cell_type == "code"
    )
    lines = sorted({*re.findall(r"(?m)^(?:import|from) [^(\n]+$", text)})
    assert len(lines) > 20
    there = " ".join(["tta-workbook", *locked(BINDER / "requirements.txt")])
    command = [sys.executable, "-c", BLOCKED, there]
    done = subprocess.run(
        command, input="\n".join(lines), capture_output=True, text=True, cwd=place.ROOT
    )
    assert done.returncode == 0, done.stderr
    done = subprocess.run(command, input="import jupyterlab", capture_output=True, text=True)
    assert "Binder has no jupyterlab" in done.stderr
