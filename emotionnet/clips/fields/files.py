"""The files of a side field: ``<field>/shard-00000.tfrecord`` … beside the shards of the records.

Example ``i`` of a field's shard belongs to example ``i`` of the records' shard of the same name. Its
features are named ``<field>/clip``, ``<field>/times_s`` and ``<field>/values`` (little-endian), so the
bytes of a record and of its fields, one after the other, are one `tf.train.Example` that has them all:
that is what `emotionnet.clips.records.Records.dataset` gives. Beside each shard stands its index; what
writes them is `emotionnet.clips.fields.add`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotionnet.clips.fields import get_field
from emotionnet.clips.fields.field import Field, FieldValues
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import file_sha256, read_json


@dataclass(frozen=True)
class FieldFiles:
    """A field of records, opened for reading.

    Attributes:
        folder: of its shards.
        places: clip to the shard's path and the offset of its example.
        found: clip to the number of frames that have a value.
        remedy: the command that makes it (again).
    """

    folder: Path
    places: Mapping[str, tuple[str, int]]
    found: Mapping[str, int]
    remedy: str

    @classmethod
    def open(cls, records, name: str) -> "FieldFiles":
        """Opens the field ``name`` of `emotionnet.clips.records.Records`.

        Raises:
            UsageError: no such field, or these records do not have it.
            EmotionNetError: it is of another version or of other records, or damaged.
        """
        field, folder = get_field(name), records.folder / name
        command = f"python -m emotionnet.prepare --records {records.folder} --fields {name}"
        remedy = f"Run `{command}`: only what is wrong is computed again."
        if records.url:
            remedy = (
                f"Run `prepare --fields {name}` where the records were made, and copy them again."
            )
        if name not in records.fields:
            raise UsageError(
                f"{records.address}: these records have no {name} ({field.meaning}), or not for all "
                f"clips yet. {remedy}"
            )
        version = records.fields[name].get("version")
        if version != field.version:
            raise EmotionNetError(
                f"{folder}: {name} of version {version}; this version of emotionnet reads version "
                f"{field.version}. {remedy}"
            )
        places, found = {}, {}
        for shard in records.shards:
            path = folder / shard
            index = _read_index(path, remedy)
            if index["record_sha256"] != records.index(shard)["sha256"]:
                raise EmotionNetError(
                    f"{path}: belongs to other records than {records.folder / shard}, which may have "
                    f"been made again since. {remedy}"
                )
            places |= {e["clip"]: (str(path), e["offset"]) for e in index["clips"]}
            found |= {e["clip"]: e["found"] for e in index["clips"]}
        return cls(folder, places, found, remedy)

    def place(self, clip: str) -> tuple[str, int]:
        """Path and offset of a clip's example; ``""`` and -1 where it has none (a copy of the sound)."""
        return self.places.get(clip, ("", -1))

    def verify(self) -> None:
        """Reads every shard and compares it with the checksum of its index.

        Raises:
            EmotionNetError: one is damaged.
        """
        for path in sorted({Path(path) for path, _ in self.places.values()}):
            if file_sha256(path) != _read_index(path, self.remedy)["sha256"]:
                raise EmotionNetError(f"{path}: is damaged. Delete it. {self.remedy}")


def _read_index(path: Path, remedy: str) -> dict[str, Any]:
    try:
        index = read_json(path.with_suffix(".json"))
        index["record_sha256"], index["sha256"], index["clips"]
        found = path.stat().st_size if path.is_file() else 0
    except (OSError, ValueError, KeyError, TypeError):
        raise EmotionNetError(
            f"{path.with_suffix('.json')}: is missing or damaged. {remedy}"
        ) from None
    if found != index["bytes"]:
        raise EmotionNetError(
            f"{path}: has {found:,} bytes instead of {index['bytes']:,}. {remedy}"
        )
    return index


def serialize_field(field: Field, row: ManifestRow, found: FieldValues) -> bytes:
    """The values of a clip as a serialized `tf.train.Example`; equal bytes for equal values."""
    import tensorflow as tf

    def texts(value: bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    values = found.values.astype(found.values.dtype.newbyteorder("<"))
    features = {
        f"{field.name}/clip": texts(row.clip.encode()),
        f"{field.name}/times_s": tf.train.Feature(
            float_list=tf.train.FloatList(value=found.times_s)
        ),
        f"{field.name}/values": texts(values.tobytes()),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)
