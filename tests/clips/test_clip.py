from pathlib import Path

import cv2
import numpy as np
import pytest
from scenes import scene, tone, woman

from emotionnet.clips.clip import read_clip
from emotionnet.clips.detect import Face
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.corpora.media import write_clip
from emotionnet.errors import BadClip

LANDMARKS = np.array([[105, 80], [135, 80], [120, 95], [108, 112], [132, 112]], float)


class Finder:
    """Says that there is a face in the frames given by number, or in all."""

    def __init__(self, where=None):
        self.where = where

    def follow(self, frames, company=None):
        for i, frame in enumerate(frames):
            seen = self.where is None or i in self.where
            yield frame, Face(np.array([90.0, 50, 60, 80]), LANDMARKS, 0.99) if seen else None


def row(picture="", sound=""):
    return ManifestRow("a", "folder", "happy", picture=picture, sound=sound)


def clip(folder, finder=None, **files):
    return read_clip(row(**files), folder, finder or Finder())


@pytest.fixture
def film(tmp_path):
    """Six pictures at 12 a second, half a second of sound."""
    write_clip(tmp_path / "a.mp4", [woman() for _ in range(6)], 12, tone(0.5))
    return tmp_path


def test_picture_and_sound_of_a_clip(film):
    data = clip(film, Finder({1, 2, 4}), picture="a.mp4")
    assert data.picture_size == (180, 240)
    np.testing.assert_allclose(data.times_s, np.arange(6) / 12, atol=1e-3)
    assert [bool(face) for face in data.faces] == [False, True, True, False, True, False]
    assert data.faces_found == 3
    assert np.isfinite(data.boxes).all(axis=1).tolist() == [bool(face) for face in data.faces]
    np.testing.assert_allclose(data.landmarks[1], LANDMARKS)
    assert np.isnan(data.landmarks[0]).all()
    assert data.waveform.dtype == np.int16
    assert len(data.waveform) == pytest.approx(8000, abs=1100)
    assert data.seconds == pytest.approx(0.5, abs=0.07)
    assert data.notes == []
    face = cv2.imdecode(np.frombuffer(data.faces[1], np.uint8), cv2.IMREAD_COLOR)
    assert face.shape == (224, 224, 3)


def test_the_jpegs_hold_the_crop_in_the_right_colours(film):
    from emotionnet.clips.crop import crop_face

    data = clip(film, picture="a.mp4")
    stored = cv2.imdecode(np.frombuffer(data.faces[0], np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    wanted = crop_face(woman(), LANDMARKS)
    assert np.abs(stored.astype(int) - wanted).mean() < 4


def test_a_picture_with_sound_of_its_own_needs_no_other(film):
    write_clip(film / "b.wav", samples=tone(2), sound_codec="pcm_s16le")
    assert len(clip(film, picture="a.mp4", sound="b.wav").waveform) < 10000


@pytest.mark.parametrize("own", [None, np.zeros(8000, np.float32)])
def test_a_mute_or_silent_picture_takes_the_other_sound(tmp_path, own):
    write_clip(tmp_path / "a.mp4", [woman()] * 3, 12, own)
    write_clip(tmp_path / "b.wav", samples=tone(0.4), sound_codec="pcm_s16le")
    data = clip(tmp_path, picture="a.mp4", sound="b.wav")
    assert len(data.waveform) == 6400
    assert "a.mp4" in data.notes[0]
    alone = clip(tmp_path, picture="a.mp4")
    assert alone.waveform.size == 0
    assert alone.faces_found == 3
    assert ("silence" if own is not None else "no sound") in alone.notes[0]


def test_sound_alone(tmp_path):
    write_clip(tmp_path / "b.wav", samples=tone(0.4), sound_codec="pcm_s16le")
    for files in ({"sound": "b.wav"}, {"picture": "b.wav"}):
        data = clip(tmp_path, **files)
        assert (len(data.waveform), data.faces, data.boxes.shape) == (6400, [], (0, 4))
        assert data.landmarks.shape == (0, 5, 2)
        assert data.picture_size == (0, 0)
        assert data.seconds == pytest.approx(0.4)


def test_no_face_but_sound_is_kept_for_its_sound(film):
    data = clip(film, Finder(set()), picture="a.mp4")
    assert data.faces == [b""] * 6
    assert data.waveform.size
    assert "no face was found in its 6 pictures" in data.notes[0]


def test_neither_face_nor_sound_is_refused(tmp_path):
    write_clip(tmp_path / "a.mp4", [scene()] * 3, 12)
    with pytest.raises(BadClip, match="no face was found in its 3 pictures, and it has no sound"):
        clip(tmp_path, Finder(set()), picture="a.mp4")


def test_silence_alone_is_refused(tmp_path):
    write_clip(tmp_path / "b.wav", samples=np.zeros(1600), sound_codec="pcm_s16le")
    with pytest.raises(BadClip, match=r"b\.wav: its sound is digital silence"):
        clip(tmp_path, sound="b.wav")


def test_a_broken_picture_leaves_the_sound_and_the_other_way_round(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"")
    write_clip(tmp_path / "b.wav", samples=tone(0.4), sound_codec="pcm_s16le")
    data = clip(tmp_path, picture="a.mp4", sound="b.wav")
    assert data.waveform.size == 6400
    assert data.notes == ["a.mp4: the file is empty (0 bytes); copy or download it again"]
    write_clip(tmp_path / "a.mp4", [woman()] * 3, 12)
    (tmp_path / "b.wav").write_text("no sound")
    data = clip(tmp_path, picture="a.mp4", sound="b.wav")
    assert data.faces_found == 3
    assert any("b.wav: is a text file" in note for note in data.notes)


def test_a_broken_clip_is_refused_once(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(BadClip) as error:
        clip(tmp_path, picture="a.mp4")
    assert str(error.value).count("0 bytes") == 1


def test_without_a_finder_the_picture_is_left_out(film):
    data = read_clip(row("a.mp4"), film, None)
    assert data.faces == []
    assert data.waveform.size


def test_one_frame_and_a_fifth_of_a_second(tmp_path):
    write_clip(tmp_path / "one.mp4", [woman()], 25)
    assert clip(tmp_path, picture="one.mp4").faces_found == 1
    write_clip(tmp_path / "short.mp4", [woman()] * 5, 25, tone(0.2))
    assert clip(tmp_path, picture="short.mp4").seconds == pytest.approx(0.2, abs=0.07)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs Linux's /proc")
def test_ten_minutes_in_bounded_memory(tmp_path):
    import subprocess
    import sys

    still = np.kron(woman(), np.ones((4, 4, 1), np.uint8))  # 720 by 960
    write_clip(tmp_path / "long.mp4", (still for _ in range(1200)), 2, np.tile(tone(60), 10))
    code = (
        "import sys; from emotionnet.clips.clip import read_clip\n"
        "from emotionnet.clips.faces import FaceFinder\n"
        "from emotionnet.corpora.manifest import ManifestRow\n"
        "clip = read_clip(ManifestRow('a', 'b', 'c', picture='long.mp4'), sys.argv[1], FaceFinder())\n"
        "print(clip.faces_found, len(clip.waveform) // 16000)\n"
        # Its own peak: ru_maxrss would begin with what this process has.
        "status = open('/proc/self/status').read()\n"
        "print(int(status.partition('VmHWM:')[2].split()[0]) // 1024)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert out[:2] == ["1200", "600"]
    assert int(out[2]) < 1500, f"{out[2]} MB"  # decoded, the clip would take 2.5 GB
