"""Runs on the Hugging Face Hub, fetched by its own library from a server of this machine."""

import hashlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.prediction.hub import local_run

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b'{"format": 1}',
    "model.keras": b"weights" * 1000,
    "README.md": b"card",
    "extra.bin": b"is not asked for" * 1000,
}


class Hub(BaseHTTPRequestHandler):
    """What the Hub answers about one model, as far as the library asks."""

    asked: list[str]
    files: dict[str, bytes]

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.partition("?")[0]
        self.asked.append(f"{self.command} {path}")
        name = path.rpartition(f"/resolve/{COMMIT}/")[2]
        if path.startswith("/api/models/somebody/run/tree"):
            tree = [
                {
                    "type": "file",
                    "path": name,
                    "size": len(data),
                    "oid": hashlib.sha1(data).hexdigest(),
                }
                for name, data in self.files.items()
            ]
            self._send(json.dumps(tree).encode())
        elif path.startswith("/api/models/somebody/run"):
            siblings = [{"rfilename": name, "size": len(d)} for name, d in self.files.items()]
            about = {"id": "somebody/run", "sha": COMMIT, "siblings": siblings, "private": False}
            self._send(json.dumps(about).encode())
        elif path.startswith("/somebody/run/") and name in self.files:
            self._send(self.files[name], ETag=f'"{hashlib.sha1(self.files[name]).hexdigest()}"')
        else:
            self._send(b"{}", 404, **{"X-Error-Code": "RepoNotFound"})

    def _send(self, body: bytes, status: int = 200, **headers):
        self.send_response(status)
        for key, value in {"X-Repo-Commit": COMMIT, **headers}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *words):
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The server; the library asks it, and keeps its cache in ``tmp_path``."""
    constants = pytest.importorskip("huggingface_hub.constants")
    handler = type("Handler", (Hub,), {"asked": [], "files": dict(FILES)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE",
            address + "/{repo_id}/resolve/{revision}/{filename}",
        )  # fmt: skip
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
        yield handler
        server.shutdown()


def test_a_run_is_fetched_once_and_what_comes_is_said(hub, capsys):
    folder = local_run("hf://somebody/run")
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.keras", "README.md"}
    assert (folder / "model.keras").read_bytes() == FILES["model.keras"]
    said = capsys.readouterr().err
    assert "fetching   hf://somebody/run: " in said
    assert "model.keras" in said
    assert not any("extra.bin" in line for line in hub.asked)

    hub.asked.clear()
    assert local_run("hf://somebody/run") == folder
    assert "fetching" not in capsys.readouterr().err
    assert not any(line.startswith("GET /somebody") for line in hub.asked)


def test_what_is_no_run_of_ours(hub):
    del hub.files["config.json"]
    with pytest.raises(EmotionNetError, match="no config"):
        local_run("hf://somebody/run")


def test_a_model_that_is_not_there(hub):
    with pytest.raises(EmotionNetError, match="no such model"):
        local_run("hf://nobody/nothing")


@pytest.mark.parametrize("handle", ["hf://run", "hf://", "hf://a/b/c", "hf://a/b@"])
def test_what_is_no_handle(handle):
    with pytest.raises(UsageError, match="expected hf://USER/NAME"):
        local_run(handle)


def test_an_address_of_the_web_is_no_run():
    with pytest.raises(UsageError, match="hf://USER/NAME for one on the Hugging Face Hub"):
        local_run("https://huggingface.co/somebody/run")


def test_the_library_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match=r"emotionnet\[hub\]"):
        local_run("hf://somebody/run")


def test_a_folder_is_left_alone(tmp_path):
    assert local_run(tmp_path) == tmp_path
