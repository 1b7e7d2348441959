"""A clip that is a part of a file: its pictures, its sound, its clock."""

import numpy as np
import pytest

from emotionnet.clips.clip import read_clip
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.corpora.media import write_clip
from emotionnet.errors import BadClip

RATE, FPS = 16000, 10


class SeesNobody:
    """Stands for the face finder; keeps the times of the pictures that it was shown."""

    def __init__(self):
        self.shown = []

    def follow(self, frames, company=None):
        for frame in frames:
            self.shown.append(round(frame.time_s, 3))
            yield frame, None


def staircase(seconds):
    """Sound whose level is the number of the tenth of a second, so that a cut can be seen."""
    steps = np.repeat(np.arange(1, int(seconds * 10) + 1), RATE // 10)
    return (steps * 100 * np.where(np.arange(len(steps)) % 2, 1, -1)).astype(np.int16)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("files")
    frames = [np.full((32, 32, 3), i, np.uint8) for i in range(30)]
    write_clip(root / "talk.mkv", frames, FPS, staircase(3.0), RATE, sound_codec="pcm_s16le")
    write_clip(root / "talk.wav", samples=staircase(3.0), sound_codec="pcm_s16le")
    write_clip(root / "mute.mkv", frames, FPS)
    quiet = np.concatenate([staircase(1.0), np.zeros(RATE, np.int16)])
    write_clip(root / "quiet.wav", samples=quiet, sound_codec="pcm_s16le")
    return root


def read(root, finder=None, **row):
    return read_clip(ManifestRow("a", "folder", "happy", **row), root, finder)


@pytest.mark.parametrize("file", [{"sound": "talk.wav"}, {"picture": "talk.mkv"}])
def test_the_sound_between_start_and_end(root, file):
    clip = read(root, **file, start_s="0.5", end_s="1.2")
    np.testing.assert_array_equal(clip.waveform, staircase(3.0)[8000:19200])
    assert clip.seconds == pytest.approx(0.7)
    assert not clip.notes
    assert len(read(root, **file, start_s="2.5").waveform) == 8000
    assert len(read(root, **file, end_s="0.25").waveform) == 4000


def test_pictures_between_start_and_end_are_looked_at_and_their_clock_begins_there(root):
    finder = SeesNobody()
    clip = read(root, finder, picture="talk.mkv", start_s="0.5", end_s="1.2")
    assert finder.shown == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1])
    np.testing.assert_allclose(clip.times_s, np.arange(7) / 10, atol=1e-3)
    assert len(clip.waveform) == 11200


def test_a_part_beyond_the_file_says_so(root):
    with pytest.raises(BadClip, match=r"begins at 1500 s, but the file ends after 3\.0 s"):
        read(root, sound="talk.wav", start_s="1500", end_s="2600")
    with pytest.raises(BadClip, match=r"begins at 9 s, but the file ends after 2\.9 s"):
        read(root, SeesNobody(), picture="mute.mkv", start_s="9", end_s="11")
    clip = read(root, sound="talk.wav", start_s="2", end_s="30")
    assert len(clip.waveform) == RATE
    assert "ends at 30 s, the file after 3.0 s" in clip.notes[0]
    with pytest.raises(BadClip, match="does not exist"):
        read(root, sound="absent.wav", start_s="1")


def test_a_silent_part_is_no_sound(root):
    with pytest.raises(BadClip):
        read(root, sound="quiet.wav", start_s="1.2", end_s="1.8")
    assert len(read(root, sound="quiet.wav", start_s="0.8", end_s="1.8").waveform) == RATE
