"""The tracks of a media file, as their packets tell before anything is decoded, and which comes first."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emotionnet.clips.clock import FALLBACK_STEP_S
from emotionnet.clips.container import open_media, read_packets

#: A picture track of no more pictures, over longer sound, is a still: a cover, a title.
STILL_PICTURES, STILL_SOUND_S = 2, 1.0


@dataclass(frozen=True)
class Track:
    """A track of pictures or of sound.

    Attributes:
        index: of the stream in its file.
        kind: ``video`` or ``audio``.
        codec: name of its decoder; "" where there is none.
        pixel_format: of pictures, as FFmpeg calls it.
        default: flagged as the one to take.
        cover: flagged as a cover or a thumbnail.
        tile: flagged as of use with others only, as the tiles of a photograph (HEIC, AVIF) are.
        packets: how many; what an edit list cuts off does not count.
        times_s: (n,) time stamps of the packets, in the order of the file.
    """

    index: int
    kind: str
    codec: str
    pixel_format: str
    default: bool
    cover: bool
    tile: bool
    packets: int
    times_s: np.ndarray

    @property
    def step_s(self) -> float:
        """Usual distance of its packets."""
        steps = np.abs(np.diff(self.times_s))
        steps = steps[steps > 0]
        return float(np.median(steps)) if steps.size else FALLBACK_STEP_S

    @property
    def rate(self) -> float | None:
        """Packets a second, where all are equally far apart, but for rounding to milliseconds; else None."""
        steps = np.diff(np.sort(self.times_s))
        even = steps.size and steps.min() > 0 and np.ptp(steps) < 2e-3
        return float(1 / steps.mean()) if even else None

    @property
    def still(self) -> bool:
        """So few pictures that it is no film, where there is sound."""
        return self.kind == "video" and self.packets <= STILL_PICTURES


def survey(path: str | os.PathLike) -> list[Track]:
    """Reads through a file once, without decoding.

    Raises:
        BadClip: it cannot be opened.
    """
    with open_media(path) as container:
        streams = [s for s in container.streams if s.type in ("video", "audio")]
        packets: dict[int, int] = {stream.index: 0 for stream in streams}
        times: dict[int, list[float]] = {stream.index: [] for stream in streams}
        for packet in read_packets(container, streams) if streams else ():
            # What an edit list cuts off is in the file (the decoder needs it), and never shown.
            if packet is None or not packet.size or packet.is_discard:
                continue
            packets[packet.stream_index] += 1
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is not None:
                times[packet.stream_index].append(stamp * packet.time_base)
        return [_track(s, packets[s.index], np.array(times[s.index], float)) for s in streams]


def in_order(tracks: Sequence[Track], kind: str) -> list[Track]:
    """Those of a kind that may be taken, the best first: films before stills, then the default one."""
    usable = [t for t in tracks if t.kind == kind and t.packets and not (t.cover or t.tile)]
    return sorted(usable, key=lambda t: (not t.codec, t.still, not t.default))


def said(taken: Track, tracks: Sequence[Track], reasons: dict[int, str]) -> str:
    """Which of several tracks was taken, for people; "" where there was no choice.

    Args:
        taken: the one.
        tracks: all of the file.
        reasons: index of a track to why it was not taken.
    """
    alike = [t for t in tracks if t.kind == taken.kind and not (t.cover or t.tile)]
    if len(alike) < 2:
        return ""
    numbers = {track.index: number for number, track in enumerate(alike, start=1)}
    unusable = {t.index: "cannot be decoded" if t.packets else "is empty" for t in alike}
    reasons = {t.index: unusable[t.index] for t in alike if not (t.codec and t.packets)} | reasons
    others = [f"track {numbers[t.index]} {reasons[t.index]}" for t in alike if t.index in reasons]
    if taken.default and not all(t.default for t in alike):
        others.insert(0, "it is the default one")
    why = "; ".join(others) or "it is the first"
    what = "picture" if taken.kind == "video" else "sound"
    return f"{what}: track {numbers[taken.index]} of {len(alike)} is used ({why})"


def _track(stream, packets: int, times_s: np.ndarray) -> Track:
    from av.stream import Disposition

    context, flags = stream.codec_context, stream.disposition
    # A track of a codec that FFmpeg does not know has no decoder.
    codec = "" if context is None else context.name
    pixel_format = (context.pix_fmt or "") if codec and stream.type == "video" else ""
    return Track(
        index=stream.index,
        kind=stream.type,
        codec=codec,
        pixel_format=pixel_format,
        default=bool(flags & Disposition.default),
        cover=bool(flags & (Disposition.attached_pic | Disposition.timed_thumbnails)),
        tile=stream.type == "video" and bool(flags & Disposition.dependent),
        packets=packets,
        times_s=times_s,
    )
