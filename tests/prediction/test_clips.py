"""Which recordings are meant, and a word that helps where there is none."""

import os

import pytest

from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.prediction.clips import find_clips


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("missing.mp4", "^no such file$"),
        ("-", "standard input can be read only once"),
        ("https://example.org/clip.mp4", "it is an address"),
        ("s3://bucket/clip.mp4", "it is an address"),
        ("*.mp4", "a pattern that no file fits"),
        ("~/clip.mp4", "outside of quotes"),
    ],
)
def test_what_is_not_there(place, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EmotionNetError, match=words):
        find_clips(place)


def test_an_empty_name_is_bad_usage():
    with pytest.raises(UsageError, match="empty"):
        find_clips("")


def test_a_pattern_that_the_shell_has_left_is_expanded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.mp4", "a.mp4", "c.wav"):
        (tmp_path / name).touch()
    assert [path.name for path in find_clips("*.mp4")] == ["a.mp4", "b.mp4"]
    # Where it fits folders alone there is no clip, and that is said.
    (tmp_path / "clips").mkdir()
    with pytest.raises(EmotionNetError, match="a pattern that no file fits"):
        find_clips("clip*")
    # A file whose name looks like one is that file.
    (tmp_path / "[1].mp4").touch()
    assert [path.name for path in find_clips("[1].mp4")] == ["[1].mp4"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name here")
def test_a_pipe_is_refused_and_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(EmotionNetError, match="can be read only once"):
        find_clips(tmp_path / "pipe.mp4")
