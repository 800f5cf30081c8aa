"""Whole pictures, an object in its scene and light; and the data set that they make."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import ImageDraw

from tta_helpers.workbook.sample.animals import bird, frog, quadruped
from tta_helpers.workbook.sample.canvas import BIG, SIZE, SUPER, Dice, Pen
from tta_helpers.workbook.sample.colours import shade
from tta_helpers.workbook.sample.scenery import SCENES, backdrop, clutter
from tta_helpers.workbook.sample.vehicles import airplane, automobile, ship, truck

CLASS_NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


class Subject(NamedTuple):
    """How a class is drawn, and the scenes it is met in, once for each share."""

    draw: Callable
    scenes: tuple[str, ...]


SUBJECTS = {
    "airplane": Subject(airplane, ("sky", "sky", "sky", "road", "field", "sea")),
    "automobile": Subject(automobile, ("road", "road", "field", "sand", "snow")),
    "bird": Subject(bird, ("sky", "field", "forest", "sea", "sand", "snow")),
    "cat": Subject(partial(quadruped, name="cat"), ("indoor", "indoor", "field", "forest", "road")),
    "deer": Subject(partial(quadruped, name="deer"), ("field", "forest", "forest", "snow", "sand")),
    "dog": Subject(partial(quadruped, name="dog"), ("indoor", "indoor", "field", "snow", "road")),
    "frog": Subject(frog, ("forest", "field", "sand", "indoor", "sea")),
    "horse": Subject(
        partial(quadruped, name="horse"), ("field", "field", "forest", "sand", "snow")
    ),
    "ship": Subject(ship, ("sea", "sea", "sea", "sea", "sand")),
    "truck": Subject(truck, ("road", "road", "field", "sand", "snow")),
}


def draw_image(key: Sequence[int], name: str) -> np.ndarray:
    """Draw the image of class `name` whose random stream is keyed by `key`.

    Returns
    -------
    numpy.ndarray
        uint8, shape (32, 32, 3), values 0 to 255.
    """
    dice = Dice(key)
    subject = SUBJECTS[name]
    scene = SCENES[dice.pick(subject.scenes)]
    horizon = dice.between(*scene.horizon)
    picture, floor = backdrop(dice, dice.colour(scene.above), 18), dice.colour(scene.below)
    if horizon < 1:
        picture.paste(backdrop(dice, floor, 26), (0, round(horizon * BIG)))
    canvas = ImageDraw.Draw(picture)
    for kind in scene.behind:
        if dice.chance(0.5):
            clutter(kind, canvas, dice, horizon)

    size = dice.between(0.33, 0.48)
    heading = 1 if dice.chance(0.5) else -1
    x, stretch = dice.between(0.4, 0.6), dice.between(0.82, 1.15)
    if horizon > 1:  # in the air: anywhere, at any bank
        y, tilt = dice.between(0.55, 0.85), dice.between(-0.45, 0.45)
    else:
        y, tilt = max(horizon + 0.05, dice.between(0.7, 0.95)), dice.between(-0.12, 0.12)
        shadow = Pen(canvas, x, y, size)
        shadow.oval(shade(floor, 0.6), dice.between(-0.2, 0.2), 0.02, dice.between(0.8, 1.1), 0.12)
    subject.draw(Pen(canvas, x, y, size, heading, tilt, stretch, aloft=horizon > 1), dice)

    for kind in scene.ahead:
        if dice.chance(0.3):
            clutter(kind, canvas, dice, horizon)

    small = np.asarray(picture.reduce(SUPER), np.float64)
    # Light: brightness and contrast, a cast of colour, and sensor noise, different for each image.
    contrast, bright, noise = dice.between(1.0, 1.7), dice.between(-45, 25), dice.pick((3, 8, 14))
    cast = np.array([dice.between(-15, 15) for _ in range(3)])
    grain = dice.rng.integers(-noise, noise + 1, small.shape)
    return np.clip((small - 120) * contrast + 120 + bright + cast + grain, 0, 255).astype(np.uint8)


def make_sample(
    n_train: int = 20_000,
    n_test: int = 2_000,
    seed: int = 0,
    progress: Callable[[Iterable], Iterable] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw the sample data set: ten balanced classes, shuffled, the same on every machine.

    Parameters
    ----------
    n_train, n_test : int
        Images to draw for each split, at least 1. Class counts differ by at most one. The 20,000
        are there for batch normalisation: with Keras' momentum of 0.99, its running averages still
        hold 1 % of their starting values after the tutorial's three epochs of 128 images an
        update, against 9 % with 10,000, where test accuracy stays below one half.
    seed : int
        Which sample to draw, at least 0. Train and test come from different random streams.
    progress : callable, optional
        Wraps the loop over the images of each split, for example ``tqdm.tqdm``.

    Returns
    -------
    train_images, train_labels, test_images, test_labels : numpy.ndarray
        Images are uint8, shape (n, 32, 32, 3), values 0 to 255; labels are int64, shape (n,),
        indices into `CLASS_NAMES`.

    Raises
    ------
    ValueError
        If a count is not an integer of at least 1, or the seed is not an integer of at least 0.

    Notes
    -----
    Source: this project. The images are its own drawings; no photograph takes part.
    """
    for name, value, least in (("n_train", n_train, 1), ("n_test", n_test, 1), ("seed", seed, 0)):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < least:
            raise ValueError(f"{name} is {value!r}; pass an integer of at least {least}.")

    splits = []
    for split, n in enumerate((n_train, n_test)):
        # An image's key holds its index within its class, so more images never change the first.
        images = np.empty((n, SIZE, SIZE, 3), np.uint8)
        order = np.random.default_rng((seed, split)).permutation(n)
        for place, i in enumerate(progress(order) if progress else order):
            index, label = divmod(int(i), len(CLASS_NAMES))
            images[place] = draw_image((seed, split, label, index), CLASS_NAMES[label])
        splits += [images, (order % len(CLASS_NAMES)).astype(np.int64)]
    return tuple(splits)
