"""Trains the run that a folder describes: stream after stream, resumable, and saves the model."""

import shutil
import time
from collections import defaultdict
from collections.abc import Sequence

import keras
import numpy as np

from emotionnet.errors import EmotionNetError
from emotionnet.files import write_csv
from emotionnet.inputs.augment import Augmentation
from emotionnet.inputs.copies import KINDS, speech_copies
from emotionnet.inputs.pipeline import (
    Source,
    inference_batches,
    training_batches,
    training_steps,
)
from emotionnet.systems import get_system
from emotionnet.systems.base import STREAM_INPUTS
from emotionnet.training.loop import Settings, StreamData, train_stream
from emotionnet.training.run import Run
from emotionnet.training.scoring import PoolScorer
from emotionnet.training.state import TrainingState, assign
from emotionnet.training.uncertainty import LabelPool, Learning

#: The stream that is all streams at once: trained through the fusion, with one optimizer.
JOINT = "joint"

#: ``--augment``; a system may say otherwise what they mean for it (its ``AUGMENTATION``).
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

    for name in trained_streams(config):
        stream_model, inputs = _stream(model, config, name)
        if name in state.done:
            assign(stream_model.weights, state.best_weights[name], run.checkpoint)
            continue
        with records.guard():
            train_stream(
                stream_model,
                name,
                _stream_data(run, records, parts, name, stream_model, inputs, state),
                _settings(config, name),
                state,
                run.checkpoint,
                from_logits=name in get_system(config["system"]).STREAMS,
                saved_values=values if state.stream == name else None,
                on_epoch=lambda row: _log_epoch(run, state, row),
            )
    run.save_model(model)
    shutil.rmtree(run.checkpoint.parent, ignore_errors=True)


def trained_streams(config: dict) -> list[str]:
    """What a run trains, one after the other: its streams, or all of them as one."""
    if config["joint"] or JOINT in get_system(config["system"]).STREAMS:
        return [JOINT]
    return list(config["streams"])


def has_stream(row, stream: str, streams: Sequence[str] = ("faces", "speech")) -> bool:
    """Whether a clip of the records has what ``stream`` needs; `JOINT` any of ``streams``."""
    has = {"faces": row.faces_found > 0, "speech": row.samples > 0}
    return has[stream] if stream != JOINT else any(has[each] for each in streams)


def _settings(config: dict, name: str) -> Settings:
    per_stream = config["settings"]
    return Settings(seed=config["seed"], **per_stream.get(name, per_stream["faces"]))


def _stream(model, config: dict, name: str) -> tuple[keras.Model, tuple[str, ...]]:
    """The model that is trained as ``name``, and the names of its inputs."""
    streams = get_system(config["system"]).STREAMS
    if name not in streams:
        return keras.Model(model.input, model.output["probabilities"]), tuple(model.input)
    layer, inputs = model.get_layer(streams[name].layer), streams[name].inputs
    if isinstance(layer, keras.Model):
        return layer, inputs
    seen = {key for stream in config["streams"] for key in STREAM_INPUTS[stream]}
    inputs = tuple(key for key in inputs if key in seen)
    return keras.Model({key: model.input[key] for key in inputs}, layer.output), inputs


def _augmentation(config: dict) -> Augmentation | None:
    if config["augment"] == "none":
        return None
    own = getattr(get_system(config["system"]), "AUGMENTATION", {}).get(config["augment"], {})
    return Augmentation(**{"copies": config["augment"] == "paper", **own})


def _stream_data(
    run: Run,
    records,
    parts: dict,
    name: str,
    model: keras.Model,
    inputs: Sequence[str],
    state: TrainingState,
) -> StreamData:
    config, view, strength = run.config, run.view(), _augmentation(run.config)
    settings, streams = _settings(config, name), config["streams"]
    stream = get_system(config["system"]).STREAMS.get(name)
    training = [row for row in parts["train"] if has_stream(row, name, streams)]
    validation = [row for row in parts["validation"] if has_stream(row, name, streams)]
    if not training:
        raise EmotionNetError(
            f"{records.folder}: no training clip has {name}. Train the other stream with --streams."
        )
    learning = Learning(**config.get("learning", {}))
    pool = LabelPool(training, learning, config["seed"], state.labelled.setdefault(name, []))
    copies = defaultdict(list)
    if strength and strength.copies and set(inputs) == set(STREAM_INPUTS["speech"]):
        for copy in speech_copies(records, training):
            copies[copy.clip.rpartition("~")[0]].append(copy)
    each = 1 + len(KINDS) * bool(copies)
    source = Source(records, view, run.labels, tuple(inputs))
    uncertainty = PoolScorer(
        model,
        source,
        pool.pool,
        settings.batch_size,
        logits=stream is not None,
        front=stream.front if stream else "",
    )
    # Read once for each run rather than once for each epoch, as far as that stays small.
    small = len(validation) * view.frames * view.image_size**2 * 3 < 300e6
    batches = inference_batches(source, validation, settings.batch_size)
    cached = batches.cache() if small else batches

    def epoch_batches(epoch: int, start_step: int):
        rows = pool.labelled
        return training_batches(
            source,
            rows + [copy for row in rows for copy in copies[row.clip]],
            batch_size=settings.batch_size,
            seed=config["seed"],
            epoch=epoch,
            start_step=start_step,
            strength=strength,
        )

    def after_epoch(epoch: int) -> dict:
        used, started = len(pool.labelled), time.monotonic()
        # A label that no epoch will use is not asked for.
        if epoch + 1 < settings.epochs:
            pool.move(epoch, uncertainty)
        if learning.scheme == "all":
            return {"labels_used": used}
        return {"labels_used": used, "pool_s": round(time.monotonic() - started, 2)}

    return StreamData(
        steps=lambda epoch: training_steps(each * pool.size(epoch), settings.batch_size),
        training=epoch_batches,
        validation=lambda: cached,
        validation_targets=np.asarray(source.targets(validation)),
        after_epoch=after_epoch,
    )


def _log_epoch(run: Run, state: TrainingState, row: dict) -> None:
    """Writes history.csv and labelled.csv anew (they are small) and one point for TensorBoard."""
    import tensorflow as tf

    write_csv(run.folder / "history.csv", state.history, list(state.history[0]))
    if any(state.labelled.values()):
        moved = [
            dict(zip(("stream", "clip", "epoch", "bits"), (stream, *each)))
            for stream, clips in state.labelled.items()
            for each in clips
        ]
        write_csv(run.folder / "labelled.csv", moved, list(moved[0]))
    writer = tf.summary.create_file_writer(str(run.folder / "logs" / row["stream"]))
    with writer.as_default(step=row["epoch"]):
        for key, value in row.items():
            if isinstance(value, float):
                tf.summary.scalar(key, value)
    writer.close()
