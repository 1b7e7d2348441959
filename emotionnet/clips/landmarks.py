"""68 landmarks of a face (iBUG's numbering) from its crop, by MediaPipe's face mesh model.

The model (`Mesh`) sees the stored crop, with its edge repeated around it since it expects some room, and
gives 468 points, of which `from_mesh` makes the 68: single points, means of two, and for the outline
of the chin points in equal distances along a line of mesh points. Everything is in units of the crop.

The model file is not part of the project: ``python -m emotionnet.download landmarks`` gets it.

Source: Kartynnik et al. (2019), Real-time facial surface geometry from monocular video on mobile GPUs
(arXiv 1907.06724); Sagonas et al. (2013), 300 faces in-the-wild challenge, for the 68 points. Which mesh
points correspond to which of the 68 is ours.
"""

import os
import threading
import zipfile
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import sha256
from emotionnet.interpreter import ready

#: The model: its name, length and checksum, the wheel that holds it and where in it.
MODEL_FILE = "face_landmark.tflite"
MODEL_BYTES = 1_242_398
MODEL_SHA256 = "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814"
MODEL_LICENCE = "Apache-2.0"
WHEEL, WHEEL_BYTES = "mediapipe==0.10.21", 35_627_340
WHEEL_MEMBER = f"mediapipe/modules/face_landmark/{MODEL_FILE}"
#: Side of the model's picture, and the room around the crop as a share of the crop's side (28 of 224 px).
MODEL_SIDE, ROOM = 192, 0.125

#: Mesh points along the outline of the face, from the left edge, as seen in the picture, to the chin, and
#: from the right edge to the chin: points 0 to 8 and 16 to 8 are at equal distances along them.
OUTLINE = (
    (127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152),
    (356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152),
)
#: Points 17 to 67: the mesh points whose mean each is.
MEANS = (
    *((70, 46), (63, 53), (105, 52), (66, 65), (107, 55)),  # left brow
    *((336, 285), (296, 295), (334, 282), (293, 283), (300, 276)),  # right brow
    *((168,), (6, 197), (195, 5), (4,)),  # bridge of the nose
    *((240,), (97,), (2,), (326,), (460,)),  # below the nose
    *((33,), (160,), (158,), (133,), (153,), (144,)),  # left eye
    *((362,), (385,), (387,), (263,), (373,), (380,)),  # right eye
    *((61,), (39,), (37,), (0,), (267,), (269,), (291,)),  # upper lip, outside
    *((405,), (314,), (17,), (84,), (181,)),  # lower lip, outside
    *((78,), (82,), (13,), (312,), (308,), (317,), (14,), (87,)),  # lips, inside
)

#: Where each of the 68 points goes when the picture is mirrored: ``landmarks[..., MIRROR_68, :]`` with x
#: replaced by 1 - x are the landmarks of the mirrored crop.
MIRROR_68 = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46),
    *(39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
)


def from_mesh(mesh: np.ndarray) -> np.ndarray:
    """The 68 landmarks of a face mesh.

    Args:
        mesh: (468, 2) x, y of its points, in any units.

    Returns:
        (68, 2) in the same units.
    """
    left, right = (_along(mesh[list(line)], 9) for line in OUTLINE)
    means = [mesh[list(points)].mean(axis=0) for points in MEANS]
    return np.concatenate([left, right[-2::-1], means])


def _along(line: np.ndarray, count: int) -> np.ndarray:
    """``count`` points in equal distances along a line (n, 2), its ends among them."""
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    at = np.concatenate([[0], np.cumsum(steps)])
    wanted = np.linspace(0, at[-1], count)
    return np.stack([np.interp(wanted, at, line[:, axis]) for axis in (0, 1)], axis=1)


def five_of_68(landmarks: np.ndarray) -> np.ndarray:
    """The five points that cut a face out, of its 68: (..., 68, 2) to (..., 5, 2)."""
    eyes = [landmarks[..., first : first + 6, :].mean(axis=-2) for first in (36, 42)]
    return np.stack([*eyes, *(landmarks[..., point, :] for point in (30, 48, 54))], axis=-2)


class Mesh:
    """MediaPipe's face mesh on crops; any number of threads may use it.

    Args:
        content: of the model file, see `read_model`.

    Raises:
        UsageError: LiteRT is not installed.
    """

    def __init__(self, content: bytes):
        if find_spec("ai_edge_litert") is None:
            raise UsageError(
                "landmarks68 needs LiteRT to run its model: pip install 'emotionnet[landmarks]'."
            )
        self._content, self._local = content, threading.local()

    def landmarks(self, face: np.ndarray) -> np.ndarray:
        """The 68 landmarks of a crop.

        Args:
            face: (side, side, 3) uint8 RGB.

        Returns:
            (68, 2) x, y in units of the crop: 0, 0 its upper left corner, 1, 1 its lower right. Points
            may lie outside.
        """
        room = round(ROOM * len(face))
        wider = cv2.copyMakeBorder(face, room, room, room, room, cv2.BORDER_REPLICATE)
        smaller = len(wider) > MODEL_SIDE
        picture = cv2.resize(
            wider,
            (MODEL_SIDE, MODEL_SIDE),
            interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR,
        )
        points = self._run(picture.astype(np.float32)[None] / 255)
        return (from_mesh(points) / MODEL_SIDE * len(wider) - room) / len(face)

    def _run(self, picture: np.ndarray) -> np.ndarray:
        if not hasattr(self._local, "interpreter"):
            self._local.interpreter = ready(self._content)
        own = self._local.interpreter
        own.set_tensor(own.get_input_details()[0]["index"], picture)
        own.invoke()
        outputs = own.get_output_details()
        points = next(output["index"] for output in outputs if output["shape"][-1] > 1)
        return own.get_tensor(points).reshape(-1, 3)[:, :2].astype(np.float64)


def model_place() -> Path:
    """Where ``download landmarks`` puts the model: below ``$EMOTIONNET_CACHE`` or ``~/.cache/emotionnet``."""
    home = os.environ.get("EMOTIONNET_CACHE") or Path.home() / ".cache" / "emotionnet"
    return Path(home, "models", MODEL_FILE)


def read_model(path: str | os.PathLike | None = None) -> bytes:
    """The model file's content, checked.

    Args:
        path: a ``.tflite``, or a wheel of mediapipe; by default what ``download landmarks`` has got, else
            that of an installed mediapipe (which is not imported).

    Raises:
        UsageError: there is no such file.
        EmotionNetError: it is another model, or a wheel without it.
    """
    path = Path(path) if path else _default_model()
    if not path.is_file():
        raise UsageError(f"{path}: no such file; expected {MODEL_FILE} or a wheel of {WHEEL}")
    content = path.read_bytes()
    if path.suffix == ".whl":
        try:
            with zipfile.ZipFile(path) as wheel:
                content = wheel.read(WHEEL_MEMBER)
        except (zipfile.BadZipFile, KeyError) as error:
            raise EmotionNetError(
                f"{path}: holds no {WHEEL_MEMBER} ({error}). It is in the wheel of {WHEEL}; later ones have "
                "no models in them."
            ) from None
    if sha256(content) != MODEL_SHA256:
        # What was downloaded counts as there while it has its length.
        first = "Remove it, then get it" if path == model_place() else "Get it"
        raise EmotionNetError(
            f"{path}: is not the model that landmarks68 was made for: SHA-256 {sha256(content)[:16]}… "
            f"({len(content):,} bytes) instead of {MODEL_SHA256[:16]}… ({MODEL_BYTES:,} bytes). "
            f"{first}: python -m emotionnet.download landmarks"
        )
    return content


def _default_model() -> Path:
    installed = find_spec("mediapipe")
    places = [model_place()]
    if installed and installed.origin:
        places.append(Path(installed.origin).parents[1] / WHEEL_MEMBER)
    for place in places:
        if place.is_file():
            return place
    raise UsageError(
        "landmarks68 needs MediaPipe's face mesh model, which is not here.\n"
        f"It has {MODEL_BYTES / 1e6:.1f} MB ({MODEL_LICENCE}) and comes inside the wheel of {WHEEL} "
        f"({WHEEL_BYTES / 1e6:.1f} MB).\n"
        "Get it by `python -m emotionnet.download landmarks`, or name it: --landmark-model FILE (the "
        ".tflite or the wheel)."
    )
