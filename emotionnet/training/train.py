"""Trains the run that a folder describes: stream after stream, resumable, and saves the model."""

import shutil
from collections.abc import Sequence

import keras
import numpy as np

from emotionnet.errors import EmotionNetError
from emotionnet.files import write_csv
from emotionnet.inputs.augment import Augmentation
from emotionnet.inputs.copies import speech_copies
from emotionnet.inputs.pipeline import (
    Source,
    inference_batches,
    training_batches,
    training_steps,
)
from emotionnet.systems import get_system
from emotionnet.training.loop import Settings, StreamData, train_stream
from emotionnet.training.run import Run
from emotionnet.training.state import TrainingState, assign

#: The stream that is all streams at once: trained through the fusion, with one optimizer.
JOINT = "joint"

AUGMENTATIONS = {
    "none": "nothing",
    "light": "faces: rotation, flip, brightness, contrast; sound: noise",
    "paper": "light, and pitch-shifted and time-stretched copies of the sound, made once and cached",
}


def train_run(run: Run, records) -> None:
    """Trains every stream of ``run`` that is not trained yet and writes ``model.keras``.

    Goes on from the run's checkpoint where there is one, and ends with the same bits as a training
    that was never interrupted.

    Args:
        run: from `Run.create` or `Run.open`.
        records: opened `emotionnet.clips.records.Records` of the run.

    Raises:
        EmotionNetError: a stream has no clips to learn from, or the checkpoint does not fit.
    """
    config = run.config
    keras.config.set_dtype_policy(config["precision"])
    keras.utils.set_random_seed(config["seed"])
    model = run.build()
    parts = run.split_rows(records)

    fingerprint = run.fingerprint()
    state, values = TrainingState(fingerprint=fingerprint), None
    if run.checkpoint.exists():
        state, values = TrainingState.load(run.checkpoint, fingerprint)

    for name in [JOINT] if config["joint"] else config["streams"]:
        stream_model, inputs = _stream(model, config, name)
        if name in state.done:
            assign(stream_model.weights, state.best_weights[name], run.checkpoint)
            continue
        with records.guard():
            train_stream(
                stream_model,
                name,
                _stream_data(run, records, parts, name, inputs),
                _settings(config, name),
                state,
                run.checkpoint,
                from_logits=name != JOINT,
                saved_values=values if state.stream == name else None,
                on_epoch=lambda row: _log_epoch(run, state, row),
            )
    run.save_model(model)
    shutil.rmtree(run.checkpoint.parent, ignore_errors=True)


def has_stream(row, stream: str) -> bool:
    """Whether a clip of the records has what ``stream`` needs."""
    return {"faces": row.faces_found > 0, "speech": row.samples > 0}.get(stream, True)


def _settings(config: dict, name: str) -> Settings:
    per_stream = config["settings"]
    return Settings(seed=config["seed"], **per_stream.get(name, per_stream["faces"]))


def _stream(model, config: dict, name: str) -> tuple[keras.Model, tuple[str, ...]]:
    """The model that is trained as ``name``, and the names of its inputs."""
    if name == JOINT:
        return keras.Model(model.input, model.output["probabilities"]), tuple(model.input)
    stream = get_system(config["system"]).STREAMS[name]
    return model.get_layer(stream.layer), stream.inputs


def _stream_data(run: Run, records, parts: dict, name: str, inputs: Sequence[str]) -> StreamData:
    config, view = run.config, run.view()
    settings = _settings(config, name)
    training = [row for row in parts["train"] if has_stream(row, name)]
    validation = [row for row in parts["validation"] if has_stream(row, name)]
    if not training:
        raise EmotionNetError(
            f"{records.folder}: no training clip has {name}. Train the other stream with --streams."
        )
    if config["augment"] == "paper" and name == "speech":
        training = training + speech_copies(records, training)
    source = Source(records, view, run.labels, tuple(inputs))
    strength = None if config["augment"] == "none" else Augmentation()
    # Read once for each run rather than once for each epoch, as far as that stays small.
    small = len(validation) * view.frames * view.image_size**2 * 3 < 300e6
    batches = inference_batches(source, validation, settings.batch_size)
    cached = batches.cache() if small else batches
    return StreamData(
        steps=training_steps(len(training), settings.batch_size),
        training=lambda epoch, start_step: training_batches(
            source,
            training,
            batch_size=settings.batch_size,
            seed=config["seed"],
            epoch=epoch,
            start_step=start_step,
            strength=strength,
        ),
        validation=lambda: cached,
        validation_targets=np.asarray(source.targets(validation)),
    )


def _log_epoch(run: Run, state: TrainingState, row: dict) -> None:
    """Writes history.csv anew (it is small) and one point for TensorBoard."""
    import tensorflow as tf

    write_csv(run.folder / "history.csv", state.history, list(state.history[0]))
    writer = tf.summary.create_file_writer(str(run.folder / "logs" / row["stream"]))
    with writer.as_default(step=row["epoch"]):
        for key, value in row.items():
            if isinstance(value, float):
                tf.summary.scalar(key, value)
    writer.close()
