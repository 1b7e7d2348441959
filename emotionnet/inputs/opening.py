"""Opens clips, wherever they are: records (tf.data), a copy of them in a bucket, recordings of sound
(`emotionnet.clips.sound_files`), or a view of records in a cache (NumPy, without TensorFlow)."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from emotionnet.clips.records import Records, read_meta
from emotionnet.clips.remote import is_url, plain_url, stage
from emotionnet.inputs.cache import META_FILE, ViewCache
from emotionnet.inputs.source import Source
from emotionnet.inputs.views import View


def open_source(
    records,
    view: View,
    labels: Sequence[str],
    inputs: tuple[str, ...] = (),
    taught: Mapping[str, np.ndarray] | None = None,
) -> Source:
    """The source of opened records or of an opened cache; arguments as of `Source`."""
    if isinstance(records, ViewCache):
        from emotionnet.inputs.array_source import ArraySource

        records.check_view(view)
        return ArraySource(records, view, labels, inputs, taught or {})
    from emotionnet.inputs.pipeline import RecordSource

    return RecordSource(records, view, labels, inputs, taught or {})


def open_clips(folder: str | os.PathLike) -> Records | ViewCache:
    """Opens records, the recordings that `fit --direct` has listed, or a cache of a view of records.

    Args:
        folder: of the records or the cache; or the address of records (``s3://…``, ``gs://…``), which
            are fetched as far as they are not here yet, see `emotionnet.clips.remote.stage`.

    Raises:
        UsageError: it is neither, or not finished.
        EmotionNetError: it is damaged, or of another version.
    """
    if is_url(folder):
        return dataclasses.replace(Records.open(stage(folder)), url=plain_url(folder))
    if (Path(folder) / META_FILE).is_file():
        return ViewCache.open(folder)
    if read_meta(folder).get("direct"):
        from emotionnet.clips.sound_files import SoundFiles

        return SoundFiles.open(folder)
    return Records.open(folder)
