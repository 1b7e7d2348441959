"""Normalization while a network trains: under TensorFlow in few operations, or BatchNorm over all devices.

Keras writes it out element by element, and TensorFlow the gradient of that. In networks of many small maps BatchNorm
took a third of a step, and most of the time to trace one; group normalization took half of a step of `racnn`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from emotionnet.keras_private import layers_inside


class _FusedBatch(keras.layers.BatchNormalization):
    """The same function, by TensorFlow's one operation for it."""

    def call(self, inputs, training=None, mask=None):
        import tensorflow as tf

        if not (training and self.trainable and mask is None):
            return super().call(inputs, training=training, mask=mask)
        x = tf.cast(inputs, tf.float32)
        channels = x.shape[-1]
        flat = tf.reshape(x, (-1, 1, 1, channels)) if x.shape.rank != 4 else x
        # Not `tf.nn`'s form of it, which takes no epsilon below 1.001e-5.
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=flat,
            scale=tf.ones(channels) if self.gamma is None else self.gamma.value,
            offset=tf.zeros(channels) if self.beta is None else self.beta.value,
            mean=tf.zeros(0),
            variance=tf.zeros(0),
            epsilon=self.epsilon,
        )
        # It gives the variance as estimated for all there is, Keras keeps that of the batch.
        seen = tf.cast(tf.size(flat) // channels, tf.float32)
        variance *= (seen - 1) / seen
        for kept, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            kept.value.assign_sub((kept.value - new) * (1 - self.momentum))
        return tf.cast(tf.reshape(y, tf.shape(x)), self.compute_dtype)


class _FusedGroup(keras.layers.GroupNormalization):
    """The same function, with sums by matrix products and its gradient in closed form."""

    def call(self, inputs):
        import tensorflow as tf

        groups, channels = self.groups, inputs.shape[-1]
        shape, epsilon = tf.shape(inputs), self.epsilon

        def mean(x):  # over places: (batch, places, channels) -> (batch, 1, channels)
            places = tf.shape(x)[1]
            ones = tf.ones((shape[0], 1, places)) / tf.cast(places, tf.float32)
            return tf.matmul(ones, x)

        def of_group(x):  # of each channel's group, (batch, 1, channels)
            x = tf.reduce_mean(tf.reshape(x, (-1, groups, channels // groups)), -1)
            return tf.repeat(x, channels // groups, axis=1)[:, None]

        @tf.custom_gradient
        def normalized(x, gamma, beta):
            average = of_group(mean(x))
            inverse = tf.math.rsqrt(
                of_group(mean(tf.math.squared_difference(x, average))) + epsilon
            )
            scale = inverse * gamma

            def gradient(dy):
                d_beta = mean(dy)
                d_gamma = (mean(dy * x) - average * d_beta) * inverse
                follows = of_group(d_gamma * gamma) * tf.square(inverse)
                rest = of_group(d_beta * gamma) * inverse - average * follows
                places = tf.cast(tf.shape(x)[1], tf.float32)
                sums = [tf.reduce_sum(each, (0, 1)) * places for each in (d_gamma, d_beta)]
                return dy * scale - (x * follows + rest), *sums

            return x * scale + (beta - average * scale), gradient

        x = tf.reshape(tf.cast(inputs, tf.float32), (shape[0], -1, channels))
        gamma = tf.ones(channels) if self.gamma is None else tf.convert_to_tensor(self.gamma.value)
        beta = tf.zeros(channels) if self.beta is None else tf.convert_to_tensor(self.beta.value)
        return tf.cast(tf.reshape(normalized(x, gamma, beta), shape), self.compute_dtype)


#: cuDNN has taken no smaller epsilon at times.
_LEAST_EPSILON = 1e-5


def _fused_kind(layer) -> type | None:
    """What a layer is while it trains; None for what stays as it is."""
    kind = type(layer)
    if kind not in (keras.layers.BatchNormalization, keras.layers.GroupNormalization):
        return None
    if layer.axis not in (-1, layer.input_spec.ndim - 1):
        return None
    if kind is keras.layers.GroupNormalization:
        return _FusedGroup
    return _FusedBatch if layer.epsilon >= _LEAST_EPSILON and not layer.renorm else None


@contextmanager
def fused(model: keras.Model) -> Iterator[None]:
    """Inside, the batch and group normalization of ``model`` is in few operations of TensorFlow's; on one device."""
    norms = [(x, type(x), kind) for x in layers_inside(model) if (kind := _fused_kind(x))]
    for norm, _, kind in norms:
        norm.__class__ = kind
    try:
        yield
    finally:
        for norm, before, _ in norms:
            norm.__class__ = before


@contextmanager
def synchronized(model: keras.Model) -> Iterator[None]:
    """Inside, every BatchNorm of ``model`` takes its statistics over all replicas."""
    norms = [x for x in layers_inside(model) if isinstance(x, keras.layers.BatchNormalization)]
    before = [norm.synchronized for norm in norms]
    for norm in norms:
        norm.synchronized = True
    try:
        yield
    finally:
        for norm, value in zip(norms, before):
            norm.synchronized = value
