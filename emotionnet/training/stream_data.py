"""What a stream learns from: the clips that have what it needs, as batches, epoch after epoch."""

import dataclasses
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from emotionnet.errors import EmotionNetError
from emotionnet.inputs.augmentation import Augmentation
from emotionnet.inputs.copies import KINDS
from emotionnet.inputs.opening import open_source
from emotionnet.inputs.protocols import PROTOCOLS
from emotionnet.inputs.source import Source, training_steps
from emotionnet.inputs.views import STREAM_INPUTS
from emotionnet.systems import get_system, recipe
from emotionnet.training.devices import ONE, Devices
from emotionnet.training.front import Cut, Front, uncertainty
from emotionnet.training.loop import Settings, StreamData
from emotionnet.training.optimizer import find_layers
from emotionnet.training.run import Run
from emotionnet.training.uncertainty import LabelPool, Learning

#: System 3's way with faces: as named there (rotation, shift, zoom, flip, brightness, contrast, random
#: erasing); how strong is ours.
STRONG = {
    "rotation_degrees": 10.0, "shift": 0.07, "scale": 0.12, "brightness": 0.15, "contrast": 0.25,
    "erase_share": 0.15, "erase_area": 0.12, "noise_share": 0.0,
}  # fmt: skip
#: The stream that is all streams at once.
JOINT = "joint"


@dataclass(frozen=True)
class Unit:
    """What is trained at once: a stream of a model, or all of them.

    Attributes:
        name: of the stream, or `JOINT`.
        model: inputs to logits or probabilities.
        inputs: names of its inputs.
        logits: whether it gives logits.
        front: its last layers before what learns, see `emotionnet.systems.base.Stream`.
    """

    name: str
    model: keras.Model
    inputs: tuple[str, ...]
    logits: bool = True
    front: str | tuple[str, ...] = ""


def unit_of(model: keras.Model, config: dict, name: str) -> Unit:
    """The part of ``model`` that a run of this ``config`` trains as ``name``."""
    stream = get_system(config["system"]).STREAMS.get(name)
    if stream is None:
        joint = keras.Model(model.input, model.output["probabilities"])
        return Unit(name, joint, tuple(model.input), logits=False)
    layer = model.get_layer(stream.layer)
    if isinstance(layer, keras.Model):
        return Unit(name, layer, stream.inputs, front=stream.front)
    seen = {key for each in config["streams"] for key in STREAM_INPUTS[each]}
    inputs = tuple(key for key in stream.inputs if key in seen)
    logits = keras.Model({key: model.input[key] for key in inputs}, layer.output)
    return Unit(name, logits, inputs, front=stream.front)


def has_stream(row, stream: str, streams: Sequence[str] = tuple(STREAM_INPUTS)) -> bool:
    """Whether a clip of the records has what ``stream`` needs; `JOINT` needs any of ``streams``."""
    has = {"faces": row.faces_found > 0, "speech": row.samples > 0}
    return has[stream] if stream != JOINT else any(has[each] for each in streams)


def augmentation(config: dict) -> Augmentation | None:
    """What ``--augment`` means for the run's system."""
    if config["augment"] == "none":
        return None
    own = recipe(config["system"], "AUGMENTATION", config.get("system_config", {}))
    own = own.get(config["augment"], {})
    general = {"copies": KINDS if config["augment"] == "paper" else ()}
    general |= STRONG if config["augment"] == "strong" else {}
    return Augmentation(**{**general, **own, **config.get("augmentation", {})})


def cut_of(unit: Unit, settings: Settings) -> Cut | None:
    """``unit`` cut behind its front, if it has one and nothing in there learns."""
    if not unit.front:
        return None
    cut = Cut(unit.model, unit.front)
    frozen = {
        id(weight)
        for name in (settings.frozen if not settings.frozen_epochs else ())
        for layer in find_layers(unit.model, name)
        for weight in layer.weights
    }
    return cut if all(id(weight) in frozen for weight in cut.front.weights) else None


def is_still(unit: Unit, strength: Augmentation | None) -> bool:
    """Whether a clip gives ``unit`` the same in every epoch."""
    return strength is None or not strength.changes(unit.inputs)


def trained_part(
    unit: Unit, settings: Settings, strength: Augmentation | None
) -> tuple[keras.Model, Settings]:
    """The part of ``unit`` that `stream_data` gives to train, and the settings that concern it.

    Raises:
        UsageError: the settings name a layer that ``unit`` does not have.
    """
    cut = cut_of(unit, settings)
    if not cut or not is_still(unit, strength):
        return unit.model, settings
    weights = {id(weight) for weight in cut.rest.weights}

    def concerns(name: str) -> bool:
        layers = find_layers(unit.model, name)
        return any(id(weight) in weights for layer in layers for weight in layer.weights)

    return cut.rest, dataclasses.replace(
        settings,
        frozen=tuple(filter(concerns, settings.frozen)),
        rate_scales={k: v for k, v in settings.rate_scales.items() if concerns(k)},
    )


def stream_data(
    run: Run, records, parts: dict, unit: Unit, settings: Settings, moved: list[list],
    devices: Devices = ONE, taught: Mapping[str, np.ndarray] | None = None,
) -> tuple[keras.Model, StreamData]:  # fmt: skip
    """The model to train and its batches.

    Args:
        run: which is trained.
        records: opened `emotionnet.clips.records.Records` or `emotionnet.inputs.cache.ViewCache`.
        parts: rows of ``train`` and ``validation``.
        unit: what is trained.
        settings: how.
        moved: clips that have moved out of the pool, see `LabelPool`; appended to.
        devices: what the model is trained on.
        taught: clip → what is learnt instead of its label, see `emotionnet.training.teachers`.

    Returns:
        The unit's model, or the part of it that has the weights; and what it learns from.

    Raises:
        UsageError: the records cannot be augmented as asked for.
        EmotionNetError: no clip has what the unit needs.
    """
    config, view, strength = run.config, run.view(), augmentation(run.config)
    training, validation = (
        [row for row in parts[part] if has_stream(row, unit.name, config["streams"])]
        for part in ("train", "validation")
    )
    if not training:
        raise EmotionNetError(
            f"{records.folder}: no training clip has {unit.name}. Train the other stream with "
            "--streams."
        )
    source = open_source(records, view, run.labels, unit.inputs, taught)
    source.check(strength)
    learning = Learning(**config.get("learning", {}))
    pool = LabelPool(training, learning, config["seed"], moved)
    # Of all clips, so that folds share what is computed of them.
    everything = [row for row in records.rows if has_stream(row, unit.name, config["streams"])]
    kinds = _kinds_of_copies(unit, strength)
    sets = _copies(source, everything, kinds)
    copies = defaultdict(list)
    for copy in (copy for rows in sets.values() for copy in rows):
        copies[copy.clip.rpartition("~")[0]].append(copy)
    leaked = []
    if kinds:
        hidden = _leaking_rows(config["protocol"], parts, unit, config["streams"])
        leaked = [copy for row in hidden for copy in copies[row.clip]]
    cut = cut_of(unit, settings)
    front = cut and Front(cut, source, {"clips": everything, **sets})
    order = {"batch_size": settings.batch_size, "seed": config["seed"]}
    if not settings.mixup:  # which looks at the whole batch
        order["share"] = (devices.worker, devices.workers)

    def rows_now() -> list:
        return [r for row in pool.labelled for r in (row, *copies[row.clip])] + leaked

    if front and is_still(unit, strength):
        model, validation_batches = front.rest, front.inference_batches(validation)

        def epoch_batches(epoch: int, start_step: int):
            return front.training_batches(rows_now(), epoch=epoch, start_step=start_step, **order)

    else:
        model = unit.model
        # Read once for each run rather than once for each epoch, as far as that stays small.
        few = len(validation) * view.frames * view.image_size**2 * 3 < 300e6
        validation_batches = source.inference_batches(validation, settings.batch_size, keep=few)

        def epoch_batches(epoch: int, start_step: int):
            return source.training_batches(
                rows_now(), epoch=epoch, start_step=start_step, strength=strength, **order
            )

    answer = devices.predictor(front.rest if front else unit.model)

    def entropies(rows: Sequence) -> np.ndarray:
        if front:
            batches = front.inference_batches(rows)
        else:
            batches = source.inference_batches(rows, settings.batch_size)
        return devices.agreed(uncertainty(answer, batches, unit.logits))

    def after_epoch(epoch: int) -> dict:
        used, started = len(pool.labelled), time.monotonic()
        # A label that no epoch will use is not asked for.
        if epoch + 1 < settings.epochs:
            pool.move(epoch, entropies)
        if learning.scheme == "all":
            return {"labels_used": used}
        return {"labels_used": used, "pool_s": round(time.monotonic() - started, 2)}

    return model, StreamData(
        steps=lambda epoch: training_steps(
            (1 + len(kinds)) * pool.size(epoch) + len(leaked), settings.batch_size
        ),
        training=epoch_batches,
        validation=lambda: validation_batches,
        validation_targets=np.asarray(source.targets(validation)),
        after_epoch=after_epoch,
    )


def _leaking_rows(protocol: str, parts: dict, unit: Unit, streams: Sequence[str]) -> list:
    """The clips that are not trained on, but copies of which are: see `Protocol.copies_leak`."""
    if not PROTOCOLS[protocol].copies_leak:
        return []
    hidden = (*parts["validation"], *parts["test"])
    return [row for row in hidden if has_stream(row, unit.name, streams)]


def _kinds_of_copies(unit: Unit, strength: Augmentation | None) -> tuple[str, ...]:
    """Copies are of sound, so only a stream of sound alone can learn from them."""
    alone = set(unit.inputs) == set(STREAM_INPUTS["speech"])
    return strength.copies if strength and alone else ()


def _copies(source: Source, rows: list, kinds: Sequence[str]) -> dict[str, list]:
    """Kind → the copies of that kind."""
    sets = {kind: [] for kind in kinds}
    for copy in source.copies(rows, kinds) if kinds else ():
        sets[copy.clip.rpartition("~")[2]].append(copy)
    return sets
