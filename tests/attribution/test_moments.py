"""The share of each second of a clip in its answer."""

import json
from unittest import mock

import numpy as np
import pytest
from tiny_run import make_run

from emotionnet import predict as predicting
from emotionnet.clips import clip as reading
from emotionnet.corpora.media import write_clip
from emotionnet.errors import UsageError

RATE = 16000


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """3 s of a drawn face; sound in its first second alone."""
    from emotionnet.corpora.drawing import PROTOTYPES, background, draw_face, random_person

    rng = np.random.default_rng(0)
    person = random_person(rng, female=True)
    canvas = background(180, 240, person)
    draw_face(canvas, (120, 90), 110, person, PROTOTYPES["happy"])
    sound = np.zeros(3 * RATE, np.float32)
    sound[: RATE - 400] = rng.normal(0, 0.1, RATE - 400)
    folder = tmp_path_factory.mktemp("moments")
    return write_clip(folder / "clip.mp4", (canvas for _ in range(36)), 12, sound)


@pytest.mark.parametrize("streams", [("faces", "speech"), ("speech",)])
def test_each_second_has_its_share_of_each_stream(clip, tmp_path, streams, capsys, monkeypatch):
    run = make_run(tmp_path / "run", streams=streams).folder
    read = mock.Mock(wraps=reading.read_clip)
    monkeypatch.setattr(reading, "read_clip", read)
    assert predicting.main([str(run), str(clip), "--json", "--moments"]) == 0
    read.assert_called_once()
    (answer,) = map(json.loads, capsys.readouterr().out.splitlines())
    rows = answer["moments"]
    assert [row["start_s"] for row in rows] == [0, 1, 2]
    for stream in streams:
        assert sum(abs(row[stream]) for row in rows) == pytest.approx(1, abs=0.001)
    assert ("faces" in rows[0]) == ("faces" in streams)
    # What is silent is as the baseline: it makes nothing. The coding blurs where the sound ends.
    assert abs(rows[0]["speech"]) > 0.9
    if "faces" in streams:
        assert min(abs(row["faces"]) for row in rows) > 0.05
    assert predicting.main([str(run), str(clip), "--moments"]) == 0
    assert "which moment" in capsys.readouterr().out


def test_moments_of_merged_emotions_are_refused(clip, tmp_path):
    run = make_run(tmp_path / "run").folder
    with pytest.raises(UsageError, match="leave out --merge"):
        predicting.predict(run, clip, only="happy,sad", moments=True)
