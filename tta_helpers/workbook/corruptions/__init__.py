"""The corruptions of CIFAR-10-C: fifteen seen while something is trained or chosen, four held out.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019. The constants are those of its CIFAR-10 release, made for 32x32 pixels,
and milder than the ImageNet ones of most packages. `corrupt` makes the corruptions anew, for
training and where the released files are not at hand; its images are not the released ones, and
errors measured on the two are not comparable. `load_cifar10c` reads the released files.

Common to all corruptions, and unlike the release: results are floats, not rounded to 8 bits
(`pixelate` and `jpeg_compression` are, as they pass through Pillow). What else differs is said
where it does. In each function `images` is (n, h, w, 3) float32 in [0, 1], `streams` holds one
random generator an image, and the result may leave [0, 1]: `corrupt` clips it.
"""

from tta_helpers.workbook.corruptions.cells import corrupted_cells
from tta_helpers.workbook.corruptions.corrupting import corrupt, corrupt_at_random
from tta_helpers.workbook.corruptions.held_out import HeldOut
from tta_helpers.workbook.corruptions.released import load_cifar10c
from tta_helpers.workbook.corruptions.table import GROUPS, HELD_OUT, SEEN, SEVERITIES, named

__all__ = [
    "GROUPS",
    "HELD_OUT",
    "SEEN",
    "SEVERITIES",
    "HeldOut",
    "corrupt",
    "corrupt_at_random",
    "corrupted_cells",
    "load_cifar10c",
    "named",
]
