"""From what is asked for to the runs: every setting with its value, and how the clips are divided."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emotionnet.clips.place import unusual_options
from emotionnet.errors import UsageError
from emotionnet.training.config import DEFAULT_SYSTEM, RunConfig, check_choices
from emotionnet.training.streams import lacking, left_out, named_streams, streams_of

#: Sound given to a model is at most this long.
LONGEST_S = 6.0


def stream_settings(
    system: str,
    corpus: str,
    train: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    instead: Mapping[str, Mapping] | None = None,
    **overrides: Any,
) -> dict[str, dict[str, Any]]:
    """Settings of each stream, every field of `emotionnet.training.settings.Settings` but the seed.

    Args:
        system: name of the system.
        corpus: the demo is trained for minutes, others until they are done.
        config: fields of the system's ``Config``, on which its settings may depend.
        instead: stream → fields that replace the system's own.
        train: field → value for every stream, or "stream.field" → value for one.
        overrides: fields for every stream; None leaves the default.

    Raises:
        UsageError: an unknown stream or field, or a value that it cannot have.
    """
    from emotionnet.systems.usual import usual
    from emotionnet.training.settings import Settings, check_names, plain

    known = {**(config or {}), "corpus": corpus}
    fields = {**usual(system, "train", known), **(instead or {})}
    own: dict[str, dict] = {stream: {} for stream in fields}
    overrides = {key: value for key, value in overrides.items() if value is not None}
    for key, value in (train or {}).items():
        stream, dot, field = key.rpartition(".")
        if dot and stream not in own:
            raise UsageError(f"{system} has no stream {stream!r}. It has: {', '.join(own)}.")
        (own[stream] if dot else overrides)[field] = value
    check_names([*overrides, *(field for each in own.values() for field in each)])
    return {
        stream: plain(Settings(**{**each, **overrides, **own[stream]}))
        for stream, each in fields.items()
    }


def completed(settings: Mapping[str, Mapping]) -> dict[str, dict[str, Any]]:
    """The settings in a run's config with every field, whenever the run was made."""
    from emotionnet.training.settings import Settings, plain

    return {stream: plain(Settings(**each)) for stream, each in settings.items()}


def system_config(
    system: str, corpus: str, rows: Sequence, streams: Sequence[str], overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """Every field of a system's ``Config`` as plain data, fitted to the clips.

    Args:
        system: name of the system.
        corpus: of the rows; the demo uses smaller pictures, and a system may name fields for others.
        rows: record rows; the longest decides how much sound the model takes.
        streams: streams that are trained.
        overrides: what the user wants.

    Raises:
        UsageError: a field that the system does not have.
    """
    from emotionnet.systems import get_system, make_config
    from emotionnet.systems.usual import usual

    known = {field.name for field in dataclasses.fields(get_system(system).Config)}
    general = {"samples": window_samples(rows), **usual(system, "config", {"corpus": corpus})}
    fields = {name: value for name, value in general.items() if name in known}
    fields |= {**overrides, "streams": tuple(streams)}
    full = dataclasses.asdict(make_config(system, **fields))
    return {key: list(value) if isinstance(value, tuple) else value for key, value in full.items()}


def window_samples(rows: Sequence) -> int:
    """Samples of sound that hold the longest clip, in half seconds at 16 kHz, 1 s to `LONGEST_S`.

    Where no clip has sound, the window says which faces are looked at: of moving pictures as much as there may be.
    """
    longest = max((row.samples for row in rows), default=0)
    if not longest and any(row.frames > 1 for row in rows):
        longest = math.inf
    return 8000 * math.ceil(min(2 * LONGEST_S, max(2, longest / 8000)))


def check(run: RunConfig, corpus: str) -> None:
    """Refuses an unknown setting, or a value that it cannot have, before any clip is read.

    Args:
        run: what is asked for.
        corpus: that it will be trained on.

    Raises:
        UsageError: says which.
    """
    from emotionnet.inputs.augmentation import plain_fields
    from emotionnet.inputs.protocols import PROTOCOLS
    from emotionnet.systems import make_config
    from emotionnet.training.uncertainty import Learning

    system = run.system or DEFAULT_SYSTEM
    make_config(system, **run.system_config)
    named_streams(run.streams, system)
    if run.protocol is not None:
        check_choices(protocol=(run.protocol, PROTOCOLS))
    Learning(run.learning, run.start_fraction, run.per_epoch, run.pool_every)
    check_joint(run.joint, system, run.system_config)
    stream_settings(system, corpus, run.train, run.system_config)
    plain_fields(run.augmentation)


def check_joint(joint: bool, system: str, config: Mapping[str, Any]) -> None:
    """Refuses to train through layers whose numbers are computed: they would stay what they are before they are fitted.

    Args:
        joint: whether all is to be trained through the fusion.
        system: its name.
        config: fields of its ``Config``.

    Raises:
        UsageError: names the layers.
    """
    from emotionnet.systems import stages_of
    from emotionnet.systems.stages import Fit

    fitted = [stage.layer for stage in stages_of(system, config) if isinstance(stage, Fit)]
    if joint and fitted:
        raise UsageError(
            f"--joint: trains by gradient alone, and system {system} computes the numbers of "
            f"{', '.join(fitted)} from the training clips. Leave it out."
        )


@dataclass(frozen=True)
class Plan:
    """Runs that are asked for together, over folds and seeds.

    Attributes:
        name: of their folder, where none is given.
        config: what the configs of all of them say.
        splits: an `emotionnet.inputs.split.Split` for each.
        own: what each config says besides.
    """

    name: str
    config: dict[str, Any]
    splits: list[Any]
    own: list[dict[str, Any]]


def plan_runs(run: RunConfig, records: Any) -> Plan:
    """Plans ``run`` on ``records``: what is trained, and on which clips.

    Args:
        run: what is asked for.
        records: opened records, or a cache of them.

    Raises:
        UsageError: a contradiction, or something that is not there.
    """
    from emotionnet.inputs.protocols import number_of_folds, split_rows
    from emotionnet.systems.usual import usual
    from emotionnet.training import tuning
    from emotionnet.training.actors import with_actors
    from emotionnet.training.init import init_sources, note_leaks
    from emotionnet.training.run import Run, about, classes_in_words
    from emotionnet.training.stream_data import check_copies, check_labels
    from emotionnet.training.teachers import config_of
    from emotionnet.training.uncertainty import Learning

    learning = Learning(run.learning, run.start_fraction, run.per_epoch, run.pool_every)
    classes = run.classes
    labels = classes.labels(row.emotion for row in records.rows)
    rows, corpus = classes.rows(records.rows), records.rows[0].corpus
    begun = init_sources(run)
    tuned = Run.open(run.init) if run.init is not None and run.system is None else None
    if tuned:
        system, trained, form = tuning.form_of(tuned, run.streams, labels, records)
        run = dataclasses.replace(
            run,
            system=system,
            system_config={**form, **run.system_config},
            protocol=run.protocol or tuning.protocol_of(rows),
            augment=run.augment or tuning.AUGMENT,
        )
    else:
        run = dataclasses.replace(run, system=run.system or DEFAULT_SYSTEM)
        trained = streams_of(run.streams, run.system, records)
        whole = run.streams in ("both", "all")
        for line in left_out(trained, run.system, records) if whole else ():
            print(line)
    protocol = run.protocol or usual_protocol(rows)
    augment = run.augment or usual(None, "run", {"corpus": corpus})["augment"]
    config = system_config(run.system, corpus, rows, trained, run.system_config)
    check_joint(run.joint, run.system, config)
    instead = {}
    if tuned:
        instead = tuning.settings_of(run.system, config, labels, trained, run.joint, run.train)
    common = {
        "system": run.system,
        "system_config": config,
        "labels": list(labels),
        "corpus": corpus,
        "label_kind": rows[0].label_kind,
        "records": records.address,
        "manifest_hash": records.manifest_hash,
        "protocol": protocol,
        "streams": trained,
        "joint": run.joint,
        "settings": stream_settings(run.system, corpus, run.train, config, instead),
        "augment": augment,
        "precision": run.precision,
        "learning": dataclasses.asdict(learning),
    }
    # Of a cache from before it was noted, it is not known.
    if records.content_hash != records.manifest_hash:
        common["content_hash"] = records.content_hash
    # Only where asked for, so that runs from before can still be resumed.
    if records.meta.get("direct"):
        common["direct"] = records.meta["root"]
    if options := unusual_options(corpus, records.meta):
        common["corpus_options"] = options
    if classes:
        common["classes"] = classes.plain()
    if run.augmentation:
        common["augmentation"] = _augmentation(run.augmentation, augment)
    common |= begun
    if run.train_actors is not None:
        common["train_actors"] = run.train_actors
    folds = run.folds
    if folds == "all":
        folds = range(1, number_of_folds(rows, protocol) + 1)
    splits = [split_rows(rows, protocol, fold, seed) for seed in run.seeds for fold in folds]
    for split in splits:
        split.description += classes_in_words(classes)
    if tuned:
        tuning.check_clips(splits, labels, trained, records)
    if run.train_actors is not None:
        splits = [with_actors(split, run.train_actors, split.seed) for split in splits]
    for split in splits:
        warnings = (split.warning, *lacking(split, labels, trained, records))
        split.warning = "; ".join(filter(None, warnings))
    note_leaks(splits, common)
    check_copies(common)
    check_labels(common)
    taught = [config_of(run.teachers, run.teachers_share, split, common) for split in splits]
    own_classes = [classes.slug()] * bool(classes)
    what = tuned.name if tuned else run.system
    name = default_name(what, corpus, protocol, run.streams, run.learning, *own_classes)
    own = [{**each, **about(split)} for each, split in zip(taught, splits)]
    return Plan(run.name or name, common, splits, own)


def usual_protocol(rows: Sequence) -> str:
    """The corpus' own protocol; else the division that it brings, if no actors are named; else folds over people."""
    from emotionnet.inputs.given import given_parts, is_division
    from emotionnet.systems.usual import usual

    parts = given_parts(rows)
    protocol = usual(None, "run", {"corpus": rows[0].corpus})["protocol"]
    if is_division(parts) and protocol != "given":
        sizes = ", ".join(f"{part or 'no part'} {count}" for part, count in sorted(parts.items()))
        if not any(row.actor for row in rows):
            print(f"division   that of the data ({sizes}), since no actors are named")
            return "given"
        print(f"division   the data bring one ({sizes}): --protocol given uses it")
    return protocol


def default_name(*parts: str) -> str:
    """The name of a run of this system, corpus, protocol, streams and learning."""
    if parts == ("ghost_fan", "demo", "holdout", "both", "all"):
        return "demo"
    return "-".join(part for part in parts if part not in ("both", "all"))


def _augmentation(fields: Mapping[str, Any], augment: str) -> dict:
    from emotionnet.inputs.augmentation import plain_fields

    if augment == "none":
        raise UsageError("--augmentation changes strengths: it needs --augment light or another.")
    return plain_fields(fields)
