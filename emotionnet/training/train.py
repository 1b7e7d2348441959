"""Trains the run that a folder describes: stream after stream, resumable, and saves the model."""

import shutil

import keras
import numpy as np

from emotionnet.files import write_csv
from emotionnet.keras_private import layers_inside
from emotionnet.systems.stages import Fit
from emotionnet.training.checks import check_units
from emotionnet.training.devices import ONE, Devices
from emotionnet.training.fitting import fit_unit
from emotionnet.training.init import begin_with_all, warm_start
from emotionnet.training.loop import Learner, train_stream
from emotionnet.training.optimizer import find_layers
from emotionnet.training.run import Run
from emotionnet.training.settings import settings_of
from emotionnet.training.state import TrainingState, assign
from emotionnet.training.stream_data import augmentation, stream_data
from emotionnet.training.teachers import taught_targets
from emotionnet.training.unit import Unit, learnt_names, trained_part, units_of


def train_run(
    run: Run, records, devices: Devices = ONE, kept: dict[str, dict[str, Learner]] | None = None
) -> list[dict]:
    """Trains and fits every stage of ``run`` that is not done yet and writes ``model.keras``.

    Continues from the run's checkpoint where there is one, and ends with the same bits as a training
    that was never interrupted.

    Args:
        run: from `Run.create` or `Run.open`.
        records: opened `emotionnet.clips.records.Records` of the run.
        devices: what to train on; a run may be resumed on another number of them. Of
            several workers only the chief writes.
        kept: of the kind of run (`Run.kind`) that was trained last what learns, so that runs of one kind are traced
            once; this one's is added. It must have been trained on the same ``devices``.

    Returns:
        The run's history, a row a stream and epoch.

    Raises:
        UsageError: the settings name a layer that a stage does not have.
        EmotionNetError: a stage has no clips to learn from, or cannot be fitted to them; or the
            checkpoint does not fit.
    """
    config = run.config
    taught = {}
    if config.get("teachers"):  # before the seed is set: their models draw from it too
        with devices.chief_first():
            taught = taught_targets(run, records, learnt_names(config))
    keras.config.set_dtype_policy(config["precision"])
    keras.utils.set_random_seed(config["seed"])
    with devices.scope():
        model = run.build()
    parts = run.split_rows(records)

    fingerprint = run.fingerprint()
    state, values = TrainingState(fingerprint=fingerprint), None
    if run.checkpoint.exists():
        state, values = TrainingState.load(run.checkpoint, fingerprint)
    units = units_of(model, config)
    check_units(run, records, parts, units)
    learners = _learners_of(run, {} if kept is None else kept)
    unfitted = {each.name: _fitted(model, each).get_weights() for each in units if _fits(each)}
    # When it resumes too: a checkpoint knows nothing of the stages that are still to come.
    if config.get("refit"):
        begin_with_all(model, config["refit"])
    else:
        for line in warm_start(model, config):
            if not run.checkpoint.exists():
                print(line)

    for unit in units:
        if _fits(unit):
            layer = _fitted(model, unit)
            begun = _differ(layer.get_weights(), unfitted[unit.name])
            keep = begun and not unit.model.trainable_weights and is_learnt_behind(layer, units)
            _fit(run, records, parts, unit, layer, state, devices, keep)
        else:
            started = values if state.stream == unit.name else None
            its = taught.get(unit.name)
            _learn(run, records, parts, unit, state, started, devices, its, learners)
    if devices.chief:
        _write_tables(run, state)  # a kill may have come between the last state and these
        run.save_model(model)
        shutil.rmtree(run.checkpoint.parent, ignore_errors=True)
    return state.history


def _learners_of(run: Run, kept: dict[str, dict[str, Learner]]) -> dict[str, Learner]:
    """Those of ``run``'s kind; others are forgotten, since their networks would pile up."""
    kind = run.kind()
    for other in kept.keys() - {kind}:
        del kept[other]
    return kept.setdefault(kind, {})


def _learn(
    run: Run, records, parts: dict, unit: Unit, state: TrainingState, values, devices: Devices, taught,
    learners: dict[str, Learner],
) -> None:  # fmt: skip
    """Trains ``unit`` to its end; ``values`` are those of a training that was under way."""
    name, settings = unit.name, settings_of(run.config, unit.name)
    trained = trained_part(unit, settings, augmentation(run.config))
    if name in state.done:
        assign(trained.model.weights, state.best_weights[name], run.checkpoint)
        return
    with records.guard():
        moved = state.labelled.setdefault(name, [])
        with devices.chief_first():  # copies of the sound may be made, once for all
            data = stream_data(run, records, parts, unit, trained, moved, devices, taught)
        train_stream(
            trained.model,
            name,
            data,
            trained.settings,
            state,
            run.checkpoint,
            from_logits=unit.logits,
            saved_values=values,
            on_epoch=lambda row: _log_epoch(run, state, row),
            devices=devices,
            learners=learners,
        )


def _fits(unit: Unit) -> bool:
    return isinstance(unit.stage, Fit)


def _fitted(model: keras.Model, unit: Unit) -> keras.Layer:
    """The layer that ``unit`` computes the numbers of."""
    (layer,) = find_layers(model, unit.stage.layer)
    return layer


def _differ(some: list, others: list) -> bool:
    return not all(np.array_equal(a, b) for a, b in zip(some, others))


def is_learnt_behind(layer: keras.Layer, units: list[Unit]) -> bool:
    """Whether one of ``units`` learns by gradient behind ``layer``."""
    learning = (each.model for each in units if not _fits(each))
    return any(each is layer for model in learning for each in layers_inside(model))


def _fit(
    run: Run, records, parts: dict, unit: Unit, layer: keras.Layer, state: TrainingState,
    devices: Devices, keep: bool,
) -> None:  # fmt: skip
    """Computes the numbers of ``layer``, that ``unit`` is about.

    Those of another run that it begins with are to ``keep`` where nothing before it learns, and networks behind it
    do: these begin there too, and were trained on them. Others may have other directions, in another order.
    """
    if unit.name not in state.done:
        if keep:
            numbers = layer.get_weights()
        else:
            with records.guard(), devices.chief_first():
                numbers = fit_unit(run, records, parts, unit, layer)
        state.best_weights[unit.name] = [devices.agreed(each) for each in numbers]
        state.done.append(unit.name)
        state.stream = ""
        if devices.chief:
            state.save(run.checkpoint)
    assign(layer.weights, state.best_weights[unit.name], run.checkpoint)


def _write_tables(run: Run, state: TrainingState) -> None:
    """Writes history.csv and labelled.csv again; they are small."""
    write_csv(run.folder / "history.csv", state.history)
    if any(state.labelled.values()):
        moved = [
            dict(zip(("stream", "clip", "epoch", "bits"), (stream, *each)))
            for stream, clips in state.labelled.items()
            for each in clips
        ]
        write_csv(run.folder / "labelled.csv", moved)


def _log_epoch(run: Run, state: TrainingState, row: dict) -> None:
    """Writes the tables, and one point for TensorBoard."""
    from tensorboard.summary import Writer  # its own: it writes without TensorFlow too

    _write_tables(run, state)
    writer = Writer(str(run.folder / "logs" / row["stream"]))
    for key, value in row.items():
        if isinstance(value, float):
            writer.add_scalar(key, value, row["epoch"])
    writer.close()
