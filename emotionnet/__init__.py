"""Audio-visual emotion recognition, from a folder of talking-face clips to a model on a phone.

The verbs of the command line are the Python API: ``emotionnet.fit(...)`` is
``python -m emotionnet.fit``, and so are ``prepare``, ``evaluate``, ``predict``, ``label``,
``stream`` and ``page``.
Importing this package loads neither TensorFlow nor Keras. Once both are imported, in any order,
``keras.models.load_model`` knows the layers of a run's ``model.keras``.
"""

import importlib

from wrapt import register_post_import_hook

__version__ = "0.1.0"

VERBS = (
    *("download", "prepare", "fit", "evaluate", "predict", "export", "verify", "cost"),
    *("refit", "robustness", "backbones", "compare", "label", "stream", "page", "explain"),
    *("leave_out", "sweep", "combine"),
)
_PACKAGES = (
    *("corpora", "clips", "inputs", "layers", "systems", "training", "evaluation"),
    *("prediction", "labelling", "streaming"),
)

register_post_import_hook("emotionnet.layers:announce", "keras")

__all__ = [*VERBS, "__version__"]


def __getattr__(name: str):
    if name in VERBS or name in _PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *VERBS, *_PACKAGES])
