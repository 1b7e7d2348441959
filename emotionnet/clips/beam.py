"""Shards made by an Apache Beam pipeline, for corpora that are too large for one machine.

A shard is the unit of work: it is read and written by the functions that ``prepare`` uses by itself, so
the bytes are the same, and a shard that is finished is not made again. A worker needs the clips and the
folder of the records under the same paths as here: a disk that all of them share.

Tried with Beam's runner for one machine and several processes. Flink, Spark and Dataflow have not been
tried; they take the same pipeline through ``--beam-options``.
"""

import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from emotionnet.clips.pictures import read_pictures
from emotionnet.clips.shards import Shard, write_shard
from emotionnet.clips.workers import ClipReader, checked, default_workers
from emotionnet.errors import EmotionNetError

#: Beam's own runner for one machine. What it calls DirectRunner would fetch another program.
LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
#: Seconds between two looks at what is finished.
_LOOK_S = 1.0
#: What Beam wraps around an error of ours.
_OURS = re.compile(r"emotionnet\.errors\.\w+: (.*?)(?: \[while running '.*|$)", re.MULTILINE)


class MakeShard(beam.DoFn):
    """Reads the clips of a `Shard`, writes it and its index, and gives its name.

    The clips are read by a separate process, so that one that kills its reader costs only itself.

    Args:
        root: folder of the clips.
        pictures: whether the clips are single pictures.
    """

    def __init__(self, root: str, pictures: bool):
        self._root, self._pictures = root, pictures

    def setup(self) -> None:
        self._reader = ClipReader()

    def process(self, shard: Shard) -> Iterator[str]:
        if shard.read_index() is None:  # else an earlier try of this bundle has made it
            write_shard(shard, self._read(shard.rows))
        yield shard.path.name

    def teardown(self) -> None:
        self._reader.close()

    def _read(self, rows: Sequence) -> Iterator[tuple]:
        if self._pictures:
            yield from read_pictures(rows, self._root)
            return
        for row in rows:
            yield row, checked(self._reader.read(row, self._root))


def make_shards(
    shards: Sequence[Shard],
    root: str | os.PathLike,
    pictures: bool,
    workers: int | None = None,
    done: Callable[[int], Any] = lambda clips: None,
    options: Sequence[str] = (),
) -> None:
    """Makes shards by a pipeline.

    Args:
        shards: those that are not finished.
        root: folder of the clips.
        pictures: whether the clips are single pictures.
        workers: processes of this machine; by default one a core.
        done: called with the number of clips of each shard that is finished.
        options: of the pipeline; by default it runs on this machine.

    Raises:
        EmotionNetError: the pipeline failed, or ended with shards missing.
    """
    workers = min(workers or default_workers(), len(shards))
    words = list(options) or [
        f"--runner={LOCAL_RUNNER}",
        "--direct_running_mode=multi_processing",
        f"--direct_num_workers={workers}",
    ]
    # Full paths: a worker may run in another folder.
    shards = [Shard(shard.path.resolve(), shard.rows, shard.fingerprint) for shard in shards]
    with _watched(shards, done):
        try:
            with beam.Pipeline(options=PipelineOptions(words)) as pipeline:
                _ = (
                    pipeline
                    | beam.Create(shards)
                    | beam.Reshuffle()  # else one worker would get them all
                    | beam.ParDo(MakeShard(os.path.abspath(root), pictures))
                )
        except EmotionNetError:
            raise
        except Exception as error:  # each runner has its own kinds
            ours = _OURS.findall(str(error))
            last = str(error).strip().splitlines()[-1:] or [type(error).__name__]
            raise EmotionNetError(
                ours[-1] if ours else f"the Beam pipeline failed: {last[0]}"
            ) from None
    missing = [shard.path.name for shard in shards if shard.read_index() is None]
    if missing:
        raise EmotionNetError(
            f"{shards[0].path.parent}: the Beam pipeline ended, but {len(missing)} shards are not here, "
            f"{missing[0]} for one. Its workers must share this folder. The same command resumes."
        )


@contextmanager
def _watched(shards: Sequence[Shard], done: Callable[[int], Any]) -> Iterator[None]:
    """Calls ``done`` for each shard that gets finished, whichever worker does it."""
    waiting, stop = {shard.index_path: shard for shard in shards}, threading.Event()

    def look() -> None:
        for path in [path for path in waiting if path.is_file()]:
            if waiting[path].read_index() is not None:
                done(len(waiting.pop(path).rows))

    def watch() -> None:
        while not stop.wait(_LOOK_S):
            look()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
        look()
