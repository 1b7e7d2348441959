"""How fast a stream is answered, in memory of fixed size."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

#: Answers whose times are kept for the percentiles: the last hour or so.
_KEPT = 10_000


class Meter:
    """Times of answers and of the work behind them."""

    def __init__(self):
        self._latency_s: deque[float] = deque(maxlen=_KEPT)
        self._work_s: deque[float] = deque(maxlen=_KEPT)
        self._stages: dict[str, float] = {"faces": 0.0, "network": 0.0}
        self.answers = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Counts the time of the block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._stages[name] += time.perf_counter() - start

    def count(self, latency_s: float, work_s: float) -> None:
        """Counts an answer: time since its segment ended, and the work since the one before."""
        self.answers += 1
        self._latency_s.append(latency_s)
        self._work_s.append(work_s)

    def report(self, stream_s: float) -> dict[str, Any]:
        """The figures so far.

        Args:
            stream_s: length of what was streamed.

        Returns:
            ``answers``, ``stream_s``; ``latency_ms`` (segment end → answer) and ``work_ms`` (of one
            answer), each with p50, p95 and max; ``real_time_factor``: work in seconds for a second
            of stream, ``faces`` (finding and cropping), ``network`` (with its audio front-end).
        """
        factor = {k: round(v / stream_s, 5) for k, v in self._stages.items() if stream_s > 0}
        return {
            "answers": self.answers,
            "stream_s": round(stream_s, 3),
            "latency_ms": _percentiles(self._latency_s),
            "work_ms": _percentiles(self._work_s),
            "real_time_factor": factor,
        }


def _percentiles(seconds: deque[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    ms = 1000 * np.array(seconds)
    return {
        "p50": round(float(np.percentile(ms, 50)), 2),
        "p95": round(float(np.percentile(ms, 95)), 2),
        "max": round(float(ms.max()), 2),
    }
