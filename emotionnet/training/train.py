"""Trains the run that a folder describes: stream after stream, resumable, and saves the model."""

import shutil

import keras

from emotionnet.errors import UsageError
from emotionnet.files import write_csv
from emotionnet.systems import get_system
from emotionnet.training.devices import ONE, Devices
from emotionnet.training.init import begin_with_all, init_faces
from emotionnet.training.loop import Settings, train_stream
from emotionnet.training.run import Run
from emotionnet.training.state import TrainingState, assign
from emotionnet.training.stream_data import (
    JOINT,
    augmentation,
    stream_data,
    trained_part,
    unit_of,
)
from emotionnet.training.teachers import taught_targets

#: ``--augment``; a system may say otherwise what they mean for it (its ``AUGMENTATION``).
AUGMENTATIONS = {
    "none": "nothing",
    "light": "faces: rotation, flip, scale, shift, brightness, contrast; sound: noise",
    "strong": "faces: as light, but further, and a rectangle erased of some",
    "paper": "light, and pitch-shifted and time-stretched copies of the sound, made once and cached",
}


def train_run(run: Run, records, devices: Devices = ONE) -> list[dict]:
    """Trains every stream of ``run`` that is not trained yet and writes ``model.keras``.

    Goes on from the run's checkpoint where there is one, and ends with the same bits as a training
    that was never interrupted.

    Args:
        run: from `Run.create` or `Run.open`.
        records: opened `emotionnet.clips.records.Records` of the run.
        devices: what to train on; another number of them than before may go on with a run. Of
            several workers only the chief writes.

    Returns:
        The run's history, a row a stream and epoch.

    Raises:
        EmotionNetError: a stream has no clips to learn from, or the checkpoint does not fit.
    """
    config = run.config
    taught = {}
    if config.get("teachers"):  # before the seed is set: their models draw from it too
        with devices.chief_first():
            taught = taught_targets(run, records, trained_streams(config))
    keras.config.set_dtype_policy(config["precision"])
    keras.utils.set_random_seed(config["seed"])
    with devices.scope():
        model = run.build()
    parts = run.split_rows(records)

    fingerprint = run.fingerprint()
    state, values = TrainingState(fingerprint=fingerprint), None
    if run.checkpoint.exists():
        state, values = TrainingState.load(run.checkpoint, fingerprint)
    elif config.get("refit"):
        begin_with_all(model, config["refit"])
    elif config.get("init_faces"):
        _begin_with_faces(model, config)

    for name in trained_streams(config):
        unit = unit_of(model, config, name)
        settings = settings_of(config, name)
        trained, its_settings = trained_part(unit, settings, augmentation(config))
        if name in state.done:
            assign(trained.weights, state.best_weights[name], run.checkpoint)
            continue
        with records.guard():
            moved = state.labelled.setdefault(name, [])
            with devices.chief_first():  # copies of the sound may be made, once for all
                trained, data = stream_data(
                    run, records, parts, unit, settings, moved, devices, taught.get(name)
                )
            train_stream(
                trained,
                name,
                data,
                its_settings,
                state,
                run.checkpoint,
                from_logits=unit.logits,
                saved_values=values if state.stream == name else None,
                on_epoch=lambda row: _log_epoch(run, state, row),
                devices=devices,
            )
    if devices.chief:
        _write_tables(run, state)  # a kill may have come between the last state and these
        run.save_model(model)
        shutil.rmtree(run.checkpoint.parent, ignore_errors=True)
    return state.history


def _begin_with_faces(model: keras.Model, config: dict) -> None:
    if "faces" not in config["streams"]:
        raise UsageError("--init-faces: this run does not train faces. Leave it out.")
    moved = init_faces(model, config)
    print(f"faces      begin with {moved:,} numbers of {config['init_faces']['run']}")


def trained_streams(config: dict) -> list[str]:
    """What a run trains, one after the other: its streams, or all of them as one."""
    if config["joint"] or JOINT in get_system(config["system"]).STREAMS:
        return [JOINT]
    return list(config["streams"])


def settings_of(config: dict, name: str) -> Settings:
    """How a run of this ``config`` trains what it calls ``name``."""
    per_stream = config["settings"]
    return Settings(seed=config["seed"], **per_stream.get(name, per_stream["faces"]))


def _write_tables(run: Run, state: TrainingState) -> None:
    """Writes history.csv and labelled.csv anew; they are small."""
    columns = dict.fromkeys(key for each in state.history for key in each)
    write_csv(run.folder / "history.csv", state.history, list(columns))
    if any(state.labelled.values()):
        moved = [
            dict(zip(("stream", "clip", "epoch", "bits"), (stream, *each)))
            for stream, clips in state.labelled.items()
            for each in clips
        ]
        write_csv(run.folder / "labelled.csv", moved, list(moved[0]))


def _log_epoch(run: Run, state: TrainingState, row: dict) -> None:
    """Writes the tables, and one point for TensorBoard."""
    from tensorboard.summary import Writer  # its own: it writes without TensorFlow too

    _write_tables(run, state)
    writer = Writer(str(run.folder / "logs" / row["stream"]))
    for key, value in row.items():
        if isinstance(value, float):
            writer.add_scalar(key, value, row["epoch"])
    writer.close()
