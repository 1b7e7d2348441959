"""System 4: classic measures of sound, interest points of faces, and marginal Fisher analysis.

DV EmotionNet (Dommeti et al., 2024) describes sound by 162 numbers and a face by space-time interest points,
brings both to one width, and gives them to the same small network of Conv1D layers three times: for sound, for
faces, and for both after marginal Fisher analysis. Figures of each of the three networks:

    6 classes    152,614 parameters
    8 classes    153,128

beside the numbers that are fitted: scales, principal components and discriminants.

    python -m emotionnet.fit --system dv_emotionnet
    emotionnet.systems.build_model("dv_emotionnet", num_classes=6)

The paper reports 94.66 % (sound), 95.82 % (faces) and 94.36 % (both) on RAVDESS. Its rows are not clips: each sound
and two changed copies of it are three rows, each picture is one, and rows of one clip are in the training
and in the test part. On people who were never seen expect far less; `docs/results/dv_emotionnet.md` shows where it goes.

How rows become an answer is one rule: a clip's face vector is the mean over its valid frames; where frames are
rows of their own, or sound and faces are, a clip's answer is the mean log-probability of its rows.
"""

import math
from dataclasses import dataclass
from functools import partial

import keras
from keras import layers

from emotionnet.inputs.kinds import STREAMS as KINDS
from emotionnet.keras_private import keeping_history
from emotionnet.layers import (
    AnyStep,
    CellHistogram,
    FoldFrames,
    InterestPoints,
    JoinSteps,
    MaskedMean,
    MeanLogProbability,
    Otherwise,
    Projection,
    SoundVector,
    Standardize,
    StepsPresent,
)
from emotionnet.systems.apart import Apart, Step, named
from emotionnet.systems.base import check_fields, check_streams, clip_inputs, of_logits
from emotionnet.systems.fits import marginal_fisher, pca, standard_scaler
from emotionnet.systems.stages import Fit, Learn, Stage
from emotionnet.systems.usual import Usual

NAME = "dv_emotionnet"

STREAMS = ("faces", "speech")
#: The layers that a stream is described and answered by: another run may start from them.
ENCODERS = {"faces": ("cell_scale", "components", "face_network"), "speech": ("speech_network",)}

#: The paper gives neither optimizer, rate, epochs nor batch (ours).
_LEARNT = {"epochs": 70, "batch_size": 64, "learning_rate": 1e-3, "patience": 0}
_DEMO = {**_LEARNT, "batch_size": 8, "epochs": 40}
_NETWORKS = ("speech", "faces", "fused")
#: A clip stays as it is: its features are computed once. Copies of the sound are separate rows, as the paper's
#: counts show; which changes it made is ours.
_STILL = {
    "rotation_degrees": 0.0, "flip": 0.0, "brightness": 0.0, "contrast": 0.0, "scale": 0.0, "shift": 0.0,
    "noise_share": 0.0, "copies": (),
}  # fmt: skip
COPIES = ("noise15", "stretch_pitch+0.7")
USUAL = (
    # The sound lasts as long as the faces.
    Usual(config={"samples": 57600}, train=dict.fromkeys(_NETWORKS, _LEARNT)),
    Usual({"corpus": "demo"}, train=dict.fromkeys(_NETWORKS, _DEMO)),
    Usual({"augment": ("light", "ours", "paper")}, augmentation=_STILL),
    Usual({"augment": ("ours", "paper")}, augmentation={"copies": COPIES}),
)

#: Width of the vectors that the paper's networks take.
WIDTH = 162
#: Figure 1: filters of the convolutions, the pool behind each, and the dropout behind that.
CONVOLUTIONS = ((256, 3, False), (128, 3, True), (64, 3, True), (64, 1, False), (32, 1, False))
HIDDEN = 256


@dataclass(frozen=True)
class Config:
    """Settings of the system. "(ours)": the paper does not say.

    Attributes:
        frames: faces of a clip (ours).
        frame_hz: how many of them there are a second (ours): slopes over time need a fixed rate.
        image_size: height and width of a face in pixels (ours), a multiple of ``cells``.
        sample_rate: of the sound, in Hz (ours).
        samples: length to which sound is padded or cut, 3.6 s (ours): what the faces last.
        log_mel: means of mel bands in decibels, not as powers (ours).
        pitch: the mean pitch as a 163rd number (ours; the paper names pitch).
        cells: a face is divided into as many rows and columns of cells (ours).
        moments: also the strength of the slopes in each cell (ours), since interest points say nothing
            about a face at rest.
        face_rows: "clip", one row a clip; or "frame", each frame is answered for itself, as the paper does.
        fusion: "paired", sound and face of a clip side by side (ours); or "pooled", rows of both kinds
            one below the other, as the paper's counts show.
        neighbours, pairs, ridge: of marginal Fisher analysis (ours), see `marginal_fisher`.
        limit: features further from their mean, in deviations, are brought to it (ours).
        dropout: rate behind three of the layers.
        streams: which streams are trained, of "faces" and "speech"; others never answer.
    """

    frames: int = 90
    frame_hz: float = 25.0
    image_size: int = 112
    sample_rate: int = 16000
    samples: int = 57600
    log_mel: bool = True
    pitch: bool = False
    cells: int = 8
    moments: bool = False
    face_rows: str = "clip"
    fusion: str = "paired"
    neighbours: int = 5
    pairs: int = 200
    ridge: float = 1e-3
    limit: float = 10.0
    dropout: float = 0.2
    streams: tuple[str, ...] = ("faces", "speech")

    def __post_init__(self):
        check_streams(NAME, self, STREAMS)
        check_fields(
            NAME,
            self,
            known={"face_rows": ("clip", "frame"), "fusion": ("paired", "pooled")},
            least={
                "frames": 1, "frame_hz": 1, "image_size": 32, "samples": 1, "cells": 1,
                "neighbours": 1, "pairs": 1, "ridge": 0, "limit": 1,
            },
            shares=("dropout",),
        )  # fmt: skip

    @property
    def width(self) -> int:
        """Of the vectors that the networks take."""
        return WIDTH + self.pitch


def stages(config: Config) -> tuple[Stage, ...]:
    """Scales, and what is fitted behind them; and the networks, each when its vectors stand."""
    sound, faces = "sound_vector", "cells" if config.face_rows == "frame" else "cell_means"
    found: list[Stage] = []
    if "speech" in config.streams:
        found += [
            Fit("sound_scale", "sound_scale", on=sound, by=standard_scaler, front=sound,
                streams=("speech",), supervised=False),
            Learn("speech", "speech_logits", front=sound),
        ]  # fmt: skip
    if "faces" in config.streams:
        seen = {
            "streams": ("faces",),
            "front": faces,
            "mask": "frame_mask" if config.face_rows == "frame" else "",
            "supervised": False,
        }
        components = partial(pca, units=config.width, scaled=True)
        found += [
            Fit("cell_scale", "cell_scale", on=faces, by=standard_scaler, **seen),
            Fit("components", "components", on="cell_scale", by=components, **seen),
            Learn("faces", "face_logits", front=faces),
        ]
    if len(config.streams) == 2:
        paired = config.fusion == "paired"
        by = partial(
            marginal_fisher,
            units=config.width,
            neighbours=config.neighbours,
            pairs=config.pairs,
            ridge=config.ridge,
        )
        found += [
            Fit("mfa", "mfa", on="fused_rows", by=by, front=(faces, sound), whole=paired),
            Learn("fused", "fused_logits", front=(faces, sound), whole=paired),
        ]
    return tuple(found)


def build(config: Config, num_classes: int) -> keras.Model:
    """The whole model: inputs of `clip_inputs`, three outputs by name.

    Nested models: ``speech_network``, ``face_network`` and ``fused_network``, the paper's. Layers with numbers
    that are fitted: ``sound_scale``, ``cell_scale``, ``components`` and ``mfa``. The logits of a clip are those
    of the layers ``speech_logits``, ``face_logits`` and ``fused_logits``.
    """
    inputs = clip_inputs(config, STREAMS)
    rows, valid, logits = {}, {}, {}
    if "speech" in config.streams:
        rows["speech"] = _sound_rows(config, inputs)
        valid["speech"] = StepsPresent(1, name="heard")(inputs["waveform_samples"])
        network = fercnn(config.width, num_classes, config.dropout, "speech_network")
        logits["speech"] = _answer(network, rows["speech"], valid["speech"], "speech_logits")
    if "faces" in config.streams:
        rows["faces"], valid["faces"] = _face_rows(config, inputs)
        network = fercnn(config.width, num_classes, config.dropout, "face_network")
        logits["faces"] = _answer(network, rows["faces"], valid["faces"], "face_logits")
    if len(logits) == 2:
        fused = _fused(config, rows, valid, logits, num_classes)
    else:
        (fused,) = logits.values()
    return of_logits(NAME, inputs, fused, logits, STREAMS)


def take_apart(model: keras.Model) -> Apart:
    """Pixels are only kept: what moves shows in the window alone. Sound is described as a whole."""
    names = {layer.name for layer in model.layers}
    kept, moments, windows, given = {}, (), (), {}
    if "interest_points" in names:
        faces = model.input["faces"]
        pixels, shape = math.prod(faces.shape[2:]), faces.shape[2:]
        face = keras.Input(shape, name="face")
        flat = layers.Flatten(name="keep")(face)
        moments = (Step("encode_face", named("encode_face", {"face": face}, {"embedding": flat})),)
        frames = faces.shape[1]
        given["embeddings"] = keras.Input((frames, pixels), name="embeddings")
        given["frame_mask"] = keras.Input((frames,), name="frame_mask")
        kept["faces"] = layers.Reshape((-1, *shape), name="kept")(given["embeddings"])
        kept["frame_mask"] = given["frame_mask"]
    if "sound_vector" in names:
        sound = {name: model.input[name] for name in KINDS["speech"].inputs}
        vector = model.get_layer("sound_vector").output
        encode = keras.Model(sound, {"sound": vector}, name="encode_sound")
        windows = (Step("encode_sound", encode),)
        given["sound"] = keras.Input(vector.shape[1:], name="sound")
        given["waveform_samples"] = keras.Input((), name="waveform_samples", dtype="int32")
        kept |= {"sound": given["sound"], "waveform_samples": given["waveform_samples"]}
    rest = [vector if name == "sound" else model.input[name] for name in kept]
    with keeping_history(dict(enumerate(rest))):
        answers = keras.Model(rest, model.output, name="rest")(list(kept.values()))
    return Apart(moments, windows, Step("fuse", named("fuse", given, answers)))


def fercnn(width: int, num_classes: int, dropout: float, name: str) -> keras.Model:
    """The paper's network, Figure 1: a vector (width,) to logits; ReLU between.

    Of 162 numbers: 160, 53, 51, 17, 15, 5, 3, 3, 1 and 1 steps; 1,024, 98,432, 24,640, 12,352, 6,176, 8,448 and (6
    classes) 1,542 parameters. The figure's 1824 and 24648 cannot be: only these have its sum.
    """
    vector = keras.Input((width,), name="vector")
    x = layers.Reshape((width, 1), name="as_sequence")(vector)
    for number, (filters, pool, drop) in enumerate(CONVOLUTIONS, start=1):
        x = layers.Conv1D(filters, 3, activation="relu", name=f"conv_{number}")(x)
        if pool > 1:
            x = layers.MaxPooling1D(pool, name=f"pool_{number}")(x)
        if drop:
            x = layers.Dropout(dropout, name=f"dropout_{number}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(HIDDEN, activation="relu", name="hidden")(x)
    x = layers.Dropout(dropout, name="hidden_dropout")(x)
    return keras.Model(vector, layers.Dense(num_classes, name="classifier")(x), name=name)


def _sound_rows(config: Config, inputs: dict):
    """The sound of a clip, (batch, 1, width)."""
    vector = SoundVector(
        config.sample_rate, log_mel=config.log_mel, pitch=config.pitch, name="sound_vector"
    )(inputs["waveform"], inputs["waveform_samples"])
    x = Standardize(config.limit, name="sound_scale")(vector)
    return layers.Reshape((1, config.width), dtype="float32", name="sound_rows")(x)


def _face_rows(config: Config, inputs: dict):
    """The faces of a clip, (batch, rows, width), and which rows there are, (batch, rows)."""
    mask = inputs["frame_mask"]
    points = InterestPoints(moments=config.moments, name="interest_points")
    found = keras.tree.flatten(points(inputs["faces"], mask))
    x, valid = CellHistogram(config.cells, name="cells")(*found), mask
    if config.face_rows == "clip":
        x = MaskedMean(dtype="float32", name="cell_means")(x, mask)
        valid = AnyStep(name="seen")(mask)
    x = Standardize(config.limit, name="cell_scale")(x)
    x = Projection(config.width, name="components")(x)
    if config.face_rows == "clip":
        x = layers.Reshape((1, config.width), dtype="float32", name="face_rows")(x)
    return x, valid


def _fused(config: Config, rows: dict, valid: dict, logits: dict, num_classes: int):
    """Logits of the fused answer; where a stream is absent the other's."""
    network = fercnn(config.width, num_classes, config.dropout, "fused_network")
    project = Projection(config.width, name="mfa")
    if config.fusion == "pooled":
        x, there = JoinSteps(dtype="float32", name="fused_rows")(
            rows["faces"], rows["speech"], valid["faces"], valid["speech"]
        )
        return _answer(network, project(x), there, "fused_logits")
    face, seen = rows["faces"], valid["faces"]
    if config.face_rows == "frame":
        mean = MaskedMean(dtype="float32", name="face_mean")(face, seen)
        face = layers.Reshape((1, config.width), dtype="float32", name="face_row")(mean)
        seen = AnyStep(name="seen")(seen)
    pair = layers.Concatenate(dtype="float32", name="fused_rows")([face, rows["speech"]])
    both = layers.Minimum(dtype="float32", name="both")([seen, valid["speech"]])
    fused = _answer(network, project(pair), both, "fused_logits")
    alone = layers.Add(dtype="float32", name="alone")(list(logits.values()))
    return Otherwise(dtype="float32", name="fused_or_alone")(fused, alone, both)


def _answer(network: keras.Model, rows, valid, name: str):
    """What ``network`` says of a clip's rows (batch, rows, width) together, (batch, classes)."""
    return MeanLogProbability(name=name)(network(FoldFrames(name=f"{name}_rows")(rows)), valid)
