"""The training loop: one stream of a system at a time, resumable at any step.

An own loop around one step (`emotionnet.training.devices`) rather than ``Model.fit``: the loop's whole
state is visible, so it can be written down and taken up again; and it is the same under every Keras
backend and on any number of devices.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np
from scipy.special import log_softmax
from sklearn.metrics import balanced_accuracy_score

from emotionnet.progress import progress
from emotionnet.training.devices import ONE, Devices
from emotionnet.training.mixup import mix
from emotionnet.training.optimizer import Freezing, averaged, compile_stream, reset
from emotionnet.training.settings import Settings
from emotionnet.training.state import TrainingState, assign, rewind, training_variables


@dataclass(frozen=True)
class StreamData:
    """The training data of a stream.

    Args:
        steps: ``steps(epoch)`` is the number of training steps of an epoch, counted from 0.
        training: ``training(epoch, start_step)`` gives batches ``(inputs, targets (batch, classes))``: of several
            workers each its own part of a batch, but with mixup the whole.
        validation: ``validation()`` gives batches of inputs, all clips once.
        validation_targets: label numbers of those clips (n,).
        after_epoch: ``after_epoch(epoch)`` is called when an epoch is done; what it gives
            is added to the epoch's history row. What it changes must be part of the state.
    """

    steps: Callable[[int], int]
    training: Callable[[int, int], Iterable]
    validation: Callable[[], Iterable]
    validation_targets: np.ndarray
    after_epoch: Callable[[int], dict] = lambda epoch: {}


@dataclass(frozen=True)
class Learner:
    """A compiled model with its step and its answer to a batch, which are traced when they are first called.

    Runs that differ in their clips and seed alone take turns in one, so that its graphs are made once.
    """

    model: keras.Model
    learn: Callable
    answer: Callable

    @classmethod
    def of(cls, model: keras.Model, devices: Devices) -> "Learner":
        """Of a compiled model."""
        return cls(model, devices.training_step(model), devices.predictor(model))


def train_stream(
    model: keras.Model,
    name: str,
    data: StreamData,
    settings: Settings,
    state: TrainingState,
    checkpoint: Path,
    *,
    from_logits: bool = True,
    saved_values: list[np.ndarray] | None = None,
    on_epoch: Callable[[dict], None] = lambda row: None,
    devices: Devices = ONE,
    learners: dict[str, Learner] | None = None,
) -> None:
    """Trains one stream and leaves ``model`` with the weights of its best validation epoch.

    Args:
        model: inputs of the stream to logits (or probabilities).
        name: of the stream, for the history.
        data: batches.
        settings: how.
        state: cursor and history, changed in place and written to ``checkpoint``.
        checkpoint: file of the state.
        from_logits: whether ``model`` gives logits.
        saved_values: variables of a state that was loaded for this stream; None to start afresh.
        on_epoch: called with each history row.
        devices: what to train on; ``model`` was made in their scope. Only the chief of several workers
            writes the checkpoint and calls ``on_epoch``.
        learners: of each stream, of earlier runs with the same network and settings; this one's is added.
    """
    with devices.scope():
        compile_stream(model, settings, from_logits)
    if saved_values is None:
        state.begin(name)
        rewind(model)
    else:
        assign(training_variables(model), saved_values, checkpoint)
    learners, trained = {} if learners is None else learners, model
    if name in learners:
        values = [np.array(each) for each in training_variables(trained)]
        assign(training_variables(learners[name].model), values, checkpoint)
    else:
        learners[name] = Learner.of(trained, devices)
    model, learn, answer = learners[name].model, learners[name].learn, learners[name].answer
    freezing = Freezing(model, settings.frozen)
    freezing.freeze()
    last_save = time.monotonic()
    all_steps = [data.steps(epoch) for epoch in range(settings.epochs)]
    bar = progress(total=sum(all_steps), what=f"train {name}", unit="steps")
    bar.update(sum(all_steps[: state.epoch]) + state.step)

    def save(variables=()) -> None:
        if devices.chief:
            state.save(checkpoint, variables)

    with devices.norms(model):
        for epoch in range(state.epoch, settings.epochs):
            if settings.patience and state.wait >= settings.patience:
                break
            if state.step == 0:
                state.sums = dict.fromkeys(("clips", "loss", "accuracy"), 0.0)
            if settings.frozen_epochs and epoch >= settings.frozen_epochs:
                if freezing.end():
                    learn = devices.training_step(model)
                if epoch == settings.frozen_epochs and state.step == 0:
                    reset(model.optimizer)  # it has no moments of layers that were frozen
            reductions = settings.plateaus(_losses(state, name))
            started, first_step, steps = time.monotonic(), state.step, all_steps[epoch]
            batches = _Timed(partial(data.training, epoch, first_step))
            for inputs, targets in batches:
                # By the share of epochs, not by steps: epochs may grow.
                model.optimizer.learning_rate = settings.learning_rate_at(
                    (epoch + state.step / steps) / settings.epochs, reductions
                )
                if settings.mixup:
                    key = (settings.seed, epoch, state.step)
                    mixed = mix(inputs, targets, settings.mixup, key)
                    inputs, targets = devices.own_part(mixed)
                logs = _add(state, learn(inputs, targets))
                state.step += 1
                bar.update()
                bar.set_postfix_str(
                    _postfix(epoch, settings, logs, state.best.get(name)), refresh=False
                )
                if time.monotonic() - last_save > settings.save_every_s and state.step < steps:
                    save(training_variables(model))
                    last_save = time.monotonic()
            train_s = time.monotonic() - started
            learning_rate = float(np.asarray(model.optimizer.learning_rate))
            with averaged(model):
                if model is not trained:  # what looks at it after an epoch sees what was learnt
                    assign(trained.weights, [np.array(w) for w in model.weights], checkpoint)
                row = {
                    "stream": name,
                    "epoch": epoch + 1,
                    **_running_means(state),
                    **_validate(answer, data, from_logits, devices),
                    "learning_rate": learning_rate,
                    "steps": steps,
                    "seconds": round(train_s, 2),
                    "clips_per_s": round((steps - first_step) * settings.batch_size / train_s, 2),
                    "input_share": round(batches.waited_s / train_s, 4),
                    **data.after_epoch(epoch),
                }
                score = [row["val_uar"], -row["val_loss"]]
                # Where answers are no numbers any other epoch is better.
                if math.isnan(score[1]) and not math.isnan(score[0]):
                    score = [-math.inf] * 2
                # Without validation clips the last epoch counts as the best.
                if (
                    name not in state.best
                    or score > state.best[name]["score"]
                    or math.isnan(score[0])
                ):
                    state.best[name] = {"epoch": epoch + 1, "score": score}
                    state.best_weights[name] = [np.array(w) for w in model.weights]
                    state.wait = 0
                else:
                    state.wait += 1
            state.history.append(row)
            state.epoch, state.step = epoch + 1, 0
            save(training_variables(model))
            last_save = time.monotonic()
            if devices.chief:
                on_epoch(row)
    bar.close()

    freezing.end()
    if model is not trained:  # its random numbers too
        assign(trained.variables, [np.array(each) for each in model.variables], checkpoint)
    assign(trained.weights, state.best_weights[name], checkpoint)
    state.done.append(name)
    state.stream = ""
    save()


class _Timed:
    """Batches, and how long the training waited for them.

    Args:
        batches: gives them; that counts too.
    """

    def __init__(self, batches: Callable[[], Iterable]):
        self._batches, self.waited_s = batches, 0.0

    def __iter__(self) -> Iterator:
        started = time.monotonic()
        for batch in self._batches():
            self.waited_s += time.monotonic() - started
            yield batch
            started = time.monotonic()
        self.waited_s += time.monotonic() - started


def _losses(state: TrainingState, name: str) -> list[float]:
    """What "plateau" looks at: validation losses of the epochs so far, else training losses."""
    rows = [row for row in state.history if row["stream"] == name]
    return [row["loss"] if math.isnan(row["val_loss"]) else row["val_loss"] for row in rows]


def _postfix(epoch: int, settings: Settings, logs: dict, best: dict | None) -> str:
    text = (
        f"epoch {epoch + 1}/{settings.epochs}, loss {logs['loss']:.3f}, acc {logs['accuracy']:.2f}"
    )
    if best and not math.isnan(best["score"][0]):  # of clips to validate on there may be none
        text += f", best val UAR {best['score'][0]:.2f} (epoch {best['epoch']})"
    return text


def _add(state: TrainingState, logs: dict[str, float]) -> dict[str, float]:
    """Adds a step to the epoch's sums and gives the means so far."""
    state.sums["clips"] += logs["clips"]
    for key in ("loss", "accuracy"):
        state.sums[key] += logs["clips"] * logs[key]
    return _running_means(state)


def _running_means(state: TrainingState) -> dict[str, float]:
    return {k: round(state.sums[k] / state.sums["clips"], 6) for k in ("loss", "accuracy")}


def _validate(
    answer: Callable, data: StreamData, from_logits: bool, devices: Devices
) -> dict[str, float]:
    if not len(data.validation_targets):
        return dict.fromkeys(("val_loss", "val_accuracy", "val_uar"), float("nan"))
    outputs = devices.agreed(np.concatenate([answer(x) for x in data.validation()]))
    if from_logits:
        log_p = log_softmax(outputs, axis=1)
    else:
        log_p = np.log(np.maximum(outputs, 1e-12))
    targets, answers = data.validation_targets, log_p.argmax(1)
    return {
        "val_loss": round(float(-log_p[np.arange(len(targets)), targets].mean()), 6),
        "val_accuracy": round(float((answers == targets).mean()), 6),
        # Over the classes that the validation actors have.
        "val_uar": round(_uar(targets, answers), 6),
    }


def _uar(targets: np.ndarray, answers: np.ndarray) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes that are answered but absent from the targets
        return float(balanced_accuracy_score(targets, answers))
