"""Keras, started quietly.

TensorFlow's C++ code writes start-up notes to the process's standard error whatever its log level,
and they would end up in every executed notebook. They are kept aside during the import and shown
only if it fails. Set `TF_CPP_MIN_LOG_LEVEL` yourself to see all of TensorFlow's later messages.
TensorFlow also warns of "retracing" when several models are called in turn, as comparisons of
models do; that is dropped.

TensorFlow turns oneDNN's kernels on by itself on some processors only; here they are asked for on
all. On two AMD cores the workbook's network then fits in two thirds of the processor time, and
answers in six tenths of it (measured with TensorFlow 2.21). Results differ in the last digits, so
import this package before TensorFlow everywhere or nowhere; `TF_ENABLE_ONEDNN_OPTS=0` goes without.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _stderr_kept_aside() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, and show it if the block raises."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            aside.seek(0)
            os.write(terminal, aside.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "tensorflow" not in sys.modules:  # it reads this once, when it is imported
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
logging.getLogger("tensorflow").addFilter(lambda r: "function retracing" not in r.getMessage())
with _stderr_kept_aside():
    import keras as keras
    from keras import ops as ops
