"""System 5: RACNN on sound, EfficientNet-B0 on faces, GRUs on landmarks, kernel discriminants.

The only system that looks at the geometry of a face. Sound becomes nine pictures (log-mel bands with two
derivatives as colours) for an attention CNN, RACNN; its 147 steps, followed by the faces of the clip
in time, go through a deep bidirectional GRU; 68 landmarks of key frames go through seven GRUs, one a
region of the face; the weighted sum of both is the hybrid feature. Kernel LDA leaves one dimension
fewer than classes, and a dense layer answers. Parameters:

    RACNN                                            358,144
    EfficientNet-B0, and 1280 to 288         4,049,571 + 368,928
    deep Bi-GRU                                      617,472
    seven GRUs, their attention, 448 to 256  114,816 + 65 + 114,944
    in all, before kernel LDA                      5,623,940

    python -m emotionnet.fit --system racnn --streams speech --corpus ravdess --root DIR
    emotionnet.systems.build_model("racnn", num_classes=8, backbone_weights="none")

The paper (Hu, Wang, Luo, Xia and Xiao) reports 81.76 % on RAVDESS speech for RACNN alone (mean recall
of the classes) and 87.92 % with the picture, on a random 80/20 split that shares actors and sentences;
on unseen actors expect far less. It gives neither widths nor key frames nor how RACNN's depth comes
about: the reading here is ours, and another paper's "5.61 M" for the whole supports it.

RACNN is trained on sound first (``speech``), then the whole continues with it (``fused``), by a layer of
its own since no gradient passes what is fitted; then the kernel discriminants are fitted and the last
layer is trained (``head``); RACNN's own last layer is brought up to date at the end (``speech_head``).
``speech_probabilities`` are RACNN's answer; ``face_probabilities`` and ``geometry_probabilities`` are the
whole's to the same clip without the rest. The discriminants answer only where a clip has every stream, as
those that they were fitted to; elsewhere the layer that the whole is trained by does, and where there is
sound alone RACNN.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import keras
from keras import layers

from emotionnet.errors import UsageError
from emotionnet.inputs.augmentation import NOTHING
from emotionnet.inputs.kinds import STREAMS as KINDS
from emotionnet.inputs.kinds import ordered
from emotionnet.layers import (
    AnyStep,
    CentredLandmarks,
    FoldFrames,
    KernelProjection,
    KeyFrames,
    LogMelSpectrogram,
    MaskedGRU,
    Otherwise,
    RegionAttention,
    SpectrogramWindows,
    StepsPresent,
    TakePoints,
    UnfoldFrames,
    WeightedSum,
)
from emotionnet.systems.apart import Apart, Step, named, part
from emotionnet.systems.backbones import check_backbone, face_encoder
from emotionnet.systems.base import check_fields, check_streams, clip_inputs, of_logits
from emotionnet.systems.fits import kernel_discriminant
from emotionnet.systems.racnn_net import WIDTH, WINDOWS, racnn
from emotionnet.systems.stages import Fit, Learn, Stage
from emotionnet.systems.usual import Usual

NAME = "racnn"
STREAMS = ("faces", "speech", "geometry")
#: The layers of a stream before its answer or the fusion: another run may start from them.
ENCODERS = {"faces": ("face_encoder",), "speech": ("racnn",), "geometry": ("regions",)}

#: How the paper trains (section III-B). It stops early, when is not said (ours); last layers are ours.
_PAPER = {
    "epochs": 100, "batch_size": 10, "learning_rate": 1e-3, "patience": 15, "clip_norm": 0.0,
}  # fmt: skip
_LAST = {"epochs": 60, "batch_size": 32, "learning_rate": 1e-2, "patience": 10}
_DEMO = {"epochs": 24, "batch_size": 8, "learning_rate": 1e-3, "patience": 0}
_DEMO_LAST = {"epochs": 40, "batch_size": 16, "learning_rate": 1e-2, "patience": 0}
USUAL = (
    Usual(train={"speech": _PAPER, "fused": _PAPER, "head": _LAST, "speech_head": _LAST}),
    # The demo in minutes on two cores: pictures a quarter as large, and a small backbone (ours).
    Usual({"corpus": "demo"},
          config={"image_size": 64, "picture_size": 64, "backbone": "GhostNet", "backbone_weights": "none"},
          train={"speech": _DEMO, "fused": _DEMO, "head": _DEMO_LAST, "speech_head": _DEMO_LAST}),
    # The paper names no augmentation. Ours is that of the project, and now and then one stream alone.
    Usual({"augment": ("light", "ours")}, augmentation={"modality_dropout": 0.3, "copies": ()}),
    Usual({"augment": "paper"}, augmentation=NOTHING),
)  # fmt: skip

#: What is subtracted from decibels, and what becomes 1 of them and of their two derivatives: mean and
#: deviation over 120 speech recordings of RAVDESS, every twelfth (ours).
MEAN_DB, SCALE_DB = -60.0, (19.0, 2.7, 1.1)
#: Points of each region of a face, the last one exclusive: the order of 68 landmarks (iBUG).
REGIONS = {
    "chin": (0, 17),
    "right_brow": (17, 22),
    "left_brow": (22, 27),
    "nose": (27, 36),
    "right_eye": (36, 42),
    "left_eye": (42, 48),
    "mouth": (48, 68),
}
#: Units of a region's GRU, and of each direction of the deep Bi-GRU (ours: the paper gives none).
REGION_UNITS, UNITS = 64, 128
HYBRID = 2 * UNITS


@dataclass(frozen=True)
class Config:
    """Settings of the system. "(ours)": the paper does not say.

    Attributes:
        frames: faces of a clip (ours; the paper takes all).
        image_size: height and width of a face in pixels.
        landmarks: frames of landmarks of a clip, evenly spaced (ours; the paper takes all); 0 where
            geometry is not seen.
        key_frames: of them that the GRUs see (ours).
        sample_rate: of the sound, in Hz (ours).
        samples: length to which sound is padded or cut, 6 s (ours).
        n_fft, hop_length, n_mels: of the log-mel spectrogram (ours).
        picture_size: height and width of a picture of sound; a multiple of 32.
        backbone: a network of `emotionnet.systems.backbones.BACKBONES`.
        backbone_weights: that it starts from: imagenet, a file or folder, or none.
        dropout: rate before the last layers (ours).
        batch_norm_momentum: of every BatchNorm of the backbone.
        pretrain: RACNN is trained on sound before the whole; otherwise together with it.
        klda: kernel discriminants before the last layer; without, the layer that the whole is trained
            by answers.
        klda_points: training clips that a clip is compared with, fewer where there are fewer (ours).
        klda_shrinkage: of the covariance within classes (ours).
        streams: which of "faces", "speech" and "geometry" are seen.
    """

    frames: int = 15
    image_size: int = 224
    landmarks: int = 64
    key_frames: int = 8
    sample_rate: int = 16000
    samples: int = 96000
    n_fft: int = 1024
    hop_length: int = 256
    n_mels: int = 128
    picture_size: int = 224
    backbone: str = "EfficientNetB0"
    backbone_weights: str | None = "imagenet"
    dropout: float = 0.2
    batch_norm_momentum: float = 0.9
    pretrain: bool = True
    klda: bool = True
    klda_points: int = 256
    klda_shrinkage: float = 0.1
    streams: tuple[str, ...] = STREAMS

    def __post_init__(self):
        check_streams(NAME, self, STREAMS)
        if "geometry" not in self.streams:
            object.__setattr__(self, "landmarks", 0)
        check_fields(
            NAME,
            self,
            least={
                "frames": 1, "landmarks": int("geometry" in self.streams), "key_frames": 1,
                "samples": 1, "n_mels": 1, "picture_size": 32, "klda_points": 1,
            },
            shares=("dropout", "batch_norm_momentum", "klda_shrinkage"),
        )  # fmt: skip
        if self.picture_size % 32:
            raise UsageError(f"{NAME}: picture_size is {self.picture_size}; a multiple of 32.")
        check_backbone(NAME, self)


def stages(config: Config) -> tuple[Stage, ...]:
    """RACNN on sound; the whole; kernel discriminants of it; and the layers behind what has moved on."""
    speech = Learn("speech", "speech_logits", front="log_mel")
    if config.streams == ("speech",):
        return (speech,)
    fronts = {"faces": "face_features", "speech": "log_mel", "geometry": "key_frames"}
    found: list[Stage] = [speech] if config.pretrain and "speech" in config.streams else []
    found.append(Learn("fused", "fused_logits", front=tuple(fronts[s] for s in config.streams)))
    if config.klda:
        fit = partial(
            kernel_discriminant, points=config.klda_points, shrinkage=config.klda_shrinkage
        )
        found.append(Fit("klda", layer="projection", on="hybrid", by=fit))
        found.append(
            Learn("head", "head_logits", front="discriminants", learns=("classifier",), still=True)
        )
    if "speech" in config.streams:
        found.append(
            Learn(
                "speech_head", "speech_logits", front="speech_features",
                learns=("speech_classifier",), streams=("speech",), still=True,
            )
        )  # fmt: skip
    return tuple(found)


def build(config: Config, num_classes: int) -> keras.Model:
    """The whole model: inputs of `clip_inputs`, outputs of all streams by name.

    Nested models: ``racnn``, ``face_encoder`` and ``regions``. Layers: ``speech_logits``, RACNN's own;
    ``bi_gru1``, ``bi_gru2``; ``hybrid``, what is fused; ``fused_logits``, what the whole is trained by;
    ``projection``, the kernel discriminants; ``discriminants``; ``head_logits``.
    """
    inputs = clip_inputs(config, ordered({"faces", "speech", *config.streams}))
    steps = _steps(config, inputs)
    alone = {}
    if "speech" in steps:
        x = layers.GlobalAveragePooling1D(name="speech_features")(steps["speech"][0])
        x = layers.Dropout(config.dropout, name="speech_dropout")(x)
        x = layers.Dense(num_classes, name="speech_classifier")(x)
        heard = StepsPresent(1, name="heard")(inputs["waveform_samples"])
        alone["speech"] = layers.Multiply(name="speech_logits")([x, heard])
    if config.streams == ("speech",):
        return of_logits(NAME, inputs, alone["speech"], alone, STREAMS)

    sides, by_itself = [], {}
    if steps:
        gru = deep_bi_gru()
        sides.append(gru(*_in_time(steps)))
        if "faces" in steps:
            by_itself["faces"] = gru(*steps["faces"]) if len(steps) > 1 else sides[0]
    if "geometry" in config.streams:
        sides.append(_geometry(config, inputs))
        by_itself["geometry"] = sides[-1]
    x, anything = _hybrid(sides)
    x = layers.Activation("linear", name="hybrid")(x)
    answer = layers.Dense(num_classes, name="fused_classifier")
    dropped = layers.Dropout(config.dropout, name="dropout")(x)
    fused = layers.Multiply(name="fused_logits")([answer(dropped), anything])
    if config.klda:
        x = KernelProjection(config.klda_points, num_classes - 1, name="projection")(x)
        x = layers.Activation("linear", name="discriminants")(x)
        x = layers.Dense(num_classes, name="classifier")(x)
        x = layers.Activation("linear", name="head_logits")(x)
        # Far from the clips that they were fitted to the discriminants are wrong, and sure. The layer that
        # the whole is trained by has seen clips without a stream: it answers where one is missing.
        there = [there for _, there in by_itself.values()] + ([heard] if "speech" in steps else [])
        complete = layers.Minimum(name="complete")(there) if len(there) > 1 else there[0]
        fused = Otherwise(name="head_or_part")(x, fused, complete)

    for stream, (x, seen) in by_itself.items():
        alone[stream] = layers.Multiply(name=f"{stream}_logits")([answer(x), seen])
    if "speech" in alone:
        # Sound alone is what RACNN was trained on.
        seen = [there for _, there in by_itself.values()]
        seen = layers.Maximum(name="sight")(seen) if len(seen) > 1 else seen[0]
        fused = Otherwise(name="joint_logits")(fused, alone["speech"], seen)
    return of_logits(NAME, inputs, fused, alone, STREAMS)


def take_apart(model: keras.Model) -> Apart:
    """Each face and its points once; sound as a whole, since its windows are parts of its length."""
    own, moments, windows, kept = {x.name for x in model.layers}, [], [], {}
    if "face_encoder" in own:
        moments.append(part("encode_face", model.get_layer("face_encoder"), "embedding", "face"))
        kept["embeddings"] = model.get_layer("face_features").output
    if "key_frames" in own:
        points = keras.Input((68, 2), name="points")
        shape = layers.Reshape((136,), name="shape")(points)
        moments.append(
            Step("encode_points", named("encode_points", {"points": points}, {"shape": shape}))
        )
        kept["shapes"] = model.input["landmarks"]
    if "sound_steps" in own:
        sound, steps = KINDS["speech"].inputs, model.get_layer("sound_steps").output
        sound = {name: model.input[name] for name in sound}
        windows.append(Step("encode_speech", named("encode_speech", sound, {"sound_steps": steps})))
        kept["sound_steps"] = steps
    masks = ("frame_mask", "landmark_mask", "waveform_samples")
    kept |= {name: model.input[name] for name in masks if name in model.input}
    tail = keras.Model(list(kept.values()), model.output, name="from_moments")
    given = {key: keras.Input(x.shape[1:], dtype=x.dtype, name=key) for key, x in kept.items()}
    values = {**given}
    if "shapes" in given:  # a moment's code is a vector
        given["shapes"] = keras.Input((given["shapes"].shape[1], 136), name="shapes")
        values["shapes"] = layers.Reshape((-1, 68, 2), name="points")(given["shapes"])
    fuse = named("fuse", given, tail(list(values.values())))
    return Apart(tuple(moments), tuple(windows), Step("fuse", fuse))


def _steps(config: Config, inputs: dict) -> dict:
    """The inputs of the deep Bi-GRU, in order: stream to steps (batch, steps, 288) and their mask.

    Faces follow the sound in time: only so the parts add up to 5,623,940.
    """
    steps = {}
    if "speech" in config.streams:
        x, valid = LogMelSpectrogram(
            config.sample_rate,
            config.n_fft,
            config.hop_length,
            n_mels=config.n_mels,
            return_mask=True,
            name="log_mel",
        )(inputs["waveform"], inputs["waveform_samples"])
        x = SpectrogramWindows(
            WINDOWS, config.picture_size, mean=MEAN_DB, scale=SCALE_DB, name="pictures"
        )(x, valid)
        x = racnn(config.picture_size)(x)
        # By a layer of this model, which also its deploy form keeps: it is taken apart there.
        x = layers.Reshape(x.shape[1:], name="sound_steps")(x)
        valid = StepsPresent(x.shape[1], name="heard_steps")(inputs["waveform_samples"])
        steps["speech"] = x, valid
    if "faces" in config.streams:
        x = face_encoder(config)(FoldFrames(name="fold")(inputs["faces"]))
        x = UnfoldFrames(config.frames, name="face_features")(x)
        steps["faces"] = layers.Dense(WIDTH, name="face_steps")(x), inputs["frame_mask"]
    return steps


def _in_time(steps: dict) -> list:
    """The steps of all streams one after the other, and their mask."""
    if len(steps) == 1:
        return list(*steps.values())
    return [
        layers.Concatenate(axis=1, name=name)(list(parts))
        for name, parts in zip(("steps", "steps_real"), zip(*steps.values()))
    ]


def _geometry(config: Config, inputs: dict) -> tuple:
    """Landmarks to 256 features, and whether there are any, (batch, 1)."""
    seen = inputs["landmark_mask"]
    x = CentredLandmarks(name="centred")(inputs["landmarks"], seen)
    x, valid = KeyFrames(config.key_frames, name="key_frames")(x, seen)
    x = regions(config)({"key_frames": x, "key_mask": valid})
    return x, AnyStep(name="tracked")(valid)


def _hybrid(sides: list) -> tuple:
    """The weighted sum of the two sides that there are, and whether there is any, (batch, 1)."""
    if len(sides) == 1:
        return sides[0]
    (a, a_there), (b, b_there) = sides
    x = WeightedSum(name="weighted_sum")(a, b, a_there, b_there)
    return x, layers.Maximum(name="anything")([a_there, b_there])


def regions(config: Config) -> keras.Model:
    """Key frames of landmarks to the geometry of a face: seven GRUs, attention, 448 to 256.

    Inputs: ``key_frames`` (key_frames, 68, 2), centred; ``key_mask`` (key_frames,).

    Returns:
        keras.Model, (batch, 256).
    """
    points = keras.Input((config.key_frames, 68, 2), name="key_frames")
    valid = keras.Input((config.key_frames,), name="key_mask")
    features = [
        MaskedGRU(REGION_UNITS, name=f"{name}_gru")(
            TakePoints(first, last, name=name)(points), mask=valid
        )
        for name, (first, last) in REGIONS.items()
    ]
    x = RegionAttention(name="attention")(features)
    x = layers.Dense(HYBRID, name="dense")(x)
    return keras.Model({"key_frames": points, "key_mask": valid}, x, name="regions")


def deep_bi_gru() -> Callable:
    """Two bidirectional GRUs: (steps, valid) to 256 features, and whether any step is valid, (batch, 1).

    Steps that are masked are passed by. Any number of steps goes through the same weights, at 288 numbers
    a step 617,472.
    """
    first = layers.Bidirectional(MaskedGRU(UNITS, return_sequences=True), name="bi_gru1")
    second = layers.Bidirectional(MaskedGRU(UNITS), name="bi_gru2")
    some = AnyStep(name="any_step")

    def through(steps, valid):
        return second(first(steps, mask=valid), mask=valid), some(valid)

    return through
