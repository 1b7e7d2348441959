"""``python -m emotionnet.stream``: files played as if they came live, and what it prints."""

import json
import time

import numpy as np
import pytest
from tiny_run import LABELS, SYSTEM_CONFIG, make_run

from emotionnet.corpora.media import write_clip
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.stream import main, stream
from emotionnet.streaming.sources import FileSource

pytestmark = pytest.mark.usefixtures("four_bottlenecks")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from emotionnet.systems import build_model

    model = build_model("ghost_fan", len(LABELS), **SYSTEM_CONFIG)
    return make_run(tmp_path_factory.mktemp("run") / "tiny", model=model).folder


@pytest.fixture(scope="module")
def wav(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "a b é.wav"
    samples = np.random.default_rng(0).normal(0, 0.1, 24000)
    return write_clip(path, samples=samples, sound_codec="pcm_s16le")


def test_json_is_one_object_a_line_and_the_report_last(run, wav, capsys):
    assert main([str(run), str(wav), "--speed", "max", "--json"]) == 0
    out, err = capsys.readouterr()
    *answers, last = [json.loads(line) for line in out.splitlines()]
    assert [answer["time_s"] for answer in answers] == [0.5, 1.0, 1.5]
    assert all(set(answer["probabilities"]) == set(LABELS) for answer in answers)
    assert {answer["streams"] for answer in answers} == {"speech"}
    assert last["report"]["answers"] == 3
    assert last["report"]["stream_s"] == 1.5
    assert "has never" in err  # a demo run says so


def test_text_says_what_answered_and_how_fast(run, wav, capsys):
    main([str(run), str(wav), "--speed", "real"])
    out = capsys.readouterr().out
    assert "speech alone" in out
    assert "3 answers to 1.5 s, one every 0.5 s" in out
    assert "latency            p50" in out


def test_a_file_is_played_at_its_own_speed(run, wav):
    start = time.perf_counter()
    for event in FileSource(wav, real_time=True):
        assert event.due_s <= time.perf_counter() - start + 1e-3
    assert time.perf_counter() - start >= 1.5


def test_pictures_and_sound_come_in_order_on_one_clock(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (12, 48, 64, 3), np.uint8)
    path = write_clip(tmp_path / "c.mp4", frames, 12, np.full(16000, 0.1))
    source = FileSource(path, real_time=False)
    events = list(source)
    assert [e.due_s for e in events] == sorted(e.due_s for e in events)
    times = [e.time_s for e in events if e.frame is not None]
    np.testing.assert_allclose(times, np.arange(12) / 12, atol=0.05)
    samples = sum(len(e.samples) for e in events if e.samples is not None)
    assert samples == pytest.approx(16000, abs=2100)  # AAC pads
    assert source.has_pictures
    assert source.has_sound


@pytest.mark.slow
def test_a_video_without_a_face_or_sound_ends_well(run, tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (12, 48, 64, 3), np.uint8)
    path = write_clip(tmp_path / "silent.mp4", frames, 12)
    answers = []
    report = stream(run, path, "max", each=answers.append)
    assert report["answers"] == len(answers) == 2
    assert {answer.emotion for answer in answers} == {None}


def test_what_cannot_be_played_is_told(run, wav, tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("this is no video " * 100)
    silent = write_clip(tmp_path / "silent.wav", samples=np.zeros(8000), sound_codec="pcm_s16le")
    for source, reason in (
        (text, "text file"),
        (tmp_path / "nowhere.mp4", "no such file"),
        (tmp_path, "a folder: give a file"),
        (silent, "neither pictures nor audible sound"),
    ):
        with pytest.raises(EmotionNetError, match=reason):
            stream(run, source, "max")
    with pytest.raises(UsageError, match="--speed fast: not known"):
        stream(run, wav, "fast")
    with pytest.raises(UsageError, match="--microphone: is for a camera"):
        stream(run, wav, "max", microphone=None)
    with pytest.raises(UsageError, match="--speed max: is for a file"):
        stream(run, "camera", "max", microphone=None)
    with pytest.raises(UsageError, match="no run here"):
        stream(tmp_path, wav, "max")
    with pytest.raises(UsageError, match="longer than this model can take"):
        stream(run, wav, "max", window_s=9.0)


def test_a_camera_that_is_not_there_is_told(run):
    with pytest.raises(EmotionNetError, match="camera 77: cannot be opened"):
        stream(run, "camera:77", microphone=None)
