"""The workbook's networks, how they are fitted, and what one forward pass costs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tta_helpers import loading
from tta_helpers.fitting import ProgressBar
from tta_helpers.quiet import keras
from tta_helpers.workbook.augmenting import (
    AUGMENTATIONS,
    CONSISTENT,
    Augmented,
    consistent_trainer,
)
from tta_helpers.workbook.devices import on_processor

FIT = {"epochs": 3, "batch_size": 128}
"""The tutorial's fit settings."""


def jit_compile() -> bool | str:
    """Return the `jit_compile` that this workbook's networks are compiled with.

    Keras' "auto", but False for TensorFlow on a processor: there XLA takes seconds to compile each
    size of batch, and a step of 128 images then takes a fifth longer than without (measured with
    `baseline_cnn` on two cores).
    """
    return False if keras.backend.backend() == "tensorflow" and on_processor() else "auto"


def baseline_cnn(
    input_shape: tuple[int, int, int] = (32, 32, 3), n_classes: int = 10, steps: int | None = None
) -> keras.Sequential:
    """Return the tutorial's network, compiled with Adam and categorical cross-entropy.

    Two blocks of convolution (32 then 64 filters of 3x3), batch normalisation and 2x2 maximum
    pooling; then 128 hidden units and a softmax. Images are floats in [0, 1], labels one-hot.

    Parameters
    ----------
    input_shape
        Height, width and channels of an image.
    n_classes
        Number of classes; at least 2.
    steps
        Training steps in which the learning rate falls from 0.002 to 0 along a cosine, as for
        notebook 01's settled network; without it, Adam's rate stays, as in the tutorial.

    Raises
    ------
    ValueError
        If there are fewer than two classes, or an image is too small to be pooled twice.
    """
    if n_classes < 2:
        raise ValueError(f"n_classes is {n_classes}; a classifier needs at least 2.")
    if len(input_shape) != 3 or min(input_shape[:2]) < 4:
        raise ValueError(
            f"input_shape is {input_shape}; give (height, width, channels), 4 or more a side."
        )
    layers = keras.layers
    relu = {"activation": "relu", "kernel_initializer": "he_uniform"}
    model = keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(32, 3, padding="same", **relu),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, padding="same", **relu),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(128, **relu),
            layers.BatchNormalization(),
            layers.Dense(n_classes, activation="softmax"),
        ],
        name="baseline_cnn",
    )
    rate = keras.optimizers.schedules.CosineDecay(0.002, steps) if steps else 0.001
    how = {"loss": "categorical_crossentropy", "metrics": ["accuracy"]}
    model.compile(optimizer=keras.optimizers.Adam(rate), jit_compile=jit_compile(), **how)
    return model


def wide_resnet(
    depth: int = 40,
    width: int = 2,
    input_shape: tuple[int, int, int] = (32, 32, 3),
    n_classes: int = 10,
    steps: int | None = None,
) -> keras.Model:
    """Return a wide residual network, compiled as in its paper: SGD with Nesterov momentum.

    Zagoruyko and Komodakis, BMVC 2016: a 3x3 convolution, then three groups of pre-activation
    blocks with 16, 32 and 64 times `width` filters, the second and third group at half the
    resolution of the one before; average pooling and a softmax. 40-2 is the target network of Kim,
    Kim and Kim 2020. Images are floats in [0, 1], labels one-hot.

    Parameters
    ----------
    depth
        6 n + 4, for n blocks of two convolutions a group.
    width
        Factor on the number of filters, at least 1.
    input_shape, n_classes
        As `baseline_cnn`'s.
    steps
        Training steps in which the learning rate falls from 0.1 to 0 along a cosine; without it,
        the rate stays.
    """
    blocks, rest = divmod(depth - 4, 6)
    if rest or blocks < 1 or width < 1:
        raise ValueError(
            f"depth is {depth} and width is {width}; depth must be 10, 16, 22, 28, 34, 40 ... and "
            "width at least 1."
        )
    layers = keras.layers
    plain = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"}

    def activated(x):
        return layers.ReLU()(layers.BatchNormalization()(x))

    inputs = keras.Input(input_shape)
    x = layers.Conv2D(16, 3, **plain)(layers.Rescaling(4, offset=-2)(inputs))
    for filters, group_stride in ((16 * width, 1), (32 * width, 2), (64 * width, 2)):
        for block in range(blocks):
            stride = 1 if block else group_stride
            before = activated(x)
            inner = activated(layers.Conv2D(filters, 3, stride, **plain)(before))
            residual = layers.Conv2D(filters, 3, **plain)(inner)
            if x.shape[-1] != filters:
                x = layers.Conv2D(filters, 1, stride, **plain)(before)
            x = layers.Add()([x, residual])
    x = layers.GlobalAveragePooling2D()(activated(x))
    outputs = layers.Dense(n_classes, activation="softmax")(x)
    model = keras.Model(inputs, outputs, name=f"wide_resnet_{depth}_{width}")
    return _by_momentum(model, steps)


def resnext(
    depth: int = 29,
    groups: int = 4,
    input_shape: tuple[int, int, int] = (32, 32, 3),
    n_classes: int = 10,
    steps: int | None = None,
    group_width: int = 32,
) -> keras.Model:
    """Return a ResNeXt for small images, compiled as `wide_resnet` is.

    Xie et al., CVPR 2017, section 5.2: a 3x3 convolution of 64 filters, then three stages of
    bottleneck blocks with 256, 512 and 1024 outputs, the second and third at half the resolution of
    the one before; the 3x3 convolution of a block is cut into groups, each twice as wide a stage.
    Images are floats in [0, 1], labels one-hot.

    Parameters
    ----------
    depth
        9 n + 2, for n blocks of three convolutions a stage; 29 is AugMix's and Kim, Kim and Kim's.
    groups, group_width
        Number of groups and filters of one in the first stage; theirs has 4 of 32.
    input_shape, n_classes, steps
        As `wide_resnet`'s.
    """
    blocks, rest = divmod(depth - 2, 9)
    if rest or blocks < 1 or groups < 1:
        raise ValueError(
            f"depth is {depth} and groups are {groups}; depth must be 11, 20, 29 ... and groups at "
            "least 1."
        )
    layers = keras.layers

    def convolved(x, filters, size, **options):
        options |= {"use_bias": False, "kernel_initializer": "he_normal", "padding": "same"}
        return layers.BatchNormalization()(layers.Conv2D(filters, size, **options)(x))

    inputs = keras.Input(input_shape)
    x = layers.ReLU()(convolved(layers.Rescaling(4, offset=-2)(inputs), 64, 3))
    for stage in range(3):
        for block in range(blocks):
            strides = 2 if stage and not block else 1
            inner = layers.ReLU()(convolved(x, groups * group_width << stage, 1))
            inner = convolved(inner, inner.shape[-1], 3, strides=strides, groups=groups)
            residual = convolved(layers.ReLU()(inner), 256 << stage, 1)
            kept = x if block else convolved(x, 256 << stage, 1, strides=strides)
            x = layers.ReLU()(layers.Add()([kept, residual]))
    outputs = layers.Dense(n_classes, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    name = f"resnext_{depth}_{groups}x{group_width}"
    return _by_momentum(keras.Model(inputs, outputs, name=name), steps)


def _by_momentum(model: keras.Model, steps: int | None) -> keras.Model:
    """Compile a residual network with SGD, its rate falling from 0.1 over so many steps."""
    rate = keras.optimizers.schedules.CosineDecay(0.1, steps) if steps else 0.1
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    how = {"loss": "categorical_crossentropy", "metrics": ["accuracy"]}
    model.compile(optimizer=optimizer, jit_compile=jit_compile(), **how)
    return model


def fit(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    epochs: int = FIT["epochs"],
    batch_size: int = FIT["batch_size"],
    validation_data: tuple[np.ndarray, np.ndarray] | None = None,
    augmentation: str = "none",
    seed: int = 0,
    policies: Sequence = (),
) -> dict[str, list[float]]:
    """Fit a compiled model with a progress bar and return its history, one value an epoch.

    Parameters
    ----------
    model
        A model compiled for one-hot labels.
    images
        Floats in [0, 1], shape (n, height, width, channels); uint8 with an augmentation.
    labels
        Integers in [0, classes), shape (n,).
    epochs, batch_size
        The tutorial's 3 and 128 unless told.
    validation_data
        Images and integer labels to evaluate after every epoch.
    augmentation
        "none", or what `Augmented` does to every batch: "flip_shift", "augmix" and "corruptions",
        which teach consistency too, "cutmix", or "searched".
    seed
        For the augmentation.
    policies
        For "searched", what `searched_policies` returns.

    Raises
    ------
    ValueError
        For an unknown augmentation, and for "searched" without policies.
    """
    if augmentation not in AUGMENTATIONS:
        raise ValueError(f"augmentation is {augmentation!r}; use one of {AUGMENTATIONS}.")
    if augmentation == "searched" and not policies:
        raise ValueError("augmentation is 'searched'; give what searched_policies returns.")
    n_classes = model.output_shape[-1]

    def one_hot(integers: np.ndarray) -> np.ndarray:
        return keras.utils.to_categorical(integers, n_classes)

    if validation_data is not None:
        validation_data = (validation_data[0], one_hot(validation_data[1]))
    what, trained = {"x": images, "y": one_hot(labels), "batch_size": batch_size}, model
    if augmentation != "none":
        keras.utils.set_random_seed(seed)
        how = (augmentation, batch_size, seed, policies)
        what = {"x": Augmented(images, one_hot(labels), *how)}
    if augmentation in CONSISTENT:
        trained = consistent_trainer(model)
        if validation_data is not None:
            validation_data = tuple(np.repeat(x[:, None], 3, axis=1) for x in validation_data)
    history = trained.fit(
        **what,
        epochs=epochs,
        validation_data=validation_data,
        verbose=0,
        callbacks=[ProgressBar()],
    )
    return history.history


def renewed(model: keras.Model, images: np.ndarray, batch_size: int = 500) -> keras.Model:
    """Return a copy of a model whose batch normalisation has its running averages taken anew.

    Every batch counts alike; no weight changes. On training images this cures averages that are
    stale when a fit ends (Wu and Johnson 2021, "Rethinking Batch in BatchNorm"). On unlabelled
    corrupted ones it adapts a model to them (Schneider et al. 2020, "Improving robustness against
    common corruptions by covariate shift adaptation").

    Parameters
    ----------
    model
        A model whose BatchNormalization layers are its own, not those of a model within it.
    images
        As the model takes them, shape (n, height, width, channels).
    batch_size
        Images a batch; a last one of fewer is left out unless it is the only one.
    """
    again = keras.models.clone_model(model)
    again.set_weights(model.get_weights())
    norms = [x for x in again.layers if isinstance(x, keras.layers.BatchNormalization)]
    for k in range(max(1, len(images) // batch_size)):
        for norm in norms:
            norm.momentum = k / (k + 1)  # what is kept of the old: the mean of all batches
        again(images[k * batch_size : (k + 1) * batch_size], training=True)
    return again


def multiply_adds(model: keras.Model) -> list[tuple[str, tuple, int, int]]:
    """Count each layer's parameters and multiply-adds for one image.

    Only convolutions and dense layers count; normalisation, pooling and activations are a small
    part of a network's work. A convolution does kernel area x input channels x output channels
    multiply-adds at every output position (one output channel if depthwise), a dense layer inputs x
    outputs, at every position of the axes that it leaves alone.

    Returns
    -------
    list of (name, output shape without the batch axis, parameters, multiply-adds)
    """
    rows = []
    for layer in model.layers:
        shape = tuple(layer.output.shape[1:])
        work = 0
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            work = int(np.prod(layer.kernel.shape)) * shape[0] * shape[1]
        elif isinstance(layer, keras.layers.Dense):
            work = int(np.prod(layer.kernel.shape)) * int(np.prod(shape[:-1]))
        rows.append((layer.name, shape, layer.count_params(), work))
    return rows


def load_model(path: str | Path) -> keras.Model:
    """Load a network that a notebook saved, as `loading.load_model` does.

    Raises
    ------
    FileNotFoundError
        If there is no such file; the message says which notebook writes it.
    ValueError
        If it is damaged or holds code; the message says how to have it made again.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"No saved model at {path.name} in {path.parent.name}/. Notebook 01_baseline_cnn fits "
            "and saves the models: run it first, with the same run_dir."
        )
    try:
        return loading.load_model(path, compile=True)
    except ValueError as error:
        raise ValueError(
            f"{error} A notebook saved it: delete the file and run that notebook again."
        ) from error
