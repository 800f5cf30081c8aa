"""Write everybody a homework notebook with a seed of their own: `make homework STUDENTS=list.txt`.

The seeds stand in roster.csv, which `make grade` reads: not what a notebook says counts, but what
the roster says. The same command with a longer list keeps the seeds that are there.
"""

import argparse
import csv
import hashlib
import itertools
import sys
from pathlib import Path
from unicodedata import normalize

from course import copies, sources
from course.checks import verdict
from course.proving import answer_in
from tta_helpers.progress import progress
from tta_helpers.workbook.command import add_common, exit_status
from tta_helpers.workbook.place import ROOT, RunError, named_folder, write_csv, write_whole

SEEDS = 10**6


def names_in(path: Path) -> list[str]:
    """Return the students that a list names, one a line; `#` begins a comment.

    Raises
    ------
    RunError
        If it cannot be read, names nobody or somebody twice, or a name can be no file's.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"STUDENTS is {str(path)!r}; name a text file, a student a line.") from error
    names = [normalize("NFC", line.partition("#")[0].strip()) for line in lines]
    names = [name for name in names if name]
    if not names:
        raise RunError(f"{path} names nobody; write one student a line.")
    for name in names:
        if Path(name).name != name or name.startswith(".") or not name.isprintable():
            raise RunError(f"{path}: {name!r} can be no file's name; write it otherwise.")
    if twice := [name for k, name in enumerate(names) if name in names[:k]]:
        raise RunError(f"{path} names {twice[0]!r} twice; tell the two apart.")
    return names


def read_roster(path: Path) -> dict[str, int]:
    """Return everybody's seed by name.

    Raises
    ------
    RunError
        If the file is no roster.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if not {"student", "seed"} <= {*(rows.fieldnames or ())}:
                raise ValueError(rows.fieldnames)
            return {row["student"]: int(row["seed"]) for row in rows}
    except (OSError, TypeError, ValueError) as error:
        raise RunError(
            f"{path} is no roster: it takes the columns student and seed, as `make homework` "
            "writes them."
        ) from error


def fits(seed: int) -> bool:
    """Return whether with this seed every wrong way leads elsewhere than the right one.

    By chance the images may be such that, say, the view that is best on the validation images is
    best on the test images too; then nobody could tell how it was chosen.
    """
    return all(
        sources.opening(text)
        in verdict(task.name, answer_in(text, task.name, sources.HOMEWORK, seed), own=seed)
        for task in sources.exercises(sources.HOMEWORK)
        for text in task.wrong
    )


def seed_for(name: str, taken: set[int]) -> int:
    """Return a seed that fits and that nobody has, always the same for a name and those taken."""
    digests = (hashlib.sha256(f"{name}\0{k}".encode()).digest() for k in itertools.count())
    seeds = (int.from_bytes(digest[:8]) % SEEDS for digest in digests)
    return next(seed for seed in seeds if seed not in taken and fits(seed))


def write(names: list[str], folder: Path) -> dict[str, int]:
    """Write a notebook a student, then the roster; return the seeds."""
    roster = folder / "roster.csv"
    seeds = read_roster(roster) if roster.is_file() else {}
    with progress(names, desc="homework") as bar:
        for name in bar:
            if name not in seeds:
                seeds[name] = seed_for(name, set(seeds.values()))
            write_whole(folder / f"{name}.ipynb", notebook(seeds[name]))
    write_csv(roster, [{"student": name, "seed": seed} for name, seed in seeds.items()])
    return seeds


def notebook(seed: int) -> str:
    """Return the homework with a seed put in by papermill, as text."""
    import nbformat  # these take a second, which a wrong list need not wait for
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    blank = load_notebook_node(str(copies.path_of(sources.HOMEWORK, solved=False)))
    filled = parameterize_notebook(blank, {"seed": seed})
    for cell in filled.cells:
        if "injected-parameters" in cell.metadata.tags:
            cell.id = "seed"  # papermill's is another one each time
    return nbformat.writes(filled) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m course.homework", description=__doc__)
    parser.add_argument("students", help="a text file, one student a line")
    parser.add_argument("--name", default="homework", help="folder in runs/ (%(default)s)")
    add_common(parser)
    options = parser.parse_args(arguments)
    return exit_status(lambda: _command(options), traceback=options.traceback)


def _command(options: argparse.Namespace) -> int:
    names = names_in(Path(options.students).expanduser())
    folder = named_folder(options.name)
    seeds = write(names, folder)
    where = folder.relative_to(ROOT)
    print(f"{len(names)} notebooks lie in {where}/, the seeds in {where}/roster.csv.")
    if others := [name for name in seeds if name not in names]:
        print(f"The roster also has {', '.join(others)}, who are not in the list.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
