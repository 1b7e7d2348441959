"""Frames in and out of the batch, means over valid steps, and the fusion of two answers."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from emotionnet.errors import UsageError  # noqa: E402
from emotionnet.layers import FoldFrames, LateFusion, MaskedMean, UnfoldFrames  # noqa: E402

RNG = np.random.default_rng(0)


def test_fold_and_unfold():
    x = RNG.normal(size=(2, 3, 4, 5, 1)).astype(np.float32)
    folded = FoldFrames()(x)
    np.testing.assert_array_equal(folded, x.reshape(6, 4, 5, 1))
    np.testing.assert_array_equal(UnfoldFrames(3)(folded), x)


def test_masked_mean():
    x = RNG.normal(size=(3, 4, 2)).astype(np.float32)
    valid = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]], np.float32)
    found = MaskedMean()(x, valid)
    np.testing.assert_allclose(found[0], x[0].mean(0), rtol=1e-6)
    np.testing.assert_allclose(found[1], x[1, [0, 2]].mean(0), rtol=1e-6)
    np.testing.assert_array_equal(found[2], [0, 0])


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


FACE, SPEECH = (RNG.normal(0, 2, (4, 5)).astype(np.float32) for _ in range(2))
# Both streams, faces alone, speech alone, neither.
MASK = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 0], [0, 0, 0]], np.float32)
SAMPLES = np.array([16000, 0, 1, 0], np.int32)
UNIFORM = np.full(5, 0.2)


@pytest.mark.parametrize("mode", ["GM", "AM"])
def test_fusion(mode):
    fused, face, speech = (np.array(x) for x in LateFusion(mode)(FACE, SPEECH, MASK, SAMPLES))
    p, q = softmax(FACE), softmax(SPEECH)
    mean = np.sqrt(p * q) if mode == "GM" else (p + q) / 2
    expected = mean / mean.sum(-1, keepdims=True)
    np.testing.assert_allclose(fused[0], expected[0], atol=1e-6)
    np.testing.assert_allclose(face[:2], p[:2], atol=1e-6)
    np.testing.assert_allclose(speech[[0, 2]], q[[0, 2]], atol=1e-6)
    np.testing.assert_allclose(fused[1:], [p[1], q[2], UNIFORM], atol=1e-6)
    np.testing.assert_allclose(face[2:], [UNIFORM, UNIFORM], atol=1e-6)
    np.testing.assert_allclose(speech[[1, 3]], [UNIFORM, UNIFORM], atol=1e-6)


@pytest.mark.parametrize("mode", ["GM", "AM"])
def test_an_untrained_stream_never_answers(mode):
    nothing = np.full_like(SPEECH, np.nan)
    layer = LateFusion(mode, streams=("faces",))
    fused, face, speech = (np.array(x) for x in layer(FACE, nothing, MASK, SAMPLES))
    np.testing.assert_allclose(fused[:2], softmax(FACE)[:2], atol=1e-6)
    np.testing.assert_array_equal(fused, face)
    np.testing.assert_allclose(speech, np.tile(UNIFORM, (4, 1)), atol=1e-6)


@pytest.mark.parametrize("mode", ["GM", "AM"])
def test_certain_streams_that_disagree_stay_finite(mode):
    face, speech = np.array([[500.0, -500, 0]]), np.array([[-500.0, 500, 0]])
    fused = np.array(LateFusion(mode)(face, speech, np.ones((1, 2)), np.array([9]))[0])
    assert np.isfinite(fused).all()
    np.testing.assert_allclose(fused.sum(), 1, atol=1e-6)
    np.testing.assert_allclose(fused[0, 0], fused[0, 1], atol=1e-6)


def test_probabilities_are_float32_from_half_precision_logits():
    layer = LateFusion()
    for output in layer(FACE.astype(np.float16), SPEECH.astype(np.float16), MASK, SAMPLES):
        assert keras.backend.standardize_dtype(output.dtype) == "float32"


@pytest.mark.parametrize("settings", [{"mode": "HM"}, {"streams": ()}, {"streams": ("hands",)}])
def test_bad_settings_are_refused(settings):
    with pytest.raises(UsageError):
        LateFusion(**settings)


def test_configuration_is_whole():
    layer = LateFusion("AM", ("speech",))
    assert LateFusion.from_config(layer.get_config()).get_config() == layer.get_config()


def test_no_layer_asks_for_the_shape_of_a_mask():
    """Keras 3.13 hands no shape of an argument named ``…_mask`` to a method that names several."""
    import inspect

    import keras

    from emotionnet import layers

    for name in set(layers.__all__) - {"register"}:
        layer = getattr(layers, name)
        for method in (layer.build, layer.compute_output_shape):
            if method in (keras.layers.Layer.build, keras.layers.Layer.compute_output_shape):
                continue
            named = [p.name for p in inspect.signature(method).parameters.values() if p.kind < 2]
            assert len(named) == 2 or not [n for n in named if n.endswith("_mask_shape")], name
