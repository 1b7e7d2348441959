"""A run from beginning to end: announced, trained, evaluated; or continued where it was stopped."""

import gc
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from emotionnet.command import resumes
from emotionnet.errors import EmotionNetError
from emotionnet.locks import alone

#: Share of a training's time spent waiting for clips from which advice is printed.
MUCH_WAITING = 0.2


def train_and_evaluate(
    folder: Path,
    config: dict,
    split,
    records,
    resume: bool | str,
    devices,
    kept: dict | None = None,
) -> None:
    """Trains the run in ``folder``, unless it is trained already, and evaluates it on its test part.

    Args:
        folder: of the run.
        config: what is asked for, with what `emotionnet.training.run.about` says.
        split: an `emotionnet.inputs.split.Split`.
        records: opened records or a cache of them.
        resume: as for `emotionnet.fit`.
        devices: see `emotionnet.training.devices.choose`.
        kept: of the runs of a group, see `emotionnet.training.train.train_run`.
    """
    from emotionnet.evaluation.asked import Asked
    from emotionnet.evaluation.measuring import is_answered
    from emotionnet.evaluation.run_or_group import evaluate
    from emotionnet.training.begin import open_run
    from emotionnet.training.run import check_free
    from emotionnet.training.train import train_run

    if devices.chief and not resume:
        check_free(folder)  # here too, so as not to wait first for the process that trains it
    # Two processes would take turns at one checkpoint. Of several workers the chief alone writes.
    mine = alone(folder) if devices.chief else nullcontext()
    with mine, resumes(f"the same command with --resume auto continues {folder}"):
        with devices.chief_first():
            # The other workers find what the chief has made.
            run = open_run(folder, config, split, resume if devices.chief else True)
            if devices.chief and not run.finished:
                run.note_devices(devices.facts())
        if not run.finished:
            _announce(run, split, devices)
            try:
                history = train_run(run, records, devices, kept)
            except EmotionNetError:
                # Nothing was trained yet: the next try may have the name.
                begun = run.checkpoint.exists() or (folder / "history.csv").exists()
                if devices.chief and not begun:
                    run.discard()
                raise
            gc.collect()  # a model holds itself; folds and seeds would pile up, see `emotionnet.environment`
            print(f"input      {_waiting(history)}")
        with devices.chief_first():
            if devices.chief:
                # A kill may have come between the model and the end of its checkpoint.
                shutil.rmtree(run.checkpoint.parent, ignore_errors=True)
                if not is_answered(folder, Asked()):
                    evaluate(folder, records=records.address)


def _waiting(history: Sequence[dict]) -> str:
    """The share of the training's time spent waiting for batches, and advice."""
    rows = [row for row in history if "input_share" in row]
    seconds = sum(row["seconds"] for row in rows)
    share = sum(row["input_share"] * row["seconds"] for row in rows) / max(seconds, 1e-9)
    text = f"{share:.0%} of the time in training steps was spent waiting for clips"
    if share > MUCH_WAITING:
        text += ": more CPU cores, a local disk or a weaker --augment would make it faster"
    return text


def _longer(view, rows: Sequence) -> tuple[float, int]:
    """Seconds of a clip that a view shows, and how many of ``rows``, of records, are longer."""
    from emotionnet.clips.decode import MAX_RATE

    frames = MAX_RATE * view.window_s  # where there is no sound it is not known how long they last
    longer = sum(row.samples > view.samples or row.frames > frames for row in rows)
    return view.window_s, longer


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
    window_s, longer = _longer(run.view(), (*split.train, *split.validation, *split.test))
    if longer:
        print(f"window     {window_s:g} s: of {longer} clips that are longer, their middle")
    if besides := besides_clips([config]):
        print(f"besides    {besides}")
    print(f"device     {devices.why}")
    if split.warning:
        print(f"warning    {split.warning}")
