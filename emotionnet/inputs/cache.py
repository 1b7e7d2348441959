"""A system's view of records as NumPy arrays: for machines that have JAX and Keras, but no TensorFlow.

Reading records takes TensorFlow (TFRecord, JPEG). Where they are prepared it is there; on a TPU
machine it may not be. So the view is taken once and written as plain arrays, which are read by
memory mapping: only what a batch needs is ever in memory.

    python -m emotionnet.fit --records data/ravdess/records --records-cache data/ravdess/cache ...

The folder: ``cache.json`` (the view, the records' manifest hash), ``manifest.csv`` as in the records, and
an ``.npy`` an input: ``faces`` uint8 (clips, frames, S, S, 3), ``frame_mask`` float32 (clips, frames),
``waveform`` int16 (clips, samples), ``waveform_samples`` int32 (clips,).
"""

import dataclasses
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotionnet.clips.records import (
    MANIFEST_FILE,
    RecordRow,
    read_record_manifest,
    write_record_manifest,
)
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import write_json

FORMAT = 1
META_FILE = "cache.json"
_INPUTS = ("faces", "frame_mask", "waveform", "waveform_samples")


@dataclass(frozen=True)
class ViewCache:
    """An opened cache; takes the place of `emotionnet.clips.records.Records` where only a view is needed.

    Attributes:
        folder: where it is.
        rows: a row a clip, as in the records.
        meta: ``cache.json``.
        arrays: input name to its array over all clips, memory-mapped.
    """

    folder: Path
    rows: list[RecordRow]
    meta: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def manifest_hash(self) -> str:
        """Of the records that it was made from."""
        return self.meta["manifest_hash"]

    @property
    def view(self) -> dict[str, int]:
        """``frames``, ``image_size`` and ``samples`` of its view."""
        return self.meta["view"]

    @classmethod
    def open(cls, folder: str | os.PathLike) -> "ViewCache":
        """Opens a folder that `write_cache` has made.

        Raises:
            UsageError: there is none.
            EmotionNetError: it is damaged, or of another version.
        """
        folder = Path(folder)
        if not (folder / META_FILE).is_file():
            raise UsageError(f"{folder}: holds no cache (no {META_FILE} in it).")
        try:
            meta = json.loads((folder / META_FILE).read_text(encoding="utf-8"))
            if meta["format"] != FORMAT:
                raise EmotionNetError(f"{folder}: a cache of another version. {_REMEDY}")
            rows = read_record_manifest(folder)
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _INPUTS}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EmotionNetError(f"{folder}: is damaged ({error}). {_REMEDY}") from None
        if any(len(array) != len(rows) for array in arrays.values()):
            raise EmotionNetError(f"{folder}: is damaged (arrays of other lengths). {_REMEDY}")
        return cls(folder, rows, meta, arrays)

    def inputs(
        self, places: Sequence[int], names: Sequence[str] = _INPUTS
    ) -> dict[str, np.ndarray]:
        """A batch of inputs as a view gives them.

        Args:
            places: numbers of clips in `rows`.
            names: inputs to give.

        Returns:
            Name to array, waveforms as float32 in [-1, 1).
        """
        batch = {name: self.arrays[name][np.asarray(places, int)] for name in names}
        if "waveform" in batch:
            batch["waveform"] = batch["waveform"].astype(np.float32) / 32768.0
        return batch

    @contextmanager
    def guard(self) -> Iterator[None]:
        """As that of records; arrays need none."""
        yield


_REMEDY = "Delete it and make it again where the records are."


def write_cache(records, view, folder: str | os.PathLike) -> ViewCache:
    """Takes ``view`` of all records and writes it as arrays; nothing where that is there already.

    Args:
        records: opened `emotionnet.clips.records.Records`.
        view: `emotionnet.inputs.views.View` of the system.
        folder: appears only when all is written.

    Raises:
        UsageError: ``folder`` holds something else, or a cache of another view or other records.
    """
    from emotionnet.inputs.pipeline import Source, inference_batches
    from emotionnet.progress import progress

    folder = Path(folder)
    wanted = {"view": dataclasses.asdict(view), "manifest_hash": records.manifest_hash}
    if (folder / META_FILE).is_file():
        cache = ViewCache.open(folder)
        if {key: cache.meta[key] for key in wanted} != wanted:
            raise UsageError(
                f"{folder}: a cache of another view or of other records. Choose another folder, or "
                "delete that one."
            )
        return cache
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder}: holds other files; choose an empty or a new folder.")
    rows = records.rows
    size = view.image_size
    shapes = {
        "faces": ((view.frames, size, size, 3), np.uint8),
        "frame_mask": ((view.frames,), np.float32),
        "waveform": ((view.samples,), np.int16),
        "waveform_samples": ((), np.int32),
    }
    unfinished = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    arrays = {
        name: np.lib.format.open_memmap(
            unfinished / f"{name}.npy", mode="w+", dtype=dtype, shape=(len(rows), *shape)
        )
        for name, (shape, dtype) in shapes.items()
    }
    place = 0
    bar = progress(total=len(rows), what="write cache", unit="clips")
    with bar, records.guard():
        for batch in inference_batches(Source(records, view, ()), rows, 16):
            clips = len(batch["frame_mask"])
            for name, array in arrays.items():
                values = np.asarray(batch[name])
                if name == "waveform":
                    values = np.round(values * 32768.0)  # exact: they were int16
                array[place : place + clips] = values
            place += clips
            bar.update(clips)
    for array in arrays.values():
        array.flush()
    write_record_manifest(unfinished / MANIFEST_FILE, rows)
    write_json(unfinished / META_FILE, {"format": FORMAT, **wanted})
    if folder.exists():
        folder.rmdir()
    unfinished.rename(folder)
    return ViewCache.open(folder)
