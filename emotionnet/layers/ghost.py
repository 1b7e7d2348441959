"""Ghost modules: half of the maps by a 1x1 convolution, the other half cheaply from these.

Source: Han et al., "GhostNet: More Features from Cheap Operations" (CVPR 2020), as the lightweight
system of `emotionnet.systems.ghost_fan` uses them. No convolution has a bias: a BatchNorm follows.
"""

import keras
from keras import layers

from emotionnet.errors import UsageError
from emotionnet.layers.attention import TripletAttention
from emotionnet.layers.configured import Configured


@keras.saving.register_keras_serializable(package="emotionnet")
class GhostModule(Configured):
    """A 1x1 convolution for half of the maps, and a depthwise one on them for the other half.

    (batch, height, width, channels) to (batch, height, width, filters).

    Args:
        filters: number of maps, even.
        kernel_size: of the cheap depthwise operation.
        activation: after each half's BatchNorm: "relu", or ``None`` for none.
        momentum: of the BatchNorms.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        activation: str | None = "relu",
        momentum: float = 0.99,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if filters < 2 or filters % 2:
            raise UsageError(f"GhostModule: filters must be even. Received: {filters}")
        self.filters, self.kernel_size = filters, kernel_size
        self.activation, self.momentum = activation, momentum
        policy = self.dtype_policy
        self.primary = layers.Conv2D(filters // 2, 1, use_bias=False, dtype=policy, name="primary")
        self.cheap = layers.DepthwiseConv2D(
            kernel_size, padding="same", use_bias=False, dtype=policy, name="cheap"
        )
        self.norms = [
            layers.BatchNormalization(momentum=momentum, dtype=policy, name=f"norm_{half}")
            for half in ("primary", "cheap")
        ]
        self.act = layers.Activation(activation, dtype=policy, name="act")
        self.join = layers.Concatenate(dtype=policy, name="join")

    def build(self, input_shape):
        half = (*input_shape[:-1], self.filters // 2)
        self.primary.build(input_shape)
        self.cheap.build(half)
        for norm in self.norms:
            norm.build(half)
        self.built = True

    def call(self, inputs, training=None):
        primary = self.act(self.norms[0](self.primary(inputs), training=training))
        cheap = self.act(self.norms[1](self.cheap(primary), training=training))
        return self.join([primary, cheap])

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)


@keras.saving.register_keras_serializable(package="emotionnet")
class GhostBottleneck(Configured):
    """Ghost (expand) - depthwise - triplet attention - Ghost (project) - add the shortcut.

    (batch, height, width, channels) to (batch, height / strides, width / strides, filters).

    Args:
        filters: number of maps out.
        expansion: number of maps inside.
        kernel_size: of the depthwise convolutions.
        strides: of the depthwise convolutions.
        attention: ``None`` for none, or the ``residual`` of a `TripletAttention`.
        depthwise: "faithful" has the depthwise convolution in every bottleneck, "stride2" only
            where the stride is 2 (the original GhostNet).
        momentum: of the BatchNorms.

    Source: the bottleneck of system 1's paper, Table I: the shortcut is the identity, or, where
    stride or width changes, depthwise + BatchNorm + 1x1 + BatchNorm.
    """

    def __init__(
        self,
        filters: int,
        expansion: int,
        kernel_size: int = 3,
        strides: int = 1,
        attention: bool | None = None,
        depthwise: str = "faithful",
        momentum: float = 0.99,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if depthwise not in ("faithful", "stride2"):
            raise UsageError(
                f'GhostBottleneck: depthwise is "faithful" or "stride2". Received: {depthwise!r}'
            )
        self.filters, self.expansion, self.kernel_size = filters, expansion, kernel_size
        self.strides, self.attention = strides, attention
        self.depthwise, self.momentum = depthwise, momentum

    def build(self, input_shape):
        policy = self.dtype_policy

        def norm(name):
            return layers.BatchNormalization(momentum=self.momentum, dtype=policy, name=name)

        def depthwise(name):
            return layers.DepthwiseConv2D(
                self.kernel_size,
                strides=self.strides,
                padding="same",
                use_bias=False,
                dtype=policy,
                name=name,
            )

        ghost = {"momentum": self.momentum, "dtype": policy}
        self.body = [GhostModule(self.expansion, **ghost, name="expand")]
        if self.depthwise == "faithful" or self.strides > 1:
            self.body += [depthwise("depthwise"), norm("norm_depthwise")]
        if self.attention is not None:
            self.body.append(
                TripletAttention(
                    residual=self.attention, momentum=self.momentum, dtype=policy, name="attention"
                )
            )
        self.body.append(GhostModule(self.filters, activation=None, **ghost, name="project"))
        self.shortcut = []
        if self.strides > 1 or input_shape[-1] != self.filters:
            self.shortcut = [
                depthwise("shortcut_depthwise"),
                norm("norm_shortcut_depthwise"),
                layers.Conv2D(self.filters, 1, use_bias=False, dtype=policy, name="shortcut_width"),
                norm("norm_shortcut_width"),
            ]
        self.add = layers.Add(dtype=policy, name="add")
        for path in (self.body, self.shortcut):
            shape = input_shape
            for layer in path:
                layer.build(shape)
                shape = layer.compute_output_shape(shape)
        self.built = True

    def call(self, inputs, training=None):
        return self.add([_run(self.body, inputs, training), _run(self.shortcut, inputs, training)])

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        return (batch, -(-height // self.strides), -(-width // self.strides), self.filters)


def _run(path, x, training):
    for layer in path:
        # Only these behave differently in training, and only these take the argument.
        known = isinstance(layer, (GhostModule, TripletAttention, layers.BatchNormalization))
        x = layer(x, training=training) if known else layer(x)
    return x
