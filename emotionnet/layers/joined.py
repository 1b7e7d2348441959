"""Fusion of two streams that know different classes: what one lacks, it leaves to the other."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from emotionnet.errors import UsageError
from emotionnet.layers.fusion import MODES

#: Below it a probability counts as this much, so that its logarithm is a number.
_TINY = 1e-20
#: Says of a label that it belongs to no class.
LEFT_OUT = -1


@keras.saving.register_keras_serializable(package="emotionnet")
class JoinedFusion(keras.layers.Layer):
    """The answers of a face and a speech stream over their classes together, and one from both.

    A stream's answer to a class is the sum of those to its labels that are joined in it; labels that are
    left out do not count, and what remains is over 1 again. A class that it has no label for has
    probability 0 in its own answer.

    In the answer from both, a stream leaves such a class to the other one: it takes the other's
    probability for it, and shares what remains of 1 among its own classes, as it answered. Then the two
    are one by their geometric ("GM") or arithmetic ("AM") mean over 1. With equal classes that is
    `emotionnet.layers.LateFusion`, and so is what an absent stream means: it answers uniformly,
    and the fused answer is the other's. float32 whatever the dtype policy.

    Call it with the streams' logits (batch, labels of the stream), ``frame_mask`` (batch, frames) and
    ``waveform_samples`` (batch,).

    Args:
        classes: number of classes of both together.
        faces: of each label of the face stream the number of its class, or -1 where it is left out.
        speech: the same of the speech stream.
        mode: "GM" or "AM".

    Returns:
        Three tensors (batch, classes): fused, face and speech probabilities.

    Raises:
        UsageError: a class that neither stream knows, or none that both know.
    """

    def __init__(
        self, classes: int, faces: Sequence[int], speech: Sequence[int], mode: str = "GM", **kwargs
    ):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if mode not in MODES:
            raise UsageError(f"JoinedFusion: mode is {' or '.join(MODES)}. Received: {mode!r}")
        known = [set(numbers) - {LEFT_OUT} for numbers in (faces, speech)]
        if known[0] | known[1] != set(range(classes)) or not known[0] & known[1]:
            raise UsageError(
                f"JoinedFusion: {classes} classes, and labels of {sorted(known[0])} and {sorted(known[1])}: "
                "each class needs a stream that knows it, and one of them both."
            )
        self.classes, self.mode = classes, mode
        self.faces, self.speech = list(faces), list(speech)
        # 1 for classes that only this stream knows. A tuple of arrays, so that Keras leaves it alone.
        self._alone = tuple(
            np.array([[k in mine and k not in other for k in range(classes)]], "float32")
            for mine, other in (known, reversed(known))
        )

    def call(self, face_logits, speech_logits, frame_mask, waveform_samples):
        seen = ops.any(ops.cast(frame_mask, "float32") > 0, axis=-1, keepdims=True)
        heard = ops.expand_dims(ops.cast(waveform_samples, "int32"), -1) > 0
        face, speech = (
            self._joined(face_logits, self.faces),
            self._joined(speech_logits, self.speech),
        )
        face_alone, speech_alone = (face * self._alone[0], speech * self._alone[1])
        # Each sums to 1: what is the other's alone, and its own answer to the rest.
        both = (
            face * (1.0 - ops.sum(speech_alone, -1, keepdims=True)) + speech_alone,
            speech * (1.0 - ops.sum(face_alone, -1, keepdims=True)) + face_alone,
        )
        if self.mode == "GM":
            fused = ops.softmax(sum(ops.log(ops.maximum(p, _TINY)) for p in both) / 2.0)
        else:
            fused = (both[0] + both[1]) / 2.0
        uniform = ops.ones_like(face) / self.classes
        face, speech = ops.where(seen, face, uniform), ops.where(heard, speech, uniform)
        fused = ops.where(heard, ops.where(seen, fused, speech), face)
        return fused, face, speech

    def _joined(self, logits, numbers):
        """Probabilities (batch, classes) of a stream's logits."""
        p = ops.softmax(ops.cast(logits, "float32"))
        nothing = ops.zeros_like(p[:, :1])
        columns = [
            sum((p[:, i : i + 1] for i, k in enumerate(numbers) if k == wanted), nothing)
            for wanted in range(self.classes)
        ]
        p = ops.concatenate(columns, -1)
        return p / ops.maximum(ops.sum(p, -1, keepdims=True), _TINY)

    # Not by name: Keras 3.13 gives no shape for an argument of `call` that is named a mask.
    def compute_output_shape(self, face_logits_shape, *others):
        shape = (face_logits_shape[0], self.classes)
        return shape, shape, shape

    def get_config(self):
        return {
            **super().get_config(),
            "classes": self.classes,
            "faces": list(self.faces),
            "speech": list(self.speech),
            "mode": self.mode,
        }
