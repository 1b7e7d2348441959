"""A product of settings, and the trainings that its cells need: what is equal is trained once.

Where answers are fused without weights, each stream is trained by itself for each of the settings that
concern it, and a cell is a set of such trainings. The system says which setting concerns which stream (``CONCERNS``).
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emotionnet.errors import UsageError
from emotionnet.training.config import BEGINNINGS, home_of
from emotionnet.values import value_of

#: Options of `emotionnet.fit`, beside the fields of a system, a training and an augmentation, that cells
#: may differ in.
FLAGS = (
    *BEGINNINGS,
    *("augment", "backbone_weights", "joint", "learning"),
    *("per_epoch", "pool_every", "precision", "start_fraction", "teachers_share", "train_actors"),
)
#: How a cell's own fusion is called in ``CONCERNS``, beside the streams.
FUSION = "fusion"


@dataclass(frozen=True)
class Axis:
    """A setting and its values.

    Attributes:
        field: its name.
        values: that cells have.
        home: the option of `emotionnet.fit` that is a dict and takes it; "" where it is one itself.
        streams: whose training it concerns; none where it only says how answers are fused.
    """

    field: str
    values: tuple[Any, ...]
    home: str
    streams: tuple[str, ...]


@dataclass(frozen=True)
class Training:
    """One training, which several cells may share.

    Attributes:
        streams: as of `emotionnet.fit`.
        values: of the axes that concern it.
    """

    streams: str
    values: tuple[tuple[Axis, Any], ...]

    @property
    def name(self) -> str:
        """Of its run folder."""
        words = [self.streams, *(f"{axis.field}={value}" for axis, value in self.values)]
        return re.sub(r"[^\w.=+-]", "_", "-".join(words))

    def options(self, others: Mapping[str, Any]) -> dict[str, Any]:
        """Options of `emotionnet.fit`: ``others``, and its own on top."""
        options = {**others, "streams": self.streams}
        for axis, value in self.values:
            if axis.home:
                options[axis.home] = {**(options.get(axis.home) or {}), axis.field: value}
            else:
                options[axis.field] = value
        return options


@dataclass(frozen=True)
class Cell:
    """One setting of everything.

    Attributes:
        values: field → value.
        trainings: that answer together.
    """

    values: dict[str, Any]
    trainings: tuple[Training, ...]

    @property
    def name(self) -> str:
        """Its values, for people."""
        words = (v if isinstance(v, str) else f"{k}={v}" for k, v in self.values.items())
        return " ".join(words)


def read_axes(texts: Sequence[str]) -> dict[str, list[Any]]:
    """``FIELD=VALUE,VALUE`` … of a command line: a value is a Python literal where it is one, else text.

    Raises:
        UsageError: one is nothing of the kind, or names a field again.
    """
    axes: dict[str, list[Any]] = {}
    for text in texts:
        field, _, values = text.partition("=")
        # Not at commas within brackets.
        words = [each.strip() for each in re.split(r",(?![^(\[]*[)\]])", values)]
        if not field or not all(words):
            raise UsageError(f"{text!r}: expected FIELD=VALUE,VALUE … like variant=F1,F4")
        if field in axes:
            raise UsageError(f"{field}: is named twice.")
        axes[field] = [value_of(word) for word in words]
    return axes


def axes_of(
    asked: Mapping[str, Sequence[Any]], system: str, streams: Sequence[str], options: Mapping[str, Any]
) -> list[Axis]:  # fmt: skip
    """The axes of a product, checked.

    Args:
        asked: field → values.
        system: name of the system.
        streams: that are trained.
        options: of `emotionnet.fit`, the same for all cells.

    Raises:
        UsageError: a field that there is not (near misses are named), one that concerns nothing that is
            trained, or one that is given for all cells too.
    """
    if not asked:
        raise UsageError("nothing to vary: name settings, like variant=F1,F4 dropout=0.1,0.2.")
    concerns = _concerns(system)
    axes = []
    for field, values in asked.items():
        home = "" if field in FLAGS else home_of(field, system, FLAGS)
        stream = field.rpartition(".")[0]
        fixed = {**options, **((options.get(home) if home else None) or {})}
        if fixed.get(field) is not None:
            raise UsageError(f"{field}: is varied, and given for all cells too. Leave one of both.")
        alone = stream or field.removeprefix("init_") * field.startswith("init_")
        own = [
            name for name, fields in concerns.items() if home == "system_config" and field in fields
        ]
        own = [alone] if alone else own
        if any(name not in (*streams, FUSION) for name in own) or (
            FUSION in own and len(streams) < 2
        ):
            raise UsageError(
                f"{field}: concerns {own[0]} alone, and what is trained is {' and '.join(streams)}."
            )
        touched = tuple(each for each in streams if not own or each in own)
        axes.append(Axis(field, tuple(dict.fromkeys(values)), home, touched))
    return axes


def cells_of(
    axes: Sequence[Axis], system: str, streams: Sequence[str], joint: bool = False
) -> list[Cell]:
    """Every cell of the product, in the order of the axes.

    Args:
        axes: of `axes_of`.
        system: name of the system.
        streams: that are trained.
        joint: the streams are trained through their fusion, so that nothing can be trained apart.
    """
    joint = joint or any(axis.field == "joint" for axis in axes)
    apart = bool(_concerns(system)) and not joint
    cells = []
    for values in itertools.product(*(axis.values for axis in axes)):
        pairs = tuple(zip(axes, values))
        trainings = [
            Training(each, tuple((axis, v) for axis, v in pairs if each in axis.streams))
            for each in streams
        ]
        whole = Training("+".join(streams), pairs)
        own = tuple(trainings) if apart and len(streams) > 1 else (whole,)
        cells.append(Cell({axis.field: value for axis, value in pairs}, own))
    return cells


def _concerns(system: str) -> Mapping[str, Sequence[str]]:
    from emotionnet.systems import get_system

    return getattr(get_system(system), "CONCERNS", {})
