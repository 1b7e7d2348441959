"""Media files, opened and decoded packet by packet (PyAV)."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from emotionnet.corpora.listing import LFS_MAGIC
from emotionnet.errors import BadClip, UnreadClip

#: Times in a row that reading is tried again after an error, before it counts as the end.
MOST_TRIES = 20
#: Formats without a header: how long they are is guessed from the rate of their first bits.
GUESSED_LENGTH = {"mp3", "aac", "ac3", "eac3", "amr", "h264", "hevc", "m4v", "mpegvideo"}


def open_media(path: str | os.PathLike):
    """Opens a media file with PyAV.

    Raises:
        BadClip: missing, empty, a pipe, a git-lfs pointer, text, truncated, or no media file.
        UnreadClip: it is there, and cannot be read now.
    """
    import av

    path = Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise BadClip("is a pipe or a device, which cannot be read twice: give a file")
        with open(path, "rb") as file:
            head = file.read(1024)
    except FileNotFoundError:
        raise BadClip("the file does not exist") from None
    except IsADirectoryError:
        raise BadClip("is a folder, not a file") from None
    except OSError as error:
        raise UnreadClip(f"cannot be read ({error.strerror})") from None
    if not head:
        raise BadClip("the file is empty (0 bytes); copy or download it again")
    if head.startswith(LFS_MAGIC):
        raise BadClip("is a git-lfs pointer, not the media; run `git lfs pull` in its repository")
    try:
        # PyAV 19 no longer stumbles over titles that are no UTF-8, and has no such argument.
        tolerant = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
        # "file:" keeps names such as "a:b.mp4" or "-x.wav" from being read as protocols or options.
        return av.open("file:" + os.path.abspath(path), **tolerant)
    except (av.error.FFmpegError, OSError, ValueError):
        if _looks_like_text(head):
            raise BadClip("is a text file, not a video or sound file") from None
        raise BadClip(
            "cannot be opened as video or sound (truncated, damaged, or another kind of file)"
        ) from None


def read_packets(container, *streams) -> Iterator:
    """The packets of some streams in the order of the file; None for what cannot be read.

    An empty packet of each stream comes last: with it the decoder gives out what it still holds.
    """
    import av

    tries, packets = 0, container.demux(*streams)
    while tries < MOST_TRIES:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            # What comes after a damaged place can often be read.
            tries, packets = tries + 1, container.demux(*streams)
            yield None
            continue
        if packet is None:
            return
        tries = 0 if packet.size else tries
        yield packet


class Decoder:
    """Decodes one stream packet by packet, continues after what cannot be decoded, and keeps count.

    Args:
        container: from `open_media`.
        stream: one of its streams.
    """

    def __init__(self, container, stream):
        self._container, self._stream = container, stream
        self._lost = 0
        self._begin_s: float | None = None
        self._end_s = 0.0

    def __iter__(self) -> Iterator:
        for packet in read_packets(self._container, self._stream):
            if packet is None:
                self._lost += 1
            else:
                yield from self._decode(packet)
        yield from self._decode(None)

    def _decode(self, packet) -> Iterator:
        import av

        try:
            frames = self._stream.decode(packet)
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            self._lost += 1
            return
        for frame in frames:
            self._follow(frame, packet)
            yield frame

    def _follow(self, frame, packet) -> None:
        """Keeps in mind from when to when there was anything, by the file's own time stamps."""
        if frame.time is None:
            return
        length_s = getattr(frame, "samples", 0) / (getattr(frame, "sample_rate", 0) or 1)
        if not length_s and frame.duration and frame.time_base:
            length_s = float(frame.duration * frame.time_base)
        self._begin_s = frame.time if self._begin_s is None else min(self._begin_s, frame.time)
        self._end_s = max(self._end_s, frame.time + length_s)

    def note(self, notes: list[str], what: str, seconds: float) -> None:
        """Adds a line where packets were lost, or where the stream ends well before it should.

        Args:
            notes: gets the line.
            what: ``sound`` or ``picture``.
            seconds: length of what was decoded.
        """
        stream = self._stream
        promised = float((stream.duration or 0) * (stream.time_base or 0))
        if GUESSED_LENGTH & set(self._container.format.name.split(",")):
            promised = 0.0
        # Some headers count from the first time stamp, others (Matroska) from 0.
        seconds = max(seconds, self._end_s - (self._begin_s or 0.0), self._end_s)
        if promised - seconds > max(0.25, 0.05 * promised):
            notes.append(f"the {what} ends after {seconds:.2f} s of {promised:.2f} s (truncated?)")
        elif self._lost:
            packets = "packet" if self._lost == 1 else "packets"
            notes.append(f"{self._lost} {packets} of the {what} could not be decoded")


def _looks_like_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character cut in two by the end of the head is no sign of a binary file.
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(c.isprintable() or c.isspace() for c in text)
