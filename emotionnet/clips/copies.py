"""Changed copies of the sound: computed once a copy, kept as records.

Another pitch and another speed cost about a tenth of a second a clip, too much for every epoch, and the paper (Lu et al.,
section III-B.1) adds copies to the data set anyway. A copy is a record like any other, beside the
records it comes from, so the pipeline needs to know nothing of it. Copies are made of every clip;
which of them a training may see is decided by its split: only copies of training clips.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from emotionnet.clips import SAMPLE_RATE
from emotionnet.clips.records import (
    MANIFEST_FILE,
    META_FILE,
    RecordRow,
    as_manifest_rows,
    serialize,
    write_record_manifest,
)
from emotionnet.clips.shards import write_examples
from emotionnet.corpora.manifest import manifest_hash
from emotionnet.errors import UsageError
from emotionnet.files import atomic_folder, cache_folder, read_json, sha256, write_json
from emotionnet.locks import alone
from emotionnet.progress import progress

#: Largest pitch shift in semitones, either way (ours).
PITCH_STEPS = 2.0
#: Of the paper: 0.8 times as fast.
STRETCH_RATE = 0.8
#: The paper's: another pitch, and another speed.
KINDS = ("pitch", "stretch")
_KIND = re.compile(r"(pitch|stretch|speed|noise)([+-]?\d+(?:\.\d+)?)?(#\d+)?")
_SHARD = 128
#: As many copies are made before other processes have started to help.
FEW = 32


def parse_kind(kind: str) -> list[tuple[str, float | None]]:
    """The kind of copy with this name.

    ``pitch`` semitones up or down, drawn for each clip within ±2; ``pitch+1.5`` as many;
    ``stretch`` 0.8 times as fast, at the same pitch; ``stretch1.2`` another rate; ``speed0.9`` as a
    slower tape sounds, in pitch too; ``noise15`` white noise 15 dB below the sound. ``pitch#2`` is
    a second draw, and so on. ``stretch_pitch+0.7`` is one change after another.

    Returns:
        What is changed, and by how much (None for what is drawn): each change in order.

    Raises:
        UsageError: no such kind.
    """
    return [_parse_change(change, kind) for change in kind.split("_")]


def original(clip: str) -> str:
    """The clip that ``clip~kind`` is a copy of; ``clip`` itself where it is none."""
    name, _, kind = clip.rpartition("~")
    is_kind = all(_KIND.fullmatch(change) for change in kind.split("_"))
    return name if name and is_kind else clip


def write_rows(records, kinds: Sequence[str], out: str | os.PathLike) -> Path:
    """Records in which changed copies of the sound are separate clips, as in some papers.

    Args:
        records: opened records.
        kinds: see `parse_kind`.
        out: folder of the new records, which appears only when all is written; what ``records`` has as side
            fields is left out.

    Returns:
        ``out``.

    Raises:
        UsageError: an unknown kind, or ``out`` is there already.
    """
    out = Path(out)
    with alone(out):
        if out.exists():
            raise UsageError(f"{out}: is there already; choose a new folder")
        with atomic_folder(out) as unfinished:
            _write_rows(records, kinds, unfinished)
    return out


def _write_rows(records, kinds: Sequence[str], out: Path) -> None:
    rows = [*records.rows, *speech_copies(records, records.rows, kinds)]
    rows = sorted(rows, key=lambda row: row.clip)
    written = []
    for number, first in enumerate(range(0, len(rows), _SHARD)):
        mine, name = rows[first : first + _SHARD], f"shard-{number:05d}.tfrecord"
        offsets, index = write_examples(out / name, records.dataset(mine).as_numpy_iterator())
        write_json((out / name).with_suffix(".json"), index)
        written += [
            dataclasses.replace(row, shard=name, offset=offset)
            for row, offset in zip(mine, offsets, strict=True)
        ]
    write_record_manifest(out / MANIFEST_FILE, written)
    meta = {
        key: value for key, value in records.meta.items() if key not in ("fields", "content_hash")
    }
    own = {"clips": len(written), "manifest_hash": manifest_hash(as_manifest_rows(written))}
    write_json(out / META_FILE, {**meta, **own, "copies": list(kinds)})


def _parse_change(change: str, kind: str) -> tuple[str, float | None]:
    match = _KIND.fullmatch(change)
    what, amount = (match[1], match[2] and float(match[2])) if match else ("", None)
    if what == "stretch" and amount is None:
        amount = STRETCH_RATE
    rate = what in ("stretch", "speed")
    if not match or (rate and not 0.25 <= (amount or 0) <= 4) or (what == "noise" and not match[2]):
        raise UsageError(
            f"copies of kind {kind!r}: not known. There are pitch, pitch+1.5 (semitones), stretch, "
            "stretch1.2 and speed0.9 (rates of 0.25 to 4), noise15 (dB), draws like pitch#2, and "
            "changes in a row like stretch_pitch+0.7."
        )
    return what, amount


def speech_copies(
    records, rows: Sequence[RecordRow], kinds: Sequence[str] = KINDS
) -> list[RecordRow]:
    """The copies of ``rows``, for `emotionnet.clips.records.Records.dataset`.

    Args:
        records: opened records; copies of all its clips with sound are made if they are not there
            (of what is no copy itself).
        rows: rows of ``records`` with sound.
        kinds: see `parse_kind`.

    Returns:
        For each row its copies, as rows with the same actor and emotion, named ``clip~pitch`` and
        so on.

    Raises:
        UsageError: an unknown kind.
    """
    for kind in kinds:
        parse_kind(kind)
    wanted = {row.clip: row for row in rows}
    copies = []
    sounding = [row for row in records.rows if row.samples > 0 and original(row.clip) == row.clip]
    chunks = [sounding[i : i + _SHARD] for i in range(0, len(sounding), _SHARD)]
    # The key changes with the records and with what is done to them: a stale copy is never used.
    key = sha256(records.content_hash, f"{PITCH_STEPS} {STRETCH_RATE} {_SHARD}")[:12]
    folder = Path(records.folder) / "copies" / key
    # A disk may only be read.
    if not folder.is_dir() and not os.access(records.folder, os.W_OK):
        folder = cache_folder() / "copies" / key
    missing = [
        (number, kind)
        for number in range(len(chunks))
        for kind in kinds
        if not _index(folder, number, kind).is_file()
    ]
    if missing:
        _make(records, folder, chunks, missing)
    for number in range(len(chunks)):
        for kind in kinds:
            for raw in read_json(_index(folder, number, kind)):
                if row := wanted.get(raw["clip"].rpartition("~")[0]):
                    # Absolute, so that the records' own dataset reads them.
                    raw["shard"] = str((folder / raw["shard"]).resolve())
                    copies.append(labelled_as(row, RecordRow(**raw)))
    return copies


def labelled_as(row: RecordRow, copy: RecordRow) -> RecordRow:
    """The ``copy`` with what ``row`` says of its clip: emotion and a crowd's votes (classes may be merged), and whose copy
    that is itself."""
    return dataclasses.replace(copy, emotion=row.emotion, votes=row.votes, recording=row.recording)


def transform(waveform: np.ndarray, kind: str, clip: str) -> np.ndarray:
    """A copy of a waveform (samples,) float32 in [-1, 1); what is drawn is drawn from the names."""
    # The paper's own pitch is drawn from the clip's name alone.
    draw = np.random.default_rng(int(sha256(clip if kind == "pitch" else f"{clip}~{kind}")[:8], 16))
    for what, amount in parse_kind(kind):
        waveform = _changed(waveform, what, amount, draw)
    return waveform


def _changed(waveform, what: str, amount: float | None, draw: np.random.Generator) -> np.ndarray:
    import librosa

    if what == "stretch":
        return librosa.effects.time_stretch(waveform, rate=amount)
    if what == "speed":
        rate = round(SAMPLE_RATE * amount)
        return librosa.resample(waveform, orig_sr=rate, target_sr=SAMPLE_RATE)
    if what == "noise":
        level = np.sqrt(np.mean(np.square(waveform))) * 10 ** (-amount / 20)
        return waveform + level * draw.standard_normal(len(waveform), np.float32)
    steps = PITCH_STEPS * draw.uniform(-1, 1) if amount is None else amount
    return librosa.effects.pitch_shift(waveform, sr=SAMPLE_RATE, n_steps=steps)


def _index(folder: Path, number: int, kind: str) -> Path:
    return folder / f"{kind}-{number:05d}.json"


def _transform_int16(job: tuple[np.ndarray, str, str]) -> np.ndarray:
    copy = transform(*job)
    return np.clip(np.round(copy * 32768), -32768, 32767).astype(np.int16)


def _make(records, folder: Path, chunks: list, missing: list[tuple[int, str]]) -> None:
    total = sum(len(chunks[number]) for number, _ in missing)
    workers = max(1, os.cpu_count() or 1) if total > FEW else 0
    for kind in {kind for _, kind in missing} if workers else ():
        # librosa has numba compile parts of it, which are kept on disk. Two processes that did so at once would leave
        # a file that crashes whoever loads it, so it is done here first.
        transform(np.zeros(SAMPLE_RATE, np.float32), kind, "")
    with (
        _pool(workers) as mapped,
        progress(total=total, what="copies of the sound", unit="clips") as bar,
    ):
        for number, kind in missing:
            rows = chunks[number]
            sounds = records.dataset(rows).map(lambda s: records.parse(s)["waveform"])
            jobs = ((s, kind, row.clip) for s, row in zip(sounds.as_numpy_iterator(), rows))
            _write_shard(folder, number, kind, rows, mapped(_transform_int16, jobs), bar)


@contextmanager
def _pool(workers: int) -> Iterator[Callable]:
    """What maps a function in as many processes, in order; 0 works in this one."""
    if not workers:
        yield map
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield partial(pool.map, chunksize=4)


def _write_shard(folder: Path, number: int, kind: str, rows, copies, bar) -> None:
    from emotionnet.clips.clip import ClipData

    name, made = f"{kind}-{number:05d}.tfrecord", []

    def examples():
        for row, sound in zip(rows, copies):
            manifest_row = dataclasses.replace(
                as_manifest_rows([row])[0], clip=f"{row.clip}~{kind}", picture=""
            )
            made.append({**dataclasses.asdict(manifest_row), "shard": name, "samples": len(sound)})
            yield serialize(ClipData.of_sound(manifest_row, sound))
            bar.update()

    offsets, _ = write_examples(folder / name, examples())
    written = [RecordRow(**facts, offset=offset) for facts, offset in zip(made, offsets)]
    # The index is what says that a shard is whole.
    write_json(_index(folder, number, kind), [dataclasses.asdict(row) for row in written])
