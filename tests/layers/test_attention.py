"""Attention layers against the published formulas, written out literally."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from emotionnet.layers import FrameAttention, TripletAttention  # noqa: E402
from emotionnet.layers.attention import banded  # noqa: E402

RNG = np.random.default_rng(0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def randomised(layer, *inputs):
    """The built layer with weights and statistics as a training leaves them."""
    layer(*inputs)
    for weight in layer.weights:
        low = 0.5 if "variance" in weight.path or "gamma" in weight.path else -0.5
        weight.assign(RNG.uniform(low, 1.5, weight.shape))
    return layer


def published_triplet(x, kernels, norms, residual):
    """Channels-first, as published: turn the map for each branch, gate the whole of it, turn back.

    Args:
        x: (batch, C, H, W).
        kernels: (7, 7, 2) each, of the branches H-W, H-C and W-C, rows first.
        norms: gamma, beta, mean, variance of each.
    """

    def gate(x, kernel, norm):
        pooled = np.stack([x.max(axis=1), x.mean(axis=1)], axis=-1)
        padded = np.pad(pooled, [(0, 0), (3, 3), (3, 3), (0, 0)])
        _, rows, columns = pooled.shape[:3]
        plane = np.zeros(pooled.shape[:3])
        for i in range(7):
            for j in range(7):
                part = padded[:, i : i + rows, j : j + columns]
                plane += (part * kernel[i, j]).sum(axis=-1)
        gamma, beta, mean, variance = norm
        plane = gamma * (plane - mean) / np.sqrt(variance + 1e-3) + beta
        return x * sigmoid(plane)[:, None]

    hw, hc, wc = kernels
    one = gate(x, hw, norms[0])
    turned = np.transpose(x, (0, 3, 2, 1))  # (batch, W, H, C)
    two = np.transpose(gate(turned, hc, norms[1]), (0, 3, 2, 1))
    turned = np.transpose(x, (0, 2, 1, 3))  # (batch, H, C, W): its plane is C by W
    three = np.transpose(gate(turned, wc.transpose(1, 0, 2), norms[2]), (0, 2, 1, 3))
    mean = (one + two + three) / 3
    return x + mean if residual else mean


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("shape", [(14, 14, 40), (9, 6, 5), (3, 3, 16)])
def test_triplet_attention_is_the_published_function(residual, shape):
    x = RNG.normal(size=(2, *shape)).astype(np.float32)
    layer = randomised(TripletAttention(residual=residual), x)
    kernels = [np.array(c.kernel)[..., 0] for c in layer.convolutions]
    norms = [
        [np.array(w)[0] for w in (n.gamma, n.beta, n.moving_mean, n.moving_variance)]
        for n in layer.norms
    ]
    expected = published_triplet(x.transpose(0, 3, 1, 2), kernels, norms, residual)
    np.testing.assert_allclose(layer(x), expected.transpose(0, 2, 3, 1), atol=2e-5)


@pytest.mark.parametrize("shape", [(9, 6, 12), (66, 65, 5), (3, 3, 16)])
def test_triplet_attention_learns_from_what_it_answers(shape):
    """In training gates are computed in another form, the same but for what BatchNorm does then."""
    x = RNG.normal(size=(2, *shape)).astype(np.float32)
    layer = randomised(TripletAttention(), x)
    for norm in layer.norms:
        norm.trainable = False
    np.testing.assert_allclose(layer(x, training=True), layer(x, training=False), atol=2e-5)


@pytest.mark.parametrize("taps", [7, 4])
def test_banded_is_the_convolution(taps):
    kernel, plane = RNG.normal(size=(taps, taps, 2)), RNG.normal(size=(1, 9, 5, 2))
    wide = keras.ops.conv(plane, kernel[..., None], padding="same")
    side_by_side = plane.transpose(0, 1, 3, 2).reshape(1, 9, 10)
    narrow = keras.ops.conv(side_by_side, banded(kernel, 5), padding="same")
    np.testing.assert_allclose(narrow, np.squeeze(wide, -1), atol=1e-10)


def test_triplet_attention_has_102_weights_a_gate():
    layer = randomised(TripletAttention(), np.zeros((1, 8, 8, 4), np.float32))
    assert layer.count_params() == 3 * 102


@pytest.fixture
def attention():
    features = RNG.normal(size=(3, 5, 8)).astype(np.float32)
    valid = np.ones((3, 5), np.float32)
    return randomised(FrameAttention(), features, valid), features


def test_frame_attention_is_the_published_formula(attention):
    layer, features = attention
    valid = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 0, 0, 1, 0]], np.float32)
    w, b = np.array(layer.alpha.kernel), np.array(layer.alpha.bias)
    both = np.concatenate([layer.beta_frame.kernel, layer.beta_anchor.kernel])
    for clip, mask, found in zip(features, valid, layer(features, valid)):
        f = clip[mask > 0]
        alpha = sigmoid(f @ w + b)
        anchor = (alpha * f).sum(0) / alpha.sum()
        pairs = np.concatenate([f, np.tile(anchor, (len(f), 1))], axis=1)
        weight = alpha * sigmoid(pairs @ both + np.array(layer.beta_frame.bias))
        expected = (weight * pairs).sum(0) / weight.sum()
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_masked_frame_never_counts(attention):
    layer, features = attention
    valid = np.array([[1, 1, 0, 1, 0]] * 3, np.float32)
    other = features.copy()
    other[:, [2, 4]] = 1e4
    np.testing.assert_array_equal(layer(features, valid), layer(other, valid))
    np.testing.assert_allclose(
        layer(features, valid), layer(features[:, [0, 1, 3]], np.ones((3, 3))), atol=1e-6
    )


def test_no_frame_gives_zeros(attention):
    layer, features = attention
    np.testing.assert_array_equal(layer(features, np.zeros((3, 5))), np.zeros((3, 16)))


def test_frame_attention_has_the_published_count():
    layer = randomised(FrameAttention(), np.zeros((1, 2, 576), np.float32), np.ones((1, 2)))
    assert layer.count_params() == 577 + 1153
