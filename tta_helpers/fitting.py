"""What every fit here has: a progress bar."""

from tta_helpers.progress import progress
from tta_helpers.quiet import keras


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
