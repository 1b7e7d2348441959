"""``emotionnet.label``: from a run and a folder to labels that the next fit reads."""

import http.client
import json
import threading
from urllib.parse import urlsplit

import numpy as np
import pytest
from tiny_run import make_run

from emotionnet.corpora import folder
from emotionnet.corpora.media import write_clip
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.label import label, next_command


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "tiny").folder


@pytest.fixture
def pool(tmp_path):
    for i in range(4):
        samples = np.random.default_rng(i).normal(0, 0.1, 8000)
        write_clip(tmp_path / "my pool" / f"{i}.wav", samples=samples, sound_codec="pcm_s16le")
    return tmp_path / "my pool"


def answering(emotion, most=99):
    """A person who gives the same answer to every clip and then is done."""
    asked = []

    def answer_all(url):
        place = urlsplit(url)
        connection = http.client.HTTPConnection(place.netloc, timeout=30)
        connection.request("GET", place.path)
        page = connection.getresponse().read().decode()
        data = json.loads(page.split("const data = ", 1)[1].split(";\n", 1)[0])
        for clip in data["clips"][:most]:
            asked.append(clip["file"])
            body = json.dumps({"file": clip["file"], "emotion": emotion, "actor": "x"})
            connection.request("POST", place.path + "answer", body)
            assert json.loads(connection.getresponse().read())["counts"][emotion] > 0
        connection.request("POST", place.path + "done", "{}")
        connection.getresponse().read()

    return asked, lambda url: threading.Thread(target=answer_all, args=(url,), daemon=True).start()


def test_answers_become_a_corpus_and_the_rest_is_asked_by_the_next_run(run, pool, tmp_path):
    asked, person = answering("sad")
    out = label(run, pool, most=3, ready=person)
    assert out == pool / "labels.csv"
    assert len(asked) == 3
    rows = folder.scan(pool, table="labels.csv")
    assert {(row.sound, row.emotion, row.actor) for row in rows} == {(f, "sad", "x") for f in asked}

    # The same model continues with the same clips; another one asks for what is not labelled.
    again, person = answering("happy", most=1)
    label(run, pool, most=3, ready=person)
    assert again == asked[:1]
    other = make_run(tmp_path / "other", seed=1).folder
    rest, person = answering("happy")
    label(other, pool, ready=person)
    assert sorted([*rest, *asked]) == ["0.wav", "1.wav", "2.wav", "3.wav"]
    with pytest.raises(EmotionNetError, match="all of its clips are labelled"):
        label(make_run(tmp_path / "third", seed=2).folder, pool, ready=person)


def test_a_list_that_leaves_emotions_open_is_asked_about(run, pool, tmp_path):
    table = tmp_path / "list.csv"
    table.write_text("file,emotion\n" + "".join(f"{i}.wav,\n" for i in range(3)) + "3.wav,sad\n")
    asked, person = answering("happy")
    label(run, pool, out=table, ready=person)
    assert sorted(asked) == ["0.wav", "1.wav", "2.wav"]


def test_the_next_command_can_be_pasted(pool, tmp_path):
    assert next_command(pool, pool / "labels.csv").endswith(f"--root '{pool}' --table labels.csv")
    assert next_command(pool, tmp_path / "l.csv").endswith(f"--table {tmp_path / 'l.csv'}")


def test_bad_usage(run, pool, tmp_path):
    for arguments, reason in (
        ((run, tmp_path / "nowhere"), "no such folder"),
        ((tmp_path, pool), "no run here"),
        ((run, pool, 0), "--most 0"),
    ):
        with pytest.raises(UsageError, match=reason):
            label(*arguments, ready=None)
    with pytest.raises(UsageError, match="--port 70000"):
        label(run, pool, ready=None, port=70000)
