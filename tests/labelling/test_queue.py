"""Which clips are asked about."""

import math

import pytest
from tiny_run import make_run

from emotionnet.corpora.media import write_clip
from emotionnet.errors import EmotionNetError, UnreadClip, UsageError
from emotionnet.labelling.queue import Scored, answer_bits, find_pool, most_uncertain, score_pool
from emotionnet.prediction.predictor import Predictor


def test_entropy_is_in_bits():
    assert answer_bits({"a": 0.5, "b": 0.5}) == pytest.approx(1)
    assert answer_bits({str(i): 1 / 8 for i in range(8)}) == pytest.approx(3)
    assert answer_bits({"a": 1.0, "b": 0.0}) == 0
    assert answer_bits({"a": 0.9, "b": 0.1}) == pytest.approx(
        -0.9 * math.log2(0.9) - 0.1 * math.log2(0.1)
    )


def scored(file, bits, error=""):
    return Scored(file, "1", "1", "r", bits, "happy", error)


def test_the_most_uncertain_come_first_without_the_unusable_and_the_labelled():
    clips = [scored("a", 0.1), scored("b", 2.0), scored("c", 1.0), scored("d", 1.0)]
    clips.append(scored("e", float("nan"), "broken"))
    assert [c.file for c in most_uncertain(clips, 3)] == ["b", "c", "d"]
    assert [c.file for c in most_uncertain(clips, 9, {"b"})] == ["c", "d", "a"]


def test_a_sound_beside_its_video_is_no_clip_of_its_own(tmp_path):
    for name in ("x.mp4", "x.wav", "y.wav", "sub/z.flv", ".hidden.mp4", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"0" * 2000)
    ignored = []
    assert find_pool(tmp_path, ignored) == ["sub/z.flv", "x.mp4", "y.wav"]
    assert {file for file, _ in ignored} == {".hidden.mp4", "notes.txt", "x.wav"}
    with pytest.raises(UsageError, match="no such folder"):
        find_pool(tmp_path / "nowhere")


def write_sound(path, seconds=0.5, seed=0):
    import numpy as np

    samples = np.random.default_rng(seed).normal(0, 0.1, int(16000 * seconds))
    write_clip(path, samples=samples, sound_codec="pcm_s16le")


def test_a_pool_is_scored_once_and_only_what_is_new_again(tmp_path, monkeypatch):
    pool = tmp_path / "pool"
    for i in range(3):
        write_sound(pool / f"{i}.wav", seed=i)
    write_sound(pool / "away.wav", seed=4)
    (pool / "broken.wav").write_text("this is no sound" * 200)
    run = make_run(tmp_path / "run")
    scores = tmp_path / "labels.scores.csv"
    asked, real = [], Predictor.answer

    def answer(self, path):
        asked.append(path.name)
        if path.name == "away.wav" and asked.count("away.wav") == 1:
            raise UnreadClip("cannot be read (Permission denied)")
        return real(self, path)

    monkeypatch.setattr(Predictor, "answer", answer)
    first = score_pool(run.folder, pool, scores)
    assert [clip.file for clip in first] == ["0.wav", "1.wav", "2.wav", "away.wav", "broken.wav"]
    assert all(0 < clip.entropy_bits <= math.log2(3) for clip in first[:3])
    for clip in first[3:]:
        assert clip.error
        assert math.isnan(clip.entropy_bits)

    asked[:] = ["away.wav"]
    write_sound(pool / "new.wav", seed=9)
    again = score_pool(run.folder, pool, scores)
    # What could not be read may be readable now; what is no sound stays none.
    assert asked[1:] == ["away.wav", "new.wav"]
    assert [c for c in again if c.file in ("0.wav", "1.wav", "2.wav")] == first[:3]
    assert [c.file for c in again if c.error] == ["broken.wav"]


def test_a_pool_without_a_usable_clip_says_why(tmp_path):
    pool = tmp_path / "pool"
    pool.mkdir()
    (pool / "broken.wav").write_text("this is no sound" * 200)
    run = make_run(tmp_path / "run")
    with pytest.raises(EmotionNetError, match="not one of its 1 clips"):
        score_pool(run.folder, pool, tmp_path / "s.csv")
