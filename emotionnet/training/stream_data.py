"""The training data of a stream: the clips that have what it needs, as batches, epoch after epoch."""

import dataclasses
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from emotionnet.errors import UsageError
from emotionnet.inputs.augmentation import Augmentation
from emotionnet.inputs.opening import open_source
from emotionnet.inputs.protocols import PROTOCOLS
from emotionnet.inputs.source import Source, training_steps
from emotionnet.systems.stages import Fit
from emotionnet.systems.usual import usual
from emotionnet.training.devices import ONE, Devices
from emotionnet.training.front import Front, uncertainty
from emotionnet.training.loop import StreamData
from emotionnet.training.run import Run
from emotionnet.training.uncertainty import LabelPool, Learning
from emotionnet.training.unit import Trained, Unit, run_stages


def augmentation(config: dict) -> Augmentation | None:
    """What ``--augment`` means for the run's system."""
    if config["augment"] == "none":
        return None
    known = {**config.get("system_config", {}), **{k: config.get(k) for k in ("corpus", "augment")}}
    own = usual(config["system"], "augmentation", known)
    return Augmentation(**{**own, **config.get("augmentation", {})})


def check_copies(config: dict) -> None:
    """Refuses a protocol about changed copies of the sound where a run of this ``config`` learns from none.

    Raises:
        UsageError: it is so.
    """
    if PROTOCOLS[config["protocol"]].copies_leak:
        strength = augmentation(config)
        if "speech" not in config["streams"] or not (strength and strength.copies):
            raise UsageError(
                f"protocol {config['protocol']} is about augmented copies of the sound: it needs "
                "--augment ours and the speech stream. Without copies it would be `random`."
            )


def check_labels(config: dict) -> None:
    """Refuses to learn from few labels where a run of this ``config`` fits a layer to those of all training clips.

    Raises:
        UsageError: it is so.
    """
    fitted = [each for each in run_stages(config) if isinstance(each, Fit) and each.supervised]
    if fitted and config["learning"]["scheme"] != "all":
        raise UsageError(
            f"--learning {config['learning']['scheme']}: {config['system']} computes its layer "
            f"{fitted[0].layer} from the labels of all training clips, so it would not learn from few. Leave it out."
        )


def stream_data(
    run: Run, records, parts: dict, unit: Unit, trained: Trained, moved: list[list],
    devices: Devices = ONE, taught: Mapping[str, np.ndarray] | None = None,
) -> StreamData:  # fmt: skip
    """What a unit learns from.

    Args:
        run: which is trained.
        records: opened `emotionnet.clips.records.Records` or `emotionnet.inputs.cache.ViewCache`.
        parts: rows of ``train`` and ``validation``.
        unit: what is trained.
        trained: the part of it that is given to train.
        moved: clips that have moved out of the pool, see `LabelPool`; appended to.
        devices: what the model is trained on.
        taught: clip → the target instead of its label, see `emotionnet.training.teachers`.

    Raises:
        UsageError: the records cannot be augmented as asked for.
    """
    config, view, strength = run.config, run.view(), augmentation(run.config)
    settings = trained.settings
    training, validation = (unit.rows(records, parts[part]) for part in ("train", "validation"))
    source = open_source(records, view, run.labels, unit.inputs, taught)
    learning = Learning(**config.get("learning", {}))
    pool = LabelPool(training, learning, config["seed"], moved)
    # Of all clips, so that folds share what is computed of them.
    everything = unit.rows(records, run.classes.rows(records.rows))
    sets, copies, leaked = copied_rows(source, unit, everything, parts, config, strength)
    kinds = tuple(sets)
    front = trained.cut and Front(trained.cut, source, {"clips": everything, **sets})
    order = {"batch_size": settings.batch_size, "seed": config["seed"]}
    if not settings.mixup:  # which looks at the whole batch
        order["share"] = (devices.worker, devices.workers)

    def rows_now() -> list:
        return with_copies(pool.labelled, copies) + leaked

    if trained.from_front:
        validation_batches = front.inference_batches(validation)

        def epoch_batches(epoch: int, start_step: int):
            return front.training_batches(rows_now(), epoch=epoch, start_step=start_step, **order)

    else:
        learnt_from = dataclasses.replace(source, inputs=tuple(trained.model.input))
        learnt_from.check(strength)
        # Read once for each run rather than once for each epoch, as far as that stays small.
        few = len(validation) * view.frames * view.image_size**2 * 3 < 300e6
        validation_batches = learnt_from.inference_batches(
            validation, settings.batch_size, keep=few
        )

        def epoch_batches(epoch: int, start_step: int):
            return learnt_from.training_batches(
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

    return StreamData(
        steps=lambda epoch: training_steps(
            (1 + len(kinds)) * pool.size(epoch) + len(leaked), settings.batch_size
        ),
        training=epoch_batches,
        validation=lambda: validation_batches,
        validation_targets=np.asarray(source.targets(validation)),
        after_epoch=after_epoch,
    )


def copied_rows(
    source: Source, unit: Unit, rows: list, parts: dict, config: dict, strength: Augmentation | None
) -> tuple[dict[str, list], Mapping[str, list], list]:
    """The changed copies of the sound that a unit learns from beside the clips.

    Args:
        source: of the clips.
        unit: only one that looks at sound alone can learn from copies of it.
        rows: all that any fold may ask for.
        parts: rows of ``train``, ``validation`` and ``test``.
        config: of the run.
        strength: its augmentation.

    Returns:
        Kind → all copies of that kind; clip → its copies; and the copies of clips that are not
        trained on, where the protocol lets them leak (`Protocol.copies_leak`).
    """
    kinds = _copied(unit, strength)
    sets, copies = {kind: [] for kind in kinds}, defaultdict(list)
    for copy in source.copies(rows, kinds) if kinds else ():
        clip, _, kind = copy.clip.rpartition("~")
        sets[kind].append(copy)
        copies[clip].append(copy)
    hidden = leaking_rows(unit, source.records, parts, config, strength)
    return sets, copies, [copy for row in hidden for copy in copies[row.clip]]


def leaking_rows(
    unit: Unit, records, parts: dict, config: dict, strength: Augmentation | None
) -> list:
    """Rows of clips that are not trained on, but whose copies are; arguments as of `copied_rows`."""
    if not (_copied(unit, strength) and PROTOCOLS[config["protocol"]].copies_leak):
        return []
    return unit.rows(records, (*parts["validation"], *parts["test"]))


def _copied(unit: Unit, strength: Augmentation | None) -> tuple[str, ...]:
    """The kinds of copies that ``unit`` learns from."""
    return strength.copies if strength and unit.streams == ("speech",) else ()


def with_copies(rows: Sequence, copies: Mapping[str, list]) -> list:
    """``rows``, each followed by its copies."""
    return [each for row in rows for each in (row, *copies.get(row.clip, ()))]
