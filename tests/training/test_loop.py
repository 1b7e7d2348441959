"""The loop on a tiny model with BatchNorm and dropout; the whole of `fit` is tested in test_fit.py."""

import keras
import numpy as np
import pytest

from emotionnet.inputs.pipeline import epoch_order
from emotionnet.training.loop import Settings, StreamData, train_stream
from emotionnet.training.state import TrainingState

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype("float32")
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
SETTINGS = Settings(epochs=4, batch_size=8, learning_rate=0.01, patience=0, save_every_s=0.0)


class Killed(Exception):
    """Stands for a SIGKILL: nothing after it runs."""


def tiny_model() -> keras.Model:
    keras.utils.set_random_seed(3)
    x = inputs = keras.Input((6,), name="x")
    x = keras.layers.Dense(8)(x)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.Dropout(0.5)(keras.ops.relu(x))
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def stream_data(kill_at: tuple[int, int] | None = None) -> StreamData:
    def training(epoch, start_step):
        order = epoch_order(32, 0, epoch).reshape(4, 8)
        for step in range(start_step, 4):
            if (epoch, step) == kill_at:
                raise Killed
            rows = order[step]
            yield X[rows], np.eye(3, dtype="float32")[Y[rows]]

    return StreamData(lambda epoch: 4, training, lambda: [X[32:]], Y[32:])


def train(folder, kill_at=None, settings=SETTINGS):
    path = folder / "state.npz"
    model, state, values = tiny_model(), TrainingState(fingerprint="f"), None
    if path.exists():
        state, values = TrainingState.load(path, "f")
    train_stream(model, "x", stream_data(kill_at), settings, state, path, saved_values=values)
    return model, state


@pytest.mark.parametrize("kill_at", [(0, 1), (1, 0), (2, 3), (3, 2)])
def test_a_killed_training_ends_with_the_same_bits(tmp_path, kill_at):
    whole, whole_state = train(tmp_path / "whole")
    with pytest.raises(Killed):
        train(tmp_path / "killed", kill_at)
    resumed, state = train(tmp_path / "killed")

    for a, b in zip(whole.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.path)
    timeless = [
        [{k: v for k, v in row.items() if k not in ("seconds", "clips_per_s")} for row in s.history]
        for s in (whole_state, state)
    ]
    assert timeless[0] == timeless[1]


def test_the_best_validation_epoch_is_kept(tmp_path):
    model, state = train(tmp_path)
    best = max(state.history, key=lambda row: (row["val_uar"], -row["val_loss"]))
    assert state.best["x"]["epoch"] == best["epoch"]
    answers = model.predict_on_batch(X[32:]).argmax(1)
    assert (answers == Y[32:]).mean() == pytest.approx(best["val_accuracy"], abs=1e-6)


def test_patience_stops_early(tmp_path):
    settings = Settings(epochs=50, batch_size=8, learning_rate=0.0, patience=2)
    _, state = train(tmp_path, settings=settings)
    # With no learning only BatchNorm's statistics move; it must stop long before the end.
    assert len(state.history) < 50
    assert len(state.history) == state.best["x"]["epoch"] + 2


def test_history_says_what_people_plot(tmp_path):
    _, state = train(tmp_path)
    assert [row["epoch"] for row in state.history] == [1, 2, 3, 4]
    assert {"stream", "loss", "accuracy", "val_loss", "val_accuracy", "val_uar"} <= set(
        state.history[0]
    )
    assert state.history[-1]["learning_rate"] < state.history[0]["learning_rate"]
