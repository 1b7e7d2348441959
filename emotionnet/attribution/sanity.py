"""Do attributions say anything? Maps can look right for wrong reasons (Adebayo et al., 2018).

Two checks. They must change when the network's weights are destroyed: layers are shuffled one after the
other, from the last to the first. And what they name must matter: covering it must lower the answer faster
than covering as much at random.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from emotionnet.attribution.explainer import AT_ONCE, Explainer, Question
from emotionnet.attribution.integrated import integrate
from emotionnet.inputs.kinds import OUTPUTS, streams_in

#: Shares of a stream's layers, from the last one on, that are shuffled; the least is one layer.
SHUFFLED = (0.0, 0.25, 0.5, 1.0)
#: Steps of the way in these checks: ranks need fewer than sums.
STEPS = (10,)
#: Shares of the regions that are covered, and how often random ones are drawn.
COVERED = (0.0, 0.1, 0.2, 0.3, 0.5)
DRAWS = 5
#: Regions an axis: of the height and the width of a face, of time, and of coefficients.
CUTS = 8


@dataclass(frozen=True)
class Sanity:
    """Both checks of a stream, over some clips.

    Attributes:
        clips: their number.
        baseline: that the attributions compare with.
        layers: number of layers shuffled → rank correlation (Spearman) of the attributions with those of
            the trained network, mean over the clips.
        named: of `COVERED` the answer with the regions covered that the map names first.
        random: the same with random ones.
    """

    clips: int
    baseline: str
    layers: dict[int, float]
    named: list[float]
    random: list[float]

    @property
    def gain(self) -> float:
        """By how much the answer is lower, on average, where the named regions are covered."""
        return float(np.mean(self.random[1:]) - np.mean(self.named[1:]))

    def in_words(self) -> list[str]:
        """Both checks, for people."""
        told = ", ".join(f"{count}: {value:+.2f}" for count, value in self.layers.items())
        shares = "/".join(f"{100 * share:.0f}" for share in COVERED)
        named, drawn = (
            "/".join(f"{100 * p:.0f}" for p in those) for those in (self.named, self.random)
        )
        faster = "faster than" if self.gain > 0 else "NOT faster than"
        return [
            f"rank correlation with the trained network's attributions by layers shuffled: {told}",
            f"answer in % with {shares} % of the regions covered: {named} where the map names them, "
            f"{drawn} at random: it falls {faster} at random ({self.clips} clips, {self.baseline})",
        ]


def check(
    explainer: Explainer, stream: str, clips: Sequence[tuple[dict[str, np.ndarray], int]], seed: int = 0
) -> Sanity:  # fmt: skip
    """Checks the attributions of a stream.

    Args:
        explainer: of the run; its model is as before afterwards.
        stream: that is checked.
        clips: inputs (1, …) of each, and the number of the class that is explained.
        seed: of what is shuffled and drawn.
    """
    asked = [(explainer.question(stream, inputs), number) for inputs, number in clips]
    base = list(asked[0][0].baselines)[-1]
    found = [_attributions(each, number, base) for each, number in asked]
    layers = _layers(explainer.model, stream)
    correlations = {}
    for count in sorted({max(1, round(share * len(layers))) for share in SHUFFLED}):
        with _shuffled(layers[:count], seed):
            destroyed = [_attributions(each, number, base) for each, number in asked]
        pairs = zip(found, destroyed)
        correlations[count] = float(np.mean([_rank_correlation(a, b) for a, b in pairs]))
    rng = np.random.default_rng(seed)
    curves = [_deletion(each, number, base, its, rng) for (each, number), its in zip(asked, found)]
    named, drawn = (np.mean(those, axis=0).tolist() for those in zip(*curves))
    return Sanity(len(clips), base, correlations, named, drawn)


def _attributions(asked: Question, number: int, base: str) -> list[np.ndarray]:
    found = integrate(asked.gradient, asked.values, asked.baselines[base], number, AT_ONCE, STEPS)
    return found.values


def _rank_correlation(one: Sequence[np.ndarray], two: Sequence[np.ndarray]) -> float:
    """Of attributions where there are any; 0 where either has none."""
    from scipy.stats import spearmanr

    a, b = (np.concatenate([each.ravel() for each in those]) for those in (one, two))
    there = (a != 0) | (b != 0)
    a, b = a[there], b[there]
    if not len(a) or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a, b).statistic)


def _layers(model: Any, stream: str) -> list:
    """The layers with learnt weights on the way to the answer of a stream, the last first."""
    import keras

    def inside(part) -> Iterator:
        for layer in part.layers:
            if isinstance(layer, keras.Model):
                # What looks at other streams alone meets this one in the fusion only.
                if not isinstance(layer.input, dict) or stream in streams_in(layer.input):
                    yield from inside(layer)
            elif layer.trainable_weights:
                yield layer

    on_the_way = keras.Model(model.input, model.output[OUTPUTS[stream]])
    # Shared layers are listed once.
    return list(dict.fromkeys(inside(on_the_way)))[::-1]


@contextmanager
def _shuffled(layers: Sequence[Any], seed: int) -> Iterator[None]:
    """Within, the numbers of each weight of ``layers`` are in another order."""
    rng = np.random.default_rng(seed)
    before = [(weight, weight.numpy()) for layer in layers for weight in layer.trainable_weights]
    try:
        for weight, value in before:
            weight.assign(rng.permutation(value.ravel()).reshape(value.shape))
        yield
    finally:
        for weight, value in before:
            weight.assign(value)


def _regions(shape: Sequence[int]) -> np.ndarray:
    """Number of the region of each value of an array (n, …, height, width[, 3]), by `CUTS` an axis."""
    numbers = np.zeros(shape, int)
    for axis, size in enumerate(shape):
        if axis == len(shape) - 1 and size <= 3:  # colours, or x and y, are one
            continue
        frames = axis <= 1 and len(shape) > 3  # each face by itself
        cuts = size if frames else min(CUTS, size)
        place = (np.arange(size) * cuts // size).reshape((-1,) + (1,) * (len(shape) - axis - 1))
        numbers = numbers * cuts + place
    return numbers


def _deletion(
    asked: Question, number: int, base: str, attributions: Sequence[np.ndarray], rng
) -> tuple[list[float], list[float]]:
    """The answer with ever more regions covered by the baseline: the named ones, and random ones."""
    regions, total = [], 0
    for each in attributions:
        _, own = np.unique(_regions(each.shape), return_inverse=True)
        regions.append(own.reshape(each.shape) + total)
        total += own.max() + 1
    sums = np.zeros(total)
    for where, each in zip(regions, attributions):
        np.add.at(sums, where.ravel(), each.ravel())
    able = np.flatnonzero(sums)  # faces that are not there, sound after its end cannot be covered
    orders = [able[np.argsort(-sums[able])], *(rng.permutation(able) for _ in range(DRAWS))]
    curves = []
    for order in orders:
        shown = []
        for share in COVERED:
            covered = np.zeros(total, bool)
            covered[order[: round(share * len(order))]] = True
            baseline = asked.baselines[base]
            shown.append(
                [np.where(covered[r], b, v) for r, b, v in zip(regions, baseline, asked.values)]
            )
        together = [np.concatenate(those) for those in zip(*shown)]
        curves.append(np.asarray(asked.gradient(together, number)[0], float).tolist())
    return curves[0], np.mean(curves[1:], axis=0).tolist()
