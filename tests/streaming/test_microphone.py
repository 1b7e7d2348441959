"""A microphone that drops samples, or whose pieces come late, stays beside the pictures."""

from types import SimpleNamespace

import av
import numpy as np
import pytest

from emotionnet.streaming import sources

RATE, PIECE_S = 48000, 0.02


@pytest.mark.parametrize(("lost_s", "drift"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.05)])
def test_sound_has_the_time_at_which_it_was_taken(lost_s, drift, monkeypatch):
    """After 3 s the device drops ``lost_s``; its clock gains ``drift``; some pieces come 80 ms late."""
    clock = SimpleNamespace(now_s=100.0)

    def pieces(audio):
        for number in range(500):
            end_s = (number + 1) * PIECE_S * (1 - drift) + lost_s * (number >= 150)
            clock.now_s = 100.0 + end_s + 0.08 * (number % 7 == 0)
            data = np.zeros((1, round(PIECE_S * RATE)), np.float32)
            frame = av.AudioFrame.from_ndarray(data, format="flt", layout="mono")
            frame.sample_rate = RATE
            yield frame

    microphone = SimpleNamespace(decode=pieces, close=lambda: None)
    monkeypatch.setattr(sources, "_open_microphone", lambda name, kind: microphone)
    monkeypatch.setattr(sources.time, "perf_counter", lambda: clock.now_s)
    source = sources.CameraSource(camera=None)
    source._start = 100.0
    source._read_sound(microphone)
    events = list(source._queue.queue)
    ends = [event.time_s + len(event.samples) / sources.SAMPLE_RATE for event in events]
    # 2 s after the gap at the latest. Pieces come up to 80 ms late, and the resampler holds some back.
    late = [event.due_s - end_s for event, end_s in zip(events, ends) if event.due_s > 5.6]
    assert len(late) > 100
    assert min(late) > -0.11
    assert max(late) < 0.25
