"""What all systems share: their inputs, and how a model answers."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import keras

from emotionnet.errors import UsageError
from emotionnet.inputs.kinds import FUSED_OUTPUT, INPUTS, STREAMS, inputs_of, ordered
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


def softmax(name: str) -> keras.Layer:
    """Logits to probabilities, in float32 also under mixed precision."""
    return keras.layers.Softmax(dtype="float32", name=name)


def of_logits(
    name: str, inputs: Mapping, fused, alone: Mapping[str, Any], streams: Sequence[str]
) -> keras.Model:
    """A model that gives probabilities, fused and of each of ``streams``.

    Args:
        name: of the model.
        inputs: of the model, by name.
        fused: logits (batch, classes) of the fused answer.
        alone: stream → its logits. A stream that has none answers each class alike.
        streams: the system's.
    """
    outputs = {FUSED_OUTPUT: softmax(FUSED_OUTPUT)(fused)}
    for stream in streams:
        logits, output = alone.get(stream), STREAMS[stream].output
        if logits is None:
            logits = keras.layers.Rescaling(0.0, name=f"no_{stream}")(fused)
        outputs[output] = softmax(output)(logits)
    return keras.Model(inputs, outputs, name=name)


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


def check_streams(name: str, config: Any, known: Sequence[str]) -> None:
    """Puts ``config.streams`` in order; raises UsageError where there are none, or not of those ``known``."""
    if not config.streams or not set(config.streams) <= set(known):
        raise UsageError(f"{name}: streams are some of {', '.join(known)}: {config.streams}.")
    object.__setattr__(config, "streams", ordered(config.streams))  # a tuple: JSON has lists only


#: Fields of any system that must be at least 1: they divide.
_POSITIVE = ("sample_rate", "n_fft", "hop_length")


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
    positive = {field: 1 for field in _POSITIVE if hasattr(config, field)}
    for field, smallest in (positive | dict(least or {})).items():
        if getattr(config, field) < smallest:
            raise UsageError(f"{name}: {field} is {getattr(config, field)}; at least {smallest}.")
    for field in shares:
        if not 0 <= getattr(config, field) < 1:
            raise UsageError(f"{name}: {field} is {getattr(config, field)}; needs 0 <= it < 1.")
