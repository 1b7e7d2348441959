"""Layers with fitted weights: what they compute, before and after, and that files keep it."""

import numpy as np
import pytest

pytest.importorskip("keras")

import keras

from emotionnet.errors import UsageError
from emotionnet.layers import Projection, Standardize
from emotionnet.systems import fits, load_model


def test_before_they_are_fitted_they_hand_features_on():
    x = np.random.default_rng(0).normal(size=(3, 2, 5)).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(Standardize()(x)), x)
    np.testing.assert_allclose(np.asarray(Projection(3)(x)), x[..., :3], atol=1e-6)
    np.testing.assert_allclose(np.asarray(Projection(7)(x)), np.pad(x, [(0, 0)] * 2 + [(0, 2)]))


def test_what_was_fitted_is_in_the_file(tmp_path):
    x = np.random.default_rng(0).normal(3, [0.1, 1, 10, 100, 1000], (50, 5)).astype(np.float32)
    y = np.arange(50) % 3
    given = keras.Input((5,))
    scaled = Standardize(limit=1.5, name="scale")(given)
    model = keras.Model(given, Projection(4, name="project")(scaled))
    scale, project = model.get_layer("scale"), model.get_layer("project")
    assert not model.trainable_weights
    assert [w.name for w in scale.weights + project.weights] == [
        "mean", "deviation", "kernel", "bias",
    ]  # fmt: skip
    scale.set_weights(fits.standard_scaler(x, y))
    mid = np.asarray(scale(x))
    assert mid.max() == 1.5
    assert mid.min() == -1.5
    project.set_weights(fits.pca(mid, y, units=4))
    answer = model.predict_on_batch(x)
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(load_model(tmp_path / "m.keras").predict_on_batch(x), answer)


def test_half_precision_does_not_touch_them():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        x = np.full((1, 2), 1000.25, np.float32)
        assert np.asarray(Standardize()(x)).tolist() == x.tolist()
        assert np.asarray(Projection(2)(x)).tolist() == x.tolist()
    finally:
        keras.config.set_dtype_policy("float32")


def test_wrong_settings_are_refused():
    with pytest.raises(UsageError, match="limit"):
        Standardize(limit=0.0)
    with pytest.raises(UsageError, match="units"):
        Projection(0)
