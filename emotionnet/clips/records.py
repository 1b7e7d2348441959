"""Records: clips as `tf.train.Example` in TFRecord shards, read by offset in any order.

A folder of records holds:

- ``records.json``: schema version, corpus, crop, hashes of the manifest and of the shards, what made it;
- ``manifest.csv``: a row a clip, see `RecordRow`;
- ``shard-00000.tfrecord`` … with ``shard-00000.json``, its index;
- ``skipped.csv``, ``summary.json``, ``summary.txt``, ``contact_sheet.png``: for people.

Features of an example (schema 1): ``row`` (JSON), ``jpegs`` (n bytes), ``times_s`` (n floats),
``boxes`` (4 n), ``landmarks`` (10 n), ``picture_size`` (2 ints), ``waveform`` (little-endian int16),
``notes`` (texts). `emotionnet.clips.clip.ClipData` says what each means.

Fields that are added later leave these shards as they are: each has its own shards,
``<field>/shard-00000.tfrecord``, see `emotionnet.clips.fields`. So nothing is decoded and no face is
searched for again, and a folder without the field stays valid. ``records.json`` names the fields.
"""

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from emotionnet.clips import fields as side_fields
from emotionnet.clips.clip import ClipData
from emotionnet.clips.fields.field import FieldValues
from emotionnet.clips.fields.files import FieldFiles
from emotionnet.corpora.manifest import COLUMNS, LATER, ManifestRow, manifest_hash
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import file_sha256, read_csv, read_json, sha256, write_csv

#: Rises when what is stored changes so that old records cannot be read.
SCHEMA_VERSION = 1
#: Bytes that TFRecord adds to an example: length, two checksums.
FRAMING_BYTES = 16

META_FILE, MANIFEST_FILE = "records.json", "manifest.csv"


@dataclass(frozen=True)
class RecordRow(ManifestRow):
    """A manifest row, and where and what its record is.

    Attributes:
        shard: file name of the shard.
        offset: of the record in the shard, in bytes.
        frames: pictures kept, with a face or without.
        faces_found: pictures with a face.
        samples: of the waveform at 16 kHz; 0 without sound.
        recording: the first clip that is the same recording (`emotionnet.clips.same`), the clip itself
            where no other is; "" where that was not checked.
    """

    shard: str = ""
    offset: int = 0
    frames: int = 0
    faces_found: int = 0
    samples: int = 0
    recording: str = ""


RECORD_COLUMNS = tuple(f.name for f in dataclasses.fields(RecordRow))
_LATER = (*LATER, "recording")
_NUMBERS = ("offset", "frames", "faces_found", "samples")


def serialize(clip: ClipData) -> bytes:
    """A clip as a serialized `tf.train.Example`; equal bytes for equal clips."""
    import tensorflow as tf

    def texts(values):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def floats(values):
        values = np.asarray(values, np.float32).ravel()
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    row = dataclasses.asdict(clip.row).items()
    row = json.dumps({name: value for name, value in row if value or name not in LATER})
    features = {
        "row": texts([row.encode()]),
        "jpegs": texts(clip.faces),
        "times_s": floats(clip.times_s),
        "boxes": floats(clip.boxes),
        "landmarks": floats(clip.landmarks),
        "picture_size": tf.train.Feature(
            int64_list=tf.train.Int64List(value=[int(v) for v in clip.picture_size])
        ),
        "waveform": texts([clip.waveform.astype("<i2").tobytes()]),
        "notes": texts([note.encode(errors="replace") for note in clip.notes]),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def parse(serialized, fields: Sequence[str] = ()) -> dict:
    """Reads a serialized example (graph mode).

    Args:
        serialized: () string tensor.
        fields: side fields that it was read with, see `Records.dataset`.

    Returns:
        ``jpegs`` (n,) string; ``times_s`` (n,), ``boxes`` (n, 4), ``landmarks`` (n, 5, 2) float32;
        ``waveform`` (samples,) float32 in [-1, 1). For each field its values (m, …) under its name and
        their times ``<field>_times_s`` (m,), see `emotionnet.clips.fields`.
    """
    import tensorflow as tf

    def many(dtype):
        return tf.io.FixedLenSequenceFeature([], dtype, allow_missing=True)

    features = {
        "jpegs": many(tf.string),
        "times_s": many(tf.float32),
        "boxes": many(tf.float32),
        "landmarks": many(tf.float32),
        "waveform": tf.io.FixedLenFeature([], tf.string),
    }
    for name in fields:
        features[f"{name}/times_s"] = many(tf.float32)
        features[f"{name}/values"] = tf.io.FixedLenFeature([], tf.string, "")
    raw = tf.io.parse_single_example(serialized, features)
    waveform = tf.io.decode_raw(raw["waveform"], tf.int16, little_endian=True)
    parsed = {
        "jpegs": raw["jpegs"],
        "times_s": raw["times_s"],
        "boxes": tf.reshape(raw["boxes"], [-1, 4]),
        "landmarks": tf.reshape(raw["landmarks"], [-1, 5, 2]),
        "waveform": tf.cast(waveform, tf.float32) / 32768.0,
    }
    for name in fields:
        field = side_fields.get_field(name)
        values = tf.io.decode_raw(raw[f"{name}/values"], field.dtype, little_endian=True)
        parsed[name] = tf.reshape(values, [-1, *field.shape])
        parsed[f"{name}_times_s"] = raw[f"{name}/times_s"]
    return parsed


def parsed_of(
    clip: ClipData, fields: Mapping[str, FieldValues] = MappingProxyType({})
) -> dict[str, np.ndarray]:
    """What `parse` gives of the record of a clip, as NumPy arrays, without making one.

    Args:
        clip: as it was read.
        fields: the values of side fields by name.
    """
    parsed = {
        "jpegs": np.array(clip.faces, object),
        "times_s": np.asarray(clip.times_s, np.float32),
        "boxes": np.reshape(clip.boxes, (-1, 4)).astype(np.float32),
        "landmarks": np.reshape(clip.landmarks, (-1, 5, 2)).astype(np.float32),
        "waveform": clip.waveform.astype(np.float32) / np.float32(32768),
    }
    for name, found in fields.items():
        parsed |= {name: found.values, f"{name}_times_s": found.times_s}
    return parsed


@dataclass(frozen=True)
class Records:
    """An opened folder of records.

    Attributes:
        folder: where it is.
        rows: a `RecordRow` a clip, sorted by clip.
        meta: ``records.json``.
        url: where they come from, if not from ``folder``.
    """

    folder: Path
    rows: list[RecordRow]
    meta: dict[str, Any]
    url: str = ""

    @property
    def address(self) -> str:
        """What opens the same records from anywhere: where they come from, or the folder's full path."""
        return self.url or str(self.folder.resolve())

    @property
    def manifest_hash(self) -> str:
        """Hash over the manifest rows of the clips that have a record."""
        return self.meta["manifest_hash"]

    @cached_property
    def shards(self) -> list[str]:
        """File names of the shards, sorted."""
        return sorted({row.shard for row in self.rows})

    @cached_property
    def content_hash(self) -> str:
        """Hash over the records themselves: another one where recordings were replaced under the names that they had.

        It is made of the checksums in the indexes; no shard, and no recording, is read for it.
        """
        return sha256(*(_content(self.index(shard)) for shard in self.shards))

    @classmethod
    def open(cls, folder: str | os.PathLike) -> "Records":
        """Opens a folder that ``prepare`` has made; `emotionnet.inputs.opening.open_clips` takes an
        address (``s3://…``, ``gs://…``) too.

        Raises:
            UsageError: there are no (finished) records.
            EmotionNetError: of another schema version, or damaged.
        """
        folder = Path(folder)
        meta = read_meta(folder)
        if not meta.get("finished") or not (folder / MANIFEST_FILE).is_file():
            raise UsageError(
                f"{folder}: prepare has not finished here. Run the same command again: it resumes."
            )
        if meta.get("direct") and cls is Records:
            raise UsageError(
                f"{folder}: lists the recordings that `fit --direct` trains from, and holds no records."
            )
        rows = read_record_manifest(folder)
        records = cls(folder, rows, meta)
        if manifest_hash(as_manifest_rows(rows)) != meta["manifest_hash"]:
            raise EmotionNetError(
                f"{folder / MANIFEST_FILE}: was changed after it was made. {_remedy(MANIFEST_FILE)}"
            )
        for shard in records.shards:
            records._check_size(shard)
        return records

    @property
    def fields(self) -> dict[str, dict[str, Any]]:
        """The side fields that were added to all of these records: name to what is known of it."""
        return self.meta.get("fields", {})

    def field_files(self, name: str) -> FieldFiles:
        """The files of a side field, opened once.

        Raises:
            UsageError: these records do not have it.
            EmotionNetError: it is of other records or another version, or damaged.
        """
        if name not in self._opened:
            self._opened[name] = FieldFiles.open(self, name)
        return self._opened[name]

    def field_sums(self, names: Iterable[str]) -> list[str]:
        """Checksums of the shards of these side fields, as far as they were added: they change where one is made anew."""
        here = sorted({*names} & set(self.fields))
        return [self.index(f"{name}/{shard}")["sha256"] for name in here for shard in self.shards]

    def has_field(self, row: RecordRow, name: str) -> bool:
        """Whether a clip has a value of a side field in any frame; false where the field was not added."""
        return name in self.fields and self.field_files(name).found.get(row.clip, 0) > 0

    @cached_property
    def _opened(self) -> dict:
        return {}

    def check_streams(self, streams: Sequence[str]) -> None:
        """Records hold what a clip has of every stream; caches do not, see `emotionnet.inputs.cache.ViewCache`."""

    #: Reads an element of `dataset`.
    parse = staticmethod(parse)

    def dataset(self, rows: Sequence[RecordRow], fields: Sequence[str] = ()):
        """The serialized examples of ``rows``, in that order.

        Args:
            rows: of these records.
            fields: side fields to read with them; give the same to `parse`.

        Returns:
            A `tf.data.Dataset` of () string tensors, as many as rows.

        Raises:
            UsageError, EmotionNetError: a field cannot be read, see `field_files`.
        """
        import tensorflow as tf

        files = [self.field_files(name) for name in fields]
        places = [
            [(str(self.folder / row.shard), row.offset), *(f.place(row.clip) for f in files)]
            for row in rows
        ]
        paths = tf.constant([[p for p, _ in mine] for mine in places], tf.string)
        offsets = tf.constant([[o for _, o in mine] for mine in places], tf.int64)
        shape = [len(rows), 1 + len(files)]
        paths, offsets = tf.reshape(paths, shape), tf.reshape(offsets, shape)

        @tf.autograph.experimental.do_not_convert
        def read(paths, offsets):
            example = read_one(paths[0], offsets[0])
            # One after the other the bytes of several examples are one example with all features.
            fields = [
                tf.cond(o < 0, lambda: tf.constant(b""), lambda p=p, o=o: read_one(p, o))
                for p, o in zip(tf.unstack(paths)[1:], tf.unstack(offsets)[1:])
            ]
            return tf.strings.join([example, *fields]) if fields else example

        dataset = tf.data.Dataset.from_tensor_slices((paths, offsets))
        dataset = dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return without_autotune(dataset)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Turns what TensorFlow says about damaged shards into a message with the remedy.

        Use it around what iterates over `dataset`, or anything made of it.

        Raises:
            EmotionNetError: a shard is damaged.
        """
        import tensorflow as tf

        try:
            yield
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError):
            # Only where the records are at fault: other errors of these kinds pass.
            self.verify()
            raise

    def verify(self) -> None:
        """Reads every shard, also of the fields in use, and compares it with the checksum of its index.

        Raises:
            EmotionNetError: one is damaged.
        """
        for shard in self.shards:
            self._check_size(shard)
            if file_sha256(self.folder / shard) != self.index(shard)["sha256"]:
                raise EmotionNetError(f"{self.folder / shard}: is damaged. {_remedy(shard)}")
        for files in self._opened.values():
            files.verify()

    def index(self, shard: str) -> dict[str, Any]:
        """The index of a shard: ``bytes``, ``sha256``, …

        Raises:
            EmotionNetError: it is missing or damaged.
        """
        path = (self.folder / shard).with_suffix(".json")
        try:
            return read_json(path)
        except (OSError, ValueError):
            raise EmotionNetError(f"{path}: is missing or damaged. {_remedy(shard)}") from None

    def _check_size(self, shard: str) -> None:
        path, index = self.folder / shard, self.index(shard)
        found = path.stat().st_size if path.is_file() else 0
        if found != index["bytes"]:
            raise EmotionNetError(
                f"{path}: has {found:,} bytes instead of {index['bytes']:,}. {_remedy(shard)}"
            )


def read_one(path, offset):
    """The serialized example at a byte offset of a TFRecord file (graph mode)."""
    import tensorflow as tf

    file = tf.raw_ops.TFRecordDatasetV2(
        filenames=[path],
        compression_type="",
        buffer_size=tf.constant(1 << 18, tf.int64),
        byte_offsets=[offset],
    )
    file = tf.data.experimental.from_variant(file, tf.TensorSpec([], tf.string))
    return file.take(1).get_single_element()


def without_autotune(dataset):
    """A `tf.data.Dataset` that is not tuned while it is read; ``AUTOTUNE`` then means all threads.

    The tuner looks every 10 ms, then half as often each time, down to once a minute; and often the end of
    an iteration waits for its next look (TensorFlow 2.17, ``benchmarks/tf_data_end.py``): an epoch of 50
    seconds then takes 82.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _content(index: Mapping[str, Any]) -> str:
    """Checksum of what the shard of an index holds."""
    if index["sha256"]:
        return index["sha256"]
    # Of recordings that are read where they are no shard is written. What counts is how they sound, not where they
    # are and since when.
    return sha256(*(f"{clip['clip']} {clip['sound_hash']}\n" for clip in index["clips"]))


def _remedy(file: str) -> str:
    return f"Delete {file} and run the same prepare command again: only that file is made again."


def read_meta(folder: str | os.PathLike) -> dict[str, Any]:
    """``records.json`` of a folder.

    Raises:
        UsageError: there is none.
        EmotionNetError: it is damaged, or of another schema version.
    """
    path = Path(folder) / META_FILE
    if not path.is_file():
        raise UsageError(
            f"{folder}: holds no records (no {META_FILE} in it). Make them with "
            "`python -m emotionnet.prepare`."
        )
    try:
        meta = read_json(path)
        version = meta["schema"]
    except (ValueError, KeyError, TypeError):
        raise EmotionNetError(
            f"{path}: is damaged. Delete it and run prepare again: finished shards are kept."
        ) from None
    if version != SCHEMA_VERSION:
        raise EmotionNetError(
            f"{folder}: records of schema {version}; this version of emotionnet reads schema "
            f"{SCHEMA_VERSION}. Prepare the corpus again into another folder."
        )
    return meta


def write_record_manifest(path: str | os.PathLike, rows: Sequence[RecordRow]) -> None:
    """Writes ``manifest.csv`` of a folder of records."""
    write_csv(path, (dataclasses.asdict(row) for row in rows), RECORD_COLUMNS)


def read_record_manifest(folder: Path) -> list[RecordRow]:
    """The rows of ``manifest.csv`` of a folder of records.

    Raises:
        EmotionNetError: it is damaged.
    """
    return [_record_row(raw, folder) for raw in read_csv(folder / MANIFEST_FILE)]


def as_manifest_rows(rows: Sequence[ManifestRow]) -> list[ManifestRow]:
    """The manifest part of record rows."""
    return [ManifestRow(**{name: getattr(row, name) for name in COLUMNS}) for row in rows]


def _record_row(raw: dict[str, str], folder: Path) -> RecordRow:
    try:
        values = {
            name: raw.get(name) or "" if name in _LATER else raw[name] for name in RECORD_COLUMNS
        }
        return RecordRow(**{**values, **{name: int(values[name]) for name in _NUMBERS}})
    except (KeyError, ValueError, TypeError):
        raise EmotionNetError(
            f"{folder / MANIFEST_FILE}: is damaged. {_remedy(MANIFEST_FILE)}"
        ) from None
