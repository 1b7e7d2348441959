"""The server: clips by number with ranges, answers on disk, and nothing for anybody else."""

import http.client
import json
import threading

import numpy as np
import pytest

from emotionnet.corpora.media import write_clip
from emotionnet.errors import EmotionNetError
from emotionnet.labelling.queue import Scored
from emotionnet.labelling.server import LabelServer
from emotionnet.labelling.session import Session


@pytest.fixture
def server(tmp_path):
    pool = tmp_path / "pool"
    write_clip(pool / "a.wav", samples=np.zeros(4000), sound_codec="pcm_s16le")
    frames = np.random.default_rng(0).integers(0, 255, (4, 33, 47, 3), np.uint8)[:, :32, :46]
    write_clip(pool / "b.avi", frames, 10, np.zeros(6400), picture_codec="mpeg4",
               sound_codec="pcm_s16le")  # fmt: skip
    (pool / "c.mp4").write_text("broken " * 300)
    (tmp_path / "secret.txt").write_text("secret")
    clips = [Scored(name, "1", "1", "r", 1.0) for name in ("a.wav", "b.avi", "c.mp4")]
    server = LabelServer(Session(pool, pool / "labels.csv", clips, ("happy", "sad"), "r"))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def ask(server, place, method="GET", body=None, token=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    token = server.token if token is None else token
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, f"/{token}/{place}", body, headers)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply, content


def test_it_listens_on_this_machine_only(server):
    assert server.server_address[0] == "127.0.0.1"


def test_the_page_is_whole_and_holds_the_clips(server):
    reply, content = ask(server, "")
    page = content.decode()
    assert reply.status == 200
    assert "b.avi" in page
    assert "/*data*/" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in reply.getheader("Content-Security-Policy")


@pytest.mark.parametrize("token", ["", "wrong", "%2e%2e"])
def test_without_the_token_there_is_nothing(server, token):
    for place in ("", "clip/0"):
        reply, content = ask(server, place, token=token)
        assert reply.status == 403
        assert b"b.avi" not in content
    body = json.dumps({"file": "a.wav", "emotion": "happy"})
    assert ask(server, "answer", "POST", body, token=token)[0].status == 403
    assert server.session.answers() == {}


def test_another_host_name_is_refused(server):
    assert ask(server, "", Host="evil.example")[0].status == 403


@pytest.mark.parametrize(
    "place",
    ["clip/../../secret.txt", "clip/%2e%2e%2fsecret.txt", "../secret.txt", "clip/7", "clip/-1",
     "clip/0/..", "secret.txt"],
)  # fmt: skip
def test_only_listed_clips_are_served(server, place):
    reply, content = ask(server, place)
    assert reply.status in (403, 404)
    assert b"secret" not in content


def test_ranges(server):
    whole = (server.session.pool / "a.wav").read_bytes()
    reply, content = ask(server, "clip/0")
    assert reply.status == 200
    assert content == whole
    assert reply.getheader("Content-Type") == "audio/wav"
    for header, part in (
        ("bytes=10-19", whole[10:20]),
        ("bytes=100-", whole[100:]),
        ("bytes=-7", whole[-7:]),
        ("bytes=0-999999999", whole),
    ):
        reply, content = ask(server, "clip/0", Range=header)
        assert reply.status == 206
        assert content == part
    assert reply.getheader("Content-Range") == f"bytes 0-{len(whole) - 1}/{len(whole)}"
    assert ask(server, "clip/0", Range=f"bytes={len(whole)}-")[0].status == 416


def test_what_browsers_do_not_play_is_copied(server):
    reply, content = ask(server, "clip/1")
    assert reply.status == 200
    assert reply.getheader("Content-Type") == "video/mp4"
    assert content[4:8] == b"ftyp"
    path, _ = server.media(1)
    from emotionnet.clips.decode import read_frames, read_sound

    assert len(list(read_frames(path))) == 4
    assert 0.3 < len(read_sound(path).samples) / 16000 < 0.6


def test_a_broken_clip_says_so(server):
    reply, content = ask(server, "clip/2")
    assert reply.status == 410
    assert b"text file" in content


def test_an_answer_is_on_disk_when_it_is_confirmed(server):
    body = json.dumps({"file": "a.wav", "emotion": "sad", "actor": "x"})
    reply, content = ask(server, "answer", "POST", body)
    assert reply.status == 200
    assert json.loads(content)["counts"]["sad"] == 1
    assert "a.wav,sad,x" in (server.session.pool / "labels.csv").read_text()


@pytest.mark.parametrize(
    "body",
    ["", "not json", "[]", "{}", '{"file": 3, "emotion": "sad"}', '{"file": "a.wav", "emotion": 1}',
     '{"file": "../x", "emotion": "sad"}', '{"file": "a.wav", "emotion": "bored"}'],
)  # fmt: skip
def test_nonsense_is_refused_and_harms_nothing(server, body):
    reply, _ = ask(server, "answer", "POST", body)
    assert reply.status == 400
    assert server.session.answers() == {}
    assert ask(server, "answer", "POST", "x" * 20_000)[0].status == 400


def test_a_full_disk_is_told(server, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device", "labels.csv")

    monkeypatch.setattr("emotionnet.labelling.session.write_labels", full)
    body = json.dumps({"file": "a.wav", "emotion": "sad"})
    reply, content = ask(server, "answer", "POST", body)
    assert reply.status == 507
    assert "disk is full" in json.loads(content)["error"]


def test_the_same_file_has_the_same_address(server):
    other = LabelServer(server.session)  # the usual port is taken: any other
    try:
        assert other.server_port != server.server_port
    finally:
        other.server_close()
    with pytest.raises(EmotionNetError, match="cannot be used"):
        LabelServer(server.session, port=server.server_port)
