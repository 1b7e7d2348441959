"""A front's output for every clip, computed once and kept beside the records.

Folds, seeds and runs share it: what a front gives depends on the clip and the front alone. The key
is made of the records, the side fields that are read, the front's layers, its weights and the code of the layers,
so what is found is never stale. Files are written whole or not at all and memory-mapped.
"""

import dataclasses
import errno
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import keras
import numpy as np

from emotionnet import layers
from emotionnet.files import sha256, write_json
from emotionnet.inputs.arrays import read_arrays, write_arrays
from emotionnet.inputs.kinds import STREAMS, streams_in
from emotionnet.inputs.source import Source
from emotionnet.progress import progress

#: Clips at a time through a front; always the same, since another number may round otherwise.
_BATCH = 8


def computed(
    front: keras.Model, source: Source, rows: Sequence, name: str, through: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """What ``front`` gives of ``rows``.

    Args:
        front: inputs by name to outputs by name.
        source: records and view.
        rows: of the records, or copies of them.
        name: what to call them on the disk and to people.
        through: inputs that are kept as they are, beside the outputs.

    Returns:
        Output or input → (n, ...), memory-mapped; or in memory, where nothing can be written.
    """
    source = dataclasses.replace(source, inputs=tuple({*front.input, *through}))
    folder = Path(source.records.folder) / "features" / front_key(front, source)
    places = [(row.clip, Path(row.shard).name, row.offset, row.samples) for row in rows]
    index = folder / f"{name}-{sha256(json.dumps(places))[:12]}.json"
    files = {key: index.with_name(f"{index.stem}-{key}.npy") for key in (*front.output, *through)}

    def batches():
        return _batches(front, source, rows, name, files)

    try:
        # Others may have kept other inputs beside the same features.
        if not all(path.is_file() for path in (index, *files.values())):
            write_arrays(batches(), len(rows), files)
            # The index is what says that all of it is there.
            write_json(index, {"clips": len(rows), "arrays": sorted(files)})
        return read_arrays(files)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        return _joined(batches())


def given(front: keras.Model, source: Source, rows: Sequence, name: str) -> dict[str, np.ndarray]:
    """As `computed`, in memory: of a front whose weights are one run's own."""
    source = dataclasses.replace(source, inputs=tuple(front.input))
    return _joined(_batches(front, source, rows, name, tuple(front.output)))


def _joined(batches: Iterator[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    kept = list(batches)
    return {key: np.concatenate([batch[key] for batch in kept]) for key in kept[0]}


def front_key(front: keras.Model, source: Source) -> str:
    """What the answers of ``front`` to a clip depend on, as a short name."""
    weights = sha256(*(np.ascontiguousarray(w).tobytes() for w in front.weights))
    return sha256(
        source.records.content_hash,
        repr(source.view),
        keras.config.backend(),
        _plain_names(front.to_json()),
        weights,
        _code(),
        *source.records.field_sums(STREAMS[each].field for each in streams_in(source.inputs)),
    )[:16]


def _plain_names(config: str) -> str:
    """A model's JSON in which layers are called by number: Keras counts up within a process."""
    names: dict[str, str] = {}

    def collect(value):
        if isinstance(value, dict):
            if isinstance(value.get("name"), str):
                names.setdefault(value["name"], f"#{len(names)}")
            for each in value.values():
                collect(each)
        elif isinstance(value, list):
            for each in value:
                collect(each)

    def rename(value):
        if isinstance(value, dict):
            return {key: rename(each) for key, each in value.items()}
        if isinstance(value, list):
            return [rename(each) for each in value]
        return names.get(value, value) if isinstance(value, str) else value

    whole = json.loads(config)
    collect(whole)
    return json.dumps(rename(whole), sort_keys=True)


@cache
def _code() -> str:
    sources = sorted(Path(layers.__file__).parent.glob("*.py"))
    return sha256(*(path.read_bytes() for path in sources))


def _batches(front, source, rows, name, keys) -> Iterator[dict[str, np.ndarray]]:
    """Key → array, batch after batch."""
    with progress(total=len(rows), what=f"features of {name}", unit="clips") as bar:
        for batch in source.inference_batches(rows, _BATCH):
            outputs = front.predict_on_batch({key: batch[key] for key in front.input})
            arrays = {key: np.asarray({**batch, **outputs}[key]) for key in keys}
            # NumPy's files know no bfloat16.
            yield {
                k: a if a.dtype.kind in "iu" else a.astype(np.float32) for k, a in arrays.items()
            }
            bar.update(len(next(iter(arrays.values()))))
