"""The files that answers go to, read back by those who read such files."""

from types import SimpleNamespace

import av
import numpy as np
import pytest

from emotionnet.errors import UsageError
from emotionnet.files import read_csv
from emotionnet.prediction.answering import answer_all
from emotionnet.prediction.outputs import Outputs, as_vtt, write_features

LABELS = ("happy", "sad <&> --> angry")


def window(start_s, end_s, probabilities=None, streams="both"):
    if probabilities is None:
        streams = emotion = None
    else:
        probabilities = dict(zip(LABELS, probabilities))
        emotion = max(probabilities, key=probabilities.get)
    return {
        "start_s": start_s,
        "end_s": end_s,
        "emotion": emotion,
        "probabilities": probabilities,
        "streams": streams,
    }


@pytest.fixture
def answer():
    return {
        "clip": "long.mp4",
        "emotion": "happy",
        "probabilities": dict(zip(LABELS, (0.6, 0.4))),
        "corpus": "demo",
        "classes": "",
        "timeline": [
            window(0.0, 2.0, (0.75, 0.25)),
            window(1.0, 3.0),
            window(2.0, 4.0, (0.25, 0.75), "speech"),
        ],
        "embeddings": {"fused": np.array([[1, 2], [np.nan] * 2, [3, 4]], np.float32)},
    }


def test_a_table_has_a_row_a_window_and_one_for_a_clip_without_an_answer(answer, tmp_path):
    outputs = Outputs(csv=tmp_path / "a.csv")
    outputs.add(answer)
    outputs.add({"clip": "caf\udce9.wav", "error": "two\nlines"})
    assert outputs.write(LABELS) == {"csv": tmp_path / "a.csv"}
    rows = read_csv(tmp_path / "a.csv")
    assert [(r["clip"], r["start_s"], r["end_s"], r["emotion"], r["streams"]) for r in rows] == [
        ("long.mp4", "0.0", "2.0", "happy", "both"),
        ("long.mp4", "1.0", "3.0", "", ""),
        ("long.mp4", "2.0", "4.0", LABELS[1], "speech"),
        ("caf\\udce9.wav", "", "", "", ""),
    ]
    assert [r["probability_happy"] for r in rows] == ["0.75", "", "0.25", ""]
    assert [r["error"] for r in rows] == ["", "", "", "two lines"]


def test_what_was_answered_before_an_interrupt_is_written(answer, tmp_path):
    for name in ("a.wav", "b.wav", "c.wav"):
        (tmp_path / name).touch()

    def answered(path):
        if path.name == "c.wav":
            raise KeyboardInterrupt
        return {**answer, "clip": str(path)}

    predictor = SimpleNamespace(answer=answered, labels=LABELS, picture_suffixes=())
    outputs = Outputs(csv=tmp_path / "a.csv")
    with pytest.raises(KeyboardInterrupt) as stopped:
        list(answer_all(predictor, [tmp_path], outputs))
    assert stopped.value.__notes__ == [f"the answers so far are in {tmp_path / 'a.csv'}"]
    assert [row["clip"] for row in read_csv(tmp_path / "a.csv")[::3]] == [
        str(tmp_path / name) for name in ("a.wav", "b.wav")
    ]
    with pytest.raises(KeyboardInterrupt) as stopped:  # before the first answer
        list(answer_all(predictor, [tmp_path / "c.wav"], Outputs(csv=tmp_path / "a.csv")))
    assert not hasattr(stopped.value, "__notes__")
    assert len(read_csv(tmp_path / "a.csv")) == 6


def cues(path):
    """Start and end in seconds and text of each cue, as FFmpeg reads them."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.subtitles
        return [
            (
                float(packet.pts * stream.time_base),
                float((packet.pts + packet.duration) * stream.time_base),
                bytes(packet).decode(),
            )
            for packet in container.demux(stream)
            if packet.size
        ]


def test_subtitles_are_read_by_ffmpeg_and_do_not_overlap(answer, tmp_path):
    outputs = Outputs(vtt=tmp_path / "subtitles")
    outputs.add(answer)
    outputs.add(answer | {"clip": "elsewhere/long.wav"})
    assert outputs.write(LABELS) == {"vtt": tmp_path / "subtitles"}
    names = sorted(path.name for path in (tmp_path / "subtitles").iterdir())
    assert names == ["long-2.vtt", "long.vtt"]
    assert cues(tmp_path / "subtitles" / "long.vtt") == [
        (0.0, 1.5, "happy 75 % (faces and speech)"),
        (2.5, 4.0, "sad &lt;&amp;&gt; --&gt; angry 75 % (speech alone)"),
    ]


def test_subtitles_say_what_the_answers_are_about(answer):
    text = as_vtt(answer | {"classes": "negative = angry + sad"})
    assert text.startswith(
        "WEBVTT\n\nNOTE answered by a run that was trained on demo\n\nNOTE classes"
    )
    long = as_vtt(answer | {"timeline": [window(3599.5, 7325.0041, (1.0, 0.0))]})
    assert "00:59:59.500 --> 02:02:05.004" in long


def test_one_file_of_subtitles_for_one_clip(answer, tmp_path):
    outputs = Outputs(vtt=tmp_path / "one.vtt")
    outputs.add(answer)
    assert len(cues(tmp_path / "one.vtt")) == 2


def test_no_subtitles_replace_those_of_another_clip(answer, tmp_path):
    outputs = Outputs(vtt=tmp_path)
    long = "記" * 80  # 240 bytes
    for clip in ("x/a.mp4", "y/a.mp4", "z/a-2.mp4", "z/a.mov", f"{long}.mp4"):
        outputs.add(answer | {"clip": clip})
    written = sorted(path.stem for path in tmp_path.iterdir())
    assert written == ["a", "a-2", "a-2-2", "a-3", long]


def test_a_name_that_is_no_utf_8_is_drawn(answer, tmp_path):
    outputs = Outputs(plot=tmp_path / "a.png")
    outputs.add(answer | {"clip": "m\udcfc.wav"})
    assert outputs.write(LABELS)


def test_embeddings_have_a_row_a_window_and_no_pickles(answer, tmp_path):
    write_features(tmp_path / "a.npz", [answer, answer | {"clip": "b.mp4"}], LABELS)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert found["clip"].tolist() == ["long.mp4"] * 3 + ["b.mp4"] * 3
        assert found["start_s"].tolist() == [0, 1, 2] * 2
        assert found["streams"].tolist() == ["both", "", "speech"] * 2
        np.testing.assert_array_equal(found["fused"][:3], answer["embeddings"]["fused"])
        np.testing.assert_array_equal(found["probabilities"][2], [0.25, 0.75])
        assert np.isnan(found["probabilities"][1]).all()


@pytest.mark.parametrize(
    ("kind", "name"), [("csv", "a.txt"), ("features", "a.csv"), ("plot", "a.svg")]
)
def test_a_name_of_another_kind_is_refused(kind, name):
    with pytest.raises(UsageError, match=f"--{kind} {name}"):
        Outputs(**{kind: name})
