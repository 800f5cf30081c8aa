"""What table 4 of Kim, Kim and Kim 2020 would be on this machine: TTA on ImageNet and ImageNet-C.

    python -m benchmarks.imagenet_c VAL_FOLDER IMAGENET_C_FOLDER OUT.csv

VAL_FOLDER holds ImageNet's validation photographs, a folder a class; IMAGENET_C_FOLDER the released
copies of them, all 19 corruptions. The authors of this workbook have neither, so this was tried on
small made-up folders of the same layout alone, in tests/test_imagenet_c.py.

It differs from the paper. The predictor learns, and greedy policies are chosen, on other validation
photographs than those judged, and on their released copies; the paper corrupts training photographs
(the workbook's own corruptions are made for 32 x 32). GPS chooses among the twelve views, not from
its authors' larger space. A crop of a copy, which is no larger than the network takes, is the copy
moved by a sixteenth of its side with mirrored edges; how the paper crops, its appendix says, which
was not at hand. The network is Keras' ResNet50, other weights than PyTorch's.

What is finished lies in OUT.parts beside OUT.csv, a file a cell; the same command goes on there.
"""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.imagenet_c import table
from benchmarks.imagenet_c.folders import CLEAN, Cell, check_files, found, listed
from benchmarks.imagenet_c.judging import SPENT, Judge
from benchmarks.imagenet_c.learning import Learned, kinds_drawn, measured, trained
from benchmarks.imagenet_c.network import named_network
from tta_helpers import load_model, views
from tta_helpers.predict.results import digest
from tta_helpers.progress import progress
from tta_helpers.workbook.command import add_common, exit_status
from tta_helpers.workbook.data import DataError
from tta_helpers.workbook.place import RunError, locked, write_csv, write_whole
from tta_helpers.workbook.runs import environment_line

BATCH = 100  # images at a time: their pixels, 15 MB, are all that is held of a cell


@dataclass(frozen=True)
class Sizes:
    """How much is judged and learned; photographs are drawn by `seed`, other ones for each."""

    photographs: int = 2000
    learn_from: int = 5000
    copies: int = 2  # corrupted ones, beside the photograph itself
    predictor: str = "efficientnet"
    epochs: int = 8
    seed: int = 0


def passes(sizes: Sizes, n_cells: int = 96) -> int:
    """Return how many images the network sees, on 95 cells and the clean photographs."""
    learning = sizes.learn_from * (1 + sizes.copies) * len(views.TWELVE)
    return n_cells * sizes.photographs * SPENT + learning


class Bench:
    """The folders, the photographs drawn, the network, and what is finished."""

    def __init__(self, validation: Path, released: Path, out: Path, model: str, sizes: Sizes):
        classes, photographs = listed(validation)
        self.sizes, self.classes = sizes, classes
        order = np.random.default_rng(sizes.seed).permutation(len(photographs))
        self.judged = photographs.taken(order[: sizes.photographs])
        last = sizes.photographs + sizes.learn_from
        self.teaching = photographs.taken(order[sizes.photographs : last])
        if last > len(photographs):
            raise DataError(
                f"{validation} holds {len(photographs):,} photographs, fewer than the "
                f"{sizes.photographs:,} to judge and {sizes.learn_from:,} to learn from: give "
                "fewer with --photographs and --learn-from"
            )
        self.folders = found(validation, released, classes, self.judged.names[0])
        self.seen = self.folders.cells("seen")
        if sizes.copies > len(self.seen):
            raise RunError(f"--copies is {sizes.copies}; there are {len(self.seen)} seen cells.")
        self.kinds = kinds_drawn(sizes.learn_from, len(self.seen), sizes.copies, sizes.seed)
        check_files(self.folders, self._wanted())
        self.network, self.about = named_network(model, self.folders.size, len(classes))
        self.parts = out.with_suffix(".parts")
        self.batch_size = BATCH

    def _wanted(self) -> dict[Cell, list[str]]:
        """Return the names of the photographs that are read of each cell."""
        wanted = {cell: list(self.judged.names) for cell in self.folders.of}
        for copy in self.kinds[1:]:
            for kind, name in zip(copy, self.teaching.names, strict=True):
                wanted[self.seen[kind - 1]].append(name)
        return wanted

    def settings(self) -> dict:
        """Return what the finished parts are of."""
        names = "\n".join([*self.classes, *self.judged.names, *self.teaching.names])
        return {
            **asdict(self.sizes),
            "network": digest(*self.network.get_weights()),
            "names": digest(np.frombuffer(names.encode(), np.uint8)),
            "pixels": self.folders.size,
            "released": str(self.folders.of[self.seen[0]].parent.resolve()),
        }

    def check_parts(self) -> None:
        """Keep parts of other settings from being taken for this run's.

        Raises
        ------
        RunError
            If there are such parts; the message names the settings that differ.
        """
        self.parts.mkdir(parents=True, exist_ok=True)
        path, now = self.parts / "settings.json", self.settings()
        if not path.is_file():
            write_whole(path, json.dumps(now, indent=2))
        was = json.loads(path.read_text(encoding="utf-8"))
        if other := [key for key in now if was.get(key) != now[key]]:
            told = ", ".join(f"{key} {was.get(key)!r}, now {now[key]!r}" for key in other)
            raise RunError(
                f"{self.parts} holds parts of another run ({told}): name another OUT.csv, or "
                "delete that folder to begin anew."
            )

    def part(self, name: str, made: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return a part that is finished, or make it and keep it."""
        path = self.parts / f"{name}.npz"
        if not path.is_file():
            content = io.BytesIO()
            np.savez_compressed(content, **made())
            write_whole(path, content.getvalue())
        with np.load(path) as arrays:
            return dict(arrays)

    def learned(self) -> Learned:
        """Return the predictor and the greedy policies."""
        kinds = [(CLEAN, 0), *self.seen]
        copies = []
        for k, drawn in enumerate(self.kinds):
            how = {"search": k < 2, "batch_size": self.batch_size}
            given = self.network, self.folders, self.teaching, [kinds[kind] for kind in drawn]
            copies.append(self.part(f"learned_{k}", lambda g=given, h=how: measured(*g, **h)))
        path = self.parts / "predictor.keras"
        if not path.is_file():
            counts = len(self.classes), len(kinds)
            told = copies, self.kinds, self.teaching.labels, counts, self.sizes.epochs
            partial = path.with_name("partial.keras")
            trained(self.sizes.predictor, *told).save(partial)
            os.replace(partial, path)
        greedy, corrupted = (copies[k]["greedy"].tolist() for k in (0, 1))
        return Learned(load_model(path), greedy, corrupted)

    def right(self) -> dict[Cell, np.ndarray]:
        """Return which photographs each policy gets right, in every cell."""
        made = self.network, self.learned(), self.folders, self.judged
        judge = Judge(*made, self.sizes.seed, self.batch_size)
        return {
            cell: self.part("_".join(map(str, cell)), lambda c=cell: {"right": judge.right(c)})[
                "right"
            ]
            for cell in progress(self.folders.of, desc="cells")
        }


def run(options: argparse.Namespace) -> int:
    """Judge what is not judged yet, and write the table."""
    sizes = Sizes(**{name: getattr(options, name) for name in asdict(Sizes())})
    out = Path(options.out)
    bench = Bench(Path(options.validation), Path(options.released), out, options.model, sizes)
    n = passes(sizes, len(bench.folders.of))
    print(f"{n:,} forward passes of the network; what is finished is kept.", flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    with locked(bench.parts):
        bench.check_parts()
        right = bench.right()
        about = {
            "network": bench.about,
            "predictor": f"{sizes.predictor}, {sizes.epochs} epochs",
            "learned from": f"{sizes.learn_from} other validation photographs, {sizes.copies} "
            "corrupted copies each; the paper's from training photographs",
            "machine": environment_line(),
        }
        lines = table.lines(right, options.training, about)
        write_csv(out, lines)
    for line in lines:
        print(*(line[key] for key in ("row", "clean: error in %", "seen: mCE in %")), sep="  ")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    prog = "python -m benchmarks.imagenet_c"
    formed = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=prog, description=__doc__, formatter_class=formed)
    parser.add_argument("validation", help="ImageNet's validation photographs, a folder a class")
    parser.add_argument("released", help="ImageNet-C, unpacked")
    parser.add_argument("out", help="the table, a CSV file")
    parser.add_argument("--model", default="", help="a Keras file for images in [0, 1]")
    parser.add_argument(
        "--training",
        choices=("standard", "AugMix"),
        default="standard",
        help="how the network was trained: which part of table 4 stands beside",
    )
    parser.add_argument("--predictor", choices=("efficientnet", "compact"), default=Sizes.predictor)
    for name, least, words in (
        ("photographs", 2, "to judge"),
        ("learn-from", 5, "photographs to learn from and to choose with"),
        ("copies", 1, "corrupted copies of each of these"),
        ("epochs", 1, "of the predictor's fits"),
        ("seed", 0, "draws the photographs, their copies and random views"),
    ):
        default = getattr(Sizes, name.replace("-", "_"))
        known = {"type": at_least(least), "default": default}
        parser.add_argument(f"--{name}", help=f"{words} (default: {default:,})", **known)
    add_common(parser)
    options = parser.parse_args(arguments)
    return exit_status(lambda: run(options), traceback=options.traceback)


def at_least(least: int) -> Callable[[str], int]:
    """Return a type of whole numbers, for argparse."""

    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return int(text)

    return number


if __name__ == "__main__":
    sys.exit(main())
