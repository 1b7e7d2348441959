"""A real headless browser, driven by the DevTools protocol over two pipes: no driver, no library."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_KEYS = {
    "ArrowLeft": 37,
    "ArrowRight": 39,
    "Backspace": 8,
    "Enter": 13,
    " ": 32,
}


def find_browser() -> str | None:
    """The browser of this machine, or None."""
    return os.environ.get("CHROME_BIN") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One tab. Close it with `close`; the profile (and its storage) is kept where one is given.

    Args:
        profile: folder of the profile.
        width, height: of the window in pixels.
        arguments: more of the browser's own.
    """

    def __init__(
        self,
        profile: Path | None = None,
        width: int = 1100,
        height: int = 900,
        arguments: Sequence[str] = (),
    ):
        self._own = None if profile else tempfile.TemporaryDirectory()
        self.profile = profile or Path(self._own.name)
        to_browser, self._in = os.pipe()
        self._out, from_browser = os.pipe()

        def connect():
            # The browser reads commands from 3 and writes answers to 4.
            os.dup2(to_browser, 13)
            os.dup2(from_browser, 14)
            os.dup2(13, 3)
            os.dup2(14, 4)

        command = [
            find_browser(), "--headless=new", "--no-sandbox", "--disable-gpu",
            "--remote-debugging-pipe", f"--user-data-dir={self.profile}",
            f"--window-size={width},{height}", "--no-first-run", "--disable-dev-shm-usage",
            "--mute-audio", "--autoplay-policy=no-user-gesture-required",
            "--disable-background-networking", "--disable-component-update", *arguments, "about:blank",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command,
            preexec_fn=connect,
            pass_fds=(3, 4),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._number, self._rest, self._session = 0, b"", None
        #: Number → address of what was loaded or sent, from `watch_requests` on.
        self.requests: dict[str, str] = {}
        #: Addresses that the page asked for and the browser did not.
        self.blocked: list[str] = []
        targets = self.send("Target.getTargets")["targetInfos"]
        page = next(t["targetId"] for t in targets if t["type"] == "page")
        attached = self.send("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        self.send("Page.enable")

    @property
    def pid(self) -> int:
        """Of the browser's first process."""
        return self._process.pid

    def send(self, method: str, **params):
        """Sends a command and waits for its result."""
        number = self._post(method, params)
        while True:
            reply = self._receive()
            if reply.get("id") == number:
                if "error" in reply:
                    raise RuntimeError(f"{method}: {reply['error']['message']}")
                return reply["result"]
            what, about = reply.get("method"), reply.get("params", {})
            if what == "Network.requestWillBeSent":
                self.requests[about["requestId"]] = about["request"]["url"]
            if what == "Network.loadingFailed" and about.get("blockedReason"):
                self.blocked.append(self.requests.pop(about["requestId"]))
            if what == "Page.javascriptDialogOpening":
                # "Leave the page?": yes.
                self._post("Page.handleJavaScriptDialog", {"accept": True})

    def _post(self, method: str, params: dict) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._in, json.dumps(message).encode() + b"\0")
        return self._number

    def _receive(self) -> dict:
        while b"\0" not in self._rest:
            data = os.read(self._out, 1 << 16)
            if not data:
                raise RuntimeError("the browser has gone")
            self._rest += data
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def watch_requests(self) -> None:
        """Keeps addresses in `requests` and `blocked`."""
        self.send("Network.enable")

    def choose_file(self, selector: str, *paths) -> None:
        """Gives files to an input, as its dialogue does."""
        node = self.send("Runtime.evaluate", expression=f"document.querySelector({selector!r})")
        files = [str(path) for path in paths]
        self.send("DOM.setFileInputFiles", files=files, objectId=node["result"]["objectId"])

    def run(self, script: str):
        """The value of a JavaScript expression."""
        result = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"].get("description"))
        return result["result"].get("value")

    def wait(self, condition: str, seconds: float = 15) -> None:
        """Waits until a JavaScript expression is true."""
        until = time.monotonic() + seconds
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > until:
                raise TimeoutError(f"still not true: {condition}")
            time.sleep(0.05)

    def text(self, selector: str) -> str:
        return self.run(f"document.querySelector({selector!r}).innerText")

    def press(self, key: str) -> None:
        """Presses and releases one key, as a keyboard does."""
        code = _KEYS.get(key) or ord(key.upper())
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        event = {"key": key, "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
        self.send("Input.dispatchKeyEvent", type="keyUp", **event)

    def type(self, text: str) -> None:
        self.send("Input.insertText", text=text)

    def screenshot(self, path) -> None:
        Path(path).write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        """Ends the browser as a user does who closes it, so that its storage is on disk."""
        try:
            self._session = None
            self.send("Browser.close")
            self._process.wait(10)
        except (RuntimeError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)
        if self._own:
            self._own.cleanup()
