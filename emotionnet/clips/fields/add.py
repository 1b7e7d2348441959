"""Adding a side field to finished records: in parallel, resumable, nothing twice.

A shard counts as finished when its index, written last, matches: the same record shard (by its checksum),
the same version and options of the field, the same files that the values come from. So a run that was
killed resumes with the next shard, and after the records changed only what changed is computed again.
``records.json`` names a field once all its shards are finished.
"""

import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from emotionnet.clips.fields import FIELDS
from emotionnet.clips.fields.field import Field, FieldValues
from emotionnet.clips.fields.files import serialize_field
from emotionnet.clips.records import META_FILE, RecordRow, Records, parse, read_meta
from emotionnet.clips.remote import is_url
from emotionnet.clips.shards import Shard, write_examples
from emotionnet.errors import BadClip, UsageError
from emotionnet.files import sha256, write_csv, write_json

#: What was odd about clips, in the folder of the field.
NOTES_FILE = "notes.csv"


def add_fields(
    folder: str | os.PathLike, fields: Sequence[Field], workers: int | None = None
) -> None:
    """Adds fields to the records of a folder and prints what each has become.

    Raises:
        UsageError: no field is asked for, or as `add_field`.
    """
    if is_url(folder):
        raise UsageError(
            f"{folder}: fields are added to a folder. Add them where the records were made, and copy the "
            "folder to the bucket again."
        )
    records = Records.open(folder)
    if not fields:
        raise UsageError(
            f"--records needs --fields: one or more of {', '.join(FIELDS)}. {folder} has "
            f"{', '.join(records.fields) or 'none yet'}."
        )
    for field in fields:
        print(describe(add_field(records, field, workers)), flush=True)


def add_field(records: Records, field: Field, workers: int | None = None) -> dict[str, Any]:
    """Computes a field for all clips of records and writes it beside them; nothing where it is there.

    Args:
        records: opened records of a folder.
        field: with its options.
        workers: threads; by default one a core. 0 uses the calling thread alone.

    Returns:
        ``field``, ``clips``, ``clips_with``, ``frames``, ``found`` (frames with a value), ``bytes``,
        ``notes`` (clip and note).

    Raises:
        UsageError: the records have this field with other options.
        EmotionNetError: the records are damaged, or the disk is full.
    """
    folder = records.folder / field.name
    _check_content(records, field, folder)
    shards = _plan(records, field)
    todo = [shard for shard in shards if shard.read_index() is None]
    if todo:
        # Not before all is finished does records.json name it (again).
        _register(records, field.name, None)
        folder.mkdir(exist_ok=True)
        for path in folder.glob(".*.partial*"):
            path.unlink()
        _make(records, field, shards, todo, workers)
    for path in set(folder.glob("shard-*")) - {p for s in shards for p in (s.path, s.index_path)}:
        path.unlink()
    indexes = [shard.read_index() for shard in shards]
    entries = [entry for index in indexes for entry in index["clips"]]
    notes = [{"clip": e["clip"], "note": note} for e in entries for note in e["notes"]]
    if notes:
        write_csv(folder / NOTES_FILE, notes, ("clip", "note"))
    else:
        (folder / NOTES_FILE).unlink(missing_ok=True)
    sums = sha256(*(index["sha256"] for index in indexes))
    _register(records, field.name, {**field.describe(), "sha256": sums})
    return {
        "field": field.name,
        "clips": len(entries),
        "clips_with": sum(1 for entry in entries if entry["found"]),
        "frames": sum(entry["frames"] for entry in entries),
        "found": sum(entry["found"] for entry in entries),
        "bytes": sum(index["bytes"] for index in indexes),
        "notes": notes,
    }


def describe(summary: dict[str, Any], shown: int = 5) -> str:
    """What `add_field` gives, as lines for people."""
    s = summary
    lines = [
        f"{s['field']}: {s['clips_with']:,} of {s['clips']:,} clips, {s['found']:,} of {s['frames']:,} "
        f"frames, {s['bytes'] / 1e6:.1f} MB"
    ]
    lines += [f"  {each['clip']}: {each['note']}" for each in s["notes"][:shown]]
    if len(s["notes"]) > shown:
        lines.append(f"  … and {len(s['notes']) - shown:,} more in {s['field']}/{NOTES_FILE}")
    return "\n".join(lines)


def _as_arrays(serialized) -> dict[str, Any]:
    return {name: value.numpy() for name, value in parse(serialized).items()}


def _plan(records: Records, field: Field) -> list[Shard]:
    """A shard of the field for each shard of the records."""
    rows = sorted(records.rows, key=lambda row: (row.shard, row.offset))
    what = [field.name, field.version, field.content()]
    shards = []
    for name, group in groupby(rows, key=lambda row: row.shard):
        mine = tuple(group)
        files = [[row.clip, field.files(row)] for row in mine]
        parts = [what, records.index(name)["sha256"], files]
        fingerprint = sha256(json.dumps(parts, ensure_ascii=True, sort_keys=True))
        shards.append(Shard(records.folder / field.name / name, mine, fingerprint))
    return shards


def _check_content(records: Records, field: Field, folder: Path) -> None:
    old = records.fields.get(field.name)
    if old and old.get("content") != field.content() and any(folder.glob("shard-*")):
        raise UsageError(
            f"{folder}: holds {field.name} made with {_words(old.get('content'))}, not with "
            f"{_words(field.content())}. Delete that folder to make it again."
        )


def _words(content: dict[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (content or {}).items()) or "no options"


def _register(records: Records, name: str, description: dict[str, Any] | None) -> None:
    """Writes what ``records.json`` says of a field, if it says something else."""
    meta = read_meta(records.folder)
    fields = {**meta.get("fields", {}), name: description}
    fields = {name: fields[name] for name in sorted(fields) if fields[name] is not None}
    if fields != meta.get("fields", {}):
        write_json(records.folder / META_FILE, {**meta, "fields": fields})


def _make(records: Records, field: Field, shards, todo, workers: int | None) -> None:
    from emotionnet.clips.workers import default_workers
    from emotionnet.progress import progress

    total = sum(len(shard.rows) for shard in shards)
    bar = progress(total=total, what=f"field {field.name}", unit="clips")
    bar.initial = bar.n = total - sum(len(shard.rows) for shard in todo)
    lock = threading.Lock()

    def done() -> None:
        with lock:
            bar.update()

    write = partial(_write, records, field, done)
    threads = default_workers() if workers is None else workers
    # Pictures are decoded and networks run outside of Python's lock, so threads are enough.
    with bar, ThreadPoolExecutor(threads) if threads else nullcontext() as pool:
        if pool is None:
            for shard in todo:
                write(shard)
            return
        jobs = [pool.submit(write, shard) for shard in todo]
        try:
            for job in as_completed(jobs):
                job.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _write(records: Records, field: Field, done: Callable[[], None], shard: Shard) -> None:
    entries: list[dict[str, Any]] = []

    def examples():
        with records.guard():
            for row, serialized in zip(shard.rows, records.dataset(shard.rows)):
                found = _try(field, _as_arrays(serialized), row)
                entries.append(_entry(row, found))
                yield serialize_field(field, row, found)
                done()

    offsets, written = write_examples(shard.path, examples())
    clips = [{**entry, "offset": offset} for entry, offset in zip(entries, offsets)]
    record = records.index(shard.path.name)["sha256"]
    write_json(
        shard.index_path,
        {"fingerprint": shard.fingerprint, "record_sha256": record, **written, "clips": clips},
    )


def _try(field: Field, parsed: dict[str, Any], row: RecordRow) -> FieldValues:
    try:
        return field.of_clip(parsed, row)
    except BadClip as error:
        return FieldValues(
            np.zeros(0, np.float32), np.zeros((0, *field.shape), field.dtype), (str(error),)
        )


def _entry(row: RecordRow, found: FieldValues) -> dict[str, Any]:
    whole = np.isfinite(found.values).all(axis=tuple(range(1, found.values.ndim)))
    return {
        "clip": row.clip,
        "frames": len(found.values),
        "found": int(whole.sum()),
        "notes": list(found.notes),
    }
