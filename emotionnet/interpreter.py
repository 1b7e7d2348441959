"""The interpreter of ``.tflite`` files, of LiteRT or of TensorFlow."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from emotionnet.errors import EmotionNetError

_greeted = False


def interpreter(content: bytes, threads: int = 1):
    """Makes an interpreter. Whatever allocates its tensors first does so in `no_greeting`.

    Args:
        content: of the file.
        threads: that it may use.

    Raises:
        ValueError, RuntimeError: the content is no model, or none that it can run.
        EmotionNetError: neither LiteRT nor TensorFlow is installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            import tensorflow as tf
        except ImportError:
            raise EmotionNetError(
                "finding faces takes LiteRT or TensorFlow: pip install 'emotionnet[tflite]'."
            ) from None
        Interpreter = tf.lite.Interpreter
    return Interpreter(model_content=content, num_threads=threads)


def ready(content: bytes):
    """As `interpreter`, with its tensors allocated, on one thread."""
    made = interpreter(content)
    with no_greeting():
        made.allocate_tensors()
    return made


@contextmanager
def no_greeting() -> Iterator[None]:
    """Hides the line about XNNPACK that the first interpreter of a process writes into the progress bar.

    There is no setting for it, so what is written there the first time goes nowhere.
    """
    global _greeted
    hide, _greeted = not _greeted, True
    with hidden_stderr() if hide else nullcontext():
        yield


@contextmanager
def hidden_stderr() -> Iterator[None]:
    """Hides what libraries write to the standard error output by themselves. Errors are raised all the same."""
    try:
        kept = os.dup(2)
    except OSError:  # nowhere to write to
        yield
        return
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
