"""What all systems share: their inputs, and how a model answers."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import keras

from emotionnet.errors import UsageError
from emotionnet.inputs.kinds import INPUTS, inputs_of
from emotionnet.inputs.mirror import mirrored


def clip_inputs(
    sizes: Any, streams: Sequence[str] = ("faces", "speech")
) -> dict[str, keras.KerasTensor]:
    """The inputs that carry ``streams``, by name; see `emotionnet.inputs.kinds`.

    Args:
        sizes: a system's ``Config``, or a mapping: ``frames``, ``image_size``, ``samples`` …
        streams: that the model looks at.

    Returns:
        For faces and speech: ``faces`` (batch, frames, image_size, image_size, 3), values 0...255 (Keras
        casts uint8); ``frame_mask`` (batch, frames), 1 where there is a face; ``waveform`` (batch,
        samples) in [-1, 1]; ``waveform_samples`` (batch,) int32, the true length, 0 without sound.
    """
    # float32 also under mixed precision: 0...255 and quiet sound do not survive half precision.
    kinds = [INPUTS[name] for name in inputs_of(streams)]
    return {
        each.name: keras.Input(
            each.shape_in(sizes),
            name=each.name,
            dtype="int32" if each.dtype == "int32" else "float32",
        )
        for each in kinds
    }


def without_xla(model: keras.Model) -> keras.Model:
    """``model``, which from now on answers by the plain graph: XLA is several times slower on a CPU.

    JAX has no graph but XLA's: there nothing is changed.
    """
    if keras.backend.backend() != "jax":
        model.jit_compile = False
    return model


def answer_batch(model: keras.Model, inputs: Mapping[str, Any], mirror: bool) -> dict[str, Any]:
    """The outputs of ``model`` for a batch, by name.

    Args:
        model: of any system.
        inputs: NumPy arrays by name.
        mirror: average the answers to the faces as they are and mirrored.
    """
    outputs = model.predict_on_batch(inputs)
    if not mirror:
        return outputs
    others = model.predict_on_batch(mirrored(inputs))
    return {name: (outputs[name] + others[name]) / 2 for name in outputs}


def check_streams(name: str, streams: Sequence[str], known: Sequence[str]) -> None:
    """Raises UsageError where a config of system ``name`` has no streams, or not of those ``known``."""
    if not streams or not set(streams) <= set(known):
        raise UsageError(f"{name}: streams are some of {', '.join(known)}: {streams}.")


def check_fields(
    name: str,
    config: Any,
    *,
    known: Mapping[str, Collection[str]] | None = None,
    least: Mapping[str, float] | None = None,
    shares: Sequence[str] = (),
) -> None:
    """Checks fields of a system's config.

    Args:
        name: of the system, for the message.
        config: its ``Config``.
        known: field to the values that it may have.
        least: field to the smallest number that it may be.
        shares: fields that are at least 0 and less than 1.

    Raises:
        UsageError: a field has another value.
    """
    for field, values in (known or {}).items():
        if getattr(config, field) not in values:
            raise UsageError(
                f"{name}: {field} is {getattr(config, field)!r}; known: {', '.join(values)}."
            )
    for field, smallest in (least or {}).items():
        if getattr(config, field) < smallest:
            raise UsageError(f"{name}: {field} is {getattr(config, field)}; at least {smallest}.")
    for field in shares:
        if not 0 <= getattr(config, field) < 1:
            raise UsageError(f"{name}: {field} is {getattr(config, field)}; needs 0 <= it < 1.")
