"""A procedural stand-in for CIFAR-10, so that the workbook runs anywhere, offline.

Ten classes with CIFAR-10's names are drawn by code: silhouettes with posed parts, in scenery, with
light, texture, clutter and something in the way, at four times the size and then averaged down to
32x32. They are drawings for teaching and testing, not photographs: a number measured on them says
nothing about CIFAR-10. `make_scenes` draws pictures of many cells, with a box and a mask for each.

Each image has a random stream of its own, keyed by seed, split, class and index, so an image does
not depend on how many others are drawn. The streams give only uniform doubles and integers, and
every coordinate is rounded to a whole pixel before it is drawn; no font and no platform function
takes part. So a seed gives the same images on every machine that has the locked Pillow; versions
11.3 to 13 agree to the byte, an older one may fill an edge differently.
"""

from tta_helpers.workbook.sample.pictures import CLASS_NAMES, make_sample
from tta_helpers.workbook.sample.scenes import SCENE_CLASSES, Scenes, make_scenes

__all__ = ["CLASS_NAMES", "SCENE_CLASSES", "Scenes", "make_sample", "make_scenes"]
