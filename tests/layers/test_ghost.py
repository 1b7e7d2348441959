"""Ghost modules: published counts, shapes, and that the shortcut is one."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from emotionnet.errors import UsageError  # noqa: E402
from emotionnet.layers import GhostBottleneck, GhostModule  # noqa: E402

X = np.random.default_rng(0).normal(size=(2, 15, 14, 16)).astype(np.float32)


def test_half_of_the_maps_are_cheap():
    module = GhostModule(24)
    y = np.array(module(X))
    assert y.shape == (2, 15, 14, 24)
    assert module.count_params() == 16 * 12 + 9 * 12 + 2 * 4 * 12
    # The second half is made of the first alone: depthwise, BatchNorm (at its start), ReLU.
    cheap = keras.ops.relu(module.norms[1](module.cheap(y[..., :12])))
    np.testing.assert_allclose(y[..., 12:], cheap, atol=1e-6)


def test_without_activation_values_may_be_negative():
    assert np.min(GhostModule(8)(X)) == 0
    assert np.min(GhostModule(8, activation=None)(X)) < 0


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("depthwise", ["faithful", "stride2"])
def test_shape_is_what_is_promised(strides, depthwise):
    layer = GhostBottleneck(
        24, 32, kernel_size=5, strides=strides, attention=True, depthwise=depthwise
    )
    y = layer(X)
    assert tuple(y.shape) == layer.compute_output_shape(X.shape)
    assert tuple(y.shape) == (2, -(-15 // strides), -(-14 // strides), 24)


def test_identity_shortcut():
    layer = GhostBottleneck(16, 32)
    layer(X)
    assert not layer.shortcut
    project = layer.body[-1]
    for norm in project.norms:
        norm.gamma.assign(np.zeros(8))
    np.testing.assert_array_equal(layer(X), X)


def test_faithful_has_one_depthwise_more_where_the_stride_is_1():
    counts = {}
    for depthwise in ("faithful", "stride2"):
        layer = GhostBottleneck(16, 32, kernel_size=5, depthwise=depthwise)
        layer(X)
        counts[depthwise] = layer.count_params()
    assert counts["faithful"] - counts["stride2"] == 25 * 32 + 4 * 32


def test_configuration_is_whole():
    layer = GhostBottleneck(24, 32, 5, 2, attention=False, depthwise="stride2", momentum=0.9)
    again = GhostBottleneck.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    again(X)
    norms = [x for x in again._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]
    assert len(norms) == 10
    assert {norm.momentum for norm in norms} == {0.9}


@pytest.mark.parametrize(
    "call", [lambda: GhostModule(7), lambda: GhostBottleneck(8, 8, depthwise="no")]
)
def test_bad_settings_are_refused(call):
    with pytest.raises(UsageError):
        call()
