"""One clip, read: face crops with their times, and the sound. Corpora and prediction both use it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from emotionnet.clips import SAMPLE_RATE
from emotionnet.clips.beside import after
from emotionnet.clips.company import Company
from emotionnet.clips.decode import Recording
from emotionnet.clips.detect import Face
from emotionnet.clips.faces import CHUNK_BYTES, CHUNK_FRAMES, FaceFinder
from emotionnet.clips.frame import Frame
from emotionnet.clips.span import Span, span_of
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import BadClip, UnreadClip

#: Of the stored crops: about 10 kB each.
JPEG_QUALITY = 92


@dataclass
class ClipData:
    """The data that is kept of a clip.

    Attributes:
        row: its row of the manifest.
        times_s: (n,) float32, times of the frames; 0 is where picture or sound begins.
        faces: n JPEG byte strings of 224 by 224 RGB crops, ``b""`` where no face was seen.
        boxes: (n, 4) float32, x, y, width, height of the face in picture pixels; NaN without one.
        landmarks: (n, 5, 2) float32, x, y of left eye, right eye, nose, left and right mouth corner,
            as seen in the picture, smoothed over some 0.1 s; NaN without a face.
        picture_size: height and width of the (upright) picture; 0, 0 without one.
        waveform: (samples,) int16, 16 kHz mono; empty without sound.
        notes: what was odd about it, for people.
    """

    row: ManifestRow
    times_s: np.ndarray
    faces: list[bytes]
    boxes: np.ndarray
    landmarks: np.ndarray
    picture_size: tuple[int, int]
    waveform: np.ndarray
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of_sound(cls, row: ManifestRow, waveform: np.ndarray) -> "ClipData":
        """A clip without a picture."""
        none = np.zeros(0, np.float32)
        boxes, landmarks = none.reshape(0, 4), none.reshape(0, 5, 2)
        return cls(row, none, [], boxes, landmarks, (0, 0), waveform)

    @property
    def faces_found(self) -> int:
        """Frames with a face."""
        return sum(1 for face in self.faces if face)

    @property
    def seconds(self) -> float:
        """The longer of picture and sound."""
        picture_s = 0.0
        if len(self.times_s) > 1:
            # The last frame is shown as long as the others are on average.
            first_s, last_s = self.times_s[[0, -1]].tolist()
            picture_s = last_s + (last_s - first_s) / (len(self.times_s) - 1)
        return max(picture_s, len(self.waveform) / SAMPLE_RATE)


def read_clip(
    row: ManifestRow,
    root: str | Path,
    finder: FaceFinder | None,
    company: Company | None = None,
) -> ClipData:
    """Reads one clip.

    The sound is that of the picture file; where that has none, or digital silence, that of
    ``row.sound``. A clip with sound whose picture shows no face, or cannot be read, is kept for its
    sound, and the other way round; ``notes`` say so. Where the row names a part of its files, that is the
    clip, and its times begin at 0.

    Args:
        row: which clip; ``picture`` may name a file that has only sound.
        root: folder that the row's files are relative to.
        finder: finds the faces; None leaves the picture out.
        company: people whose faces are not searched; by default none, and the number of others in the picture is noted.

    Returns:
        The clip.

    Raises:
        BadClip: nothing of it can be used.
        UnreadClip: one of its files cannot be read now.
    """
    notes: list[str] = []
    failures: list[str] = []
    # A file's content counts, not its name.
    recording = _open(root, row.picture or row.sound, failures, pictures=finder is not None)
    waveform, sound_notes = _sound(row, root, recording, notes, failures)
    times, faces, boxes, landmarks, size = [], [], [], [], (0, 0)
    span = span_of(row)
    if recording is not None:
        company = company or Company()
        for time, frame_size, jpeg, face in _crops(recording, finder, span, company):
            size = size if any(size) else frame_size
            times.append(time)
            faces.append(jpeg)
            boxes.append(face.box if face else np.full(4, np.nan))
            landmarks.append(face.landmarks if face else np.full((5, 2), np.nan))
        if recording.no_picture:
            _add(failures, f"{row.picture or row.sound}: {recording.no_picture}")
        notes += recording.notes
        if company.others and not company.one_person:
            notes.append(_beside(company.others))
    if span is not None and (recording is not None or waveform.size):
        times, waveform = span.cut(times, waveform, notes)
    if not any(faces) and not waveform.size:
        if faces:
            failures.append(f"no face was found in its {len(faces)} pictures, and it has no sound")
        raise BadClip("; ".join(failures) or "it has neither pictures nor sound")
    notes += failures
    if faces and not any(faces):
        notes.append(f"no face was found in its {len(faces)} pictures: only the sound is used")
    return ClipData(
        row,
        np.array(times, np.float32),
        faces,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(landmarks, np.float32).reshape(-1, 5, 2),
        size,
        waveform,
        notes + sound_notes,
    )


def _open(root: str | Path, file: str, failures: list[str], pictures: bool) -> Recording | None:
    try:
        return Recording(Path(root, file), pictures) if file else None
    except UnreadClip as error:  # a clip that is kept for the rest of it would never be whole
        raise UnreadClip(f"{file}: {error}") from None
    except BadClip as error:
        _add(failures, f"{file}: {error}")
        return None


def _sound(
    row: ManifestRow,
    root: str | Path,
    recording: Recording | None,
    notes: list[str],
    failures: list[str],
) -> tuple[np.ndarray, list[str]]:
    """The sound to use (empty without one), and the notes of a file that has nothing else."""
    if recording is not None and recording.audible:
        return recording.sound.samples, []
    other = row.sound if row.picture else ""
    if recording is not None:
        (notes if other else failures).append(f"{row.picture or row.sound}: {recording.no_sound}")
    heard = _open(root, other, failures, pictures=False)
    if heard is None:
        return np.zeros(0, np.int16), []
    if not heard.audible:
        _add(failures, f"{other}: {heard.no_sound}")
        return np.zeros(0, np.int16), []
    return heard.sound.samples, heard.notes


def _add(failures: list[str], text: str) -> None:
    """Picture and sound of a broken file fail alike: say so once."""
    if text not in failures:
        failures.append(text)


def _beside(others: int) -> str:
    faces = "1 other face is" if others == 1 else f"{others} other faces are"
    return f"{faces} seen beside the largest and most central one, which is followed"


def _crops(
    recording: Recording, finder: FaceFinder | None, span: Span | None, company: Company
) -> Iterator[tuple]:
    """Time, picture size, JPEG (empty without a face) and face of every frame of a recording, or a part."""
    if finder is None or recording.first is None:
        return iter(())
    frames = recording.frames() if span is None else span.frames(recording.frames())
    # As many may wait for their crop as are searched together.
    most = min(CHUNK_FRAMES, CHUNK_BYTES // recording.first.buffer_bytes)
    return after(_crop, finder.follow(frames, company), most)


def _crop(followed: tuple[Frame, Face | None]) -> tuple:
    frame, face = followed
    jpeg = b"" if face is None else encode_jpeg(frame.face(face.landmarks))
    return frame.time_s, frame.size, jpeg, face


def encode_jpeg(picture: np.ndarray) -> bytes:
    """A (height, width, 3) uint8 RGB picture as JPEG of quality `JPEG_QUALITY`."""
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return data.tobytes()
