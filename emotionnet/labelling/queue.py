"""Which clips of a pool to ask a person about: those whose answers are the most uncertain.

Scores are kept in a CSV beside the labels, so that a sitting that is taken up again starts at once
and only new or changed clips are scored, and those that could not be read.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotionnet.command import explain_os_error
from emotionnet.errors import EmotionNetError, UnreadClip, UsageError
from emotionnet.files import read_csv, write_csv
from emotionnet.training.uncertainty import entropy_bits

_COLUMNS = ("file", "size", "changed", "run", "entropy_bits", "guess", "error")
#: Clips after which the scores are written, so that a kill loses little.
_WRITE_EVERY = 20


@dataclass(frozen=True)
class Scored:
    """A clip of the pool and how uncertain the run is about it.

    Attributes:
        file: relative to the pool, with "/".
        size, changed: bytes and time of change (ns) when it was scored, as text.
        run: which trained model, see `run_id`.
        entropy_bits: of the fused answer; NaN where the clip could not be used.
        guess: the run's answer, or "".
        error: why it could not be used, or "".
        unread: whether that is no matter of the clip (rights, a disk that is away): it is tried again.
    """

    file: str
    size: str
    changed: str
    run: str
    entropy_bits: float
    guess: str = ""
    error: str = ""
    unread: bool = False


def answer_bits(probabilities: Mapping[str, float]) -> float:
    """Entropy of one rounded answer."""
    p = np.array([list(probabilities.values())])
    return float(entropy_bits(p / p.sum())[0]) + 0.0  # + 0.0: no minus before a zero


def run_id(run) -> str:
    """Short hash of what an opened run answers with: its config and its model file."""
    from emotionnet.files import sha256

    model = run.folder / "model.keras"
    return sha256(run.fingerprint(), model.read_bytes() if model.is_file() else "")[:12]


def find_pool(pool: Path, ignored: list[tuple[str, str]] | None = None) -> list[str]:
    """The recordings of a pool, relative, sorted. A sound beside a video of its name is left out.

    Args:
        pool: the folder.
        ignored: where given, ``(path, reason)`` is appended for every file that is not a clip.

    Raises:
        UsageError: no such folder, or no recordings in it.
    """
    from emotionnet.corpora.listing import (
        SOUND_SUFFIXES,
        VIDEO_SUFFIXES,
        find_recordings,
        left_out,
    )

    ignored = [] if ignored is None else ignored
    if not pool.is_dir():
        raise UsageError(f"--pool {pool}: no such folder. Give the one that holds your clips.")
    found = find_recordings(pool, (*VIDEO_SUFFIXES, *SOUND_SUFFIXES), ignored)
    videos = [path for suffix in VIDEO_SUFFIXES for path in found[suffix]]
    sounds = [path for suffix in SOUND_SUFFIXES for path in found[suffix]]
    names = {path.with_suffix("") for path in videos}
    partners = [path for path in sounds if path.with_suffix("") in names]
    ignored += [(str(path), "the video of the same name is asked about") for path in partners]
    files = [*videos, *(path for path in sounds if path.with_suffix("") not in names)]
    if not files:
        text = f"--pool {pool}: no recordings in it (looked for .mp4, .mov, .wav …)."
        raise UsageError("\n  ".join([text, *left_out(ignored)]))
    return sorted(str(path) for path in files)


def score_pool(
    run: str | os.PathLike,
    pool: str | os.PathLike,
    scores: str | os.PathLike,
    ignored: list[tuple[str, str]] | None = None,
) -> list[Scored]:
    """Scores every clip of a pool with a run, each once; those that could not be read are tried again.

    Args:
        run: a run folder.
        pool: the folder with the clips.
        scores: CSV that keeps the scores from one time to the next.
        ignored: as for `find_pool`.

    Returns:
        A `Scored` for each clip, in order of file.

    Raises:
        UsageError: no run or no recordings there.
        EmotionNetError: the run cannot be used, or not one clip could be answered.
    """
    from emotionnet.deploy.bundle import open_run
    from emotionnet.progress import progress

    pool, opened = Path(pool), open_run(run)
    this_run = run_id(opened)
    kept = {(s.file, s.size, s.changed, s.run): s for s in _read(scores)}
    done: list[Scored] = []
    missing: list[tuple[str, str, str, str]] = []
    for file in find_pool(pool, ignored):
        stat = (pool / file).stat()
        key = (file, str(stat.st_size), str(stat.st_mtime_ns), this_run)
        if key in kept:
            done.append(kept[key])
        else:
            missing.append(key)
    if missing:
        bar = progress(_score(run, pool, missing), total=len(missing), what="score", unit="clips")
        for number, scored in enumerate(bar, start=1):
            done.append(scored)
            if number % _WRITE_EVERY == 0:
                _write(scores, done)
        _write(scores, done)
    if all(scored.error for scored in done):
        raise EmotionNetError(
            f"{pool}: not one of its {len(done)} clips could be used. {done[0].file}: {done[0].error}"
        )
    return sorted(done, key=lambda scored: scored.file)


def most_uncertain(scored: list[Scored], most: int, leave_out: set[str] = frozenset()):
    """The ``most`` usable clips with the highest entropy, highest first, without ``leave_out``."""
    usable = [s for s in scored if not s.error and s.file not in leave_out]
    return sorted(usable, key=lambda s: (-s.entropy_bits, s.file))[:most]


def _score(run, pool: Path, keys: list[tuple[str, str, str, str]]) -> Iterator[Scored]:
    from emotionnet.prediction.predictor import Predictor

    predictor = Predictor(run)
    for key in keys:
        path = pool / key[0]
        try:
            answer = predictor.answer(path)
        except EmotionNetError as error:
            unread = isinstance(error, UnreadClip) or not path.exists()
            yield Scored(*key, float("nan"), error=str(error), unread=unread)
        except OSError as error:
            yield Scored(*key, float("nan"), error=explain_os_error(error), unread=True)
        else:
            yield Scored(*key, answer_bits(answer["probabilities"]), answer["emotion"])


def _read(path: str | os.PathLike) -> list[Scored]:
    if not Path(path).is_file():
        return []
    try:
        return [
            Scored(**{**{c: row[c] for c in _COLUMNS}, "entropy_bits": float(row["entropy_bits"])})
            for row in read_csv(path)
        ]
    except (KeyError, TypeError, ValueError):
        return []  # of another version, or damaged: it is only a cache


def _write(path: str | os.PathLike, scored: list[Scored]) -> None:
    rows = ({c: getattr(s, c) for c in _COLUMNS} for s in scored if not s.unread)
    write_csv(path, rows, _COLUMNS)
