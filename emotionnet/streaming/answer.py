"""One answer of a live stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from emotionnet.inputs.kinds import together


@dataclass(frozen=True)
class Answer:
    """The answer at the end of one segment, about the window before it.

    Attributes:
        time_s: end of the segment, in the time of what was fed.
        labels: names of the classes.
        probabilities: (classes,) of all streams together; None where there was none.
        alone: stream → (classes,) of it alone; None where it was absent.
        faces: segments of the window that have a face.
        segments: segments of the window so far, at most N.
        sound_s: seconds of sound in the window.
        latency_s: from the end of the segment (when it was fed) to this answer, in real time.
        work_s: what was computed for this answer, in real time.
    """

    time_s: float
    labels: tuple[str, ...]
    probabilities: np.ndarray | None
    alone: Mapping[str, np.ndarray | None]
    faces: int
    segments: int
    sound_s: float
    latency_s: float
    work_s: float

    @property
    def emotion(self) -> str | None:
        """The most probable class, or None where there was nothing to answer from."""
        return None if self.probabilities is None else self.labels[int(self.probabilities.argmax())]

    @property
    def streams(self) -> str | None:
        """What answered: ``both``, or streams joined by "+"; None for nothing."""
        answered = [stream for stream, p in self.alone.items() if p is not None]
        return together(answered) if answered else None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as ``--json`` prints it."""
        named = None
        if self.probabilities is not None:
            order = np.argsort(-self.probabilities, kind="stable")
            named = {self.labels[i]: round(float(self.probabilities[i]), 6) for i in order}
        return {
            "time_s": round(self.time_s, 3),
            "emotion": self.emotion,
            "probabilities": named,
            "streams": self.streams,
            "faces": self.faces,
            "segments": self.segments,
            "sound_s": round(self.sound_s, 3),
            "latency_ms": round(1000 * self.latency_s, 2),
        }
