"""Pictures to pixels: files decoded upright, resized, and their colour taken away.

People's folders hold what phones, scanners, cameras and operating systems leave there. What is
read is read as it looks on the screen.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tta_helpers.progress import progress
from tta_helpers.workbook.data.errors import DataError, printable
from tta_helpers.workbook.data.memory import check_room

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
# EXIF orientation, tag 0x0112: how the stored picture is turned to stand upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Form(NamedTuple):
    """What the pixels become; a part of the cache's key."""

    size: tuple[int, int] | None = None  # (height, width); None keeps the size
    keep_aspect_ratio: bool | str = False
    color_mode: str = "rgb"
    skip_damaged: bool = False

    @property
    def channels(self) -> int:
        """How many numbers a pixel has."""
        return 1 if self.color_mode == "grayscale" else 3


class Decoded(NamedTuple):
    """Arrays, and what the provenance says of them."""

    name: str
    title: str
    class_names: tuple[str, ...]
    arrays: tuple[np.ndarray, ...]  # training images and labels, test images and labels
    note: str = ""  # what was done to the images
    incomplete: bool = False  # a part of an official data set


def make_form(
    image_size: int | tuple[int, int] | None,
    keep_aspect_ratio: bool | str,
    color_mode: str,
    skip_damaged: bool,
) -> Form:
    """Check what a caller asks for.

    Raises
    ------
    DataError
        For a value that is none of the documented ones.
    """
    size = image_size
    if image_size is not None:
        pair = image_size if isinstance(image_size, tuple | list) else (image_size, image_size)
        whole = [isinstance(n, int | np.integer) and not isinstance(n, bool) for n in pair]
        if not (len(pair) == 2 and all(whole) and min(pair) > 0):
            raise DataError(
                "image_size must be a positive whole number of pixels, or (height, width) as two "
                f"of them, not {image_size!r}"
            )
        size = (int(pair[0]), int(pair[1]))
    if not (isinstance(keep_aspect_ratio, bool) or keep_aspect_ratio == "pad"):
        raise DataError(
            f"keep_aspect_ratio is {keep_aspect_ratio!r}: give False (stretch), True (crop the "
            "centre) or 'pad' (add black)"
        )
    if keep_aspect_ratio and size is None:
        raise DataError(
            f"keep_aspect_ratio={keep_aspect_ratio!r} says how images are resized: "
            "give image_size= too, or leave it out"
        )
    if color_mode not in ("rgb", "grayscale"):
        raise DataError(f"color_mode is {color_mode!r}: give 'rgb' or 'grayscale'")
    return Form(size, keep_aspect_ratio, color_mode, bool(skip_damaged))


def decode_image(path: str, form: Form) -> tuple[np.ndarray, str, tuple[int, int]]:
    """Decode one file, upright.

    Alpha is dropped, also a palette's: what shows is the colour stored in the transparent pixel,
    on no background. 16 bits a channel are refused rather than cut to 8.

    Returns
    -------
    pixels
        (height, width, 3 or 1) uint8, as `to_pixels` makes them.
    format
        One of `FORMATS`, by content.
    size
        (width, height) of the upright picture, before it is resized.

    Raises
    ------
    DataError
        For everything that Pillow notices: other formats, headers and checksums that are wrong,
        files that end too early, several pictures in one file, too many pixels. It cannot notice
        wrong pixels: the JPEG format has no checksum, and where its data break off before an end
        marker, or are overwritten in the middle, libjpeg fills the rest with grey or noise and
        tells Pillow nothing.
    """
    try:
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")  # odd metadata, dropped alpha
            image = _open(file)
            image.load()
            turn = UPRIGHT.get(_orientation(image))
            upright = image if turn is None else image.transpose(turn)
            return to_pixels(upright, form), image.format.replace("MPO", "JPEG"), upright.size
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can raise almost anything
        reason = str(error) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            reason = f"its content is none of {', '.join(FORMATS)}"
        elif isinstance(error, OSError):
            reason = error.strerror or reason
        raise DataError(f"{printable(path)} cannot be decoded: {reason}") from error


def _open(file: BinaryIO) -> Image.Image:
    """Open a picture of 8 bits a channel at most."""
    head = file.read(25)
    if not head:
        raise ValueError("it is empty")
    image = Image.open(file, formats=FORMATS)
    if image.format == "PNG":
        image.verify()  # the checksums, which decoding leaves out
        image = Image.open(file, formats=FORMATS)
    # Pillow would read red, green and blue of 16 bits as their upper 8, and clip grey to white.
    bits = {"PNG": head[24], "TIFF": max(getattr(image, "tag_v2", {}).get(258, [8]))}
    if bits.get(image.format, 8) > 8:
        raise ValueError("it has more than 8 bits a channel; convert it to 8")
    # A telephone's MPO holds the photograph first, and behind it a preview or the other eye's view.
    n_frames = getattr(image, "n_frames", 1)
    if n_frames > 1 and image.format != "MPO":
        raise ValueError(f"it holds {n_frames} pictures; keep one")
    return image


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(0x0112)
    except Exception:  # metadata that cannot be read say nothing, and the picture can be good
        return None


def to_pixels(image: Image.Image, form: Form) -> np.ndarray:
    """Return (height, width, 3) uint8, or (height, width, 1) for grayscale (ITU-R 601 luma)."""
    image = image.convert("RGB")
    if form.color_mode == "grayscale":
        image = image.convert("L")
    if form.size:
        image = _resized(image, form)
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _resized(image: Image.Image, form: Form) -> Image.Image:
    height, width = form.size
    bicubic = Image.Resampling.BICUBIC
    if form.keep_aspect_ratio == "pad":
        return ImageOps.pad(image, (width, height), bicubic)
    if not form.keep_aspect_ratio:
        return image.resize((width, height), bicubic)
    # The largest part in the middle with the new proportions, in whole pixels as Keras' load_img.
    part_width = max(1, min(image.width, image.height * width // height))
    part_height = max(1, min(image.height, image.width * height // width))
    left, top = (image.width - part_width) // 2, (image.height - part_height) // 2
    box = (left, top, left + part_width, top + part_height)
    return image.resize((width, height), bicubic, box=box)


def to_form(arrays: Sequence[np.ndarray], form: Form) -> tuple[tuple[np.ndarray, ...], str]:
    """Resize the images among four arrays (in the order of `ARRAYS`) or take their colour away.

    Returns
    -------
    arrays, note
        The four arrays, and what was done, as a part of a sentence.
    """
    size = arrays[0].shape[1:3]
    note = form_note(form, [size[::-1]])
    if not note:
        return tuple(arrays), note
    shape = (*(form.size or size), form.channels)
    check_room(len(arrays[0]) + len(arrays[2]), shape[:2], form.channels)
    train_images, train_labels, test_images, test_labels = arrays
    train_images, test_images = (
        np.fromiter(
            (to_pixels(Image.fromarray(image), form) for image in progress(images, "converting")),
            np.dtype((np.uint8, shape)),
            len(images),
        )
        for images in (train_images, test_images)
    )
    return (train_images, train_labels, test_images, test_labels), note


def form_note(form: Form, sizes: Iterable[tuple[int, int]]) -> str:
    """Say what was done to images of these sizes (width, height), as a part of a sentence."""
    note = ""
    if form.size:
        height, width = form.size
        how = ["bicubic"] if height == width else ["height x width", "bicubic"]
        if any(w * height != h * width for w, h in sizes):
            ways = {False: "stretched", True: "cropped at the centre", "pad": "padded with black"}
            how.append(ways[form.keep_aspect_ratio])
        note += f", resized to {height}x{width} ({', '.join(how)})"
    if form.color_mode == "grayscale":
        note += ", in grayscale"
    return note
