"""How sure a number is: Wilson intervals for a rate, mean and spread over runs."""

import math
from collections.abc import Sequence

#: Two-sided 95 % quantile of the normal distribution.
Z_95 = 1.959963984540054


def wilson(rate: float, n: float, z: float = Z_95) -> tuple[float, float]:
    """The Wilson score interval of a rate: right near 0 and 1 and for few trials.

    Args:
        rate: successes divided by trials, in [0, 1].
        n: trials, at least 1 (a fraction where they are weighted).
        z: normal quantile; 1.96 gives 95 %, 2.33 gives 98 %.

    Returns:
        Lower and upper end, in [0, 1].

    Raises:
        ValueError: ``n`` is no positive number or ``rate`` no rate.

    Source:
        E. B. Wilson (1927), J. Am. Stat. Assoc. 22, 209-212.
    """
    if n < 1 or not 0 <= rate <= 1:
        raise ValueError(f"no rate over trials: rate={rate}, n={n}")
    shrink = 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def wilson_uar(uar: float, support: Sequence[int], z: float = Z_95) -> tuple[float, float]:
    """An interval of an unweighted average recall, from Wilson's.

    Where all recalls are equal the variance of their mean is that of one rate over C² / Σ 1/nᵢ trials, which
    is the number given to `wilson`. Of equally frequent classes it is at most that, so that the interval is
    rather too wide; it can be too narrow where a rare class is found half the time and the others nearly always.
    It is never of no width.

    Args:
        uar: in [0, 1].
        support: clips of each class that has any.
        z: normal quantile.
    """
    return wilson(uar, len(support) ** 2 / math.fsum(1 / n for n in support), z)


def mean_and_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n - 1); None for the latter where there is one value.

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("no values to average")
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, None
    return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))
