"""A clip that is a part of a file: where it begins and ends, and what lies between."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emotionnet.clips import SAMPLE_RATE
from emotionnet.clips.sound import is_silent
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import BadClip


@dataclass
class Span:
    """A part of a file, in seconds of its clock (`emotionnet.clips.decode.Recording`).

    Attributes:
        start_s: where it begins.
        end_s: where it ends; infinite for the end of the file.
        seen_s: time of the last picture that `frames` has seen.
    """

    start_s: float = 0.0
    end_s: float = math.inf
    seen_s: float = 0.0

    def frames(self, frames: Iterator) -> Iterator:
        """Those of a file's frames, with ``time_s``, that lie in the span."""
        for frame in frames:
            self.seen_s = frame.time_s
            if frame.time_s >= self.end_s:
                return
            if frame.time_s >= self.start_s:
                yield frame

    def cut(
        self, times_s: list[float], waveform: np.ndarray, notes: list[str]
    ) -> tuple[list[float], np.ndarray]:
        """Times of the span's pictures and its waveform, with 0 at the span's beginning.

        Args:
            times_s: of the span's pictures.
            waveform: of the whole file.
            notes: gets a line where the file ends before the span does.

        Raises:
            BadClip: nothing of the file lies in the span.
        """
        end = None if math.isinf(self.end_s) else round(self.end_s * SAMPLE_RATE)
        part = waveform[round(self.start_s * SAMPLE_RATE) : end]
        length_s = max(len(waveform) / SAMPLE_RATE, self.seen_s)
        if not len(part) and not times_s:
            raise BadClip(
                f"its part begins at {self.start_s:g} s, but the file ends after {length_s:.1f} s "
                "(are start and end in seconds?)"
            )
        if end is not None and self.end_s - length_s > 1:
            notes.append(f"its part ends at {self.end_s:g} s, the file after {length_s:.1f} s")
        if is_silent(part):
            part = part[:0]
        return [time - self.start_s for time in times_s], part


def span_of(row: ManifestRow) -> Span | None:
    """The part of its files that a row is about; None for all of them."""
    if not row.start_s and not row.end_s:
        return None
    return Span(float(row.start_s or 0), float(row.end_s or math.inf))
