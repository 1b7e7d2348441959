"""Writes a view of records as arrays, for `emotionnet.inputs.cache.ViewCache`."""

import dataclasses
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emotionnet.clips.records import MANIFEST_FILE, write_record_manifest
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import atomic_folder, write_json
from emotionnet.inputs.arrays import write_arrays
from emotionnet.inputs.cache import (
    COPIES_FILE,
    FORMAT,
    META_FILE,
    SOUND,
    ViewCache,
    stored_files,
    stored_names,
)
from emotionnet.inputs.kinds import STREAMS
from emotionnet.inputs.opening import open_source
from emotionnet.inputs.views import View
from emotionnet.locks import alone
from emotionnet.progress import progress


def write_cache(
    records,
    view: View,
    folder: str | os.PathLike,
    streams: Sequence[str] = ("faces", "speech"),
    copies: Sequence[str] = (),
) -> ViewCache:
    """Takes ``view`` of all records and writes it as arrays; nothing where that is there already.

    Args:
        records: opened `emotionnet.clips.records.Records`.
        view: of the system.
        folder: appears only when all is written.
        streams: what it is to hold.
        copies: kinds of changed copies of the sound that it is to hold too.

    Raises:
        UsageError: ``folder`` holds something else, or a cache of another view or other records.
        EmotionNetError: there is no room for it.
    """
    folder = Path(folder)
    with alone(folder):
        return _write_once(records, view, folder, streams, copies)


def _write_once(records, view: View, folder: Path, streams, copies) -> ViewCache:
    if (folder / META_FILE).is_file():
        cache = ViewCache.open(folder)
        _check_same(cache, records, view, streams, copies)
        return cache
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder}: holds other files; choose an empty or a new folder.")
    copied = []
    if copies:
        source = open_source(records, view, ())
        copied = source.copies([row for row in records.rows if row.samples > 0], copies)
    meta = {
        "format": FORMAT,
        "view": dataclasses.asdict(view),
        "manifest_hash": records.manifest_hash,
        "content_hash": records.content_hash,
        "streams": list(streams),
        "field_sums": records.field_sums(STREAMS[stream].field for stream in streams),
        "copies": list(copies) if copied else [],
    }
    with atomic_folder(folder) as unfinished:
        _check_room(folder.parent, view, len(records.rows), len(copied), streams)
        _write_set(records, view, records.rows, stored_names(streams, view), unfinished)
        write_record_manifest(unfinished / MANIFEST_FILE, records.rows)
        if copied:
            _write_set(records, view, copied, SOUND, unfinished, "copies-")
            write_json(unfinished / COPIES_FILE, [dataclasses.asdict(row) for row in copied])
        write_json(unfinished / META_FILE, meta)
    return ViewCache.open(folder)


def _check_same(cache: ViewCache, records, view: View, streams, copies) -> None:
    cache.check_view(view)
    cache.check_streams(streams)
    cache.copies([], copies)
    # A cache of an earlier version notes neither these sums nor the content: it is taken.
    sums = records.field_sums(STREAMS[stream].field for stream in cache.streams)
    if cache.meta.get("field_sums", sums) != sums:
        raise UsageError(
            f"{cache.folder}: a cache of landmarks that {records.folder} no longer has: they were made anew. "
            "Choose another folder, or delete that one."
        )
    content = cache.meta.get("content_hash", records.content_hash)
    if (cache.manifest_hash, content) != (records.manifest_hash, records.content_hash):
        raise UsageError(
            f"{cache.folder}: a cache of other records than {records.folder}. Choose another folder, "
            "or delete that one."
        )


def _write_set(records, view, rows, names, folder: Path, prefix: str = "") -> None:
    def batches():
        source = open_source(records, view, (), tuple(names))
        with progress(total=len(rows), what="write cache", unit="clips") as bar:
            for batch in source.inference_batches(rows, 16):
                arrays = {name: np.asarray(batch[name]) for name in names}
                if "waveform" in arrays:
                    # Exact: they were int16.
                    arrays["waveform"] = np.round(arrays["waveform"] * 32768.0).astype(np.int16)
                yield arrays
                bar.update(len(arrays[names[0]]))

    with records.guard():
        write_arrays(batches(), len(rows), stored_files(folder, names, prefix))


def _check_room(folder: Path, view: View, clips: int, copies: int, streams) -> None:
    """A full disk would kill the process that writes to mapped memory, without a word."""
    names = stored_names(streams, view)
    sizes = {name: array.nbytes for name, array in view.empty(1, names).items()}
    sound = sizes["waveform"] = sizes.get("waveform", 0) // 2  # stored as int16
    needed, free = clips * sum(sizes.values()) + copies * sound, shutil.disk_usage(folder).free
    if needed > free:
        raise EmotionNetError(
            f"{folder}: the cache needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free. Use "
            "smaller faces (--set image_size=112), one stream (--streams speech), or another disk."
        )
