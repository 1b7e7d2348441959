"""Files as other programs write them: any tracks, any time stamps, any flags, pixels and colours."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np

#: Where a packet stands: from its own time, in seconds, to the one that is written; None leaves it out.
Move = Callable[[float], float | None]


def tone(seconds, rate=16000, hz=200.0, level=0.3):
    """(samples,) float32 sine."""
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype("f4")


@dataclass
class Film:
    """A picture track.

    Attributes:
        pictures: (height, width, 3) uint8 or uint16 RGB, all of one size.
        rate: pictures a second.
        codec, pixel_format, options: as FFmpeg calls them.
        default: flagged as the default track.
        aspect: width of a pixel in heights.
        matrix: the four numbers of the display matrix that turn and mirror.
        colours: transfer characteristic, primaries and matrix, as H.273 numbers them.
        move: see `Move`.
    """

    pictures: list
    rate: float = 25
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: dict = field(default_factory=dict)
    default: bool | None = None
    aspect: Fraction | None = None
    matrix: tuple[int, int, int, int] | None = None
    colours: tuple[int, int, int] | None = None
    move: Move = float

    def open(self, container):
        stream = container.add_stream(self.codec, rate=Fraction(self.rate).limit_denominator(1001))
        stream.height, stream.width = self.pictures[0].shape[:2]
        stream.pix_fmt = self.pixel_format
        stream.options = self.options
        context = stream.codec_context
        context.thread_count = 1
        if self.aspect:
            context.sample_aspect_ratio = self.aspect
        if self.colours:
            context.color_trc, context.color_primaries, context.colorspace = self.colours
        if self.matrix:
            a, b, c, d = (65536 * number for number in self.matrix)
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        return stream

    def frames(self):
        for picture in self.pictures:
            kind = "rgb48le" if picture.dtype == np.uint16 else "rgb24"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=kind)
            if self.colours:
                frame = frame.reformat(format=self.pixel_format, dst_colorspace=self.colours[2])
                frame.color_trc, frame.color_primaries, frame.colorspace = self.colours
            yield frame


@dataclass
class Voice:
    """A sound track.

    Attributes:
        samples: (n,) or (n, channels) float in [-1, 1].
        rate: in Hz.
        codec: as FFmpeg calls it.
        default: flagged as the default track.
        move: see `Move`.
    """

    samples: np.ndarray
    rate: int = 16000
    codec: str = "aac"
    default: bool | None = None
    move: Move = float

    def open(self, container):
        channels = 1 if np.ndim(self.samples) == 1 else np.shape(self.samples)[1]
        return container.add_stream(
            self.codec, rate=self.rate, layout={1: "mono", 2: "stereo", 6: "5.1"}[channels]
        )

    def frames(self):
        samples = np.atleast_2d(np.asarray(self.samples, np.float32).T)
        step = 1024
        for start in range(0, samples.shape[1], step):
            part = np.ascontiguousarray(samples[:, start : start + step].T).reshape(1, -1)
            layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(samples)]
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
            frame.sample_rate, frame.pts = self.rate, start
            frame.time_base = Fraction(1, self.rate)
            yield frame


def record(path, *tracks, options=None, container_format=None):
    """Writes a file with the tracks given, in their order; returns its path."""
    with av.open(str(path), "w", format=container_format, options=options or {}) as container:
        streams = [track.open(container) for track in tracks]
        for track, stream in zip(tracks, streams):
            if track.default is not None:
                stream.disposition = av.stream.Disposition.default if track.default else 0
        packets = []
        for track, stream in zip(tracks, streams):
            for frame in [*track.frames(), None]:
                for packet in stream.encode(frame):
                    time = float(packet.pts * packet.time_base)
                    moved = track.move(time)
                    if moved is None:
                        continue
                    shift = round((moved - time) / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packets.append((float(packet.dts * packet.time_base), packet))
        for _, packet in sorted(packets, key=lambda pair: pair[0]):
            container.mux(packet)
    return path


def retime_flv(path, move):
    """Writes other time stamps into an FLV of Sorenson video and MP3, whose packets keep their order.

    Args:
        path: the file.
        move: from kind (``picture`` or ``sound``), number of the packet and time in seconds to another time.
    """
    content, place = bytearray(path.read_bytes()), 13
    counts = {"picture": 0, "sound": 0}
    while place + 11 < len(content):
        size = int.from_bytes(content[place + 1 : place + 4], "big")
        kind = {8: "sound", 9: "picture"}.get(content[place])
        time = int.from_bytes(bytes([content[place + 7]]) + content[place + 4 : place + 7], "big")
        if kind:
            moved = round(1000 * move(kind, counts[kind], time / 1000)) % (1 << 32)
            counts[kind] += 1
            stamp = moved.to_bytes(4, "big")
            content[place + 4 : place + 8] = stamp[1:] + stamp[:1]
        place += 11 + size + 4
    path.write_bytes(content)
    return path
