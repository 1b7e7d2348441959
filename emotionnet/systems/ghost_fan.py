"""System 1: GhostNet with triplet and frame attention, and a 1D-CNN on speech, fused late.

The lightweight system, made for a companion robot: "GhostNet-TAM-FAN" on 15 faces, eight Conv1D
blocks on 40 mean MFCCs, and the geometric mean of both answers. Figures for 8 classes:

    variant F4 (+TAM +FAN), speech S2     920,756 parameters, 0.767 G multiply-adds a clip
    the same, depthwise="stride2"         883,060 parameters, 0.684 + 0.007 G

    python -m emotionnet.fit --system ghost_fan
    emotionnet.systems.build_model("ghost_fan", num_classes=8)

The paper reports 97.56 % on RAVDESS (479 of 491 clips) and 82.33 % on CREMA-D, on one random
80/20 split in which actors, sentences and takes are shared; on unseen actors expect far less.

Each stream is trained by itself with cross-entropy; the fusion has no weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from emotionnet.inputs.kinds import STREAMS as KINDS
from emotionnet.inputs.kinds import outputs_of
from emotionnet.layers import (
    MFCC,
    FoldFrames,
    FrameAttention,
    GhostBottleneck,
    LateFusion,
    MaskedMean,
    UnfoldFrames,
)
from emotionnet.systems import speech_net
from emotionnet.systems.apart import Apart, fused_late
from emotionnet.systems.base import check_fields, check_streams, clip_inputs
from emotionnet.systems.stages import Learn, Stage
from emotionnet.systems.usual import Usual

NAME = "ghost_fan"

STREAMS = ("faces", "speech")
#: The layers of a stream before its answer or the fusion: another run may start from them.
ENCODERS = {"faces": ("face_encoder",), "speech": ("speech_stream",)}

#: Table I: kernel, expansion, triplet attention, stride, maps out.
BOTTLENECKS = (
    (3, 16, True, 2, 16),
    (3, 72, False, 2, 24),
    (3, 88, False, 1, 24),
    (3, 96, True, 2, 40),
    (5, 240, True, 1, 40),
    (5, 240, True, 1, 40),
    (5, 120, True, 1, 48),
    (5, 144, True, 1, 48),
    (5, 288, True, 2, 96),
    (3, 576, True, 1, 96),
    (3, 576, True, 1, 96),
)
STEM, FEATURES = 16, 576

#: The ablation grid of the face stream: which of the two attentions a variant has.
VARIANTS = {"F1": (), "F2": ("TAM",), "F3": ("FAN",), "F4": ("TAM", "FAN")}

#: Channels of the eight Conv1D blocks (Table II).
SPEECH = {"S1": (128,) * 4 + (64,) * 4, "S2": (128,) * 6 + (64,) * 2, "S3": (128,) * 8}

#: Fields of `Config` that concern one stream alone, and those of the fusion, which has no weights: streams are
#: trained apart, and what is the same for one of them need not be trained twice.
CONCERNS = {
    "faces": (
        "frames", "image_size", "variant", "depthwise", "tam_residual", "skip_frames", "face_dropout",
    ),
    "speech": (
        "sample_rate", "speech", "n_mfcc", "n_fft", "hop_length", "mel", "dropout",
        "augment_spectrogram",
    ),
    "fusion": ("fusion",),
}  # fmt: skip

USUAL = (
    # Single pictures: the face encoder alone, in its small form, to begin the training on clips from.
    Usual({"corpus": "fer2013"},
          config={
              "frames": 1, "image_size": 48, "variant": "F1", "depthwise": "stride2",
              "batch_norm_momentum": 0.99,
          },
          train={"faces": {
              "epochs": 24, "batch_size": 64, "learning_rate": 3e-3, "patience": 0,
              "optimizer": "adamw", "weight_decay": 0.02, "warmup_epochs": 1,
              "label_smoothing": 0.1, "average": 0.998,
          }}),
    # What the paper names (sections III-A.1, III-B.1, IV-A), and nothing else; that a clip gets noise with a
    # chance of one half is ours. "ours" is the project's own.
    Usual({"augment": "paper"},
          augmentation={"scale": 0.0, "shift": 0.0, "noise_std": 0.0, "noise_variance": 0.01}),
    *speech_net.USUAL,
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    """Settings of the system. "(ours)": the paper does not say.

    Attributes:
        frames: faces of a clip, the centres of as many equal segments.
        image_size: height and width of a face in pixels.
        sample_rate: of the sound, in Hz (ours).
        samples: length to which sound is padded or cut, 6 s (ours).
        variant: F1 GhostNet, F2 with triplet attention, F3 with frame attention, F4 with both.
        speech: S1, S2 or S3: 128 channels in the first four, six, or all eight blocks; or "logmel",
            CNNs for people who were never heard before, or "logmel_ridge", with a kernel machine beside
            them (ours, see `emotionnet.systems.speech_net`).
        fusion: GM geometric or AM arithmetic mean of the streams' probabilities.
        depthwise: "faithful" (in every bottleneck) or "stride2" (the original GhostNet; smaller).
        tam_residual: triplet attention adds its input, as the paper does.
        n_mfcc: coefficients; of S1 to S3.
        n_fft, hop_length: frame and hop of the MFCCs in samples (ours); of S1 to S3.
        mel: scale of the MFCCs, "htk" (the paper's equation 5) or "slaney" (ours, librosa's); of S1 to S3.
        skip_frames: first frames of a recording of which no face is taken; 0 is the paper's.
        dropout: rate after each speech block; the paper searched 0.1 to 0.5.
        augment_spectrogram: how much "logmel" (and "logmel_ridge") changes its spectrograms in training: 1 as it was
            chosen, 2 twice as much, 0 not at all.
        face_dropout: rate before the face classifier (ours; 0 is the paper's).
        batch_norm_momentum: of every BatchNorm; about 0.9 for short trainings (ours).
        streams: which streams are trained, of "faces" and "speech"; others never answer.
    """

    frames: int = 15
    image_size: int = 224
    sample_rate: int = 16000
    samples: int = 96000
    variant: str = "F4"
    speech: str = "S2"
    fusion: str = "GM"
    depthwise: str = "faithful"
    tam_residual: bool = True
    n_mfcc: int = 40
    n_fft: int = 2048
    hop_length: int = 512
    mel: str = "slaney"
    skip_frames: int = 0
    dropout: float = 0.2
    augment_spectrogram: float = 1.0
    face_dropout: float = 0.0
    batch_norm_momentum: float = 0.99
    streams: tuple[str, ...] = STREAMS

    def __post_init__(self):
        check_streams(NAME, self, STREAMS)
        check_fields(
            NAME,
            self,
            known={
                "variant": VARIANTS,
                "speech": (*SPEECH, *speech_net.NAMES),
                "fusion": ("GM", "AM"),
                "depthwise": ("faithful", "stride2"),
                "mel": ("slaney", "htk"),
            },
            least={
                "frames": 1,
                "image_size": 32,
                "samples": 1,
                "n_mfcc": 1,
                "skip_frames": 0,
                "augment_spectrogram": 0,
            },
            shares=("dropout", "face_dropout", "batch_norm_momentum"),
        )


def stages(config: Config) -> tuple[Stage, ...]:
    """Each stream by itself."""
    found: dict[str, tuple[Stage, ...]] = {
        "faces": (Learn("faces", "face_stream"),),
        "speech": (Learn("speech", "speech_stream", front=speech_net.FRONT),),
    }
    if config.speech == speech_net.RIDGE:
        found["speech"] = speech_net.ridge_stages()
    return tuple(stage for stream in config.streams for stage in found[stream])


def build(config: Config, num_classes: int) -> keras.Model:
    """The whole model: inputs of `clip_inputs`, three outputs by name, nested streams."""
    inputs = clip_inputs(config, STREAMS)
    logits = []
    for name, make in (("faces", face_stream), ("speech", speech_stream)):
        stream = make(config, num_classes)
        logits.append(stream({key: inputs[key] for key in KINDS[name].inputs}))
    presence = (inputs[KINDS[name].presence.name] for name in STREAMS)
    answers = LateFusion(config.fusion, config.streams, name="fusion")(*logits, *presence)
    return keras.Model(inputs, dict(zip(outputs_of(STREAMS), answers)), name=NAME)


def fuse_answers(config: Config, answers: Mapping[str, np.ndarray]) -> np.ndarray:
    """The fused answer of streams that were trained apart, see `LateFusion`.

    Args:
        config: of the system.
        answers: stream → probabilities (n, C), rows of NaN where a clip lacks it.

    Returns:
        (n, C); NaN where a clip has neither.
    """
    several = np.stack([answers[stream] for stream in config.streams])
    if config.fusion == "GM":
        several = np.log(np.maximum(several, 1e-30))  # NaN stays NaN
    there = ~np.isnan(several).any(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        mean = np.where(there, several, 0).sum(axis=0) / there.sum(axis=0)
    mean = np.exp(mean) if config.fusion == "GM" else mean
    return mean / mean.sum(axis=-1, keepdims=True)


def take_apart(model: keras.Model) -> Apart:
    """Each face once; sound as a whole, since the floor of its coefficients depends on the loudest moment."""
    faces, speech = model.get_layer("face_stream"), model.get_layer("speech_stream")
    return fused_late(model, faces, faces.get_layer("face_encoder"), speech)


def face_encoder(config: Config) -> keras.Model:
    """One picture (height, width, 3; 0...255) to 576 features."""
    picture = keras.Input((config.image_size, config.image_size, 3), name="picture")
    momentum = config.batch_norm_momentum

    def convolution(x, filters, kernel_size, strides, name):
        x = layers.Conv2D(
            filters, kernel_size, strides=strides, padding="same", use_bias=False, name=name
        )(x)
        x = layers.BatchNormalization(momentum=momentum, name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(picture)
    x = convolution(x, STEM, 3, 2, "stem")
    for number, (kernel, expansion, triplet, strides, filters) in enumerate(BOTTLENECKS, start=1):
        attention = triplet and "TAM" in VARIANTS[config.variant]
        x = GhostBottleneck(
            filters,
            expansion,
            kernel,
            strides,
            attention=config.tam_residual if attention else None,
            depthwise=config.depthwise,
            momentum=momentum,
            name=f"bottleneck_{number}",
        )(x)
    x = convolution(x, FEATURES, 1, 1, "head")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(picture, x, name="face_encoder")


def face_stream(config: Config, num_classes: int) -> keras.Model:
    """Faces and their mask to logits."""
    inputs = clip_inputs(config, ("faces",))
    x = FoldFrames(name="fold")(inputs["faces"])
    x = face_encoder(config)(x)
    x = UnfoldFrames(config.frames, name="unfold")(x)
    pool = FrameAttention if "FAN" in VARIANTS[config.variant] else MaskedMean
    x = pool(name="frame_pool")(x, inputs["frame_mask"])
    x = layers.Dropout(config.face_dropout, name="dropout")(x)
    x = layers.Dense(num_classes, name="classifier")(x)
    return keras.Model(inputs, x, name="face_stream")


def mfcc_scale(n_mfcc: int) -> tuple[np.ndarray, np.ndarray]:
    """What mean MFCCs are about, and by how much they differ: fixed, so that nothing is fitted (ours).

    Over the 1,440 speech recordings of RAVDESS coefficient 0, the level, has -576 +- 101, coefficient
    1 has 43 +- 16, and coefficient k about 0 +- 16 / sqrt(k). Unscaled, the level drowns all others,
    and the network learns far more slowly.

    Returns:
        Mean and standard deviation, (n_mfcc,) each.
    """
    mean = np.zeros(n_mfcc)
    mean[:2] = (-576.0, 43.0)[:n_mfcc]
    deviation = 16.0 / np.sqrt(np.maximum(np.arange(n_mfcc), 1))
    deviation[0] = 100.0
    return mean, deviation


def speech_stream(config: Config, num_classes: int) -> keras.Model:
    """Sound and its true length to logits."""
    inputs = clip_inputs(config, ("speech",))
    if config.speech in speech_net.NAMES:
        return speech_net.speech_stream(config, inputs, num_classes)
    mfcc, valid = MFCC(
        config.sample_rate,
        config.n_mfcc,
        config.n_fft,
        config.hop_length,
        htk=config.mel == "htk",
        return_mask=True,
        name="mfcc",
    )(inputs["waveform"], inputs["waveform_samples"])
    x = MaskedMean(dtype="float32", name="mean_over_time")(mfcc, valid)
    mean, deviation = mfcc_scale(config.n_mfcc)
    x = layers.Rescaling(
        (1 / deviation).tolist(), (-mean / deviation).tolist(), dtype="float32", name="scale"
    )(x)
    x = layers.Reshape((config.n_mfcc, 1), name=speech_net.FRONT)(x)
    for number, filters in enumerate(SPEECH[config.speech], start=1):
        odd = number % 2 == 1
        x = layers.Conv1D(
            filters, 5 if odd else 7, 1 if odd else 2, padding="same", name=f"conv_{number}"
        )(x)
        x = layers.BatchNormalization(
            momentum=config.batch_norm_momentum, name=f"conv_{number}_norm"
        )(x)
        x = layers.PReLU(shared_axes=[1], name=f"conv_{number}_prelu")(x)
        x = layers.Dropout(config.dropout, name=f"conv_{number}_dropout")(x)
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    x = layers.Dense(128, activation="relu", name="hidden")(x)
    x = layers.Dense(num_classes, name="classifier")(x)
    return keras.Model(inputs, x, name="speech_stream")
