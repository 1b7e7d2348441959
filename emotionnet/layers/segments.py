"""Layers that cut a clip into temporal segments: a grey face and a window of sound for each."""

import keras
import numpy as np
from keras import ops

from emotionnet.errors import UsageError
from emotionnet.layers.configured import Configured

#: Weights of red, green and blue in a grey value (ITU-R BT.601).
LUMA = (0.299, 0.587, 0.114)


@keras.saving.register_keras_serializable(package="emotionnet")
class GreyFaces(Configured):
    """Colour pictures to small grey ones: (batch, S, S, 3), 0...255, to (batch, height, width, 1).

    The whole height of the square is kept, and as much of its middle as has the wanted shape, so
    that faces are not squeezed. Resampled with a triangle filter as wide as the new pixels (no
    aliasing), written as two matrix products whose constants are rebuilt from the configuration.
    float32 whatever the dtype policy.

    Args:
        height, width: of the grey pictures in pixels; ``width <= height``.

    Returns:
        (batch, height, width, 1), from -1 (black) to 1 (white).
    """

    def __init__(self, height: int = 98, width: int = 80, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if not 1 <= width <= height:
            raise UsageError(f"GreyFaces: needs 1 <= width ({width}) <= height ({height}).")
        self.height, self.width = height, width

    def build(self, input_shape):
        size = input_shape[1]
        kept = size * self.width / self.height
        self._rows = resampling_matrix(size, self.height)
        self._columns = resampling_matrix(size, self.width, (size - kept) / 2, kept)
        self._luma = np.array(LUMA, np.float32)[:, None] / 127.5
        self.built = True

    def call(self, pictures):
        size = pictures.shape[1]
        x = ops.reshape(ops.cast(pictures, "float32"), (-1, 3))
        x = ops.reshape(ops.matmul(x, self._luma) - 1.0, (-1, size, size))
        x = ops.transpose(ops.matmul(x, self._columns), (0, 2, 1))
        x = ops.transpose(ops.matmul(x, self._rows), (0, 2, 1))
        return ops.expand_dims(x, -1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.height, self.width, 1)


def resampling_matrix(
    size: int, new_size: int, start: float = 0.0, length: float | None = None
) -> np.ndarray:
    """Linear resampling of a line of pixels, as a matrix (size, new_size) float32.

    Args:
        size: pixels of the line.
        new_size: pixels of the new line.
        start: where the new line begins, in old pixels.
        length: how many old pixels it covers; ``None`` is all.
    """
    step = (size if length is None else length) / new_size
    centres = start + (np.arange(new_size) + 0.5) * step
    distance = np.abs(np.arange(size)[:, None] + 0.5 - centres)
    weights = np.maximum(0.0, 1.0 - distance / max(step, 1.0))
    return (weights / weights.sum(axis=0)).astype(np.float32)


@keras.saving.register_keras_serializable(package="emotionnet")
class SegmentWindows(keras.layers.Layer):
    """Windows of sound around the centres of a clip's equal segments, zero beyond its ends.

    Segment ``i`` of ``N`` is centred at sample ``(2 i + 1) * length // (2 N)``; its window begins
    ``window // 2`` samples before.

    Call it with ``waveform`` (batch, samples) and ``lengths`` (batch,), the true numbers of
    samples. What lies beyond a length never changes the answer. With ``moves`` (batch, segments) each
    window is moved later by this many samples, but its middle stays within the clip.

    Args:
        segments: N.
        window: length of a window in samples.
        padded: the segments are those of all ``samples``, whatever a clip's length; one whose centre
            lies beyond the clip's end has no sound.

    Returns:
        (batch, segments, window) float32, and (batch, segments) float32: 1 where there is sound.
    """

    def __init__(self, segments: int, window: int, padded: bool = False, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if segments < 1 or window < 1:
            raise UsageError(f"SegmentWindows: {segments} segments of {window} samples.")
        self.segments, self.window, self.padded = segments, window, padded

    def call(self, waveform, lengths, moves=None):
        samples = waveform.shape[1]
        lengths = ops.clip(ops.cast(lengths, "int32"), 0, samples)
        lengths = ops.expand_dims(lengths, -1)
        x = ops.cast(waveform, "float32")
        x = ops.where(ops.arange(samples, dtype="int32") < lengths, x, 0.0)
        before = self.window // 2
        x = ops.pad(x, [[0, 0], [before, self.window]])
        odd = np.arange(1, 2 * self.segments, 2, dtype=np.int32)
        divided = ops.full_like(lengths, samples) if self.padded else lengths
        begins = odd * divided // (2 * self.segments)  # the padding in front moves them to 0
        heard = ops.cast(begins < lengths, "float32")
        if moves is not None:
            begins = ops.clip(begins + ops.cast(moves, "int32"), 0, lengths)
        index = ops.expand_dims(begins, -1) + np.arange(self.window, dtype=np.int32)
        index = ops.reshape(index, (-1, self.segments * self.window))
        windows = ops.take_along_axis(x, index, axis=1)
        windows = ops.reshape(windows, (-1, self.segments, self.window))
        return windows, heard

    def compute_output_shape(self, waveform_shape, lengths_shape, moves_shape=None):
        shape = (waveform_shape[0], self.segments)
        return (*shape, self.window), shape

    def get_config(self):
        own = {"segments": self.segments, "window": self.window, "padded": self.padded}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="emotionnet")
class KeepFeatures(Configured):
    """Sets all features but ``first`` to ``last`` (exclusive) of the last axis to zero.

    Args:
        first, last: which features stay.
    """

    def __init__(self, first: int, last: int, **kwargs):
        super().__init__(**kwargs)
        self.first, self.last = first, last

    def call(self, features):
        place = np.arange(features.shape[-1])
        kept = ((place >= self.first) & (place < self.last)).astype("float32")
        return features * ops.cast(kept, features.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="emotionnet")
class TakeSegment(Configured):
    """One segment of each clip: (batch, segments, ...) to (batch, ...).

    Args:
        segment: which, from 0.
    """

    def __init__(self, segment: int, **kwargs):
        super().__init__(**kwargs)
        self.segment = segment

    def call(self, inputs):
        return inputs[:, self.segment]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *input_shape[2:])
