"""What all systems share: the names and shapes of the inputs, and what a stream is."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from emotionnet.errors import UsageError
from emotionnet.inputs.views import STREAM_INPUTS


@dataclass(frozen=True)
class Stream:
    """A part of a model that is trained by itself, with its own loss.

    Attributes:
        layer: name of the nested model, or of the layer, that gives the stream's logits.
        inputs: names of the inputs that it takes.
        output: name of the whole model's output that it feeds.
        front: names of the last layers before what learns, where what comes out of them is small:
            what need not be computed again for a clip that stays the same while all weights before
            them are frozen (or there are none). "" for none.
    """

    layer: str
    inputs: tuple[str, ...]
    output: str
    front: str | tuple[str, ...] = ""


def clip_inputs(frames: int, image_size: int, samples: int) -> dict[str, keras.KerasTensor]:
    """The inputs that every system has, by name.

    Args:
        frames: face crops of a clip.
        image_size: height and width of a crop in pixels.
        samples: length of the (padded) sound.

    Returns:
        ``faces`` (batch, frames, image_size, image_size, 3), values 0...255 (Keras casts uint8);
        ``frame_mask`` (batch, frames), 1 where there is a face; ``waveform`` (batch, samples)
        in [-1, 1]; ``waveform_samples`` (batch,) int32, the true length, 0 without sound.
    """
    # float32 also under mixed precision: 0...255 and quiet sound do not survive half precision.
    shapes = {
        "faces": (frames, image_size, image_size, 3),
        "frame_mask": (frames,),
        "waveform": (samples,),
        "waveform_samples": (),
    }
    return {
        name: keras.Input(
            shape, name=name, dtype="int32" if name == "waveform_samples" else "float32"
        )
        for name, shape in shapes.items()
    }


def without_xla(model: keras.Model) -> None:
    """Has ``model`` answer by the plain graph: XLA is several times slower on a CPU.

    JAX has no graph but XLA's: there nothing is changed.
    """
    if keras.backend.backend() != "jax":
        model.jit_compile = False


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
    mirrored = model.predict_on_batch({**inputs, "faces": inputs["faces"][..., ::-1, :]})
    return {name: (outputs[name] + mirrored[name]) / 2 for name in outputs}


def check_streams(name: str, streams: Sequence[str]) -> None:
    """Raises UsageError where a config of system ``name`` has no streams, or unknown ones."""
    if not streams or not set(streams) <= set(STREAM_INPUTS):
        raise UsageError(f"{name}: streams are some of {', '.join(STREAM_INPUTS)}: {streams}.")


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
