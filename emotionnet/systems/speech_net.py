"""A speech stream for people who were never heard before: "logmel", beside the paper's S1 to S3.

The mean MFCC throws time away, and keeps what tells actors apart. Here a small CNN sees the
log-mel spectrogram of the part that is speech, on a common level; its filters also move over the
bands, so that a higher voice gives a moved picture, not another one; attention picks the moments
that count. In training every clip comes as another voice, pace, room and distance each time
(`SpectrogramAugment`). Three of these networks answer as one (`Committee`): with 16 actors to learn
from, what one of them makes of a new voice depends much on chance.

    python -m emotionnet.fit --corpus ravdess --root DIR --streams speech --set speech=logmel

"logmel_ridge" asks another kind of judge too: kernel ridge regression on statistics of the same spectrogram and
of the voice's pitch in it, fitted in closed form. It errs elsewhere, needs few clips, and has as much to say as
the committee.
"""

from functools import partial

import keras
from keras import layers

from emotionnet.layers import (
    AttentivePooling,
    Committee,
    KernelProjection,
    LogMelSpectrogram,
    PitchStatistics,
    Projection,
    SpectrogramAugment,
    SpectrogramStatistics,
    SpeechWindow,
    Standardize,
)
from emotionnet.systems.fits import even_classes, kernel_ridge, standard_scaler
from emotionnet.systems.stages import Fit, Learn, Stage
from emotionnet.systems.usual import Usual

#: Names of these streams as values of ``speech``: the committee alone, and beside a kernel machine.
RIDGE = "logmel_ridge"
NAMES = ("logmel", RIDGE)

#: How it is trained. What is augmented are the features, behind the front-end, so sound is not.
_TRAIN = {
    "epochs": 60,
    "batch_size": 16,
    "learning_rate": 2e-3,
    "optimizer": "adamw",
    "weight_decay": 0.05,
    "warmup_epochs": 3,
    "label_smoothing": 0.05,
    "average": 0.99,
    "patience": 0,
}
_STILL = {"noise_share": 0.0, "sound_shift_s": 0.0, "copies": ()}
USUAL = (
    Usual({"speech": NAMES, "corpus": "!demo"}, train={"speech": _TRAIN}),
    Usual({"speech": NAMES, "augment": ("light", "ours", "paper")}, augmentation=_STILL),
)

#: Of the spectrogram: frames of 64 ms every 16 ms, bands from 50 Hz. Enough of them that the harmonics of
#: a voice stand apart: their distance is its pitch.
N_FFT, HOP_LENGTH, N_MELS, FMIN = 1024, 256, 128, 50.0
#: Frames about the middle of the speech: 2.9 s, so that slow speech is seen whole too.
FRAMES = 184
#: As of `SpeechWindow`: how far below the loudest frame speech may be, and the decibels that become 1.
THRESHOLD_DB, SCALE_DB = 35.0, 15.0
MEMBERS = 3
#: Filters, kernel, strides over time and bands.
CONVOLUTIONS = (
    (12, (5, 9), (2, 4)),
    (24, 3, (2, 2)),
    (32, 3, (1, 2)),
    (56, 3, (2, 2)),
    (72, 3, (1, 2)),
)
FEATURES = 96
#: How far `SpectrogramAugment` goes.
VOICES = {
    "stretch": 0.1, "time_shift": 8.0, "band_scale": 0.08, "band_shift": 6.0,
    "filter_std": 0.1, "noise": 0.05, "time_mask": 8, "band_mask": 8,
}  # fmt: skip
#: Training clips that the kernel machine compares a clip with, fewer where there are fewer.
POINTS = 768
#: The last layer without weights, under the name that it has in S1 to S3 too.
FRONT = "as_sequence"


def ridge_stages() -> tuple[Stage, ...]:
    """What is computed from all training clips, then the committee."""

    def fit(layer, on, by):
        return Fit(layer, layer=layer, on=on, by=by, front=FRONT, streams=("speech",))

    return (
        fit("even", on="statistics", by=even_classes),
        fit("scaled", on="statistics", by=standard_scaler),
        fit("ridge", on="scaled", by=partial(kernel_ridge, points=POINTS)),
        Learn("speech", "speech_stream/committee", front=FRONT),
    )


def speech_stream(config, inputs: dict, num_classes: int) -> keras.Model:
    """Sound and its true length to logits.

    Args:
        config: of the system; ``speech``, ``sample_rate``, ``dropout``, ``augment_spectrogram`` and
            ``batch_norm_momentum`` are used.
        inputs: ``waveform`` and ``waveform_samples``, symbolic.
        num_classes: logits.
    """
    spectrogram, valid = LogMelSpectrogram(
        config.sample_rate,
        N_FFT,
        HOP_LENGTH,
        n_mels=N_MELS,
        fmin=FMIN,
        return_mask=True,
        name="log_mel",
    )(inputs["waveform"], inputs["waveform_samples"])
    window = SpeechWindow(FRAMES, THRESHOLD_DB, scale_db=SCALE_DB, name=FRONT)(spectrogram, valid)
    members = [_member(config, window, num_classes, number) for number in range(1, MEMBERS + 1)]
    logits = Committee(name="committee")(members)
    if config.speech == RIDGE:
        x = Standardize(name="scaled")(_statistics(config, window))
        x = KernelProjection(POINTS, num_classes, name="ridge")(x)
        logits = Projection(num_classes, name="even")(logits)
        logits = layers.Average(dtype="float32", name="both")([logits, x])
    return keras.Model(inputs, logits, name="speech_stream")


def _statistics(config, window):
    """What the kernel machine sees: one vector a clip."""
    frame_rate, reach = config.sample_rate / HOP_LENGTH, THRESHOLD_DB / SCALE_DB
    spread = SpectrogramStatistics(frame_rate, reach, name="spread")(window)
    pitch = PitchStatistics(
        frame_rate, reach, SCALE_DB, FMIN, config.sample_rate / 2, name="pitch"
    )(window)
    return layers.Concatenate(dtype="float32", name="statistics")([spread, pitch])


def _member(config, window, num_classes: int, number: int):
    """The logits of one member."""
    x, prefix = window, f"member_{number}_"
    if config.augment_spectrogram:
        strengths = {k: v * config.augment_spectrogram for k, v in VOICES.items()}
        x = SpectrogramAugment(**strengths, name=f"{prefix}augment")(x)
    x = speech_encoder(config, prefix)(x)
    x = AttentivePooling(name=f"{prefix}pool")(x)
    x = layers.Dropout(config.dropout, name=f"{prefix}dropout")(x)
    return layers.Dense(num_classes, name=f"{prefix}classifier")(x)


def speech_encoder(config, prefix: str) -> keras.Model:
    """A window (frames, bands) to features (frames / 8, width)."""

    def norm(x, name):
        x = layers.BatchNormalization(momentum=config.batch_norm_momentum, name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    spectrogram = keras.Input((FRAMES, N_MELS), name=f"{prefix}spectrogram")
    x = layers.Reshape((FRAMES, N_MELS, 1), name=f"{prefix}as_picture")(spectrogram)
    for number, (filters, kernel, strides) in enumerate(CONVOLUTIONS, start=1):
        name = f"{prefix}conv_{number}"
        x = layers.Conv2D(
            filters, kernel, strides=strides, padding="same", use_bias=False, name=name
        )(x)
        x = norm(x, name)
    x = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]), name=f"{prefix}flatten_bands")(x)
    x = layers.Dropout(config.dropout, name=f"{prefix}encoder_dropout")(x)
    x = norm(layers.Dense(FEATURES, use_bias=False, name=f"{prefix}head")(x), f"{prefix}head")
    return keras.Model(spectrogram, x, name=f"{prefix}encoder")
