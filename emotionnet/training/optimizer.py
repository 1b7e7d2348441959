"""The optimizer of a stream: Keras's own, with rates a layer, an average of the weights, and freezing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
import numpy as np

from emotionnet.errors import UsageError
from emotionnet.keras_private import layers_inside, rate_variable, weight_averages
from emotionnet.training.settings import Settings
from emotionnet.training.updates import updating

#: Weights that do not decay, beside all of fewer than two axes.
_UNDECAYED = ("bias", "gamma", "beta", "alpha")
_KERAS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
}


def compile_stream(model: keras.Model, settings: Settings, from_logits: bool = True) -> None:
    """Gives ``model`` its own optimizer, cross-entropy and accuracy.

    Raises:
        UsageError: ``settings`` name a layer that ``model`` does not have.
    """
    model.compile(
        optimizer=make_optimizer(model, settings),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=from_logits, label_smoothing=settings.label_smoothing
        ),
        # An object, not a name: a name makes its variables in the first step, which is then traced twice.
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        # XLA is about 9 times slower than the plain graph on a CPU; JAX has no other way.
        jit_compile=keras.backend.backend() == "jax",
    )
    # With all variables, also those that are frozen for now.
    model.optimizer.build(model.trainable_variables)


def make_optimizer(model: keras.Model, settings: Settings) -> keras.optimizers.Optimizer:
    """The optimizer that ``settings`` ask for, not built yet.

    The average keeps up with BatchNorm: its moving statistics are averaged like the weights, since
    those of the last few steps belong to other weights than the average.
    """
    fields = {"weight_decay": settings.weight_decay or None}
    if settings.optimizer == "adamw":
        fields["weight_decay"] = settings.weight_decay
    if settings.optimizer == "sgd":
        fields["momentum"] = settings.momentum
    if settings.clip_norm:
        fields["global_clipnorm"] = settings.clip_norm
    if settings.accumulate > 1:
        fields["gradient_accumulation_steps"] = settings.accumulate
    if settings.average:
        # Keras averages after every step, also those that only accumulate.
        fields |= {"use_ema": True, "ema_momentum": settings.average ** (1 / settings.accumulate)}
    optimizer = _CLASSES[settings.optimizer](settings.learning_rate, **fields)
    optimizer.follow(model, settings.rate_scales)
    optimizer.exclude_from_weight_decay(
        var_list=[w for w in model.weights if len(w.shape) < 2 or w.name in _UNDECAYED]
    )
    return optimizer


class _Scaled:
    """Our additions to an optimizer; mixed into Keras's classes."""

    def follow(self, model: keras.Model, rate_scales: dict[str, float]) -> None:
        """Notes the factor of each weight's rate, and the statistics to average with the weights."""
        depth = {id(layer): deep for layer, deep in _walk(model)}
        found = {name: find_layers(model, name) for name in rate_scales}
        self._scales = {}
        # From the outside to the inside, so that the innermost named layer has the last word.
        for name in sorted(found, key=lambda name: depth[id(found[name][0])]):
            for layer in found[name]:
                self._scales |= {self._var_key(w): rate_scales[name] for w in layer.weights}
        # Elsewhere an optimizer may not touch what is not its own (JAX is stateless).
        averaged = self.use_ema and keras.backend.backend() == "tensorflow"
        self._followed = statistics(model) if averaged else []

    def build(self, variables):
        super().build(variables)
        self._averages = [self.add_variable_from_reference(w, "average") for w in self._followed]

    def scale_of(self, variable) -> float:
        """The factor of a weight's rate."""
        return self._scales.get(self._var_key(variable), 1.0)

    def scaled(self, rate) -> dict:
        """A rate as each factor makes it."""
        return {1.0: rate} | {scale: rate * scale for scale in {*self._scales.values()} - {1.0}}

    def averages(self) -> list[tuple]:
        """Each weight that learns now and each statistic that is averaged, with the variable that holds its average."""
        weights = [(weight, its) for weight, its in weight_averages(self) if weight.trainable]
        return [*weights, *zip(self._followed, self._averages)]


_CLASSES = {
    name: type(each.__name__, (_Scaled, updating(each), each), {}) for name, each in _KERAS.items()
}


def _own(optimizer):
    """The optimizer inside the one that scales the loss (float16)."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def reset(optimizer) -> None:
    """Makes a built optimizer as good as new; its learning rate and loss scale stay."""
    own = _own(optimizer)
    for variable in own.variables:
        if variable is not rate_variable(own):
            variable.assign(np.zeros(variable.shape, variable.dtype))


@contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Inside, ``model`` has the averages of its weights, where its optimizer keeps them."""
    own = _own(model.optimizer)
    if not own.use_ema:
        yield
        return
    pairs = own.averages()
    before = [np.array(variable) for variable, _ in pairs]
    for variable, average in pairs:
        # A copy: JAX would have both share memory, which a step on one of them gives away.
        variable.assign(np.array(average))
    try:
        yield
    finally:
        for (variable, _), value in zip(pairs, before):
            variable.assign(value)


def statistics(model: keras.Model) -> list:
    """The moving statistics of every BatchNorm of ``model``."""
    norms = [x for x, _ in _walk(model) if isinstance(x, keras.layers.BatchNormalization)]
    return [w for norm in norms for w in norm.non_trainable_weights]


class Freezing:
    """Freezes layers of a compiled model, and gives back how they were.

    Args:
        model: compiled.
        names: of layers, see `find_layers`.

    Raises:
        UsageError: a name that the model does not have; or nothing is left to learn.
    """

    def __init__(self, model: keras.Model, names: Sequence[str]):
        self._model, self._frozen = model, False
        self._before = [
            (inner, inner.trainable)
            for name in names
            for layer in find_layers(model, name)
            for inner, _ in _walk(layer)
        ]

    def freeze(self) -> None:
        """From now on the layers do not learn."""
        self._set(True)
        if self._before and not self._model.trainable_variables:
            self.end()
            raise UsageError("all layers are frozen: nothing is left to learn. Freeze fewer.")

    def end(self) -> bool:
        """The layers learn again, as far as they did before; says whether that is new."""
        was = self._frozen and bool(self._before)
        if self._frozen:
            self._set(False)
        return was

    def _set(self, frozen: bool) -> None:
        self._frozen = frozen
        for layer, trainable in self._before:
            layer.trainable = trainable and not frozen
        if self._before:
            self._model.make_train_function(force=True)


def find_layers(model: keras.Model, name: str) -> list[keras.Layer]:
    """The layers called ``name`` at any depth of ``model``; "outer/inner" says inside which.

    Raises:
        UsageError: there is none; the message names the outer ones.
    """
    found = [model]
    for part in name.split("/"):
        inside = [layer for each in found for layer, depth in _walk(each) if depth]
        found = [*{id(layer): layer for layer in inside if layer.name == part}.values()]
    if not found:
        known = ", ".join(layer.name for layer in model.layers if layer.weights)
        raise UsageError(f"no layer {name!r} in {model.name}. It has {known}, and what is in them.")
    return found


def _walk(layer: keras.Layer, depth: int = 0) -> Iterator[tuple[keras.Layer, int]]:
    """A layer and all that are in it, outer before inner, with their depth."""
    yield layer, depth
    for inner in layers_inside(layer, deep=False):
        yield from _walk(inner, depth + 1)
