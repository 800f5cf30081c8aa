"""Where a notebook opens without installing anything: Colab and Binder, from one address.

Nothing is known of the repository's address but the setting `SITE_REPOSITORY`, which the workflow
that publishes the site sets. Without it the pages have no such links.

Colab opens a notebook of a repository on a machine that has nothing else of it. So copies are made
with a cell that fetches the rest, and the workflow puts them on a branch of their own. The
committed notebooks stay without it: their outputs are those of their code, cell by cell, and on a
machine of one's own there is nothing to fetch.
"""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import nbformat

COPIES = "colab"  # the folder of the copies in build/, and the branch that Colab opens
OPENED = re.compile(r"notebooks/0\d_\w+|course/\w+/\w+")
ADDRESS = re.compile(r"https://github\.com/([\w-]+/[\w.-]+)")
# What the lessons import and Colab may lack; the package brings what it needs itself.
MORE = ["filelock", "nbformat", "papermill", "ruamel.yaml"]
CELL = """\
# On Colab alone: fetch the workbook, install its package, run the lessons that this one builds on.
import os
import subprocess
import sys

if "google.colab" in sys.modules:
    home, pip = "/content/workbook", [sys.executable, "-m", "pip", "install", "-q"]
    if not os.path.isdir(home):
        subprocess.run(["git", "clone", "-q", "--depth=1", "{address}", home], check=True)
        subprocess.run([*pip, "-e", home, *{more}], check=True)
    os.environ["PYTHONPATH"] = home
    sys.path.insert(0, home)
    os.chdir(f"{{home}}/{folder}")
    os.makedirs(f"{{home}}/runs/lesson", exist_ok=True)
    for name in {before}:
        to = f"{{home}}/runs/lesson/{{name}}"
        if not os.path.isfile(to + ".json"):
            print(f"Notebook {{name}} runs first, for its networks are loaded here: some minutes.")
            run = [sys.executable, "-m", "papermill", "-k", "python3", "--no-progress-bar"]
            subprocess.run([*run, f"{{name}}.ipynb", to + ".ipynb"], check=True)
"""


def repository() -> str:
    """Return the repository's address, or "" where none is set.

    Raises
    ------
    ValueError
        If it is no repository on GitHub, the only place that Colab opens notebooks from.
    """
    address = os.environ.get("SITE_REPOSITORY", "").rstrip("/")
    if address and not ADDRESS.fullmatch(address):
        raise ValueError(
            f"SITE_REPOSITORY is {address!r}; give https://github.com/OWNER/NAME, or nothing for a "
            "site without links to the repository, Colab and Binder."
        )
    return address


def links(address: str, page: str) -> dict[str, str]:
    """Return what the page of a notebook leads to outside the site, address by name."""
    if not address:
        return {}
    found = {"In the repository": f"{address}/blob/main/{page}.ipynb"}
    if OPENED.fullmatch(page):
        name, file = ADDRESS.fullmatch(address)[1], page.rpartition("/")[2]
        colab = f"https://colab.research.google.com/github/{name}/blob/{COPIES}/{file}.ipynb"
        binder = f"https://mybinder.org/v2/gh/{name}/main?urlpath=lab/tree/{page}.ipynb"
        found |= {"Open in Colab": colab, "Open in Binder": binder}
    return found


def write(folder: Path, paths: Sequence[Path], root: Path) -> None:
    """Write the copies for Colab into a folder, in place of those that were there."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in copies(paths, root, repository()).items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def copies(paths: Sequence[Path], root: Path, address: str) -> dict[str, str]:
    """Return the notebooks for Colab by the names of their files; none without an address."""
    needed = before((root / "README.md").read_text("utf-8"))
    found = {}
    for path in paths if address else ():
        page = path.relative_to(root)
        if OPENED.fullmatch(page.with_suffix("").as_posix()):
            own = {"folder": page.parent.as_posix(), "before": needed.get(path.stem, [])}
            book = for_colab(nbformat.read(path, as_version=4), address, **own)
            found[path.name] = nbformat.writes(book)
    return found


def before(readme: str) -> dict[str, list[str]]:
    """Return the lessons that each lesson needs, by README's table of them."""
    rows = re.findall(r"(?m)^\| \[.*\(notebooks/(\w+)\.ipynb\) \|.*\| ([\d, ]*)\|$", readme)
    names = {name[:2]: name for name, _ in rows}
    return {name: [names[n] for n in re.findall(r"\d+", needs)] for name, needs in rows}


def for_colab(
    book: nbformat.NotebookNode, address: str, folder: str, before: list[str]
) -> nbformat.NotebookNode:
    """Return a notebook without its outputs, with the cell below its title, on a GPU."""
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    source = CELL.format(address=address, more=MORE, folder=folder, before=before).rstrip()
    book.cells.insert(1, nbformat.v4.new_code_cell(source, id="on-colab"))
    book.metadata = {"kernelspec": book.metadata.kernelspec, "accelerator": "GPU"}
    return book
