"""Shards: a fixed number of clips each, written whole or not at all, and kept while still right.

Which clips are in which shard depends only on the manifest. A shard counts as finished when its
index, written last, exists and matches: same clips with the same labels, same files (size and time of
change), same crop and schema; and when no clip is left to be tried again (`emotionnet.errors.UnreadClip`).
So a run that was killed, at any moment, resumes where it was.
"""

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotionnet.clips.clip import ClipData
from emotionnet.clips.records import FRAMING_BYTES, RecordRow, serialize
from emotionnet.clips.same import digests, hashes
from emotionnet.corpora.manifest import ManifestRow, facts
from emotionnet.errors import BadClip, EmotionNetError, UnreadClip
from emotionnet.files import atomic_path, file_sha256, read_json, sha256, write_json

#: Clips in a shard.
SHARD_CLIPS = 16


@dataclass(frozen=True)
class Shard:
    """A planned shard.

    Attributes:
        path: of the TFRecord file.
        rows: the clips that belong in it, in order.
        fingerprint: hash of all that its bytes depend on.
    """

    path: Path
    rows: tuple[ManifestRow, ...]
    fingerprint: str

    @property
    def index_path(self) -> Path:
        return self.path.with_suffix(".json")

    def read_index(self) -> dict[str, Any] | None:
        """Its index, or None where the shard has to be made (again)."""
        try:
            index = read_json(self.index_path)
            size = self.path.stat().st_size if self.path.is_file() else 0
            fits = index["fingerprint"] == self.fingerprint and index["bytes"] == size
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return index if fits else None

    @property
    def finished(self) -> bool:
        """Whether it is made, and none of its clips is to be tried again."""
        index = self.read_index()
        return index is not None and not any(each.get("unread") for each in index["skipped"])


def plan_shards(
    rows: Sequence[ManifestRow],
    root: Path,
    out: Path,
    config: dict[str, Any],
    shard_clips: int = SHARD_CLIPS,
) -> list[Shard]:
    """Divides rows, sorted by clip, into shards.

    Args:
        rows: the manifest.
        root: folder of the files.
        out: folder of the records.
        config: what else the content of a record depends on.
        shard_clips: clips in a shard.
    """
    rows = sorted(rows, key=lambda row: row.clip)
    shards = []
    for number, start in enumerate(range(0, len(rows), shard_clips)):
        mine = tuple(rows[start : start + shard_clips])
        clips = [[facts(row), _state(root, row.picture), _state(root, row.sound)] for row in mine]
        fingerprint = sha256(json.dumps([config, clips], ensure_ascii=True, sort_keys=True))
        shards.append(Shard(out / f"shard-{number:05d}.tfrecord", mine, fingerprint))
    return shards


def _state(root: Path, file: str) -> list[int]:
    """Size and time of change of a file; empty where it is not there."""
    if not file:
        return []
    try:
        status = os.stat(root / file)
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


def write_shard(shard: Shard, results: Iterator[tuple[ManifestRow, ClipData | BadClip]]) -> None:
    """Takes as many results as the shard has rows, writes them, and then the index.

    Raises:
        EmotionNetError: the disk is full, or the folder cannot be written.
    """
    entries, skipped = [], []

    def examples():
        for _ in shard.rows:
            row, clip = next(results)
            if isinstance(clip, BadClip):
                skipped.append(_skipped(row, clip))
                continue
            entries.append(_entry(clip))
            yield serialize(clip)

    offsets, written = write_examples(shard.path, examples())
    clips = [{**entry, "offset": offset} for entry, offset in zip(entries, offsets)]
    write_json(
        shard.index_path,
        {"fingerprint": shard.fingerprint, **written, "clips": clips, "skipped": skipped},
    )


def list_shard(
    shard: Shard, results: Iterator[tuple[ManifestRow, ClipData | BadClip]], used: Mapping[str, Any]
) -> None:
    """Takes as many results as the shard has rows and writes the index alone, with what has read each
    clip (``used``, data classes), see `emotionnet.clips.sound_files`."""
    entries, skipped = [], []
    for _ in shard.rows:
        row, clip = next(results)
        if isinstance(clip, BadClip):
            skipped.append(_skipped(row, clip))
        else:
            entries.append({**_entry(clip), "offset": 0, **dataclasses.asdict(used[row.clip])})
    index = {"fingerprint": shard.fingerprint, "bytes": 0, "sha256": ""}
    write_json(shard.index_path, {**index, "clips": entries, "skipped": skipped})


def write_examples(path: Path, examples: Iterable[bytes]) -> tuple[list[int], dict[str, Any]]:
    """Writes serialized examples as a TFRecord file, whole or not at all.

    Returns:
        The offset of each, and ``bytes`` and ``sha256`` of the file.

    Raises:
        EmotionNetError: the disk is full, or the folder cannot be written.
    """
    import tensorflow as tf

    offsets, end = [], 0
    try:
        with atomic_path(path) as temporary:
            with tf.io.TFRecordWriter(os.fspath(temporary)) as writer:
                for example in examples:
                    writer.write(example)
                    offsets.append(end)
                    end += len(example) + FRAMING_BYTES
            # The writer is silent about a disk that became full as it closed the file.
            if temporary.stat().st_size != end:
                raise EmotionNetError(
                    f"{path}: only {temporary.stat().st_size:,} of {end:,} bytes could be "
                    f"written. {_SPACE}"
                )
            return offsets, {"bytes": end, "sha256": file_sha256(temporary)}
    except tf.errors.OpError as error:
        raise EmotionNetError(f"{path}: cannot be written ({error.message}). {_SPACE}") from None


_SPACE = (
    "Free some space, or choose another folder, and run the same command again: finished shards "
    "are kept."
)


def _skipped(row: ManifestRow, why: BadClip) -> dict[str, Any]:
    unread = {"unread": True} if isinstance(why, UnreadClip) else {}
    return {"clip": row.clip, "reason": str(why), **unread}


def _entry(clip: ClipData) -> dict[str, Any]:
    return {
        "clip": clip.row.clip,
        "frames": len(clip.faces),
        "faces_found": clip.faces_found,
        "samples": len(clip.waveform),
        "seconds": round(clip.seconds, 3),
        "notes": clip.notes,
        **digests(clip),
    }


def with_digests(shard: Shard, index: dict[str, Any]) -> dict[str, Any]:
    """The index of a finished shard with `emotionnet.clips.same.digests`, which are added to an older index."""
    if all("sound_hash" in entry for entry in index["clips"]):
        return index
    import tensorflow as tf

    examples = tf.data.TFRecordDataset([os.fspath(shard.path)]).as_numpy_iterator()
    for entry, serialized in zip(index["clips"], examples):
        features = tf.train.Example.FromString(serialized).features.feature
        jpegs, waveform = (features[name].bytes_list.value for name in ("jpegs", "waveform"))
        entry |= hashes(list(jpegs), b"".join(waveform))
    write_json(shard.index_path, index)
    return index


def record_rows(shard: Shard, index: dict[str, Any]) -> list[RecordRow]:
    """The rows of a finished shard."""
    by_clip = {row.clip: row for row in shard.rows}
    return [
        RecordRow(
            **dataclasses.asdict(by_clip[entry["clip"]]),
            shard=shard.path.name,
            offset=entry["offset"],
            frames=entry["frames"],
            faces_found=entry["faces_found"],
            samples=entry["samples"],
        )
        for entry in index["clips"]
    ]
