"""A model starts from another run's weights: part by part, one stream's encoder, or all of it."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import file_sha256
from emotionnet.inputs.split import NAMED, Split
from emotionnet.keras_private import layers_inside
from emotionnet.systems import (
    PAIR,
    build_model,
    get_system,
    pair,
    with_labels,
    without_weights,
)
from emotionnet.training.config import BEGINNINGS, RunConfig
from emotionnet.training.optimizer import find_layers
from emotionnet.training.run import Run, beginnings

#: Key of a run's config, and option of `fit`, → the stream whose encoder it is about.
INIT_STREAMS = {"init_faces": "faces", "init_speech": "speech"}
#: Fields of a config that an encoder's weights do not depend on.
_FREE = ("frames", "image_size", "samples", "streams", "batch_norm_momentum", "dropout")
#: What may differ between two layers that have the same weights and do the same with them.
_IGNORED = ("name", "dtype", "trainable", "momentum", "batch_shape", "batch_input_shape")


def init_source(folder: str | os.PathLike) -> dict[str, str]:
    """What a run's config says of the run that it, or its faces, start from.

    Raises:
        UsageError: there is no run.
        EmotionNetError: it was not trained to the end.
    """
    run = Run.open(folder)
    if not run.finished:
        raise EmotionNetError(
            f"{run.folder}: not trained to the end yet, so no run can start from it."
        )
    return {
        "run": str(run.folder.resolve()),
        "sha256": file_sha256(run.folder / "model.keras"),
    }


def init_sources(run: RunConfig) -> dict[str, dict[str, str]]:
    """Option → what `init_source` says, of those of `BEGINNINGS` that ``run`` is given."""
    given = {option: getattr(run, option) for option in BEGINNINGS}
    return {option: init_source(folder) for option, folder in given.items() if folder is not None}


def note_leaks(splits: Sequence[Split], config: dict[str, Any]) -> None:
    """Says in ``splits`` where a run that new ones begin with was trained on what they are tested on, or their epoch chosen on.

    Only the first makes one leak: an epoch that is chosen on clips which are learnt already is a worse one, and the
    test clips know nothing of it.

    Args:
        splits: of the new runs, all by one protocol; changed in place.
        config: of the new runs.
    """
    what = "actor" if splits[0].by_actor else "clip"
    for run in beginnings(config):
        among = f"are among those that {run.name}, which it begins with, was trained on"
        learnt = run.learnt(what)
        for split in splits:
            choosing, tested = (set(map(NAMED[what], x)) for x in (split.validation, split.test))
            if known := learnt & choosing:
                division, mark, leaks = split.description.partition("; leaks: ")
                note = f"{len(known)} of the {len(choosing)} {what}s that choose the epoch {among}"
                split.description = f"{division}; {note}{mark}{leaks}"
            if shared := learnt & tested:
                leak = f"{len(shared)} of the {len(tested)} {what}s that are tested {among}"
                division, _, others = split.description.partition("; leaks: ")
                others = others.removeprefix("nothing").removeprefix("; ")
                split.description = f"{division}; leaks: {'; '.join(filter(None, (leak, others)))}"
                split.warning = "; ".join(filter(None, (split.warning, leak)))
                split.leaky = True


def open_source(source: dict[str, str]) -> Run:
    """The run that `init_source` described, with the same model as then.

    Raises:
        EmotionNetError: the run is gone, or was trained anew since.
    """
    file = Path(source["run"]) / "model.keras"
    if not file.is_file() or file_sha256(file) != source["sha256"]:
        raise EmotionNetError(
            f"{file}: is no longer the model that this run was to start from. Start a new run."
        )
    return Run.open(source["run"])


def warm_start(model: keras.Model, config: dict[str, Any]) -> list[str]:
    """Gives ``model`` the weights that its run's ``config`` says it starts from.

    Args:
        model: newly built.
        config: of its run; under ``init``, ``init_faces`` and ``init_speech`` is what `init_source` gave.

    Returns:
        What was taken over and what starts afresh, part by part, a line each.

    Raises:
        UsageError: a run that has nothing in common with this one, or a face encoder of another kind.
        EmotionNetError: the other run is gone, or was trained anew since.
    """
    lines = []
    if config.get("init"):
        lines += _init_all(model, config)
    for key, stream in INIT_STREAMS.items():
        if config.get(key):
            if stream not in config["streams"]:
                option = key.replace("_", "-")
                raise UsageError(f"--{option}: this run does not train {stream}. Leave it out.")
            lines += _init_stream(model, config, key, stream)
    return lines


def _init_all(model: keras.Model, config: dict[str, Any]) -> list[str]:
    other = open_source(config["init"])
    taken, anew = _take_over(other.model(), model, Labels(other.config, config, model))
    if not taken:
        raise UsageError(
            f"--init {other.folder}: has nothing in common with this model: no layer of the same name, "
            f"kind and shapes. That run is of system {other.config['system']}, this one of "
            f"{config['system']}; `--set` with the same settings may bring them together."
        )
    return _told(other, taken, anew)


def _init_stream(model: keras.Model, config: dict[str, Any], key: str, stream: str) -> list[str]:
    other = open_source(config[key])
    here = _encoders(model, config, stream, "this model")
    there = _encoders(other.model(), other.config, stream, other.folder)
    labels, taken, anew = Labels(other.config, config, model), [], []
    for new, old in zip(here, there):
        if stream == "faces":  # an encoder in parts would see nothing
            _check_same(old, new, other, config)
        more_taken, more_anew = _take_over(old, new, labels, new.name)
        taken, anew = taken + more_taken, anew + more_anew
    if not taken:
        raise UsageError(
            f"{other.folder}: its weights for {stream} have nothing in common with this model's. "
            "Train with the same settings (--set)."
        )
    return _told(other, taken, anew)


def _told(other: Run, taken: list, anew: list) -> list[str]:
    lines = [f"begins     with {name}, {size:,} numbers of {other.folder}" for name, size in taken]
    return lines + [
        f"begins     anew: {name}, {size:,} numbers ({why})" for name, size, why in anew
    ]


def _encoders(model: keras.Model, config: dict, stream: str, where: Any) -> list[keras.Layer]:
    """What the model's system says that it encodes ``stream`` with; of layers in each other the outermost.

    Raises:
        UsageError: there is none.
    """
    names = get_system(config["system"]).ENCODERS.get(stream, ())
    inside = layers_inside(model)
    found = {id(each): each for name in names for each in inside if each.name == name}
    inner = {id(each) for layer in found.values() for each in layers_inside(layer)}
    if found:
        return [layer for key, layer in found.items() if key not in inner]
    thing = "face encoder" if stream == "faces" else f"encoder of {stream}"
    raise UsageError(f"{where}: has no {thing}.")


def _check_same(there: keras.Model, here: keras.Model, other: Run, config: dict) -> None:
    """Refuses a face encoder of another kind; the message names the settings that differ."""
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


def _difference(there: keras.Model, here: keras.Model) -> str:
    """The first difference of two encoders, in words; "" where weights can move."""
    pairs = [_weighted(encoder) for encoder in (there, here)]
    for a, b in zip(*pairs):
        if a.name != b.name:
            return f"{a.name} there, {b.name} here"
        if why := _unlike(a, b):
            return f"{a.name}: {why}"
    if len(pairs[0]) != len(pairs[1]):
        return f"{len(pairs[0])} layers with weights there and {len(pairs[1])} here"
    return ""


def _weighted(part: keras.Layer) -> list[keras.Layer]:
    """The layers of ``part`` that have weights, models opened."""
    if not isinstance(part, keras.Model):
        return [part] if part.weights else []
    return [each for layer in part.layers for each in _weighted(layer)]


def _unlike(there: keras.Layer, here: keras.Layer) -> str:
    """Why the weights of one layer cannot move to another, in words; "" where they can."""
    if type(there) is not type(here):
        return f"a {type(there).__name__} there, a {type(here).__name__} here"
    shapes = [[tuple(w.shape) for w in layer.weights] for layer in (there, here)]
    its, ours = (
        {k: v for k, v in layer.get_config().items() if k not in _IGNORED}
        for layer in (there, here)
    )
    for key in sorted(its.keys() | ours.keys()):
        if its.get(key) != ours.get(key) and not (key == "units" and shapes[0] != shapes[1]):
            return f"{key} is {its.get(key)} there and {ours.get(key)} here"
    if shapes[0] != shapes[1]:
        return f"{shapes[0]} there and {shapes[1]} here"
    return ""


def _take_over(
    there: keras.Model, here: keras.Layer, labels: "Labels", path: str = ""
) -> tuple[list[tuple], list[tuple]]:
    """Moves every weight of ``there`` to ``here`` whose layer agrees in name, kind and shapes.

    Args:
        there, here: models, or a layer with weights.
        labels: of both; the numbers of a label that only ``here`` has start afresh.
        path: names of the models around ``here`` and its own; "" for a whole model.

    Returns:
        Parts that were taken, (name, numbers); and parts that start afresh, (name, numbers, why).
        A model that was taken as a whole is one part.
    """
    size = sum(int(np.prod(w.shape)) for w in here.weights)
    if not isinstance(here, keras.Model):
        if labels.differ(here, path):
            why = _take_over_labels(there, here, labels, path)
            return ([], [(path, size, why)]) if why else ([(path, size)], [])
        why = _unlike(there, here)
        if why:
            return [], [(path, size, why)]
        for old, new in zip(here.weights, there.weights):
            old.assign(new)
        return [(path, size)], []
    taken, anew = [], []
    for layer in here.layers:
        if layer.weights:
            source, inner = _namesake(there, layer), f"{path}/{layer.name}".lstrip("/")
            if source is None:
                own = sum(int(np.prod(w.shape)) for w in layer.weights)
                anew.append((inner, own, "not in that run"))
                continue
            more = _take_over(source, layer, labels, inner)
            taken, anew = taken + more[0], anew + more[1]
    if path and taken and not anew:
        return [(path, size)], []
    return taken, anew


def _namesake(there: keras.Model, layer: keras.Layer) -> keras.Layer | None:
    """The layer of ``there`` with the name of ``layer``: itself, beside it, else at any depth."""
    if there.name == layer.name:  # an encoder of one network, which here has something around it
        return there
    beside = [each for each in there.layers if each.name == layer.name]
    if beside:
        return beside[0]
    try:
        return find_layers(there, layer.name)[0]
    except UsageError:
        return None


class Labels:
    """What the last layers of two models answer: which of their numbers belong to which label.

    Args:
        theirs: config of the run whose weights are taken.
        ours: config of the run that starts from them.
        model: of that.
    """

    def __init__(self, theirs: dict[str, Any], ours: dict[str, Any], model: keras.Model):
        self._theirs, self._ours, self._model = theirs, ours, model

    def at(self, path: str) -> tuple[list[str], list[str]]:
        """Their labels and ours, in the order of the layer at ``path``."""
        there, here = (
            pair.labels_at(each["system_config"], path)
            if each["system"] == PAIR
            else list(each["labels"])
            for each in (self._theirs, self._ours)
        )
        return there, here

    def differ(self, layer: keras.Layer, path: str) -> bool:
        """Whether the weights of ``layer``, at ``path``, depend on labels, and the labels differ."""
        there, here = self.at(path)
        return there != here and any(weight.path in self.axes for weight in layer.weights)

    @cached_property
    def axes(self) -> dict[str, tuple[int, ...]]:
        """Path of a weight of ours that one more label would change → along which axes."""
        system, fields = self._ours["system"], self._ours["system_config"]
        names = [f"class {number}" for number in range(len(self._ours["labels"]) + 1)]
        fields = with_labels(system, {**fields, **without_weights(system)}, names)
        larger = build_model(system, len(names), **fields)
        return {
            ours.path: tuple(i for i, (a, b) in enumerate(zip(ours.shape, more.shape)) if a != b)
            for ours, more in zip(self._model.weights, larger.weights, strict=True)
            if tuple(ours.shape) != tuple(more.shape)
        }


def _take_over_labels(there: keras.Layer, here: keras.Layer, labels: Labels, path: str) -> str:
    """Moves the numbers of labels that both have; what starts afresh and why, "" where nothing does."""
    theirs, ours = labels.at(path)
    kept = [label for label in ours if label in theirs]
    if type(there) is not type(here) or len(there.weights) != len(here.weights) or not kept:
        return "other labels"
    moved = []
    for new, old in zip(here.weights, there.weights):
        axes = labels.axes.get(new.path)
        if not axes:
            if new.shape != old.shape:
                return "other labels"
            moved.append((new, np.array(old)))
            continue
        value, source = (np.moveaxis(np.array(w), axes[0], 0) for w in (new, old))
        # Discriminants are one fewer than labels, and none is a label's own.
        one_each = (len(value), len(source)) == (len(ours), len(theirs)) and len(axes) == 1
        if not one_each or value.shape[1:] != source.shape[1:]:
            return "other labels"
        for label in kept:
            value[ours.index(label)] = source[theirs.index(label)]
        moved.append((new, np.moveaxis(value, 0, axes[0])))
    for weight, value in moved:
        weight.assign(value)
    missing = [label for label in ours if label not in theirs]
    return f"other labels; {', '.join(kept)} as there" if missing else ""


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
