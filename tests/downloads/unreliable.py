"""A file server on loopback that can be told to misbehave."""

import json
import re
import threading
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves ``files`` (path to bytes or to what makes them of a request's body).

    Attributes:
        url: its address.
        asked: ``(path, Range header or None)`` of every request.
        faults: path to functions of ``(handler, data)``, one used up by each request; a function
            answers by itself and returns True, or returns False to let the usual answer follow.
    """

    def __init__(self):
        self.files: dict[str, bytes | Callable[[bytes], bytes]] = {}
        self.faults: dict[str, list] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""

    def json(self, path: str, value) -> None:
        self.files[path] = json.dumps(value).encode()


@contextmanager
def serving():
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(server.files[self.path](body))

        def do_GET(self):
            server.asked.append((self.path, self.headers["Range"]))
            data = server.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            faults = server.faults.get(self.path)
            if faults and faults.pop(0)(self, data):
                return
            self.answer(data)

        def answer(self, data: bytes):
            match = re.match(r"bytes=(\d+)-", self.headers["Range"] or "")
            begin = int(match[1]) if match else 0
            self.send_response(206 if match else 200)
            if match:
                self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - begin))
            self.end_headers()
            self.wfile.write(data[begin:])

        def log_message(self, *args):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{httpd.server_port}"
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()


def cut(after: int):
    """The connection breaks ``after`` this many bytes of what was asked for."""

    def fault(handler, data):
        match = re.match(r"bytes=(\d+)-", handler.headers["Range"] or "")
        begin = int(match[1]) if match else 0
        handler.send_response(206 if match else 200)
        if match:
            handler.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        handler.send_header("Content-Length", str(len(data) - begin))
        handler.end_headers()
        handler.wfile.write(data[begin : begin + after])
        handler.wfile.flush()
        handler.connection.close()
        return True

    return fault


def answer_with(status: int, body: bytes, length: int | None = None):
    """Another answer altogether, perhaps with a wrong length."""

    def fault(handler, data):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)
        if length is not None and length != len(body):
            handler.wfile.flush()
            handler.connection.close()
        return True

    return fault
