"""Batches from a cache: NumPy and Keras alone, prepared ahead by threads."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from emotionnet.clips.beside import after
from emotionnet.inputs.array_augment import augment, clip_generator
from emotionnet.inputs.augmentation import Augmentation
from emotionnet.inputs.cache import check_augmentation
from emotionnet.inputs.kinds import WINDOW_MOVES
from emotionnet.inputs.source import Source

#: Batches that are made ready before they are asked for.
AHEAD = 4
#: Threads: reading, turning faces and adding noise do not hold Python's lock.
WORKERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class ArraySource(Source):
    """Batches from an `emotionnet.inputs.cache.ViewCache`."""

    def batches_of(
        self, rows: Sequence, batch_size: int, key: tuple[int, int], strength: Augmentation | None
    ) -> "ArrayBatches":
        """See `Source.batches_of`."""
        return ArrayBatches(self, rows, batch_size, True, strength, key)

    def inference_batches(
        self, rows: Sequence, batch_size: int, keep: bool = False
    ) -> "ArrayBatches":
        """See `Source.inference_batches`; the system keeps in memory what was read of files."""
        return ArrayBatches(self, rows, batch_size)

    def copies(self, rows: Sequence, kinds: Sequence[str]) -> list:
        """See `Source.copies`; only those that the cache was written with."""
        return self.records.copies(rows, kinds)

    def check(self, strength: Augmentation | None) -> None:
        """See `Source.check`."""
        if "faces" in self.inputs or WINDOW_MOVES.name in self.inputs:
            check_augmentation(self.records.folder, strength)


class ArrayBatches(keras.utils.PyDataset):
    """Batches of rows in their order; each is a function of its number alone.

    Args:
        source: what they are made from.
        rows: clips.
        batch_size: clips a batch.
        targets: whether a batch is ``(inputs, targets)``; else it is its inputs.
        strength: augmentation; None for none.
        key: seed and epoch, for what is drawn.
    """

    def __init__(
        self,
        source: ArraySource,
        rows: Sequence,
        batch_size: int,
        targets: bool = False,
        strength: Augmentation | None = None,
        key: tuple[int, int] = (0, 0),
    ):
        super().__init__(workers=WORKERS, max_queue_size=AHEAD)
        self._source, self._rows, self._size = source, rows, batch_size
        self._targets, self._strength, self._key = targets, strength, key

    def __len__(self) -> int:
        """Number of batches; the last may be smaller."""
        return -(-len(self._rows) // self._size)

    def __getitem__(self, number: int):
        """Batch ``number``, made again."""
        rows = self._rows[number * self._size : (number + 1) * self._size]
        inputs = self._source.records.inputs(rows, self._source.inputs)
        if self._strength is not None:
            clips = [
                augment(
                    {name: values[i] for name, values in inputs.items()},
                    clip_generator(*self._key, row.clip),
                    self._strength,
                )
                for i, row in enumerate(rows)
            ]
            inputs = {name: np.stack([clip[name] for clip in clips]) for name in inputs}
        return (inputs, self._source.training_targets(rows)) if self._targets else inputs

    def __iter__(self) -> Iterator:
        """All batches in order; the next ones are made while one is used."""
        return after(self.__getitem__, range(len(self)), AHEAD, self.workers)
