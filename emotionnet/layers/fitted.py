"""Layers whose weights are computed from training rows in one go, and never trained by gradient.

What computes them is `emotionnet.systems.fits`: each function there returns the arrays of one of
these layers, in the order of its weights. All numbers are weights, so a saved model holds them,
loads in safe mode, and exports like any other. All of them compute in float32 whatever the dtype
policy: what is fitted spans scales that half precision does not hold.
"""

import keras
from keras import ops

from emotionnet.errors import UsageError
from emotionnet.layers.configured import Configured


@keras.saving.register_keras_serializable(package="emotionnet")
class Standardize(Configured):
    """Features less their mean, in units of their deviation; before it is fitted, unchanged.

    Weights, in this order, none trainable: ``mean`` (width,), ``deviation`` (width,).

    Args:
        limit: answers are kept between -limit and limit, so that a feature that hardly varied
            among the training rows cannot drown the others; None for no limit.

    Returns:
        (batch, ..., width) float32 from (batch, ..., width).
    """

    def __init__(self, limit: float | None = None, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if limit is not None and limit <= 0:
            raise UsageError(f"Standardize: limit is positive or None. Received: {limit}")
        self.limit = limit

    def build(self, input_shape):
        def add(name, value):
            shape = (input_shape[-1],)
            return self.add_weight(name=name, shape=shape, initializer=value, trainable=False)

        self.mean, self.deviation = add("mean", "zeros"), add("deviation", "ones")
        self.built = True

    def call(self, inputs):
        x = (ops.cast(inputs, "float32") - self.mean) / self.deviation
        return x if self.limit is None else ops.clip(x, -self.limit, self.limit)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="emotionnet")
class Projection(Configured):
    """Features to fewer of them by a product and a sum: principal components, discriminants.

    Weights, in this order, none trainable: ``kernel`` (width, units), ``bias`` (units,). Before it
    is fitted it keeps the first ``units`` features.

    Args:
        units: width of the answer.

    Returns:
        (batch, ..., units) float32 from (batch, ..., width).
    """

    def __init__(self, units: int, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if units < 1:
            raise UsageError(f"Projection: units is at least 1. Received: {units}")
        self.units = units

    def build(self, input_shape):
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer="identity", trainable=False
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.units,), initializer="zeros", trainable=False
        )
        self.built = True

    def call(self, inputs):
        return ops.matmul(ops.cast(inputs, "float32"), self.kernel) + self.bias

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)


@keras.saving.register_keras_serializable(package="emotionnet")
class KernelProjection(keras.layers.Layer):
    """Features to a few axes in the space of a kernel: kernel LDA, or kernel PCA, as one layer.

    ``exp(-gamma |x - point|^2) @ kernel + bias``: how near the features are to each of some fixed
    points, times a matrix. Weights, in this order, none trainable: ``points`` (points, width),
    ``gamma`` (), ``kernel`` (points, units), ``bias`` (units,). Before it is fitted it gives zeros.

    Args:
        points: number of points that features are compared with.
        units: width of the answer.

    Returns:
        (batch, units) float32 from (batch, width).
    """

    def __init__(self, points: int, units: int, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if points < 1 or units < 1:
            raise UsageError(
                f"KernelProjection: points and units are at least 1. Received: {points}, {units}"
            )
        self.number, self.units = points, units

    def build(self, input_shape):
        def add(name, shape):
            return self.add_weight(name=name, shape=shape, initializer="zeros", trainable=False)

        self.points, self.gamma = add("points", (self.number, input_shape[-1])), add("gamma", ())
        self.kernel = add("kernel", (self.number, self.units))
        self.bias = add("bias", (self.units,))
        self.built = True

    def call(self, inputs):
        x, points = ops.cast(inputs, "float32"), ops.convert_to_tensor(self.points)
        square = ops.sum(ops.square(x), axis=-1, keepdims=True)
        square = square - 2.0 * ops.matmul(x, ops.transpose(points))
        distance = ops.maximum(square + ops.sum(ops.square(points), axis=-1), 0.0)
        return ops.matmul(ops.exp(-self.gamma * distance), self.kernel) + self.bias

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "points": self.number, "units": self.units}
