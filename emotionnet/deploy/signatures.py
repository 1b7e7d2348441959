"""The entry points of a model on a device: whole clips, and live use where a face is encoded once."""

from collections.abc import Callable
from dataclasses import dataclass

import keras

from emotionnet.layers.audio import LogMelSpectrogram
from emotionnet.layers.frames import UnfoldFrames
from emotionnet.layers.fusion import LateFusion

#: What each output of a model is called in every system.
OUTPUTS = ("probabilities", "face_probabilities", "speech_probabilities")


@dataclass(frozen=True)
class Signature:
    """One entry point of the file.

    Attributes:
        name: ``classify``, ``encode_face``, ``encode_speech``, ``fuse``, ``front_end`` or
            ``encode_segment``.
        function: inputs by name to a dict of outputs.
        inputs: name → (shape with batch 1, dtype).
    """

    name: str
    function: Callable[..., dict]
    inputs: dict[str, tuple[tuple[int, ...], str]]


def signatures(model: keras.Model) -> list[Signature]:
    """The entry points that a (deploy form of a) model has.

    ``classify`` always. ``front_end`` (sound to features, to compare front-ends by) where it has one.
    ``encode_face`` (one picture to its embedding), ``encode_speech`` (sound to
    logits) and ``fuse`` (embeddings, mask and logits to probabilities) where the model's face
    stream encodes picture after picture and its streams meet in a `LateFusion`. ``encode_segment``
    where all segments share one encoder.

    Args:
        model: with the inputs and outputs that every system has.
    """
    shapes = {name: (1, *tensor.shape[1:]) for name, tensor in model.input.items()}
    kinds = {"faces": "uint8", "waveform_samples": "int32"}
    whole = {name: (shape, kinds.get(name, "float32")) for name, shape in shapes.items()}

    def classify(faces, frame_mask, waveform, waveform_samples):
        inputs = {
            "faces": keras.ops.cast(faces, "float32"),
            "frame_mask": frame_mask,
            "waveform": waveform,
            "waveform_samples": waveform_samples,
        }
        return model(inputs, training=False)

    found = [Signature("classify", classify, whole)]
    segment = next((layer for layer in model.layers if layer.name == "segment_encoder"), None)
    if segment is not None:
        return [*found, _encode_segment(segment)]
    parts = _parts(model)
    if parts is None:
        return found
    encoder, tail, speech, fusion = parts
    features = _front_end(speech)

    def encode_face(face):
        picture = keras.ops.cast(face, "float32")
        return {"embedding": encoder(picture, training=False)}

    def encode_speech(waveform, waveform_samples):
        inputs = {"waveform": waveform, "waveform_samples": waveform_samples}
        return {"speech_logits": speech(inputs, training=False)}

    def front_end(waveform, waveform_samples):
        inputs = {"waveform": waveform, "waveform_samples": waveform_samples}
        return {"features": features(inputs, training=False)}

    def fuse(embeddings, frame_mask, speech_logits, waveform_samples):
        logits = tail([embeddings, frame_mask], training=False)
        answers = fusion(logits, speech_logits, frame_mask, waveform_samples)
        return dict(zip(OUTPUTS, answers))

    frames, size = shapes["faces"][1], shapes["faces"][2:]
    width, classes = encoder.output.shape[-1], model.output["probabilities"].shape[-1]
    sound = {name: whole[name] for name in ("waveform", "waveform_samples")}
    live = {
        "embeddings": ((1, frames, width), "float32"),
        "frame_mask": whole["frame_mask"],
        "speech_logits": ((1, classes), "float32"),
        "waveform_samples": whole["waveform_samples"],
    }
    return [
        *found,
        *([Signature("front_end", front_end, sound)] if features is not None else []),
        Signature("encode_face", encode_face, {"face": ((1, *size), "uint8")}),
        Signature("encode_speech", encode_speech, sound),
        Signature("fuse", fuse, live),
    ]


def _encode_segment(encoder: keras.Model) -> Signature:
    """One segment, its face and its window of sound with a mask each, to its embedding."""
    inputs = {name: (1, *tensor.shape[1:]) for name, tensor in encoder.input.items()}

    def encode(**segment):
        floats = {name: keras.ops.cast(value, "float32") for name, value in segment.items()}
        return {"embedding": encoder(floats, training=False)}

    # An entry point names its inputs; a network that was not trained has none.
    def both(face, face_mask, window, window_mask):
        return encode(face=face, face_mask=face_mask, window=window, window_mask=window_mask)

    def faces(face, face_mask):
        return encode(face=face, face_mask=face_mask)

    def speech(window, window_mask):
        return encode(window=window, window_mask=window_mask)

    encode_segment = both if len(inputs) == 4 else faces if "face" in inputs else speech
    kinds = {"face": "uint8"}
    return Signature(
        "encode_segment",
        encode_segment,
        {name: (shape, kinds.get(name, "float32")) for name, shape in inputs.items()},
    )


def _front_end(speech: keras.Model) -> keras.Model | None:
    """The speech stream up to the output of its front-end."""
    for layer in speech.layers:
        if isinstance(layer, LogMelSpectrogram):
            output = layer.output[0] if layer.return_mask else layer.output
            return keras.Model(speech.input, output, name="front_end")
    return None


def _parts(model: keras.Model):
    """Face encoder, the rest of the face stream, speech stream and fusion; None where not so."""
    by_name = {layer.name: layer for layer in model.layers}
    faces, speech = by_name.get("face_stream"), by_name.get("speech_stream")
    fusions = [layer for layer in model.layers if isinstance(layer, LateFusion)]
    if faces is None or speech is None or len(fusions) != 1:
        return None
    encoders = [layer for layer in faces.layers if layer.name == "face_encoder"]
    unfolds = [layer for layer in faces.layers if isinstance(layer, UnfoldFrames)]
    if len(encoders) != 1 or len(unfolds) != 1:
        return None
    tail = keras.Model(
        [unfolds[0].output, faces.input["frame_mask"]], faces.output, name="face_tail"
    )
    return encoders[0], tail, speech, fusions[0]
