"""Predicting one large array in shards: many workers, one file, whatever happens to a worker.

`python -m tta_helpers.workbook.shards --help` lists what it can do; `make shards` calls it.
"""

import argparse
import functools
import importlib
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import numpy as np

from tta_helpers.progress import progress
from tta_helpers.workbook.command import add_common, add_where, cluster_of, exit_status
from tta_helpers.workbook.digests import check_code, package_digest
from tta_helpers.workbook.environment import backend
from tta_helpers.workbook.place import RunError, locked

SHARD = 20_000  # images: minutes of work, so that a death costs little and starting less


def predict_shards(
    model: str | os.PathLike,
    images: str | os.PathLike,
    out: str | os.PathLike,
    views: Sequence[Any],
    cluster: Any,
    *,
    shard: int = SHARD,
    batch_size: int = 500,
    **options: Any,
) -> np.ndarray:
    """Predict every view of every image on a cluster, bit for bit as `predict_views` with `out`.

    The same bits come from workers that compute with as many threads as a process on one machine
    does, on the same kind of processor: sums are split by threads.

    Each shard is a Dask task that maps its part of the array and writes a file of its own; a worker
    that dies costs the batch that it was at, for the shard is tried again from there. The same call
    after an interruption goes on with the shards that are missing.

    Parameters
    ----------
    model
        A file that `load_model` reads, under the same path on every worker.
    images
        A `.npy` array of images, (n, ...), under the same path on every worker.
    out
        The `.npy` file to be, shape (n, views, ...); its shards lie beside it until it is whole.
    views
        The views.
    cluster
        A `clusters.Cluster`: where to run.
    shard
        Images a task, rounded up to whole batches.
    batch_size, **options
        As `predict_views` takes them, for one head.

    Returns
    -------
    probs : map of the file, shape (views, n, ...)

    Raises
    ------
    RunError
        If a file is missing, a shard fails, or no worker is to be had.
    """
    from tta_helpers.predict.results import joined_files
    from tta_helpers.quiet import keras

    model, images, out = (Path(path).expanduser().resolve() for path in (model, images, out))
    n = _checked(model, images, out)
    size = -(-shard // batch_size) * batch_size
    folder = out.with_suffix(".shards")
    folder.mkdir(exist_ok=True)
    told = [keras.saving.serialize_keras_object(view) for view in views]
    work = functools.partial(
        _predict_shard,
        *(model, images, folder, told, package_digest(), backend()),
        batch_size=batch_size,
        **options,
    )
    with locked(folder):
        _execute(work, [(start, min(start + size, n)) for start in range(0, n, size)], cluster)
        joined_files([_file(folder, start) for start in range(0, n, size)], out)
        shutil.rmtree(folder)
    folder.with_name(f".{folder.name}.lock").unlink(missing_ok=True)
    return np.moveaxis(np.load(out, mmap_mode="r"), 0, 1)


def _checked(model: Path, images: Path, out: Path) -> int:
    """Return how many images there are, or say which file is not what it should be."""
    for path, what in ((model, "model"), (images, "array of images")):
        if not path.exists():
            raise RunError(f"There is no {what} at {path}.")
    if out.exists():
        raise RunError(f"{out} is there already: delete it, or name another file.")
    if out.suffix != ".npy" or not out.parent.is_dir():
        raise RunError(f"out is {out}; name a .npy file in a folder that is there.")
    try:
        found = np.load(images, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise RunError(f"{images} holds no array of images ({error}).") from error
    if not isinstance(found, np.ndarray) or not found.ndim or not len(found):
        raise RunError(f"{images} holds no array of images; save one with numpy.save.")
    return len(found)


def _file(folder: Path, start: int) -> Path:
    return folder / f"{start:012d}.npy"


def _predict_shard(
    model: Path,
    images: Path,
    folder: Path,
    told: list[dict],
    code: str,
    backend_name: str,
    rows: tuple[int, int],
    **options: Any,
) -> int:
    """Predict the images from one row to another on a worker; return how many that were."""
    check_code(code, "command")
    os.environ["KERAS_BACKEND"] = backend_name
    from tta_helpers.predict import predict_views
    from tta_helpers.quiet import keras

    views = [keras.saving.deserialize_keras_object(config) for config in told]
    part = np.load(images, mmap_mode="r", allow_pickle=False)[slice(*rows)]
    loaded = _loaded(model, model.stat().st_mtime_ns)
    predict_views(loaded, part, views, out=_file(folder, rows[0]), **options)
    return len(part)


@functools.lru_cache(maxsize=1)
def _loaded(path: Path, changed: int) -> Any:
    """Load a model once a worker, and anew when its file has changed."""
    from tta_helpers.loading import load_model

    return load_model(path)


def _execute(work: Callable, shards: Sequence[tuple[int, int]], cluster: Any) -> None:
    """Have the shards predicted, showing how many images are done."""
    from distributed import as_completed

    from tta_helpers.workbook.clusters import WorkerWatch, connection_lost

    with cluster.client(len(shards)) as client, progress(total=shards[-1][1], desc="images") as bar:
        keys = [f"shard-{start}" for start, _ in shards]
        futures = client.map(work, shards, key=keys, retries=2, pure=False)
        with WorkerWatch(client, futures, cluster.wait) as watch:
            try:
                for future in as_completed(futures):
                    bar.update(future.result())
            except (CancelledError, OSError) as error:
                raise connection_lost(watch, cluster.wait) from error
            except ValueError as error:
                raise RunError(str(error)) from error
            finally:
                client.cancel(futures)


# ---------------------------------------------------------------- command line


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tta_helpers.workbook.shards", description=__doc__
    )
    parser.add_argument("model", help="a .keras or .h5 file")
    parser.add_argument("images", help="a .npy array of images")
    parser.add_argument("out", help="the .npy file to be, of shape (images, views, ...)")
    parser.add_argument("--views", default="FLIP", help="a set in tta_helpers.views (FLIP)")
    parser.add_argument("--shard", type=int, default=SHARD, help=f"images a task ({SHARD:,})")
    parser.add_argument("--batch-size", type=int, default=500, help="images a pass (500)")
    parser.add_argument("--outputs", default="softmax", help="softmax, logits, sigmoid or raw")
    parser.add_argument("--head", help="name of the output, of several")
    parser.add_argument(
        "--value-range", nargs=2, type=float, default=(0, 1), metavar=("BLACK", "WHITE")
    )
    parser.add_argument("--data-format", default="channels_last", help="or channels_first")
    parser.add_argument("--preprocess", default="", help="a function, as package.module.name")
    add_where(parser)
    add_common(parser)
    options = parser.parse_args(arguments)
    return exit_status(lambda: _command(options), traceback=options.traceback)


def _command(options: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    for name in ("shard", "batch_size"):
        if getattr(options, name) < 1:
            raise RunError(f"{name} is {getattr(options, name)}; give 1 or more.")
    from tta_helpers import views

    chosen = getattr(views, options.views, None)
    sets = [name for name in views.__all__ if isinstance(getattr(views, name), tuple)]
    sets.remove("SHIFT_SIX_WEIGHTS")
    if options.views not in sets:
        raise RunError(f"views is {options.views!r}; name one of {', '.join(sets)}.")
    how = {name: getattr(options, name) for name in ("outputs", "head", "data_format")}
    if options.preprocess:
        how["preprocess"] = _function(options.preprocess)
    probs = predict_shards(
        *(options.model, options.images, options.out, chosen, cluster_of(options, shared=False)),
        shard=options.shard,
        batch_size=options.batch_size,
        value_range=tuple(options.value_range),
        **how,
    )
    print(f"{options.out}: {probs.shape[1]:,} images, {len(probs)} views, {probs.shape[2:]} each.")
    return 0


def _function(name: str) -> Callable:
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise RunError(f"--preprocess {name} names no function ({error}).") from error


if __name__ == "__main__":
    sys.exit(main())
