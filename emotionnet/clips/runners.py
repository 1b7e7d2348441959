"""Who makes the shards of records: processes of this machine, a tf.data pipeline, or one of Apache Beam."""

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from emotionnet.clips.pictures import SHARD_PICTURES, read_pictures
from emotionnet.clips.shards import SHARD_CLIPS, list_shard, write_shard
from emotionnet.clips.workers import read_clips
from emotionnet.corpora import get_corpus
from emotionnet.errors import UsageError


def by_processes(
    corpus: str, root: Path, todo: Sequence, workers: int | None, done: Callable[[], Any]
) -> None:
    """Makes shards by processes of this machine; calls ``done()`` after each clip."""

    wanted = [row for shard in todo for row in shard.rows]
    with closing(_read(corpus, wanted, root, workers)) as results:
        results = _counted(results, done)
        for shard in todo:
            write_shard(shard, results)


def by_tf_data(
    corpus: str,
    root: Path | str,
    todo: Sequence,
    workers: int | None,
    done: Callable[[], Any],
    direct: bool,
) -> None:
    """Makes shards by one tf.data pipeline, as far as clips are recordings of sound; calls ``done()`` after
    each clip. With ``direct`` the recordings are listed, and not copied; ``root`` may be an address then."""
    from emotionnet.clips.sound_files import Place, by_pyav, read_sounds

    def others(rows):
        return (clip for _, clip in _read(corpus, rows, root, workers))

    others, used = partial(by_pyav, Place(root)) if direct else others, {}
    wanted = [row for shard in todo for row in shard.rows]
    with closing(read_sounds(wanted, root, others, used)) as results:
        results = _counted(results, done)
        for shard in todo:
            list_shard(shard, results, used) if direct else write_shard(shard, results)


def _counted(results, done: Callable[[], Any]):
    for result in results:
        done()
        yield result


def by_beam(
    corpus: str,
    root: Path,
    todo: Sequence,
    workers: int | None,
    done: Callable[[int], Any],
    options: Sequence[str],
) -> None:
    """Makes shards by a Beam pipeline; calls ``done(clips)`` after each shard."""
    try:
        from emotionnet.clips.beam import make_shards
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "apache_beam":
            raise
        raise UsageError(
            "--runner beam needs Apache Beam: pip install 'emotionnet[beam]'. Without it, --workers "
            "uses the processes of this machine."
        ) from None
    make_shards(todo, root, _of_pictures(corpus), workers, done, options)


def clips_a_shard(corpus: str) -> int:
    """The number of clips of a corpus in a shard."""
    return SHARD_PICTURES if _of_pictures(corpus) else SHARD_CLIPS


def _of_pictures(corpus: str) -> bool:
    return getattr(get_corpus(corpus), "PICTURES", False)


def _read(corpus: str, rows: Sequence, root: Path, workers: int | None):
    """Each row with what was read of it, see `emotionnet.clips.workers.read_clips`."""
    if _of_pictures(corpus):
        return read_pictures(rows, root)
    return read_clips(rows, root, workers)
