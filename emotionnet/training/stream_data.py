"""What a stream learns from: the clips that have what it needs, as batches, epoch after epoch."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from emotionnet.errors import EmotionNetError
from emotionnet.inputs.augment import Augmentation
from emotionnet.inputs.copies import KINDS, speech_copies
from emotionnet.inputs.pipeline import Source, inference_batches, training_batches, training_steps
from emotionnet.inputs.protocols import PROTOCOLS
from emotionnet.systems import get_system
from emotionnet.systems.base import STREAM_INPUTS
from emotionnet.training.front import Front, uncertainty
from emotionnet.training.loop import Settings, StreamData
from emotionnet.training.run import Run
from emotionnet.training.uncertainty import LabelPool, Learning

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
        front: its last layer without weights, see `emotionnet.systems.base.Stream`; "" for none.
    """

    name: str
    model: keras.Model
    inputs: tuple[str, ...]
    logits: bool = True
    front: str = ""


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
    own = getattr(get_system(config["system"]), "AUGMENTATION", {}).get(config["augment"], {})
    return Augmentation(**{"copies": config["augment"] == "paper", **own})


def stream_data(
    run: Run, records, parts: dict, unit: Unit, settings: Settings, moved: list[list]
) -> tuple[keras.Model, StreamData]:
    """The model to train and its batches.

    Args:
        run: which is trained.
        records: opened `emotionnet.clips.records.Records`.
        parts: rows of ``train`` and ``validation``.
        unit: what is trained.
        settings: how.
        moved: clips that have moved out of the pool, see `LabelPool`; appended to.

    Returns:
        The unit's model, or the part of it that has the weights; and what it learns from.

    Raises:
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
    source = Source(records, view, run.labels, unit.inputs)
    learning = Learning(**config.get("learning", {}))
    pool = LabelPool(training, learning, config["seed"], moved)
    unchanging = training + validation if strength is None else pool.pool
    front = unit.front and Front(unit.model, unit.front, source, unchanging, settings.batch_size)
    order = {"batch_size": settings.batch_size, "seed": config["seed"]}

    if front and strength is None:
        model, copies, leaked = front.rest, {}, []
        validation_batches = front.inference_batches(validation)

        def epoch_batches(epoch: int, start_step: int):
            return front.training_batches(
                pool.labelled, epoch=epoch, start_step=start_step, **order
            )

    else:
        hidden = _leaking_rows(config["protocol"], parts, unit, config["streams"])
        model, copies = unit.model, _copies(records, training + hidden, unit, strength)
        leaked = [copy for row in hidden for copy in copies.pop(row.clip, ())]
        validation_batches = inference_batches(source, validation, settings.batch_size)
        # Read once for each run rather than once for each epoch, as far as that stays small.
        if len(validation) * view.frames * view.image_size**2 * 3 < 300e6:
            validation_batches = validation_batches.cache()

        def epoch_batches(epoch: int, start_step: int):
            rows = [r for row in pool.labelled for r in (row, *copies.get(row.clip, ()))] + leaked
            return training_batches(
                source, rows, epoch=epoch, start_step=start_step, strength=strength, **order
            )

    def entropies(rows: Sequence) -> np.ndarray:
        if front:
            return uncertainty(front.rest, front.inference_batches(rows), unit.logits)
        batches = inference_batches(source, rows, settings.batch_size)
        return uncertainty(unit.model, batches, unit.logits)

    def after_epoch(epoch: int) -> dict:
        used, started = len(pool.labelled), time.monotonic()
        # A label that no epoch will use is not asked for.
        if epoch + 1 < settings.epochs:
            pool.move(epoch, entropies)
        if learning.scheme == "all":
            return {"labels_used": used}
        return {"labels_used": used, "pool_s": round(time.monotonic() - started, 2)}

    each = 1 + len(KINDS) * bool(copies)
    return model, StreamData(
        steps=lambda epoch: training_steps(
            each * pool.size(epoch) + len(leaked), settings.batch_size
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


def _copies(records, rows: list, unit: Unit, strength: Augmentation | None) -> dict[str, list]:
    """Clip → its pitch-shifted and time-stretched copies, where these are wanted."""
    copies = defaultdict(list)
    if strength and strength.copies and set(unit.inputs) == set(STREAM_INPUTS["speech"]):
        for copy in speech_copies(records, rows):
            copies[copy.clip.rpartition("~")[0]].append(copy)
    return copies
