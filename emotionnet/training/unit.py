"""A unit of training: the part of a model that a stage trains or fits at once, and its clips."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras

from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.inputs.augmentation import Augmentation
from emotionnet.inputs.kinds import STREAMS, WINDOW_MOVES, has, streams_in
from emotionnet.keras_private import given_by, layers_inside
from emotionnet.systems import stages_of
from emotionnet.systems.stages import Fit, Learn, Stage, seen_by
from emotionnet.training.front import Cut, needed_inputs
from emotionnet.training.optimizer import find_layers
from emotionnet.training.settings import Settings


@dataclass(frozen=True)
class Unit:
    """The part of a model that one stage is about.

    Attributes:
        stage: what is trained, or fitted.
        streams: that it looks at, of those that the run trains.
        model: inputs by name to logits, probabilities or features.
    """

    stage: Stage
    streams: tuple[str, ...]
    model: keras.Model

    @property
    def name(self) -> str:
        """Of the stage."""
        return self.stage.name

    @property
    def logits(self) -> bool:
        """Whether it answers with logits."""
        return self.stage.logits

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of its inputs."""
        return tuple(self.model.input)

    @property
    def needs(self) -> str:
        """What a clip must have, in words."""
        joint = " and " if self.stage.whole else " or "
        return joint.join(STREAMS[stream].name for stream in self.streams)

    def rows(self, records: Any, rows: Iterable) -> list:
        """Those of ``rows`` that have what it needs."""
        return rows_for(self.stage, self.streams, records, rows)


def units_of(model: keras.Model, config: dict[str, Any]) -> list[Unit]:
    """The parts of ``model`` that a run of this ``config`` trains and fits, in order.

    Raises:
        EmotionNetError: a stage names a layer that the model does not have.
    """
    return [unit_of(model, config, stage) for stage in run_stages(config)]


def run_stages(config: dict[str, Any]) -> tuple[Stage, ...]:
    """The stages of a run of this ``config``."""
    fields, joint = config.get("system_config", {}), config.get("joint", False)
    return stages_of(config["system"], fields, joint)


def learnt_names(config: dict[str, Any]) -> list[str]:
    """Names of what a run of this ``config`` learns by gradient, in order."""
    return [stage.name for stage in run_stages(config) if isinstance(stage, Learn)]


def rows_for(stage: Stage, streams: Sequence[str], records: Any, rows: Iterable) -> list:
    """Those of ``rows`` that have what ``stage`` needs of ``streams``."""
    every = all if stage.whole else any
    needed = seen_by(stage, streams)
    return [row for row in rows if every(has(records, row, stream) for stream in needed)]


def unit_of(model: keras.Model, config: dict[str, Any], stage: Stage | str) -> Unit:
    """The part of ``model`` that ``stage``, or the stage of that name, is about.

    Raises:
        EmotionNetError: the stage names a layer that the model does not have.
    """
    if isinstance(stage, str):
        (stage,) = (each for each in run_stages(config) if each.name == stage)
    streams = seen_by(stage, config["streams"])
    where = stage.layer if isinstance(stage, Learn) else stage.on
    if not where:  # through the fusion
        answer = model.output["probabilities"]
        return Unit(stage, streams, keras.Model(model.input, answer, name=stage.name))
    layer = _layer(model, where, config, stage)
    if not isinstance(stage, Learn):
        _layer(model, stage.layer, config, stage)
    if (
        isinstance(layer, keras.Model)
        and isinstance(layer.input, dict)
        and isinstance(stage, Learn)
    ):
        return Unit(stage, streams or streams_in(layer.input), layer)
    owner, outputs = _owner(model, layer), layer.output
    if isinstance(layer, keras.Model):  # whose own output is not yet a part of the model around it
        outputs = given_by(layer)
        outputs = outputs[0] if len(outputs) == 1 else outputs
    if isinstance(stage, Fit) and stage.mask:
        outputs = [outputs, owner.input[stage.mask]]
    inputs = {name: owner.input[name] for name in needed_inputs(outputs, owner.input)}
    part = keras.Model(inputs, outputs, name=stage.name)
    return Unit(stage, streams or streams_in(inputs), part)


def _layer(model: keras.Model, name: str, config: dict, stage: Stage) -> keras.Layer:
    try:
        return find_layers(model, name)[0]
    except UsageError as error:
        raise EmotionNetError(
            f"system {config['system']}: its stage {stage.name!r} names the layer {name!r}, which its "
            f"model does not have ({error})"
        ) from None


def _owner(model: keras.Model, layer: keras.Layer) -> keras.Model:
    """The model, with inputs by name, that directly contains ``layer``."""
    for each in (model, *layers_inside(model)):
        if not isinstance(each, keras.Model):
            continue
        if isinstance(each.input, dict) and any(own is layer for own in each.layers):
            return each
    return model


def settings_for(unit: Unit, settings: Settings) -> Settings:
    """``settings``; where ``unit``'s stage trains some layers alone, with all others frozen to the end."""
    if not unit.stage.learns:
        return settings
    learning = {
        id(weight)
        for name in unit.stage.learns
        for layer in find_layers(unit.model, name)
        for weight in layer.weights
    }
    rest = [
        layer.name
        for layer in unit.model.layers
        if layer.weights and not any(id(weight) in learning for weight in layer.weights)
    ]
    frozen = tuple(dict.fromkeys((*settings.frozen, *rest)))
    return dataclasses.replace(settings, frozen=frozen, frozen_epochs=0)


def cut_of(unit: Unit, settings: Settings) -> Cut | None:
    """``unit`` cut behind its front, if it has one and nothing in there learns."""
    if not unit.stage.front:
        return None
    cut, settings = Cut(unit.model, unit.stage.front), settings_for(unit, settings)
    fixed = {id(weight) for weight in unit.model.non_trainable_weights if not _is_statistic(weight)}
    for name in settings.frozen if not settings.frozen_epochs else ():
        for layer in find_layers(unit.model, name):
            fixed |= {id(weight) for weight in layer.weights}
    return cut if all(id(weight) in fixed for weight in cut.front.weights) else None


def _is_statistic(weight) -> bool:
    """Whether a weight changes in training without being trained by gradient: of BatchNorm."""
    return weight.path.rpartition("/")[2] in ("moving_mean", "moving_variance")


def is_still(unit: Unit, strength: Augmentation | None) -> bool:
    """Whether a clip gives ``unit`` the same in every epoch."""
    still = isinstance(unit.stage, Learn) and unit.stage.still
    moved = (WINDOW_MOVES.name,) if windows_of(unit.model) else ()
    return still or strength is None or not strength.changes((*unit.inputs, *moved))


def windows_of(model: keras.Model) -> keras.Layer | None:
    """The layer of ``model`` that cuts the sound around its frames; None where there is none."""
    from emotionnet.layers import SegmentWindows

    return next((layer for layer in model.layers if isinstance(layer, SegmentWindows)), None)


def moving(unit: Unit, strength: Augmentation | None) -> keras.Model:
    """The model of ``unit``; where its windows of sound follow drawn frames, with the input for it.

    It has the same weights, and `WINDOW_MOVES` for an input more. What answers later does not have it.
    """
    cutter = windows_of(unit.model)
    if cutter is None or strength is None or not strength.moves_windows:
        return unit.model
    rest = Cut(unit.model, cutter.name).rest
    own = {each.name: each for each in unit.model.inputs}
    inputs = {
        name: keras.Input(own[name].shape[1:], name=name, dtype=own[name].dtype)
        for name in unit.inputs
    }
    moves = keras.Input((cutter.segments,), name=WINDOW_MOVES.name, dtype=WINDOW_MOVES.dtype)
    windows = type(cutter).from_config(cutter.get_config())
    cut = windows(*(inputs[name] for name in STREAMS["speech"].inputs), moves)
    between = dict(zip((cutter.name, f"{cutter.name}_mask"), cut, strict=True))
    given = {name: between.get(name, inputs.get(name)) for name in rest.input}
    return keras.Model({**inputs, WINDOW_MOVES.name: moves}, rest(given), name=unit.model.name)


@dataclass(frozen=True)
class Trained:
    """The part of a unit that is given to train.

    Attributes:
        model: inputs by name to what the unit answers.
        settings: those that concern it.
        cut: the unit in two parts, where what the first one gives need not be computed again; else None.
    """

    model: keras.Model
    settings: Settings
    cut: Cut | None

    @property
    def from_front(self) -> bool:
        """Whether it learns from what the front gave once, rather than from clips."""
        return self.cut is not None and self.model is self.cut.rest


def trained_part(unit: Unit, settings: Settings, strength: Augmentation | None) -> Trained:
    """What of ``unit`` a run with these settings and this augmentation trains.

    Raises:
        UsageError: the settings name a layer that ``unit`` does not have.
    """
    settings = settings_for(unit, settings)
    cut = cut_of(unit, settings)
    if not cut or not is_still(unit, strength):
        return Trained(moving(unit, strength), settings, cut)
    weights = {id(weight) for weight in cut.rest.weights}

    def concerns(name: str) -> bool:
        layers = find_layers(unit.model, name)
        return any(id(weight) in weights for layer in layers for weight in layer.weights)

    concerning = dataclasses.replace(
        settings,
        frozen=tuple(filter(concerns, settings.frozen)),
        rate_scales={k: v for k, v in settings.rate_scales.items() if concerns(k)},
    )
    return Trained(cut.rest, concerning, cut)
