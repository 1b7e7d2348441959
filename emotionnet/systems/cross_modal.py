"""System 3: EfficientNetV2-B0 on faces and short-time audio features, fused by cross-attention.

The most accurate system on unseen actors, as published. 15 faces go through EfficientNetV2-B0; the
sound around the time of each face becomes 128 values (10 MFCCs with two derivatives, pitch and energy
of 20 ms, beside those of its neighbours); faces ask sound (AV) and sound asks faces (VA) in two
transformer blocks. Parameters for 8 classes, statistics of BatchNorm included:

    baseline  AV and VA                                    12,786,648
    id        and the mean features of each modality       12,788,696
    sa        and a self-attention block of each modality  14,630,616

    python -m emotionnet.fit --system cross_modal --corpus ravdess --root DIR \
        --protocol actors_16_4_4 --folds all
    emotionnet.systems.build_model("cross_modal", num_classes=8, variant="sa", backbone_weights=None)

The paper reports 84.37, 87.29 and 88.33 % on RAVDESS speech over five folds of unseen actors. Here
it was not trained on real faces with ImageNet weights yet. A clip costs 1.5 s of processor time a
training step at 224 px, so 100 epochs of 960 clips are for a GPU; ``--train frozen=face_encoder --augment
none`` trains on a CPU in minutes. The demo corpus uses another backbone, our GhostNet from
random weights: 97 % fused on unseen drawn actors, 67 % from faces and 64 % from speech, in six
minutes of processor time. Numbers and commands: ``docs/results/cross_modal.md``.

It is trained as a whole. Masks keep apart what is absent and what is silent or black: a step that is
masked has no weight in any attention or mean. ``face_probabilities`` and ``speech_probabilities``
are the answers to the same clip without sound or faces, as the paper tests a missing modality; a clip
with neither is answered uniformly.
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from emotionnet.errors import UsageError
from emotionnet.inputs.augmentation import NOTHING
from emotionnet.inputs.kinds import STREAMS as KINDS
from emotionnet.layers import (
    MFCC,
    AbsentSteps,
    CrossAttentionBlock,
    Derivatives,
    Energy,
    FoldFrames,
    MaskedMean,
    NeighbourContext,
    Pitch,
    SegmentWindows,
    SelfAttentionBlock,
    UnfoldFrames,
)
from emotionnet.systems.backbones import check_backbone, face_encoder
from emotionnet.systems.base import check_fields, check_streams, clip_inputs, of_logits
from emotionnet.systems.stages import JOINT, Learn
from emotionnet.systems.usual import Usual

NAME = "cross_modal"

#: What comes before the fusion: the features of the frozen backbone, and all that is heard.
_FEATURES = {"faces": "face_features", "speech": "sound_features"}
#: Says at which steps there is sound.
_HEARD = f"{_FEATURES['speech']}_mask"
STREAMS = ("faces", "speech")
#: The layers of a stream before its answer or the fusion: another run may start from them.
ENCODERS = {"faces": ("face_encoder", "backbone")}

#: The paper names no augmentation. Ours is that of the project, and now and then one modality alone.
_OURS = {"modality_dropout": 0.2, "copies": ()}
USUAL = (
    # How the paper trains (section 4.2.1): batches of 64 clips, here in eight steps. Its weight decay of
    # 1e-3 is PyTorch's, which momentum makes ten times as strong (see `Settings.weight_decay`).
    # It does not say how patient it is, nor by how much a plateau lowers the rate (both ours), nor of any
    # other loss, clipping or warming up. 3.6 s whatever the corpus.
    Usual(config={"samples": 57600}, train={"joint": {
        "epochs": 100, "batch_size": 8, "accumulate": 8,
        "optimizer": "sgd", "momentum": 0.9, "weight_decay": 1e-2,
        "learning_rate": 0.04, "decay": "plateau", "plateau_factor": 0.5, "plateau_patience": 5,
        "patience": 15, "clip_norm": 0.0,
    }}),
    # The demo in minutes on two cores (ours). 128 drawn clips and no ImageNet weights teach EfficientNetV2-B0 next to
    # nothing: so a small backbone of our own, on small pictures; and Adam, fast for it, since it starts from nothing.
    Usual({"corpus": "demo"},
          config={"image_size": 96, "backbone": "GhostNet", "backbone_weights": "none"},
          train={"joint": {
              "epochs": 24, "batch_size": 8, "learning_rate": 2e-3, "rate_scales": {"fusion": 0.25},
              "warmup_epochs": 1, "patience": 0,
          }}),
    Usual({"augment": ("light", "ours")}, augmentation=_OURS),
    Usual({"augment": "paper"}, augmentation=NOTHING),
    # Without pretraining faces train more slowly than sound: half of the clips lack one (ours).
    Usual({"backbone": "GhostNet", "augment": "light"},
          augmentation={"modality_dropout": 0.5, "sound_shift_s": 0.1}),
)  # fmt: skip

#: What is concatenated for the classifier, beside AV and VA.
VARIANTS = {"baseline": (), "id": ("inputs",), "sa": ("inputs", "self_attention")}
#: Width of a face's and of a sound's features before they meet.
WIDTH = 128
#: Coefficients with derivatives, pitch, energy; and the neighbours whose values are joined with a step's.
N_MFCC, N_MELS = 10, 40
SOUND_WIDTH = 3 * N_MFCC + 2
BEFORE, AFTER = 2, 1


@dataclass(frozen=True)
class Config:
    """Settings of the system. "(ours)": the paper does not say.

    Attributes:
        frames: faces of a clip, the centres of as many equal segments.
        image_size: height and width of a face in pixels.
        sample_rate: of the sound, in Hz (ours).
        samples: of a clip, 3.6 s; of longer clips faces and sound of the central 3.6 s (ours).
        variant: baseline, id or sa.
        backbone: a network of `emotionnet.systems.backbones.BACKBONES`.
        backbone_weights: that it starts from: imagenet, a file or folder, or none.
        pad_clip: clips shorter than 3.6 s are padded before their faces are picked, as in the paper (some
            40 % of RAVDESS: what lies beyond their end is missing); what is missing is masked (ours).
            False picks as many faces of a shorter clip as of a longer one (ours).
        dropout: rate in the transformer blocks and before the classifier (ours).
        batch_norm_momentum: of every BatchNorm; 0.9 is Keras's for this backbone.
        streams: which of "faces" and "speech" are seen; the other counts as absent in every clip.
    """

    frames: int = 15
    image_size: int = 224
    sample_rate: int = 16000
    samples: int = 57600
    pad_clip: bool = False
    variant: str = "sa"
    backbone: str = "EfficientNetV2B0"
    backbone_weights: str | None = "imagenet"
    dropout: float = 0.1
    batch_norm_momentum: float = 0.9
    streams: tuple[str, ...] = STREAMS

    def __post_init__(self):
        check_streams(NAME, self, STREAMS)
        if self.sample_rate % 8000:
            raise UsageError(
                f"{NAME}: sample_rate is {self.sample_rate}; needs a multiple of 8000."
            )
        check_fields(
            NAME,
            self,
            known={"variant": VARIANTS},
            least={"frames": 1, "samples": 1},
            shares=("dropout", "batch_norm_momentum"),
        )
        check_backbone(NAME, self)

    @property
    def frame_hz(self) -> float:
        """Faces a second, whatever the clip's length; 0: those of equal segments of the clip."""
        return self.frames * self.sample_rate / self.samples if self.pad_clip else 0.0

    @property
    def piece(self) -> int:
        """Samples around a face's time that are used, 100 ms.

        The 20 ms that are described are their middle; derivatives need 40 ms to either side, and a
        voice of 65 Hz has hardly more than one period in 20 ms (ours).
        """
        return self.sample_rate // 10

    @property
    def window(self) -> int:
        """Samples that are described, 20 ms."""
        return self.sample_rate // 50


def stages(config: Config) -> tuple[Learn, ...]:
    """All of it at once."""
    return (Learn(JOINT, "joint_logits", front=(*_FEATURES.values(), _HEARD)),)


def build(config: Config, num_classes: int) -> keras.Model:
    """The whole model: inputs of `clip_inputs`, three outputs by name.

    Nested models: ``face_encoder``, ``sound_encoder`` (without weights) and ``fusion``, see there.
    The layer ``joint_logits`` holds the clip's logits.
    """
    inputs = clip_inputs(config, STREAMS)
    steps = {}
    if "faces" in config.streams:
        x = FoldFrames(name="fold")(inputs["faces"])
        x = face_encoder(config)(x)
        x = UnfoldFrames(config.frames, name=_FEATURES["faces"])(x)
        steps["faces"] = x, inputs["frame_mask"]
    if "speech" in config.streams:
        pieces, heard = SegmentWindows(
            config.frames, config.piece, config.pad_clip, name="windows"
        )(*(inputs[name] for name in KINDS["speech"].inputs))
        x = sound_encoder(config)(pieces)
        # By layers of this model, so that it can be cut behind them.
        steps["speech"] = tuple(
            layers.Activation("linear", dtype="float32", name=name)(value)
            for name, value in ((_FEATURES["speech"], x), (_HEARD, heard))
        )
    width = steps["faces"][0].shape[-1] if "faces" in steps else WIDTH
    widths = {"faces": width, "speech": SOUND_WIDTH * (BEFORE + 1 + AFTER)}
    # Replaces a stream that is absent. Both have the same number of steps, so one mask gives the other.
    (_, mask), *_ = steps.values()
    unheard = "no_mask" if "speech" in steps else _HEARD
    nothing = layers.Rescaling(0.0, dtype="float32", name=unheard)(mask)
    absent = {}
    for stream, width in widths.items():
        name = f"no_{stream}" if stream in steps else _FEATURES[stream]
        absent[stream] = AbsentSteps(width, name=name)(nothing), nothing
    fuse = fusion(config, widths, num_classes)

    def logits(*streams: str):
        given = {stream: (steps if stream in streams else absent)[stream] for stream in widths}
        (faces, frame_mask), (sound, sound_mask) = given["faces"], given["speech"]
        return fuse(
            {"faces": faces, "frame_mask": frame_mask, "sound": sound, "sound_mask": sound_mask}
        )

    joint = layers.Activation("linear", name="joint_logits")(logits(*config.streams))
    alone = {}
    for stream in STREAMS:
        if stream not in steps:
            alone[stream] = layers.Rescaling(0.0, name="untrained")(joint)
        else:
            alone[stream] = joint if len(steps) == 1 else logits(stream)
    return of_logits(NAME, inputs, joint, alone, STREAMS)


def sound_encoder(config: Config) -> keras.Model:
    """The pieces of sound around the faces (frames, samples) to a vector for each: no weights.

    The model cuts them at the centres of equal segments of the sound's true length: the times of the
    faces, as far as picture and sound are of one length. Where a training draws other frames
    (``frame_jitter``), the pieces follow them. Beyond the ends there are zeros.

    Returns:
        (frames, 128): 32 values at the two steps before, the step itself and the next one.
    """
    cut = keras.Input((config.frames, config.piece), name="pieces", dtype="float32")
    pieces = FoldFrames(dtype="float32", name="fold_pieces")(cut)
    mfcc = MFCC(
        config.sample_rate,
        N_MFCC,
        config.window,
        config.window // 2,
        n_mels=N_MELS,
        center=False,
        top_db=None,
        name="mfcc",
    )(pieces)
    x = layers.Concatenate(dtype="float32", name="described")(
        [
            Derivatives(dtype="float32", name="derivatives")(mfcc),
            Pitch(config.sample_rate, name="pitch")(pieces),
            Energy(config.window, name="energy")(pieces),
        ]
    )
    mean, deviation = sound_scale()
    x = layers.Rescaling(
        (1 / deviation).tolist(), (-mean / deviation).tolist(), dtype="float32", name="scale"
    )(x)
    x = UnfoldFrames(config.frames, dtype="float32", name="unfold")(x)
    x = NeighbourContext(BEFORE, AFTER, dtype="float32", name="context")(x)
    return keras.Model(cut, x, name="sound_encoder")


def sound_scale() -> tuple[np.ndarray, np.ndarray]:
    """Fixed mean and scale of the 32 values; nothing is fitted (ours).

    Over 3,600 steps of 240 speech recordings of RAVDESS coefficient 0 has -448 +- 143, coefficient 1
    36 +- 36, coefficient k about 0 +- 26 / sqrt(k); first derivatives a sixth of that, second ones a
    fourteenth; energy -66 +- 26 dB. Pitch is divided by 200 Hz, its median where there is a voice, so
    that 0 stays apart from every voice.

    Returns:
        Mean and standard deviation, (32,) each.
    """
    mean, deviation = np.zeros(SOUND_WIDTH), np.zeros(SOUND_WIDTH)
    mean[:2] = -450.0, 36.0
    own = 26.0 / np.sqrt(np.maximum(np.arange(N_MFCC), 1))
    own[:2] = 143.0, 36.0
    deviation[: 3 * N_MFCC] = np.concatenate([own, own / 6, own / 14])
    mean[-2:], deviation[-2:] = (0.0, -66.0), (200.0, 26.0)
    return mean, deviation


def fusion(config: Config, widths: dict[str, int], num_classes: int) -> keras.Model:
    """Features of faces and sound with a mask each to logits; zeros where both are absent.

    Inputs: ``faces`` (frames, widths["faces"]), ``sound`` (frames, 128), ``frame_mask`` and
    ``sound_mask`` (frames,).
    """
    shapes = {
        "faces": (config.frames, widths["faces"]),
        "frame_mask": (config.frames,),
        "sound": (config.frames, widths["speech"]),
        "sound_mask": (config.frames,),
    }
    inputs = {name: keras.Input(s, name=name, dtype="float32") for name, s in shapes.items()}
    seen, heard, sound = inputs["frame_mask"], inputs["sound_mask"], inputs["sound"]
    faces = layers.Dense(WIDTH, name="face_projection")(inputs["faces"])
    parts = [
        CrossAttentionBlock(dropout=config.dropout, name="av")(faces, sound, seen, heard),
        CrossAttentionBlock(dropout=config.dropout, name="va")(sound, faces, heard, seen),
    ]
    if "inputs" in VARIANTS[config.variant]:
        parts.append(MaskedMean(name="mean_faces")(faces, seen))
        parts.append(MaskedMean(name="mean_sound")(sound, heard))
    if "self_attention" in VARIANTS[config.variant]:
        parts.append(SelfAttentionBlock(dropout=config.dropout, name="self_faces")(faces, seen))
        parts.append(SelfAttentionBlock(dropout=config.dropout, name="self_sound")(sound, heard))
    x = layers.Concatenate(name="clip_features")(parts)
    x = layers.Dropout(config.dropout, name="dropout")(x)
    x = layers.Dense(num_classes, name="classifier")(x)
    anything = layers.Concatenate(name="masks")([seen, heard])
    anything = layers.Reshape((2 * config.frames, 1), name="masks_in_time")(anything)
    anything = layers.GlobalMaxPooling1D(name="anything")(anything)
    x = layers.Multiply(name="logits")([x, anything])
    return keras.Model(inputs, x, name="fusion")
