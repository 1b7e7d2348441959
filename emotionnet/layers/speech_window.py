"""Where the speech of a recording is, on a level that does not depend on the microphone."""

import keras
from keras import ops

from emotionnet.errors import UsageError
from emotionnet.layers.configured import Configured


@keras.saving.register_keras_serializable(package="emotionnet")
class SpeechWindow(Configured):
    """A window of a spectrogram about the middle of its speech, on a common level.

    A frame counts as speech where its loudest band comes within ``threshold_db`` of the clip's
    loudest; the window is centred at the mean of these frames, which one click far off hardly
    moves. Their mean decibels become 0, since level says more about the microphone and the actor
    than about the emotion; louder and softer moments of a clip keep their differences. Values are
    raised to ``dynamic_db`` below the loudest, so that noise floors differ less.

    Call it with ``spectrogram`` (batch, time, bands) in decibels and ``valid`` (batch, time), 1 for
    valid frames. It computes in float32 whatever the dtype policy.

    Args:
        frames: of the window. Shorter recordings are filled up with silence.
        threshold_db: how far below the loudest band of the clip speech may be.
        dynamic_db: what is kept below the loudest.
        scale_db: decibels that become 1.

    Returns:
        (batch, frames, bands) float32.
    """

    def __init__(
        self,
        frames: int = 144,
        threshold_db: float = 35.0,
        dynamic_db: float = 60.0,
        scale_db: float = 15.0,
        **kwargs,
    ):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if frames < 1 or min(threshold_db, dynamic_db, scale_db) <= 0:
            raise UsageError("SpeechWindow: frames and decibels must be positive.")
        self.frames, self.threshold_db = frames, threshold_db
        self.dynamic_db, self.scale_db = dynamic_db, scale_db

    def call(self, spectrogram, valid):
        x, valid = ops.cast(spectrogram, "float32"), ops.cast(valid, "float32")
        missing = max(0, self.frames - x.shape[1])
        x = ops.pad(x, [[0, 0], [0, missing], [0, 0]])
        valid = ops.pad(valid, [[0, 0], [0, missing]])
        time, bands = x.shape[1:]
        # Filling is far below everything. Numbers instead of booleans: they export everywhere.
        x = x + (ops.expand_dims(valid, -1) - 1.0) * 1e4
        loudness = ops.max(x, axis=2)
        loudest = ops.max(loudness, axis=1, keepdims=True)
        heard = ops.cast(loudness >= loudest - self.threshold_db, "float32") * valid
        count = ops.maximum(ops.sum(heard, axis=1, keepdims=True), 1.0)
        x = ops.maximum(x, ops.expand_dims(loudest - self.dynamic_db, -1))
        level = ops.sum(heard * ops.mean(x, axis=2), axis=1, keepdims=True) / count
        x = (x - ops.expand_dims(level, -1)) / self.scale_db
        number = ops.arange(time, dtype="float32")
        middle = ops.sum(heard * number, axis=1, keepdims=True) / count
        start = ops.clip(ops.round(middle + (1 - self.frames) / 2), 0.0, float(time - self.frames))
        index = start + ops.arange(self.frames, dtype="float32")
        # Rows of all clips below each other: a plain gather is all that is needed.
        row = ops.arange(ops.shape(x)[0], dtype="int32") * time
        index = ops.expand_dims(row, 1) + ops.cast(index, "int32")
        return ops.take(ops.reshape(x, (-1, bands)), index, axis=0)

    def compute_output_shape(self, spectrogram_shape, valid_shape):
        return (spectrogram_shape[0], self.frames, spectrogram_shape[2])
