"""Layers of the cross-attention system: derivatives, energy, context, attention under masks."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from emotionnet.errors import UsageError  # noqa: E402
from emotionnet.layers import (  # noqa: E402
    CrossAttentionBlock,
    Derivatives,
    Energy,
    MaskedAttention,
    NeighbourContext,
    SelfAttentionBlock,
)


def test_derivatives_of_a_parabola():
    t = np.arange(-4, 5, dtype=np.float32)
    x = np.stack([3 + 2 * t + 0.5 * t**2, 7 + 0 * t], axis=1)[None]
    np.testing.assert_allclose(np.asarray(Derivatives()(x)), [[3, 7, 2, 0, 1, 0]], atol=1e-5)
    with pytest.raises(UsageError):
        Derivatives()(x[:, :8])


def test_derivatives_are_librosas():
    librosa = pytest.importorskip("librosa")
    x = np.random.default_rng(0).normal(size=(9, 10)).astype(np.float32)
    # librosa's is the slope over ``width`` steps, in steps of one; the ends are not looked at here.
    first = librosa.feature.delta(x.T, width=5)[:, 4]
    np.testing.assert_allclose(np.asarray(Derivatives()(x[None]))[0, 10:20], first, atol=1e-5)


def test_energy_is_of_the_middle():
    x = np.full((1, 1600), 0.9, np.float32)
    x[0, 640:960] = 0.1
    np.testing.assert_allclose(np.asarray(Energy(320)(x)), [[-20]], atol=1e-3)
    np.testing.assert_allclose(np.asarray(Energy(320)(0 * x)), [[-100]], atol=1e-3)


@pytest.mark.parametrize("samples", [0, 1601])
def test_energy_of_a_middle_that_is_none_is_refused(samples):
    with pytest.raises(UsageError, match="of pieces of 1600"):
        Energy(samples)(np.zeros((1, 1600), np.float32))


def test_context_is_in_order_of_time():
    x = np.arange(1, 5, dtype=np.float32).reshape(1, 4, 1)
    wanted = [[0, 0, 1, 2], [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 0]]
    np.testing.assert_array_equal(np.asarray(NeighbourContext(2, 1)(x))[0], wanted)


def sequences(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(3, 5, 8)).astype(np.float32), rng.normal(size=(3, 5, 8)).astype("f")


def test_attention_is_kerass():
    """Keras's own layer with the same weights gives the same under a mask."""
    x, y = sequences()
    valid = np.array([[1, 1, 1, 0, 1], [1, 0, 0, 0, 0], [1] * 5], np.float32)
    ours = MaskedAttention(2, 4)
    found = np.asarray(ours(x, y, valid))
    theirs = keras.layers.MultiHeadAttention(2, 4)
    mask = np.broadcast_to(valid[:, None] > 0, (3, 5, 5))
    theirs(x, y, attention_mask=mask)
    rng = np.random.default_rng(1)
    values = [rng.normal(size=w.shape).astype(np.float32) for w in ours.weights]
    ours.set_weights(values)
    theirs.set_weights([v.reshape(w.shape) for v, w in zip(values, theirs.weights, strict=True)])
    found = np.asarray(ours(x, y, valid))
    np.testing.assert_allclose(found, np.asarray(theirs(x, y, attention_mask=mask)), atol=1e-5)


def test_attention_in_half_precision_holds_large_values():
    """Products of wide heads pass 65,504 before they are scaled."""
    x = 30 * np.ones((1, 3, 8), np.float32)
    layer = MaskedAttention(1, 256, dtype="mixed_float16")
    layer(x, x, np.ones((1, 3), np.float32))
    layer.set_weights([np.full(w.shape, 0.1, np.float32) for w in layer.weights])
    answer = np.float32(layer(x, x, np.ones((1, 3), np.float32)))
    assert np.isfinite(answer).all()


def test_masked_steps_never_matter_and_none_is_no_trouble():
    x, y = sequences()
    seen, heard = np.ones((3, 5), np.float32), np.ones((3, 5), np.float32)
    seen[0, 2], heard[0, 4], heard[1], seen[2] = 0, 0, 0, 0
    for block, steps in (
        (CrossAttentionBlock(16, 2, 8, 32), (x, y, seen, heard)),
        (SelfAttentionBlock(16, 2), (x, seen)),
    ):
        first = np.asarray(block(*steps))
        assert first.shape == (3, 8)
        assert np.isfinite(first).all()
        np.testing.assert_array_equal(first[2], 0)
        assert np.abs(first[:2]).min(axis=1).max() > 0
        x2, y2 = x.copy(), y.copy()
        x2[0, 2], y2[0, 4], y2[1] = 9, -9, 5
        changed = (x2, y2, seen, heard) if len(steps) == 4 else (x2, seen)
        np.testing.assert_allclose(np.asarray(block(*changed))[:2], first[:2], atol=1e-6)


def test_queries_ask_the_context():
    x, y = sequences()
    ones = np.ones((3, 5), np.float32)
    block = CrossAttentionBlock(16, 2, 8, 32)
    with_context = np.asarray(block(x, y, ones, ones))
    assert np.abs(with_context - np.asarray(block(x, -y, ones, ones))).max() > 1e-3
    assert np.abs(with_context - np.asarray(block(x, y, ones, 0 * ones))).max() > 1e-3
