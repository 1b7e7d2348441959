"""A model begins with what another run has learnt: its face encoder alone, or all of its weights."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import file_sha256
from emotionnet.keras_private import layers_inside
from emotionnet.training.optimizer import find_layers
from emotionnet.training.run import Run

#: What systems call the model that one face goes through.
ENCODERS = ("face_encoder", "backbone")
#: Fields of a config that an encoder's weights do not hang on.
_FREE = ("frames", "image_size", "samples", "streams", "batch_norm_momentum", "dropout")
#: What may differ between two layers that have the same weights and do the same with them.
_IGNORED = ("name", "dtype", "trainable", "momentum", "batch_shape", "batch_input_shape")


def init_source(folder: str | os.PathLike) -> dict[str, str]:
    """What a run's config says of the run that it, or its faces, begin with.

    Raises:
        UsageError: there is no run.
        EmotionNetError: it was not trained to the end.
    """
    run = Run.open(folder)
    if not run.finished:
        raise EmotionNetError(
            f"{run.folder}: not trained to the end yet, so nothing can begin with it."
        )
    return {
        "run": str(run.folder.resolve()),
        "sha256": file_sha256(run.folder / "model.keras"),
    }


def open_source(source: dict[str, str]) -> Run:
    """The run that `init_source` described, with the same model as then.

    Raises:
        EmotionNetError: the run is gone, or was trained anew since.
    """
    file = Path(source["run"]) / "model.keras"
    if not file.is_file() or file_sha256(file) != source["sha256"]:
        raise EmotionNetError(
            f"{file}: is not the model that this run was to begin with any more. Begin a new run."
        )
    return Run.open(source["run"])


def init_faces(model: keras.Model, config: dict[str, Any]) -> int:
    """Gives ``model`` the weights of the face encoder that its run's ``config`` names.

    Everything in the encoder moves, BatchNorm's statistics too; nothing else does. The size of the
    pictures may be another one.

    Args:
        model: newly built.
        config: of its run; ``init_faces`` is what `init_source` gave.

    Returns:
        How many numbers have moved.

    Raises:
        UsageError: one of both has no face encoder, or they are not of the same kind; the message
            names the settings that differ.
        EmotionNetError: the other run is gone, or was trained anew since.
    """
    other = open_source(config["init_faces"])
    here = face_encoder(model, "this model")
    there = face_encoder(other.model(), other.folder)
    difference = _difference(there, here)
    if difference:
        theirs, ours = other.config["system_config"], config["system_config"]
        fields = [
            f"{key} is {theirs[key]!r} there and {ours[key]!r} here"
            for key in sorted(theirs.keys() & ours.keys() - {*_FREE})
            if theirs[key] != ours[key]
        ]
        raise UsageError(
            f"{other.folder}: its face encoder is another one than this model's ({difference}). "
            f"{'; '.join(fields) or 'The systems differ'}. Train with the same settings (--set)."
        )
    for old, new in zip(here.weights, there.weights):
        old.assign(new)
    return sum(int(np.prod(w.shape)) for w in here.weights)


def face_encoder(model: keras.Model, where: Any) -> keras.Model:
    """The part of a model of any system that one face goes through.

    Raises:
        UsageError: there is none.
    """
    for name in ENCODERS:
        try:
            return find_layers(model, name)[0]
        except UsageError:
            continue
    raise UsageError(f"{where}: has no face encoder (no layer {' or '.join(ENCODERS)}).")


def _difference(there: keras.Model, here: keras.Model) -> str:
    """The first difference of two encoders, in words; "" where weights can move."""
    pairs = [_layers(encoder) for encoder in (there, here)]
    for (a, its), (b, ours) in zip(*pairs):
        if type(a) is not type(b) or a.name != b.name:
            return f"{a.name} there, {b.name} here"
        for key in sorted(its.keys() | ours.keys()):
            if its.get(key) != ours.get(key):
                return f"{a.name}: {key} is {its.get(key)} there and {ours.get(key)} here"
    if len(pairs[0]) != len(pairs[1]):
        return f"{len(pairs[0])} layers with weights there and {len(pairs[1])} here"
    shapes = [[tuple(w.shape) for w in encoder.weights] for encoder in (there, here)]
    return "" if shapes[0] == shapes[1] else "shapes of weights"


def _layers(encoder: keras.Model) -> list[tuple[keras.Layer, dict]]:
    """The layers with weights, with those of their settings that matter."""
    return [
        (layer, {k: v for k, v in layer.get_config().items() if k not in _IGNORED})
        for layer in layers_inside(encoder)
        if layer.weights and not isinstance(layer, keras.Model)
    ]


def begin_with_all(model: keras.Model, source: dict[str, str]) -> None:
    """Gives ``model`` every weight of the run that ``source`` (of `init_source`) names.

    Args:
        model: newly built, of the same system and settings.

    Raises:
        EmotionNetError: the other run is gone, or was trained anew since.
    """
    there = open_source(source).model()
    for weight, value in zip(model.weights, there.weights, strict=True):
        weight.assign(value)
