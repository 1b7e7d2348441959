"""The ring of sound against a line that is as long as it needs to be."""

import numpy as np
import pytest

from emotionnet.streaming.sound import SoundRing, without_gaps


def test_the_ring_holds_what_a_line_holds():
    rng = np.random.default_rng(0)
    for _ in range(30):
        capacity = int(rng.integers(5, 40))
        ring, line, came, end = SoundRing(capacity), np.zeros(600), np.zeros(600, bool), 0
        for _ in range(30):
            # In order, after a gap, late, or longer than the ring.
            position = max(0, end + int(rng.choice([0, 0, 0, 3, -4, 11, -30])))
            samples = rng.normal(size=int(rng.integers(1, 15 if rng.random() < 0.9 else 60)))
            samples = samples.astype(np.float32)
            if position + len(samples) > 600:
                break
            kept_from = max(0, max(end, position + len(samples)) - capacity)
            lost = ring.write(position, samples)
            assert lost == np.clip(kept_from - position, 0, len(samples))
            first = min(max(position, kept_from), position + len(samples))
            line[first : position + len(samples)] = samples[first - position :]
            came[first : position + len(samples)] = True
            end = max(end, position + len(samples))
            assert ring.end == end
            start = int(rng.integers(-5, end + 1))
            stop = start + int(rng.integers(0, 50))
            got, present = ring.read(start, stop)
            place = np.arange(start, stop)
            known = (place >= max(0, end - capacity)) & (place < end)
            inside = np.clip(place, 0, 599)
            np.testing.assert_array_equal(present, known & came[inside])
            np.testing.assert_array_equal(got, np.where(known & came[inside], line[inside], 0))


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        ("1111", [1, 2, 3, 4]),
        ("0000", []),
        ("1001", [1, 0, 0, 4]),  # two are filled
        ("10001", [1, 5]),  # three are left out
        ("0011", [0, 0, 3, 4]),  # a late beginning is a gap
        ("00011", [4, 5]),
        ("1100", [1, 2]),  # the end has not come yet
    ],
)
def test_short_gaps_are_silence_and_long_ones_nothing(came, expected):
    present = np.array([c == "1" for c in came])
    samples = np.where(present, np.arange(1, len(came) + 1), 0).astype(np.float32)
    np.testing.assert_array_equal(without_gaps(samples, present, 2), expected)
