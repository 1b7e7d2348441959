"""A run's answers to a clip: those of its evaluation, from what it was trained on, in windows."""

import json
from pathlib import Path

import numpy as np
import pytest
from test_predict import pictures, said, voice
from tiny_run import LABELS, make_run

from emotionnet.corpora.media import write_clip
from emotionnet.errors import EmotionNetError
from emotionnet.prediction.explaining import explain
from emotionnet.prediction.predictor import Predictor, window_starts


def test_the_system_answers_as_in_evaluation(tmp_path):
    from tiny_run import write_records

    from emotionnet.clips.clip import read_clip
    from emotionnet.clips.faces import FaceFinder
    from emotionnet.corpora.manifest import ManifestRow
    from emotionnet.evaluation.answers import answer_rows
    from emotionnet.systems import build_model

    write_clip(tmp_path / "a.mp4", pictures(9), 12, voice(0.75))
    row = ManifestRow("a", "demo", "happy", picture="a.mp4")
    records = write_records(tmp_path / "records", [read_clip(row, tmp_path, FaceFinder())])
    config = {"segments": 2, "image_size": 32, "samples": 16000}
    model = build_model("segments", len(LABELS), **config)
    run = make_run(tmp_path / "run", model=model, system="segments", system_config=config)
    predictor = Predictor(run.folder)
    evaluated = answer_rows(
        model, predictor.view, records, records.rows, LABELS, ("faces", "speech")
    ).probabilities["fused"][0]
    predicted = predictor.answer(tmp_path / "a.mp4")["probabilities"]
    np.testing.assert_allclose([predicted[name] for name in LABELS], evaluated, atol=1e-5)


def test_a_run_of_face_pictures_answers_pictures_as_in_evaluation(tmp_path, capsys):
    import cv2

    from emotionnet.clips.records import Records
    from emotionnet.evaluation.answers import answer_rows
    from emotionnet.prepare import prepare

    noise = np.random.default_rng(0)
    for name in ("test/happy/1.jpg", "test/sad/2.png", "test/sad/3.jpg"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        picture = cv2.resize(noise.integers(0, 255, (6, 6), np.uint8), (48, 48))
        cv2.imwrite(str(tmp_path / "set" / name), picture)
    (tmp_path / "set" / "notes.txt").write_text("no picture")
    records = Records.open(prepare("fer2013", tmp_path / "set", tmp_path / "records"))
    run = make_run(tmp_path / "run", records, streams=("faces",), corpus="fer2013")
    evaluated = answer_rows(run.model(), run.view(), records, records.rows, LABELS, ("faces",))
    capsys.readouterr()
    code, out, err = said(capsys, run.folder, tmp_path / "set", "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [Path(answer["clip"]).name for answer in answers] == ["1.jpg", "2.png", "3.jpg"]
    for answer, expected in zip(answers, evaluated.probabilities["fused"]):
        assert (answer["frames"], answer["faces_found"], answer["streams"]) == (1, 1, "faces")
        predicted = [answer["probabilities"][name] for name in LABELS]
        np.testing.assert_allclose(predicted, expected, atol=1e-5)
        assert any("picture of one face" in note for note in answer["notes"])
    assert "left out: 1" in err
    explained = explain(run.folder, tmp_path / "set" / "test" / "sad", out=tmp_path)
    assert [Path(each["clip"]).name for each in explained if "why" in each] == ["2.png", "3.jpg"]
    alone = Predictor(run.folder, people=True).answer(tmp_path / "set" / "test" / "happy" / "1.jpg")
    assert len(alone["people"]) == 1


def test_a_run_of_one_stream_says_what_it_lacks(tmp_path, capsys):
    hears = make_run(tmp_path / "hears", streams=("speech",)).folder
    silent = write_clip(tmp_path / "silent.mp4", pictures(3), 12)
    both = write_clip(tmp_path / "both.mp4", pictures(6), 12, voice(0.5))
    code, out, _ = said(capsys, hears, silent, both, "--json")
    first, second = map(json.loads, out.splitlines())
    assert code == 1
    assert "no sound" in first["error"]
    assert second["streams"] == "speech"
    assert any("speech alone" in note for note in second["notes"])

    sees = Predictor(make_run(tmp_path / "sees", streams=("faces",)).folder)
    sound = write_clip(tmp_path / "a.wav", samples=voice(0.5), sound_codec="pcm_s16le")
    with pytest.raises(EmotionNetError, match=r"no face was found.*faces alone"):
        sees.answer(sound)
    assert sees.answer(both)["streams"] == "faces"


@pytest.mark.parametrize(
    ("duration_s", "starts"),
    [
        (0.2, [0.0]),
        (2.0, [0.0]),
        (2.1, [0.05]),
        (3.0, [0, 1]),
        (3.5, [0, 1, 1.5]),
        (4.0, [0, 1, 2]),
    ],
)
def test_windows_cover_the_clip(duration_s, starts):
    assert window_starts(duration_s, 2.0) == pytest.approx(starts)
