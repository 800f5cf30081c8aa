"""The corruptions of CIFAR-10-C: fifteen seen while something is trained or chosen, four held out.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019. The constants are those of its CIFAR-10 release, made for 32x32 pixels,
and milder than the ImageNet ones of most packages. `corrupt` makes the corruptions anew, for
training and where the released files are not at hand; its images are not the released ones, for
they draw other random numbers, and the release itself says that errors measured on corruptions made
anew are not comparable with those on its files. `load_cifar10c` reads the released files.

On 2,000 photographs, CIFAR-10's JPEG copy, every corruption changes images as much as the released
script does, at each severity within 2 % of the mean absolute change: `tests/corruptions/` has the
script's figures and the tests. Two are made in another way: `frost` is drawn, where the release
takes cuts from photographs; `smear` draws the lines of `motion_blur` and `snow`, where it calls
ImageMagick. And all results are floats; 8-bit images are cut from them, not rounded, as there.

In each function `images` is (n, h, w, 3) float32 in [0, 1], `streams` holds one
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
