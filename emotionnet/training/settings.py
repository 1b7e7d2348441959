"""How a stream is trained: every number of it, checked, as plain data that a run's config keeps."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emotionnet.errors import UsageError
from emotionnet.values import typed

OPTIMIZERS = ("adam", "adamw", "sgd")
DECAYS = ("cosine", "step", "plateau", "constant")
#: A validation loss is better when it is lower by more than this (that of Keras and PyTorch).
LEAST_GAIN = 1e-4
#: Smallest and largest value; None for no bound. The largest itself is allowed unless it is 1.
_RANGES = {
    "epochs": (1, None),
    "batch_size": (1, None),
    "learning_rate": (0, None),
    "momentum": (0, 1),
    "weight_decay": (0, None),
    "plateau_factor": (0, 1),
    "plateau_patience": (1, None),
    "warmup_epochs": (0, None),
    "patience": (0, None),
    "label_smoothing": (0, 1),
    "clip_norm": (0, None),
    "mixup": (0, None),
    "average": (0, 1),
    "accumulate": (1, None),
    "frozen_epochs": (0, None),
}


@dataclass(frozen=True)
class Settings:
    """How to train a stream.

    Args:
        epochs: at most this many.
        batch_size: clips a step.
        learning_rate: the largest.
        optimizer: "adam", "adamw" (the same, where ``weight_decay`` is set) or "sgd".
        momentum: of "sgd".
        weight_decay: share of the learning rate by which a weight shrinks in each update, apart
            from the gradient (Loshchilov and Hutter, ICLR 2019). Biases, the numbers of norms and
            slopes of PReLU do not shrink. With "sgd" and momentum m, PyTorch's ``weight_decay`` is
            about (1 - m) times this one, since there it passes through the momentum.
        decay: "cosine", to zero over ``epochs``; "step", to a tenth after half of them; "plateau",
            times ``plateau_factor`` after ``plateau_patience`` epochs in which the validation loss
            is no better (the training loss, without validation clips); or "constant".
        plateau_factor, plateau_patience: of "plateau".
        warmup_epochs: epochs (or a share of one) in which the rate rises to ``learning_rate``.
        patience: epochs without a better validation score before stopping; 0 never stops early.
        label_smoothing: share of the target spread over all classes.
        clip_norm: largest global norm of the gradient; 0 for any.
        mixup: alpha of the Beta distribution by which clips of a batch are mixed (Zhang et al.,
            ICLR 2018); 0 mixes none.
        average: momentum of the moving average of the weights, an update; the average is what is
            validated and kept. 0 averages none.
        accumulate: steps whose gradients make one update.
        frozen: layers that do not learn, by name at any depth, or "outer/inner". Their BatchNorm
            uses its moving statistics.
        frozen_epochs: epochs after which they do learn, with a fresh optimizer; 0 for never, as in stages that
            train some layers alone (`emotionnet.systems.stages.Learn`).
        rate_scales: layer → factor of its learning rate; where layers nest, the innermost counts.
        seed: of weights, order, augmentation and dropout.
        save_every_s: seconds after which a checkpoint is written inside an epoch.

    Raises:
        UsageError: a value of another type, unknown or out of range.
    """

    epochs: int = 40
    batch_size: int = 8
    learning_rate: float = 1e-3
    optimizer: str = "adam"
    momentum: float = 0.9
    weight_decay: float = 0.0
    decay: str = "cosine"
    plateau_factor: float = 0.5
    plateau_patience: int = 5
    warmup_epochs: float = 0.0
    patience: int = 10
    label_smoothing: float = 0.0
    clip_norm: float = 5.0
    mixup: float = 0.0
    average: float = 0.0
    accumulate: int = 1
    frozen: Sequence[str] = ()
    frozen_epochs: int = 0
    rate_scales: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    save_every_s: float = 60.0

    def __post_init__(self):
        for each in dataclasses.fields(self):
            value = _typed(each, getattr(self, each.name))
            object.__setattr__(self, each.name, value)
            low, high = _RANGES.get(each.name, (None, None))
            if low is not None and not (value >= low and (high is None or value < high)):
                bound = f"at least {low}" if high is None else f"from {low} to below {high}"
                raise UsageError(f"{each.name} is {value!r}; it needs a number {bound}.")
        for name, known in (("optimizer", OPTIMIZERS), ("decay", DECAYS)):
            if getattr(self, name) not in known:
                raise UsageError(
                    f"{name} is {getattr(self, name)!r}; it is one of {', '.join(known)}."
                )

    def learning_rate_at(self, progress: float, reductions: int = 0) -> float:
        """The learning rate when a share of the epochs, 0 to 1, is done.

        Args:
            progress: that share.
            reductions: how often a plateau was met, see `plateaus`.
        """
        warmup = min(self.warmup_epochs / self.epochs, 1.0)
        if progress < warmup:
            return self.learning_rate * progress / warmup
        if self.decay == "step":
            return self.learning_rate * (1.0 if progress < 0.5 else 0.1)
        if self.decay == "plateau":
            return self.learning_rate * self.plateau_factor**reductions
        if self.decay == "constant":
            return self.learning_rate
        done = (progress - warmup) / (1 - warmup) if warmup < 1 else 1.0
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2

    def plateaus(self, losses: Sequence[float]) -> int:
        """How often ``losses`` (one an epoch) did not get better for ``plateau_patience`` epochs.

        A function of the history, so that a training which resumes needs to keep nothing.
        """
        best, wait, found = math.inf, 0, 0
        for loss in losses:
            if loss < best - LEAST_GAIN:
                best, wait = loss, 0
            else:
                wait += 1
            if wait >= self.plateau_patience:
                wait, found = 0, found + 1
        return found


def plain(settings: Settings) -> dict[str, Any]:
    """``settings`` as a run's config keeps them; the seed is the run's own."""
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    values.pop("seed")
    return values | {"frozen": list(settings.frozen), "rate_scales": dict(settings.rate_scales)}


def settings_of(config: Mapping[str, Any], name: str) -> Settings:
    """How a run of this ``config`` trains what it calls ``name``."""
    per_stream = config["settings"]
    return Settings(seed=config["seed"], **per_stream.get(name, per_stream["faces"]))


def check_names(names: Sequence[str]) -> None:
    """Refuses unknown settings (the seed has its own option).

    Raises:
        UsageError: names the unknown one and those that there are.
    """
    known = [field.name for field in dataclasses.fields(Settings) if field.name != "seed"]
    for name in names:
        if name not in known:
            raise UsageError(f"training has no setting {name!r}. It has: {', '.join(known)}.")


def _typed(field: dataclasses.Field, value: Any) -> Any:
    """``value`` in the type of ``field``; text like "a,b" and "a:0.1,b:2" becomes tuple and dict."""
    name = field.name
    if name == "frozen":
        value = value.split(",") if isinstance(value, str) else value
        if not isinstance(value, list | tuple) or not all(isinstance(x, str) for x in value):
            raise UsageError(
                f"frozen is {value!r}; it needs names of layers, like stem,bottleneck_1."
            )
        return tuple(each.strip() for each in value if each.strip())
    if name == "rate_scales":
        try:
            if isinstance(value, str):
                value = dict(pair.split(":") for pair in value.split(",") if pair.strip())
            scales = {layer.strip(): float(factor) for layer, factor in dict(value).items()}
        except (TypeError, ValueError, AttributeError):
            raise UsageError(
                f"rate_scales is {value!r}; it needs layers and factors, like face_encoder:0.1."
            ) from None
        if any(not 0 <= factor < math.inf for factor in scales.values()):
            raise UsageError(f"rate_scales is {value!r}; a factor is a number of at least 0.")
        return scales
    return typed(field, value)
