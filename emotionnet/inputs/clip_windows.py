"""Windows of one clip as a model's inputs: what `View` gives of its record, without TensorFlow."""

import io
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from emotionnet.clips import SAMPLE_RATE
from emotionnet.clips.clip import ClipData
from emotionnet.clips.crop import CROP_SIZE
from emotionnet.clips.fields.field import FieldValues
from emotionnet.clips.sound import is_silent
from emotionnet.inputs.kinds import STREAMS
from emotionnet.inputs.picking import faces_at, nearest, points_at, seconds
from emotionnet.inputs.views import View, shrinks_by

#: OpenCV's flags that shrink while decoding, as libjpeg can; how a picture lies is not its business here.
_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def clip_seconds(clip: ClipData) -> float:
    """Length of a clip as a view of its record has it."""
    return float(seconds(np, clip.times_s, _sound_s(clip)))


def clip_windows(
    clip: ClipData, view: View, starts_s: Sequence[float], points: FieldValues | None = None
) -> dict[str, np.ndarray]:
    """The inputs of windows of a clip, (windows, …) by name; as `View.__call__` of its record.

    Args:
        clip: as it was read.
        view: of the system.
        starts_s: where the windows begin.
        points: landmarks of the faces, where the view asks for them; None where there are none.
    """
    inputs = view.empty(len(starts_s))
    length_s = seconds(np, clip.times_s, _sound_s(clip))
    for i, start_s in enumerate(np.asarray(starts_s, np.float32)):
        window = start_s, np.minimum(start_s + np.float32(view.window_s), length_s)
        _put_faces(inputs, i, clip, view, window)
        _put_sound(inputs, i, clip, view, start_s)
        if view.landmarks and points is not None:
            _put_landmarks(inputs, i, points, view, window)
    return inputs


def decode_face(jpeg: bytes, size: int) -> np.ndarray:
    """A stored face as (size, size, 3) uint8 RGB, see `View.decode`."""
    with Image.open(io.BytesIO(jpeg)) as header:  # nothing is decoded yet
        is_crop = header.size == (CROP_SIZE, CROP_SIZE)
    flags = _REDUCED[shrinks_by(size) if is_crop else 1] | cv2.IMREAD_IGNORE_ORIENTATION
    face = cv2.imdecode(np.frombuffer(jpeg, np.uint8), flags)
    if face.shape[:2] != (size, size):
        shrink = max(face.shape[:2]) > size
        method = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
        # In float32, since OpenCV's arithmetic on bytes rounds earlier.
        face = np.rint(cv2.resize(face.astype(np.float32), (size, size), interpolation=method))
    return face[..., ::-1].astype(np.uint8)


def _sound_s(clip: ClipData) -> np.float32:
    return np.float32(len(clip.waveform)) / np.float32(SAMPLE_RATE)


def _put_faces(inputs, i: int, clip: ClipData, view: View, window) -> None:
    usable = np.array([bool(face) for face in clip.faces], bool)
    numbers, found = faces_at(np, view, clip.times_s, usable, window)
    inputs["frame_mask"][i] = found
    for segment in np.flatnonzero(found):
        inputs["faces"][i, segment] = decode_face(clip.faces[numbers[segment]], view.image_size)


def _put_sound(inputs, i: int, clip: ClipData, view: View, start_s: np.float32) -> None:
    start = int(np.rint(start_s * np.float32(SAMPLE_RATE)))
    sound = clip.waveform[start : start + view.samples]
    inputs["waveform"][i, : len(sound)] = sound / np.float32(32768)
    inputs["waveform_samples"][i] = 0 if is_silent(sound) else len(sound)


def _put_landmarks(inputs, i: int, points: FieldValues, view: View, window) -> None:
    known = np.isfinite(points.values).all(axis=(1, 2))
    numbers, found = nearest(np, points.times_s, known, window, view.landmarks, view.frame_hz)
    content, mask = STREAMS["geometry"].inputs
    inputs[content][i] = points_at(np, points.values, numbers, found)
    inputs[mask][i] = found
