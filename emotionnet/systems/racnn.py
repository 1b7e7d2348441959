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

RACNN is trained on sound first (``speech``); the whole begins with what that has learnt, and with a
head of its own, since no gradient passes what is fitted. ``speech_probabilities`` are those of RACNN
alone; ``face_probabilities`` and ``geometry_probabilities`` are the whole's answers to the same clip
without the rest. Where there is sound alone the whole answers as RACNN does.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

from emotionnet.errors import UsageError
from emotionnet.layers import (
    AnyStep,
    CentredLandmarks,
    ChannelAttention,
    DepthMean,
    DepthNeighbours,
    FoldFrames,
    KernelProjection,
    KeyFrames,
    LogMelSpectrogram,
    Otherwise,
    RegionAttention,
    SpatialAttention,
    SpectrogramWindows,
    StepsPresent,
    TakePoints,
    UnfoldFrames,
    WeightedSum,
)
from emotionnet.systems.backbones import backbone_of, check_backbone
from emotionnet.systems.base import check_fields, clip_inputs

NAME = "racnn"

#: How the paper trains (section III-B); it stops early, how is not said (ours). The head is ours.
SETTINGS = {
    "speech": {"epochs": 100, "batch_size": 10, "learning_rate": 1e-3, "patience": 15},
    "fused": {"epochs": 100, "batch_size": 10, "learning_rate": 1e-3, "patience": 15},
    "head": {"epochs": 100, "batch_size": 10, "learning_rate": 1e-2, "patience": 15},
}

#: Streams and the outputs that are theirs.
OUTPUTS = {
    "faces": "face_probabilities",
    "speech": "speech_probabilities",
    "geometry": "geometry_probabilities",
}
#: Pictures of sound in a stack, what RACNN makes of them, and the groups of its normalization (ours).
WINDOWS, STEPS, WIDTH, GROUPS = 9, (3, 7, 7), 288, 8
#: Table I, after the first convolution and its pool: the three residual attention blocks, each two
#: convolutions: filters, and kernel and stride in the plane of the first; the second has depth 2.
BLOCKS = ((32, 1), (96, 2), (288, 2))
#: What is subtracted from decibels, and what becomes 1 of them and of their two derivatives: mean and
#: deviation over 120 speech recordings of RAVDESS, one of twelve of each actor (ours).
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
        landmarks: frames of landmarks of a clip, evenly spaced (ours; the paper takes all).
        key_frames: of them that the GRUs see (ours).
        sample_rate: of the sound, in Hz (ours).
        samples: length to which sound is padded or cut, 6 s (ours).
        n_fft, hop_length, n_mels: of the log-mel spectrogram (ours).
        picture_size: height and width of a picture of sound; a multiple of 32.
        backbone: a network of `emotionnet.systems.backbones.BACKBONES`.
        backbone_weights: that it starts from: imagenet, a file or folder, or none.
        dropout: rate before each classifier (ours).
        batch_norm_momentum: of every BatchNorm of the backbone.
        klda: kernel discriminants before the last layer; without, the head that the whole is trained
            with answers.
        klda_points: training clips that a clip is compared with, fewer where there are fewer (ours).
        klda_shrinkage: of the covariance within classes (ours).
        streams: which of "speech", "faces" and "geometry" are seen.
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
    klda: bool = True
    klda_points: int = 256
    klda_shrinkage: float = 0.1
    streams: tuple[str, ...] = ("speech", "faces", "geometry")

    def __post_init__(self):
        # JSON has lists only.
        object.__setattr__(self, "streams", tuple(self.streams))
        check_fields(
            NAME,
            self,
            least={
                "frames": 1, "landmarks": 1, "key_frames": 1, "samples": 1, "n_mels": 1,
                "picture_size": 32, "klda_points": 1,
            },
            shares=("dropout", "batch_norm_momentum", "klda_shrinkage"),
        )  # fmt: skip
        if self.picture_size % 32:
            raise UsageError(f"{NAME}: picture_size is {self.picture_size}; a multiple of 32.")
        check_backbone(NAME, self)


def build(config: Config, num_classes: int) -> keras.Model:
    """The whole model: inputs of `clip_inputs`, four outputs by name.

    Nested models: ``speech_stream`` (sound to the logits of RACNN alone), and of the whole ``racnn``,
    ``face_encoder`` and ``regions``. Layers: ``bi_gru1``, ``bi_gru2``; ``hybrid``, what is fused; ``fused_logits``, what
    the whole is trained by; ``projection``, kernel LDA; ``discriminants``; ``head_logits``.
    """
    inputs = _inputs(config)
    answers = {}
    if "speech" in config.streams:
        sound = {name: inputs[name] for name in ("waveform", "waveform_samples")}
        heard = StepsPresent(1, name="heard")(inputs["waveform_samples"])
        logits = layers.Multiply(name="speech_logits")(
            [speech_stream(config, num_classes)(sound), heard]
        )
        answers["speech"] = logits
    if set(config.streams) - {"speech"}:
        whole = _whole(config, inputs, num_classes)
        if "speech" in answers:
            # Sound alone is what RACNN was trained on.
            sight = [whole[stream][1] for stream in ("faces", "geometry") if stream in whole]
            sight = layers.Maximum(name="sight")(sight) if len(sight) == 2 else sight[0]
            logits = Otherwise(name="joint_logits")(whole["fused"][0], answers["speech"], sight)
        else:
            logits = whole["fused"][0]
        answers |= {s: whole[s][0] for s in ("faces", "geometry") if s in whole}
    outputs = {"probabilities": _softmax("probabilities")(logits)}
    for stream, output in OUTPUTS.items():
        alone = answers.get(stream)
        if alone is None:
            alone = layers.Rescaling(0.0, name=f"no_{stream}")(logits)
        outputs[output] = _softmax(output)(alone)
    return keras.Model(inputs, outputs, name=NAME)


def speech_stream(config: Config, num_classes: int) -> keras.Model:
    """RACNN alone: sound and its true length to logits."""
    inputs = _inputs(config)
    inputs = {name: inputs[name] for name in ("waveform", "waveform_samples")}
    x = racnn(config.picture_size)(_pictures(config, inputs))
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    x = layers.Dropout(config.dropout, name="dropout")(x)
    x = layers.Dense(num_classes, name="speech_classifier")(x)
    return keras.Model(inputs, x, name="speech_stream")


def _pictures(config: Config, inputs: dict):
    """Sound to nine pictures of three colours, without weights: layers ``log_mel``, ``pictures``."""
    spectrogram, valid = LogMelSpectrogram(
        config.sample_rate,
        config.n_fft,
        config.hop_length,
        n_mels=config.n_mels,
        return_mask=True,
        name="log_mel",
    )(inputs["waveform"], inputs["waveform_samples"])
    return SpectrogramWindows(
        WINDOWS, config.picture_size, mean=MEAN_DB, scale=SCALE_DB, name="pictures"
    )(spectrogram, valid)


def _whole(config: Config, inputs: dict, num_classes: int) -> dict:
    """Logits of the fused answer, and of faces and of landmarks without the rest; each with a mask
    (batch, 1) that says whether there is anything to answer from."""
    there, sides, alone = [], [], {}
    steps = _steps(config, inputs)
    if steps:
        gru = deep_bi_gru()
        x, valid = (
            layers.Concatenate(axis=1, name=name)(list(parts)) if len(parts) > 1 else parts[0]
            for name, parts in zip(("steps", "steps_there"), zip(*steps.values()))
        )
        sides.append(gru(x, valid))
        there.append(AnyStep(name="heard_or_seen")(valid))
        if "faces" in steps:
            x = gru(*steps["faces"]) if len(steps) > 1 else sides[0]
            alone["faces"] = x, AnyStep(name="seen")(inputs["frame_mask"])
    if "geometry" in config.streams:
        seen = inputs["landmark_mask"]
        x = CentredLandmarks(name="centred")(inputs["landmarks"], seen)
        x, valid = KeyFrames(config.key_frames, name="key_frames")(x, seen)
        sides.append(regions(config)({"key_frames": x, "key_mask": valid}))
        there.append(AnyStep(name="tracked")(seen))
        alone["geometry"] = sides[-1], there[-1]
    anything, x = there[0], sides[0]
    if len(sides) > 1:
        anything = layers.Maximum(name="anything")(there)
        x = WeightedSum(name="weighted_sum")(*sides, *there)
    x = layers.Activation("linear", name="hybrid")(x)
    dropout = layers.Dropout(config.dropout, name="dropout")
    answer = layers.Dense(num_classes, name="fused_classifier")
    fused = layers.Multiply(name="fused_logits")([answer(dropout(x)), anything])
    if config.klda:
        project = KernelProjection(config.klda_points, num_classes - 1, name="projection")
        classify = layers.Dense(num_classes, name="classifier")
        x = layers.Activation("linear", name="discriminants")(project(x))
        x = layers.Activation("linear", name="head_logits")(classify(x))
        # What the whole was trained by stays in the model: it answers where there is nothing at all.
        fused = Otherwise(name="head_or_nothing")(x, fused, anything)

        def answer(x):
            return classify(project(x))

    logits = {
        stream: layers.Multiply(name=f"{stream}_logits")([answer(x), present])
        for stream, (x, present) in alone.items()
    }
    return {"fused": (fused, anything)} | {s: (logits[s], alone[s][1]) for s in logits}


def _steps(config: Config, inputs: dict) -> dict:
    """What the deep Bi-GRU hears and sees, in this order: steps (batch, steps, 288) and their mask.

    Faces follow the sound in time: only so the parts add up to 5,623,940.
    """
    steps = {}
    if "speech" in config.streams:
        x = racnn(config.picture_size)(_pictures(config, inputs))
        steps["speech"] = (
            x,
            StepsPresent(x.shape[1], name="heard_steps")(inputs["waveform_samples"]),
        )
    if "faces" in config.streams:
        x = face_encoder(config)(FoldFrames(name="fold")(inputs["faces"]))
        x = UnfoldFrames(config.frames, name="face_features")(x)
        steps["faces"] = layers.Dense(WIDTH, name="face_steps")(x), inputs["frame_mask"]
    return steps


def face_encoder(config: Config) -> keras.Model:
    """One picture (S, S, 3; 0...255) to the backbone's mean features, (1280,) of EfficientNet-B0."""
    picture = keras.Input((config.image_size,) * 2 + (3,), name="picture", dtype="float32")
    x = layers.GlobalAveragePooling2D(name="pool")(backbone_of(config)(picture))
    return keras.Model(picture, x, name="face_encoder")


def racnn(size: int, name: str = "racnn") -> keras.Model:
    """RACNN: nine pictures (9, S, S, 3) to the map of its average pool, 3 x S/32 x S/32 x 288.

    358,144 parameters: 313,312 of the convolutions (Table I), 1,728 of the normalizations, 12,090 of
    channel attention, 294 of spatial attention and 30,720 of shortcuts.

    Args:
        size: height and width of a picture in pixels, a multiple of 32.
        name: of the model.

    Returns:
        keras.Model, (batch, 3 * S/32 * S/32, 288): 147 steps for 224 pixels, depth first.
    """
    pictures = keras.Input((WINDOWS, size, size, 3), name="pictures")
    x = _convolution(pictures, 32, depth=3, plane=2, number=1)
    x = _on_planes(layers.MaxPooling2D(2, name="max_pool"), x)
    for number, (filters, plane) in enumerate(BLOCKS, start=1):
        x = _residual_attention(x, filters, plane, number)
    x = _on_planes(layers.AveragePooling2D(2, name="average_pool"), x)
    x = layers.Reshape((-1, WIDTH), name="steps")(x)
    return keras.Model(pictures, x, name=name)


def _residual_attention(x, filters: int, plane: int, number: int):
    """Two convolutions, attention over channels and places, and the shortcut around them.

    The shortcut is averaged to the new shape, and widened by a 1x1x1 convolution where there are more
    maps (ours, as is that nothing follows the sum).
    """
    name = f"ra{number}"
    single = 1 + (plane == 1)  # depth of the first kernel: 2x1x1, or 1x2x2
    shortcut = DepthMean(single + 1, name=f"{name}_depth_mean")(x)
    if plane > 1:
        shortcut = _on_planes(layers.AveragePooling2D(plane, name=f"{name}_mean"), shortcut)
        shortcut = layers.Dense(filters, use_bias=False, name=f"{name}_widen")(shortcut)
    x = _convolution(x, filters, single, plane, 2 * number)
    x = _convolution(x, filters, 2, 1, 2 * number + 1)
    x = ChannelAttention(name=f"{name}_channels")(x)
    x = SpatialAttention(name=f"{name}_places")(x)
    return layers.Add(name=f"{name}_sum")([x, shortcut])


def _convolution(x, filters: int, depth: int, plane: int, number: int):
    """A 3-D convolution of kernel depth x plane x plane and stride 1 x plane x plane, with its
    normalization (over depth and plane) and ReLU."""
    if depth > 1:
        x = DepthNeighbours(depth, name=f"neighbours{number}")(x)
    x = _on_planes(layers.Conv2D(filters, plane, strides=plane, name=f"conv{number}"), x)
    x = layers.GroupNormalization(GROUPS, name=f"norm{number}")(x)
    return layers.ReLU(name=f"relu{number}")(x)


def _on_planes(layer, x):
    """A layer for pictures on each picture of the depth."""
    depth = x.shape[1]
    x = layer(FoldFrames(name=f"{layer.name}_fold")(x))
    return UnfoldFrames(depth, name=f"{layer.name}_unfold")(x)


def regions(config: Config) -> keras.Model:
    """Key frames of landmarks to the geometry of a face: seven GRUs, attention, 448 to 256.

    Inputs: ``key_frames`` (key_frames, 68, 2), centred; ``key_mask`` (key_frames,).

    Returns:
        keras.Model, (batch, 256).
    """
    points = keras.Input((config.key_frames, 68, 2), name="key_frames")
    valid = keras.Input((config.key_frames,), name="key_mask")
    features = [
        layers.GRU(REGION_UNITS, name=f"{name}_gru")(
            TakePoints(first, last, name=name)(points), mask=valid
        )
        for name, (first, last) in REGIONS.items()
    ]
    x = RegionAttention(name="attention")(features)
    x = layers.Dense(HYBRID, name="dense")(x)
    return keras.Model({"key_frames": points, "key_mask": valid}, x, name="regions")


def deep_bi_gru() -> Callable:
    """Two bidirectional GRUs: (steps, valid) to 256 features; steps that are masked are passed by.

    Any number of steps goes through the same weights, at 288 numbers a step 617,472.
    """
    first = layers.Bidirectional(layers.GRU(UNITS, return_sequences=True), name="bi_gru1")
    second = layers.Bidirectional(layers.GRU(UNITS), name="bi_gru2")

    def through(steps, valid):
        return second(first(steps, mask=valid), mask=valid)

    return through


def _inputs(config: Config) -> dict[str, keras.KerasTensor]:
    inputs = clip_inputs(config.frames, config.image_size, config.samples)
    if "geometry" in config.streams:
        shape = (config.landmarks, 68, 2)
        inputs["landmarks"] = keras.Input(shape, name="landmarks", dtype="float32")
        inputs["landmark_mask"] = keras.Input(shape[:1], name="landmark_mask", dtype="float32")
    return inputs


def _softmax(name: str):
    # float32 also under mixed precision.
    return layers.Softmax(dtype="float32", name=name)
