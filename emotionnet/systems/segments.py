"""System 2: the same small audio and visual networks on every temporal segment, logits averaged.

The system made for streams: a clip is cut into N segments; of each, one grey face (98 x 80) and the
log-mel spectrogram of 1.5 s of sound are encoded by the same two networks; a linear layer gives the
segment's logits, and the clip's answer is the softmax of their mean. Trainable parameters:

    shared, 6 classes                    2,715,218
    shared, 8 classes                    2,716,500
    shared=False, 12 segments, 8 classes 32,598,000
    audio="wav2vec2", 6 / 8 classes      97,119,462 / 97,120,744

    python -m emotionnet.fit --system segments --corpus ravdess --root DIR
    emotionnet.systems.build_model("segments", num_classes=6)

The paper (Radoi and Cioroiu, IEEE Access 2024) reports 74.2 % on CREMA-D and 76.3 % on RAVDESS
speech over five folds of unseen actors, with uncertainty-based learning: ``--learning uncertainty``.

Face and sound are fused before the linear layer, so there is one stream to train. Where a face or
the sound is absent its embedding is zero. ``face_probabilities`` and ``speech_probabilities`` are
the answers with the other embedding set to zero, i.e. of the same clip without sound or faces; a
segment with neither does not vote, and a clip with neither is answered uniformly.
"""

from dataclasses import dataclass

import keras
from keras import layers

from emotionnet.errors import UsageError
from emotionnet.layers import (
    FoldFrames,
    GreyFaces,
    KeepFeatures,
    LogMelSpectrogram,
    MaskedMean,
    SegmentWindows,
    TakeSegment,
    UnfoldFrames,
)
from emotionnet.systems.apart import Apart, Step, named, part
from emotionnet.systems.base import check_fields, check_streams, clip_inputs, of_logits
from emotionnet.systems.stages import JOINT, Learn
from emotionnet.systems.usual import Usual

NAME = "segments"

STREAMS = ("faces", "speech")
#: The layers of a stream before its answer or the fusion: another run may start from them.
ENCODERS = {"faces": ("visual_net",), "speech": ("audio_net",)}

#: A random frame of each segment, its sound around it within 10 ms: the paper's only augmentation.
_JITTER = {"frame_jitter": 1.0, "window_shift_s": 0.01}
_NOTHING_ELSE = {
    "rotation_degrees": 0.0, "flip": 0.0, "brightness": 0.0, "contrast": 0.0,
    "scale": 0.0, "shift": 0.0, "noise_share": 0.0, "copies": (),
}  # fmt: skip
USUAL = (
    # How the paper trains (Table 2 and section V-A), and how the demo is trained (ours).
    Usual(train={"joint": {
        "epochs": 100, "batch_size": 16, "learning_rate": 1e-4, "patience": 0, "decay": "step",
        "clip_norm": 0.0,
    }}),
    Usual({"corpus": "demo"}, train={
        "joint": {"epochs": 30, "batch_size": 8, "learning_rate": 3e-4, "patience": 0},
    }),
    Usual({"corpus": "ravdess"}, config={"segments": 12}),  # as in the paper
    Usual({"augment": ("light", "ours", "paper")}, augmentation=_JITTER),
    Usual({"augment": ("ours", "paper")}, augmentation=_NOTHING_ELSE),
)  # fmt: skip

#: Table 1: filters of the three convolutions, width of the embedding.
VISUAL, VISUAL_FEATURES = (16, 32, 64), 512
AUDIO, AUDIO_FEATURES = (4, 8, 12), 128
FACE_HEIGHT, FACE_WIDTH = 98, 80
WIDTHS = {"faces": VISUAL_FEATURES, "speech": AUDIO_FEATURES}


@dataclass(frozen=True)
class Config:
    """Settings of the system. "(ours)": the paper does not say.

    Attributes:
        segments: N; the paper takes 5 for CREMA-D and 12 for RAVDESS.
        image_size: height and width of the colour face that the grey one is made of.
        sample_rate: of the sound in Hz (the paper prints 48 kHz for RAVDESS, but only 16 kHz gives
            its parameter count).
        samples: length to which sound is padded or cut, 6 s (ours).
        window_s: length of the sound around a segment's centre.
        n_fft, hop_length, n_mels: of the log-mel spectrogram.
        shared: one network for all segments, or one for each.
        audio: "cnn", or "wav2vec2": wav2vec 2.0 base as Audio Net.
        audio_weights: Hugging Face ``safetensors`` file that the wav2vec2 network starts from.
        dropout: rate before the linear layer.
        batch_norm_momentum: of every BatchNorm.
        streams: which of "faces" and "speech" are seen; a network that is not needed is left out.
    """

    segments: int = 5
    image_size: int = 224
    sample_rate: int = 16000
    samples: int = 96000
    window_s: float = 1.5
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    shared: bool = True
    audio: str = "cnn"
    audio_weights: str = ""
    dropout: float = 0.2
    batch_norm_momentum: float = 0.99
    streams: tuple[str, ...] = STREAMS

    def __post_init__(self):
        check_streams(NAME, self, STREAMS)
        check_fields(
            NAME,
            self,
            known={"audio": ("cnn", "wav2vec2")},
            least={"segments": 1, "image_size": 32, "samples": 1, "n_mels": 22},
            shares=("dropout", "batch_norm_momentum"),
        )
        if self.audio_weights and self.audio != "wav2vec2":
            raise UsageError(f'{NAME}: audio_weights are for audio="wav2vec2".')
        # Three convolutions and poolings leave nothing of fewer columns.
        shortest_s = (self.n_fft + 21 * self.hop_length) / self.sample_rate
        if self.window_s < shortest_s:
            raise UsageError(f"{NAME}: window_s is {self.window_s}; at least {shortest_s:.2f}.")

    @property
    def frames(self) -> int:
        """Faces of a clip: one a segment."""
        return self.segments

    @property
    def window(self) -> int:
        """Length of a segment's sound in samples."""
        return round(self.window_s * self.sample_rate)


def stages(config: Config) -> tuple[Learn, ...]:
    """All of it at once."""
    return (Learn(JOINT, "joint_logits"),)


def build(config: Config, num_classes: int) -> keras.Model:
    """The whole model: inputs of `clip_inputs`, three outputs by name.

    Nested models: ``segment_encoder`` (see there), with ``visual_net`` and ``audio_net`` in it; with
    ``shared=False`` ``segment_encoder_01`` and so on. The layer ``classifier`` maps embeddings to
    logits; ``joint_logits`` are the clip's.
    """
    inputs = clip_inputs(config, STREAMS)
    segments = {"face": inputs["faces"], "face_mask": inputs["frame_mask"]}
    if "speech" in config.streams:
        segments["window"], segments["window_mask"] = SegmentWindows(
            config.segments, config.window, name="windows"
        )(inputs["waveform"], inputs["waveform_samples"])
    segments = {name: segments[name] for name in _encoder_inputs(config)}
    masks = {
        stream: segments[name]
        for stream, name in (("faces", "face_mask"), ("speech", "window_mask"))
        if name in segments
    }
    embeddings = _encode(segments, config)
    classify = _classifier(config, num_classes)

    votes = list(masks.values())
    either = layers.Maximum(name="segment_votes")(votes) if len(votes) == 2 else votes[0]
    x = layers.Dropout(config.dropout, name="dropout")(embeddings)
    joint = MaskedMean(name="joint_logits")(classify(x), either)

    alone = {}
    for stream in STREAMS:
        if stream not in masks:
            alone[stream] = layers.Rescaling(0.0, name="untrained")(joint)
            continue
        first = 0 if stream == config.streams[0] else WIDTHS[config.streams[0]]
        x = KeepFeatures(first, first + WIDTHS[stream], name=f"{stream}_alone")(embeddings)
        alone[stream] = MaskedMean(name=f"{stream}_logits")(classify(x), masks[stream])
    return of_logits(NAME, inputs, joint, alone, STREAMS)


def take_apart(model: keras.Model) -> Apart | None:
    """Each segment once, face and sound; nothing where every segment has its own network."""
    by_name = {layer.name: layer for layer in model.layers}
    if "segment_encoder" not in by_name:
        return None
    encoder, embeddings = by_name["segment_encoder"], by_name["unfold"].output
    masks = {}
    if "face" in encoder.input:
        masks["frame_mask"] = model.input["frame_mask"]
    if "window" in encoder.input:
        masks["window_mask"] = by_name["windows"].output[1]
    fuse = keras.Model([embeddings, *masks.values()], model.output, name="fuse_segments")
    given = {
        name: keras.Input(tensor.shape[1:], name=name)
        for name, tensor in {"embeddings": embeddings, **masks}.items()
    }
    return Apart(
        moments=(part("encode_segment", encoder, "embedding"),),
        windows=(),
        fuse=Step("fuse", named("fuse", given, fuse(list(given.values())))),
    )


def segment_encoder(config: Config, name: str = "segment_encoder") -> keras.Model:
    """One segment to its embedding.

    Inputs, of those that `Config.streams` needs: ``face`` (S, S, 3; 0...255), ``face_mask`` (), 1
    where there is a face; ``window`` (samples,) of sound, ``window_mask`` (), 1 where there is any.

    Returns:
        (512 + 128,) face and sound embedding; zero what is absent.
    """
    inputs = {
        "face": keras.Input((config.image_size,) * 2 + (3,), name="face", dtype="float32"),
        "face_mask": keras.Input((), name="face_mask", dtype="float32"),
        "window": keras.Input((config.window,), name="window", dtype="float32"),
        "window_mask": keras.Input((), name="window_mask", dtype="float32"),
    }
    inputs = {key: inputs[key] for key in _encoder_inputs(config)}
    features = []
    if "faces" in config.streams:
        x = GreyFaces(FACE_HEIGHT, FACE_WIDTH, name="grey")(inputs["face"])
        features.append(_present(visual_net(config)(x), inputs["face_mask"], "face"))
    if "speech" in config.streams:
        x = inputs["window"] if config.audio == "wav2vec2" else _log_mel(config, inputs["window"])
        features.append(_present(audio_net(config)(x), inputs["window_mask"], "window"))
    x = layers.Concatenate(name="embedding")(features) if len(features) == 2 else features[0]
    return keras.Model(inputs, x, name=name)


def visual_net(config: Config) -> keras.Model:
    """Table 1, Visual Net: a grey face (98, 80, 1; -1...1) to 512 features."""
    return _convolutions((FACE_HEIGHT, FACE_WIDTH, 1), VISUAL, VISUAL_FEATURES, "visual", config)


def audio_net(config: Config) -> keras.Model:
    """Table 1, Audio Net: a log-mel spectrogram (128 bands, 43 columns, 1) to 128 features.

    With ``audio="wav2vec2"``: a window of sound (samples,) to 128 features.
    """
    if config.audio == "wav2vec2":
        return _wav2vec2_net(config)
    columns = 1 + (config.window - config.n_fft) // config.hop_length
    return _convolutions((config.n_mels, columns, 1), AUDIO, AUDIO_FEATURES, "audio", config)


def _encoder_inputs(config: Config) -> tuple[str, ...]:
    names = {"faces": ("face", "face_mask"), "speech": ("window", "window_mask")}
    return tuple(name for stream in config.streams for name in names[stream])


def _encode(segments: dict, config: Config):
    """Embeddings (batch, segments, features)."""
    if config.shared:
        folded = {name: FoldFrames(name=f"fold_{name}")(x) for name, x in segments.items()}
        return UnfoldFrames(config.segments, name="unfold")(segment_encoder(config)(folded))
    each = []
    for i in range(config.segments):
        own = {name: TakeSegment(i, name=f"{name}_{i + 1:02d}")(x) for name, x in segments.items()}
        x = segment_encoder(config, f"segment_encoder_{i + 1:02d}")(own)
        each.append(layers.Reshape((1, -1), name=f"embedding_{i + 1:02d}")(x))
    return layers.Concatenate(axis=1, name="embeddings")(each) if len(each) > 1 else each[0]


def _classifier(config: Config, num_classes: int) -> layers.Layer:
    """Embeddings (batch, segments, features) to logits (batch, segments, classes)."""
    if config.shared:
        return layers.Dense(num_classes, name="classifier")
    return layers.EinsumDense(
        "bnf,nfc->bnc",
        output_shape=(config.segments, num_classes),
        bias_axes="nc",
        # Xavier's variance for each segment's kernel: Keras counts the segments as inputs.
        kernel_initializer=keras.initializers.VarianceScaling(
            config.segments, "fan_avg", "uniform"
        ),
        name="classifier",
    )


def _log_mel(config: Config, window):
    """A window of sound (batch, samples) to a picture (batch, bands, columns, 1)."""
    x = LogMelSpectrogram(
        config.sample_rate,
        config.n_fft,
        config.hop_length,
        n_mels=config.n_mels,
        center=False,
        name="log_mel",
    )(window)
    # From -100...40 dB to about -1...1 (ours): BatchNorm follows, but half precision comes before.
    x = layers.Rescaling(1 / 40, offset=1.0, dtype="float32", name="scale")(x)
    x = layers.Permute((2, 1), name="bands_first")(x)
    return layers.Reshape((*x.shape[1:], 1), name="as_picture")(x)


def _wav2vec2_net(config: Config) -> keras.Model:
    """wav2vec 2.0 base as Audio Net: a window of sound (samples,) to 128 features."""
    from emotionnet.layers import Wav2Vec2
    from emotionnet.layers.wav2vec2_weights import load_weights

    window = keras.Input((config.window,), name="sound", dtype="float32")
    network = Wav2Vec2(name="wav2vec2")
    x = network(window)
    if config.audio_weights:
        load_weights(network, config.audio_weights)
    x = layers.GlobalAveragePooling1D(name="pool_a")(x)
    x = layers.Dense(AUDIO_FEATURES, name="linear_a")(x)
    return keras.Model(window, x, name="audio_net")


def _convolutions(shape, filters, features: int, name: str, config: Config) -> keras.Model:
    x = picture = keras.Input(shape, name=f"{name}_picture")
    letter = name[0]
    for number, maps in enumerate(filters, start=1):
        x = layers.Conv2D(maps, 3, name=f"conv{number}_{letter}")(x)
        x = layers.BatchNormalization(
            momentum=config.batch_norm_momentum, epsilon=1e-5, name=f"norm{number}_{letter}"
        )(x)
        x = layers.ReLU(name=f"relu{number}_{letter}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{number}_{letter}")(x)
    x = layers.Flatten(name=f"flatten_{letter}")(x)
    x = layers.Dense(features, name=f"linear_{letter}")(x)
    return keras.Model(picture, x, name=f"{name}_net")


def _present(features, mask, name: str):
    """Features, or zeros where ``mask`` (batch,) is 0."""
    mask = layers.Reshape((1,), name=f"{name}_present")(mask)
    return layers.Multiply(name=f"{name}_embedding")([features, mask])
