"""A trained model to its deploy form: the same function, laid out for inference.

The graph is walked once. Layers named in `REWRITES` are replaced by plain Keras layers that say the
same; all others are copied. What changes:

- BatchNorm after a convolution (or Dense) goes into that layer's weights; dropout goes away.
- Ghost modules and bottlenecks are opened up, so that the above reaches inside.
- Each gate of a triplet attention becomes a convolution along one axis of its plane with the *other
  axis as channels*. The 7x7 kernel on two maps fills one lane of a vector unit; laid out as a
  banded matrix it fills all. Zero "same" padding cuts the band off at the border, so it is exact.
- Means over the height or width of small maps are depthwise convolutions: int8 has a slow loop for means.
- The halves of a narrow Ghost module come out of its convolutions side by side, since depthwise
  kernels take 16 channels at a time and joining costs a pass over the map.
- The audio front-end stores factors instead of products of its matrices, about a quarter of the bytes.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops

from emotionnet.deploy.frontend import CompactMFCC, CompactSoundVector, CompactSpectrogram
from emotionnet.errors import EmotionNetError
from emotionnet.layers.attention import TripletAttention, banded
from emotionnet.layers.audio import MFCC, LogMelSpectrogram
from emotionnet.layers.ghost import GhostBottleneck, GhostModule
from emotionnet.layers.sound_vector import SoundVector

#: Channels that depthwise kernels take at a time: fewer cost as much.
_LANES = 16

#: Taps that depthwise kernels take at a time.
_TAPS = 9

_FOLDING = (layers.Conv2D, layers.DepthwiseConv2D, layers.Conv1D, layers.Dense)


def deploy_form(model: keras.Model) -> keras.Model:
    """The deploy form of a trained functional model; the model itself stays as it is.

    Args:
        model: any functional model of this project, nested models included. Its maps must have a
            fixed height and width.

    Returns:
        A model with the same inputs, outputs and names, also of nested models, that differs from
        ``model(..., training=False)`` only by rounding. float32 whatever the policy was.

    Raises:
        EmotionNetError: a weight is NaN or infinite.
    """
    check_finite(model)
    return Rewriter().model(model)


def check_finite(model: keras.Model) -> None:
    """Raises EmotionNetError, naming the weight, where one is not a finite number."""
    for weight in model.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
            raise EmotionNetError(
                f"the weight {weight.path} holds NaN or infinite numbers: the training diverged. "
                "Train again, with a smaller --learning-rate."
            )


class Rewriter:
    """Calls layers on symbolic tensors, as plain layers with the same weights."""

    def __init__(self, prefix: str = "", used: set[str] | None = None):
        self._prefix, self._used = prefix, set() if used is None else used
        # By the id of a tensor: the tensor (which keeps the id taken), what made it from what.
        self._made: dict[int, tuple] = {}
        self._models: dict[int, keras.Model] = {}

    def model(self, model: keras.Model) -> keras.Model:
        """A functional model, rewritten layer by layer."""
        return keras.models.clone_model(
            model, clone_function=lambda layer: layer, call_function=self.call
        )

    def call(self, layer, *args, **kwargs):
        """What ``layer(*args, **kwargs)`` gives, by other layers."""
        kwargs.pop("training", None)
        if isinstance(layer, keras.Model):
            # Called again it is the same model: its weights are there once.
            if id(layer) not in self._models:
                self._models[id(layer)] = Rewriter().model(layer)
            return self._models[id(layer)](*args)
        for kind, rewrite in REWRITES.items():
            if isinstance(layer, kind):
                return rewrite(self, layer, *args)
        if not isinstance(layer, layers.Layer):
            return layer(*args, **kwargs)
        output = self.copy(layer, *args, **kwargs)
        if isinstance(layer, _FOLDING) and keras.activations.linear is layer.activation:
            self._made[id(output)] = (output, layer, args[0])
        return output

    def inside(self, layer, x, path: list):
        """``x`` through the layers of ``path``, which are parts of ``layer``."""
        inner = Rewriter(f"{self._prefix}{layer.name}_", self._used)
        for part in path:
            x = inner.call(part, x)
        return x

    def copy(self, layer, *args, **kwargs):
        """Calls a new layer with the configuration and weights of ``layer``."""
        return self.new(layer, {}, layer.get_weights(), *args, **kwargs)

    def new(self, layer, changes: dict, weights: list, *args, **kwargs):
        """Calls a new layer like ``layer`` with changed configuration and other weights."""
        config = {**layer.get_config(), **changes, "dtype": "float32"}
        # A wrapper, as `Bidirectional`, holds layers that have a policy of their own.
        for inner in {"layer", "backward_layer"} & config.keys():
            config[inner]["config"]["dtype"] = "float32"
        config["name"] = self.name(config["name"])
        fresh = type(layer).from_config(config)
        output = fresh(*args, **kwargs)
        fresh.set_weights(weights)
        return output

    def name(self, name: str) -> str:
        """``name`` after those of the layers around it; numbered where it is taken."""
        name = free = self._prefix + name
        number = 1
        while free in self._used:
            number += 1
            free = f"{name}_{number}"
        self._used.add(free)
        return free

    def origin(self, tensor):
        """The layer and the input that ``tensor`` was made from, or None."""
        made = self._made.get(id(tensor))
        return made and made[1:]


def _norm(rewriter: Rewriter, norm, x):
    """BatchNorm into the weights of the layer before it."""
    origin = rewriter.origin(x)
    if origin is None or norm.axis not in (-1, len(x.shape) - 1):
        return rewriter.copy(norm, x)
    layer, before = origin
    changes = {"use_bias": True, "name": f"{layer.name}_folded"}
    return rewriter.new(layer, changes, folded(layer, norm), before)


def folded(layer, norm) -> list[np.ndarray]:
    """Kernel and bias of ``layer`` with the BatchNorm behind it, float64."""
    gamma, beta, mean, variance = norm_values(norm)
    scale = gamma / np.sqrt(variance + norm.epsilon)
    kernel, *bias = [w.astype(np.float64) for w in layer.get_weights()]
    shape = kernel.shape[-2:] if isinstance(layer, layers.DepthwiseConv2D) else (-1,)
    offset = beta + scale * ((bias[0] if bias else 0.0) - mean)
    return [kernel * scale.reshape(shape), offset]


def norm_values(norm) -> list[np.ndarray]:
    """gamma, beta, mean and variance of a BatchNorm, float64; ones or zeros where it has none."""
    width = norm.moving_mean.shape[0]
    gamma = norm.gamma if norm.scale else np.ones(width)
    beta = norm.beta if norm.center else np.zeros(width)
    values = (gamma, beta, norm.moving_mean, norm.moving_variance)
    return [ops.convert_to_numpy(v).astype(np.float64) for v in values]


def _normalization(rewriter: Rewriter, layer: layers.Normalization, x):
    """Fixed mean and variance as numbers of the graph: the layer's own are tensors outside of it,
    which tf2onnx takes for inputs. A layer, so that its tensors bear a name (see `quantize.scope`)."""
    mean, variance = (
        ops.convert_to_numpy(v).astype(np.float64).reshape(-1) for v in (layer.mean, layer.variance)
    )
    spread = np.maximum(np.sqrt(variance), keras.config.epsilon())
    scale, offset = (spread, mean) if layer.invert else (1 / spread, -mean / spread)
    name = rewriter.name(layer.name)
    return layers.Rescaling(scale.tolist(), offset.tolist(), dtype="float32", name=name)(x)


def _drop(rewriter: Rewriter, layer, x):
    return x


def _activation(rewriter: Rewriter, layer, x):
    return x if layer.activation is keras.activations.linear else rewriter.copy(layer, x)


def _ghost(rewriter: Rewriter, ghost: GhostModule, x):
    if ghost.filters <= _LANES and ghost.activation in (None, "relu"):
        return _doubled_ghost(rewriter, ghost, x)
    return joined_ghost(rewriter, ghost, x)


def joined_ghost(rewriter: Rewriter, ghost: GhostModule, x):
    """The layers of a Ghost module one by one, as they were trained."""
    primary = rewriter.inside(ghost, x, [ghost.primary, ghost.norms[0], ghost.act])
    cheap = rewriter.inside(ghost, primary, [ghost.cheap, ghost.norms[1], ghost.act])
    return rewriter.inside(ghost, [primary, cheap], [ghost.join])


def _doubled_ghost(rewriter: Rewriter, ghost: GhostModule, x):
    """Both halves from the first on, so that nothing is joined: the 1x1 convolution gives its maps
    twice, and the depthwise one keeps the first half as it is (ReLU does so too)."""
    half = ghost.filters // 2
    kernel, offset = folded(ghost.primary, ghost.norms[0])
    cheap, cheap_offset = folded(ghost.cheap, ghost.norms[1])
    keep = np.zeros_like(cheap)
    middle = (ghost.kernel_size - 1) // 2  # that "same" padding puts on the pixel itself
    keep[middle, middle] = 1.0
    primary = layers.Conv2D(ghost.filters, 1, name=rewriter.name(f"{ghost.name}_primary_doubled"))
    both = layers.DepthwiseConv2D(
        ghost.kernel_size, padding="same", name=rewriter.name(f"{ghost.name}_cheap_beside")
    )
    x = rewriter.inside(ghost, primary(x), [ghost.act])
    primary.set_weights([np.tile(kernel, 2), np.tile(offset, 2)])
    x = rewriter.inside(ghost, both(x), [ghost.act])
    both.set_weights([np.concatenate([keep, cheap], 2), np.append(np.zeros(half), cheap_offset)])
    return x


def _bottleneck(rewriter: Rewriter, block: GhostBottleneck, x):
    body = rewriter.inside(block, x, block.body)
    return rewriter.inside(block, [body, rewriter.inside(block, x, block.shortcut)], [block.add])


def _triplet(rewriter: Rewriter, attention: TripletAttention, x):
    gates = []
    for pair, convolution, norm in zip(attention.axes, attention.convolutions, attention.norms):
        gamma, beta, mean, variance = (float(v[0]) for v in norm_values(norm))
        scale = gamma / np.sqrt(variance + norm.epsilon)
        kernel = convolution.get_weights()[0][..., 0].astype(np.float64) * scale
        name = rewriter.name(f"{attention.name}_{pair}")
        gates.append(_banded_gate(x, attention.axes[pair], kernel, beta - scale * mean, name))
    # A third of each before they meet the whole map, not after.
    total = gates[0] + (gates[1] + (1.0 if attention.residual else 0.0)) + gates[2]
    return x * total


def _banded_gate(x, axis: int, kernel: np.ndarray, offset: float, name: str):
    """A third of one gate of a triplet attention, shaped to be broadcast over ``x``.

    Args:
        x: (batch, height, width, channels).
        axis: the axis that is reduced.
        kernel: (taps, taps, 2), BatchNorm folded in.
        offset: added before the sigmoid.
        name: of the convolution.
    """
    _, height, width, channels = x.shape
    reduced = [ops.max(x, axis=axis, keepdims=True), _mean(x, axis, f"{name}_mean")]
    # Where the plane's first axis lies, its length, and how the second one becomes the channels.
    place, along = (2, width) if axis == 1 else (1, height)
    turn = None
    if axis == 3:
        reduced = [ops.reshape(m, (-1, height, 1, width)) for m in reduced]
        across = width
    else:
        across = min(along, channels)
        if channels > along:
            # The shorter axis as channels: the band is then narrow, and the matrix small.
            turn = (0, 3, 2, 1) if place == 1 else (0, 1, 3, 2)
            kernel = kernel.transpose(1, 0, 2)
    band = np.asarray(banded(kernel, across))
    size = (len(band), 1) if place == 1 else (1, len(band))
    convolution = layers.Conv2D(across, size, padding="same", activation="sigmoid", name=name)
    if turn is None:
        both = ops.concatenate(reduced, axis=-1)
    else:  # joined before they are turned: one transposition, and long runs to copy
        both = ops.transpose(ops.concatenate(reduced, axis=place), turn)
    gate = convolution(both)
    convolution.set_weights([band.reshape(*size, *band.shape[1:]), np.full(across, offset)])
    if axis == 3:
        gate = ops.reshape(gate, (-1, height, width, 1))
    elif turn is not None:
        gate = ops.transpose(gate, turn)
    return gate * (1.0 / 3.0)


def _mean(x, axis: int, name: str):
    """The mean over an axis of a map (batch, height, width, channels), which is kept with length 1."""
    length = x.shape[axis]
    if axis == 3 or length > _TAPS:
        return ops.mean(x, axis=axis, keepdims=True)
    size = (length, 1) if axis == 1 else (1, length)
    mean = layers.DepthwiseConv2D(size, use_bias=False, name=name)
    output = mean(x)
    mean.set_weights([np.full((*size, x.shape[3], 1), 1 / length)])
    return output


def _front_end(compact: type) -> Callable:
    def rewrite(rewriter: Rewriter, layer, *args):
        config = {**layer.get_config(), "name": rewriter.name(layer.name)}
        return compact.from_config(config)(*args)

    return rewrite


#: Kind of layer to what calls it in its deploy form; the first that fits counts.
REWRITES: dict[type, Callable] = {
    GhostModule: _ghost,
    GhostBottleneck: _bottleneck,
    TripletAttention: _triplet,
    SoundVector: _front_end(CompactSoundVector),
    MFCC: _front_end(CompactMFCC),
    LogMelSpectrogram: _front_end(CompactSpectrogram),
    layers.BatchNormalization: _norm,
    layers.Normalization: _normalization,
    layers.Dropout: _drop,
    layers.Activation: _activation,
}
