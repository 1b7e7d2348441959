"""A system's view of records as NumPy arrays: for machines that have JAX and Keras, but no TensorFlow.

Reading records takes TensorFlow (TFRecord, JPEG). Where they are prepared it is there; on a TPU
machine it may not be. So the view is taken once and written as plain arrays, which are read by
memory mapping: only what a batch needs is ever in memory.

    python -m emotionnet.fit --records data/ravdess/records --records-cache data/ravdess/cache ...

The folder: ``cache.json`` (the view, the streams, hashes of the records), ``manifest.csv`` as in the
records, and an ``.npy`` an input: ``faces`` uint8 (clips, frames, S, S, 3), ``frame_mask`` float32 (clips,
frames), ``waveform`` int16 (clips, samples), ``waveform_samples`` int32 (clips,), and the like for further
streams. Without the stream ``faces`` there are no pixels in it, without ``speech`` no waveforms. Changed copies of the sound
(`emotionnet.clips.copies`) have a ``copies.json`` and arrays of their own.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from emotionnet.clips.copies import labelled_as, original
from emotionnet.clips.records import RecordRow, read_record_manifest
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import read_json
from emotionnet.inputs.arrays import read_arrays
from emotionnet.inputs.augmentation import Augmentation
from emotionnet.inputs.kinds import STREAMS, ordered
from emotionnet.inputs.views import View

FORMAT = 2
META_FILE, COPIES_FILE = "cache.json", "copies.json"
SOUND = STREAMS["speech"].inputs
_AGAIN = "Delete it and write it again where the records are."


@dataclass(frozen=True)
class ViewCache:
    """An opened cache; takes the place of `emotionnet.clips.records.Records` where only a view is needed.

    Attributes:
        folder: where it is.
        rows: a row a clip, as in the records.
        copied: a row a copy of a clip's sound.
        meta: ``cache.json``.
        arrays: input name to its array over all clips, memory-mapped.
        copied_arrays: the same over all copies.
    """

    folder: Path
    rows: list[RecordRow]
    copied: list[RecordRow]
    meta: dict[str, Any]
    arrays: dict[str, np.ndarray]
    copied_arrays: dict[str, np.ndarray]

    @property
    def manifest_hash(self) -> str:
        """Of the records that it was made from."""
        return self.meta["manifest_hash"]

    @property
    def content_hash(self) -> str:
        """Of the records that it was made from; their manifest's, where that was not noted yet."""
        return self.meta.get("content_hash", self.manifest_hash)

    @property
    def address(self) -> str:
        """What opens it from anywhere."""
        return str(self.folder.resolve())

    @property
    def view(self) -> View:
        """The view that was taken."""
        return View(**self.meta["view"])

    @property
    def streams(self) -> list[str]:
        """The streams that it holds of a clip."""
        return self.meta["streams"]

    @classmethod
    def open(cls, folder: str | os.PathLike) -> "ViewCache":
        """Opens a folder that `emotionnet.inputs.cache_writer.write_cache` has made.

        Raises:
            UsageError: there is none.
            EmotionNetError: it is damaged, or of another version.
        """
        folder = Path(folder)
        if not (folder / META_FILE).is_file():
            raise UsageError(
                f"{folder}: holds no cache (no {META_FILE} in it). With --records or --corpus beside it, "
                "and TensorFlow, it is written."
            )
        try:
            meta = read_json(folder / META_FILE)
            if meta["format"] != FORMAT:
                raise EmotionNetError(f"{folder}: a cache of another version. {_AGAIN}")
            rows, copied = read_record_manifest(folder), []
            names = stored_names(meta["streams"], View(**meta["view"]))
            arrays, copied_arrays = read_arrays(stored_files(folder, names)), {}
            if meta["copies"]:
                listed = read_json(folder / COPIES_FILE)
                copied = [RecordRow(**raw) for raw in listed]
                copied_arrays = read_arrays(stored_files(folder, SOUND, "copies-"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EmotionNetError(f"{folder}: is damaged ({error}). {_AGAIN}") from None
        for here, many in ((arrays, rows), (copied_arrays, copied)):
            if any(len(array) != len(many) for array in here.values()):
                raise EmotionNetError(f"{folder}: is damaged (arrays of other lengths). {_AGAIN}")
        return cls(folder, rows, copied, meta, arrays, copied_arrays)

    def inputs(self, rows: Sequence, names: Sequence[str]) -> dict[str, np.ndarray]:
        """A batch of inputs as a view gives them.

        Args:
            rows: of `rows` or `copied`.
            names: inputs to give.

        Returns:
            Name → (n, ...), waveforms as float32 in [-1, 1); zeros for what the cache does not hold.
        """
        places = [self._places[row.clip] for row in rows]
        batch = {}
        for name in names:
            values = self.view.empty(len(rows), (name,))[name]
            for which, array in enumerate((self.arrays.get(name), self.copied_arrays.get(name))):
                here = [i for i, (of, _) in enumerate(places) if of == which]
                if here and array is not None:
                    values[here] = array[[places[i][1] for i in here]]
            batch[name] = values
        if "waveform" in batch:
            batch["waveform"] /= 32768.0
        return batch

    def copies(self, rows: Sequence, kinds: Sequence[str]) -> list[RecordRow]:
        """The copies of ``rows`` of these kinds, see `emotionnet.clips.copies.speech_copies`.

        Raises:
            UsageError: there are none of such a kind.
        """
        missing = [kind for kind in kinds if kind not in self.meta["copies"]]
        if missing:
            raise UsageError(
                f"{self.folder}: holds no copies of the sound of kind {missing[0]}. Write a cache with "
                "them where the records are (the same command with --records), or do without: "
                "--augment light."
            )
        wanted = {f"{row.clip}~{kind}": row for row in rows for kind in kinds}
        return [labelled_as(wanted[row.clip], row) for row in self.copied if row.clip in wanted]

    def check_view(self, view: View) -> None:
        """Makes sure that it was made for ``view``.

        Raises:
            UsageError: it was not.
        """
        if self.view != view:
            raise UsageError(
                f"{self.folder}: a cache of {_described(self.view)}; here {_described(view)} are asked "
                "for. Change the system (--set image_size=… and such), or write another cache."
            )

    def check_streams(self, streams: Sequence[str]) -> None:
        """Makes sure that it holds what its clips have of ``streams``.

        Raises:
            UsageError: it does not.
        """
        missing = [each for each in streams if each not in self.streams and self._any_has(each)]
        if missing:
            raise UsageError(
                f"{self.folder}: a cache of {' and '.join(self.streams)} alone. Give --streams "
                f"{self.streams[0]}, or write another cache."
            )

    @contextmanager
    def guard(self) -> Iterator[None]:
        """As that of records; arrays need none."""
        yield

    def field_sums(self, names: Iterable[str]) -> list[str]:
        """Of the side fields that it was written with, see `emotionnet.clips.records.Records.field_sums`."""
        return self.meta.get("field_sums", [])

    def has_field(self, row: RecordRow, field: str) -> bool:
        """Whether a clip has a side field of the records; see `emotionnet.inputs.kinds.has`."""
        _, place = self._places[original(row.clip)]
        masks = [kind.presence.name for kind in STREAMS.values() if kind.field == field]
        return any(name in self.arrays and self.arrays[name][place].any() for name in masks)

    def _any_has(self, stream: str) -> bool:
        presence = self.arrays.get(STREAMS[stream].presence.name)
        return presence is not None and bool(presence.any())

    @cached_property
    def _places(self) -> dict[str, tuple[int, int]]:
        return {
            row.clip: (which, i)
            for which, rows in enumerate((self.rows, self.copied))
            for i, row in enumerate(rows)
        }


def check_augmentation(folder: str | os.PathLike, strength: Augmentation | None) -> None:
    """Refuses what a cache cannot be augmented with: its frames, and the sound around them, are fixed.

    Raises:
        UsageError: ``strength`` asks for it.
    """
    if strength and strength.frame_jitter > 0:
        raise UsageError(
            f"{folder}: frame_jitter takes other frames in each epoch, and a cache holds one a segment. "
            "Do without (--augmentation frame_jitter=0, or --augment none), or train from the records."
        )


def stored_names(streams: Sequence[str], view: View) -> tuple[str, ...]:
    """The inputs that are stored; masks are small and always stored."""
    heavy = [STREAMS[stream].content.name for stream in ordered(streams)]
    return (*heavy, *(STREAMS[stream].presence.name for stream in view.streams))


def stored_files(folder: Path, names: Sequence[str], prefix: str = "") -> dict[str, Path]:
    """Input → the file of its array."""
    return {name: folder / f"{prefix}{name}.npy" for name in names}


def _described(view: View) -> str:
    rate = f" at {view.frame_hz:g} Hz" if view.frame_hz else ""
    points = f", landmarks of {view.landmarks} frames" if view.landmarks else ""
    return f"{view.frames} faces{rate} of {view.image_size} px and {view.window_s:g} s of sound{points}"
