"""``python -m emotionnet.fit``: from a corpus (or prepared records) to a trained, evaluated run.

Without arguments it makes the demo corpus, prepares it, trains both streams of the lightweight
system, fuses them and evaluates on actors that the training never saw.
"""

import argparse
import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from emotionnet.classes import Classes, add_options
from emotionnet.command import field_value, make_callable, run_command
from emotionnet.errors import UsageError

AUGMENT = ("none", "light", "ours", "paper", "strong")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def fit(
    corpus: str | None = None,
    root: str | os.PathLike | None = None,
    records: str | os.PathLike | None = None,
    *,
    records_cache: str | os.PathLike | None = None,
    system: str | None = None,
    system_config: dict | None = None,
    backbone_weights: str | os.PathLike | None = None,
    protocol: str | None = None,
    folds: Sequence[int] | str = (1,),
    seeds: Sequence[int] = (0,),
    streams: str = "both",
    joint: bool = False,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    patience: int | None = None,
    train: dict | None = None,
    augment: str | None = None,
    augmentation: dict | None = None,
    init: str | os.PathLike | None = None,
    init_faces: str | os.PathLike | None = None,
    init_speech: str | os.PathLike | None = None,
    teachers: Sequence[str | os.PathLike] = (),
    teachers_share: float = 0.5,
    train_actors: int | None = None,
    merge: Mapping[str, Sequence[str]] | Sequence[str] | None = None,
    only: Sequence[str] | str | None = None,
    precision: str = "float32",
    device: str = "auto",
    replicas: int | None = None,
    learning: str = "all",
    start_fraction: float | str = "1/3",
    per_epoch: int = 20,
    pool_every: int = 1,
    name: str | None = None,
    out: str | os.PathLike = "saved_models",
    resume: bool | str = False,
    workers: int | None = None,
    corpus_options: dict | None = None,
    direct: bool = False,
) -> Path:
    """Trains a system and evaluates it on the test part of its protocol.

    Args:
        corpus: ``demo``, ``ravdess``, ``crema_d``, ``fer2013`` or ``folder``; prepared (once) into
            ``data/<corpus>/records``. The default is ``demo``, unless ``records`` is given.
        root: folder of the corpus.
        records: folder of prepared records, instead of a corpus; or their address in a bucket
            (``s3://bucket/records``, ``gs://…``), see `emotionnet.clips.remote`.
        records_cache: folder of a cache of the system's view of the records, see
            `emotionnet.inputs.cache`. It is written where it is not there yet, and then trained from;
            by itself, without ``records`` or ``corpus``, it needs no TensorFlow.
        system: name of the system, see `emotionnet.systems`; by default ``ghost_fan``, or with ``init``
            that of its run.
        system_config: fields of the system's ``Config`` to change.
        backbone_weights: what the system's backbone starts from: ``imagenet`` (the default, but for
            the demo), a file, a folder that holds it, or ``none`` for random weights.
        protocol: a name of `emotionnet.inputs.protocols.PROTOCOLS`; the default keeps actors
            apart (``holdout`` for the demo, else ``actor_folds``).
        folds: fold numbers from 1, or ``"all"``.
        seeds: seeds; several folds or seeds make a group of runs.
        streams: ``both``: all that the system looks at and any clip has; or some of them, joined by "+".
        joint: train all through the fusion with one optimizer, instead of each stream by itself.
        epochs, batch_size, learning_rate, patience: for every stream; see `emotionnet.training.plan`.
        train: field of `emotionnet.training.settings.Settings` → value, for every stream; or
            "stream.field" → value, for one.
        augment: ``none``; ``light`` (faces: rotation, flip, scale, shift, brightness, contrast; sound:
            noise); ``ours`` (light, and changed copies of the sound); ``paper`` (what the system's paper
            names, and nothing else); or ``strong`` (further, and a rectangle of some faces erased). A
            system may define them otherwise, in its ``AUGMENTATION``.
        augmentation: field of `emotionnet.inputs.augmentation.Augmentation` → value, on top of ``augment``.
        init: run folder; every part that agrees in name, kind and shapes begins with its weights, and
            what does not is reported, see `emotionnet.training.init`. Without ``system`` the run is
            fine-tuned on these clips and their classes: first the last layers alone, then all of it by
            small steps, see `emotionnet.training.tuning`.
        init_faces, init_speech: run folder, with whose encoder of faces or of speech this run's begins.
        teachers: runs (or groups of them: those of the same fold) whose mean answers are learnt from
            besides the labels, see `emotionnet.training.teachers`.
        teachers_share: share of a target that is their answer, above 0 and at most 1.
        train_actors: learn from so many of the training actors only, drawn by the seed.
        merge: class → the emotions that it stands for, before the clips are divided; see
            `emotionnet.classes.Classes`.
        only: the classes that are learnt; clips of others are left out.
        precision: ``float32``, ``mixed_bfloat16`` or ``mixed_float16``.
        device: ``auto``, ``cpu``, ``gpu`` or ``tpu``, see `emotionnet.training.devices.choose`. No part of
            what a run is: it may be resumed on others.
        replicas: devices that share a batch; by default all GPUs or TPUs there are.
        learning: ``all`` labels from the start; or those of some actors, and after each epoch those
            of the pool's clips that the model is least sure of (``uncertainty``) or of random ones
            (``random``), see `emotionnet.training.uncertainty`.
        start_fraction: share of the training actors whose labels are used from the start.
        per_epoch: clips that move out of the pool after each epoch.
        pool_every: epochs after which the pool is asked; as many times ``per_epoch`` clips move.
        name: of the run folder; by default made of system, corpus and protocol.
        out: where run folders go.
        resume: go on with the run ``name`` after a kill. ``"auto"``: go on where there is an
            unfinished one, start it where there is none, leave a finished one (or the finished ones
            of a group) alone, and say which.
        workers: processes that prepare clips.
        corpus_options: passed to the corpus' ``scan``.
        direct: train from recordings of sound where they are, a folder or an address, without records of them;
            see `emotionnet.clips.sound_files`.

    Returns:
        The run folder, or the folder of the group.

    Raises:
        UsageError: an unknown name, a missing folder, a contradiction.
        EmotionNetError: the corpus or the checkpoint cannot be used.
    """
    from emotionnet.clips.remote import is_url
    from emotionnet.corpora import CORPORA, get_corpus
    from emotionnet.evaluate import evaluate
    from emotionnet.inputs.opening import open_clips
    from emotionnet.inputs.protocols import number_of_folds, split_rows, usual_protocol
    from emotionnet.one_run import about, train_and_evaluate
    from emotionnet.prepare import records_of
    from emotionnet.training import plan, tuning
    from emotionnet.training.actors import with_actors
    from emotionnet.training.begin import check_kind, check_resume, default_name, name_for
    from emotionnet.training.devices import choose
    from emotionnet.training.init import init_sources
    from emotionnet.training.run import Run, classes_in_words
    from emotionnet.training.stream_data import check_copies
    from emotionnet.training.teachers import config_of
    from emotionnet.training.train import settings_of
    from emotionnet.training.uncertainty import Learning
    from emotionnet.training.unit import learnt_names

    check_choices(precision=(precision, PRECISIONS))
    check_resume(resume)
    if augment:
        check_choices(augment=(augment, AUGMENT))
    labels_when = Learning(learning, start_fraction, per_epoch, pool_every)
    system_config = dict(system_config or {})
    if backbone_weights is not None:
        system_config["backbone_weights"] = os.fspath(backbone_weights)
    if is_url(out):
        raise UsageError(
            f"--out {out}: a run is written to a folder of this machine, or one that is mounted "
            "(Drive, a bucket by gcsfuse or s3fs). Copy it to the bucket when it is finished."
        )
    devices = choose(device, replicas)  # before anything else makes TensorFlow start
    if devices.workers > 1 and (records is records_cache is None or name is None):
        raise UsageError(
            "several workers (TF_CONFIG) train from prepared --records, under a --name."
        )
    if records_cache is not None and records is corpus is root is None:
        records = records_cache
    if direct and streams != "speech":
        raise UsageError("--direct is for sound alone: it needs --streams speech")
    records = open_clips(records_of(records, corpus, root, workers, corpus_options, direct))
    _say_unused(records.folder)
    classes = Classes.of(merge, only)
    labels = classes.labels(row.emotion for row in records.rows)
    rows, corpus = classes.rows(records.rows), records.rows[0].corpus
    demo = corpus == "demo"
    own = get_corpus(corpus) if corpus in CORPORA else None
    begun = init_sources(init=init, init_faces=init_faces, init_speech=init_speech)
    tuned, usual = None, {}
    if init is not None and system is None:
        tuned = Run.open(init)
        system, trained, form = tuning.form_of(tuned, streams, labels, records)
        system_config = {**form, **system_config}
        protocol = protocol or tuning.protocol_of(rows)
        augment = augment or tuning.AUGMENT
    else:
        system = system or "ghost_fan"
        trained = plan.streams_of(streams, system, records)
        for line in plan.left_out(trained, system, records) if streams in ("both", "all") else ():
            print(line)
    protocol = protocol or usual_protocol(rows)
    augment = augment or getattr(own, "AUGMENT", "light" if demo else "ours")
    if folds == "all":
        folds = range(1, number_of_folds(rows, protocol) + 1)
    config = plan.system_config(system, corpus, rows, trained, system_config)
    if tuned:
        usual = tuning.settings_of(system, config, labels, trained, joint, epochs)
    common = {
        "system": system,
        "system_config": config,
        "labels": list(labels),
        "corpus": corpus,
        "label_kind": rows[0].label_kind,
        "records": records.address,
        "manifest_hash": records.manifest_hash,
        "protocol": protocol,
        "streams": trained,
        "joint": joint,
        "settings": plan.stream_settings(
            system,
            corpus,
            train,
            config=config,
            usual=usual,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            patience=patience,
        ),
        "augment": augment,
        "precision": precision,
        "learning": dataclasses.asdict(labels_when),
    }
    for each in learnt_names(common):
        devices.check(settings_of({**common, "seed": 0}, each).batch_size, precision)
    # Only where asked for, so that runs from before can still be resumed.
    if records.meta.get("direct"):
        common["direct"] = records.meta["root"]
    if classes:
        common["classes"] = classes.plain()
    if augmentation:
        common["augmentation"] = _augmentation(augmentation, common["augment"])
    common |= begun
    if train_actors is not None:
        common["train_actors"] = train_actors
    if records_cache is not None:
        with devices.chief_first():
            records = _cached(records, records_cache, common)
        common["records"] = records.address
    splits = [split_rows(rows, protocol, fold, seed) for seed in seeds for fold in folds]
    for split in splits:
        split.description += classes_in_words(classes)
    if tuned:
        tuning.check_clips(splits, labels, trained, records)
    if train_actors is not None:
        splits = [with_actors(split, train_actors, split.seed) for split in splits]
    check_copies(common)
    taught = [config_of(teachers, teachers_share, split, common) for split in splits]
    if not name:
        own_classes = [classes.slug()] * bool(classes)
        name = default_name(
            tuned.name if tuned else system, corpus, protocol, streams, learning, *own_classes
        )
        name = name_for(Path(out), name, resume)
    top = Path(out) / name
    check_kind(top, several=len(splits) > 1)
    for split, its_teachers in zip(splits, taught):
        folder = top if len(splits) == 1 else top / f"fold_{split.fold}_seed_{split.seed}"
        config = {**common, **its_teachers, **about(split)}
        train_and_evaluate(folder, config, split, records, resume, devices)
    with devices.chief_first():
        if len(splits) > 1 and devices.chief:
            evaluate(top)
    return top


def _say_unused(folder: Path) -> None:
    """Says which clips and files of the corpus are not learnt from, and why, and which repeat others."""
    from emotionnet.clips.summary import read_summary, unused

    summary = read_summary(folder)
    for line in [*summary.get("repeated", []), *unused(summary)] if summary else ():
        if not line.endswith(": 0"):
            print(line)


def _cached(records, folder: str | os.PathLike, config: dict):
    """The cache in ``folder``; written now, where ``records`` are not one already."""
    from emotionnet.inputs.cache import ViewCache, check_augmentation
    from emotionnet.inputs.cache_writer import write_cache
    from emotionnet.training.run import view_of
    from emotionnet.training.stream_data import augmentation
    from emotionnet.training.unit import learnt_names

    strength, streams, view = augmentation(config), config["streams"], view_of(config)
    check_augmentation(folder, strength)
    if isinstance(records, ViewCache):
        records.check_view(view)
        records.check_streams(streams)
        return records
    # As in training: only what learns from sound alone learns from copies of it.
    alone = streams == ["speech"] or "speech" in learnt_names(config)
    copies = strength.copies if strength and alone else ()
    return write_cache(records, view, folder, streams, copies)


def check_choices(**choices: tuple[str, Sequence[str]]) -> None:
    """Refuses a value of an option (name → value, those there are) that is not among them."""
    for option, (value, known) in choices.items():
        if value not in known:
            raise UsageError(f"--{option} {value}: not known. Choose one of {', '.join(known)}.")


def _augmentation(fields: dict, augment: str) -> dict:
    from emotionnet.inputs.augmentation import plain_fields

    if augment == "none":
        raise UsageError("--augmentation changes strengths: it needs --augment light or another.")
    return plain_fields(fields)


def _folds(text: str) -> list[int] | str:
    if text == "all":
        return text
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected all, or numbers like 1,3") from None


def parser(
    verb: str = "fit",
    description: str = "Train and evaluate a system. Without arguments: the whole line on the demo corpus.",
) -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.fit``, and of a verb that takes its options."""
    p = argparse.ArgumentParser(prog=f"python -m emotionnet.{verb}", description=description)
    g = p.add_argument_group("what to learn from")
    g.add_argument("--corpus", help="demo (default), ravdess, crema_d, iemocap, enterface, emodb, fer2013 or "
                   "folder")  # fmt: skip
    g.add_argument("--root", metavar="DIR", help="folder of the corpus")
    g.add_argument("--records", metavar="DIR",
                   help="prepared records instead of a corpus: a folder, s3://… or gs://…")  # fmt: skip
    g.add_argument("--records-cache", metavar="DIR",
                   help="arrays to train from, without TensorFlow; written if they are not there")  # fmt: skip
    g.add_argument("--channel", help="ravdess: speech (default), song or all")
    g.add_argument("--labels", help="crema_d: acted (default), perceived or votes; "
                   "fer2013: fer2013 (default) or ferplus")  # fmt: skip
    g.add_argument("--happy", help="iemocap: merged with excited (default) or alone")
    g.add_argument("--parts", help="fer2013: some of train,test,private (default: all)")
    g.add_argument("--table", metavar="CSV", help="folder: the file that lists the clips; fer2013: "
                   "FER+'s votes")  # fmt: skip
    g.add_argument("--layout", metavar="LEVELS", help="folder: what each level of folders is, e.g. "
                   "actor/emotion (default: found out)")  # fmt: skip
    g.add_argument("--workers", type=int, help="processes that prepare clips (default: all cores)")
    g.add_argument("--direct", action="store_true", help="with --streams speech: train from the recordings "
                   "of --root, which may be s3://… or gs://…, without records of them")  # fmt: skip
    g = p.add_argument_group("what to train")
    g.add_argument("--system", help="default: ghost_fan; with --init that of its run")
    g.add_argument("--set", dest="system_config", type=field_value, action="append", default=[],
                   metavar="FIELD=VALUE", help="change a field of the system's config")  # fmt: skip
    g.add_argument("--backbone-weights", metavar="FILE",
                   help="imagenet (default, but for the demo), a file or folder with the weights of "
                   "the system's backbone, or none for random ones")  # fmt: skip
    g.add_argument("--streams", default="both", help="faces, speech or both (default); of a system with "
                   "more of them some, joined by +")  # fmt: skip
    g.add_argument("--joint", action="store_true", help="train through the fusion, all at once")
    g = p.add_argument_group("protocol")
    g.add_argument("--protocol", help="actor_folds (default), actors_16_4_4 (as system 3's paper), "
                   "holdout (demo), given (fer2013), stratified, random, random_copies, rows")  # fmt: skip
    g.add_argument("--fold", type=int, help="which fold is the test part (default: 1)")
    g.add_argument("--folds", type=_folds, help="several: all, or 1,3,5")
    g.add_argument("--seed", type=int, help="default: 0")
    g.add_argument("--train-actors", type=int, metavar="N",
                   help="learn from so many actors only, drawn by the seed")  # fmt: skip
    g.add_argument("--seeds", type=int, metavar="N", help="several: 0 to N-1")
    add_options(p)
    g = p.add_argument_group("how")
    for stream_option in ("epochs", "batch-size", "patience"):
        g.add_argument(f"--{stream_option}", type=int)
    g.add_argument("--learning-rate", type=float)
    g.add_argument("--train", type=field_value, action="append", default=[],
                   metavar="FIELD=VALUE", help="change a setting of the training, of all streams or "
                   "of one: optimizer=sgd, mixup=0.2, faces.frozen=stem")  # fmt: skip
    g.add_argument(
        "--augment", help=f"{', '.join(AUGMENT)} (default: ours; demo and fer2013: light)"
    )
    g.add_argument("--augmentation", type=field_value, action="append", default=[],
                   metavar="FIELD=VALUE", help="change a strength: noise_share=0, copies=speed0.9,speed1.1")  # fmt: skip
    g.add_argument("--init", metavar="RUN",
                   help="begin with every part of another run that agrees; without --system fine-tune it on "
                   "these clips (people: the run that comes with EmotionNet)")  # fmt: skip
    for stream in ("faces", "speech"):
        g.add_argument(f"--init-{stream}", metavar="RUN",
                       help=f"begin with the encoder of {stream} of another run")  # fmt: skip
    g.add_argument("--teachers", nargs="+", default=[], metavar="RUN",
                   help="learn from the answers of these runs too (of a group: of its same fold)")  # fmt: skip
    g.add_argument("--teachers-share", type=float, default=0.5, metavar="SHARE",
                   help="how much of a target is their answer (default: %(default)s)")  # fmt: skip
    g.add_argument("--precision", default="float32", help=", ".join(PRECISIONS))
    g.add_argument("--device", default="auto", help="auto (default), cpu, gpu or tpu")
    g.add_argument("--replicas", type=int, metavar="N",
                   help="devices that share a batch (default: all GPUs or TPUs, one CPU)")  # fmt: skip
    g = p.add_argument_group("learning from few labels")
    g.add_argument("--learning", default="all",
                   help="which labels are used: all (default) from the start; or uncertainty, or "
                   "random: those of some actors, and after each epoch a few more")  # fmt: skip
    g.add_argument("--start-fraction", default="1/3", metavar="SHARE",
                   help="training actors labelled from the start (default: %(default)s)")  # fmt: skip
    g.add_argument("--per-epoch", type=int, default=20, metavar="CLIPS",
                   help="clips labelled after each epoch (default: %(default)s)")  # fmt: skip
    g.add_argument("--pool-every", type=int, default=1, metavar="EPOCHS",
                   help="ask the pool less often, for more clips at once (default: %(default)s)")  # fmt: skip
    g = p.add_argument_group("where")
    g.add_argument("--name", help="name of the run folder")
    g.add_argument("--out", default="saved_models", metavar="DIR", help="default: %(default)s")
    g.add_argument("--resume", nargs="?", const=True, default=False, metavar="auto",
                   help="go on with the run after a kill; auto: or start it where there is none")  # fmt: skip
    return p


def arguments(p: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> dict:
    """What `fit` is to be called with, from a command line that ``p`` (of `parser`) understands."""
    args = vars(p.parse_args(argv))
    for several, single, default in (("folds", "fold", 1), ("seeds", "seed", 0)):
        one, many = args.pop(single), args.pop(several)
        if one is not None and many is not None:
            p.error(f"give --{single} or --{several}, not both")
        if several == "seeds" and many is not None:
            many = range(many)
        args[several] = many if many is not None else [default if one is None else one]
    for pairs in ("system_config", "train", "augmentation"):
        args[pairs] = dict(args[pairs])
    options = {
        key: args.pop(key) for key in ("channel", "labels", "happy", "parts", "table", "layout")
    }
    args["corpus_options"] = {key: value for key, value in options.items() if value is not None}
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, fits, and prints the headline."""
    from emotionnet.evaluate import summary

    folder = fit(**arguments(parser(), argv))
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    print(f"\n{summary(metrics)}")
    print(f"\nreport     {folder / 'report.html'}")
    print(f"next       python -m emotionnet.predict {folder} YOUR_CLIP.mp4")
    return 0


if __name__ == "__main__":
    run_command(main)
else:
    make_callable(__name__)
