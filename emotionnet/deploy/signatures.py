"""The entry points of a model on a device: whole clips, and live use where a moment is encoded once."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import keras

from emotionnet.inputs.kinds import INPUTS
from emotionnet.keras_private import layers_inside
from emotionnet.layers.audio import LogMelSpectrogram
from emotionnet.systems import PAIR, SYSTEMS, get_system
from emotionnet.systems.apart import Apart

#: Inputs that are no float32 in a file; all others are.
_DTYPES = {each.name: each.dtype for each in INPUTS.values()} | {"face": "uint8"}


@dataclass(frozen=True)
class Signature:
    """One entry point of the file.

    Attributes:
        name: ``classify``, ``front_end``, or that of a `emotionnet.systems.apart.Step`.
        function: inputs, by the names of its parameters, to a dict of outputs.
        inputs: name → (shape with batch 1, dtype).
    """

    name: str
    function: Callable[..., dict]
    inputs: dict[str, tuple[tuple[int, ...], str]]


def signatures(model: keras.Model, system: str = "") -> list[Signature]:
    """The entry points that a (deploy form of a) model has.

    ``classify`` always; ``front_end`` (sound to features, to compare front-ends by) where the speech
    stream is called by itself and has one; and the steps into which its system takes it apart.

    Args:
        model: of any system.
        system: its name; by default that of the model.
    """
    found = [entry_of("classify", model)]
    apart = taken_apart(model, system)
    if apart is None:
        return found
    for step in apart.windows:
        features = _front_end(step.model)
        if features is not None:
            found.append(entry_of("front_end", features))
    return [*found, *(entry_of(step.name, step.model) for step in apart.steps)]


def taken_apart(model: keras.Model, system: str = "") -> Apart | None:
    """The parts of ``model`` for live use; None where its system does not say them."""
    if not system and model.name not in (
        *SYSTEMS,
        PAIR,
    ):  # a model that no system describes: it answers whole clips
        return None
    module = get_system(system or model.name)
    return module.take_apart(model) if hasattr(module, "take_apart") else None


def entry_of(name: str, model: keras.Model) -> Signature:
    """A model as an entry point: all of its inputs to all of its outputs."""
    inputs = {
        key: ((1, *tensor.shape[1:]), _DTYPES.get(key, "float32"))
        for key, tensor in model.input.items()
    }

    def run(*values):
        given = {
            key: value if value.dtype == "int32" else keras.ops.cast(value, "float32")
            for key, value in zip(inputs, values)
        }
        return model(given, training=False)

    # An entry point names its inputs by the parameters of its function.
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    run.__signature__ = inspect.Signature([inspect.Parameter(key, kind) for key in inputs])
    return Signature(name, run, inputs)


def _front_end(speech: keras.Model) -> keras.Model | None:
    """A step of the speech stream, up to the output of its front-end."""
    for owner in (speech, *layers_inside(speech)):
        named = isinstance(owner, keras.Model) and isinstance(owner.input, dict)
        for layer in owner.layers if named else ():
            if isinstance(layer, LogMelSpectrogram):
                output = layer.output[0] if layer.return_mask else layer.output
                return keras.Model(owner.input, {"features": output}, name="front_end")
    return None
