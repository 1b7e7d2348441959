"""Batches of single pictures: decoded once, kept in memory, and varied by OpenCV as they are asked for.

A picture of 48 pixels is so little work for a network that the general pipeline (a record, a JPEG and
a dozen small operations a clip) would cost as much as the training step. Turning, mirroring, shifting,
zooming and bringing to the view's size are one sampling here, with the same numbers as in
`emotionnet.inputs.augment`. The draws are a function of seed, epoch and picture, so a run can resume.
"""

import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from emotionnet.inputs.augmentation import Augmentation
from emotionnet.inputs.crop_moves import drawn_move

#: What is drawn for a picture: those of `emotionnet.inputs.augment.augment_faces`, then of erasing.
DRAWS = 12


class Pictures:
    """The pictures of rows of records, decoded when first asked for.

    Args:
        records: opened records of single pictures.
        size: side in pixels that will be asked for; larger pictures are made this small at once.
    """

    def __init__(self, records, size: int):
        self._records, self._size = records, size
        self._number = {row.clip: number for number, row in enumerate(records.rows)}
        self._known: dict[str, np.ndarray] = {}

    def load(self, rows: Sequence) -> None:
        """Decodes those of ``rows`` that are not decoded yet."""
        from emotionnet.clips.records import parse

        missing = [row for row in rows if row.clip not in self._known]
        if missing:
            jpegs = self._records.dataset(missing).map(lambda s: parse(s)["jpegs"][0])
            for row, jpeg in zip(missing, jpegs.as_numpy_iterator()):
                self._known[row.clip] = decode(jpeg, self._size)

    def get(self, rows: Sequence) -> list[np.ndarray]:
        """The pictures of ``rows``, (height, width) where they are grey, else (height, width, 3)."""
        self.load(rows)
        return [self._known[row.clip] for row in rows]

    def draws(self, rows: Sequence, seed: int, epoch: int) -> np.ndarray:
        """Numbers in [-1, 1) for each of ``rows`` (rows, `DRAWS`): of seed, epoch and picture."""
        draws = np.random.default_rng([seed, epoch]).uniform(-1, 1, (len(self._number), DRAWS))
        return draws[[self._number[row.clip] for row in rows]]


def decode(jpeg: bytes, size: int) -> np.ndarray:
    """A JPEG as uint8 RGB or grey, no larger than ``size``."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_ANYCOLOR)
    picture = picture[..., ::-1] if picture.ndim == 3 else picture
    if max(picture.shape[:2]) > size:
        picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture)


def picture_batches(
    pictures: Pictures,
    rows: Sequence,
    targets: np.ndarray,
    *,
    size: int,
    batch_size: int,
    seed: int,
    epoch: int,
    strength: Augmentation | None,
) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
    """Batches of ``rows`` in their order.

    Yields:
        ``faces`` (batch, 1, size, size, 3) uint8 with ``frame_mask`` (batch, 1); and of ``targets``
        (rows, …) those of the batch.
    """
    pictures.load(rows)
    draws = pictures.draws(rows, seed, epoch)
    for start in range(0, len(rows), batch_size):
        mine = slice(start, start + batch_size)
        faces = [
            colour(vary(picture, size, draw, strength) if strength else _resized(picture, size))
            for picture, draw in zip(pictures.get(rows[mine]), draws[mine])
        ]
        mask = np.ones((len(faces), 1), np.float32)
        yield {"faces": np.stack(faces)[:, None], "frame_mask": mask}, targets[mine]


def colour(picture: np.ndarray) -> np.ndarray:
    """(height, width, 3), whether the picture is grey or not."""
    return np.repeat(picture[..., None], 3, axis=-1) if picture.ndim == 2 else picture


def _resized(picture: np.ndarray, size: int) -> np.ndarray:
    if picture.shape[:2] == (size, size):
        return picture
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)


def vary(pictures: np.ndarray, size: int, draws: np.ndarray, strength: Augmentation) -> np.ndarray:
    """Pictures as `emotionnet.inputs.augment.augment_faces` varies them, at another size.

    Args:
        pictures: one, (height, width) or (height, width, 3) uint8; or the faces of a clip (frames,
            height, width, 3), which all get the same. A single picture may have a rectangle erased.
        size: side of the result.
        draws: `DRAWS` numbers in [-1, 1).
        strength: how much.
    """
    if pictures.ndim == 4:
        x = np.stack([_moved(picture, size, draws, strength) for picture in pictures])
    else:
        x = _moved(pictures, size, draws, strength)
    mean, gain = float(x.mean()), 1 + draws[3] * strength.contrast
    shift = mean * (1 - gain) + draws[2] * strength.brightness * 255
    # A table of the result for each of the 256 values; halves are rounded to even, as in OpenCV.
    table = np.round(np.clip(np.arange(256, dtype=np.float32) * gain + shift, 0, 255))
    x = table.astype(np.uint8)[x]
    single = pictures.ndim < 4 or len(pictures) == 1
    if single and draws[7] < 2 * strength.erase_share - 1:
        top, left, bottom, right = erased(size, draws[8:], strength.erase_area)
        (x if pictures.ndim < 4 else x[0])[top:bottom, left:right] = round(mean)
    return x


def _moved(picture: np.ndarray, size: int, draws: np.ndarray, strength: Augmentation) -> np.ndarray:
    """Turned, mirrored, shifted, zoomed and brought to ``size`` in one sampling."""
    height, width = picture.shape[:2]
    turn, shift = drawn_move(np, draws, strength)
    middle = (size - 1) / 2
    # Pixel (x, y) of the result reads the picture at what this matrix makes of it.
    offset = middle - turn.sum(axis=1) * middle + shift * size
    matrix = np.column_stack([turn, offset])
    zoom = np.array([[width / size], [height / size]])
    matrix = zoom * matrix
    matrix[:, 2] += (zoom[:, 0] - 1) / 2
    return cv2.warpAffine(
        picture,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def erased(size: int, draws: np.ndarray, largest: float) -> tuple[int, int, int, int]:
    """The rectangle (top, left, bottom, right) that is erased of a picture.

    Its area is 0.02 of the picture to ``largest``, its sides' ratio 0.3 to 3.3.

    Source: Zhong et al., "Random Erasing Data Augmentation" (AAAI 2020).
    """
    area = (0.02 + (largest - 0.02) * (draws[0] + 1) / 2) * size**2
    ratio = math.exp(draws[1] * math.log(3.3))
    height = min(size, round(math.sqrt(area * ratio)))
    width = min(size, round(math.sqrt(area / ratio)))
    top = int((draws[2] + 1) / 2 * (size - height + 1))
    left = int((draws[3] + 1) / 2 * (size - width + 1))
    return top, left, top + height, left + width
