"""The published systems, by name. One module a system; nothing is imported before it is asked for."""

import dataclasses
import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotionnet.environment import settle_keras
from emotionnet.errors import EmotionNetError, UsageError

#: Names that `get_system` and `build_model` know.
SYSTEMS = ("ghost_fan", "segments", "cross_modal", "faces")


def get_system(name: str):
    """The module of a system: ``NAME``, ``Config``, ``build(config, num_classes)``, ``STREAMS``.

    Raises:
        UsageError: no such system.
    """
    if name not in SYSTEMS:
        raise UsageError(f"unknown system {name!r}. Known: {', '.join(SYSTEMS)}.")
    return importlib.import_module(f"{__name__}.{name}")


def recipe(name: str, which: str, config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """How a system asks to be trained, with what its ``RECIPES`` change for this config.

    Args:
        name: of the system.
        which: ``SETTINGS``, ``DEMO_SETTINGS`` or ``AUGMENTATION``.
        config: fields of the system's ``Config``.
    """
    system = get_system(name)
    found = {key: dict(fields) for key, fields in getattr(system, which, {}).items()}
    for (field, value), changes in getattr(system, "RECIPES", {}).items():
        if config.get(field) == value:
            for key, fields in changes.get(which, {}).items():
                found[key] = {**found.get(key, {}), **fields}
    return found


def make_config(name: str, **fields: Any):
    """The frozen configuration of a system, its defaults replaced by ``fields``.

    Raises:
        UsageError: an unknown system or field, or a value that the system refuses.
    """
    config = get_system(name).Config
    known = [field.name for field in dataclasses.fields(config)]
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise UsageError(f"{name} has no setting {unknown[0]!r}. It has: {', '.join(known)}.")
    return config(**fields)


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
        ``speech_probabilities`` (batch, num_classes), all by name.

    Raises:
        UsageError: an unknown system or field, or a value that the system refuses.
    """
    if num_classes < 2:
        raise UsageError(f"a model needs at least two classes; num_classes is {num_classes}.")
    settle_keras()
    return get_system(name).build(make_config(name, **config), num_classes)


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

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EmotionNetError(
            f"{path}: cannot be loaded as a model of this project ({reason[:300]}). The file is "
            "damaged, was changed by hand, or comes from another version: train or copy it again."
        ) from error
