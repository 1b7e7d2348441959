"""Fusion of two streams: of their decisions, without weights; and of their features, with one."""

import keras
from keras import ops

from emotionnet.errors import UsageError
from emotionnet.layers.configured import Configured
from emotionnet.layers.frames import weighted_mean

STREAMS = ("faces", "speech")
#: Geometric or arithmetic mean of two answers.
MODES = ("GM", "AM")


@keras.saving.register_keras_serializable(package="emotionnet")
class LateFusion(keras.layers.Layer):
    """The answers of the face and the speech stream, and one from both.

    "GM" is the geometric mean sqrt(p q), renormalised: the softmax of the mean of the log
    probabilities. "AM" is the arithmetic mean (p + q) / 2.

    A stream is absent from a clip where no frame has a face, or there is no sound; and always where
    it is not in ``streams`` (it was not trained). It then answers uniformly, and the fused answer
    is the other's; with both absent it is uniform. float32 whatever the dtype policy.

    Call it with the streams' logits (batch, classes) each, ``frame_mask`` (batch, frames) and
    ``waveform_samples`` (batch,).

    Args:
        mode: "GM" or "AM".
        streams: the streams that are trained, of "faces" and "speech".

    Returns:
        Three tensors (batch, classes): fused, face and speech probabilities.
    """

    def __init__(self, mode: str = "GM", streams: tuple[str, ...] = STREAMS, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if mode not in MODES:
            raise UsageError(f'LateFusion: mode is "GM" or "AM". Received: {mode!r}')
        if not streams or not set(streams) <= set(STREAMS):
            raise UsageError(f"LateFusion: streams are some of {STREAMS}. Received: {streams!r}")
        self.mode, self.streams = mode, tuple(streams)

    def call(self, face_logits, speech_logits, frame_mask, waveform_samples):
        seen = ops.any(ops.cast(frame_mask, "float32") > 0, axis=-1, keepdims=True)
        heard = ops.expand_dims(ops.cast(waveform_samples, "int32"), -1) > 0
        face, face_weight = self._present("faces", face_logits, seen)
        speech, speech_weight = self._present("speech", speech_logits, heard)
        face_probabilities, speech_probabilities = ops.softmax(face), ops.softmax(speech)
        # Weights (1, 1), or one of them 0; both 0 leave two uniform answers, weighed equally.
        none = 1.0 - ops.maximum(face_weight, speech_weight)
        total = face_weight + speech_weight + 2.0 * none
        face_weight, speech_weight = (face_weight + none) / total, (speech_weight + none) / total
        if self.mode == "GM":
            fused = ops.softmax(face_weight * face + speech_weight * speech)
        else:
            fused = face_weight * face_probabilities + speech_weight * speech_probabilities
        return fused, face_probabilities, speech_probabilities

    def _present(self, stream, logits, present):
        """The logits (0, so uniform, where the stream is absent) and 1 or 0, (batch, 1)."""
        if stream not in self.streams:
            # Made of nothing that the stream's network gives, so that no backend computes that.
            absent = ops.zeros_like(ops.cast(present, "float32"))
            return ops.repeat(absent, logits.shape[-1], axis=-1), absent
        logits = ops.cast(logits, "float32")
        return ops.where(present, logits, 0.0), ops.cast(present, "float32")

    # Not by name: Keras 3.13 gives no shape for an argument of `call` that is named a mask.
    def compute_output_shape(self, face_logits_shape, *others):
        return face_logits_shape, face_logits_shape, face_logits_shape

    def get_config(self):
        return {**super().get_config(), "mode": self.mode, "streams": list(self.streams)}


@keras.saving.register_keras_serializable(package="emotionnet")
class WeightedSum(Configured):
    """Two features of one width, added with weights that sum to 1; one number is trained.

    ``w a + (1 - w) b`` with w = sigmoid(number), which begins at one half. Where one of both is absent
    the other counts alone; without both there are zeros.

    Call it with ``a`` and ``b`` (batch, width), and whether each is there: ``a_there`` and ``b_there``
    (batch, 1), 1 or 0.

    Returns:
        (batch, width).

    Source: system 5's paper, section II-C ("weighted summation"); that the weight is trained is ours.
    """

    def build(self, *shapes):
        self.balance = self.add_weight(name="balance", shape=(), initializer="zeros")
        self.built = True

    def call(self, a, b, a_there, b_there):
        weight = ops.sigmoid(ops.cast(self.balance, a.dtype))
        a_weight = weight * ops.cast(a_there, a.dtype)
        b_weight = (1.0 - weight) * ops.cast(b_there, b.dtype)
        total = a_weight + b_weight
        # + 1 only where both are absent: no division by zero.
        total = total + ops.cast(total <= 0, total.dtype)
        return (a_weight * a + b_weight * b) / total

    def compute_output_shape(self, a_shape, *others):
        return a_shape


@keras.saving.register_keras_serializable(package="emotionnet")
class Otherwise(Configured):
    """The first of two answers where something is there, else the second. It has no weights.

    Call it with ``first`` and ``second`` (batch, width), and ``there`` (batch, 1), 1 or 0.

    Returns:
        (batch, width).
    """

    def call(self, first, second, there):
        return ops.where(ops.cast(there, "float32") > 0, first, second)

    def compute_output_shape(self, first_shape, *others):
        return first_shape


@keras.saving.register_keras_serializable(package="emotionnet")
class MeanLogProbability(Configured):
    """The answer of a clip from the answers of its rows: the mean of their log-probabilities.

    Rows that are not there do not count; without any the answer is 0 for every class, which is
    uniform. float32 whatever the dtype policy. It has no weights.

    Call it with the rows' ``logits`` (batch * rows, classes), as a network gives them behind
    `FoldFrames`, and ``valid`` (batch, rows), 1 for rows that are there.

    Returns:
        (batch, classes), whose softmax is the answer.
    """

    def __init__(self, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)

    def call(self, logits, valid):
        rows = valid.shape[1] or ops.shape(valid)[1]
        weights = ops.expand_dims(ops.cast(ops.cast(valid, "float32") > 0, "float32"), -1)
        answers = ops.log_softmax(ops.cast(logits, "float32"))
        return weighted_mean(ops.reshape(answers, (-1, rows, answers.shape[-1])), weights)

    def compute_output_shape(self, logits_shape, valid_shape):
        return (valid_shape[0], logits_shape[1])
