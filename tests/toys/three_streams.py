"""A toy system of three streams and one fitted stage: all that the house needs to know is in this file."""

from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
from keras import layers

from emotionnet.inputs.kinds import STREAMS as KINDS
from emotionnet.inputs.kinds import outputs_of
from emotionnet.layers import FoldFrames, MaskedMean, Projection, UnfoldFrames
from emotionnet.systems.apart import Apart, Step, named, part
from emotionnet.systems.base import check_streams, clip_inputs
from emotionnet.systems.fits import pca
from emotionnet.systems.stages import Fit, Learn

NAME = "three_streams"
STREAMS = ("faces", "speech", "geometry")
ENCODERS = {"faces": ("face_encoder",), "geometry": ("point_encoder",)}
UNITS = 2


@dataclass(frozen=True)
class Config:
    """Sizes; ``landmarks`` frames of 68 points, one beside each face."""

    frames: int = 3
    image_size: int = 32
    samples: int = 16000
    landmarks: int = 3
    batch_norm_momentum: float = 0.9
    streams: tuple[str, ...] = STREAMS

    def __post_init__(self):
        check_streams(NAME, self, STREAMS)


def stages(config):
    """Points are projected on what they differ in most, then each stream learns by itself."""
    learnt = [Learn(f"{name}", f"{name}_logits") for name in config.streams]
    fitted = Fit("shape", layer="shape", on="flat_points", mask="landmark_mask", by=partial(pca, units=UNITS),
                 streams=("geometry",), supervised=False)  # fmt: skip
    return ((fitted,) if "geometry" in config.streams else ()) + tuple(learnt)


def build(config, num_classes):
    inputs = clip_inputs(config, STREAMS)
    faces = FoldFrames(name="fold_faces")(inputs["faces"])
    faces = UnfoldFrames(config.frames, name="unfold_faces")(_face_encoder(config)(faces))
    points = FoldFrames(name="fold_points")(inputs["landmarks"])
    points = UnfoldFrames(config.landmarks, name="flat_points")(layers.Flatten()(points))
    points = _point_encoder()(FoldFrames(name="fold_shapes")(points))
    points = UnfoldFrames(config.landmarks, name="unfold_points")(points)
    sound = layers.Reshape((-1, 1600))(inputs["waveform"])
    sound = layers.Dense(4, activation="relu", name="sound_encoder")(sound)
    begins = np.arange(0, config.samples, 1600)[None]
    heard = keras.ops.cast(inputs["waveform_samples"][:, None] > begins, "float32")
    means = {
        "faces": MaskedMean(name="mean_faces")(faces, inputs["frame_mask"]),
        "speech": MaskedMean(name="mean_sound")(sound, heard),
        "geometry": MaskedMean(name="mean_points")(points, inputs["landmark_mask"]),
    }
    logits = {s: layers.Dense(num_classes, name=f"{s}_logits")(x) for s, x in means.items()}
    weights = {s: _present(config, s, inputs[KINDS[s].presence.name]) for s in STREAMS}
    return keras.Model(inputs, _answers(logits, weights), name=NAME)


def take_apart(model):
    tail = [model.get_layer(name).output for name in ("unfold_faces", "unfold_points")]
    speech = model.get_layer("speech_logits").output
    sound = keras.Model(
        {k: model.input[k] for k in ("waveform", "waveform_samples")}, {"sound_logits": speech}
    )
    kept = {"embeddings": tail[0], "shapes": tail[1], "sound_logits": speech}
    kept |= {k: model.input[k] for k in ("frame_mask", "landmark_mask", "waveform_samples")}
    whole = keras.Model(list(kept.values()), model.output, name="fuse_tail")
    given = {k: keras.Input(x.shape[1:], name=k, dtype=x.dtype) for k, x in kept.items()}
    return Apart(
        moments=(
            part("encode_face", model.get_layer("face_encoder"), "embedding", "face"),
            Step("encode_points", _points_of(model)),
        ),
        windows=(Step("encode_sound", sound),),
        fuse=Step("fuse", named("fuse", given, whole(list(given.values())))),
    )


def _points_of(model):
    points = keras.Input((68, 2), name="points")
    shape = model.get_layer("point_encoder")(layers.Flatten()(points))
    return named("encode_points", {"points": points}, {"shape": shape})


def _face_encoder(config):
    picture = keras.Input((config.image_size,) * 2 + (3,), name="picture")
    x = layers.AveragePooling2D(8)(layers.Rescaling(1 / 255)(picture))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    return keras.Model(picture, layers.GlobalAveragePooling2D()(x), name="face_encoder")


def _point_encoder():
    flat = keras.Input((136,), name="flat")
    return keras.Model(flat, Projection(UNITS, name="shape")(flat), name="point_encoder")


def _present(config, stream, mask):
    """1 where a trained stream is there, (batch, 1)."""
    size = mask.shape[1] if len(mask.shape) > 1 else 1
    real = keras.ops.reshape(keras.ops.cast(mask, "float32"), (-1, size))
    there = keras.ops.cast(keras.ops.max(real, axis=-1, keepdims=True) > 0, "float32")
    return there * float(stream in config.streams)


def _answers(logits, weights):
    total = sum(logits[s] * weights[s] for s in STREAMS)
    fused = total / keras.ops.maximum(sum(weights.values()), 1.0)
    answers = [keras.ops.softmax(fused)]
    answers += [keras.ops.softmax(logits[s] * weights[s]) for s in STREAMS]
    return dict(zip(outputs_of(STREAMS), answers))
