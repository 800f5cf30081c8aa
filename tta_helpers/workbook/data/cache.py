"""Decoded arrays on disk: written whole or not at all, checked, memory-mapped after."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tta_helpers.workbook.data.dataset import ARRAYS, Dataset
from tta_helpers.workbook.data.decoding import Decoded, Form
from tta_helpers.workbook.data.errors import DataError, printable
from tta_helpers.workbook.data.locked import Locked
from tta_helpers.workbook.data.usable import check_enough, repeats

CACHE_FORMAT = 4  # part of a cache's name: raise it whenever the same files are decoded otherwise


class Origin(NamedTuple):
    """What arrays are decoded from, and how: kind and signature name the cache that holds them."""

    kind: str
    signature: list  # changes when the content does; cheap enough to compute on every call
    decode: Callable[[Form], Decoded]


def load_through_cache(origin: Origin, why: str, form: Form, cache: Path) -> Dataset:
    """Open what is cached of an origin, decoding, checking and caching it first if need be.

    `why` ends the provenance: why these data were taken.
    """
    key = json.dumps([CACHE_FORMAT, origin.signature, form])
    folder = cache / f"{origin.kind}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    if not folder.exists():
        try:
            decoded = origin.decode(form)
            check_enough(decoded)
            note = decoded.note + repeats(decoded, form)
            _write_cache(folder, decoded._replace(note=note))
        except MemoryError as error:
            raise DataError(
                f"the images do not fit in memory ({error}): choose a smaller image_size=, or "
                "fewer images"
            ) from error
    return _open_cache(folder, why)


def _write_cache(folder: Path, decoded: Decoded) -> None:
    """Write whole or not at all: into a folder aside, which then takes the final name."""
    arrays = dict(zip(ARRAYS, map(np.ascontiguousarray, decoded.arrays), strict=True))
    n_train, n_test = f"{len(arrays['train_labels']):,}", f"{len(arrays['test_labels']):,}"
    if decoded.incomplete:
        n_train, n_test = f"{n_train} of 50,000", f"{n_test} of 10,000"
    images = f"{n_train} training and {n_test} test images"
    meta = {
        "format": CACHE_FORMAT,
        "name": decoded.name,
        "label": decoded.title,
        "description": f"{decoded.title}, {images}{decoded.note}",
        "class_names": decoded.class_names,
        "fingerprint": _fingerprint(decoded.class_names, arrays),
        "shapes": {name: array.shape for name, array in arrays.items()},
        "sha256": {name: _sha256(arrays[name]) for name in ARRAYS if name.endswith("labels")},
    }
    meta["check"] = _check(meta)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing-") as aside:
            new = Path(aside) / folder.name
            new.mkdir()
            for name, array in arrays.items():
                np.save(new / f"{name}.npy", array)
            (new / "meta.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")
            try:
                new.rename(folder)
            except OSError:
                if not folder.is_dir():  # if it is one, another process was first, with the same
                    raise
    except OSError as error:
        raise DataError(
            f"the cache {printable(folder)} cannot be written ({error}): free the disk, or name "
            "another place in TTA_CACHE or cache="
        ) from error


def _fingerprint(class_names: tuple[str, ...], arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(class_names).encode())
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array)
    return digest.hexdigest()


def _check(meta: dict) -> str:
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def _open_cache(folder: Path, why: str) -> Dataset:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if meta["format"] == CACHE_FORMAT:
            if meta.pop("check") != _check(meta):
                raise ValueError("meta.json has changed")
            arrays = {name: _open_array(folder, name, meta) for name in ARRAYS}
            return Dataset(
                name=meta["name"],
                class_names=tuple(meta["class_names"]),
                label=meta["label"],
                provenance=f"{meta['description']}: {why}.",
                fingerprint=meta["fingerprint"],
                test=Locked(arrays.pop("test_images"), arrays.pop("test_labels")),
                **arrays,
            )
    except Exception as error:  # a damaged file can raise almost anything
        raise DataError(
            f"the cache {printable(folder)} is damaged ({type(error).__name__}: {error}): "
            "delete that folder, and it is made again"
        ) from error
    raise DataError(
        f"the cache {printable(folder)} has format {meta['format']!r}, and this version reads "
        f"{CACHE_FORMAT}: delete that folder, or use the version of tta_helpers that wrote it"
    )


def _open_array(folder: Path, name: str, meta: dict) -> np.ndarray:
    array = np.lib.format.open_memmap(folder / f"{name}.npy", mode="r")
    images = name.endswith("images")
    found, expected = (array.dtype, list(array.shape)), meta["shapes"][name]
    if found != (np.uint8 if images else np.int64, expected):
        raise ValueError(f"{name} are {array.dtype} of shape {array.shape}, not {expected}")
    if images:  # hashing these each time would take longer than opening them
        return array
    # As a plain array, because NumPy shows a memory map as one; still read-only.
    labels = np.asarray(array)
    if _sha256(labels) != meta["sha256"][name]:
        raise ValueError(f"{name} have changed")
    return labels


def _sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array).hexdigest()
