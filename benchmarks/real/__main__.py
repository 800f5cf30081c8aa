"""Judge TTA on other people's networks and write docs/real-networks.md: `make real`."""

import argparse
import io
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.real import artefacts, box_figure, figure, page, pictures
from benchmarks.real.boxes import judged_boxes
from benchmarks.real.centernet import SIDE
from benchmarks.real.fetch import FetchError
from benchmarks.real.judge import is_cifar10, judged, judged_mask
from benchmarks.real.networks import NETWORKS, Network, own_accuracy
from benchmarks.report import RESULTS
from benchmarks.timing import machine
from tta_helpers import compare, predict_views
from tta_helpers.views import FLIP
from tta_helpers.workbook.data import Dataset, load_dataset
from tta_helpers.workbook.place import ROOT, write_whole
from tta_helpers.workbook.publishing import with_section

PAGE = ROOT / "docs" / "real-networks.md"
ALTS = {
    "networks": "Above, the gains in accuracy with their intervals; in the middle, what "
    "EfficientNet-lite0 answers for four pictures, for their mirror images and in the average; "
    "below, a portrait, its mask, where the mirror image's mask differs, and the average of both",
    "boxes": "Four photographs, a row each, with the boxes that a detector draws in the picture, "
    "in its mirror image, moved back, and fused; at the right an edge of a small box enlarged, "
    "with the edges beside it that come of turning the mirror image's maps round",
}
SHOWN = ("hopper", "coffee", "astronaut", "china")  # photographs with boxes


def found_with(data: Dataset, n_images: int = 0) -> page.Findings:
    """Judge every network that can be had, on what can be had; 0 images are all of `data`."""
    found = page.Findings()
    for network in NETWORKS:
        if network.task == "cifar10" and not is_cifar10(data.class_names, data.test.shape):
            found.missed.append(
                f"{network.name} was not judged: it names CIFAR-10's classes, and these are other "
                f"data. {data.provenance}"
            )
            continue
        try:
            judge_one(network, data, n_images, found)
        except FetchError as error:
            found.missed.append(f"{network.name} was not judged. {error}")
    return found


def judge_one(network: Network, data: Dataset, n_images: int, found: page.Findings) -> None:
    """Add one network's judgement, and say it."""
    if network.task == "mask":
        words = f"a portrait out of {artefacts.SCIKIT_IMAGE.title}"
        done = judged_mask(network, pictures.person(), words)
        found.masks.append(done)
        say(page.mask_part(done))
        return
    if network.task == "boxes":
        done = judged_boxes(network, pictures.photographs(SIDE))
        found.boxes.append(done)
        say(page.boxes_part(done))
        return
    if network.task == "imagenet":
        images, labels = pictures.imagenet()
        done = judged(network, images, labels, "labelled ImageNet pictures of foolbox")
    else:
        part = data.take(n_test=n_images)
        images, labels = part.test.open(f"judge {network.name}")
        done = judged(network, np.array(images), labels, data.label)
        compare_pixels(network, np.array(data.test.open("a benchmark")[0]), found)
    found.judged.append(done)
    for name, change in done.changes.items():
        say(f"{network.name}, {name}: {page.points(change)} points, {change.verdict}")


def compare_pixels(network: Network, images: np.ndarray, found: page.Findings) -> None:
    """Add how a network does on the same images without loss and as the data have them."""
    lossless, labels = pictures.lossless_cifar10()
    rows, found.off = pictures.nearest(lossless, images)
    found.pixels[network.name] = {}
    model = network.load()
    for words, some in (("without loss", lossless), ("as in the data", images[rows])):
        probs = predict_views(model, some, FLIP, **network.options)
        found.pixels[network.name][words] = compare(labels, probs[0], probs.mean(axis=0))
    found.own = own_accuracy()


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def draw(found: page.Findings, data: Dataset) -> dict[str, str]:
    """Write the figures; return the lines of Markdown that show them, by name."""
    (classifier,) = (network for network in NETWORKS if network.task == "imagenet")
    note = f"{data.label}; ImageNet pictures of foolbox; pictures shown: see the page."
    drawn = {"networks": figure.figure(found, figure.answers(classifier), note)}
    (boxes,) = found.boxes
    note = f"{boxes.network.name}; px: pixels of {SIDE} a side; pictures: see the page."
    drawn["boxes"] = box_figure.figure(boxes, SHOWN, note)
    return {name: f"![{ALTS[name]}]({_written(name, one)})" for name, one in drawn.items()}


def _written(name: str, drawn: Figure) -> str:
    """Write a figure in few colours; return its place as seen from the page."""
    whole, small = io.BytesIO(), io.BytesIO()
    drawn.savefig(whole, dpi=100)
    plt.close(drawn)
    Image.open(whole).convert("RGB").quantize(256).save(small, "png", optimize=True)
    path = RESULTS / f"real-{name}.png"
    write_whole(path, small.getvalue())
    return f"../{path.relative_to(ROOT).as_posix()}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real", description=__doc__)
    parser.add_argument("--dataset", default="auto", help="as for the notebooks (default: auto)")
    parser.add_argument("--images", type=int, default=0, help="of CIFAR-10; 0 takes all")
    parser.add_argument("--out", type=Path, help="a file for what was found; the page is let be")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    data = load_dataset(options.dataset)
    found = found_with(data, options.images)
    for word in found.missed:
        print(f"note: {word}", file=sys.stderr)
    part = data.take(n_test=options.images)
    about = machine() | {"dataset": part.provenance}
    about["minutes"] = (time.perf_counter() - start) / 60
    if options.out:
        write_whole(options.out, page.section(found, about, {}))
    elif not found.missed:
        text = page.section(found, about, draw(found, data))
        write_whole(PAGE, with_section(PAGE, "real networks", text))
    else:
        print(f"note: {PAGE.name} was left as it is, for not all was judged.", file=sys.stderr)
    return 1 if found.missed else 0


if __name__ == "__main__":
    sys.exit(main())
