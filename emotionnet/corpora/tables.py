"""Tables that list clips: ours (``clips.csv``) and the `datasets` library's (``metadata.csv`` with ``file_name``).

Comma, semicolon, tab and ``|`` are understood, and Excel's first line ``sep=;``. What a cell says where nothing
is known (``nan``, ``None``, …) counts as empty. Times are seconds (``1.5``, ``1,5``) or ``minutes:seconds``.
"""

import csv
import dataclasses
import io
import json
import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from emotionnet.corpora import words
from emotionnet.corpora.listing import LFS_REASON, Ignored, is_lfs_pointer, kind_of
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import UsageError
from emotionnet.votes import renamed

#: Ours; and the `datasets` library's, which may lie in the folder of a part, too.
TABLE = "clips.csv"
METADATA = ("metadata.csv", "metadata.jsonl")
#: What a column is called, in any case and with blanks for ``_``; the first one that is there counts.
COLUMNS = {
    "file": ("file", "file_name", "filename"),
    "emotion": ("emotion", "label"),
    "actor": ("actor", "actor_id", "speaker", "speaker_id", "subject", "subject_id", "person"),
    "sex": ("sex", "gender"),
    "part": ("part", "split", "partition", "subset", "usage"),
    "start_s": ("start", "start_s", "start_time", "begin", "onset"),
    "end_s": ("end", "end_s", "end_time", "stop"),
}
_OWN = {field.name for field in dataclasses.fields(ManifestRow)} - {
    "corpus",
    "label_kind",
    "picture",
}
_DELIMITERS = ",;\t|"


@dataclass
class Line:
    """A line of a table: its number, and its cells by the names of `COLUMNS` and of a manifest."""

    number: int
    cells: dict[str, str]


def has_columns(table: Path) -> bool:
    """Whether a metadata table names files and their emotions."""
    try:
        columns = _columns(table, _header(_cells(table)))
    except UsageError:
        return False
    return {"file", "emotion"} <= columns.keys()


def read_tables(
    root: Path, tables: Mapping[Path, Path], corpus: str, ignored: Ignored, notes: list[str]
) -> list[ManifestRow]:
    """The rows of all tables.

    Args:
        root: folder of the corpus.
        tables: each with the folder that its files are relative to.
        corpus: its name.
        ignored: ``(file, reason)`` is appended for each line that cannot be used.
        notes: what is to be said of the tables is appended.

    Raises:
        UsageError: one is missing, is no text, or lacks a column.
    """
    rows: dict[str, ManifestRow] = {}
    listed: dict[tuple[str, str, str], tuple[str, str]] = {}
    contradictions = 0
    for table, folder in tables.items():
        for line in read_table(table, notes):
            where = f"{_name(root, table)}, line {line.number}"
            try:
                row = _row_of(root, folder, line.cells, corpus)
                content = (row.picture or row.sound, row.start_s, row.end_s)
                if content in listed:
                    emotion, earlier = listed[content]
                    contradictions += emotion != row.emotion
                    raise ValueError(
                        f"listed twice: its label is {emotion!r} in {earlier}, which counts"
                        if emotion != row.emotion
                        else f"listed twice, first in {earlier}"
                    )
                if row.clip in rows:
                    raise ValueError(
                        f"clip {row.clip!r} is listed twice: clips need different names"
                    )
                rows[row.clip] = row
                listed[content] = row.emotion, where
            except ValueError as reason:
                file = line.cells.get("file")
                place = _name(root, folder / file) if file else where
                ignored.append((place, f"{where}: {reason}"))
    if contradictions:
        notes.append(
            f"{contradictions} lines give a clip another label than an earlier line, which counts"
        )
    return list(rows.values())


def read_table(table: Path, notes: list[str]) -> list[Line]:
    """The lines of a table, by the names of columns that are known; other columns are named in ``notes``."""
    cells = _cells(table)
    header = _header(cells)
    columns = _columns(table, header)
    missing = [column for column in ("file", "emotion") if column not in columns]
    if missing:
        found = ", ".join(header) or "nothing"
        raise UsageError(f"{table}: column {missing[0]!r} is missing. Found: {found}.")
    unused = [name for i, name in enumerate(header) if name and i not in columns.values()]
    if unused:
        notes.append(f"{table.name}: columns that are not used: {', '.join(unused)}")
    lines = []
    for number, line in cells[1:]:
        if not any(cell.strip() for cell in line):
            continue
        found = {name: line[i].strip() if i < len(line) else "" for name, i in columns.items()}
        found = {name: "" if words.is_missing(cell) else cell for name, cell in found.items()}
        if any(cell.strip() for cell in line[len(header) :]):
            found["more"] = "yes"
        lines.append(Line(number, found))
    return lines


def _header(cells: list[tuple[int, list[str]]]) -> list[str]:
    return (
        ["_".join(re.split(r"[\s_]+", name.strip().lower())) for name in cells[0][1]]
        if cells
        else []
    )


def _columns(table: Path, header: list[str]) -> dict[str, int]:
    """Name of each column that is known to its place."""
    twice = [name for name, count in Counter(filter(None, header)).items() if count > 1]
    if twice:
        raise UsageError(f"{table}: column {twice[0]!r} is there twice. Keep one of them.")
    columns = {name: header.index(name) for name in _OWN if name in header}
    for name, spellings in COLUMNS.items():
        place = next((header.index(each) for each in spellings if each in header), None)
        if place is not None:
            columns[name] = place
    return columns


def _cells(table: Path) -> list[tuple[int, list[str]]]:
    """Number and cells of each line, the header first."""
    text = _text(table)
    if table.suffix.lower() == ".jsonl":
        return _json_cells(table, text)
    first, _, rest = text.partition("\n")
    said = re.fullmatch(r'"?sep=(.)"?', first.strip("\r "), re.IGNORECASE)
    skipped = 0
    if said or re.fullmatch(r'"?sep="?', first.strip("\r "), re.IGNORECASE):
        text, skipped, first = rest, 1, rest.split("\n", 1)[0]
    delimiter = said[1] if said else max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return [(reader.line_num + skipped, line) for line in reader]
    except csv.Error as error:
        raise UsageError(f"{table}: is no CSV ({error}). Save it as CSV UTF-8.") from None


def _text(table: Path) -> str:
    if not table.is_file():
        raise UsageError(f"{table}: no such CSV. It needs the columns file and emotion.")
    content = table.read_bytes()
    utf_16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")  # "Unicode text" of a spreadsheet
    try:
        return content.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{table}: is not UTF-8 text. Save it as CSV UTF-8.") from None


def _json_cells(table: Path, text: str) -> list[tuple[int, list[str]]]:
    lines = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                lines.append((number, dict(json.loads(line))))
            except (ValueError, TypeError):
                raise UsageError(f"{table}, line {number}: is no JSON object.") from None
    header = list(dict.fromkeys(name for _, line in lines for name in line))
    cells = [(number, [_as_cell(line.get(name)) for name in header]) for number, line in lines]
    return [(0, header), *cells] if header else []


def _as_cell(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _row_of(root: Path, folder: Path, cells: dict[str, str], corpus: str) -> ManifestRow:
    if cells.get("more"):
        raise ValueError("has more cells than the header has columns: is a comma not in quotes?")
    file = _inside(root, folder, cells["file"])
    kind = kind_of(file.suffix.lower())
    if not cells["emotion"]:
        raise ValueError("no emotion is given")
    facts = {name: cell for name, cell in cells.items() if name in _OWN - {"sound"} and cell}
    facts |= _times(cells)
    facts["emotion"] = words.emotion_name(cells["emotion"])
    facts["actor"] = words.actor_name(cells.get("actor", ""))
    if "sex" in facts:
        facts["sex"] = words.SEXES.get(facts["sex"].lower(), facts["sex"].lower())
    if "votes" in facts:
        facts["votes"] = _votes(facts["votes"])
    facts[kind] = str(file)
    if kind == "picture" and cells.get("sound"):
        facts["sound"] = str(_inside(root, folder, cells["sound"]))
    times = f"@{facts.get('start_s', '')}-{facts.get('end_s', '')}"
    facts.setdefault("clip", f"{file.with_suffix('')}{times if times != '@-' else ''}")
    return ManifestRow(corpus=corpus, label_kind="given", **facts)


def _votes(text: str) -> str:
    """A crowd's votes, their classes called as those of clips are."""
    try:
        votes = json.loads(text)
    except ValueError:
        votes = None
    counts = votes.values() if isinstance(votes, dict) else [None]
    if not all(type(n) in (int, float) and 0 <= n < math.inf for n in counts):
        raise ValueError(f'votes are written as {{"happy": 7, "sad": 3}}, not {text}')
    return renamed(text, words.emotion_name)


def _times(cells: dict[str, str]) -> dict[str, str]:
    found = {name: seconds(cells[name]) for name in ("start_s", "end_s") if cells.get(name)}
    start, end = found.get("start_s", 0.0), found.get("end_s")
    if end is not None and end <= start:
        raise ValueError(f"ends at {end:g} s, but begins at {start:g} s")
    return {name: f"{value:.4f}".rstrip("0").rstrip(".") for name, value in found.items()}


def seconds(text: str) -> float:
    """Seconds of ``1.5``, ``1,5``, ``2:03.5`` or ``1:02:03``.

    Raises:
        ValueError: it is no such time.
    """
    if not re.fullmatch(r"(\d+:){0,2}\d+([.,]\d*)?([eE][-+]?\d+)?", text):
        raise ValueError(f"{text!r} is no time in seconds")
    value = 0.0
    for part in text.replace(",", ".").split(":"):
        value = 60 * value + float(part)
    return value


def _inside(root: Path, folder: Path, name: str) -> PurePosixPath:
    """The file as a path relative to ``root``, once it is known to exist there."""
    if not name:
        raise ValueError("no file is given")
    forms = dict.fromkeys(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    tries = [name, name.replace("\\", "/"), *forms]
    # What cannot be the name of a file (too long) is none.
    path = next((folder / each for each in tries if os.path.isfile(folder / each)), None)
    if path is None:
        raise ValueError(f"no such file: {folder / name.replace(chr(92), '/')}")
    if is_lfs_pointer(path):
        raise ValueError(LFS_REASON)
    try:
        relative = Path(os.path.abspath(path)).relative_to(os.path.abspath(root))
    except ValueError:
        raise ValueError(f"lies outside {root}: move or link it there") from None
    return PurePosixPath(relative.as_posix())


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
