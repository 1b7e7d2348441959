"""The loop on a tiny model with BatchNorm and dropout; the whole of `fit` is tested in test_fit.py."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest

from emotionnet.errors import UsageError
from emotionnet.inputs.source import epoch_order
from emotionnet.training.devices import Devices
from emotionnet.training.loop import Settings, StreamData, train_stream
from emotionnet.training.mixup import mix
from emotionnet.training.state import TrainingState, assign

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype("float32")
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
SETTINGS = Settings(epochs=4, batch_size=8, learning_rate=0.01, patience=0, save_every_s=0.0)


def tiny_model(seed: int = 3) -> keras.Model:
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((6,), name="x")
    x = keras.layers.Dense(8, name="stem")(x)
    x = keras.layers.BatchNormalization(momentum=0.9, name="stem_norm")(x)
    x = keras.layers.Dropout(0.5)(keras.ops.relu(x))
    encoder = keras.Model(inputs, x, name="encoder")
    logits = keras.layers.Dense(3, name="classifier", dtype="float32")(encoder(inputs))
    return keras.Model(inputs, logits)


def stream_data(before_step=lambda epoch, step: None) -> StreamData:
    def training(epoch, start_step):
        order = epoch_order(32, 0, epoch).reshape(4, 8)
        for step in range(start_step, 4):
            before_step(epoch, step)
            rows = order[step]
            yield X[rows], np.eye(3, dtype="float32")[Y[rows]]

    return StreamData(lambda epoch: 4, training, lambda: [X[32:]], Y[32:])


def killed(folder, moment):
    """Where `killing` leaves what a training in ``folder`` had on the disk at a moment (epoch, step)."""
    return folder / "killed_{}_{}".format(*moment)


def killing(folder, moments):
    """Stands for SIGKILLs, each before a step: what is on the disk then is all that is left."""

    def before_step(epoch, step):
        if (epoch, step) in moments:
            left = killed(folder, (epoch, step))
            left.mkdir()
            shutil.copy(folder / "state.npz", left)

    return before_step


def begun(folder, seed=3):
    """A model, state and checkpoint, with what a killed training has left in ``folder``."""
    folder.mkdir(exist_ok=True)
    path = folder / "state.npz"
    model, state, values = tiny_model(seed), TrainingState(fingerprint="f"), None
    if path.exists():
        state, values = TrainingState.load(path, "f")
    return model, state, values, path


def train(folder, settings=SETTINGS, kills=(), seed=3, **words):
    model, state, values, path = begun(folder, seed)

    def looks(epoch):  # as uncertainty does, which asks the model about clips without labels
        return {"seen": [float(np.abs(weight).sum()) for weight in model.get_weights()]}

    data = dataclasses.replace(stream_data(killing(folder, kills)), after_epoch=looks)
    train_stream(model, "x", data, settings, state, path, saved_values=values, **words)
    return model, state


KILLS = ((0, 1), (1, 0), (2, 3), (3, 2))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Model, state and folder of a training that came to its end."""
    folder = tmp_path_factory.mktemp("trained")
    return *train(folder, kills=KILLS), folder


@pytest.mark.parametrize("kill_at", KILLS)
def test_a_killed_training_ends_with_the_same_bits(trained, kill_at):
    whole, whole_state, folder = trained
    assert_same(whole, whole_state, *train(killed(folder, kill_at)))


def test_a_smaller_batch_is_not_traced_anew():
    """Tracing takes half a minute for a network of faces, and most epochs end with a smaller batch."""
    from emotionnet.training.devices import choose
    from emotionnet.training.optimizer import compile_stream

    traced = []

    class Noting(keras.layers.Layer):
        def call(self, inputs, training=None):
            traced.append(training)
            return inputs * 1.0

    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.layers.Dense(3)(Noting()(inputs)))
    compile_stream(model, SETTINGS)
    devices, targets = choose("cpu"), np.eye(3, dtype="float32")[Y]
    learn, answer = devices.training_step(model), devices.predictor(model)
    traced.clear()
    for clips in (8, 5):
        said = learn(X[:clips], targets[:clips])
        assert said["clips"] == clips
        assert 0 <= said["accuracy"] <= 1
        expected = model(X[:clips])
        traced.pop()
        np.testing.assert_allclose(answer(X[:clips]), expected, atol=1e-6)
    assert sorted(traced) == [False, True]


def train_two_stages(folder, kill_at=None):
    """Both train one model, as stages of a system share layers; the kill is in the second one."""
    model, state, values, path = begun(folder)
    for name in ("x", "y"):
        if name in state.done:
            assign(model.weights, state.best_weights[name], path)
            continue
        data = stream_data(killing(folder, [kill_at] if name == "y" else []))
        started = values if state.stream == name else None
        train_stream(model, name, data, SETTINGS, state, path, saved_values=started)
    return model, state


def test_a_second_stage_draws_the_same_whether_the_first_was_in_this_process(tmp_path):
    whole = train_two_stages(tmp_path, kill_at=(0, 0))
    assert_same(*whole, *train_two_stages(killed(tmp_path, (0, 0))))


TIMES = ("seconds", "clips_per_s", "input_share")


def assert_same(whole, whole_state, resumed, state):
    for a, b in zip(whole.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.path)
    timeless = [
        [{k: v for k, v in row.items() if k not in TIMES} for row in s.history]
        for s in (whole_state, state)
    ]
    assert timeless[0] == timeless[1]


EVERYTHING = {
    "optimizer": "sgd",
    "weight_decay": 0.01,
    "decay": "plateau",
    "plateau_patience": 1,
    "warmup_epochs": 0.5,
    "mixup": 0.3,
    "average": 0.9,
    "accumulate": 3,
    "frozen": ("encoder/stem_norm", "stem"),
    "frozen_epochs": 2,
    "rate_scales": {"encoder": 0.1},
    "label_smoothing": 0.1,
}


@pytest.mark.parametrize(
    ("changes", "kill_at", "precision"),
    [
        (EVERYTHING, (1, 2), "float32"),
        (EVERYTHING, (2, 0), "mixed_bfloat16"),
        (EVERYTHING, (2, 1), "mixed_float16"),
        (EVERYTHING | {"optimizer": "adamw", "accumulate": 1}, (3, 2), "mixed_bfloat16"),
        (
            EVERYTHING | {"decay": "cosine", "frozen_epochs": 0, "optimizer": "adam"},
            (2, 3),
            "float32",
        ),
    ],
)
def test_it_does_so_whatever_the_settings(tmp_path, changes, kill_at, precision):
    settings = dataclasses.replace(SETTINGS, **changes)
    keras.config.set_dtype_policy(precision)
    try:
        whole, whole_state = train(tmp_path, settings, [kill_at])
        resumed, state = train(killed(tmp_path, kill_at), settings)
    finally:
        keras.config.set_dtype_policy("float32")
    assert_same(whole, whole_state, resumed, state)
    assert np.isfinite([row["loss"] for row in state.history]).all()
    # What was frozen learns as before when the training is over.
    assert all(layer.trainable for layer in whole.get_layer("encoder").layers)


@pytest.mark.parametrize(
    ("changes", "precision", "made"),
    [
        ({}, "float32", 1),
        (EVERYTHING, "float32", 3),  # once more in each run, when its frozen layers begin to learn
        (EVERYTHING, "mixed_float16", 3),
    ],
)
def test_a_run_that_trains_in_an_earlier_ones_learner_has_the_same_bits(
    tmp_path, monkeypatch, changes, precision, made
):
    steps, training_step = [], Devices.training_step
    monkeypatch.setattr(
        Devices, "training_step", lambda *each: steps.append(each) or training_step(*each)
    )
    settings, learners = dataclasses.replace(SETTINGS, **changes), {}
    keras.config.set_dtype_policy(precision)
    try:
        earlier, _ = train(tmp_path / "earlier", settings, seed=4, learners=learners)
        before = [np.array(each) for each in earlier.weights]
        model, state = train(tmp_path / "run", settings, learners=learners)
        assert len(steps) == made
        alone, state_alone = train(tmp_path / "alone", settings)
    finally:
        keras.config.set_dtype_policy("float32")
    assert_same(alone, state_alone, model, state)
    assert not np.array_equal(before[0], model.weights[0])


def test_the_best_validation_epoch_is_kept(trained):
    model, state, _ = trained
    best = max(state.history, key=lambda row: (row["val_uar"], -row["val_loss"]))
    assert state.best["x"]["epoch"] == best["epoch"]
    answers = model.predict_on_batch(X[32:]).argmax(1)
    assert (answers == Y[32:]).mean() == pytest.approx(best["val_accuracy"], abs=1e-6)


def test_an_epoch_whose_answers_are_no_numbers_is_the_worst(tmp_path):
    """Though each of them counts as the first class, which may be right more often."""
    last = iter([np.inf, 0, 0, np.inf])
    data = dataclasses.replace(
        stream_data(), validation=lambda: [X[32:] * next(last)], validation_targets=np.zeros(8, int)
    )
    state = TrainingState()
    train_stream(tiny_model(), "x", data, SETTINGS, state, tmp_path / "state.npz")
    assert [np.isnan(row["val_loss"]) for row in state.history] == [True, False, False, True]
    assert state.history[3]["val_uar"] == 1.0
    assert state.best["x"]["epoch"] in (2, 3)


def test_patience_stops_early(tmp_path):
    settings = Settings(epochs=50, batch_size=8, learning_rate=0.0, patience=2)
    _, state = train(tmp_path, settings=settings)
    # With no learning only BatchNorm's statistics move; it must stop long before the end.
    assert len(state.history) < 50
    assert len(state.history) == state.best["x"]["epoch"] + 2


def test_history_says_what_people_plot(trained):
    _, state, _ = trained
    assert [row["epoch"] for row in state.history] == [1, 2, 3, 4]
    assert {"stream", "loss", "accuracy", "val_loss", "val_accuracy", "val_uar"} <= set(
        state.history[0]
    )
    assert state.history[-1]["learning_rate"] < state.history[0]["learning_rate"]


def weights_after(folder, **changes):
    model, state = train(folder, settings=dataclasses.replace(SETTINGS, **changes))
    return {w.path: np.array(w) for w in model.weights}, state


def moved(folder, **changes) -> dict[str, bool]:
    """Which weights of the tiny model are other ones after a training."""
    before = {w.path: np.array(w) for w in tiny_model().weights}
    after, _ = weights_after(folder, **changes)
    return {path: not np.array_equal(before[path], after[path]) for path in before}


def test_frozen_layers_stay_as_they_are_and_then_learn(tmp_path):
    here = moved(tmp_path / "frozen", frozen=("encoder",))
    assert not any(changed for path, changed in here.items() if path.startswith("stem"))
    assert all(changed for path, changed in here.items() if path.startswith("classifier"))
    # The best epoch may be one before the thaw: the last weights tell.
    settings = dataclasses.replace(SETTINGS, frozen=("stem",), frozen_epochs=1, epochs=2)
    moments = (1, 0), (1, 3)
    train(tmp_path, settings, moments)
    frozen, thawed = (np.load(killed(tmp_path, moment) / "state.npz") for moment in moments)
    kernel = np.array(tiny_model().weights[0])
    np.testing.assert_array_equal(frozen["variable/00000"], kernel)
    assert not np.array_equal(thawed["variable/00000"], kernel)


def test_everything_frozen_is_refused(tmp_path):
    with pytest.raises(UsageError, match="nothing is left to learn"):
        weights_after(tmp_path, frozen=("encoder", "classifier"))


def test_a_rate_of_nothing_leaves_a_layer_alone(tmp_path):
    scales = {"encoder": 0.0, "stem_norm": 1.0}
    here = moved(tmp_path, rate_scales=scales, weight_decay=0.1, optimizer="adamw")
    assert not here["stem/kernel"]
    assert here["stem_norm/gamma"]
    assert here["classifier/kernel"]


def test_an_unknown_layer_is_named_with_the_known(tmp_path):
    with pytest.raises(UsageError, match=r"no layer 'stm'.* encoder, classifier"):
        weights_after(tmp_path, frozen=("stm",))


def test_what_is_kept_is_the_average_that_was_validated(tmp_path):
    settings = dataclasses.replace(SETTINGS, average=0.9, epochs=6)
    moments = [(0, step) for step in (1, 2, 3)]
    model, state = train(tmp_path, settings, moments)
    best = state.best["x"]
    answers = model.predict_on_batch(X[32:]).argmax(1)
    row = state.history[best["epoch"] - 1]
    assert (answers == Y[32:]).mean() == pytest.approx(row["val_accuracy"], abs=1e-6)

    # By hand: the average of the weights after each step.
    steps = [np.load(killed(tmp_path, moment) / "state.npz") for moment in moments]
    names = [w.path for w in tiny_model().variables]
    for i in (names.index("stem/kernel"), names.index("stem_norm/moving_variance")):
        expected = steps[0][f"variable/{i:05d}"]
        for arrays in steps[1:]:
            expected = 0.9 * expected + 0.1 * arrays[f"variable/{i:05d}"]
        last = [steps[2][name] for name in steps[2].files if name.startswith("variable/")]
        same = [v for v in last if v.shape == expected.shape and np.allclose(v, expected, 1e-5)]
        assert len(same) == 1


def test_accumulated_steps_are_one_large_step(tmp_path):
    def trained(batch_size, **changes):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((6,))
        model = keras.Model(inputs, keras.layers.Dense(3, name="only")(inputs))
        one_hot = np.eye(3, dtype="float32")[Y]

        def batches(epoch, start):
            return [
                (X[i : i + batch_size], one_hot[i : i + batch_size])
                for i in range(0, 32, batch_size)
            ]

        data = StreamData(lambda epoch: 32 // batch_size, batches, lambda: [X[32:]], Y[32:])
        settings = Settings(epochs=3, patience=0, optimizer="sgd", decay="constant", **changes)
        state = TrainingState(fingerprint="f")
        train_stream(model, "x", data, settings, state, tmp_path / "state.npz")
        return np.array(model.weights[0])

    whole = trained(16)
    np.testing.assert_allclose(trained(4, accumulate=4), whole, atol=1e-6)
    assert np.abs(trained(4) - whole).max() > 1e-3


def test_a_plateau_lowers_the_rate_and_history_shows_it(tmp_path):
    _, state = weights_after(
        tmp_path,
        decay="plateau",
        plateau_patience=1,
        plateau_factor=0.1,
        epochs=12,
        learning_rate=0.5,
    )
    losses = [row["val_loss"] for row in state.history]
    rates = [row["learning_rate"] for row in state.history]
    expected, best = [0.5], losses[0]
    for loss in losses[1:-1]:
        better = loss < best - 1e-4
        expected.append(expected[-1] * (1 if better else 0.1))
        best = min(best, loss) if better else best
    assert rates == pytest.approx([0.5, *expected], rel=1e-5)
    assert rates[-1] < 0.5


def test_mixup_is_drawn_from_seed_epoch_and_step():
    batch = {"faces": RNG.integers(0, 256, (6, 2, 3, 3, 3), np.uint8), "frame_mask": np.eye(6, 2, dtype="f4"),
             "waveform_samples": np.arange(6, dtype=np.int32)}  # fmt: skip
    targets = np.eye(6, dtype="float32")
    made, mixed = mix(batch, targets, 0.4, (0, 1, 2))
    again, _ = mix(batch, targets, 0.4, (0, 1, 2))
    other, _ = mix(batch, targets, 0.4, (0, 1, 3))
    np.testing.assert_array_equal(made["faces"], again["faces"])
    assert not np.array_equal(made["faces"], other["faces"])
    np.testing.assert_allclose(mixed.sum(1), 1, rtol=1e-6)
    # The targets say which clips are in it, and by how much.
    faces = np.einsum("nm,m...->n...", mixed, batch["faces"].astype("float32"))
    np.testing.assert_allclose(made["faces"], faces, rtol=1e-4, atol=1e-3)
    present = mixed > 0
    np.testing.assert_array_equal(made["waveform_samples"], (present * np.arange(6)).max(1))
    assert set(np.unique(made["frame_mask"])) == {0, 1}
    assert made["waveform_samples"].dtype == np.int32

    features, mask = RNG.normal(size=(6, 4, 5)).astype("f4"), np.tri(6, 4, dtype="f4")
    made, _ = mix({"log_mel": features, "log_mel_mask": mask}, targets, 0.4, (0, 1, 2))
    expected, union = np.einsum("nm,m...->n...", mixed, features), made["log_mel_mask"]
    np.testing.assert_allclose(made["log_mel"], expected, atol=1e-5)
    assert set(np.unique(union)) <= {0, 1}
    assert (union >= mask).all()
