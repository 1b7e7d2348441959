"""Learning from few labels: after each epoch the clips that the model is least sure of get theirs.

Radoi and Cioroiu (IEEE Access 2024), algorithm 1: the clips of some training actors are labelled
from the start; those of the others are a pool. After each epoch the model answers the pool, and the
clips whose answers have the highest entropy move into the training set with their true labels. With
``random`` as many clips move, drawn by chance: what uncertainty must be measured against.

Everything is a function of the clips, the seed and the model: the order of the rows does not matter,
and what has moved is part of the `TrainingState`, so a training that was killed resumes to the bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.special import entr

from emotionnet.errors import UsageError

#: Name of a scheme → what moves after an epoch.
SCHEMES = {
    "all": "nothing: every label is used from the start",
    "uncertainty": "the clips whose answers have the highest entropy",
    "random": "clips drawn by chance",
}
#: Keep these draws apart from those of the order of clips.
_START, _RANDOM = 0x57A7, 0xD12A


@dataclass(frozen=True)
class Learning:
    """Which labels are used when.

    Args:
        scheme: one of `SCHEMES`.
        start_fraction: share of the training actors whose clips are labelled from the start; a
            number or text like "1/3" (the paper's). Unused with ``all``.
        per_epoch: clips that move after each epoch (the paper: 20 for CREMA-D, 5 for RAVDESS).
        every: the pool is asked after every this many epochs (the paper: 1), and as many times
            ``per_epoch`` clips move at once: scoring then costs that much less.

    Raises:
        UsageError: an unknown scheme, or a number out of range.
    """

    scheme: str = "all"
    start_fraction: float | str = 1 / 3
    per_epoch: int = 20
    every: int = 1

    def __post_init__(self):
        if self.scheme not in SCHEMES:
            raise UsageError(
                f"--learning {self.scheme}: not known. Choose one of {', '.join(SCHEMES)}."
            )
        try:
            fraction = float(Fraction(self.start_fraction))
        except (ValueError, ZeroDivisionError):
            fraction = 0.0
        if not 0 < fraction <= 1:
            raise UsageError(
                f"--start-fraction {self.start_fraction}: needs a number in (0, 1], like 1/3 or 0.5."
            )
        object.__setattr__(self, "start_fraction", fraction)
        if self.per_epoch < 1:
            raise UsageError(f"--per-epoch {self.per_epoch}: at least 1 clip.")
        if self.every < 1:
            raise UsageError(f"--pool-every {self.every}: at least 1 epoch.")


class LabelPool:
    """The training clips of one stream: which are labelled, and which still wait.

    Args:
        rows: training rows, with ``clip``, ``actor`` and ``corpus``.
        learning: the scheme.
        seed: of the run: decides who is in the start set, and what ``random`` draws.
        moved: ``[clip, epoch, bits]`` of each clip that has moved, in order; appended to. It is
            part of the training's state. Epochs count from 1, bits are None for ``random``.

    Attributes:
        start: rows that are labelled from the start.
        pool: the other rows, sorted by clip, whether they have moved or not.

    Raises:
        UsageError: all clips are one person's, so that no pool is left.
    """

    def __init__(self, rows: Sequence, learning: Learning, seed: int, moved: list[list]):
        self.learning, self.seed, self._moved = learning, seed, moved
        self.start, self.pool = list(rows), []
        if learning.scheme != "all":
            self.start, self.pool = divide_by_person(rows, learning.start_fraction, seed)

    @property
    def labelled(self) -> list:
        """Rows whose label is used now: the start set, then what has moved, in order."""
        rows = {row.clip: row for row in self.pool}
        return self.start + [rows[clip] for clip, *_ in self._moved]

    @property
    def waiting(self) -> list:
        """Rows of the pool that have not moved, sorted by clip."""
        moved = {clip for clip, *_ in self._moved}
        return [row for row in self.pool if row.clip not in moved]

    def size(self, epoch: int) -> int:
        """How many labels are used in an epoch, counted from 0."""
        moves = epoch // self.learning.every * self._at_once
        return len(self.start) + min(len(self.pool), moves)

    @property
    def _at_once(self) -> int:
        return self.learning.every * self.learning.per_epoch

    def move(self, epoch: int, uncertainty: Callable[[list], np.ndarray]) -> list:
        """Moves the clips that follow ``epoch`` (counted from 0) out of the pool.

        Args:
            epoch: that has just been completed.
            uncertainty: gives the entropy in bits (n,) of the answers to n rows.

        Returns:
            The rows that have moved.
        """
        waiting = self.waiting
        if not waiting or (epoch + 1) % self.learning.every:
            return []
        count = min(self._at_once, len(waiting))
        if self.learning.scheme == "random":
            draw = np.random.default_rng([self.seed, epoch, _RANDOM])
            chosen = sorted(draw.choice(len(waiting), count, replace=False))
            bits = [None] * len(waiting)
        else:
            bits = np.asarray(uncertainty(waiting), np.float64)
            # Stable: clips that are equally uncertain go by name.
            chosen = np.argsort(-bits, kind="stable")[:count]
        for i in chosen:
            known = None if bits[i] is None else round(float(bits[i]), 6)
            self._moved.append([waiting[i].clip, epoch + 1, known])
        return [waiting[i] for i in chosen]


def divide_by_person(rows: Sequence, share: float, seed: int) -> tuple[list, list]:
    """Divides rows into those of a ``share`` of the people, drawn by ``seed``, and the others.

    A clip of an unknown actor counts as a separate person.

    Returns:
        Start set and pool, each sorted by clip.

    Raises:
        UsageError: there are fewer than two people.
    """

    def person(row):
        return (row.corpus, row.actor, "" if row.actor else row.clip)

    people = sorted({person(row) for row in rows})
    if len(people) < 2:
        raise UsageError(
            f"learning from a pool needs at least two training actors, one to start with; found "
            f"{len(people)}. Use --learning all, or another protocol."
        )
    count = min(max(1, round(share * len(people))), len(people))
    order = np.random.default_rng([seed, _START]).permutation(len(people))
    chosen = {people[i] for i in order[:count]}
    rows = sorted(rows, key=lambda row: row.clip)
    return (
        [row for row in rows if person(row) in chosen],
        [row for row in rows if person(row) not in chosen],
    )


def entropy_bits(probabilities: np.ndarray) -> np.ndarray:
    """Entropy of each answer in bits (equation 4): 0 for a sure one, log2(C) for a uniform one.

    Args:
        probabilities: (n, C), rows that sum to 1.

    Returns:
        (n,) float64.
    """
    return entr(np.asarray(probabilities, np.float64)).sum(axis=1) / np.log(2)
