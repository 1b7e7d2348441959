"""Settings of Keras that come from outside, and those that this project needs.

A ``keras.json`` in somebody's home, left by another tool years ago, changes the order of a picture's
axes or the default float for every program; environment variables choose another Keras, or a
backend that this project does not run on. What can be put right is put right here, before it
matters; one line reports what cannot.
"""

import contextlib
import gc
import importlib.util
import json
import logging
import os
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from wrapt import register_post_import_hook

from emotionnet.errors import UsageError

#: Backends that the project runs on.
BACKENDS = ("tensorflow", "jax")
_LEGACY = "TF_USE_LEGACY_KERAS"
#: Thresholds of `gc`: among the millions of objects that TensorFlow and Keras make, and keep, Python looks for
#: garbage less often.
GARBAGE = (50_000, 20, 100)


def own_process() -> None:
    """Sets the environment of a process that is the project's own, before it imports Keras."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    gc.set_threshold(*GARBAGE)
    register_post_import_hook(as_traced, "tensorflow")
    # Some of Keras's layers import something when they are first called. TensorFlow warns that it leaves that alone.
    logging.getLogger("tensorflow").addFilter(lambda said: "_gcd_import" not in said.getMessage())
    # Other packages ask for Keras 2 by this variable; this process has none of them.
    os.environ.pop(_LEGACY, None)
    asked, by = os.environ.get("KERAS_BACKEND"), "KERAS_BACKEND"
    if not asked:
        asked, by = _configured_backend(), f"{_keras_json()}: backend"
    if asked and asked not in BACKENDS:
        os.environ["KERAS_BACKEND"] = BACKENDS[0]
        print(
            f"note: {by}={asked} is not used: EmotionNet runs on TensorFlow (now) or JAX "
            "(KERAS_BACKEND=jax).",
            file=sys.stderr,
        )


def as_traced(tensorflow) -> None:
    """Without a GPU, has TensorFlow run graphs as they were traced; training on a TPU takes that back.

    Rewriting them first (Grappler) took a third of a first step, and the steps after it were no shorter.

    Args:
        tensorflow: the module.
    """
    if not tensorflow.config.list_physical_devices("GPU"):
        tensorflow.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def settle_keras() -> None:
    """Sets what models of this project need, in whatever process they are built or loaded.

    Pictures have their channels last, numbers are float32 unless a policy says otherwise, and
    float32 products are not rounded (see `emotionnet.precision`).

    Raises:
        UsageError: Keras runs on a backend that the project does not run on.
    """
    if importlib.util.find_spec("tf_keras") is None:
        os.environ.pop(_LEGACY, None)  # tf.keras cannot be had at all with it
    import keras

    from emotionnet.precision import full_float32

    backend = keras.config.backend()
    if backend not in BACKENDS:
        raise UsageError(
            f"Keras runs on {backend} here, and EmotionNet on TensorFlow or JAX. Set "
            "KERAS_BACKEND=tensorflow (or jax) before Keras is imported; it comes from that variable "
            f"or from {_keras_json()}."
        )
    keras.config.set_image_data_format("channels_last")
    unusual = keras.config.floatx()
    if unusual != "float32":
        keras.config.set_floatx("float32")
        # The policy takes its name from floatx where none was chosen.
        if keras.config.dtype_policy().name == unusual:
            keras.config.set_dtype_policy("float32")
    full_float32()


def _keras_json() -> Path:
    home = os.environ.get("KERAS_HOME")
    return Path(home) / "keras.json" if home else Path.home() / ".keras" / "keras.json"


def _configured_backend() -> str | None:
    """The backend that ``keras.json`` asks for; None where it asks for none, or cannot be read."""
    try:
        return json.loads(_keras_json().read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Name → version, of those of the packages ``names`` that are installed."""
    found = {}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
