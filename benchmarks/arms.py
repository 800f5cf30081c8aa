"""The loss predictor, arm by arm: which views, which network, which losses, learned from what.

    python -m benchmarks.arms runs/lesson mirrored notebooks/records/04_arms.csv

needs a run of notebook 01. Every arm learns from corrupted training photographs and is judged on
the validation photographs, each in one cell of the seen corruptions; held-out corruptions and test
photographs stay closed. An arm's line is written when the arm is done, and a file that has some is
gone on with.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from tta_helpers import loss_predictor as lp
from tta_helpers import metrics, plots, policies, views
from tta_helpers.predict import predict_views
from tta_helpers.workbook import networks, runs
from tta_helpers.workbook.corruptions import GROUPS, SEEN, corrupted_cells
from tta_helpers.workbook.data import load_dataset, train_validation_split
from tta_helpers.workbook.place import read_csv, write_csv

KEY = ("views", "network", "losses", "learned from", "images")
VIEWS = {"workbook": views.REPAIRS, "paper": views.TWELVE}
BOTH = "combined + mixture"
ARMS = (  # views, network, losses in turn, corruptions to learn from
    ("workbook", "compact", ("recognise", "combined", BOTH, "imitate", BOTH), "all"),
    ("workbook", "compact", ("recognise", "combined", "mixture"), "all"),
    ("workbook", "compact", ("recognise", "combined", BOTH), "all"),
    ("paper", "compact", ("recognise", "combined", "mixture"), "all"),
    ("workbook", "compact", ("combined",), "all"),
    ("workbook", "compact", ("relative",), "all"),
    ("workbook", "compact", ("sodeep",), "all"),
    ("workbook", "compact", ("recognise", "combined", "mixture"), "blur"),
    ("workbook", "efficientnet", ("combined", "mixture"), "all"),
    ("paper", "efficientnet", ("sodeep",), "all"),
    ("paper", "efficientnet", ("relative",), "all"),
)
STEPS = {"recognise": (12, 4e-3), "imitate": (6, 4e-3)}  # epochs and rate; a rank loss's below
STEPS |= dict.fromkeys(("mixture", BOTH), (4, 1e-3))
RANK, LATER_RANK = (8, 4e-3), (8, 2e-3)
LOSSES = {"mixture": lp.mixture_loss, "imitate": lp.centred_mse}  # beside the rank losses
TEACHER_WIDTH = 2  # whom "imitate" imitates: a wider one that has learned from the losses before


@dataclass(frozen=True)
class Sizes:
    """Corrupted images to recognise and in the loss table, and steps of SoDeep's sorter."""

    recognised: int = 160_000
    table: int = 48_000
    sorter_steps: int = 5000

    def __str__(self) -> str:
        return f"{self.recognised} to recognise, {self.table} to rank"


class Bench:
    """A target, the photographs that predictors learn from, and those that judge them."""

    def __init__(self, run_dir: str, target: str, sizes: Sizes):
        given = runs.read_record(run_dir, "01_baseline_cnn")["parameters"]
        data = load_dataset(given["dataset"], image_size=given["image_size"] or None)
        data = data.take(given["n_train"], given["n_test"], seed=given["seed"])
        runs.require(run_dir, "01_baseline_cnn", data)
        self.sizes, self.folder = sizes, runs.run_folder(run_dir)
        self.target = networks.load_model(self.folder / f"{target}.keras")
        self.about = f"{target} network; {data.label}"
        self.images, self.labels = data.train_images, data.train_labels
        train, self.valid = train_validation_split(
            self.labels, given["validation_fraction"], given["seed"]
        )
        self.teach, self.check = (
            train[part] for part in train_validation_split(self.labels[train], 0.2, 0)
        )
        copies, cells = corrupted_cells(self.images[self.valid], SEEN, 1, 0)
        self.noisy, self.corruption = copies[:, 0], np.array(SEEN)[cells[:, 0] // 5]
        self.clean, self._answers = self.images[self.valid], {}

    def drawn(self, rows: np.ndarray, n: int, names: tuple[str, ...], stream: int) -> tuple:
        """Return n training photographs, two of three corrupted, their labels and kinds."""
        rng = np.random.default_rng(stream)
        rows = np.resize(rng.permutation(rows), n)
        copies, cells = corrupted_cells(self.images[rows], names, 1, stream)
        spared = rng.random(n) < 1 / 3
        images = np.where(spared[:, None, None, None], self.images[rows], copies[:, 0])
        return images, self.labels[rows], np.where(spared, 5 * len(names), cells[:, 0])

    def table(self, candidates: tuple, names: tuple[str, ...]) -> list[tuple]:
        """Return images, losses and labels to learn from, and to find the best epoch with."""
        parts = []
        for rows, share, stream in ((self.teach, 4, 1), (self.check, 1, 2)):
            images, labels, _ = self.drawn(rows, share * self.sizes.table // 5, names, stream)
            losses = lp.loss_table(self.target, images, labels, candidates, self.folder)
            parts.append((images, losses, labels))
        return parts

    def many(self, names: tuple[str, ...]) -> tuple:
        """Return corrupted images that cost no pass of the target, their labels and kinds."""
        return self.drawn(self.teach, self.sizes.recognised, names, 3)

    def scored_by(self, wider: keras.Model, names: tuple, check: np.ndarray) -> tuple[tuple, tuple]:
        """Return images, a wider predictor's scores and labels; and images to check by, scored."""
        images, labels, _ = self.many(names)
        scores, checked = (lp.predict_scores(wider, some) for some in (images, check))
        return (images, scores, labels), (check, checked)

    def trained(
        self, candidates: tuple, network: str, losses: tuple, names: tuple, width: int = 1
    ) -> keras.Model:
        """Return a predictor that has learned from each of the losses in turn."""
        keras.utils.set_random_seed(0)
        shape, n_classes = self.noisy.shape[1:], self.target.output_shape[-1]
        if network == "compact":
            sizes = len(candidates), n_classes, 5 * len(names) + 1, width
            predictor, batch, slower = lp.compact_predictor(shape, *sizes), 512, 1
        else:
            predictor, batch, slower = lp.efficientnet_predictor(shape, len(candidates)), 128, 4
        teach, check = self.table(candidates, names)
        for k, name in enumerate(losses):
            epochs, rate = STEPS.get(name, LATER_RANK if k else RANK)
            how = {"epochs": epochs, "learning_rate": rate / slower, "batch_size": batch}
            if name == "recognise":
                lp.fit_recogniser(predictor, *self.many(names), **how)
                continue
            tables = teach, check[:2]
            if name == "imitate":
                wider = self.trained(candidates, network, losses[:k], names, TEACHER_WIDTH)
                tables = self.scored_by(wider, names, check[0])
            lp.fit_predictor(predictor, self.loss(name, len(candidates)), *tables, **how)
        return predictor

    def loss(self, name: str, n_views: int) -> Callable:
        """Return a loss of the scores by name, the sum of several if there is a plus in it."""
        if " + " in name:
            parts = [self.loss(part, n_views) for part in name.split(" + ")]
            return lambda losses, scores: sum(part(losses, scores) for part in parts)
        if name in LOSSES:
            return LOSSES[name]
        sorter = lp.rank_sorter(n_views)
        if name == "sodeep":
            lp.fit_sorter(sorter, self.sizes.sorter_steps)
        return lp.rank_losses(sorter)[name]

    def judged(self, arm: tuple) -> dict[str, str]:
        """Train an arm and return its line of the table: one view an image, without a guard."""
        of_views, network, losses, learned = arm
        candidates, names = VIEWS[of_views], SEEN if learned == "all" else tuple(GROUPS[learned])
        start = time.process_time()
        predictor = self.trained(candidates, network, losses, names)
        spent = time.process_time() - start
        labels = self.labels[self.valid]
        on_noisy, on_clean = self.answers(of_views)
        noisy, rho = self.choice(predictor, self.noisy, on_noisy)
        clean, _ = self.choice(predictor, self.clean, on_clean)
        its_own = np.isin(self.corruption, names)
        change = metrics.compare(labels, *noisy)
        return {
            **dict(zip(KEY, named(arm, self.sizes), strict=True)),
            "gain": plots.points(change),
            "gain on what it learned from": plots.points(
                metrics.compare(labels[its_own], *(probs[its_own] for probs in noisy))
            ),
            "gain, clean": plots.points(metrics.compare(labels, *clean)),
            "error reduction in %": f"{100 * change.gain / (1 - change.before):.1f}",
            "rank correlation": f"{rho:.3f}",
            "processor seconds": f"{spent:.0f}",
            "n": str(len(labels)),
            "target": self.about,
            "machine": runs.environment_line(),
        }

    def answers(self, of_views: str) -> list[np.ndarray]:
        """Return the target's answers to all views of noisy and of clean images, asked for once."""
        if of_views not in self._answers:
            self._answers[of_views] = [
                predict_views(self.target, images, VIEWS[of_views])
                for images in (self.noisy, self.clean)
            ]
        return self._answers[of_views]

    def choice(self, predictor: keras.Model, images: np.ndarray, probs: np.ndarray) -> tuple:
        """Return the answers to the images and to the views chosen, and the rank correlation."""
        scores = lp.predict_scores(predictor, images)
        losses = policies.cross_entropy(self.labels[self.valid], probs)
        chosen = policies.chosen(probs, policies.lowest(scores))
        return (probs[0], chosen), metrics.rank_correlation(scores, losses).mean()


def named(arm: tuple, sizes: Sizes) -> tuple[str, ...]:
    """Return an arm as the file names it."""
    of_views, network, losses, learned = arm
    return of_views, network, " then ".join(losses), learned, str(sizes)


def main(run_dir: str, target: str, path: str, sizes: Sizes = Sizes(), arms: tuple = ARMS) -> None:
    """Judge the arms that the file does not have, and add a line for each."""
    file, bench = Path(path), Bench(run_dir, target, sizes)
    lines = read_csv(file)
    done = [tuple(line[key] for key in KEY) for line in lines]
    for arm in arms:
        if named(arm, sizes) not in done:
            lines.append(bench.judged(arm))
            write_csv(file, lines)
            print(lines[-1], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:4])
