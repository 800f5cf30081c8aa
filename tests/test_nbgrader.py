"""The export for nbgrader: the rules of its metadata by hand, and cells that give points."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import submitted

from course import nbgrader, sources
from tta_helpers.workbook.place import RunError

LESSONS = list(sources.lessons())


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "a course"
    nbgrader.write(folder)
    return folder


@pytest.mark.parametrize("lesson", LESSONS)
def test_cells_bear_what_version_3_of_nbgraders_schema_asks_for(lesson, exported):
    (path,) = (exported / "source" / lesson).glob("*.ipynb")
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    assert book.metadata.kernelspec.language == "python"
    ids = []
    for cell in book.cells:
        told = cell.metadata.nbgrader
        allowed = {"schema_version", "grade", "locked", "solution", "task", "grade_id", "points"}
        assert set(told) <= allowed and told.schema_version == 3
        assert all(type(told[name]) is bool for name in ("grade", "locked", "solution", "task"))
        assert re.fullmatch(r"[a-zA-Z0-9_\-]+", told.grade_id)
        assert ("points" in told) == told.grade and not told.task
        assert not (told.solution and told.locked) and not (told.grade and told.solution)
        assert cell.cell_type == "code" or not (told.grade or told.solution)
        assert (nbgrader.BEGIN in cell.source) == told.solution == (nbgrader.END in cell.source)
        assert ("BEGIN HIDDEN TESTS" in cell.source) == told.grade
        ids.append(told.grade_id)
    assert len(set(ids)) == len(ids)
    graded = [cell for cell in book.cells if cell.metadata.nbgrader.grade]
    assert len(graded) == len(sources.exercises(lesson))


RUN = """\
import sys, nbformat
names = {}
for cell in nbformat.read(sys.argv[1], as_version=4).cells:
    if cell.cell_type == "code":
        try:
            exec(cell.source, names)
        except Exception as error:
            print(f"{cell.id} stops: {error}")
import course
print("from", course.__file__)
"""


def run(path):
    """Run a notebook where it lies, with nothing of this workbook on the path."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", RUN, path.name],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    where = Path(re.search(r"(?m)^from (.*)$", done.stdout)[1])
    assert (path.parent / where).is_relative_to(path.parent / "workbook")
    return re.findall(r"(?m)^(\S+)-test stops: (.*)$", done.stdout)


def test_solutions_get_every_point_and_wrong_answers_none_each_with_its_hint(exported):
    lesson = "03_tune_tta"
    (path,) = (exported / "source" / lesson).glob("*.ipynb")
    assert run(path) == []
    wrong = submitted.wrong_ones(lesson, 0)
    book = nbformat.read(path, as_version=4)
    for cell in book.cells:
        name = cell.id.removesuffix("-answer")
        if cell.metadata.nbgrader.solution:
            cell.source = wrong[name][0]
    other = path.with_name("wrong.ipynb")
    nbformat.write(book, other)
    stopped = dict(run(other))
    assert set(stopped) == set(wrong)
    assert all(words in stopped[name] for name, (_, words) in wrong.items())


def test_a_folder_that_is_there_is_not_overwritten(exported):
    before = sorted(exported.rglob("*"))
    with pytest.raises(RunError, match="is there already"):
        nbgrader.write(exported)
    assert sorted(exported.rglob("*")) == before


def test_nothing_of_the_sources_or_solutions_is_given_away(exported):
    paths = [path.relative_to(exported) for path in exported.rglob("*")]
    assert len(paths) > 6
    assert not [path for path in paths if "src" in path.parts or "solutions" in path.name]
    assert not {"sources.py", "proving.py", "grading"} & {path.name for path in paths}
