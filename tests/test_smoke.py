"""The whole line on a handful of demo clips; CI also runs it on the newest TensorFlow."""

import json

import pytest


@pytest.mark.slow
def test_from_clips_to_an_answer(tmp_path, capsys):
    import emotionnet
    from emotionnet import prepare
    from emotionnet.corpora import demo
    from emotionnet.predict import main as predict_main

    clips = demo.make(tmp_path / "clips", actors=4, takes=1)
    records = prepare("demo", clips, tmp_path / "records", workers=1)
    run = emotionnet.fit(
        records=records, out=tmp_path, name="run", epochs=1, protocol="holdout",
        system_config={"image_size": 64, "frames": 4, "depthwise": "stride2"},
    )  # fmt: skip
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["fused"]["n"] == 8

    capsys.readouterr()
    clip = next(clips.rglob("*.mp4"))
    assert predict_main([str(run), str(clip), "--json"]) == 0
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert answer["faces_found"] > 0
    assert answer["audio_s"] > 1
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert "never" in err
    assert "person" in err
