"""The training loop: one stream of a system at a time, resumable at any step.

An own loop around ``train_on_batch`` rather than ``Model.fit``: the loop's whole state is visible,
so it can be written down and taken up again; and it is the same under every Keras backend.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from sklearn.metrics import balanced_accuracy_score

from emotionnet.progress import progress
from emotionnet.training.mixup import mix
from emotionnet.training.optimizer import Freezing, averaged, compile_stream, reset
from emotionnet.training.settings import Settings
from emotionnet.training.state import TrainingState, assign, training_variables


@dataclass(frozen=True)
class StreamData:
    """What a stream learns from.

    Args:
        steps: ``steps(epoch)`` is the number of training steps of an epoch, counted from 0.
        training: ``training(epoch, start_step)`` gives batches ``(inputs, one-hot targets)``.
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
        saved_values: variables of a state that was loaded for this stream; None to start anew.
        on_epoch: called with each history row.
    """
    compile_stream(model, settings, from_logits)
    freezing = Freezing(model, settings.frozen)
    freezing.freeze()
    if saved_values is None:
        state.begin(name)
    else:
        assign(training_variables(model), saved_values, checkpoint)
    last_save = time.monotonic()
    all_steps = [data.steps(epoch) for epoch in range(settings.epochs)]
    bar = progress(total=sum(all_steps), what=f"train {name}", unit="steps")
    bar.update(sum(all_steps[: state.epoch]) + state.step)

    for epoch in range(state.epoch, settings.epochs):
        if settings.patience and state.wait >= settings.patience:
            break
        if state.step == 0:
            state.sums = dict.fromkeys(("clips", "loss", "accuracy"), 0.0)
        if settings.frozen_epochs and epoch >= settings.frozen_epochs:
            freezing.end()
            if epoch == settings.frozen_epochs and state.step == 0:
                reset(model.optimizer)  # its moments know nothing of what has not learnt
        reductions = settings.plateaus(_losses(state, name))
        started, first_step, steps = time.monotonic(), state.step, all_steps[epoch]
        for inputs, targets in data.training(epoch, state.step):
            # By the share of epochs, not by steps: epochs may grow.
            model.optimizer.learning_rate = settings.learning_rate_at(
                (epoch + state.step / steps) / settings.epochs, reductions
            )
            if settings.mixup:
                key = (settings.seed, epoch, state.step)
                inputs, targets = mix(inputs, targets, settings.mixup, key)
            logs = _train_step(model, inputs, targets, state)
            state.step += 1
            bar.update()
            bar.set_postfix_str(
                _postfix(epoch, settings, logs, state.best.get(name)), refresh=False
            )
            if time.monotonic() - last_save > settings.save_every_s and state.step < steps:
                state.save(checkpoint, training_variables(model))
                last_save = time.monotonic()
        train_s = time.monotonic() - started
        learning_rate = float(np.asarray(model.optimizer.learning_rate))
        with averaged(model):
            row = {
                "stream": name,
                "epoch": epoch + 1,
                **_running_means(state),
                **_validate(model, data, from_logits),
                "learning_rate": learning_rate,
                "steps": steps,
                "seconds": round(train_s, 2),
                "clips_per_s": round((steps - first_step) * settings.batch_size / train_s, 2),
                **data.after_epoch(epoch),
            }
            score = [row["val_uar"], -row["val_loss"]]
            # Without validation clips the last epoch counts as the best.
            if name not in state.best or score > state.best[name]["score"] or math.isnan(score[0]):
                state.best[name] = {"epoch": epoch + 1, "score": score}
                state.best_weights[name] = [np.array(w) for w in model.weights]
                state.wait = 0
            else:
                state.wait += 1
        state.history.append(row)
        state.epoch, state.step = epoch + 1, 0
        state.save(checkpoint, training_variables(model))
        last_save = time.monotonic()
        on_epoch(row)
    bar.close()

    freezing.end()
    assign(model.weights, state.best_weights[name], checkpoint)
    state.done.append(name)
    state.stream = ""
    state.save(checkpoint)


def _losses(state: TrainingState, name: str) -> list[float]:
    """What "plateau" looks at: validation losses of the epochs so far, else training losses."""
    rows = [row for row in state.history if row["stream"] == name]
    return [row["loss"] if math.isnan(row["val_loss"]) else row["val_loss"] for row in rows]


def _postfix(epoch: int, settings: Settings, logs: dict, best: dict | None) -> str:
    text = (
        f"epoch {epoch + 1}/{settings.epochs}, loss {logs['loss']:.3f}, acc {logs['accuracy']:.2f}"
    )
    if best:
        text += f", best val UAR {best['score'][0]:.2f} (epoch {best['epoch']})"
    return text


def _train_step(model: keras.Model, inputs: dict, targets, state: TrainingState) -> dict:
    model.reset_metrics()  # the sums below are the epoch's: they must survive a kill
    logs = model.train_on_batch(inputs, targets, return_dict=True)
    clips = float(targets.shape[0])
    state.sums["clips"] += clips
    for key in ("loss", "accuracy"):
        state.sums[key] += clips * float(logs[key])
    return _running_means(state)


def _running_means(state: TrainingState) -> dict[str, float]:
    return {k: round(state.sums[k] / state.sums["clips"], 6) for k in ("loss", "accuracy")}


def _validate(model: keras.Model, data: StreamData, from_logits: bool) -> dict[str, float]:
    if not len(data.validation_targets):
        return dict.fromkeys(("val_loss", "val_accuracy", "val_uar"), float("nan"))
    outputs = np.concatenate([np.asarray(model.predict_on_batch(x)) for x in data.validation()])
    outputs = outputs.astype(np.float64)
    if from_logits:
        outputs -= outputs.max(1, keepdims=True)
        log_p = outputs - np.log(np.exp(outputs).sum(1, keepdims=True))
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
