"""Tables of OpenFace 2.x: landmarks of a face over time, one CSV a video.

Read are the columns ``timestamp``, ``x_0`` … ``y_67`` (pixels of the whole picture) and, where they are
there, ``confidence``, ``success`` and ``face_id``; names may have blanks around them, as older releases
write them. Rows may be missing, and several faces may share a time.

Source: Baltrusaitis et al. (2018), OpenFace 2.0: facial behavior analysis toolkit (FG 2018).
"""

import csv
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from pathlib import Path, PurePosixPath

import numpy as np

from emotionnet.corpora import ravdess
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import BadClip, UsageError

#: A row counts as a face from this confidence on (ours).
MIN_CONFIDENCE = 0.75
_POINTS = [f"{axis}_{i}" for axis in "xy" for i in range(68)]


@dataclass(frozen=True)
class Table:
    """The content of a CSV.

    Attributes:
        times_s: (m,) rising.
        faces: (m,) number of the face.
        points: (m, 68, 2) x, y in pixels of the picture; NaN where OpenFace was not sure of a face.
        notes: what was odd, for people.
    """

    times_s: np.ndarray
    faces: np.ndarray
    points: np.ndarray
    notes: tuple[str, ...] = ()

    def of_face(self, face: float) -> "Table":
        """The rows of one face."""
        mine = self.faces == face
        return Table(self.times_s[mine], self.faces[mine], self.points[mine], self.notes)

    def part(self, start_s: float, end_s: float) -> "Table":
        """The rows from ``start_s`` on, before ``end_s``; its times begin at 0 there."""
        here = (self.times_s >= start_s) & (self.times_s < end_s)
        times_s = self.times_s[here] - start_s
        return Table(times_s, self.faces[here], self.points[here], self.notes)


def read_table(path: str | os.PathLike) -> Table:
    """Reads a CSV.

    Raises:
        BadClip: it lacks columns, or rows.
    """
    path = Path(path)
    try:
        with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
            lines = csv.reader(file, skipinitialspace=True)
            names = [name.strip() for name in next(lines, [])]
            if not names:
                raise BadClip(f"{path.name}: is empty")
            missing = [name for name in ("timestamp", *_POINTS) if name not in names]
            if missing:
                raise BadClip(
                    f"{path.name}: has no column {missing[0]} ({len(missing)} of 137 are missing); OpenFace's "
                    "FeatureExtraction writes them for a video (with -2Dfp)"
                )
            there = [name for name in ("confidence", "success", "face_id") if name in names]
            wanted = ["timestamp", *_POINTS, *there]
            pick, rows, bad = itemgetter(*(names.index(name) for name in wanted)), [], 0
            for line in lines:
                try:
                    rows.append([float(cell) for cell in pick(line)])
                except (ValueError, IndexError):
                    bad += bool(line)
    except (OSError, csv.Error) as error:
        raise BadClip(f"{path.name}: cannot be read ({error})") from None
    if not rows:
        raise BadClip(f"{path.name}: has no rows that can be read")
    values = np.array(rows)
    values = values[np.isfinite(values[:, 0])]
    values = values[np.argsort(values[:, 0], kind="stable")]
    columns = dict(zip(wanted, values.T))
    points = np.stack([values[:, 1:69], values[:, 69:137]], axis=2)
    sure = np.isfinite(points).all(axis=(1, 2)) & (columns.get("success", np.ones(len(values))) > 0)
    sure &= columns.get("confidence", np.ones(len(values))) >= MIN_CONFIDENCE
    points = np.where(sure[:, None, None], points, np.nan)
    notes = [f"{path.name}: {bad} rows cannot be read"] if bad else []
    if not sure.any():
        notes.append(f"{path.name}: in none of its {len(values)} rows OpenFace is sure of a face")
    faces = columns.get("face_id", np.zeros(len(values)))
    return Table(values[:, 0], faces, points, tuple(notes))


@dataclass(frozen=True)
class Tables:
    """The CSVs of a folder, found by the names of clips.

    Args:
        folder: of the tables, in any folders below it.
    """

    folder: Path

    def check(self) -> None:
        """Makes sure that there is any table.

        Raises:
            UsageError: there is none.
        """
        if not self._by_stem:
            what = "holds no .csv" if self.folder.is_dir() else "no such folder"
            raise UsageError(f"--openface {self.folder}: {what}; it should hold OpenFace's tables")

    def find(self, row: ManifestRow) -> Path:
        """The table of a clip: named as its picture, its sound, or the clip; of RAVDESS, whose takes lie in files of
        several names, also one ending with the take after a dash (``01-`` + take).

        Raises:
            BadClip: there is none, or more than one.
        """
        files = [PurePosixPath(file) for file in (row.picture, row.sound, row.clip) if file]
        stems = [files[0].stem, *(file.stem for file in files[1:-1]), files[-1].name]
        for stem in dict.fromkeys(stems):
            if stem in self._by_stem:
                return self._only(self._by_stem[stem], files[0].parent.name)
        ending = f"-{files[-1].name}"
        ended = [paths for stem, paths in self._by_stem.items() if stem.endswith(ending)]
        if ended and row.corpus == ravdess.NAME:
            return self._only([path for paths in ended for path in paths], files[0].parent.name)
        raise BadClip(f"no table {stems[0]}.csv in {self.folder}")

    def _only(self, paths: list[Path], parent: str) -> Path:
        """The one table, or the one in a folder named as that of the clip."""
        near = [path for path in paths if path.parent.name == parent]
        if len(paths) > 1 and len(near) != 1:
            names = " and ".join(str(path.relative_to(self.folder)) for path in paths[:2])
            raise BadClip(f"more than one table may be its own: {names}")
        return paths[0] if len(paths) == 1 else near[0]

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        found = defaultdict(list)
        for path in sorted(_csvs(self.folder)):
            found[path.stem].append(path)
        return found


def _csvs(folder: Path) -> Iterable[Path]:
    for path in folder.rglob("*"):
        if path.suffix.lower() == ".csv" and not path.name.startswith("."):
            yield path
