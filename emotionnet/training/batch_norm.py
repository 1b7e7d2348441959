"""BatchNorm while a network trains: under TensorFlow by one operation, or over all devices.

Keras writes BatchNorm out element by element, and TensorFlow the gradient of that. In networks of many small maps
this took a third of a step, and most of the time to trace one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from emotionnet.keras_private import layers_inside


class _Fused(keras.layers.BatchNormalization):
    """The same function, by TensorFlow's one operation for it."""

    def call(self, inputs, training=None, mask=None):
        import tensorflow as tf

        if not (training and self.trainable and mask is None):
            return super().call(inputs, training=training, mask=mask)
        x = tf.cast(inputs, tf.float32)
        channels = x.shape[-1]
        flat = tf.reshape(x, (-1, 1, 1, channels)) if x.shape.rank != 4 else x
        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            flat,
            tf.ones(channels) if self.gamma is None else self.gamma.value,
            tf.zeros(channels) if self.beta is None else self.beta.value,
            epsilon=self.epsilon,
        )
        # It gives the variance as estimated for all there is, Keras keeps that of the batch.
        seen = tf.cast(tf.size(flat) // channels, tf.float32)
        variance *= (seen - 1) / seen
        for kept, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            kept.value.assign_sub((kept.value - new) * (1 - self.momentum))
        return tf.cast(tf.reshape(y, tf.shape(x)), self.compute_dtype)


#: The operation takes no smaller epsilon.
_LEAST_EPSILON = 1.001e-5


@contextmanager
def fused(model: keras.Model) -> Iterator[None]:
    """Inside, every BatchNorm of ``model`` is one operation of TensorFlow's in training; on one device."""
    kind = keras.layers.BatchNormalization
    norms = [
        x
        for x in layers_inside(model)
        if type(x) is kind
        and x.axis in (-1, x.input_spec.ndim - 1)
        and x.epsilon >= _LEAST_EPSILON
        and not x.renorm
    ]
    for norm in norms:
        norm.__class__ = _Fused
    try:
        yield
    finally:
        for norm in norms:
            norm.__class__ = kind


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
