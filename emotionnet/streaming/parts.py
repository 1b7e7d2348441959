"""What a stream needs of a trained model: what encodes a moment once, and what answers from the last N.

A system's module says how it is taken apart (`emotionnet.systems.apart`). A run's model becomes graphs
(`emotionnet.streaming.model_parts`), a bundle has entry points (`emotionnet.streaming.file_parts`).
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from emotionnet.deploy.bundle import Bundle


class Parts(Protocol):
    """What a stream needs of a model.

    Attributes:
        segments: N that the model was trained with.
        window: samples of sound that the model was trained with.
        longest: most samples of sound that it can answer from; None: any number.
        segment_s: length of a segment in seconds, where it is fixed; 0: the window is cut into N.
        context: samples of sound around a segment's centre that belong to its code; 0: none.
        width: length of a code.
        streams: that it was trained on.
    """

    segments: int
    window: int
    longest: int | None
    segment_s: float
    context: int
    width: int
    streams: tuple[str, ...]

    def pixels(self, jpeg: bytes) -> np.ndarray:
        """A stored face as (S, S, 3) uint8, as the model wants it."""

    def encode(self, moment: Mapping[str, np.ndarray | None]) -> np.ndarray:
        """The code (width,) of a segment.

        Args:
            moment: of each stream what the segment has: a face, the (context,) samples around its
                centre, the points of a face; None where it has none.
        """

    def answer(
        self, codes: np.ndarray, present: Mapping[str, np.ndarray], sound: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Probabilities (classes,) of each output of the model.

        Args:
            codes: (N, width), in order of time.
            present: stream → (N,) bool, whether the segment has it.
            sound: the samples of the window that came; of any length up to the window's.
        """


def open_parts(run) -> Parts:
    """The parts of an opened run, or of a bundle.

    Raises:
        UsageError: its system cannot stream.
        EmotionNetError: the run is not trained, or damaged.
    """
    if isinstance(run, Bundle):
        from emotionnet.streaming.file_parts import FileParts

        return FileParts(run)
    from emotionnet.streaming.model_parts import parts_of_run

    return parts_of_run(run)
