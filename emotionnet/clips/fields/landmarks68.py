"""68 landmarks of the face, from the stored crops or from OpenFace's tables."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from emotionnet.clips.crop import in_crop_units
from emotionnet.clips.faces import Face, smooth
from emotionnet.clips.fields.field import Field, FieldValues
from emotionnet.clips.landmarks import MODEL_SHA256, Mesh, five_of_68, read_model
from emotionnet.clips.openface import MIN_CONFIDENCE, Table, Tables, read_table
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import BadClip, UsageError

#: Of OpenFace's points of a frame, how much of the record's box they may be beside it, in sides of the box.
_SLACK = 0.25
_NOBODY = np.full((68, 2), np.nan)


@dataclass(frozen=True)
class Landmarks68(Field):
    """iBUG's 68 landmarks, in units of the crop.

    Args:
        landmark_model: the face mesh model, or the wheel that holds it; by default where
            ``download landmarks`` puts it.
        openface: folder of OpenFace's tables, which are taken instead of the model.
    """

    landmark_model: str = ""
    openface: str = ""

    name = "landmarks68"
    shape = (68, 2)
    meaning = (
        "68 landmarks of the face (iBUG's order) as x, y in units of the crop (0, 0 its upper left corner, "
        "1, 1 its lower right)"
    )

    def __post_init__(self):
        if self.openface and self.landmark_model:
            raise UsageError(
                "--openface with --landmark-model: the landmarks come from one of them"
            )
        if self.openface:
            self._tables.check()
        else:
            self._mesh  # noqa: B018  what is missing is reported before hours of work

    def content(self) -> dict[str, Any]:
        """See `Field.content`."""
        if self.openface:
            return {"source": "OpenFace's tables", "min_confidence": MIN_CONFIDENCE}
        return {"source": "MediaPipe's face mesh", "model_sha256": MODEL_SHA256}

    def files(self, row: ManifestRow) -> list:
        """See `Field.files`."""
        if not self.openface:
            return []
        try:
            path = self._tables.find(row)
        except BadClip:
            return []
        status = os.stat(path)
        name = path.relative_to(self._tables.folder).as_posix()
        span = [row.start_s, row.end_s] if _is_of_more(path, row) else []
        return [name, status.st_size, status.st_mtime_ns, *span]

    def compute(self, parsed: dict[str, Any], row: ManifestRow) -> FieldValues:
        """See `Field.compute`. A clip without pictures has the tables' own times."""
        if not self.openface:
            values = [self._mesh.landmarks(_decode(j)) if j else _NOBODY for j in parsed["jpegs"]]
            return FieldValues(parsed["times_s"], np.reshape(values, (-1, 68, 2)))
        path = self._tables.find(row)
        table = read_table(path)
        of_more = _is_of_more(path, row)
        if of_more:
            table = table.part(float(row.start_s or 0), float(row.end_s or np.inf))
        if not len(parsed["times_s"]):
            return _alone(table, path.name)
        # The clock of a whole clip's table begins with its first frame.
        begin_s = 0.0 if of_more else float(parsed["times_s"][0])
        return _at_frames(table, begin_s, parsed, path.name)

    @cached_property
    def _mesh(self) -> Mesh:
        return Mesh(read_model(self.landmark_model))

    @cached_property
    def _tables(self) -> Tables:
        return Tables(Path(self.openface))


def _decode(jpeg: bytes) -> np.ndarray:
    face = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(face[..., ::-1])


def _is_of_more(path: Path, row: ManifestRow) -> bool:
    """Whether a table is of a whole file, of which the clip is a part."""
    return bool(row.start_s or row.end_s) and path.stem != PurePosixPath(row.clip).name


def _at_frames(table: Table, begin_s: float, parsed: dict[str, Any], name: str) -> FieldValues:
    """A table's points, whose clock begins at ``begin_s``, at the frames of a record, in units of its crops."""
    times_s, boxes = parsed["times_s"].astype(np.float64), parsed["boxes"]
    distance_s = (times_s[-1] - times_s[0]) / (len(times_s) - 1) if len(times_s) > 1 else 1 / 30
    rows_s = table.times_s + begin_s
    near = np.abs(rows_s[None] - times_s[:, None])
    values = np.full((len(times_s), 68, 2), np.nan)
    sure, elsewhere = np.isfinite(table.points[:, 0, 0]), 0
    for frame, (box, landmarks) in enumerate(zip(boxes, parsed["landmarks"])):
        if not np.isfinite(box).all():
            continue
        here = np.flatnonzero(sure & (near[frame] <= distance_s / 2 + 1e-6))
        inside = [row for row in here if _in_box(table.points[row], box)]
        elsewhere += bool(len(here)) and not inside
        if inside:
            middle = box[:2] + box[2:] / 2
            away = [np.linalg.norm(table.points[row].mean(0) - middle) for row in inside]
            # Nearest in time; of several faces at that time the nearest in place.
            best = min(zip(near[frame, inside], away, inside))[2]
            values[frame] = in_crop_units(table.points[best], landmarks)
    notes = list(table.notes)
    beyond = int((rows_s > times_s[-1] + distance_s).sum())
    if beyond:
        notes.append(f"{name}: {beyond} of its {len(rows_s)} rows are after the end of the clip")
    if elsewhere:
        where = "of another clip, or another person's?"
        notes.append(f"{name}: in {elsewhere} frames its points are not in the face: is it {where}")
    return FieldValues(parsed["times_s"], values, tuple(notes))


def _in_box(points: np.ndarray, box: np.ndarray) -> bool:
    """Whether the middle of the points lies in a box (x, y, width, height), or a little beside it."""
    slack = _SLACK * box[2:]
    middle = points.mean(axis=0)
    return bool((middle >= box[:2] - slack).all() and (middle <= box[:2] + box[2:] + slack).all())


def _alone(table: Table, name: str) -> FieldValues:
    """A table's points at its own times, in units of the crops that its own points would make."""
    numbers, notes = np.unique(table.faces), list(table.notes)
    if len(numbers) > 1:
        seen = [np.isfinite(table.of_face(n).points[:, 0, 0]).sum() for n in numbers]
        best = numbers[int(np.argmax(seen))]
        table = table.of_face(best)
        notes.append(f"{name}: has {len(numbers)} faces; face {best:.0f}, seen most, is taken")
    five = _smoothed(table.times_s, five_of_68(table.points))
    values = [in_crop_units(points, five_here) for points, five_here in zip(table.points, five)]
    return FieldValues(table.times_s, np.reshape(values, (-1, 68, 2)), tuple(notes))


def _smoothed(times_s: np.ndarray, five: np.ndarray) -> list[np.ndarray]:
    """Five points of each frame smoothed in time as those of records are."""
    box = np.zeros(4)
    pairs = (
        (
            SimpleNamespace(time_s=time, size=None),
            Face(box, p, 1.0) if np.isfinite(p).all() else None,
        )
        for time, p in zip(times_s, five)
    )
    return [face.landmarks if face else np.full((5, 2), np.nan) for _, face in smooth(pairs)]


FIELD = Landmarks68
