"""A gradient beside finite differences; without pytest, so that an environment with JAX alone runs it."""

import numpy as np
from tiny_model import tiny_inputs, tiny_model

from emotionnet.evaluation.gradient import InputGradient


def check_both_streams():
    """Raises AssertionError where the gradient of faces or of sound is not the slope of the answer."""
    model = tiny_model()
    inputs = tiny_inputs(model, clips=1)
    _check(model, inputs, "faces", "face_probabilities", step=0.05)
    _check(model, inputs, "waveform", "speech_probabilities", step=1e-4)


def _check(model, inputs, of, output, step):
    one = {name: value[:1] for name, value in inputs.items()}
    gradient = InputGradient(model, output, of)(one)
    point = one[of].astype(np.float32)
    answers, (slopes,) = gradient([np.repeat(point, 2, axis=0)], 1)
    expected = np.asarray(model(one, training=False)[output])[0, 1]
    np.testing.assert_allclose(answers, expected, rtol=1e-4)
    assert slopes.shape == (2, *point.shape[1:])
    # Along a random direction: one number that all of the gradient has a part in.
    direction = np.random.default_rng(0).normal(size=point.shape).astype(np.float32)
    ends = np.concatenate([point + step * direction, point - step * direction])
    ahead, behind = gradient([ends], 1)[0]
    found = float((slopes[0] * direction[0]).sum())
    np.testing.assert_allclose(found, (ahead - behind) / (2 * step), rtol=0.05, atol=1e-6)
    assert abs(found) > 1e-5
