"""Time stamps alone: which are believed, and what becomes of those that are not."""

import numpy as np
import pytest

from emotionnet.clips.clock import understand

PICTURE_S, SOUND_S = 1 / 25, 0.064


def pictures(start=0.0, stop=10.0):
    return np.arange(start, stop - 1e-9, PICTURE_S)


def sounds(start=0.0, stop=10.0):
    return np.arange(start, stop - 1e-9, SOUND_S)


def read(picture=None, sound=None):
    """The times of both tracks on the clock, and the notes; NaN where a time stamp is not believed."""
    tracks = [
        None if picture is None else (picture, PICTURE_S),
        None if sound is None else (sound, SOUND_S),
    ]
    *timings, notes = understand(*tracks)
    times = []
    for timing, stamps in zip(timings, (picture, sound)):
        reader = timing.reader()
        given = [reader(stamp) for stamp in ([] if stamps is None else stamps)]
        times.append(np.array([np.nan if time is None else time for time in given]))
    return *times, notes


@pytest.mark.parametrize(
    ("picture", "sound"),
    [
        (pictures(), sounds()),
        (pictures(5, 15), sounds(0, 12)),
        (pictures(), sounds(12, 22)),  # late, with two seconds of nothing before
        (pictures(0, 600), sounds(300, 310)),  # late, while there is a picture
        (pictures(), np.concatenate([sounds(0, 2), sounds(5)])),  # a gap
        (pictures(0, 300), np.concatenate([sounds(0, 2), sounds(200, 300)])),
        (np.concatenate([pictures(0, 5), pictures(100, 105)]), sounds(0, 105)),
        (np.arange(0, 600, 15.0), sounds(0, 600)),  # slides
        (None, np.concatenate([sounds(0, 2), sounds(40, 50)])),
        (pictures() + 1e5, sounds() + 1e5),
    ],
)
def test_what_can_be_believed_is_believed(picture, sound):
    seen, heard, notes = read(picture, sound)
    np.testing.assert_array_equal(seen, [] if picture is None else picture)
    np.testing.assert_array_equal(heard, sound)
    assert notes == []


@pytest.mark.parametrize("off", [600.0, -600.0, 20.0, 86400.0])
@pytest.mark.parametrize("where", [0, 1, 100, 124, -1])
@pytest.mark.parametrize("stays", [True, False])
def test_a_stray_picture_has_no_time_and_moves_nothing(off, where, stays):
    picture, sound = pictures(), sounds()
    # Where the sound continues the time stamp could be true, if it is the last.
    sound = sounds(0, 40) if stays and where >= 0 else sound
    wild = picture.copy()
    wild[where] += off
    seen, heard, notes = read(wild, sound)
    expected = picture.copy()
    expected[where] = np.nan
    np.testing.assert_array_equal(seen, expected)
    np.testing.assert_array_equal(heard, sound)
    assert len(notes) == 1
    assert "1 time stamp of the picture" in notes[0]


def test_stray_packets_of_the_sound_have_no_time():
    sound = sounds()
    wild = sound.copy()
    wild[40:42] += 1000
    _, heard, notes = read(pictures(), wild)
    assert np.isnan(heard[40:42]).all()
    np.testing.assert_array_equal(np.delete(heard, [40, 41]), np.delete(sound, [40, 41]))
    assert "2 time stamps of the sound" in notes[0]


@pytest.mark.parametrize("leap", [600.0, 3600.0, -3.0, -5.0, 1e6])
def test_a_clock_that_leaps_in_both_tracks_keeps_them_together(leap):
    def leaping(times):
        return np.where(times < 5, times, times + leap)

    seen, heard, notes = read(leaping(pictures()), leaping(sounds()))
    # As if it had not leapt: within a packet, and both alike.
    assert np.abs(seen - pictures()).max() < 0.1
    assert np.abs(heard - sounds()).max() < 0.1
    moved = (heard - sounds())[-1] - (seen - pictures())[-1]
    assert abs(moved) < 1e-6
    assert len(notes) == 2
    assert "leaps" in notes[0]


@pytest.mark.parametrize("leap", [600.0, -4.0])
def test_a_clock_that_leaps_in_one_track_does_not_move_the_other(leap):
    stamps = np.where(pictures() < 5, pictures(), pictures() + leap)
    seen, heard, _ = read(stamps, sounds())
    assert np.abs(seen - pictures()).max() < 0.05
    np.testing.assert_array_equal(heard, sounds())
    stamps = np.where(sounds() < 5, sounds(), sounds() + leap)
    seen, heard, _ = read(pictures(), stamps)
    assert np.abs(heard - sounds()).max() < 0.1
    np.testing.assert_array_equal(seen, pictures())


def test_recordings_put_one_behind_the_other_follow_one_another():
    both = [
        np.concatenate([times(0.1, 10), times(0.1, 6), times(0.1, 8)])
        for times in (pictures, sounds)
    ]
    seen, heard, _ = read(*both)
    for times, step in ((seen, PICTURE_S), (heard, SOUND_S)):
        assert (np.diff(times) > 0).all()
        assert np.diff(times).max() < 2 * step + 0.07
        assert times[-1] == pytest.approx(23.7, abs=0.3)


def test_a_track_hours_late_begins_with_the_other():
    seen, heard, notes = read(pictures(), sounds(7200, 7210))
    np.testing.assert_array_equal(seen, pictures())
    np.testing.assert_allclose(heard, sounds(), atol=1e-6)
    assert "the sound begins 7200 s after the picture" in notes[0]


def test_time_stamps_that_are_all_alike_say_nothing():
    *timings, notes = understand((np.zeros(100), PICTURE_S), None)
    assert timings[0].blind
    assert "say nothing" in notes[0]


def test_time_stamps_in_any_order_make_no_hours():
    rng = np.random.default_rng(0)
    stamps = rng.permutation(rng.uniform(0, 1e5, 500))
    seen, _, notes = read(stamps)
    believed = seen[np.isfinite(seen)]
    assert (
        np.ptp(believed) < 60 + 4 * 500 * np.median(np.abs(np.diff(stamps)))
        if believed.size
        else True
    )
    assert notes


def test_a_track_whose_time_stamps_say_nothing_begins_with_the_other():
    picture, sound, _ = understand((pictures(1e5, 1e5 + 4), PICTURE_S), (np.zeros(100), SOUND_S))
    assert sound.blind
    assert sound.begin_s == picture.first_s == 1e5


@pytest.mark.parametrize("step", [100.0, 4000.0])
def test_packets_too_far_apart_to_be_believed_are_taken_as_even(step):
    *timings, _ = understand((np.arange(50) * step, PICTURE_S), (np.arange(50) * step, SOUND_S))
    assert all(timing.blind for timing in timings)


def test_no_packets_at_all():
    assert read(np.zeros(0), np.zeros(0))[2] == []
    assert read(np.array([3.0]))[0].tolist() == [3.0]
