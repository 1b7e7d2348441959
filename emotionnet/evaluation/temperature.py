"""Temperature scaling: one number that makes a model as sure of itself as it may be.

It is fitted on the answers to validation clips, never on those it is judged by. What is answered
stays the same; only how sure the answer sounds changes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emotionnet.evaluation.answers import OUTPUTS, Answers
from emotionnet.evaluation.metrics import LEAST, sureness

#: Temperatures are looked for between these: beyond them answers are one-hot, or all alike.
RANGE = (0.05, 20.0)


def fit_temperature(probabilities: np.ndarray, targets: Sequence[int]) -> float:
    """The temperature with the lowest negative log likelihood.

    Args:
        probabilities: (n, C) answers to clips that are not those to be judged by.
        targets: (n,) label numbers.

    Returns:
        Within `RANGE`; above 1 where the model was too sure of itself.

    Raises:
        ValueError: there are no clips.

    Source:
        Guo et al. (2017), On calibration of modern neural networks, section 4.2. Softmax is the same
        for logits and log-probabilities, so the latter serve.
    """
    from scipy.optimize import minimize_scalar

    targets = np.asarray(targets, int)
    if not len(targets):
        raise ValueError("no clips to fit a temperature on")

    def loss(log_temperature: float) -> float:
        scaled = _log_scaled(probabilities, np.exp(log_temperature))
        return -scaled[np.arange(len(targets)), targets].mean()

    # Convex in 1/T, so that there is one lowest place.
    found = minimize_scalar(loss, bounds=np.log(RANGE), method="bounded", options={"xatol": 1e-5})
    return float(np.exp(found.x))


def scale(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (n, C) at another temperature; rows of NaN stay so."""
    return np.exp(_log_scaled(probabilities, temperature))


def fit_temperatures(answers: Answers) -> dict[str, Any]:
    """A temperature for each kind of answer that a run gives whole: fused, and of each stream.

    Args:
        answers: to the validation clips.

    Returns:
        Kind → ``temperature`` and ``clips`` it was fitted on; kinds that answered none are absent.
    """
    targets, fitted = _targets(answers), {}
    for kind, table in answers.probabilities.items():
        answered = ~np.isnan(table).all(axis=1)
        if kind in OUTPUTS and answered.any():
            temperature = fit_temperature(table[answered], targets[answered])
            fitted[kind] = {"temperature": temperature, "clips": int(answered.sum())}
    return fitted


def calibrated_scores(answers: Answers, temperatures: dict[str, Any]) -> dict[str, Any]:
    """How sure the answers are at their temperatures.

    Args:
        answers: to the clips to be judged by.
        temperatures: of `fit_temperatures`.

    Returns:
        Kind → `emotionnet.evaluation.metrics.sureness`, beside ``temperature`` and the number of
        validation clips that it was ``fitted_on``.
    """
    return {
        kind: {
            "temperature": fitted["temperature"],
            "fitted_on": fitted["clips"],
            **_sureness(calibrated(answers, {kind: fitted}), kind),
        }
        for kind, fitted in temperatures.items()
        if kind in answers.probabilities and not np.isnan(answers.probabilities[kind]).all()
    }


def calibrated(answers: Answers, temperatures: dict[str, Any]) -> Answers:
    """The answers of the kinds that have a temperature, at it."""
    tables = {
        kind: scale(answers.probabilities[kind], fitted["temperature"])
        for kind, fitted in temperatures.items()
        if kind in answers.probabilities
    }
    return Answers(answers.labels, answers.clips, tables)


def pool_calibrated(
    answers: Sequence[Answers], calibrated_runs: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Like `calibrated_scores`, of several runs together, each at its own temperatures.

    Args:
        answers: of each run.
        calibrated_runs: `calibrated_scores` of each run; kinds that not all have are left out.

    Returns:
        As `calibrated_scores`; ``temperature`` and ``fitted_on`` are lists, a value a run.
    """
    result = {}
    for kind in OUTPUTS:
        if not all(kind in run for run in calibrated_runs):
            continue
        pooled = Answers.pool(
            calibrated(one, {kind: run[kind]}) for one, run in zip(answers, calibrated_runs)
        )
        result[kind] = {
            key: [run[kind][key] for run in calibrated_runs] for key in ("temperature", "fitted_on")
        } | _sureness(pooled, kind)
    return result


def _sureness(answers: Answers, kind: str) -> dict[str, Any]:
    table = answers.probabilities[kind]
    answered = ~np.isnan(table).all(axis=1)
    return sureness(_targets(answers)[answered], table[answered])


def _targets(answers: Answers) -> np.ndarray:
    return np.array([answers.labels.index(clip.emotion) for clip in answers.clips], int)


def _log_scaled(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    from scipy.special import log_softmax

    return log_softmax(np.log(np.maximum(probabilities, LEAST)) / temperature, axis=-1)
