"""What became of a corpus, for people: how much, how many faces, what was skipped and why."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotionnet.clips.records import RecordRow
from emotionnet.clips.same import repeated
from emotionnet.clips.shards import Shard
from emotionnet.corpora.listing import left_out
from emotionnet.emotions import label_order
from emotionnet.files import read_json, write_csv, write_json, write_text

#: Lines of ``summary.txt`` for skipped clips, and for notes; all are in the other files.
SHOWN = 10


def write_skipped(
    path: str | os.PathLike,
    shards: Sequence[Shard],
    indexes: Sequence[dict[str, Any]],
    ignored: Sequence[tuple[str, str]],
) -> None:
    """Writes ``skipped.csv``: clips that could not be used, then files that the corpus left out."""
    lines = []
    for shard, index in zip(shards, indexes):
        rows = {row.clip: row for row in shard.rows}
        for entry in index["skipped"]:
            row = rows[entry["clip"]]
            told = {name: entry[name] for name in ("clip", "reason")}
            lines.append({**told, "file": row.picture or row.sound, "shard": shard.path.name})
    lines += [{"file": file, "reason": reason} for file, reason in ignored]
    write_csv(path, lines, ("clip", "file", "reason", "shard"))


def summarize(
    corpus: str,
    rows: Sequence[RecordRow],
    indexes: Sequence[dict[str, Any]],
    ignored: Sequence[tuple[str, str]],
    reading: Sequence[str] = (),
) -> dict[str, Any]:
    """The summary as data (``summary.json``).

    Returns:
        ``clips``, ``seconds`` (of the longer of picture and sound), ``frames``, ``faces_found`` and
        ``face_share`` (of the frames), ``clips_with_faces``, ``clips_without_face`` (a picture, but no
        face in it), ``clips_with_sound``, ``actors``, clips for each of ``emotions``, ``skipped``
        (clip and reason), ``ignored`` (file and reason), ``reading`` (how the folder was read),
        ``repeated`` (of clips that repeat another one), ``notes`` (clip and note).
    """
    entries = [entry for index in indexes for entry in index["clips"]]
    frames = sum(row.frames for row in rows)
    faces = sum(row.faces_found for row in rows)
    emotions = Counter(row.emotion for row in rows)
    return {
        "corpus": corpus,
        "clips": len(rows),
        "seconds": round(sum(entry["seconds"] for entry in entries), 1),
        "frames": frames,
        "faces_found": faces,
        "face_share": round(faces / frames, 4) if frames else None,
        "clips_with_faces": sum(1 for row in rows if row.faces_found),
        "clips_without_face": sum(1 for row in rows if row.frames and not row.faces_found),
        "clips_with_sound": sum(1 for row in rows if row.samples),
        "actors": len({row.actor for row in rows if row.actor}),
        "emotions": {emotion: emotions[emotion] for emotion in label_order(emotions)},
        "skipped": [entry for index in indexes for entry in index["skipped"]],
        "ignored": [{"file": file, "reason": reason} for file, reason in ignored],
        "reading": list(reading),
        "repeated": repeated(rows),
        "notes": [
            {"clip": entry["clip"], "note": note} for entry in entries for note in entry["notes"]
        ],
    }


def write_summary(out: Path, summary: dict[str, Any]) -> None:
    """Writes ``summary.json`` and ``summary.txt``."""
    write_json(out / "summary.json", summary)
    write_text(out / "summary.txt", as_text(summary))


def unused(summary: dict[str, Any]) -> list[str]:
    """What was not used and why, as lines: clips that cannot be read, then files that are no clips."""
    skipped = summary["skipped"]
    lines = [f"clips skipped: {len(skipped)}"]
    lines += [f"  {each['clip']}: {each['reason']}" for each in skipped[:SHOWN]]
    if len(skipped) > SHOWN:
        lines.append(f"  … and {len(skipped) - SHOWN} more, see skipped.csv")
    ignored = [(each["file"], each["reason"]) for each in summary["ignored"]]
    return [*lines, f"files left out by the corpus: {len(ignored)}", *left_out(ignored, SHOWN)[1:]]


def read_summary(out: Path) -> dict[str, Any] | None:
    """``summary.json`` of a folder of records; None where there is none."""
    try:
        return read_json(out / "summary.json")
    except (OSError, ValueError):
        return None


def as_text(summary: dict[str, Any]) -> str:
    """The summary as lines to print."""
    minutes = summary["seconds"] / 60
    emotions = ", ".join(f"{name} {count}" for name, count in summary["emotions"].items())
    lines = [
        f"{summary['corpus']}: {summary['clips']} clips, {minutes:.1f} minutes, "
        f"{summary['actors'] or 'unknown'} actors",
        f"emotions: {emotions}",
        f"with sound: {summary['clips_with_sound']}, with faces: {summary['clips_with_faces']}",
    ]
    if summary["frames"]:
        lines.append(
            f"faces: in {summary['faces_found']} of {summary['frames']} pictures "
            f"({summary['face_share']:.1%})"
        )
    if summary["clips_without_face"]:
        lines.append(f"with a picture, but no face in it: {summary['clips_without_face']} clips")
    lines += [*summary["repeated"], *unused(summary)]
    if summary["notes"]:
        lines.append(f"clips with notes: {len({n['clip'] for n in summary['notes']})}")
        lines += [f"  {n['clip']}: {n['note']}" for n in summary["notes"][:SHOWN]]
        if len(summary["notes"]) > SHOWN:
            lines.append(f"  … and {len(summary['notes']) - SHOWN} more, see summary.json")
    return "\n".join(lines) + "\n"
