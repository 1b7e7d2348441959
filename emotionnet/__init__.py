"""Audio-visual emotion recognition, from a folder of talking-face clips to a model on a phone.

The verbs of the command line (``emotionnet --help``) are the Python API: ``emotionnet.fit(...)`` is
``python -m emotionnet.fit``, and so are all of `VERBS`.
Importing this package loads neither TensorFlow nor Keras. Once both are imported, in any order,
``keras.models.load_model`` knows the layers of a run's ``model.keras``.
"""

import importlib
from typing import TYPE_CHECKING

from wrapt import register_post_import_hook

__version__ = "0.2.0"

#: Verb → what it is for.
VERBS = {
    "download": "download a corpus, or the model that finds landmarks",
    "prepare": "turn a folder of clips into a folder of records",
    "fit": "train a system, and evaluate it on people that the training never saw",
    "refit": "continue training a run on its validation people too",
    "combine": "make one run out of two: faces of one, speech of another",
    "sweep": "train every combination of some settings, and compare them",
    "leave_out": "train without each emotion in turn: does it help or harm the others?",
    "backbones": "compare picture networks: accuracy and cost",
    "evaluate": "score a run: accuracy, UAR, calibration, as CSV, JSON and a page",
    "compare": "compare runs side by side, with paired tests",
    "robustness": "score a run under noise, lost sound, covered or dark faces",
    "explain": "show what an answer is made of: pixels, parts of the face, sounds, moments",
    "predict": "name the emotion in one file, many files, or a folder",
    "stream": "answer live, from a file or a camera",
    "label": "label the clips that a run is least sure about, in the browser",
    "export": "make a folder of a run that works on a phone",
    "verify": "check everything that such a folder promises",
    "page": "put the model into one HTML file that needs no network",
    "cost": "count and time a network, here and on small boards",
}
_PACKAGES = (
    *("corpora", "clips", "inputs", "layers", "systems", "training", "evaluation"),
    *("prediction", "labelling", "streaming"),
)

register_post_import_hook("emotionnet.layers:announce", "keras")

if TYPE_CHECKING:  # for editors: when it runs, each is loaded once it is asked for
    from emotionnet.backbones import backbones as backbones
    from emotionnet.combine import combine as combine
    from emotionnet.compare import compare as compare
    from emotionnet.cost import cost as cost
    from emotionnet.download import download as download
    from emotionnet.evaluate import evaluate as evaluate
    from emotionnet.explain import explain as explain
    from emotionnet.export import export as export
    from emotionnet.fit import fit as fit
    from emotionnet.label import label as label
    from emotionnet.leave_out import leave_out as leave_out
    from emotionnet.page import page as page
    from emotionnet.predict import predict as predict
    from emotionnet.prepare import prepare as prepare
    from emotionnet.refit import refit as refit
    from emotionnet.robustness import robustness as robustness
    from emotionnet.stream import stream as stream
    from emotionnet.sweep import sweep as sweep
    from emotionnet.verify import verify as verify

__all__ = [*VERBS, "__version__"]


def __getattr__(name: str):
    if name in VERBS or name in _PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *VERBS, *_PACKAGES])
