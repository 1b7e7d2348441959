"""A gradient beside finite differences; without pytest, so that an environment with JAX alone runs it."""

import numpy as np
from tiny_model import tiny_inputs, tiny_model

from emotionnet.evaluation.gradient import InputGradient

DIRECTIONS = 8


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
    # Along random directions: numbers that all of the gradient has a part in. Each difference is near the last digits of
    # the answers, so they are judged together.
    directions = np.random.default_rng(0).normal(size=(DIRECTIONS, *point.shape[1:]))
    moves = step * directions.astype(np.float32)
    ahead, behind = np.split(gradient([np.concatenate([point + moves, point - moves])], 1)[0], 2)
    differences = (ahead - behind) / (2 * step)
    found = np.tensordot(directions, slopes[0], slopes[0].ndim)
    size = np.dot(differences, found) / np.dot(found, found)
    alike = np.corrcoef(differences, found)[0, 1]
    np.testing.assert_allclose(size, 1, rtol=0.05)
    assert alike > 0.99
    assert np.abs(found).max() > 1e-5
