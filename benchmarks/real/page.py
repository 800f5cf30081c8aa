"""docs/real-networks.md: the words follow the numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.real import boxes
from benchmarks.real.artefacts import ARTEFACTS
from benchmarks.real.boxes import BoxJudgement
from benchmarks.real.centernet import SIDE, STRIDE
from benchmarks.real.judge import PASSES, Judgement, MaskJudgement
from benchmarks.real.networks import NETWORKS
from benchmarks.report import machine_line
from tta_helpers.metrics import PairedComparison, significant, with_holm

BOX_ROWS = (  # a way, and which it is held against
    ("moved back", "alone"),
    ("turned", "alone"),
    ("turned", "moved back"),
    ("averaged", "fused"),
)
WORDS = {"helps": "helps", "hurts": "hurts", "no clear effect": "has no clear effect"}


@dataclass
class Findings:
    """All that a run found.

    Attributes
    ----------
    judged, masks, boxes
        One a network.
    pixels
        By network: the same first test images of CIFAR-10 without loss, and as the data have them;
        each with and without the mirror.
    off
        Root mean square difference in grey levels between those two, one an image.
    own
        The accuracy that the mltk package records of its own network.
    missed
        What was not judged, and why: a sentence each.
    """

    judged: list[Judgement] = field(default_factory=list)
    masks: list[MaskJudgement] = field(default_factory=list)
    boxes: list[BoxJudgement] = field(default_factory=list)
    pixels: dict[str, dict[str, PairedComparison]] = field(default_factory=dict)
    off: np.ndarray | None = None
    own: float | None = None
    missed: list[str] = field(default_factory=list)

    def family(self) -> dict[tuple[str, str], PairedComparison]:
        """Return every comparison with its p-value adjusted for their number."""
        singles = {(j.network.name, name): c for j in self.judged for name, c in j.changes.items()}
        return with_holm(singles) if singles else {}


def section(found: Findings, about: Mapping[str, Any], links: Mapping[str, str]) -> str:
    """Return the page's part that is computed, as Markdown; links show the pictures by name."""
    parts = [provenance(about), networks_table(), judged_part(found), links.get("networks")]
    parts += [pixels_part(found), *map(mask_part, found.masks)]
    parts += [*map(boxes_part, found.boxes), links.get("boxes")]
    parts += [f"- {word}" for word in found.missed]
    return "\n\n".join(part for part in parts if part) + "\n"


def provenance(about: Mapping[str, Any]) -> str:
    """Return what the numbers depend on: machine, versions, data."""
    return f"{machine_line(about)} Measured in {about['minutes']:.1f} minutes. {about['dataset']}"


def networks_table() -> str:
    """Return the table of the networks, and of the packages that pictures came from."""
    rows = ["| network | what | package | licence | input, of 8-bit x |", "|---|---|---|---|---|"]
    for n in NETWORKS:
        cells = (n.name, n.what, f"{n.artefact.title}, {n.artefact.client}", n.artefact.licence)
        rows.append(f"| {' | '.join(cells)} | {n.scale} |")
    of_networks = [network.artefact for network in NETWORKS]
    others = (f"{a.title} ({a.licence})" for a in ARTEFACTS if a not in of_networks)
    return "\n".join([*rows, "", f"Pictures and class names: {'; '.join(others)}."])


def judged_part(found: Findings) -> str:
    """Return the table of gains, and what they allow one to say."""
    if not found.judged:
        return ""
    family = found.family()
    rows = [
        "| network | images | n | plain | views | passes | with TTA | gain in points [95 %] "
        "| fixed | broken | p (Holm) | seconds / plain [range] |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for judgement in found.judged:
        rows += [_row(judgement, name, c, family) for name, c in judgement.changes.items()]
    sentences = [_sentence(judgement, family) for judgement in found.judged]
    return "\n".join([*rows, "", *sentences])


def _row(judgement: Judgement, name: str, change: PairedComparison, family: Mapping) -> str:
    cells = (
        *(judgement.network.name, judgement.data, f"{change.n:,}", percent(change.before)),
        *(name, PASSES[name], percent(change.after), points(change)),
        *(change.fixed, change.broken, small(family[judgement.network.name, name].p_value)),
        spread(judgement.ratios[name]),
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def _sentence(judgement: Judgement, family: Mapping) -> str:
    """Return what one network's intervals and adjusted p-values say."""
    said = [
        f"{name} {WORDS[significant(family[judgement.network.name, name])]}"
        for name in judgement.changes
    ]
    n = next(iter(judgement.changes.values())).n
    few = f" With {n} images, an effect has to be large to be seen." if n < 200 else ""
    return f"- {judgement.network.name} on {judgement.data}: {'; '.join(said)}.{few}"


def pixels_part(found: Findings) -> str:
    """Return what re-encoded images cost these networks."""
    if not found.pixels:
        return ""
    n = len(found.off)
    if not found.off.any():
        return f"The data have the official pixels: {n} images in foolbox equal theirs."
    rows = [
        f"The first {n} test images of CIFAR-10, without loss out of foolbox, and the same {n} in "
        f"the data above, which are {found.off.min():.0f} to {found.off.max():.0f} grey levels off "
        "(root mean square over an image's pixels).",
        "",
        "| network | pixels | plain | with the mirror | fixed | broken |",
        "|---|---|---|---|---|---|",
    ]
    for name, changes in found.pixels.items():
        for pixels, c in changes.items():
            cells = (name, pixels, percent(c.before), percent(c.after), c.fixed, c.broken)
            rows.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join([*rows, "", *_own(found)])


def _own(found: Findings) -> list[str]:
    """Return what the mltk package says of its network beside what was seen here."""
    here = [j for j in found.judged if j.network is NETWORKS[0]]
    if not here or found.own is None:
        return []
    plain = next(iter(here[0].changes.values())).before
    return [
        f"The package records {percent(found.own)} of {NETWORKS[0].name} on the official pixels; "
        f"here it has {percent(plain)}, {abs(100 * (found.own - plain)):.1f} points "
        f"{'less' if plain < found.own else 'more'}. So these gains are those on re-encoded "
        "images; on the official ones they may be others."
    ]


def mask_part(judgement: MaskJudgement) -> str:
    """Return what TTA does to a mask."""
    gap = np.abs(judgement.masks["plain"] - judgement.masks["mirrored"]).mean()
    other = percent(judgement.differing("plain", "mirrored"))
    changed = percent(judgement.differing("average", "plain"))
    unturned = percent(judgement.differing("not turned back", "plain"))
    seconds = {name: spread(ratios) for name, ratios in judgement.ratios.items()}
    return (
        f"{judgement.network.name} on {judgement.data}, {judgement.masks['plain'].size:,} pixels: "
        f"{other} of them get another answer if the picture is mirrored (probabilities differ by "
        f"{gap:.3f} in the mean). The average of both, the mirrored one turned back, answers alike "
        "for a picture and its mirror image, and otherwise than the plain mask on "
        f"{changed} of the pixels. Were it not turned back, that would be {unturned}: two persons "
        "laid over each other. Nobody drew the right mask, so whether the average is better is not "
        f"judged. Seconds / plain: {seconds['mirror']} with the mirror, "
        f"{seconds['mirror and shifts']} with mirror and shifts."
    )


def boxes_part(judgement: BoxJudgement) -> str:
    """Return what the mirror does to a detector."""
    n, count, agree = len(judgement.pictures), judgement.count, judgement.agreeing
    apart = judgement.gaps("alone", "moved back")
    lines = [
        f"{judgement.network.name} on {n} photographs, those shown on this page and foolbox's, "
        f"{SIDE} pixels a side: a box counts if its score is at least {boxes.LEAST} and no better "
        f"one of its class overlaps it by more than {boxes.DOUBLED} (IoU). It draws "
        f"{count('alone')} in the pictures and {count('moved back')} in their mirror images. Moved "
        "back by `undo_boxes`, "
        f"{agree('alone', 'moved back')} agree with one of the picture's (same class, IoU at least "
        f"{boxes.AGREE}); their upright edges lie {np.median(np.abs(apart)):.1f} pixels apart in "
        f"the median. Weighted box fusion makes {count('fused')} of all. Nobody drew the right "
        "boxes, so whether fused ones are better is not judged.",
        "",
        "Another way back seems as good: turn the mirror image's maps round by columns, exchange "
        "left and right in them, and draw boxes from these maps, by themselves (turned) or "
        f"averaged with the picture's (averaged). A cell is {STRIDE} pixels wide. Edges at the "
        "frame are left out; minus is to the left.",
        "",
        "| boxes | against | agree | edges in pixels, median [middle half] |",
        "|---|---|---|---|",
    ]
    for way, other in BOX_ROWS:
        shares = f"{agree(other, way)} of {count(way)}"
        lines.append(f"| {way} | {other} | {shares} | {middle(judgement.gaps(other, way))} |")
    return "\n".join([*lines, "", _which_is_right(judgement)])


def _which_is_right(judgement: BoxJudgement) -> str:
    """Return what the picture's own boxes say of the two ways back."""
    moved, turned, averaged = (
        float(np.median(judgement.gaps(*pair)))
        for pair in (("alone", "moved back"), ("alone", "turned"), ("fused", "averaged"))
    )
    told = (
        "No mirror has touched the picture's own boxes. From these, edges moved back are "
        f"{moved:+.1f} pixels off in the median, those of turned maps {turned:+.1f}. "
    )
    if abs(moved) < abs(turned):
        return told + (
            "So boxes have to be moved, not maps. Averages of turned maps and the picture's keep "
            f"{averaged:+.1f} pixels of the mistake."
        )
    return told + "Here this does not show which way is right."


def percent(share: float) -> str:
    """Return a share in per cent."""
    return f"{100 * share:.2f} %"


def points(change: PairedComparison) -> str:
    """Return a gain and its interval in percentage points."""
    return f"{100 * change.gain:+.2f} [{100 * change.low:+.2f}, {100 * change.high:+.2f}]"


def small(p_value: float) -> str:
    """Return a p-value with two digits, or as a bound."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.2g}"


def spread(values: Sequence[float]) -> str:
    """Return the median of some ratios and their range."""
    return f"{np.median(values):.2f} × [{min(values):.2f}, {max(values):.2f}]"


def middle(values: np.ndarray) -> str:
    """Return the median of some numbers and between which values the middle half of them lies."""
    if not len(values):
        return "none to compare"
    low, half, high = np.percentile(values, [25, 50, 75])
    return f"{half:+.1f} [{low:+.1f}, {high:+.1f}]"
