"""One file from the network to the disk: resumed, measured, checked, and there only when it is whole."""

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emotionnet.errors import EmotionNetError
from emotionnet.files import file_hash

#: Pauses in seconds before another try, when the network or the server fails.
PAUSES_S = (1, 3, 10, 30)
TIMEOUT_S = 60
#: More bytes a read would make the progress bar jump.
_CHUNK = 1 << 18
_MOST = 100_000_000
#: Answers that may be better a minute later.
_PASSING = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Remote:
    """A file on a server, with all that is known of it.

    Attributes:
        url: where it is.
        size: its length in bytes.
        algorithm: of the checksum, ``md5`` or ``sha256``.
        checksum: in hex.
        headers: to be sent along.
    """

    url: str
    size: int
    algorithm: str
    checksum: str
    headers: Mapping[str, str] = field(default_factory=dict)


class _Passing(Exception):
    """A failure that another try may mend."""


def fetch(
    remote: Remote, path: Path, bar: Any = None, pauses_s: Sequence[float] | None = None
) -> Path:
    """Downloads ``remote`` to ``path``, which exists only once length and checksum are right.

    The part that was downloaded is ``path`` + ``.part``; another call resumes there.

    Args:
        remote: what to get.
        path: where to put it. If it is there already with the right length, nothing is done.
        bar: progress bar that counts the bytes.
        pauses_s: seconds to wait before each further try; by default `PAUSES_S`.

    Returns:
        ``path``.

    Raises:
        EmotionNetError: the server refuses, breaks off again and again, or sends something else than
            was promised.
    """
    if path.is_file() and path.stat().st_size == remote.size:
        _tell(bar, remote.size)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    pauses_s = PAUSES_S if pauses_s is None else pauses_s
    told, pauses, wrong = _Told(bar), list(pauses_s), 0
    while True:
        had = _length(part)
        try:
            _receive(remote, part, told)
            found = file_hash(part, remote.algorithm)
            if found == remote.checksum:
                part.replace(path)
                return path
            part.unlink()
            wrong += 1
            failure = (
                f"{remote.algorithm} is {found}, should be {remote.checksum}; nothing was kept."
            )
            if wrong == 2:  # twice a wrong file is no accident of the line
                break
        except _Passing as error:
            failure = str(error)
            if _length(part) > had:  # it continues, if slowly: patience runs out at a standstill
                pauses = list(pauses_s)
        if not pauses:
            break
        time.sleep(pauses.pop(0))
    raise EmotionNetError(
        f"{remote.url}: {failure} Run the same command again later: it resumes there."
    )


def read(url: str, payload: Any = None, headers: Mapping[str, str] | None = None) -> bytes:
    """A server's answer, at most 100 MB; ``payload`` is posted as JSON where given.

    Raises:
        EmotionNetError: no answer, or a longer one.
    """
    body = None if payload is None else json.dumps(payload).encode()
    for pause_s in (*PAUSES_S[:2], None):
        try:
            with _open(url, headers or {}, body) as answer:
                data = answer.read(_MOST + 1)
            if len(data) > _MOST:
                raise EmotionNetError(f"{url}: the server's answer is longer than {_MOST} bytes.")
            return data
        except (_Passing, http.client.HTTPException, OSError) as error:
            failure = str(error)
        if pause_s is not None:
            time.sleep(pause_s)
    raise EmotionNetError(f"{url}: {failure}")


def read_json(url: str, payload: Any = None, headers: Mapping[str, str] | None = None) -> Any:
    """A server's answer in JSON, see `read`.

    Raises:
        EmotionNetError: no answer, or none that is JSON.
    """
    data = read(url, payload, {"Accept": "application/json", **(headers or {})})
    try:
        return json.loads(data)
    except ValueError:
        raise EmotionNetError(f"{url}: the server's answer is not JSON.") from None


class _Told:
    """What the bar was told: it must follow when a file starts over."""

    def __init__(self, bar: Any):
        self.bar, self.count = bar, 0

    def at(self, count: int) -> None:
        _tell(self.bar, count - self.count)
        self.count = count


def _tell(bar: Any, count: int) -> None:
    if bar is not None:
        bar.update(count)


def _receive(remote: Remote, part: Path, told: _Told) -> None:
    """Appends to ``part`` until it has the promised length."""
    have = _length(part)
    if have > remote.size:
        part.unlink()
        have = 0
    told.at(have)
    if have == remote.size and part.is_file():
        return
    headers = dict(remote.headers)
    if have:
        headers["Range"] = f"bytes={have}-"
    with _open(remote.url, headers) as answer:
        begins = _first_byte(answer)
        if begins not in (0, have):
            raise _Passing(f"asked for byte {have} on, the server sends from byte {begins}.")
        with open(part, "ab" if begins else "wb") as file:
            have = begins
            while True:
                told.at(have)
                try:
                    data = answer.read(_CHUNK)
                except (http.client.HTTPException, OSError) as error:
                    raise _Passing(f"the connection broke after {have} bytes ({error}).") from None
                if not data:
                    break
                have += len(data)
                if have > remote.size:
                    break
                file.write(data)
    if have > remote.size:
        part.unlink()
        told.at(0)
        raise EmotionNetError(
            f"{remote.url}: the server sends more than the {remote.size} bytes that the file has. "
            "It is not the file that was asked for; nothing was kept."
        )
    if have < remote.size:
        raise _Passing(f"the server stopped after {have} of {remote.size} bytes.")


def _open(url: str, headers: Mapping[str, str], body: bytes | None = None):
    headers = {"User-Agent": "emotionnet", **headers}
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
    try:
        return urllib.request.urlopen(
            urllib.request.Request(url, data=body, headers=dict(headers)), timeout=TIMEOUT_S
        )
    except urllib.error.HTTPError as error:
        if error.code in _PASSING:
            raise _Passing(f"the server answers {error.code} {error.reason}.") from None
        raise EmotionNetError(f"{url}: the server answers {error.code} {error.reason}.") from None
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        raise _Passing(f"cannot be reached ({reason}). Is there a network?") from None


def _first_byte(answer) -> int:
    """Number of the byte with which the answer begins; a server may ignore the range."""
    if answer.status != 206:
        return 0
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    if not match:
        raise _Passing("the server sends a part of the file and does not say which.")
    return int(match[1])


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
