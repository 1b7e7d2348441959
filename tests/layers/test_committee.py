"""A committee answers with its members' mean, and teaches each of them alone."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from emotionnet.errors import UsageError  # noqa: E402
from emotionnet.layers import Committee  # noqa: E402

RNG = np.random.default_rng(0)
CLASSES = 5


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_mean_of_logits():
    members = [RNG.normal(size=(4, CLASSES)).astype(np.float32) for _ in range(3)]
    np.testing.assert_allclose(Committee()(members), np.mean(members, axis=0), atol=1e-6)


def test_one_member_is_none():
    with pytest.raises(UsageError, match="two members"):
        Committee()([np.zeros((1, CLASSES), np.float32)])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_is_the_mean_of_the_members_losses(smoothing):
    """Also where the optimizer steps: one step of it is a step of each member alone."""
    x = RNG.normal(size=(6, 8)).astype(np.float32)
    y = np.eye(CLASSES, dtype=np.float32)[RNG.integers(0, CLASSES, 6)]
    heads = [keras.layers.Dense(CLASSES, name=f"head_{i}") for i in range(3)]
    inputs = keras.Input((8,))
    model = keras.Model(inputs, Committee()([head(inputs) for head in heads]))
    before = [[np.array(w) for w in head.get_weights()] for head in heads]
    target = y * (1 - smoothing) + smoothing / CLASSES
    answers = [softmax(x @ kernel + bias) for kernel, bias in before]
    expected = np.mean([-(target * np.log(p)).sum(1).mean() for p in answers])
    model.compile(
        keras.optimizers.SGD(1.0),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing),
    )
    found = model.train_on_batch(x, y)
    assert float(np.ravel(found)[0]) == pytest.approx(expected, rel=1e-5)
    for head, (kernel, _), p in zip(heads, before, answers):
        step = x.T @ (p - target) / len(x) / 3
        np.testing.assert_allclose(head.get_weights()[0], kernel - step, atol=1e-5)


def test_saved_and_loaded(tmp_path):
    inputs = [keras.Input((CLASSES,), name=name) for name in ("a", "b")]
    model = keras.Model(inputs, Committee()(inputs))
    model.save(tmp_path / "m.keras")
    values = [RNG.normal(size=(2, CLASSES)).astype(np.float32) for _ in range(2)]
    found = keras.saving.load_model(tmp_path / "m.keras").predict_on_batch(values)
    np.testing.assert_allclose(found, model.predict_on_batch(values))
