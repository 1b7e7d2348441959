"""Is one system better than another on the same clips? McNemar's test and paired bootstraps.

Clips of one actor resemble each other, so that a bootstrap over clips is too sure of itself where the
question is about people that the systems have not seen; the bootstrap over actors resamples whole actors.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

#: Discordant pairs below which McNemar's test is the exact binomial one.
EXACT_BELOW = 25
#: Bootstrap samples.
DRAWS = 10_000
#: Weights that are held in memory at once.
_AT_ONCE = 4_000_000


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> dict[str, Any]:
    """McNemar's test of two systems that answered the same n clips, each clip once.

    Args:
        right_a: (n,) bool, whether the first was right.
        right_b: (n,) bool, whether the second was.

    Returns:
        ``only_a`` and ``only_b``, clips that only one of them had right; ``p_value``, two-sided; and
        ``exact``: below `EXACT_BELOW` such clips the binomial test, else chi-squared with Edwards'
        continuity correction.

    Source:
        McNemar (1947), Psychometrika 12, 153-157; Edwards (1948), Psychometrika 13, 185-187.
    """
    from scipy import stats

    right_a, right_b = np.asarray(right_a, bool), np.asarray(right_b, bool)
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    discordant = only_a + only_b
    exact = discordant < EXACT_BELOW
    if discordant == 0:
        p_value = 1.0
    elif exact:
        p_value = stats.binomtest(only_a, discordant).pvalue
    else:
        statistic = max(0, abs(only_a - only_b) - 1) ** 2 / discordant
        p_value = stats.chi2.sf(statistic, 1)
    return {"only_a": only_a, "only_b": only_b, "p_value": float(p_value), "exact": exact}


def bootstrap_difference(
    targets: np.ndarray,
    right_a: np.ndarray,
    right_b: np.ndarray,
    groups: Sequence[str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Any]:
    """How much better the first system is, with a percentile bootstrap interval; paired.

    Args:
        targets: (n,) label numbers.
        right_a: (n,) how often the first system had each clip right, 0 to 1: a share where several
            runs answered it.
        right_b: (n,) the same of the second.
        groups: (n,) actor of each clip: whole actors are drawn. None draws clips.
        draws: bootstrap samples.
        seed: of the draws.

    Returns:
        ``drawn`` ("actors" or "clips") and how many there are, ``units``; ``accuracy`` and ``uar``,
        each with ``difference`` (first less second), ``interval_95`` and ``p_value`` (two-sided,
        twice the smaller share of samples beyond zero). The last two are None where there is one
        unit only. Classes that a sample lacks are left out of its UAR.

    Source:
        Efron & Tibshirani (1993), An introduction to the bootstrap, chapters 13 and 8.
    """
    targets = np.asarray(targets, int)
    names = np.arange(len(targets)) if groups is None else np.asarray(groups)
    units, unit_of = np.unique(names, return_inverse=True)
    classes = np.unique(targets, return_inverse=True)[1]
    # Of each unit: clips of each class, and by how many of them the first is ahead.
    shape = len(units), classes.max() + 1
    clips, ahead = np.zeros(shape), np.zeros(shape)
    np.add.at(clips, (unit_of, classes), 1)
    np.add.at(ahead, (unit_of, classes), np.asarray(right_a, float) - np.asarray(right_b, float))
    samples = _differences(clips, ahead, draws, seed) if len(units) > 1 else None
    result: dict[str, Any] = {
        "drawn": "clips" if groups is None else "actors",
        "units": len(units),
    }
    for i, measured in enumerate(("accuracy", "uar")):
        entry = {"difference": float(_measure(clips.sum(0), ahead.sum(0))[i])}
        entry |= {"interval_95": None, "p_value": None}
        if samples is not None:
            below, above = (samples[i] <= 0).mean(), (samples[i] >= 0).mean()
            entry["interval_95"] = [float(end) for end in np.percentile(samples[i], (2.5, 97.5))]
            entry["p_value"] = float(min(1.0, 2 * max(min(below, above), 1 / draws)))
        result[measured] = entry
    return result


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of several tests, adjusted so that one false alarm among all stays as unlikely.

    Source:
        Holm (1979), Scandinavian Journal of Statistics 6, 65-70.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def _measure(clips: np.ndarray, ahead: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Difference of accuracy and of UAR from sums a class (..., C)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        by_class = ahead / clips
    return ahead.sum(-1) / clips.sum(-1), np.nanmean(by_class, axis=-1)


def _differences(clips: np.ndarray, ahead: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """The differences (2, draws) of samples drawn with replacement from the units (units, C)."""
    rng, units = np.random.default_rng(seed), len(clips)
    parts = []
    at_once = max(1, _AT_ONCE // units)
    for start in range(0, draws, at_once):
        # How often each unit is in each sample: sums over a sample are then a matrix product.
        times = rng.multinomial(units, np.full(units, 1 / units), min(at_once, draws - start))
        parts.append(_measure(times @ clips, times @ ahead))
    return np.concatenate(parts, axis=1)
