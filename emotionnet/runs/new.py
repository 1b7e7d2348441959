"""New runs: of a system and a corpus, of a recipe, or as an earlier run was made."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emotionnet.command import resumes
from emotionnet.errors import UsageError
from emotionnet.recipes import at, load
from emotionnet.training.config import RunConfig, asked, check_one


def fit(
    corpus: str | None = None,
    root: str | os.PathLike | None = None,
    records: str | os.PathLike | None = None,
    *,
    recipe: str | os.PathLike | None = None,
    config: str | os.PathLike | RunConfig | None = None,
    records_cache: str | os.PathLike | None = None,
    system: str | None = None,
    system_config: Mapping[str, Any] | None = None,
    backbone_weights: str | os.PathLike | None = None,
    protocol: str | None = None,
    folds: Sequence[int] | str | None = None,
    seeds: Sequence[int] | None = None,
    streams: str | None = None,
    joint: bool | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    patience: int | None = None,
    train: Mapping[str, Any] | None = None,
    augment: str | None = None,
    augmentation: Mapping[str, Any] | None = None,
    init: str | os.PathLike | None = None,
    init_faces: str | os.PathLike | None = None,
    init_speech: str | os.PathLike | None = None,
    teachers: Sequence[str | os.PathLike] | None = None,
    teachers_share: float | None = None,
    train_actors: int | None = None,
    merge: Mapping[str, Sequence[str]] | Sequence[str] | None = None,
    only: Sequence[str] | str | None = None,
    precision: str | None = None,
    learning: str | None = None,
    start_fraction: float | str | None = None,
    per_epoch: int | None = None,
    pool_every: int | None = None,
    corpus_options: Mapping[str, Any] | None = None,
    name: str | None = None,
    out: str | os.PathLike = "saved_models",
    resume: bool | str = False,
    device: str = "auto",
    replicas: int | None = None,
    workers: int | None = None,
    direct: bool = False,
    **fields: Any,
) -> Path:
    """Trains a system and evaluates it on the test part of its protocol.

    The other arguments are fields of `emotionnet.training.config.RunConfig`, which has their descriptions and
    defaults. None means the value of ``recipe`` or ``config``, else that default.

    Args:
        corpus: ``demo``, ``ravdess``, ``crema_d``, ``fer2013`` or ``folder``; prepared (once) into
            ``data/<corpus>/records``. The default is ``demo``, unless ``records`` is given.
        root: folder of the corpus.
        records: folder of prepared records, instead of a corpus; or their address in a bucket
            (``s3://bucket/records``, ``gs://…``), see `emotionnet.clips.remote`.
        recipe: a name of `emotionnet.recipes`, or a file of your own. Whatever else is given changes it. The runs of
            a recipe with several go into one folder, and what is finished there is left alone.
        config: a run, or a group of runs, to be made again: with all its settings and, unless others are
            given, its records. Whatever else is given changes it. Or a `RunConfig`.
        records_cache: folder of a cache of the system's view of the records, see
            `emotionnet.inputs.cache`. It is written where it is not there yet, and then trained from;
            by itself, without ``records`` or ``corpus``, it needs no TensorFlow.
        backbone_weights: what the system's backbone starts from: ``imagenet`` (the default, but for
            the demo), a file, a folder that holds it, or ``none`` for random weights.
        epochs, batch_size, learning_rate, patience: for every stream; see `emotionnet.training.plan`.
        name: of the run folder; by default that of ``config``, or made of system, corpus and protocol.
        out: where run folders go.
        resume: continue the run ``name`` after a kill. ``"auto"``: continue where there is an
            unfinished one, start it where there is none, leave a finished one (or the finished ones
            of a group) alone, and say which.
        device: ``auto``, ``cpu``, ``gpu`` or ``tpu``, see `emotionnet.training.devices.choose`. No part of
            what a run is: it may be resumed on others.
        replicas: devices that share a batch; by default all GPUs or TPUs there are.
        workers: processes that prepare clips.
        direct: train from recordings of sound where they are, a folder or an address, without records of them;
            see `emotionnet.clips.sound_files`.
        **fields: any setting of the system, the training or the augmentation, by its name.

    Returns:
        The run folder, or the folder of the group; the last one of a recipe with several.

    Raises:
        UsageError: an unknown name, a missing folder, a contradiction.
        EmotionNetError: the corpus or the checkpoint cannot be used.
    """
    options = locals()
    options |= options.pop("fields")
    check_one(recipe, config)
    if recipe is not None and len(load(recipe).runs) > 1:
        return _follow(options)
    run = asked(options)
    from emotionnet.clips.records import read_meta
    from emotionnet.clips.remote import is_url

    if run.records is not None and not is_url(run.records) and not Path(run.records).exists():
        read_meta(run.records)  # says what is not there, before all that takes seconds to load
    from emotionnet.evaluation.run_or_group import evaluate
    from emotionnet.runs.whole import train_and_evaluate
    from emotionnet.training.begin import check_kind, check_resume, name_for
    from emotionnet.training.devices import choose
    from emotionnet.training.init import init_sources
    from emotionnet.training.plan import check, plan_runs
    from emotionnet.training.settings import settings_of
    from emotionnet.training.unit import learnt_names

    check_resume(resume)
    if is_url(out):
        raise UsageError(
            f"--out {out}: a run is written to a folder of this machine, or one that is mounted "
            "(Drive, a bucket by gcsfuse or s3fs). Copy it to the bucket when it is finished."
        )
    devices = choose(device, replicas)  # before anything else makes TensorFlow start
    if devices.workers > 1 and (run.records is records_cache is None or name is None):
        raise UsageError(
            "several workers (TF_CONFIG) train from prepared --records, under a --name."
        )
    # A misspelt name, or value, is told before clips are prepared, which may take long.
    init_sources(run)
    if run.records is records_cache is None and (run.init is None or run.system is not None):
        check(run, run.corpus or "demo")
    records = clips_for(run, root, workers, direct, records_cache)
    plan = plan_runs(run, records)
    records.check_streams(plan.config["streams"])
    for each in learnt_names(plan.config):
        batch_size = settings_of({**plan.config, "seed": 0}, each).batch_size
        devices.check(batch_size, run.precision)
    if records_cache is not None:
        with devices.chief_first():
            records = _cached(records, records_cache, plan.config)
        plan.config["records"] = records.address
    top = Path(out) / (name or name_for(Path(out), plan.name, resume))
    several = len(plan.splits) > 1
    check_kind(top, several)
    kept: dict = {}
    for split, own in zip(plan.splits, plan.own):
        folder = top / f"fold_{split.fold}_seed_{split.seed}" if several else top
        train_and_evaluate(folder, {**plan.config, **own}, split, records, resume, devices, kept)
    with devices.chief_first():
        if several and devices.chief:
            evaluate(top)
    return top


def _follow(options: dict[str, Any]) -> Path:
    """Makes the runs of a recipe one after another; continues where it was stopped."""
    from emotionnet.runs.continued import refit

    recipe = load(options.pop("recipe"))
    top = Path(options["out"]) / (options["name"] or recipe.name)
    how = {key: options[key] for key in ("device", "replicas")}
    earlier: list[str] = []
    for number, step in enumerate(recipe.runs, start=1):
        settings = at(step, top, earlier)
        name = settings.get("name") or f"{step['refit']}-refit"
        print(f"\n== {recipe.name}, {number} of {len(recipe.runs)}: {name}")
        with resumes(f"the same command continues in {top}"):
            if "refit" in settings:
                run = settings.pop("refit")
                folder = refit(run, **{**settings, **how, "name": name, "resume": "auto"})
            else:
                config = RunConfig().changed(settings)
                own = {"config": config, "name": name, "out": top, "resume": "auto"}
                folder = fit(**{**options, **own})
        earlier.append(name)
    return folder


def clips_for(run: RunConfig, root, workers: int | None, direct: bool = False, cache=None):
    """Opens the records, or their cache, that ``run`` is trained from; arguments as of `fit`."""
    from emotionnet.clips.preparing import records_of
    from emotionnet.inputs.opening import open_clips

    if direct and run.streams != "speech":
        raise UsageError("--direct is for sound alone: it needs --streams speech")
    alone = cache is not None and run.records is run.corpus is root is None
    place = cache if alone else run.records
    records = open_clips(records_of(place, run.corpus, root, workers, run.corpus_options, direct))
    _say_unused(records.folder)
    return records


def _say_unused(folder: Path) -> None:
    """Says which clips and files of the corpus are not used, and why, and which repeat others."""
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
        if Path(folder).resolve() != records.folder.resolve():
            raise UsageError(
                f"--records-cache {folder}: {records.folder} is a cache itself, and no other is made of one. Leave "
                "--records-cache out, or give it alone."
            )
        records.check_view(view)
        return records
    # As in training: only what learns from sound alone learns from copies of it.
    alone = streams == ["speech"] or "speech" in learnt_names(config)
    copies = strength.copies if strength and alone else ()
    return write_cache(records, view, folder, streams, copies)
