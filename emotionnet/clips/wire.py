"""Clips and requests as plain bytes, for pipes between processes: a JSON header, then the arrays.

A message is the header's length (8 bytes, little-endian), the header (JSON, UTF-8), and the parts whose
lengths the header gives. Nothing in it can run code, and half of a message is distinguished from a whole one.
"""

import dataclasses
import json
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from emotionnet.clips.clip import ClipData
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import BadClip, EmotionNetError, UnreadClip

_LENGTH = struct.Struct("<Q")
_ARRAYS = ("times_s", "boxes", "landmarks", "waveform")
#: A header is small; more than this is something else on the pipe.
_LARGEST_HEADER = 1 << 26
_ERRORS = {"unread_clip": UnreadClip, "bad_clip": BadClip, "failure": EmotionNetError}


class BrokenMessage(Exception):
    """The other side ended within a message, or sent something else."""


def send(stream: BinaryIO, header: dict[str, Any], parts: Sequence[bytes] = ()) -> None:
    """Writes one message and flushes."""
    text = json.dumps({**header, "parts": [len(part) for part in parts]}).encode()
    for piece in (_LENGTH.pack(len(text)), text, *parts):
        stream.write(piece)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], list[bytes]]:
    """Reads one message.

    Raises:
        EOFError: there is no other one.
        BrokenMessage: it is not whole, or no message.
    """
    first = stream.read(_LENGTH.size)
    if not first:
        raise EOFError
    (length,) = _LENGTH.unpack(first) if len(first) == _LENGTH.size else (_LARGEST_HEADER + 1,)
    if length > _LARGEST_HEADER:
        raise BrokenMessage
    try:
        header = json.loads(_exactly(stream, length))
        lengths = header.pop("parts")
    except (ValueError, KeyError, AttributeError) as error:
        raise BrokenMessage from error
    return header, [_exactly(stream, size) for size in lengths]


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise BrokenMessage
    return data


def send_result(stream: BinaryIO, result: ClipData | Exception) -> None:
    """Writes the result of reading a clip: the clip, or the reason why there is none."""
    if isinstance(result, Exception):
        kind = next((kind for kind, its in _ERRORS.items() if isinstance(result, its)), "failure")
        send(stream, {"kind": kind, "reason": str(result)})
        return
    arrays = {name: np.ascontiguousarray(getattr(result, name)) for name in _ARRAYS}
    header = {
        "kind": "clip",
        "row": dataclasses.asdict(result.row),
        "picture_size": [int(side) for side in result.picture_size],
        "notes": [str(note) for note in result.notes],
        "arrays": {name: [a.dtype.str, list(a.shape)] for name, a in arrays.items()},
    }
    send(stream, header, [*(a.tobytes() for a in arrays.values()), *result.faces])


def receive_result(stream: BinaryIO) -> ClipData | Exception:
    """Reads what `send_result` wrote.

    Raises:
        EOFError: there is no other message.
        BrokenMessage: it is not whole, or no such message.
    """
    header, parts = receive(stream)
    try:
        if header["kind"] in _ERRORS:
            return _ERRORS[header["kind"]](header["reason"])
        arrays = {
            # A copy: an array over the bytes of a message cannot be written to.
            name: np.frombuffer(part, np.dtype(dtype)).reshape(shape).copy()
            for (name, (dtype, shape)), part in zip(header["arrays"].items(), parts)
        }
        return ClipData(
            row=ManifestRow(**header["row"]),
            faces=parts[len(arrays) :],
            picture_size=tuple(header["picture_size"]),
            notes=header["notes"],
            **arrays,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenMessage from error
