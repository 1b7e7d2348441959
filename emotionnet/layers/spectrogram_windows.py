"""A recording's spectrogram as a stack of square pictures, with its two derivatives as colours."""

import keras
import numpy as np
from keras import ops

from emotionnet.errors import UsageError
from emotionnet.layers.configured import Configured
from emotionnet.layers.segments import resampling_matrix


@keras.saving.register_keras_serializable(package="emotionnet")
class SpectrogramWindows(Configured):
    """Overlapping windows over the whole of a recording, each resized to a square picture.

    Neighbouring windows share one half. Red, green and blue are the spectrogram, its slope over time
    (regression over ``2 * reach + 1`` frames, the ends repeated) and the slope of the slope. Time is
    resampled to as many columns whatever the length of the recording; bands run down the picture.

    Call it with ``spectrogram`` (batch, time, bands) and ``valid`` (batch, time), 1 for the valid
    frames, which come first. Other frames never change the answer. float32 whatever the dtype policy.

    Args:
        windows: number of them.
        size: height and width of a picture in pixels, even.
        reach: frames to either side that a slope looks at.
        mean: of the spectrogram, which becomes 0.
        scale: the value that is scaled to 1: of the spectrogram, its first and its second derivative.

    Returns:
        (batch, windows, size, size, 3).

    Source: system 5's paper, section II-A (log-mel spectrogram with deltas and delta-deltas as a
    picture of three colours, 224 x 224) and Table I (depth 9); that the depth is time is ours. The
    regression: Young et al., "The HTK Book", "Delta and acceleration coefficients".
    """

    def __init__(
        self,
        windows: int = 9,
        size: int = 224,
        reach: int = 2,
        mean: float = 0.0,
        scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
        **kwargs,
    ):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if windows < 1 or size < 2 or size % 2 or reach < 1 or len(scale) != 3 or min(scale) <= 0:
            raise UsageError(
                "SpectrogramWindows: needs windows >= 1, an even size, reach >= 1 and three positive "
                f"scales. Received: {windows}, {size}, {reach}, {scale}."
            )
        self.windows, self.size, self.reach = windows, size, reach
        self.mean, self.scale = mean, tuple(scale)

    def call(self, spectrogram, valid):
        x, valid = ops.cast(spectrogram, "float32"), ops.cast(valid, "float32")
        values = (x - self.mean) * ops.expand_dims(valid, -1)
        colours = [values]
        for _ in range(2):
            colours.append(self._slope(colours[-1], valid))
        x = ops.stack([c * (1.0 / s) for c, s in zip(colours, self.scale)], axis=2)
        time, bands = x.shape[1], x.shape[3]
        x = ops.matmul(self._columns(valid), ops.reshape(x, (-1, time, 3 * bands)))
        half = self.size // 2
        x = ops.reshape(x, (-1, self.windows + 1, half, 3, bands))
        x = ops.matmul(x, resampling_matrix(bands, self.size))
        x = ops.concatenate([x[:, :-1], x[:, 1:]], axis=2)  # two halves are a window
        return ops.transpose(x, (0, 1, 4, 2, 3))

    def _slope(self, x, valid):
        """Regression over time, with the last valid frame repeated; 0 where not valid."""
        following = ops.pad(valid[:, 1:], [[0, 0], [0, 1]])
        last = ops.expand_dims(valid - following, -1)
        last = ops.sum(last * x, axis=1, keepdims=True)
        seen = ops.expand_dims(valid, -1)
        x = x * seen + last * (1.0 - seen)
        x = ops.concatenate([x[:, :1]] * self.reach + [x] + [last] * self.reach, axis=1)
        time = valid.shape[1]
        slope = 0.0
        for step in range(1, self.reach + 1):
            after, before = self.reach + step, self.reach - step
            slope = slope + step * (x[:, after : after + time] - x[:, before : before + time])
        return slope * (seen / (2.0 * sum(step**2 for step in range(1, self.reach + 1))))

    def _columns(self, valid):
        """Linear resampling of the valid frames to all columns: (batch, columns, time).

        What `resampling_matrix` gives for a length that only the batch knows.
        """
        columns, time = self.size // 2 * (self.windows + 1), valid.shape[1]
        step = ops.sum(valid, axis=1, keepdims=True) / columns
        centres = (np.arange(columns, dtype=np.float32) + 0.5) * step
        distance = np.arange(time, dtype=np.float32) + 0.5 - ops.expand_dims(centres, -1)
        wide = ops.expand_dims(ops.maximum(step, 1.0), -1)
        weights = ops.maximum(0.0, 1.0 - ops.abs(distance) / wide) * ops.expand_dims(valid, 1)
        return weights / ops.maximum(ops.sum(weights, axis=2, keepdims=True), 1e-6)

    def compute_output_shape(self, spectrogram_shape, valid_shape):
        return (spectrogram_shape[0], self.windows, self.size, self.size, 3)
