"""What trains and what evaluates knows only `Source`, wherever the batches come from.

Which clips a batch holds is decided here, so that it is the same everywhere. `opening` makes a source.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emotionnet.clips.copies import original
from emotionnet.inputs.augmentation import Augmentation
from emotionnet.inputs.views import View
from emotionnet.votes import shares

#: The share of a worker that is alone.
WHOLE = (0, 1)


@dataclass(frozen=True)
class Source(ABC):
    """What batches are made from; `emotionnet.inputs.opening.open_source` makes one.

    Args:
        records: an opened `emotionnet.clips.records.Records`, or `emotionnet.inputs.cache.ViewCache`.
        view: what the system sees.
        labels: label names in the model's order.
        inputs: names of the inputs to give (a stream needs only its own); by default all of the view.
        taught: clip → target (classes,) to learn from instead of that of its label or votes.
    """

    records: Any
    view: View
    labels: Sequence[str]
    inputs: tuple[str, ...] = ()
    taught: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "inputs", tuple(self.inputs) or self.view.inputs)

    def targets(self, rows: Sequence) -> np.ndarray:
        """Label numbers (n,) of the rows."""
        return np.array([self.labels.index(row.emotion) for row in rows], np.int32)

    def training_targets(self, rows: Sequence) -> np.ndarray:
        """Targets (n, classes) float32 of the rows; a copy has that of its clip.

        What the run is taught comes before what a crowd said, and that before the one emotion.
        """
        targets = np.eye(len(self.labels), dtype=np.float32)[self.targets(rows)]
        for number, row in enumerate(rows):
            taught = None
            if self.taught:
                taught = self.taught.get(row.clip, self.taught.get(original(row.clip)))
            if taught is None and row.votes:
                taught = shares(row.votes, self.labels)
            if taught is not None:
                targets[number] = taught
        return targets

    def training_batches(
        self,
        rows: Sequence,
        *,
        batch_size: int,
        seed: int,
        epoch: int,
        start_step: int = 0,
        strength: Augmentation | None = None,
        share: tuple[int, int] = WHOLE,
    ) -> Iterable:
        """Batches of one epoch, from ``start_step`` on.

        Args:
            rows: training rows.
            batch_size: clips a batch.
            seed: of the run.
            epoch: counted from 0.
            start_step: steps of this epoch that are done already.
            strength: augmentation; None for none.
            share: a worker's number and the number of workers; it reads its part of each batch only.

        Returns:
            Batches of ``(inputs, targets (batch, classes))``, see `training_targets`.
        """
        rows, batch_size = epoch_rows(rows, batch_size, seed, epoch, start_step, share)
        return self.batches_of(rows, batch_size, (seed, epoch), strength)

    @abstractmethod
    def batches_of(
        self, rows: Sequence, batch_size: int, key: tuple[int, int], strength: Augmentation | None
    ) -> Iterable:
        """Batches to learn from, of ``rows`` in their order; ``key`` is seed and epoch, for what is drawn."""

    @abstractmethod
    def inference_batches(self, rows: Sequence, batch_size: int, keep: bool = False) -> Iterable:
        """Batches of inputs of all ``rows`` in their order; nothing is left out.

        Args:
            rows: of the records, or copies of them.
            batch_size: clips a batch.
            keep: they will be asked for again and again, and are few enough to stay in memory.
        """

    @abstractmethod
    def copies(self, rows: Sequence, kinds: Sequence[str]) -> list:
        """Rows of the changed copies of ``rows`` (clips with sound), see `emotionnet.clips.copies`."""

    @abstractmethod
    def check(self, strength: Augmentation | None) -> None:
        """Refuses an augmentation that cannot be done here.

        Raises:
            UsageError: it cannot.
        """


def epoch_order(rows: int, seed: int, epoch: int) -> np.ndarray:
    """The order in which ``rows`` rows are visited in ``epoch``: a function of seed and epoch."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


def training_steps(rows: int, batch_size: int) -> int:
    """Steps an epoch. A last batch of less than half the size is left out (BatchNorm)."""
    steps, rest = divmod(rows, batch_size)
    return max(1, steps + (2 * rest >= batch_size and rest > 0))


def epoch_rows(
    rows: Sequence,
    batch_size: int,
    seed: int,
    epoch: int,
    start_step: int = 0,
    share: tuple[int, int] = WHOLE,
) -> tuple[list, int]:
    """The rows that an epoch learns from, in its order, from ``start_step`` on.

    Returns:
        Those of all batches, or of a worker's share of each; and how many of them make a batch.
    """
    steps = training_steps(len(rows), batch_size)
    order = epoch_order(len(rows), seed, epoch)[start_step * batch_size : steps * batch_size]
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    own = [i for batch in batches for i in batch[own_slice(len(batch), *share)]]
    return [rows[i] for i in own], batch_size // share[1]


def own_slice(clips: int, worker: int, workers: int) -> slice:
    """Which of the ``clips`` of a batch one of several workers takes: in order, as even as can be."""
    return slice(*(clips * i // workers for i in (worker, worker + 1)))
