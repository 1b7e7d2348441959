import numpy as np
import pytest

from emotionnet.errors import EmotionNetError
from emotionnet.evaluation.answers import AnsweredClip, Answers, measure, without

LABELS = ("happy", "sad")
NAN = (np.nan, np.nan)


def make_answers(prefix="", **tables):
    """Four clips: both streams, both, sound alone, faces alone."""
    clips = [
        AnsweredClip(f"{prefix}c{i}", f"a{i % 2}", "female", emotion, frozenset(streams))
        for i, (emotion, streams) in enumerate(
            [
                ("happy", ("faces", "speech")),
                ("sad", ("faces", "speech")),
                ("sad", ("speech",)),
                ("happy", ("faces",)),
            ]
        )
    ]
    return Answers(LABELS, clips, {name: np.array(table) for name, table in tables.items()})


@pytest.fixture
def both():
    return make_answers(
        fused=[(0.9, 0.1), (0.4, 0.6), (0.3, 0.7), (0.2, 0.8)],
        faces=[(0.8, 0.2), (0.7, 0.3), NAN, (0.2, 0.8)],
        speech=[(0.6, 0.4), (0.2, 0.8), (0.3, 0.7), NAN],
        without_faces=[(0.6, 0.4), (0.2, 0.8), (0.3, 0.7), NAN],
        without_speech=[(0.8, 0.2), (0.7, 0.3), NAN, (0.2, 0.8)],
    )


def test_each_stream_is_scored_on_the_clips_that_have_it(both):
    result = measure(both)
    found = {
        kind: (result[kind]["n"], result[kind]["accuracy"]) for kind in ("fused", "faces", "speech")
    }
    assert found == {"fused": (4, 0.75), "faces": (3, pytest.approx(1 / 3)), "speech": (3, 1.0)}
    assert [
        note
        for note in result["notes"]
        if note.startswith("faces:") and "1 clip without faces" in note
    ]
    assert [
        note
        for note in result["notes"]
        if note.startswith("speech:") and "1 clip without sound" in note
    ]


def test_of_several_runs_a_clip_without_a_stream_is_told_once(both):
    (told,) = (note for note in measure(Answers.pool([both] * 3))["notes"] if "faces" in note)
    assert "1 clip without faces" in told


def test_the_emotions_that_no_clip_with_a_stream_has_are_told_of_it(both):
    assert not any("UAR" in note for note in measure(both)["notes"])
    for kind in ("faces", "without_speech"):
        both.probabilities[kind][1] = np.nan
    notes = [note for note in measure(both)["notes"] if "UAR is over" in note]
    told = "no clip of sad has what it takes: its UAR is over the other 1 emotions."
    assert notes == [f"faces: {told}", f"without speech: {told}"]


def test_without_a_stream_the_other_is_scored(both):
    result = measure(both)
    for kind, other in (("faces", "speech"), ("speech", "faces")):
        assert result["masked"][kind]["accuracy"] == result[other]["accuracy"]
        assert result["masked"][kind]["n"] == 3


def test_a_stream_that_was_not_trained_is_absent_with_a_note():
    speech = [(0.6, 0.4), (0.2, 0.8), (0.3, 0.7), NAN]
    result = measure(make_answers(fused=speech, speech=speech))
    assert "faces" not in result
    assert "masked" not in result
    assert result["fused"]["n"] == 3
    assert "The faces stream was not trained: there are no numbers for it." in result["notes"]


def test_nothing_answered_is_an_error():
    with pytest.raises(EmotionNetError, match="none of the clips"):
        measure(make_answers(fused=[NAN] * 4))


def test_the_table_comes_back_from_its_file(both, tmp_path):
    both.write(tmp_path / "predictions.csv")
    again = Answers.read(tmp_path / "predictions.csv", LABELS)
    assert again.clips == both.clips
    assert list(again.probabilities) == list(both.probabilities)
    for kind, table in both.probabilities.items():
        np.testing.assert_allclose(again.probabilities[kind], table, rtol=1e-6)
    header = (tmp_path / "predictions.csv").read_text().splitlines()[0].split(",")
    assert header[:8] == [
        "clip", "actor", "sex", "emotion", "has_faces", "has_sound", "fused_happy", "fused_sad",
    ]  # fmt: skip


def test_a_table_of_other_labels_is_refused(both, tmp_path):
    both.write(tmp_path / "predictions.csv")
    with pytest.raises(EmotionNetError, match="fused_calm"):
        Answers.read(tmp_path / "predictions.csv", ("happy", "calm"))


def test_answers_over_other_classes_are_not_pooled(both):
    other = Answers(LABELS[::-1], both.clips, both.probabilities)
    with pytest.raises(EmotionNetError, match="over different classes"):
        Answers.pool([both, other])


def test_pooled_runs_count_a_clip_once_in_the_interval(both):
    once = measure(both)["fused"]
    seeds = measure(Answers.pool([both, both, both]))["fused"]
    assert seeds["n"] == 12
    assert seeds["interval_95"] == pytest.approx(once["interval_95"])
    folds = measure(
        Answers.pool([both, Answers(LABELS, make_answers("x").clips, both.probabilities)])
    )
    assert folds["fused"]["n"] == 8
    assert folds["fused"]["interval_95"][0] > once["interval_95"][0]


def test_taking_a_stream_away_zeroes_its_inputs_alone():
    inputs = {
        "faces": np.full((2, 3, 4, 4, 3), 7, np.uint8),
        "frame_mask": np.ones((2, 3), np.float32),
        "waveform": np.full((2, 10), 0.5, np.float32),
        "waveform_samples": np.array([10, 10], np.int32),
    }
    for stream, gone in (
        ("faces", {"faces", "frame_mask"}),
        ("speech", {"waveform", "waveform_samples"}),
    ):
        masked = without(inputs, stream)
        assert {name for name, value in masked.items() if not value.any()} == gone
        assert {name: value.dtype for name, value in masked.items()} == {
            name: value.dtype for name, value in inputs.items()
        }
    assert all(value.all() for value in inputs.values())


def test_copies_that_are_rows_of_their_own_are_also_put_together_by_clip(both):
    assert "by_clip" not in measure(both)
    names = ("a", "a~noise15", "a~pitch", "b~pitch")
    clips = [AnsweredClip(n, "1", "female", "happy", frozenset(["speech"])) for n in names]
    table = np.array([(0.9, 0.1), (0.4, 0.6), (0.4, 0.6), (0.3, 0.7)])
    result = measure(Answers(LABELS, clips, {"fused": table, "speech": table}))
    assert result["fused"]["accuracy"] == 0.25
    for kind in ("fused", "speech"):
        assert result["by_clip"][kind]["n"] == 2
        assert result["by_clip"][kind]["accuracy"] == 0.5  # a: 0.9 * 0.4 * 0.4 > 0.1 * 0.6 * 0.6
    assert any("by clip" in note and "50.0 % of 2" in note for note in result["notes"])


def test_several_runs_that_answered_the_same_clips_are_not_put_together_as_copies(both):
    assert "by_clip" not in measure(Answers.pool([both, both]))
