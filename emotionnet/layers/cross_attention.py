"""Transformer blocks between two sequences, and within one, that bear absent steps."""

import keras
from keras import layers, ops

from emotionnet.layers.configured import Configured
from emotionnet.layers.frames import weighted_mean

#: What a step that is not valid is behind in attention: its weight is 0 in float32.
_FAR = 1e9


@keras.saving.register_keras_serializable(package="emotionnet")
class MaskedAttention(Configured):
    """Multi-head attention over the valid steps of a sequence; zeros where there are none.

    Call it with ``queries`` (batch, steps, features), ``context`` (batch, context steps, features)
    and ``valid`` (batch, context steps), 1 for valid steps: others have a weight of exactly 0. Scores
    and weights are float32 whatever the dtype policy.

    Args:
        heads: number of them.
        head_width: of queries, keys and values in a head.
        dropout: rate on attention weights.
        out: width of the answer; 0 is that of the queries.

    Returns:
        (batch, steps, out).

    Source: Vaswani et al., "Attention Is All You Need" (2017), equation 1 and section 3.2.2.
    """

    def __init__(self, heads: int, head_width: int, dropout: float = 0.0, out: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.head_width, self.dropout, self.out = heads, head_width, dropout, out
        self.query, self.key, self.value = (
            layers.Dense(heads * head_width, dtype=self.dtype_policy, name=name)
            for name in ("query", "key", "value")
        )
        self.drop = layers.Dropout(dropout, dtype="float32", name="drop")

    def build(self, queries_shape, context_shape, valid_shape):
        inside = self.heads * self.head_width
        self.answer = layers.Dense(
            self.out or queries_shape[-1], dtype=self.dtype_policy, name="answer"
        )
        self.query.build(queries_shape)
        self.key.build(context_shape)
        self.value.build(context_shape)
        self.answer.build((*queries_shape[:2], inside))
        self.drop.build((queries_shape[0], self.heads, queries_shape[1], context_shape[1]))
        self.built = True

    def call(self, queries, context, valid, training=None):
        query, key, value = (
            self._by_head(projected)
            for projected in (self.query(queries), self.key(context), self.value(context))
        )
        # Scaled before the product, which could pass what float16 holds.
        query = query * self.head_width**-0.5
        scores = ops.cast(ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))), "float32")
        seen = ops.cast(ops.expand_dims(ops.expand_dims(valid, 1), 1), "float32")
        weights = ops.softmax(scores + (seen - 1.0) * _FAR) * seen
        weights = ops.cast(self.drop(weights, training=training), value.dtype)
        x = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        x = self.answer(ops.reshape(x, (-1, queries.shape[1], self.heads * self.head_width)))
        # No step to attend to: not even the bias remains.
        some = ops.max(ops.cast(valid, x.dtype), axis=1, keepdims=True)
        return x * ops.expand_dims(some, -1)

    def _by_head(self, x):
        """(batch, steps, heads * head_width) to (batch, heads, steps, head_width)."""
        x = ops.reshape(x, (-1, x.shape[1], self.heads, self.head_width))
        return ops.transpose(x, (0, 2, 1, 3))

    def compute_output_shape(self, queries_shape, context_shape, valid_shape):
        return (*queries_shape[:2], self.out or queries_shape[-1])


@keras.saving.register_keras_serializable(package="emotionnet")
class CrossAttentionBlock(Configured):
    """One sequence asks another: a transformer encoder block, averaged over the asking one's time.

    Both sequences are widened to ``width``; multi-head attention with the first as queries and the
    second as keys and values; residual and LayerNorm; a feed-forward network with ReLU; residual
    and LayerNorm; back to the width that the queries had; mean over time.

    Call it with ``queries`` (batch, steps, features), ``context`` (batch, context steps, features)
    and their masks (batch, steps), 1 for valid steps. What stands at a step that is not valid never
    changes the answer. Queries that have nothing to ask stay without an answer; a clip without
    valid queries gives zeros.

    Args:
        width: inside the block.
        heads: of the attention.
        head_width: of queries, keys and values in a head.
        hidden: width of the feed-forward network.
        dropout: rate on attention weights and behind both halves.

    Returns:
        (batch, features).

    Source: system 3's paper, section 3.3.1 and equations 1 to 4, which print the widths 512 and 1024;
    two heads of 512 and the layers that widen and narrow are this project's reading.
    """

    def __init__(
        self,
        width: int = 512,
        heads: int = 2,
        head_width: int = 512,
        hidden: int = 1024,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.width, self.heads, self.head_width = width, heads, head_width
        self.hidden, self.dropout = hidden, dropout
        policy = self.dtype_policy
        self.widen_queries = layers.Dense(width, dtype=policy, name="widen_queries")
        self.widen_context = layers.Dense(width, dtype=policy, name="widen_context")
        self.attention = MaskedAttention(heads, head_width, dropout, dtype=policy, name="attention")
        self.attention_norm = layers.LayerNormalization(
            epsilon=1e-5, dtype=policy, name="attention_norm"
        )
        self.up = layers.Dense(hidden, activation="relu", dtype=policy, name="up")
        self.down = layers.Dense(width, dtype=policy, name="down")
        self.norm = layers.LayerNormalization(epsilon=1e-5, dtype=policy, name="norm")
        self.drop = layers.Dropout(dropout, dtype=policy, name="drop")

    def build(self, queries_shape, context_shape, query_valid_shape, context_valid_shape):
        wide = (*queries_shape[:2], self.width)
        self.widen_queries.build(queries_shape)
        self.widen_context.build(context_shape)
        self.attention.build(wide, (*context_shape[:2], self.width), context_valid_shape)
        self.attention_norm.build(wide)
        self.up.build(wide)
        self.down.build((*queries_shape[:2], self.hidden))
        self.norm.build(wide)
        self.drop.build(wide)
        self.narrow = layers.Dense(queries_shape[-1], dtype=self.dtype_policy, name="narrow")
        self.narrow.build(wide)
        self.built = True

    def call(self, queries, context, query_valid, context_valid, training=None):
        x, y = self.widen_queries(queries), self.widen_context(context)
        answer = self.attention(x, y, context_valid, training=training)
        x = self.attention_norm(x + self.drop(answer, training=training))
        x = self.norm(x + self.drop(self.down(self.up(x)), training=training))
        x = self.narrow(x)
        return weighted_mean(x, ops.expand_dims(ops.cast(query_valid, x.dtype), -1))

    def compute_output_shape(self, queries_shape, *others):
        return (queries_shape[0], queries_shape[2])


@keras.saving.register_keras_serializable(package="emotionnet")
class SelfAttentionBlock(Configured):
    """One sequence asks itself, averaged over time: attention in a wider space, residual, LayerNorm.

    Call it with ``sequence`` (batch, steps, features) and ``valid`` (batch, steps), 1 for valid steps.
    Other steps never change the answer; a clip without valid ones gives zeros.

    Args:
        width: of the space that the attention works in.
        heads: of the attention, ``width / heads`` wide each.
        dropout: rate on attention weights and behind them.

    Returns:
        (batch, features).

    Source: system 3's paper, section 3.3.4, which prints no sizes: these give its 1.8 M parameters.
    """

    def __init__(self, width: int = 512, heads: int = 8, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.width, self.heads, self.dropout = width, heads, dropout
        policy = self.dtype_policy
        self.widen = layers.Dense(width, dtype=policy, name="widen")
        self.norm = layers.LayerNormalization(epsilon=1e-5, dtype=policy, name="norm")
        self.drop = layers.Dropout(dropout, dtype=policy, name="drop")

    def build(self, sequence_shape, valid_shape):
        wide = (*sequence_shape[:2], self.width)
        self.attention = MaskedAttention(
            self.heads,
            self.width // self.heads,
            self.dropout,
            out=sequence_shape[-1],
            dtype=self.dtype_policy,
            name="attention",
        )
        self.widen.build(sequence_shape)
        self.attention.build(wide, wide, valid_shape)
        self.norm.build(sequence_shape)
        self.drop.build(sequence_shape)
        self.built = True

    def call(self, sequence, valid, training=None):
        x = self.widen(sequence)
        x = self.drop(self.attention(x, x, valid, training=training), training=training)
        x = self.norm(sequence + x)
        return weighted_mean(x, ops.expand_dims(ops.cast(valid, x.dtype), -1))

    def compute_output_shape(self, sequence_shape, valid_shape):
        return (sequence_shape[0], sequence_shape[2])


@keras.saving.register_keras_serializable(package="emotionnet")
class AbsentSteps(Configured):
    """A sequence of zeros (batch, steps, width) beside a mask (batch, steps): nothing is there.

    Args:
        width: of a step.
    """

    def __init__(self, width: int, **kwargs):
        super().__init__(**kwargs)
        self.width = width

    def call(self, valid):
        nothing = ops.expand_dims(ops.cast(valid, self.compute_dtype) * 0.0, -1)
        return ops.tile(nothing, (1, 1, self.width))

    def compute_output_shape(self, valid_shape):
        return (*valid_shape, self.width)
