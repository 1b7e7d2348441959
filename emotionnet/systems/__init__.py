"""The published systems, by name. One module a system; nothing is imported before it is asked for.

A system is a module (of this folder, or any other by its dotted name) with

- ``STREAMS``: names of the streams that it looks at, see `emotionnet.inputs.kinds`;
- ``Config``: a frozen dataclass, every field with a default; those that `emotionnet.inputs.views.View` has too
  make its view;
- ``stages(config)``: what is trained and fitted, in order, see `emotionnet.systems.stages`;
- ``build(config, num_classes)``: the model, whose inputs and outputs are named as its streams say.

Optional:

- ``take_apart(model)``: its parts for live use and export, see `emotionnet.systems.apart`;
- ``ENCODERS``: stream → the layers that ``--init-faces`` and ``--init-speech`` take over, as far as there are such;
  of those in each other the outermost;
- ``with_labels(fields, labels)``: fields of ``Config`` for other classes, where they name classes;
- ``USUAL``: rules for what its runs have where they are not asked for otherwise (its config, how its streams are
  trained, augmentation), see `emotionnet.systems.usual`;
- ``CONCERNS`` and ``fuse_answers(config, answers)``: which fields concern one stream alone, and late fusion, where
  streams are trained apart and fused without weights.
"""

import dataclasses
import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emotionnet.environment import settle_keras
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.values import typed

#: Names of the project's own systems; any other importable module may be named too, see `get_system`.
SYSTEMS = ("ghost_fan", "segments", "cross_modal", "dv_emotionnet", "racnn", "faces")
#: Made out of two trained runs by `emotionnet.combine`; nothing to train.
PAIR = "pair"


def get_system(name: str):
    """The module of a system: ``STREAMS``, ``Config``, ``stages(config)``, ``build(config, num_classes)``.

    Args:
        name: of `SYSTEMS`; or the dotted name of a module of your own that says the same
            (``my_package.my_system``).

    Raises:
        UsageError: no such system.
    """
    if name in (*SYSTEMS, PAIR):
        return importlib.import_module(f"{__name__}.{name}")
    if "." not in name:
        raise UsageError(
            f"unknown system {name!r}. Known: {', '.join(SYSTEMS)}; or a module of your own, by its "
            "dotted name (package.module)."
        )
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"system {name!r}: the module cannot be imported ({error}). Is its folder in PYTHONPATH?"
        ) from error
    missing = [
        each for each in ("STREAMS", "Config", "stages", "build") if not hasattr(module, each)
    ]
    if missing:
        raise UsageError(
            f"system {name!r}: the module has no {', '.join(missing)}; see get_system."
        )
    return module


def make_config(name: str, **fields: Any):
    """The frozen configuration of a system, its defaults replaced by ``fields``.

    Raises:
        UsageError: an unknown system or field, or a value that the system refuses.
    """
    config = get_system(name).Config
    known = {field.name: field for field in dataclasses.fields(config)}
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise UsageError(f"{name} has no setting {unknown[0]!r}. It has: {', '.join(known)}.")
    return config(**{key: typed(known[key], value, f"{name}: ") for key, value in fields.items()})


def build_model(name: str, num_classes: int, **config: Any):
    """A new model of a system, from pixels and samples to probabilities.

    Args:
        name: one of `SYSTEMS`.
        num_classes: number of emotions.
        **config: fields of the system's ``Config`` that differ from the defaults.

    Returns:
        keras.Model with the inputs ``faces`` (batch, frames, height, width, 3; 0...255),
        ``frame_mask`` (batch, frames), ``waveform`` (batch, samples) and ``waveform_samples``
        (batch,), and the outputs ``probabilities``, ``face_probabilities`` and
        ``speech_probabilities`` (batch, num_classes), all by name; and those of further streams, see
        `emotionnet.inputs.kinds`.

    Raises:
        UsageError: an unknown system or field, or a value that the system refuses.
    """
    if num_classes < 2:
        raise UsageError(f"a model needs at least two classes; num_classes is {num_classes}.")
    settle_keras()
    from emotionnet.systems.base import without_xla

    return without_xla(get_system(name).build(make_config(name, **config), num_classes))


def stages_of(name: str, config: Mapping[str, Any], joint: bool = False) -> tuple:
    """What of a system is trained and fitted, in order; see `emotionnet.systems.stages`.

    Args:
        name: of the system.
        config: fields of its ``Config``.
        joint: all of it at once by gradient, whatever the system says.
    """
    from emotionnet.systems.stages import JOINT, Learn

    if joint:
        return (Learn(JOINT, "", logits=False),)
    return tuple(get_system(name).stages(make_config(name, **config)))


def with_labels(name: str, fields: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """``fields`` of a system's ``Config`` for other classes; of most systems they say nothing of them."""
    own = getattr(get_system(name), "with_labels", None)
    return own(fields, labels) if own else dict(fields)


def without_weights(name: str) -> dict[str, Any]:
    """Fields with which `build_model` reads no weights of a backbone from the network or a disk."""
    fields = dataclasses.fields(get_system(name).Config)
    return {f.name: "none" for f in fields if f.name == "backbone_weights"}


def load_model(path: str | os.PathLike):
    """Loads a saved ``.keras`` model of any system, without running code from the file.

    Raises:
        EmotionNetError: the file is missing, damaged, or not of this project.
    """
    if not Path(path).is_file():
        raise EmotionNetError(f"{path}: no such model file.")
    settle_keras()
    import keras

    from emotionnet.systems.base import without_xla

    try:
        return without_xla(keras.saving.load_model(path, compile=False, safe_mode=True))
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EmotionNetError(
            f"{path}: cannot be loaded as a model of this project ({reason[:300]}). The file is "
            "damaged, was edited, or comes from another version: train or copy it again."
        ) from error
