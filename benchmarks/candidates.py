"""Which views to choose from: what the best one for every corruption and severity would win.

    python -m benchmarks.candidates runs/lesson mirrored settled

needs a run of notebook 01, and writes its table into docs/sweeps.md. The views are photometric, so
that one operation applies them. All are judged on validation photographs under the seen
corruptions: on one half of the photographs each cell, a corruption at a severity, finds the view of
the lowest mean loss, on the other half it is judged, and the other way round.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from benchmarks.arms import Bench, Sizes
from tta_helpers import metrics, plots, policies, views
from tta_helpers.predict import predict_views
from tta_helpers.views import Compose
from tta_helpers.workbook import runs
from tta_helpers.workbook.corruptions import SEEN, corrupted_cells
from tta_helpers.workbook.place import ROOT, write_whole
from tta_helpers.workbook.publishing import with_section

PAGE, COPIES = ROOT / "docs" / "sweeps.md", 2
_REPAIRS = ((), (views.Despeckle(),), (views.Median(),))
_RANGES = ((), (views.Autocontrast(),))
_CONTRASTS = tuple((views.Contrast(factor),) for factor in (1.5, 2, 3))
_LAST = (
    *((), (views.Color(0.5),), (views.Color(2),)),
    *((views.Sharpness(factor),) for factor in (0, 0.2, 0.5, 2, 3, 4)),
    *((views.Brightness(delta),) for delta in (-0.2, -0.15, 0.15)),
)
_STEPS = [sum(parts, ()) for parts in product(_REPAIRS, _RANGES, _LAST)]
_STEPS += [sum(parts, ()) for parts in product(_REPAIRS, _CONTRASTS)]
POOL = (  # the first is the image as it is
    views.Identity(),
    *(steps[0] if len(steps) == 1 else Compose(steps) for steps in _STEPS[1:]),
)


@dataclass(frozen=True)
class Answers:
    """A network's answers to all views: whether right and with what loss, (copies, views).

    `cells` is each copy's corruption and severity, `half` which half its photograph belongs to.
    """

    right: np.ndarray
    losses: np.ndarray
    cells: np.ndarray
    half: np.ndarray

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return values summed by half and cell, (2, cells, views)."""
        found = np.zeros((2, self.cells.max() + 1, values.shape[1]))
        np.add.at(found, (self.half, self.cells), values)
        return found

    def chosen(self, some: Sequence[int]) -> np.ndarray:
        """Return for each copy the view that is best in its cell on the other half."""
        return best_in_cells(self.sums(self.losses), some)[1 - self.half, self.cells]


def best_in_cells(losses: np.ndarray, some: Sequence[int]) -> np.ndarray:
    """Return which of some views has the lowest loss in each half and cell, (2, cells)."""
    return np.asarray(some)[losses[:, :, some].argmin(axis=2)]


def answers(bench: Bench) -> Answers:
    """Return what a target answers to all views of corrupted validation photographs."""
    copies, cells = corrupted_cells(bench.clean, SEEN, COPIES, 0)
    labels = np.repeat(bench.labels[bench.valid], COPIES)
    probs = predict_views(bench.target, copies.reshape(-1, *copies.shape[2:]), POOL)
    right = (probs.argmax(axis=2) == labels).T
    half = np.repeat(np.arange(len(bench.clean)) % 2, COPIES)
    return Answers(right, policies.cross_entropy(labels, probs), cells.ravel(), half)


def greedy(asked: Sequence[Answers], n_views: int) -> list[int]:
    """Return the views that, added one by one, let most copies be read rightly, all networks'."""
    totals = [(of.sums(of.losses), of.sums(of.right)) for of in asked]

    def hits(some: list[int]) -> float:
        found = 0
        for losses, right in totals:
            best = best_in_cells(losses, some)
            found += np.take_along_axis(right[::-1], best[:, :, None], axis=2).sum()
        return found

    some = [0]
    while len(some) < n_views:
        others = [view for view in range(asked[0].right.shape[1]) if view not in some]
        some.append(max(others, key=lambda view: hits([*some, view])))
    return some


def won(of: Answers, choice: np.ndarray) -> str:
    """Return the points won by a view a copy over none, with an interval over photographs."""
    gain = of.right[np.arange(len(choice)), choice].astype(float) - of.right[:, 0]
    told = metrics.image_interval(gain.reshape(-1, COPIES).mean(axis=1))
    return f"{plots.points(told)} ({100 * gain.mean() / (1 - of.right[:, 0].mean()):.1f} %)"


def table(targets: Sequence[str], asked: Sequence[Answers], machine: str) -> str:
    """Return the Markdown table: what sets of views win if each cell gets its best one."""
    numbers = {view.name: k for k, view in enumerate(POOL)}
    papers = [numbers[view.name] for view in views.TWELVE if view.name in numbers]
    ours = [numbers[view.name] for view in views.REPAIRS]
    taken = greedy(asked, len(ours))
    sets = {"the paper's photometric views": papers, "`views.REPAIRS`": ours}
    sets |= {"one by one": taken, "all that were tried": range(len(POOL))}
    header = ["to choose from", "views", *(f"{name} network, points" for name in targets)]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for name, some in sets.items():
        cells = [won(of, of.chosen(list(some))) for of in asked]
        lines.append(f"| {' | '.join([name, str(len(some)), *cells])} |")
    n_photographs = len(asked[0].half) // COPIES
    note = (
        f"Points over no TTA, in brackets the share of the errors; {n_photographs:,} validation "
        f"photographs in {COPIES} cells each. One by one: {', '.join(POOL[k].name for k in taken)}."
    )
    return "\n".join([*lines, "", f"{note} {machine}.", ""])


def main(run_dir: str, *targets: str) -> None:
    """Judge the views on each target and write the table."""
    benches = [Bench(run_dir, target, Sizes()) for target in targets]
    about = "; ".join(dict.fromkeys(bench.about.split("; ")[1] for bench in benches))
    text = table(targets, [answers(b) for b in benches], f"{about}. {runs.environment_line()}")
    write_whole(PAGE, with_section(PAGE, "candidates", text))
    print(f"{PAGE.relative_to(ROOT)} is written.")


if __name__ == "__main__":
    main(*sys.argv[1:])
