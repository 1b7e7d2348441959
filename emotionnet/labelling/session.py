"""A person's answers: kept in a CSV that the ``folder`` corpus reads, written after every answer."""

import os
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from emotionnet.corpora.layout import may_be_person
from emotionnet.corpora.words import is_missing
from emotionnet.errors import UsageError
from emotionnet.files import read_csv, read_given_csv, sha256, write_csv
from emotionnet.labelling.queue import Scored

#: What a row says; further columns of an existing file are kept.
COLUMNS = ("file", "emotion", "actor", "entropy_bits", "run", "labelled")
_SKIPPED = ("file", "run")


class Session:
    """The clips of one sitting, their answers, and the files that these are kept in.

    Args:
        pool: folder of the clips.
        out: the CSV of the answers. Rows of other clips in it are kept as they are.
        clips: what to ask, in order.
        labels: the answers to choose from.
        run: which model asked, see `emotionnet.labelling.queue.run_id`.

    Raises:
        UsageError: ``out`` is there but is not such a CSV.
    """

    def __init__(
        self,
        pool: str | os.PathLike,
        out: str | os.PathLike,
        clips: Sequence[Scored],
        labels: Sequence[str],
        run: str,
    ):
        self.pool, self.out, self.run = Path(pool), Path(out), run
        self.clips, self.labels = list(clips), tuple(labels)
        self._lock = threading.Lock()
        self._rows = read_labels(self.out)
        self._entropy = {clip.file: clip.entropy_bits for clip in self.clips}
        self._skipped = self._read_skipped()

    @property
    def name(self) -> str:
        """The same for the same CSV: under it a browser keeps answers that were not saved yet."""
        return sha256(str(self.out.resolve()))[:12]

    @property
    def _skipped_file(self) -> Path:
        return self.out.with_suffix(".skipped.csv")

    def _read_skipped(self) -> set[tuple[str, str]]:
        """File and run of what was skipped."""
        path = self._skipped_file
        lines = read_csv(path) if path.is_file() else []
        return {tuple(line[name] for name in _SKIPPED) for line in lines}

    def answers(self) -> dict[str, dict[str, Any]]:
        """File → ``emotion`` ("" for skipped) and ``actor``, of the clips of this sitting."""
        with self._lock:
            found = {
                file: {"emotion": self._rows[file]["emotion"], "actor": self._rows[file]["actor"]}
                for file in labelled(self._rows).keys() & self._entropy.keys()
            }
            for file in self._entropy:
                if (file, self.run) in self._skipped and file not in found:
                    found[file] = {"emotion": "", "actor": ""}
            return found

    def answer(self, file: str, emotion: str | None, actor: str = "") -> None:
        """Keeps one answer, on disk when this returns.

        Args:
            file: a clip of this sitting.
            emotion: one of the labels; "" to skip the clip, None to take the answer back.
            actor: who is seen or heard, "" where unknown.

        Raises:
            ValueError: a clip that was not asked about, or no such label.
            UsageError: the CSV is none any more.
        """
        if file not in self._entropy:
            raise ValueError("this clip is not asked about")
        if emotion and emotion not in self.labels:
            raise ValueError(f"{emotion!r} is not one of the labels")
        with self._lock:
            # Another sitting, or a spreadsheet, may have written there since.
            before = read_labels(self.out) if self.out.exists() else self._rows
            skipped_before = self._read_skipped()
            rows, skipped = dict(before), skipped_before - {(file, self.run)}
            rows.pop(file, None)
            if emotion:
                rows[file] = {
                    **before.get(file, {}),
                    "file": file,
                    "emotion": emotion,
                    "actor": " ".join(actor.split()),
                    "entropy_bits": f"{self._entropy[file]:.4f}",
                    "run": self.run,
                    "labelled": datetime.now(UTC).isoformat(timespec="seconds"),
                }
            elif any(text for name, text in before.get(file, {}).items() if name not in COLUMNS):
                # What others wrote about the clip is not ours to take back.
                own = dict.fromkeys(("emotion", "entropy_bits", "run", "labelled"), "")
                rows[file] = {**before[file], **own}
            if emotion == "":
                skipped.add((file, self.run))
            if rows != before:
                write_labels(self.out, rows)
            if skipped != skipped_before:
                lines = (dict(zip(_SKIPPED, each)) for each in sorted(skipped))
                write_csv(self._skipped_file, lines, _SKIPPED)
            self._rows, self._skipped = rows, skipped

    def actor_of(self, file: str) -> str:
        """Who the clip shows, as far as its folders tell: the innermost that may be called after a person."""
        folders = PurePosixPath(file).parts[:-1]
        return next(filter(may_be_person, reversed(folders)), "")

    def counts(self) -> dict[str, int]:
        """How many clips of this sitting have each answer; "" counts the skipped ones."""
        emotions = [answer["emotion"] for answer in self.answers().values()]
        return {label: emotions.count(label) for label in (*self.labels, "")}


def read_labels(path: str | os.PathLike) -> dict[str, dict[str, str]]:
    """File → row of a CSV of labels; empty where there is none yet.

    Raises:
        UsageError: it lacks the columns ``file`` and ``emotion``, cannot be read, or names a file twice (a list
            of parts of files), of which one row alone would be kept.
    """
    if not Path(path).exists():
        return {}
    rows = read_given_csv(path)
    if rows and not {"file", "emotion"} <= rows[0].keys():
        raise UsageError(
            f"{path}: lacks the columns file and emotion, so it is not a CSV of labels. "
            "Nothing was changed; give another --out."
        )
    # As the pool's files are called: a.mp4, also where the table says ./a.mp4.
    files = [PurePosixPath(row["file"] or "").as_posix() for row in rows]
    twice = next((file for file, n in Counter(files).items() if n > 1), None)
    if twice is not None:
        raise UsageError(
            f"{path}: names {twice} more than once, so it is not a CSV of labels of whole files. Nothing was "
            "changed; give another --out."
        )
    return {file: {"actor": "", "run": "", **row} for file, row in zip(files, rows)}


def labelled(rows: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """The rows that say an emotion: a list of clips may leave it open."""
    return {file: row for file, row in rows.items() if not is_missing(row["emotion"])}


def write_labels(path: str | os.PathLike, rows: dict[str, dict[str, str]]) -> None:
    """Writes rows as CSV, sorted by file, whole or not at all."""
    own = {key: None for row in rows.values() for key in row if key}
    columns = list(dict.fromkeys([*COLUMNS, *own]))
    lines = ({c: row.get(c) or "" for c in columns} for _, row in sorted(rows.items()))
    write_csv(path, lines, columns)
