"""The last seconds of a live sound, in memory of fixed size."""

import numpy as np


class SoundRing:
    """Samples by their position in the stream; knows which of them ever came.

    Args:
        capacity: samples that are kept.
    """

    def __init__(self, capacity: int):
        self._samples = np.zeros(capacity, np.float32)
        self._present = np.zeros(capacity, bool)
        self.end = 0  # position after the last sample

    def write(self, position: int, samples: np.ndarray) -> int:
        """Puts samples at their position: at the end, after a gap, or late into what is still kept.

        Returns:
            How many came too late to be kept.
        """
        capacity = len(self._samples)
        stop = position + len(samples)
        if stop > self.end:
            self._forget(self.end, stop)
            self.end = stop
        first = max(position, self.end - capacity, 0)
        lost = min(first - position, len(samples))
        for place, part in self._places(first, stop):
            self._samples[place] = samples[
                part.start + first - position : part.stop + first - position
            ]
            self._present[place] = True
        return lost

    def read(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Samples from ``start`` to ``stop`` (0 where none came), and which of them came."""
        samples = np.zeros(max(0, stop - start), np.float32)
        present = np.zeros(len(samples), bool)
        first = max(start, self.end - len(self._samples), 0)
        for place, part in self._places(first, min(stop, self.end)):
            shifted = slice(part.start + first - start, part.stop + first - start)
            samples[shifted] = self._samples[place]
            present[shifted] = self._present[place]
        return samples, present

    def _forget(self, start: int, stop: int) -> None:
        """Makes room for the positions from ``start`` to ``stop``."""
        for place, _ in self._places(max(start, stop - len(self._samples)), stop):
            self._samples[place] = 0
            self._present[place] = False

    def _places(self, start: int, stop: int):
        """Where positions lie in the ring, and where in a line that begins at ``start``."""
        capacity, line = len(self._samples), 0
        while start < stop:
            at = start % capacity
            n = min(stop - start, capacity - at)
            yield slice(at, at + n), slice(line, line + n)
            start, line = start + n, line + n


def without_gaps(samples: np.ndarray, present: np.ndarray, longest: int) -> np.ndarray:
    """The samples that came, in one piece; gaps of up to ``longest`` samples stay, as silence.

    Silence that was never recorded would count as a frame of sound; a lost packet keeps its place.
    What is missing at the end has not come yet and is left out in any case.
    """
    if present.all():
        return samples
    came = np.flatnonzero(present)
    if not len(came):
        return samples[:0]
    edges = np.diff(np.concatenate([[-1], came]))
    kept = present.copy()
    for place, gap in zip(came[edges > 1], edges[edges > 1] - 1):
        if gap <= longest:
            kept[place - gap : place] = True
    return samples[kept]
