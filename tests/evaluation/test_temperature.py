"""Temperature scaling finds the temperature that was put in, and leaves every answer as it is."""

import numpy as np
import pytest

from emotionnet.evaluation.answers import AnsweredClip, Answers
from emotionnet.evaluation.temperature import (
    calibrated,
    calibrated_scores,
    fit_temperature,
    fit_temperatures,
    scale,
)

LABELS = ("a", "b", "c", "d")


def too_sure(n, temperature, seed=0):
    """Answers whose true probabilities are these at ``temperature``, and targets drawn from those."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, 4))
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    targets = np.array([rng.choice(4, p=p) for p in true])
    sure = np.exp(logits * temperature)
    return sure / sure.sum(1, keepdims=True), targets


def as_answers(probabilities, targets):
    clips = [
        AnsweredClip(
            f"c{i}", "01", "male", LABELS[t], frozenset(("speech", *["faces"] * (i % 5 > 0)))
        )
        for i, t in enumerate(targets)
    ]
    faces = np.where([[clip.has("faces")] for clip in clips], probabilities, np.nan)
    tables = {"fused": probabilities, "faces": faces, "without_faces": probabilities}
    return Answers(LABELS, clips, tables)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(temperature):
    assert fit_temperature(*too_sure(4000, temperature)) == pytest.approx(temperature, rel=0.07)


def test_scaling_keeps_the_answer_and_certainty_is_no_trouble():
    probabilities, _ = too_sure(200, 2.0)
    scaled = scale(probabilities, 2.0)
    np.testing.assert_array_equal(scaled.argmax(1), probabilities.argmax(1))
    np.testing.assert_allclose(scaled.sum(1), 1)
    np.testing.assert_allclose(scale(probabilities, 1.0), probabilities, atol=1e-12)
    certain = np.array([[1.0, 0.0, 0.0, 0.0], [np.nan] * 4])
    assert np.isfinite(scale(certain, 3.0)[0]).all()
    assert np.isnan(scale(certain, 3.0)[1]).all()
    # Wrong with certainty: the answers had better be all alike, and the search stays in its range.
    assert fit_temperature(certain[:1], [2]) == pytest.approx(20, rel=0.01)


def test_calibration_gets_better_on_clips_it_was_not_fitted_on():
    fitted = fit_temperatures(as_answers(*too_sure(1000, 3.0, seed=1)))
    assert set(fitted) == {"fused", "faces"}
    assert (fitted["fused"]["clips"], fitted["faces"]["clips"]) == (1000, 800)
    test = as_answers(*too_sure(1000, 3.0, seed=2))
    before = calibrated_scores(test, {k: {"temperature": 1.0, "clips": 0} for k in fitted})
    after = calibrated_scores(test, fitted)
    for kind in fitted:
        assert after[kind]["temperature"] == fitted[kind]["temperature"]
        for measured in ("nll", "brier", "ece"):
            assert after[kind][measured] < before[kind][measured]
    assert after["fused"]["ece"] < 0.06


def test_a_kind_without_answers_has_no_temperature():
    answers = as_answers(*too_sure(10, 1.0))
    answers.probabilities["faces"][:] = np.nan
    fitted = fit_temperatures(answers)
    assert set(fitted) == {"fused"}
    both = {"fused": fitted["fused"], "faces": {"temperature": 2.0, "clips": 3}}
    assert set(calibrated_scores(answers, both)) == {"fused"}
    assert np.isnan(calibrated(answers, both).probabilities["faces"]).all()
