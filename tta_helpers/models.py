"""The workbook's networks, how they are fitted, and what one forward pass costs."""

from pathlib import Path

import keras
import numpy as np

from tta_helpers.progress import progress

FIT = {"epochs": 3, "batch_size": 128}
"""The tutorial's fit settings."""


def baseline_cnn(
    input_shape: tuple[int, int, int] = (32, 32, 3), n_classes: int = 10
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
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return model


class ProgressBar(keras.callbacks.Callback):
    """A progress bar for `model.fit`, one step a batch."""

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Open the bar."""
        self.bar = progress(desc="fit", total=self.params["epochs"] * self.params["steps"])

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Move it on."""
        self.bar.update()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Close it."""
        self.bar.close()


def fit(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    epochs: int = FIT["epochs"],
    batch_size: int = FIT["batch_size"],
    validation_data: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, list[float]]:
    """Fit a compiled model with a progress bar and return its history, one value an epoch.

    Parameters
    ----------
    model
        A model compiled for one-hot labels.
    images
        Floats in [0, 1], shape (n, height, width, channels).
    labels
        Integers in [0, classes), shape (n,).
    epochs, batch_size
        The tutorial's 3 and 128 unless told.
    validation_data
        Images and integer labels to evaluate after every epoch.
    """
    n_classes = model.output_shape[-1]

    def one_hot(integers: np.ndarray) -> np.ndarray:
        return keras.utils.to_categorical(integers, n_classes)

    if validation_data is not None:
        validation_data = (validation_data[0], one_hot(validation_data[1]))
    history = model.fit(
        images,
        one_hot(labels),
        epochs=epochs,
        batch_size=batch_size,
        validation_data=validation_data,
        verbose=0,
        callbacks=[ProgressBar()],
    )
    return history.history


def multiply_adds(model: keras.Model) -> list[tuple[str, tuple, int, int]]:
    """Count each layer's parameters and multiply-adds for one image.

    Only convolutions and dense layers count; normalisation, pooling and activations are a small
    part of a network's work. A convolution does kernel area x input channels x output channels
    multiply-adds at every output position, a dense layer inputs x outputs.

    Returns
    -------
    list of (name, output shape without the batch axis, parameters, multiply-adds)
    """
    rows = []
    for layer in model.layers:
        shape = tuple(layer.output.shape[1:])
        work = 0
        if isinstance(layer, keras.layers.Conv2D):
            work = int(np.prod(layer.kernel.shape)) * shape[0] * shape[1]
        elif isinstance(layer, keras.layers.Dense):
            work = int(np.prod(layer.kernel.shape))
        rows.append((layer.name, shape, layer.count_params(), work))
    return rows


def load_model(path: str | Path) -> keras.Model:
    """Load a `.keras` file in Keras' safe mode, which runs no code stored in the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file; the message says which notebook writes it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"No saved model at {path.name} in {path.parent.name}/. Notebook 01_baseline_cnn fits "
            "and saves the models: run it first, with the same run_dir."
        )
    return keras.saving.load_model(path, safe_mode=True)
