"""One decoded picture, as a player shows it: upright, with square pixels, in everyday brightness."""

import os
from typing import BinaryIO

import numpy as np

from emotionnet.clips.crop import crop_face
from emotionnet.clips.hdr import is_hdr, to_sdr

#: Pixels that a header says are more than this many times as wide as high (or as high as wide) are square.
MOST_ASPECT = 8.0


class Frame:
    """One decoded picture, not yet converted.

    Args:
        frame: the decoder's frame.
        time_s: presentation time in seconds.
        converters: shared by the frames of a stream: FFmpeg's converters by long side, since making
            one costs more than converting.
        pixel_aspect: width of a stored pixel as a player shows it, in heights.
        orientation: how the stored picture becomes upright, as `exif_orientation` gives it; by default
            as the frame says.
    """

    __slots__ = ("_converters", "_frame", "_orientation", "_shape", "time_s")

    def __init__(
        self,
        frame,
        time_s: float,
        converters: dict | None = None,
        pixel_aspect: float = 1.0,
        orientation: tuple[bool, int, int] | None = None,
    ):
        self._frame = frame
        self._converters = {} if converters is None else converters
        self.time_s = time_s
        self._orientation = orientation or _orientation(frame)
        height, width = frame.height, frame.width
        # The shorter side of a pixel is drawn out, so that nothing of the picture is lost.
        if 1 < pixel_aspect <= MOST_ASPECT:
            width = round(width * pixel_aspect)
        elif 1 / MOST_ASPECT <= pixel_aspect < 1:
            height = round(height / pixel_aspect)
        self._shape = (height, width)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the upright picture in pixels."""
        transposed = self._orientation[0]
        return self._shape[::-1] if transposed else self._shape

    @property
    def buffer_bytes(self) -> int:
        """Roughly what holding this frame costs."""
        return sum(plane.buffer_size for plane in self._frame.planes)

    @property
    def hdr(self) -> bool:
        """Whether its brightness is coded for bright screens (PQ or HLG)."""
        return is_hdr(self._frame)

    def picture(self, long_side: int | None = None) -> np.ndarray:
        """The upright picture as RGB.

        Args:
            long_side: reduce to this many pixels on the longer side (area average); never enlarges.
                By default the picture keeps its size.

        Returns:
            (height, width, 3) uint8. Grey becomes three equal channels; an alpha channel is dropped.
        """
        pixels = self._pixels(long_side)
        return to_sdr(pixels, self._frame) if self.hdr else np.ascontiguousarray(pixels)

    def face(self, landmarks: np.ndarray) -> np.ndarray:
        """The crop of a face, see `emotionnet.clips.crop.crop_face`: (224, 224, 3) uint8."""
        crop = crop_face(self._pixels(), landmarks)
        # A large picture need not be brought to everyday brightness for one face in it.
        return to_sdr(crop, self._frame) if self.hdr else crop

    def _pixels(self, long_side: int | None = None) -> np.ndarray:
        """The upright picture as coded: uint8, or uint16 where it is HDR. A view."""
        height, width = self._shape
        scale = 1.0 if long_side is None else min(1.0, long_side / max(height, width))
        if long_side not in self._converters:
            from av.video.reformatter import VideoReformatter

            self._converters[long_side] = VideoReformatter()
        rgb = self._converters[long_side].reformat(
            self._frame,
            width=max(1, round(width * scale)),
            height=max(1, round(height * scale)),
            format="rgb48le" if self.hdr else "rgb24",
            interpolation="AREA",
        )
        plane = rgb.planes[0]
        kind = np.dtype("<u2" if self.hdr else "u1")
        # Rows may be longer than the picture is wide.
        strides = (plane.line_size, 3 * kind.itemsize, kind.itemsize)
        view = np.ndarray((rgb.height, rgb.width, 3), kind, plane, 0, strides)
        transposed, down, right = self._orientation
        return (view.transpose(1, 0, 2) if transposed else view)[::down, ::right]


#: The orientations of EXIF, 1 to 8, as `exif_orientation` gives them.
_EXIF = (
    *((False, 1, 1), (False, 1, -1), (False, -1, -1), (False, -1, 1)),
    *((True, 1, 1), (True, 1, -1), (True, -1, -1), (True, -1, 1)),
)
#: What needs no turning.
UPRIGHT = _EXIF[0]
#: Those of this many quarter turns counterclockwise.
_TURNS = (UPRIGHT, _EXIF[7], _EXIF[2], _EXIF[5])


def exif_orientation(photograph: str | os.PathLike | BinaryIO) -> tuple[bool, int, int]:
    """How a photograph becomes upright by its EXIF, which PyAV cannot list.

    Returns:
        Whether rows become columns, then which way rows and columns run (1 or -1).
    """
    from PIL import ExifTags, Image

    try:
        with Image.open(photograph) as opened:
            value = opened.getexif().get(ExifTags.Base.Orientation)
    except (OSError, SyntaxError, ValueError):
        value = None  # what Pillow cannot read may still decode, and says nothing
    return _EXIF[value - 1] if value in range(1, 9) else UPRIGHT


def _orientation(frame) -> tuple[bool, int, int]:
    """As `exif_orientation`, by the display matrix of a film. Phones turn by quarters, front cameras
    mirror; other angles are rounded."""
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV refuses to list kinds of data that it does not know
        return _TURNS[round(frame.rotation / 90) % 4]
    if data is None:
        return UPRIGHT
    # Fixed point; stored x, y are shown at a x + c y, b x + d y.
    (a, b), (c, d) = np.frombuffer(data, np.int32)[:9].reshape(3, 3)[:2, :2].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, -1 if d < 0 else 1, -1 if a < 0 else 1
    return True, -1 if b < 0 else 1, -1 if c < 0 else 1
