"""Picture and sound of one file on one clock, whatever its tracks and time stamps are like."""

import numpy as np
import pytest
from recordings import Film, Voice, record, retime_flv
from scenes import tone

from emotionnet.clips.decode import Recording, read_frames, read_sound

RATE = 16000


def dark(n, size=(48, 64)):
    return [np.full((*size, 3), 30, np.uint8)] * n


def ticking(seconds, rate=RATE, every=1.0, hz=500):
    """Beeps of 50 ms at 0.5 s, 1.5 s … whose pitch rises, so that each is known."""
    samples = np.zeros(round(seconds * rate), np.float32)
    for number, start in enumerate(np.arange(0.5, seconds, every)):
        beep = tone(0.05, rate, hz + 150 * number)
        first = round(start * rate)
        samples[first : first + len(beep)] += beep[: len(samples) - first]
    return samples


def beeps(samples, least=0.25):
    """When beeps begin, in seconds."""
    loud = np.abs(samples / 32768.0) > 0.05
    starts = np.flatnonzero(loud & ~np.concatenate([[False], loud[:-1]])) / RATE
    return starts[np.diff(starts, prepend=-1) > least]


def without(start, stop, moved=0.0):
    """Packets from ``start`` to ``stop`` are missing; those after it stand ``moved`` later."""
    return lambda t: None if start <= t < stop else t + moved * (t >= stop)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mkv", "aac"),
        ("a.mp4", "aac"),
        ("a.mkv", "pcm_s16le"),
        ("a.webm", "libopus"),
        ("a.ts", "aac"),
    ],
)
@pytest.mark.parametrize("picture", [True, False])
def test_a_gap_in_the_sound_is_silence(tmp_path, name, codec, picture):
    rate = 48000 if codec == "libopus" else RATE
    codecs = {"a.webm": "libvpx"}
    film = [Film(dark(200), 25, codecs.get(name, "libx264"))] if picture else []
    voice = Voice(ticking(8, rate), rate, codec, move=without(2, 5))
    recording = Recording(record(tmp_path / name, *film, voice), pictures=picture)
    sound = recording.sound
    assert len(sound.samples) / RATE == pytest.approx(8, abs=0.15)
    np.testing.assert_allclose(beeps(sound.samples), [0.5, 1.5, 5.5, 6.5, 7.5], atol=0.1)
    assert [note for note in recording.notes if "missing" in note]
    assert len(recording.notes) == 1


def test_many_lost_packets_do_not_add_up(tmp_path):
    lost = lambda t: None if round(t / 0.02) % 5 == 3 else t  # noqa: E731
    voice = Voice(ticking(8, 48000), 48000, "libopus", move=lost)
    sound = read_sound(record(tmp_path / "a.mkv", Film(dark(200)), voice))
    assert len(sound.samples) / RATE == pytest.approx(8, abs=0.1)
    found = beeps(sound.samples)
    assert np.abs(found[:, None] - np.arange(0.5, 8)).min(axis=1).max() < 0.05


@pytest.mark.parametrize("late", [0.04, 0.72, 5, 9, 12, 30])
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_a_track_that_begins_late_stands_late(tmp_path, name, late):
    film, move = Film(dark(100), move=float), lambda t: t + late
    recording = Recording(record(tmp_path / name, film, Voice(ticking(4), move=move)))
    np.testing.assert_allclose(beeps(recording.sound.samples), late + np.arange(0.5, 4), atol=0.1)
    assert next(recording.frames()).time_s == pytest.approx(0, abs=0.1)
    film = Film(dark(100), move=move)
    recording = Recording(record(tmp_path / name, film, Voice(ticking(4))))
    assert next(recording.frames()).time_s == pytest.approx(late, abs=0.1)
    np.testing.assert_allclose(beeps(recording.sound.samples), np.arange(0.5, 4), atol=0.1)
    list(recording.frames())
    assert recording.notes == []


@pytest.mark.parametrize("picture", [True, False])
def test_what_an_edit_list_cuts_off_takes_no_time(tmp_path, picture):
    film = Film(dark(150), options={"g": "250"}, move=lambda t: t - 2)
    path = record(tmp_path / "a.mp4", film, Voice(ticking(4)))
    recording = Recording(path, pictures=picture)
    np.testing.assert_allclose(beeps(recording.sound.samples), np.arange(0.5, 4), atol=0.1)
    assert recording.notes == []


def test_an_offset_that_is_not_believed_is_said(tmp_path):
    voice = Voice(ticking(4), move=lambda t: t + 7200)
    recording = Recording(record(tmp_path / "a.mkv", Film(dark(100)), voice))
    np.testing.assert_allclose(beeps(recording.sound.samples), np.arange(0.5, 4), atol=0.1)
    assert "7200 s after the picture" in recording.notes[0]


@pytest.mark.parametrize("number", [0, 10, 49])
@pytest.mark.parametrize("off", [600.0, 90000.0])
def test_one_wild_time_stamp_costs_one_picture(tmp_path, number, off):
    wild = lambda t: t + off * (round(t * 25) == number)  # noqa: E731
    film = Film(dark(50), codec="mjpeg", pixel_format="yuvj420p", move=wild)
    recording = Recording(record(tmp_path / "a.mkv", film, Voice(ticking(2))))
    times = [frame.time_s for frame in recording.frames()]
    np.testing.assert_allclose(times, np.delete(np.arange(50) / 25, number), atol=2e-3)
    np.testing.assert_allclose(beeps(recording.sound.samples), [0.5, 1.5], atol=0.01)
    assert "1 time stamp of the picture" in recording.notes[0]


def test_one_wild_time_stamp_of_the_sound_moves_nothing(tmp_path):
    wild = lambda t: t + 600 * (round(t, 3) == 0.64)  # noqa: E731
    recording = Recording(record(tmp_path / "a.mkv", Film(dark(50)), Voice(ticking(2), move=wild)))
    np.testing.assert_allclose(beeps(recording.sound.samples), [0.5, 1.5], atol=0.07)
    assert len(recording.sound.samples) == pytest.approx(2 * RATE, abs=2000)


def flv(path, move, seconds=4):
    film = Film(dark(25 * seconds), codec="flv")
    return retime_flv(record(path, film, Voice(ticking(seconds, 44100), 44100, "libmp3lame")), move)


@pytest.mark.parametrize("off", [600.0, -0.8, 0.5, 90000.0])
@pytest.mark.parametrize("kind", ["picture", "sound"])
def test_wild_time_stamps_within_a_file_move_nothing(tmp_path, kind, off):
    def wild(what, number, time):
        return max(time + off, 0) if what == kind and number in (30, 55) else time

    recording = Recording(flv(tmp_path / "a.flv", wild))
    times = np.array([frame.time_s for frame in recording.frames()])
    assert len(times) >= 98
    grid = (times - times[0]) * 25
    assert np.abs(grid - np.round(grid)).max() < 0.1
    assert times[-1] == pytest.approx(3.98, abs=0.05)
    np.testing.assert_allclose(beeps(recording.sound.samples), np.arange(0.5, 4), atol=0.1)


@pytest.mark.parametrize("off", [-1.9, -0.3, 300.0, 3000.0])
def test_a_clock_that_leaps_in_the_middle_keeps_flash_and_beep_together(tmp_path, off):
    recording = Recording(flv(tmp_path / "a.flv", lambda _, __, t: t + off * (t >= 2)))
    times = np.array([frame.time_s for frame in recording.frames()])
    heard = beeps(recording.sound.samples)
    if off < -1 or off > 1:
        np.testing.assert_allclose(heard, np.arange(0.5, 4), atol=0.12)
        assert times[-1] == pytest.approx(3.96, abs=0.1)
    else:  # so little is believed: what comes later counts
        assert times[-1] == pytest.approx(3.96 + off, abs=0.1)
        assert heard[-1] == pytest.approx(3.5 + off, abs=0.1)


@pytest.mark.parametrize("both", [True, False])
def test_a_leap_of_the_clock_makes_no_hours(tmp_path, both):
    leap = lambda t: t + 5000 * (t >= 2)  # noqa: E731
    film = Film(dark(100), codec="mjpeg", pixel_format="yuvj420p", move=leap)
    voice = Voice(ticking(4), move=leap if both else float)
    recording = Recording(record(tmp_path / "a.mkv", film, voice))
    times = [frame.time_s for frame in recording.frames()]
    np.testing.assert_allclose(times, np.arange(100) / 25, atol=0.1)
    np.testing.assert_allclose(beeps(recording.sound.samples), np.arange(0.5, 4), atol=0.1)


def test_streams_put_one_behind_the_other_stay_together(tmp_path):
    parts = []
    for seconds in (4, 3, 5):
        flash = [
            np.full((48, 64, 3), 250 if i in (25, 26) else 30, np.uint8)
            for i in range(25 * seconds)
        ]
        samples = np.zeros(seconds * RATE, np.float32)
        samples[RATE : RATE + 800] = tone(0.05)
        path = record(tmp_path / "part.ts", Film(flash), Voice(samples))
        parts.append(path.read_bytes())
    (tmp_path / "all.ts").write_bytes(b"".join(parts))
    recording = Recording(tmp_path / "all.ts")
    bright = [(f.time_s, f.picture().mean() > 150) for f in recording.frames()]
    flashes = np.array(
        [t for (t, now), (_, before) in zip(bright[1:], bright) if now and not before]
    )
    heard = beeps(recording.sound.samples)
    np.testing.assert_allclose(flashes, heard, atol=0.09)
    np.testing.assert_allclose(np.diff(flashes), [4, 3], atol=0.15)


def test_h264_in_avi_is_shown_in_its_order(tmp_path):
    shades = [np.full((48, 64, 3), 20 + 4 * i, np.uint8) for i in range(50)]
    frames = list(read_frames(record(tmp_path / "a.avi", Film(shades))))
    assert len(frames) >= 48
    np.testing.assert_allclose(np.diff([f.time_s for f in frames]), 0.04, atol=0.041)
    assert (np.diff([f.picture().mean() for f in frames]) > 0).all()


@pytest.mark.parametrize(
    ("name", "picture", "sound", "rate"),
    [
        ("a.mp4", "libx264", "aac", RATE),
        ("a.mov", "libx264", "pcm_s16le", RATE),
        ("a.mkv", "libx264", "aac", 48000),
        ("b.mkv", "ffv1", "flac", 44100),
        ("a.webm", "libvpx", "libopus", 48000),
        ("a.avi", "mpeg4", "libmp3lame", 44100),
        ("b.avi", "libx264", "aac", 44100),
        ("c.avi", "mjpeg", "pcm_s16le", 44100),
        ("a.flv", "flv", "libmp3lame", 44100),
        ("b.flv", "libx264", "aac", 44100),
        ("a.mpg", "mpeg2video", "mp2", 44100),
        ("a.ts", "libx264", "aac", 48000),
        ("a.m2ts", "libx264", "ac3", 48000),
        ("a.3gp", "mpeg4", "aac", RATE),
    ],
)
def test_nothing_is_said_of_what_other_programs_write_every_day(
    tmp_path, name, picture, sound, rate
):
    pixels = "yuvj420p" if picture == "mjpeg" else "yuv420p"
    film, voice = Film(dark(50), 25, picture, pixels), Voice(ticking(2, rate), rate, sound)
    recording = Recording(record(tmp_path / name, film, voice))
    times = np.array([frame.time_s for frame in recording.frames()])
    assert recording.notes == []
    assert len(times) >= 48
    assert (np.diff(times) > 0).all()
    np.testing.assert_allclose(beeps(recording.sound.samples), [0.5, 1.5], atol=0.09)


def test_a_late_track_is_not_truncated(tmp_path):
    voice = Voice(ticking(4), move=lambda t: t + 5)
    recording = Recording(record(tmp_path / "a.mkv", Film(dark(100)), voice))
    list(recording.frames())
    assert recording.notes == []


def test_the_length_of_an_mp3_that_changes_its_rate_is_no_promise(tmp_path):
    """Without a header of its own its length is guessed from its first bits."""
    loud = np.concatenate(
        [np.zeros(4 * 44100, "f4"), np.random.default_rng(0).normal(0, 0.2, 8 * 44100)]
    )
    path = record(tmp_path / "a.mp3", Voice(loud, 44100, "libmp3lame"), options={"write_xing": "0"})
    assert read_sound(path).notes == []
