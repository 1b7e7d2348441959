"""The defaults of a run: one list of rules, ours first, then those of the system; the last that holds wins."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emotionnet.clips.copies import KINDS
from emotionnet.systems import get_system


@dataclass(frozen=True)
class Usual:
    """Settings, and when they are meant.

    Args:
        when: ``corpus``, ``augment`` or a field of the system's ``Config`` → the value that it must have; several in
            a tuple; "!demo" is any but that one. Empty: always.
        run: field of `emotionnet.training.config.RunConfig` → value.
        config: field of the system's ``Config`` → value; where ``when`` is about the corpus alone.
        train: stream → all that differs for it from `emotionnet.training.settings.Settings`.
        augmentation: field of `emotionnet.inputs.augmentation.Augmentation` → value.
    """

    when: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    augmentation: Mapping[str, Any] = field(default_factory=dict)

    def holds(self, known: Mapping[str, Any]) -> bool:
        """Whether they are meant where ``known`` is the case."""
        return all(_is(known.get(name), wanted) for name, wanted in self.when.items())


def _is(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, str) and wanted.startswith("!"):
        return value != wanted[1:]
    return value in wanted if isinstance(wanted, tuple) else value == wanted


#: No paper says how long and how fast a stream is trained: ours. The demo is smaller, and done in minutes on two cores.
#: Names of augmentations: ``ours`` is what the paper names, unless the system says otherwise.
GENERAL = (
    Usual(
        run={"protocol": "actor_folds", "augment": "ours"},
        config={"batch_norm_momentum": 0.9},  # 0.99 lags behind in trainings of a few hundred steps
        train={
            "faces": {"epochs": 40, "batch_size": 8, "learning_rate": 1e-3, "patience": 10},
            "speech": {"epochs": 100, "batch_size": 32, "learning_rate": 1e-3, "patience": 30},
        },
    ),
    Usual(
        {"corpus": "demo"},
        run={"protocol": "holdout", "augment": "light"},
        config={"image_size": 112},
        train={
            "faces": {"epochs": 12, "batch_size": 8, "learning_rate": 2e-3, "patience": 0},
            "speech": {"epochs": 30, "batch_size": 16, "learning_rate": 1e-3, "patience": 0},
        },
    ),
    # The division that the set brings itself; and little variation, since a small network underfits it.
    Usual({"corpus": "fer2013"}, run={"protocol": "given", "augment": "light"}),
    Usual({"augment": ("ours", "paper")}, augmentation={"copies": KINDS}),
    # System 3's way with faces: as named there (rotation, shift, zoom, flip, brightness, contrast, random
    # erasing); how strong is ours.
    Usual(
        {"augment": "strong"},
        augmentation={
            "rotation_degrees": 10.0, "shift": 0.07, "scale": 0.12, "brightness": 0.15, "contrast": 0.25,
            "erase_share": 0.15, "erase_area": 0.12, "noise_share": 0.0,
        },
    ),
)  # fmt: skip


def usual(system: str | None, what: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """What rules say of ``what`` (``run``, ``config``, ``train`` or ``augmentation``) where ``known`` is the case.

    Args:
        system: name of the system, for its own ``USUAL`` too.
        what: the attribute of `Usual`.
        known: ``corpus``, ``augment`` and fields of the system's ``Config``, as far as they are known.
    """
    found: dict[str, Any] = {}
    own = getattr(get_system(system), "USUAL", ()) if system else ()
    for rule in (*GENERAL, *own):
        if rule.holds(known):
            found |= getattr(rule, what)
    return found
