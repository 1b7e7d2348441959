"""What notebooks show: HTML that stands by itself, and text where there is no notebook."""

import json
import re

import numpy as np
import pytest

from emotionnet.errors import UsageError
from emotionnet.files import write_csv, write_json, write_text
from emotionnet.notebook import show_answer, show_page, show_records, show_run


def score(confusion):
    counts = np.array(confusion)
    return {
        "accuracy": np.trace(counts) / counts.sum(),
        "interval_95": [0.2, 0.9],
        "uar": 0.5,
        "uar_classes": ["happy", "<sad>"],
        "absent_classes": [],
        "n": int(counts.sum()),
        "confusion": confusion,
    }


@pytest.fixture
def run(tmp_path):
    metrics = {
        "corpus": "demo",
        "protocol": "holdout",
        "part": "test",
        "leaky": False,
        "labels": ["happy", "<sad>"],
        "fused": score([[3, 1], [1, 3]]),
        "faces": score([[2, 2], [2, 2]]),
        "speech": score([[4, 0], [2, 2]]),
        "notes": [],
    }
    write_json(tmp_path / "metrics.json", metrics)
    columns = ("loss", "accuracy", "val_loss", "val_accuracy", "val_uar")
    history = [{"stream": "speech", **dict.fromkeys(columns, 0.5)} for _ in range(3)]
    write_csv(tmp_path / "history.csv", history, ("stream", *columns))
    return tmp_path


def test_a_run_is_shown_with_its_numbers_and_figures(run):
    shown = show_run(run)
    html = shown._repr_html_()
    # Three confusion matrices, and the curves of one stream.
    assert html.count("data:image/svg+xml;base64,") == 4
    assert "accuracy 75.0 %" in html
    assert "accuracy 75.0 %" in repr(shown)
    assert "http" not in html  # it needs nothing from elsewhere


def test_a_group_has_no_curves_of_its_own(run):
    (run / "history.csv").unlink()
    assert show_run(run)._repr_html_().count("data:image/svg+xml") == 3


def test_one_stream_is_not_shown_twice(run):
    metrics = json.loads((run / "metrics.json").read_text())
    write_json(run / "metrics.json", {k: v for k, v in metrics.items() if k != "faces"})
    html = show_run(run)._repr_html_()
    assert "<figcaption>speech only" in html
    assert "<figcaption>fused" not in html


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(UsageError, match=r"emotionnet\.evaluate"):
        show_run(tmp_path)
    with pytest.raises(UsageError, match=r"emotionnet\.prepare"):
        show_records(tmp_path)


@pytest.fixture
def clip(tmp_path):
    from emotionnet.corpora.media import write_clip

    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (12, 90, 120, 3), np.uint8)
    path = tmp_path / "<b>clip.mp4"
    write_clip(path, frames, 12, rng.normal(0, 0.1, 16000).astype(np.float32), 16000)
    return path


def answer_to(path):
    window = {"start_s": 0.0, "end_s": 1.0, "probabilities": {"happy": 0.8, "sad": 0.2}}
    return {
        "clip": str(path),
        "emotion": "happy",
        "probabilities": {"happy": 0.8, "sad": 0.2},
        "streams": "both",
        "faces_found": 12,
        "frames": 12,
        "audio_s": 1.0,
        "duration_s": 1.0,
        "timeline": [window | {"emotion": "happy", "streams": "both"}],
        "notes": [],
    }


def test_an_answer_shows_the_clip_and_its_probabilities(clip):
    shown = show_answer(answer_to(clip))
    html = shown._repr_html_()
    assert html.count("data:image/jpeg;base64,") == 6
    assert html.count("<video") == 1
    assert html.count("data:image/svg+xml;base64,") == 1
    assert "<b>" not in html
    assert "happy (80 %)" in repr(shown)


def test_a_large_recording_is_not_put_into_the_page(clip, monkeypatch):
    monkeypatch.setattr("emotionnet.notebook.PLAYABLE_BYTES", 100)
    assert "<video" not in show_answer(answer_to(clip))._repr_html_()


def test_a_sound_has_a_player_and_no_pictures(tmp_path):
    import soundfile

    path = tmp_path / "voice.wav"
    soundfile.write(path, np.zeros(16000), 16000)
    html = show_answer(answer_to(path))._repr_html_()
    assert "<audio" in html
    assert "image/jpeg" not in html


def test_an_answer_that_failed_says_why():
    html = show_answer({"clip": "x.mp4", "error": "is <empty>"})._repr_html_()
    assert "is &lt;empty&gt;" in html


def test_records_show_what_was_left_out(tmp_path):
    write_text(tmp_path / "summary.txt", "folder: 3 clips\n")
    lines = [
        {"clip": "", "file": f"sad/a&b{i}.mp4", "reason": "the file is empty", "shard": ""}
        for i in range(11)
    ]
    write_csv(tmp_path / "skipped.csv", lines, ("clip", "file", "reason", "shard"))
    html = show_records(tmp_path)._repr_html_()
    assert "folder: 3 clips" in html
    assert re.search(r"sad/a&amp;b10\.mp4.*the file is empty", html)
    assert "<img" not in html
    (tmp_path / "contact_sheet.png").write_bytes(b"png")
    assert "data:image/png;base64," in show_records(tmp_path)._repr_html_()


def test_a_page_is_framed_whole(tmp_path):
    write_text(tmp_path / "report.html", '<p title="x">5 > 4</p>')
    html = show_page(tmp_path / "report.html")._repr_html_()
    assert 'srcdoc="&lt;p title=&quot;x&quot;&gt;5 &gt; 4&lt;/p&gt;"' in html
    assert 'allow="camera; microphone; autoplay"' in html
    assert json.dumps(repr(show_page(tmp_path / "report.html"))).endswith('report.html"')
