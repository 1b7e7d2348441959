"""Which of several tracks is seen and heard, and what is said of the choice."""

import struct

import numpy as np
import pytest
from recordings import Film, Voice, record
from scenes import tone

from emotionnet.clips.decode import Recording
from emotionnet.errors import BadClip

SILENCE = np.zeros(32000, np.float32)


def film(shade, n=20, **kwargs):
    return Film([np.full((48, 64, 3), shade, np.uint8)] * n, 10, **kwargs)


def shade(recording):
    return round(recording.first.picture().mean() / 50) * 50


def loudest_hz(recording):
    samples = recording.sound.samples.astype(float)
    return np.abs(np.fft.rfft(samples)).argmax() * 16000 / len(samples)


def voice(hz, **kwargs):
    return Voice(tone(2, hz=hz), **kwargs)


def without_decoder(path, kind=b"A_AAC"):
    """The first track of a kind becomes one that no decoder knows."""
    content = path.read_bytes()
    assert kind in content
    path.write_bytes(content.replace(kind, kind[:-1] + b"X", 1))
    return path


def in_tiles(path, tiles=4):
    """An AVIF whose picture is a grid of ``tiles`` by 1, as phones write photographs; of no content."""

    def box(kind, *parts, version=None):
        head = b"" if version is None else struct.pack(">I", version << 24)
        content = head + b"".join(parts)
        return struct.pack(">I", 8 + len(content)) + kind + content

    grid, numbers, tile = tiles + 1, range(1, tiles + 1), bytes(16)
    kinds = {**dict.fromkeys(numbers, b"av01"), grid: b"grid"}
    infos = [box(b"infe", struct.pack(">HH4sx", n, 0, k), version=2) for n, k in kinds.items()]
    parts = box(b"dimg", struct.pack(f">HH{tiles}H", grid, tiles, *numbers))
    sizes = [box(b"ispe", struct.pack(">II", side, 64), version=0) for side in (64, 64 * tiles)]
    own = [struct.pack(">HBBB", n, 2, 0x81, 2) for n in numbers] + [struct.pack(">HBB", grid, 1, 3)]
    container = box(b"ipco", box(b"av1C", bytes([0x81, 0, 12, 0])), *sizes)
    properties = box(b"ipma", struct.pack(">I", grid), *own, version=0)
    head = box(b"ftyp", b"avif", bytes(4), b"mif1avif")

    def meta(first):
        places = [(n, 0, 0, 1, first + 16 * (n - 1), 16) for n in numbers] + [(grid, 1, 0, 1, 0, 8)]
        return box(
            b"meta",
            box(b"hdlr", bytes(4), b"pict", bytes(13), version=0),
            box(b"pitm", struct.pack(">H", grid), version=0),
            box(b"iloc", struct.pack(">BBH", 0x44, 0, grid),
                *(struct.pack(">HHHHII", *place) for place in places), version=1),
            box(b"iinf", struct.pack(">H", grid), *infos, version=0),
            box(b"iref", parts, version=0),
            box(b"iprp", container, properties),
            box(b"idat", struct.pack(">BBBBHH", 0, 0, 0, tiles - 1, 64 * tiles, 64)),
            version=0,
        )  # fmt: skip

    path.write_bytes(head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", tile * tiles))
    return path


def test_one_tile_of_a_photograph_is_not_taken_for_it(tmp_path):
    recording = Recording(in_tiles(tmp_path / "a.avif"))
    assert recording.first is None
    assert "in tiles" in recording.no_picture


def test_the_default_tracks_are_taken(tmp_path):
    path = record(
        tmp_path / "a.mkv",
        film(50, default=False),
        film(200, default=True),
        voice(300, default=False),
        voice(900, default=True),
    )
    recording = Recording(path)
    assert shade(recording) == 200
    assert loudest_hz(recording) == pytest.approx(900, abs=20)
    assert recording.notes == [
        "sound: track 2 of 2 is used (it is the default one)",
        "picture: track 2 of 2 is used (it is the default one)",
    ]


def test_of_tracks_alike_the_first_is_taken_and_said(tmp_path):
    recording = Recording(record(tmp_path / "a.mp4", film(50), voice(300), voice(900)))
    assert loudest_hz(recording) == pytest.approx(300, abs=20)
    assert recording.notes == ["sound: track 1 of 2 is used (it is the default one)"]


@pytest.mark.parametrize("default", [None, True])
def test_a_voice_behind_a_silent_track_is_heard(tmp_path, default):
    silent = Voice(SILENCE, default=default)
    recording = Recording(record(tmp_path / "a.mkv", film(50), silent, voice(900, default=False)))
    assert loudest_hz(recording) == pytest.approx(900, abs=20)
    assert recording.notes == ["sound: track 2 of 2 is used (track 1 is silent)"]


def test_a_voice_behind_a_track_without_a_decoder_is_heard(tmp_path):
    path = record(tmp_path / "a.mkv", film(50), voice(300), voice(900))
    recording = Recording(without_decoder(path))
    assert recording.audible
    assert recording.notes == ["sound: track 2 of 2 is used (track 1 cannot be decoded)"]


def test_what_no_decoder_knows_is_said(tmp_path):
    recording = Recording(without_decoder(record(tmp_path / "a.mkv", film(50), voice(300))))
    assert not recording.audible
    assert "nothing of it could be decoded" in recording.no_sound
    assert recording.first is not None
    path = record(tmp_path / "b.mkv", film(50), voice(300))
    recording = Recording(without_decoder(path, b"V_MPEG4/ISO/AVC"))
    assert "not one picture could be decoded" in recording.no_picture
    assert recording.audible


def test_a_sound_track_without_packets_is_no_sound(tmp_path):
    empty = voice(300, move=lambda t: None)
    recording = Recording(record(tmp_path / "a.mkv", film(50), empty))
    assert not recording.audible
    assert len(list(recording.frames())) == 20


@pytest.mark.parametrize("first", [True, False])
def test_a_cover_that_is_stored_as_a_film_is_left_out(tmp_path, first):
    cover = film(200, 1, codec="mjpeg", pixel_format="yuvj420p")
    tracks = [cover, voice(300)] if first else [voice(300), cover]
    recording = Recording(record(tmp_path / "a.mp4", *tracks))
    assert recording.first is None
    assert recording.audible
    assert "taken for a cover" in recording.notes[0]


def test_a_film_beside_a_cover_is_seen(tmp_path):
    cover = film(200, 1, codec="mjpeg", pixel_format="yuvj420p")
    recording = Recording(record(tmp_path / "a.mp4", cover, film(50), voice(300)))
    assert shade(recording) == 50


def test_a_single_picture_without_longer_sound_is_seen(tmp_path):
    assert Recording(record(tmp_path / "a.mp4", film(200, 1))).first is not None
    short = Voice(tone(0.5))
    assert Recording(record(tmp_path / "b.mp4", film(200, 1), short)).first is not None


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_f32le"])
@pytest.mark.parametrize("level", [-1.0, -0.9])
def test_a_voice_in_inverted_channels_survives(tmp_path, codec, level):
    left = tone(2, hz=300)
    both = Voice(np.stack([left, level * left], 1), codec=codec)
    recording = Recording(record(tmp_path / "a.wav", both), pictures=False)
    heard = recording.sound.samples / 32768
    np.testing.assert_allclose(np.abs(heard).max(), 0.3 * (1 - level) / 2, rtol=0.01)
    assert recording.notes == ["the channels of the sound cancel out: one was turned over"]


@pytest.mark.parametrize("level", [1.0, 0.3, 0.0, -0.3])
def test_other_channels_are_averaged_as_ever(tmp_path, level):
    left = tone(2, hz=300)
    both = Voice(np.stack([left, level * left], 1), codec="pcm_f32le")
    recording = Recording(record(tmp_path / "a.wav", both), pictures=False)
    heard = recording.sound.samples / 32768
    np.testing.assert_allclose(heard, left * (1 + level) / 2, atol=1e-4)
    assert recording.notes == []


def test_two_silent_channels_are_silence(tmp_path):
    both = Voice(np.zeros((16000, 2)), codec="pcm_s16le")
    recording = Recording(record(tmp_path / "a.wav", both), pictures=False)
    assert recording.no_sound == "its sound is digital silence"


def test_pipes_are_refused_with_a_remedy(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadClip, match="give a file"):
        Recording(tmp_path / "pipe")
