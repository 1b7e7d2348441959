"""Integrated gradients: which part of what a network is shown makes how much of its answer.

The answer's gradient is summed along the straight way from a baseline to what is explained. The
attributions then add up to the difference of the two answers, which is checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emotionnet.evaluation.gradient import Gradient

#: Steps of the way: the first of them after which the sum is right, else the last.
STEPS = (50, 150, 450)
#: How far the sum may be off: as a share of the difference, or (where the two answers are all but the
#: same) as a probability.
TOLERANCE, LEAST = 0.02, 0.001


@dataclass(frozen=True)
class Attribution:
    """How much of an answer each value makes.

    Attributes:
        values: shaped as what is explained, an array each.
        answer, baseline: probability of the class, of what is explained and of the baseline.
        steps: of the way.
    """

    values: list[np.ndarray]
    answer: float
    baseline: float
    steps: int

    @property
    def total(self) -> float:
        """Sum of all attributions."""
        return float(sum(each.sum(dtype=np.float64) for each in self.values))

    @property
    def difference(self) -> float:
        """What they should add up to."""
        return self.answer - self.baseline

    @property
    def gap(self) -> float:
        """How far the sum is off, as a share of the difference."""
        return abs(self.total - self.difference) / max(abs(self.difference), 1e-12)

    @property
    def complete(self) -> bool:
        """Whether the sum is right within `TOLERANCE`, or off by less than `LEAST`."""
        return self.gap <= TOLERANCE or abs(self.total - self.difference) <= LEAST

    def in_words(self) -> str:
        """The check of the sum, for people."""
        off = f"{100 * self.gap:.1f} % off" if abs(self.difference) > LEAST else "all but 0"
        text = (
            f"sum {self.total:+.4f}, answer {self.answer:.4f} less baseline {self.baseline:.4f} = "
            f"{self.difference:+.4f}: {off}, {self.steps} steps"
        )
        return text if self.complete else f"{text}: NOT COMPLETE"


def integrate(
    gradient: Gradient,
    values: Sequence[np.ndarray],
    baselines: Sequence[np.ndarray],
    number: int,
    at_once: int = 10,
    steps: Sequence[int] = STEPS,
) -> Attribution:
    """Integrated gradients by the midpoint rule, with more steps until the sum is right.

    Args:
        gradient: see `emotionnet.evaluation.gradient`.
        values: what is explained, (n, …) each.
        baselines: of the same shapes.
        number: of the class.
        at_once: steps that go through the model together, 2 or more: what bounds the memory. It should
            divide ``steps``, since a graph is made for each size of a batch.
        steps: numbers of steps that are tried, ascending. Three times as many hold those before, which are
            not taken again.

    Source:
        Sundararajan et al. (2017), Axiomatic attribution for deep networks, equations 1 and 3.
    """
    values = [np.asarray(each, np.float32) for each in values]
    ways = [each - base for each, base in zip(values, baselines, strict=True)]

    def at(shares: np.ndarray):
        path = [
            np.concatenate([base + np.float32(share) * way for share in shares])
            for base, way in zip(baselines, ways, strict=True)
        ]
        return gradient(path, number)

    ends = at(np.linspace(0, 1, at_once))[0]
    baseline, answer = float(ends[0]), float(ends[-1])
    sums, done = [np.zeros(way.shape) for way in ways], np.zeros(0)
    for count in steps:
        shares = (np.arange(count) + 0.5) / count
        if len(done) and count % len(done) == 0 and (count // len(done)) % 2:
            shares = shares[~np.isclose(shares[:, None], done, atol=1e-9, rtol=0).any(axis=1)]
        else:  # those before lie elsewhere
            sums = [np.zeros(way.shape) for way in ways]
        for first in range(0, len(shares), at_once):
            part = shares[first : first + at_once]
            for total, slope, way in zip(sums, at(part)[1], ways, strict=True):
                total += slope.reshape(len(part), *way.shape).sum(axis=0, dtype=np.float64)
        done = (np.arange(count) + 0.5) / count
        found = [total * way / count for total, way in zip(sums, ways, strict=True)]
        result = Attribution(found, answer, baseline, count)
        if result.complete:
            break
    return result
