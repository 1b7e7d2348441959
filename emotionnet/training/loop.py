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
from emotionnet.training.state import TrainingState, assign, training_variables


@dataclass(frozen=True)
class Settings:
    """How to train; the same for every stream.

    Args:
        epochs: at most so many.
        batch_size: clips a step.
        learning_rate: of Adam, decayed to zero by a half cosine over ``epochs``.
        patience: epochs without a better validation score before stopping; 0 never stops early.
        label_smoothing: share of the target spread over all classes.
        clip_norm: largest global norm of the gradient.
        seed: of weights, order, augmentation and dropout.
        save_every_s: a checkpoint at least so often inside an epoch, in seconds.
    """

    epochs: int = 40
    batch_size: int = 8
    learning_rate: float = 1e-3
    patience: int = 10
    label_smoothing: float = 0.0
    clip_norm: float = 5.0
    seed: int = 0
    save_every_s: float = 60.0


@dataclass(frozen=True)
class StreamData:
    """What a stream learns from.

    Args:
        steps: training steps an epoch.
        training: ``training(epoch, start_step)`` gives batches ``(inputs, one-hot targets)``.
        validation: ``validation()`` gives batches of inputs, all clips once.
        validation_targets: label numbers of those clips (n,).
    """

    steps: int
    training: Callable[[int, int], Iterable]
    validation: Callable[[], Iterable]
    validation_targets: np.ndarray


def compile_stream(
    model: keras.Model, settings: Settings, steps: int, from_logits: bool = True
) -> None:
    """Gives ``model`` its own optimizer (Adam, cosine decay), cross-entropy and accuracy."""
    decay = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate, max(1, settings.epochs * steps)
    )
    model.compile(
        optimizer=keras.optimizers.Adam(decay, global_clipnorm=settings.clip_norm),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=from_logits, label_smoothing=settings.label_smoothing
        ),
        metrics=["accuracy"],
        jit_compile=False,  # XLA is about 9 times slower than the plain graph on a CPU
    )
    model.optimizer.build(model.trainable_variables)


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
    compile_stream(model, settings, data.steps, from_logits)
    if saved_values is None:
        state.begin(name)
    else:
        assign(training_variables(model), saved_values, checkpoint)
    last_save = time.monotonic()

    for epoch in range(state.epoch, settings.epochs):
        if settings.patience and state.wait >= settings.patience:
            break
        if state.step == 0:
            state.sums = dict.fromkeys(("clips", "loss", "accuracy"), 0.0)
        started, first_step = time.monotonic(), state.step
        bar = progress(total=data.steps, what=f"{name} {epoch + 1}/{settings.epochs}", unit="steps")
        bar.update(state.step)
        for inputs, targets in data.training(epoch, state.step):
            logs = _train_step(model, inputs, targets, state)
            state.step += 1
            bar.update()
            bar.set_postfix(
                loss=f"{logs['loss']:.3f}", acc=f"{logs['accuracy']:.3f}", refresh=False
            )
            if time.monotonic() - last_save > settings.save_every_s and state.step < data.steps:
                state.save(checkpoint, training_variables(model))
                last_save = time.monotonic()
        train_s = time.monotonic() - started
        row = {
            "stream": name,
            "epoch": epoch + 1,
            **_running_means(state),
            **_validate(model, data, from_logits),
            "learning_rate": float(np.asarray(model.optimizer.learning_rate)),
            "steps": data.steps,
            "seconds": round(train_s, 2),
            "clips_per_s": round((data.steps - first_step) * settings.batch_size / train_s, 2),
        }
        score = [row["val_uar"], -row["val_loss"]]
        # Without validation clips the last epoch counts as the best.
        if name not in state.best or score > state.best[name]["score"] or math.isnan(score[0]):
            state.best[name] = {"epoch": epoch + 1, "score": score}
            state.best_weights[name] = [np.array(w) for w in model.weights]
            state.wait = 0
        else:
            state.wait += 1
        bar.set_postfix(
            loss=f"{row['loss']:.3f}",
            val_acc=f"{row['val_accuracy']:.3f}",
            best=state.best[name]["epoch"],
        )
        bar.close()
        state.history.append(row)
        state.epoch, state.step = epoch + 1, 0
        state.save(checkpoint, training_variables(model))
        last_save = time.monotonic()
        on_epoch(row)

    assign(model.weights, state.best_weights[name], checkpoint)
    state.done.append(name)
    state.stream = ""
    state.save(checkpoint)


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
