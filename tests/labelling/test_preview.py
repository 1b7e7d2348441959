"""What the page plays is what the run is asked about, whatever the tracks of a clip are like."""

from fractions import Fraction

import numpy as np
import pytest
from recordings import Film, Voice, record, tone

from emotionnet.clips.decode import Recording
from emotionnet.errors import BadClip
from emotionnet.labelling.preview import make_preview, media_type


def film(n=20, size=(48, 64), **kwargs):
    return Film([np.full((*size, 3), 120, np.uint8)] * n, 10, **kwargs)


def copied(path):
    make_preview(path, path.with_name("copy.mp4"))
    copy = Recording(path.with_name("copy.mp4"))
    return list(copy.frames()), copy


def test_what_browsers_play_is_played_as_it_is(tmp_path):
    assert media_type(record(tmp_path / "a.mp4", film(), Voice(tone(2)))) == "video/mp4"
    assert media_type(record(tmp_path / "a.m4a", Voice(tone(2)))) == "audio/mp4"


@pytest.mark.parametrize(
    "tracks",
    [
        [film(), Voice(tone(2)), Voice(tone(2))],
        [film(), film(), Voice(tone(2))],
        [film(1, codec="mjpeg", pixel_format="yuvj420p"), Voice(tone(2))],
        [film(codec="mpeg4", move=lambda t: t + 5000 * (t >= 1)), Voice(tone(2))],
    ],
)
def test_where_a_browser_might_choose_otherwise_there_is_a_copy(tmp_path, tracks):
    assert media_type(record(tmp_path / "a.mp4", *tracks)) is None


def test_a_track_that_no_decoder_knows_is_left_out(tmp_path):
    path = record(tmp_path / "a.mkv", film(), Voice(tone(2)), Voice(tone(2, hz=600)))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"A_AAC", b"A_AAX", 1))
    frames, copy = copied(path)
    assert len(frames) == 20
    assert copy.audible
    (tmp_path / "a.webm").write_bytes(path.read_bytes())
    assert media_type(tmp_path / "a.webm") is None
    path.write_bytes(content.replace(b"A_AAC", b"A_AAX"))
    frames, copy = copied(path)
    assert len(frames) == 20
    assert copy.no_sound == "has no sound"


def test_an_empty_sound_track_is_no_sound(tmp_path):
    frames, copy = copied(record(tmp_path / "a.mkv", film(), Voice(tone(2), move=lambda t: None)))
    assert len(frames) == 20
    assert copy.no_sound == "has no sound"


def test_pictures_are_shown_when_they_were_taken(tmp_path):
    stretched = film(move=lambda t: 2 * t if t < 1 else t + 1)
    frames, _ = copied(record(tmp_path / "a.mkv", stretched))
    steps = np.round(np.diff([frame.time_s for frame in frames]), 2)
    assert steps.tolist() == [0.2] * 10 + [0.1] * 9


def test_odd_pictures_are_copied_as_a_player_shows_them(tmp_path):
    odd = film(size=(47, 33), codec="ffv1", pixel_format="yuv444p")
    assert copied(record(tmp_path / "a.mkv", odd))[0][0].size == (46, 32)
    wide = film(aspect=Fraction(2, 1))
    assert copied(record(tmp_path / "b.mp4", wide))[0][0].size == (48, 128)


def test_a_film_that_changes_its_size_is_copied_in_the_first(tmp_path):
    parts = [
        record(tmp_path / "part.ts", film(size=size)).read_bytes() for size in ((48, 64), (96, 96))
    ]
    (tmp_path / "all.ts").write_bytes(b"".join(parts))
    frames, _ = copied(tmp_path / "all.ts")
    assert len(frames) > 30
    assert {frame.size for frame in frames} == {(48, 64)}


def test_what_has_neither_is_refused(tmp_path):
    path = record(tmp_path / "a.mkv", film())
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/AVX"))
    with pytest.raises(BadClip, match="not one picture could be decoded"):
        make_preview(path, tmp_path / "copy.mp4")
