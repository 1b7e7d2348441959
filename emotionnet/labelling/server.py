"""A small web server for one person on this machine: the page, its clips, and their answers.

It listens on 127.0.0.1 only and answers only requests with the token in its address, so other
people on the machine and other pages in the browser get nothing. Clips are asked for by number, never by
path. An answer is on disk before the browser hears that it is saved.
"""

import json
import re
import secrets
import socket
import tempfile
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from emotionnet.errors import BadClip, EmotionNetError, UsageError
from emotionnet.labelling.preview import make_preview, media_type
from emotionnet.labelling.session import Session
from emotionnet.templates import render, script_data

_BLOCK = 1 << 16
#: Requests with a larger body are refused: an answer has some hundred bytes.
_LARGEST_BODY = 10_000
#: The ports that no service has registered.
_PRIVATE_PORTS = range(49152, 65536)


class LabelServer(ThreadingHTTPServer):
    """Serves one `Session`.

    Args:
        session: the clips and their answers.
        next_steps: lines that the page shows when all is done.
        port: by default one that follows from the session's file, so that the browser finds again
            what it kept for this address; where that is taken, any other.

    Raises:
        EmotionNetError: a port that was asked for is taken.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, session: Session, next_steps: str = "", port: int | None = None):
        self.session, self.next_steps = session, next_steps
        self.token = secrets.token_urlsafe(16)
        self.finished = threading.Event()
        self._previews = tempfile.TemporaryDirectory(prefix="emotionnet-previews-")
        self._preview_lock = threading.Lock()
        self._playable: dict[int, tuple[Path, str]] = {}
        self._connections: set[socket.socket] = set()
        usual = _PRIVATE_PORTS[int(session.name, 16) % len(_PRIVATE_PORTS)]
        for number in (port,) if port is not None else (usual, 0):
            try:
                super().__init__(("127.0.0.1", number), _Handler)
                break
            except OSError as error:
                failure = error
        else:
            self._previews.cleanup()
            raise EmotionNetError(f"port {port}: cannot be used ({failure.strerror}).")

    @property
    def url(self) -> str:
        """Where the page is, with the token."""
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"

    def run(self) -> None:
        """Serves until the page says that the person is done, or `shutdown` is called."""
        thread = threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            while thread.is_alive() and not self.finished.wait(0.2):
                pass
        finally:
            self.shutdown()
            thread.join()
            self.server_close()

    def process_request(self, request, client_address):
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        # Browsers keep connections open, whose threads would continue to answer.
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._previews.cleanup()

    def page(self) -> str:
        """The whole page, with the clips and the answers so far."""
        session = self.session
        folders = {session.actor_of(clip.file) for clip in session.clips}
        data = {
            "session": session.name,
            "run": session.run,
            "labels": session.labels,
            "most_bits": len(session.labels),
            "out": str(session.out),
            "next": self.next_steps,
            "clips": [
                {
                    "file": clip.file,
                    "bits": round(clip.entropy_bits, 2),
                    # One folder for all of them says nothing about who is who.
                    "actor": session.actor_of(clip.file) if len(folders) > 1 else "",
                }
                for clip in session.clips
            ],
            "answers": session.answers(),
        }
        return render("label.html", data=script_data(json.dumps(data)))

    def media(self, number: int) -> tuple[Path, str]:
        """File and type of a clip as browsers play it.

        Raises:
            BadClip: it cannot be read.
        """
        if number in self._playable:
            return self._playable[number]
        path = self.session.pool / self.session.clips[number].file
        with self._preview_lock:  # one at a time, and each once
            if number not in self._playable:
                copy = Path(self._previews.name, f"{number}.mp4")
                name = media_type(path)
                if not name:
                    make_preview(path, copy)
                self._playable[number] = (path, name) if name else (copy, "video/mp4")
        return self._playable[number]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LabelServer

    def do_GET(self):
        place = self._place()
        if place == "":
            self._send(HTTPStatus.OK, self.server.page().encode(), "text/html; charset=utf-8")
        elif place and (match := re.fullmatch(r"clip/(\d{1,6})", place)):
            self._send_clip(int(match[1]))
        elif place is not None:
            self._refuse(HTTPStatus.NOT_FOUND)

    def do_POST(self):
        # Read before anything is answered, or the rest would be taken for the next request.
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LARGEST_BODY:
            self.close_connection = True
            return self._refuse(HTTPStatus.BAD_REQUEST)
        body = self.rfile.read(int(length))
        place = self._place()
        if place == "answer":
            self._take_answer(body)
        elif place == "done":
            self._send(HTTPStatus.OK, b"{}", "application/json")
            self.server.finished.set()
        elif place is not None:
            self._refuse(HTTPStatus.NOT_FOUND)

    def _place(self) -> str | None:
        """What is asked for behind the token; None (and refused) without the right one."""
        hosts = {f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")}
        # Another name for 127.0.0.1 is how a foreign page would reach this server.
        if self.headers.get("Host") not in hosts:
            self._refuse(HTTPStatus.FORBIDDEN)
            return None
        _, token, *rest = [*self.path.split("?")[0].split("/", 2), ""]
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self._refuse(HTTPStatus.FORBIDDEN)
            return None
        return rest[0]

    def _take_answer(self, body: bytes) -> None:
        try:
            answer = json.loads(body)
            file, emotion, actor = answer["file"], answer["emotion"], answer.get("actor", "")
            if not all(isinstance(v, str) for v in (file, emotion or "", actor)):
                raise ValueError("texts are needed")
            self.server.session.answer(file, emotion, actor)
        except (ValueError, KeyError, TypeError, UsageError) as error:
            return self._send_json(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        except OSError as error:
            from emotionnet.command import explain_os_error

            reason = explain_os_error(error)
            return self._send_json(HTTPStatus.INSUFFICIENT_STORAGE, {"error": reason})
        self._send_json(HTTPStatus.OK, {"counts": self.server.session.counts()})

    def _send_clip(self, number: int) -> None:
        if number >= len(self.server.session.clips):
            return self._refuse(HTTPStatus.NOT_FOUND)
        try:
            path, kind = self.server.media(number)
            size = path.stat().st_size
        except (BadClip, OSError) as error:
            return self._send(HTTPStatus.GONE, str(error).encode(), "text/plain; charset=utf-8")
        wanted = _byte_range(self.headers.get("Range", ""), size)
        if wanted is None:
            return self._head(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, kind,
                              {"Content-Range": f"bytes */{size}"})  # fmt: skip
        start, stop = wanted
        extra = {"Accept-Ranges": "bytes"}
        partial = "Range" in self.headers
        if partial:
            extra["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        status = HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK
        self._head(status, stop - start, kind, extra)
        with open(path, "rb") as file:
            file.seek(start)
            while start < stop and (block := file.read(min(_BLOCK, stop - start))):
                self.wfile.write(block)
                start += len(block)

    def _send_json(self, status: HTTPStatus, value: dict) -> None:
        self._send(status, json.dumps(value).encode(), "application/json")

    def _refuse(self, status: HTTPStatus) -> None:
        self._send(status, f"{status.value} {status.phrase}\n".encode(), "text/plain")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self._head(status, len(body), kind)
        self.wfile.write(body)

    def _head(self, status: HTTPStatus, length: int, kind: str, extra: dict | None = None) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(length),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Content-Security-Policy": (
                "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                "media-src 'self'; connect-src 'self'; img-src data:; frame-ancestors 'none'; "
                "base-uri 'none'; form-action 'none'"
            ),
            **(extra or {}),
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def handle(self):
        # A browser that moves on to the next clip drops the connection.
        with suppress(ConnectionError, TimeoutError):
            super().handle()

    def log_message(self, format, *args):
        pass


def _byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Start and stop of the bytes that a Range header asks for; None where there are none."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if not match or match[1] == match[2] == "":
        return 0, size
    if match[1] == "":
        start, stop = max(0, size - int(match[2])), size
    else:
        start, stop = int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)
    return (start, stop) if start < stop else None
