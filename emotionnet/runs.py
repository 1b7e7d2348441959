"""Runs from beginning to end, as every verb that trains makes them: announced, trained, evaluated."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from emotionnet.command import resumes
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.training.config import RunConfig

#: Share of a training's time in which a device waits for clips that is worth a word.
MUCH_WAITING = 0.2


def fit_runs(
    run: RunConfig,
    root: str | os.PathLike | None = None,
    records_cache: str | os.PathLike | None = None,
    *,
    name: str | None = None,
    out: str | os.PathLike = "saved_models",
    resume: bool | str = False,
    device: str = "auto",
    replicas: int | None = None,
    workers: int | None = None,
    direct: bool = False,
) -> Path:
    """Trains and evaluates what ``run`` asks for; all else is as of `emotionnet.fit`.

    Returns:
        The run folder, or the folder of the group.
    """
    from emotionnet.clips.preparing import records_of
    from emotionnet.clips.remote import is_url
    from emotionnet.evaluate import evaluate
    from emotionnet.inputs.opening import open_clips
    from emotionnet.training.begin import check_kind, check_resume, name_for
    from emotionnet.training.devices import choose
    from emotionnet.training.plan import plan_runs
    from emotionnet.training.train import settings_of
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
    records = run.records
    if records_cache is not None and records is run.corpus is root is None:
        records = records_cache
    if direct and run.streams != "speech":
        raise UsageError("--direct is for sound alone: it needs --streams speech")
    options = run.corpus_options
    records = open_clips(records_of(records, run.corpus, root, workers, options, direct))
    _say_unused(records.folder)
    plan = plan_runs(run, records)
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
    for split, own in zip(plan.splits, plan.own):
        folder = top / f"fold_{split.fold}_seed_{split.seed}" if several else top
        train_and_evaluate(folder, {**plan.config, **own}, split, records, resume, devices)
    with devices.chief_first():
        if several and devices.chief:
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


def train_and_evaluate(
    folder: Path, config: dict, split, records, resume: bool | str, devices
) -> None:
    """Trains the run in ``folder``, unless it is trained already, and evaluates it on its test part.

    Args:
        folder: of the run.
        config: what is asked for, with what `emotionnet.training.run.about` says.
        split: an `emotionnet.inputs.split.Split`.
        records: opened records or a cache of them.
        resume: as for `emotionnet.fit`.
        devices: see `emotionnet.training.devices.choose`.
    """
    from emotionnet.evaluate import evaluate
    from emotionnet.training.begin import open_run
    from emotionnet.training.train import train_run

    with resumes(f"the same command with --resume auto continues {folder}"):
        with devices.chief_first():
            # The other workers find what the chief has made.
            run = open_run(folder, config, split, resume if devices.chief else True)
            if devices.chief and not run.finished:
                run.note_devices(devices.facts())
        if not run.finished:
            _announce(run, split, devices)
            try:
                history = train_run(run, records, devices)
            except EmotionNetError:
                # Nothing was learnt yet: the next try may have the name.
                begun = run.checkpoint.exists() or (folder / "history.csv").exists()
                if devices.chief and not begun:
                    shutil.rmtree(folder, ignore_errors=True)
                raise
            print(f"input      {_waiting(history)}")
        with devices.chief_first():
            if devices.chief:
                # A kill may have come between the model and the end of its checkpoint.
                shutil.rmtree(run.checkpoint.parent, ignore_errors=True)
                if not (folder / "metrics.json").exists():
                    evaluate(folder, records=records.address)


def _waiting(history: Sequence[dict]) -> str:
    """How much of the training's time went by without a batch to learn from, and what helps."""
    rows = [row for row in history if "input_share" in row]
    seconds = sum(row["seconds"] for row in rows)
    share = sum(row["input_share"] * row["seconds"] for row in rows) / max(seconds, 1e-9)
    text = f"{share:.0%} of the time in training steps was spent waiting for clips"
    if share > MUCH_WAITING:
        text += ": more CPU cores, a local disk or a weaker --augment would make it faster"
    return text


def _announce(run, split, devices) -> None:
    from emotionnet.training.run import besides_clips

    config = run.config
    print(f"run        {run.folder}")
    faces = f", faces at {config['system_config']['image_size']} px"
    print(f"system     {config['system']}{faces if 'faces' in config['streams'] else ''}")
    if "backbone_weights" in config["system_config"] and "faces" in config["streams"]:
        weights = config["system_config"]["backbone_weights"]
        random = ": it starts from random weights" * (weights in (None, "", "none"))
        print(f"backbone   {config['system_config']['backbone']}, weights {weights}{random}")
    print(
        f"corpus     {config['corpus']}, {len(config['labels'])} emotions: {', '.join(config['labels'])}"
    )
    print(f"protocol   {split.description}")
    print(
        f"clips      {len(split.train)} to learn from, {len(split.validation)} to choose the epoch, "
        f"{len(split.test)} to test"
    )
    if besides := besides_clips([config]):
        print(f"besides    {besides}")
    print(f"device     {devices.why}")
    if split.warning:
        print(f"warning    {split.warning}")
