"""A model taken apart for live use: one part encodes a moment once, the other answers from the last moments.

A system's module says it by ``take_apart(model)``; streaming, the entry points of an exported file and the
page in a browser use it. A system without that function can be asked about whole clips only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import keras

from emotionnet.inputs.kinds import STREAMS, outputs_of


@dataclass(frozen=True)
class Step:
    """A part of a model that is called by itself.

    Attributes:
        name: of the entry point in exported files.
        model: inputs by name to outputs by name.
    """

    name: str
    model: keras.Model

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams that it looks at."""
        given = set(self.model.input)
        return tuple(s for s, kind in STREAMS.items() if given & {*kind.moment, *kind.inputs})


@dataclass(frozen=True)
class Apart:
    """The parts of a model.

    Attributes:
        moments: are run once for each moment, of what `StreamKind.moment` names.
        windows: are run once for each answer, of the whole window's ``waveform`` and
            ``waveform_samples``.
        fuse: answers from the last moments. Its inputs are an output of each moment, named with an "s"
            at its end (``embedding`` → ``embeddings``, (batch, moments, width)); the outputs of
            ``windows``; `StreamKind.moments_mask` (batch, moments); ``waveform_samples``. Its outputs
            are the whole model's.
    """

    moments: tuple[Step, ...]
    windows: tuple[Step, ...]
    fuse: Step

    @property
    def steps(self) -> tuple[Step, ...]:
        """All parts, in the order in which they are called."""
        return (*self.moments, *self.windows, self.fuse)

    @property
    def context(self) -> int:
        """Samples of sound around a moment that belong to it; 0 where moments have no sound."""
        shapes = [step.model.input.get("window") for step in self.moments]
        return max((shape.shape[1] for shape in shapes if shape is not None), default=0)


def named(name: str, inputs: Mapping, outputs: Mapping) -> keras.Model:
    """A model from symbolic inputs to outputs, both by name."""
    return keras.Model(dict(inputs), dict(outputs), name=name)


def part(name: str, network: keras.Model, output: str, single: str = "") -> Step:
    """A nested model as a step.

    Args:
        name: of the step.
        network: with inputs by name, or with one input.
        output: what its output is called.
        single: what its one input is called.
    """
    by_name = isinstance(network.input, dict)
    own = network.input if by_name else {single: network.input}
    given = {key: keras.Input(x.shape[1:], dtype=x.dtype, name=key) for key, x in own.items()}
    answer = network(given if by_name else given[single])
    return Step(name, named(name, given, {output: answer}))


def fused_late(
    model: keras.Model, faces: keras.Model, encoder: keras.Model, speech: keras.Model
) -> Apart:
    """The parts of a model whose layer ``fusion`` answers from the logits of a face and a speech stream.

    Args:
        model: the whole.
        faces, speech: its streams. Of ``faces``, the layer ``unfold`` gives the features of all moments.
        encoder: one face to its features.
    """
    codes = faces.get_layer("unfold").output
    tail = keras.Model([codes, faces.input["frame_mask"]], faces.output, name="face_tail")
    given = {
        "embeddings": keras.Input(codes.shape[1:], name="embeddings"),
        "frame_mask": keras.Input(codes.shape[1:2], name="frame_mask"),
        "speech_logits": keras.Input(speech.output.shape[1:], name="speech_logits"),
        "waveform_samples": keras.Input((), name="waveform_samples", dtype="int32"),
    }
    logits = tail([given["embeddings"], given["frame_mask"]])
    answers = model.get_layer("fusion")(
        logits, given["speech_logits"], given["frame_mask"], given["waveform_samples"]
    )
    outputs = dict(zip(outputs_of(("faces", "speech")), answers))
    return Apart(
        moments=(part("encode_face", encoder, "embedding", "face"),),
        windows=(part("encode_speech", speech, "speech_logits"),),
        fuse=Step("fuse", named("fuse", given, outputs)),
    )


def of_any_length(model: keras.Model, moments: Iterable[str]) -> keras.Model:
    """``model`` for any number of moments: the first axis of these inputs is left open."""
    open_ = set(moments)
    inputs = {
        name: keras.Input(
            (None, *tensor.shape[2:]) if name in open_ else tensor.shape[1:],
            dtype=tensor.dtype,
            name=name,
        )
        for name, tensor in model.input.items()
    }
    return keras.models.clone_model(model, input_tensors=inputs, clone_function=lambda layer: layer)
