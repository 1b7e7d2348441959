"""The gradient of an answer agrees with finite differences, under TensorFlow and under JAX."""

import os
import subprocess
import sys

import numpy as np
import pytest
from tiny_model import tiny_inputs, tiny_model

from emotionnet.errors import UsageError
from emotionnet.evaluation.gradient import input_gradient


def check(model, inputs, of, output, step, tolerance):
    one = {name: value[:1] for name, value in inputs.items()}
    gradient = input_gradient(model, output, one, of)
    point = one[of].astype(np.float32)
    answers, slopes = gradient(np.repeat(point, 2, axis=0), 1)
    expected = np.asarray(model(one, training=False)[output])[0, 1]
    np.testing.assert_allclose(answers, expected, rtol=1e-4)
    assert slopes.shape == (2, *point.shape[1:])
    # Along a random direction: one number that all of the gradient has a part in.
    direction = np.random.default_rng(0).normal(size=point.shape).astype(np.float32)
    ahead, behind = gradient(
        np.concatenate([point + step * direction, point - step * direction]), 1
    )[0]
    found = float((slopes[0] * direction[0]).sum())
    assert found == pytest.approx((ahead - behind) / (2 * step), rel=tolerance, abs=1e-6)
    assert abs(found) > 1e-5


def test_it_agrees_with_finite_differences_in_both_streams():
    model = tiny_model()
    inputs = tiny_inputs(model, clips=1)
    check(model, inputs, "faces", "face_probabilities", 0.05, 0.05)
    check(model, inputs, "waveform", "speech_probabilities", 1e-4, 0.05)


def test_what_is_not_there_is_refused():
    model = tiny_model()
    with pytest.raises(UsageError, match="landmarks: the model has no such tensor"):
        input_gradient(model, "probabilities", tiny_inputs(model, clips=1), "landmarks")


@pytest.mark.slow
@pytest.mark.skipif("EMOTIONNET_JAX_PYTHON" not in os.environ, reason="no environment with JAX")
def test_it_agrees_under_jax_too():
    code = (
        "import sys; sys.path[:0] = ['tests', 'tests/evaluation']; import test_gradient as t; "
        "t.test_it_agrees_with_finite_differences_in_both_streams()"
    )
    done = subprocess.run(
        [os.environ["EMOTIONNET_JAX_PYTHON"], "-c", code],
        env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert sys.executable
