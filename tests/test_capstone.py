"""The worked project of the course: it runs from top to bottom; its numbers are counted again."""

import re

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell
from scipy import stats

from tta_helpers.workbook import place

FOLDER = place.ROOT / "course" / "capstone"
GUIDE = (place.ROOT / "course" / "guide" / "capstone.md").read_text(encoding="utf-8")
SAVE = """\
told = {name: [c.n, c.fixed, c.broken, c.gain, c.p_value] for name, c in final.items()}
np.savez(
    "kept.npz", labels=labels, learn=learn, teach=teach, compare=compare, judge=judge,
    before=before, after=after, flip=judged["flip"][1], weighted=judged["class weights"][1],
    names=[*told], told=[*told.values()], passes=[passes for passes, _ in menu(seen).values()],
    by_class=[[by_class[k].fixed, by_class[k].broken] for k in range(len(names))],
    decision=word, candidate=candidate, harmed=len(harmed),
)"""


def committed():
    return nbformat.read(FOLDER / "digits.ipynb", as_version=4)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Run the notebook, and return what it has computed."""
    folder, book = tmp_path_factory.mktemp("project"), committed()
    book.cells.append(new_code_cell(SAVE))
    NotebookClient(
        book, resources={"metadata": {"path": folder}}, kernel_name="python3", timeout=120
    ).execute()
    with np.load(folder / "kept.npz") as saved:
        return dict(saved)


def test_no_image_takes_two_parts(kept):
    parts = [kept[name] for name in ("learn", "teach", "compare", "judge")]
    together = np.concatenate(parts)
    assert len(set(together)) == len(together) == len(kept["labels"])
    assert min(map(len, parts)) >= 299 and kept["judge"].min() > kept["compare"].max()


def test_every_comparison_is_that_of_a_hand_count(kept):
    truth = kept["labels"][kept["judge"]]
    known = {"no TTA": "before", "class weights": "weighted", "flip": "flip"}
    right = {name: kept[array].argmax(axis=1) == truth for name, array in known.items()}
    right[str(kept["candidate"])] = kept["after"].argmax(axis=1) == truth
    exact, told = [], dict(zip(kept["names"], kept["told"], strict=True))
    for name, (n, fixed, broken, gain, _) in told.items():
        after, before = (right[part] for part in name.split(", from "))
        assert fixed == np.sum(after & ~before) and broken == np.sum(before & ~after)
        assert n == len(truth) and gain == pytest.approx(after.mean() - before.mean())
        changed = int(fixed + broken)
        exact.append(stats.binomtest(int(fixed), changed).pvalue if changed else 1.0)
    order, worst = np.argsort(exact), 0.0
    for rank, k in enumerate(order):  # Holm's correction, step by step
        worst = max(worst, min(1.0, exact[k] * (len(exact) - rank)))
        assert kept["told"][k][4] == pytest.approx(worst)
    assert {"flip, from no TTA", f"{kept['candidate']}, from class weights"} <= set(told)


def test_harm_is_counted_class_by_class_and_the_decision_follows(kept):
    truth = kept["labels"][kept["judge"]]
    after, before = (kept[name].argmax(axis=1) == truth for name in ("after", "before"))
    for k, (fixed, broken) in enumerate(kept["by_class"]):
        assert fixed == np.sum((after & ~before)[truth == k])
        assert broken == np.sum((before & ~after)[truth == k])
    told = dict(zip(kept["names"], kept["told"], strict=True))
    needed = [told[f"{kept['candidate']}, from {rival}"] for rival in ("no TTA", "class weights")]
    serve = all(gain > 0 and p < 0.05 for *_, gain, p in needed) and not kept["harmed"]
    assert (str(kept["candidate"]) in str(kept["decision"])) == serve


def test_the_network_has_learned_and_the_view_that_changes_digits_is_found_out(kept):
    truth = kept["labels"][kept["judge"]]
    right = [np.mean(kept[name].argmax(axis=1) == truth) for name in ("before", "flip")]
    assert right[0] > 0.8 and right[0] - right[1] > 0.01
    assert len(kept["passes"]) >= 5 and list(kept["passes"]).count(1) == 2


def test_it_is_committed_with_its_outputs_and_answers_every_row_of_the_rubric():
    cells = [cell for cell in committed().cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    text = "\n".join(str(cell.source) for cell in committed().cells)
    shown = "".join(output.get("data", {}).get("text/markdown", "") for output in outputs)
    rows = re.findall(r"(?m)^\| \*\*(\w+)\*\* \|", GUIDE)
    assert len(rows) == 6 and all(f"| {row} |" in text for row in rows)
    named = [row for row in rows if f"Rubric: {row.lower()}" in shown]
    assert named == rows[:-1], "the last, reproducible, is shown by running"
    tasks = re.findall(r"(?m)^(\d)\. \*\*(.+?)\.?\*\*", GUIDE)
    assert re.findall(r"(?m)^## (\d)\. (.+)$", text) == tasks
