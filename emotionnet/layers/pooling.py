"""From the steps of a sequence to one vector: attention and maxima."""

import keras
from keras import layers, ops

from emotionnet.errors import UsageError
from emotionnet.layers.configured import Configured


@keras.saving.register_keras_serializable(package="emotionnet")
class AttentivePooling(Configured):
    """Means over time that attention weighs, beside the maximum over time.

    The channels are dealt to the heads; each head weighs the steps for its own channels by
    softmax over time of a small network, dense(tanh(dense x)). Silence needs no mask: it is learnt
    not to count.

    Call it with ``features`` (batch, time, width).

    Args:
        heads: number of weightings; divides the width.
        hidden: width inside the small network.

    Returns:
        (batch, 2 * width): means, then maxima.

    Source: Okabe et al., "Attentive Statistics Pooling for Deep Speaker Embedding" (Interspeech
    2018); heads, and the maximum in place of the standard deviation, which does not survive int8,
    are ours.
    """

    def __init__(self, heads: int = 4, hidden: int = 64, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.hidden = heads, hidden
        policy = self.dtype_policy
        self.inner = layers.Dense(hidden, activation="tanh", dtype=policy, name="inner")
        self.score = layers.Dense(heads, dtype=policy, name="score")

    def build(self, features_shape):
        if features_shape[-1] % self.heads:
            raise UsageError(
                f"AttentivePooling: {features_shape[-1]} channels cannot be dealt to {self.heads} "
                "heads."
            )
        self.inner.build(features_shape)
        self.score.build((*features_shape[:-1], self.hidden))
        self.built = True

    def call(self, features):
        time, width = features.shape[1:]
        weights = ops.softmax(self.score(self.inner(features)), axis=1)
        dealt = ops.reshape(features, (-1, time, self.heads, width // self.heads))
        mean = ops.sum(ops.expand_dims(weights, -1) * dealt, axis=1)
        mean = ops.reshape(mean, (-1, width))
        return ops.concatenate([mean, ops.max(features, axis=1)], axis=-1)

    def compute_output_shape(self, features_shape):
        return (features_shape[0], 2 * features_shape[2])
