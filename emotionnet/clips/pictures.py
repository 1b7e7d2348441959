"""Single pictures that are faces already: kept as they are, at their own size, without a face search.

A picture is a clip of one frame without sound. Its file may lie in a folder, in a zip
(``fer2013.zip/train/angry/1.jpg``) or be a line of the challenge's CSV (``fer2013.csv/17``).
"""

import io
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from emotionnet.clips.clip import JPEG_QUALITY, ClipData
from emotionnet.clips.frame import UPRIGHT, exif_orientation
from emotionnet.corpora.fer2013 import SIDE, cannot_unpack, read_csv_pixels
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import BadClip, UnreadClip

#: Pictures are small: this many in a shard.
SHARD_PICTURES = 2048
#: Larger pictures are made this large: the side of the crops that clips have.
LARGEST = 224
#: Quality of a JPEG that has to be turned: nearly that of the picture that it was.
TURNED_QUALITY = 98
_JPEG = b"\xff\xd8\xff"


def read_pictures(
    rows: Sequence[ManifestRow], root: str | os.PathLike
) -> Iterator[tuple[ManifestRow, ClipData | BadClip]]:
    """Reads pictures, in this process: it takes less than to hand them to another.

    Yields:
        Each row, in the order given, with its picture or the reason why it cannot be used.
    """
    with PictureFiles(root) as files:
        for row in rows:
            try:
                yield row, picture_clip(row, files.read(row.picture))
            except BadClip as error:
                yield row, error


def picture_clip(row: ManifestRow, picture: bytes | np.ndarray) -> ClipData:
    """A picture as a clip: a JPEG that is stored upright stays what it is, byte for byte.

    One that says how it has to be turned (EXIF, as phones write it) is turned here, once, since readers
    differ in whether they heed it.

    Args:
        row: its row of the manifest.
        picture: file, or (height, width) uint8 grey pixels.

    Raises:
        BadClip: it is no picture.
    """
    pixels = picture
    if isinstance(picture, bytes):
        pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_ANYCOLOR)
        if pixels is None:
            raise BadClip("cannot be decoded: no whole JPEG or PNG picture")
    height, width = pixels.shape[:2]
    if max(height, width) > LARGEST:
        pixels = cv2.resize(pixels, (LARGEST, LARGEST), interpolation=cv2.INTER_AREA)
        jpeg = _encode(pixels, JPEG_QUALITY)
    elif not isinstance(picture, bytes) or not picture.startswith(_JPEG):
        jpeg = _encode(pixels, JPEG_QUALITY)
    else:
        jpeg = _encode(pixels, TURNED_QUALITY) if _is_turned(picture) else picture
    return ClipData(
        row,
        times_s=np.zeros(1, np.float32),
        faces=[jpeg],
        boxes=np.array([[0, 0, width, height]], np.float32),
        landmarks=np.full((1, 5, 2), np.nan, np.float32),
        picture_size=(height, width),
        waveform=np.zeros(0, np.int16),
    )


def _encode(pixels: np.ndarray, quality: int) -> bytes:
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _is_turned(jpeg: bytes) -> bool:
    """Whether the pixels of a JPEG lie otherwise than its EXIF says that they are to be shown."""
    return b"Exif" in jpeg and exif_orientation(io.BytesIO(jpeg)) != UPRIGHT


class PictureFiles:
    """Reads pictures below ``root``, whatever holds them; keeps zips and CSVs open. A context."""

    def __init__(self, root: str | os.PathLike):
        self._root = Path(root)
        self._archives: dict[Path, zipfile.ZipFile] = {}
        self._pixels: dict[Path, list[bytes]] = {}

    def __enter__(self) -> "PictureFiles":
        return self

    def __exit__(self, *error: object) -> None:
        for archive in self._archives.values():
            archive.close()

    def read(self, name: str) -> bytes | np.ndarray:
        """The file ``name`` below the root, or its grey pixels (height, width) from a CSV.

        Raises:
            BadClip: it is not there, or damaged.
            UnreadClip: it cannot be read now.
        """
        path = self._root / name
        try:
            if path.is_file():
                return path.read_bytes()
            holder = next((p for p in path.parents if p.is_file()), None)
            if holder is None:
                raise BadClip(f"{name}: no such file")
            member = path.relative_to(holder).as_posix()
            if holder.suffix.lower() == ".csv":
                return self._line(holder, int(member))
            if holder not in self._archives:
                self._archives[holder] = zipfile.ZipFile(holder)
            return self._archives[holder].read(member)
        except (RuntimeError, NotImplementedError) as error:
            raise BadClip(f"{name}: {cannot_unpack(error)}") from None
        except OSError as error:
            raise UnreadClip(f"{name}: cannot be read ({error.strerror or error})") from None
        except (KeyError, IndexError, ValueError, zipfile.BadZipFile) as error:
            raise BadClip(f"{name}: cannot be read ({error})") from None

    def _line(self, path: Path, number: int) -> np.ndarray:
        if path not in self._pixels:
            self._pixels[path] = [pixels for _, _, pixels, _ in read_csv_pixels(path)]
        return np.frombuffer(self._pixels[path][number], np.uint8).reshape(SIDE, SIDE)
