"""A folder of clips becomes a folder of records, or what is missing of it; side fields and copies are added.

What is in the folder is described in `emotionnet.clips.records`.
"""

import dataclasses
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from emotionnet import __version__
from emotionnet.command import not_empty, resumes
from emotionnet.environment import package_versions
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.locks import alone

RUNNERS = ("local", "beam", "tf.data")
#: What decides, beside the clips, what is in records.
_PACKAGES = ("ai-edge-litert", "av", "mtcnn", "numpy", "opencv-python-headless", "soxr")
#: Where corpora and records are, unless said otherwise.
DATA = Path("data")


def prepare(
    corpus: str = "demo",
    root: str | os.PathLike | None = None,
    out: str | os.PathLike | None = None,
    *,
    workers: int | None = None,
    runner: str = "local",
    beam_options: Sequence[str] = (),
    rows: Sequence | None = None,
    records: str | os.PathLike | None = None,
    fields: Sequence[str] = (),
    field_options: Mapping[str, object] | None = None,
    copies: Sequence[str] = (),
    direct: bool = False,
    **options: object,
) -> Path:
    """Decodes the clips of a corpus, finds their faces and writes all as records.

    Can be killed at any moment and called again: finished shards are kept, and the result is the same
    to the byte. Called again when clips were added or replaced, only the shards that change are made
    again. A clip that cannot be used is listed with the reason and never stops the others; where the reason may
    have passed (rights, a killed process), it is tried again.

    Args:
        corpus: name of the corpus, see `emotionnet.corpora.get_corpus`.
        root: its folder; by default ``data/<corpus>/clips`` for the demo, which is made where it is
            missing; needed for the others.
        out: folder of the records; by default ``data/<corpus>/records``, and where options are given
            ``data/<corpus>-<option>/records``: other options make other records.
        workers: processes; by default one a core. 0 works in this process alone.
        runner: ``local``, processes of this machine; ``beam``, an Apache Beam pipeline (extra ``beam``), which
            gives the same bytes; or ``tf.data``, a pipeline in which tensorflow-io reads recordings of sound.
        beam_options: of the pipeline, such as ``--runner=FlinkRunner``; by default it runs in ``workers``
            processes of this machine.
        rows: manifest rows, instead of scanning ``root``.
        records: a folder of finished records that ``fields`` are added to; no clip is read then.
        fields: side fields to add, of `emotionnet.clips.fields.FIELDS`.
        copies: with ``records`` and ``out``: kinds of changed copies of the sound, which become clips of
            their own in new records, see `emotionnet.clips.copies.write_rows`.
        field_options: of the fields, for example ``{"openface": folder}``.
        direct: list the sound of the clips and leave it where it is, see `emotionnet.clips.sound_files`; by
            default in ``data/<corpus>-direct/records``. ``root`` may be an address then.
        options: of the corpus' ``scan``, for example ``channel="all"``.

    Returns:
        ``out``, or ``records``; `emotionnet.clips.records.Records.open` opens it.

    Raises:
        UsageError: an unknown corpus or option, a missing folder, or ``out`` holds something else.
        EmotionNetError: no clip could be used, or ``out`` cannot be written.
    """
    from emotionnet import corpora
    from emotionnet.clips.copies import write_rows
    from emotionnet.clips.fields import make_fields
    from emotionnet.clips.fields.add import add_fields
    from emotionnet.clips.place import claim, default_place, folder_name
    from emotionnet.clips.records import Records, read_meta
    from emotionnet.clips.remote import is_url, mirror
    from emotionnet.clips.runners import by_beam, by_processes, by_tf_data, clips_a_shard
    from emotionnet.clips.shards import plan_shards

    if workers is not None and workers < 0:
        raise UsageError(f"workers={workers}: must be 0 (this process alone) or more")
    wanted = make_fields(fields, field_options or {})
    if copies and (records is None or out is None):
        raise UsageError("--copies needs --records (what to copy) and --out (the new records)")
    if records is not None:
        others = {"root": root, "rows": rows, "runner": runner, **options}
        others |= {"beam_options": list(beam_options) or None, "out": None if copies else out}
        _check_alone(corpus, **others)
    if copies:
        if wanted:
            raise UsageError(
                "--copies with --fields: add fields to the new records when they are made"
            )
        return write_rows(Records.open(records), copies, out)
    if records is not None:
        read_meta(records)  # a lock would make the folders that a wrong name lies in
        with alone(records), resumes("finished shards are kept, and the same command resumes"):
            add_fields(records, wanted, workers)
        return Path(records)
    corpus = corpora.get_corpus(corpus).NAME
    if runner not in RUNNERS:
        raise UsageError(f"--runner {runner}: not known. Choose one of {', '.join(RUNNERS)}.")
    if beam_options and runner != "beam":
        raise UsageError("--beam-options are for --runner beam")
    root = _root(corpus, root, out, direct)
    here = mirror(root) if is_url(root) else root
    config = _config(corpus, root, options, direct)
    if out is None:
        name = folder_name(corpus, *options.values(), *["direct"] * direct)
        out = default_place(DATA / name, config)
    out = Path(out)
    if out.resolve() == here.resolve():
        raise UsageError(f"{out}: is the folder of the clips; choose another --out")
    claim(out, config)  # at once, and again when nobody else is writing there
    with alone(out), resumes("finished shards are kept, and the same command resumes"):
        config |= claim(out, config)
        ignored: list[tuple[str, str]] = []
        reading: list[str] = []
        if rows is None:
            if corpus == "demo":
                corpora.get_corpus(corpus).make(root, workers=workers)
            rows = corpora.scan(corpus, here, ignored, reading, **options)
            for line in reading:
                print(f"{root}: {line}")
        _check_rows(rows, root)
        names = ("schema", "crop", "jpeg_quality", "max_rate", *["direct"] * direct)
        content = {name: config[name] for name in names}
        shards = plan_shards(rows, here, out, content, clips_a_shard(corpus))
        todo = [shard for shard in shards if not shard.finished]
        if todo:
            make = partial(by_beam, options=beam_options) if runner == "beam" else by_processes
            make = partial(by_tf_data, direct=direct) if direct or runner == "tf.data" else make
            _make_shards(corpus, root, out, shards, todo, config, workers, make)
        _finish(out, shards, config, ignored, reading, changed=bool(todo))
        if wanted:
            add_fields(out, wanted, workers)
    return out


def _check_alone(corpus: str, **others: object) -> None:
    """With ``--records`` no option about clips may be given: no clip is read then."""
    defaults = {"runner": RUNNERS[0], "corpus": "demo"}
    given = [
        name for name, value in {**others, "corpus": corpus}.items() if value != defaults.get(name)
    ]
    if given:
        raise UsageError(
            f"--records with --{given[0].replace('_', '-')}: that is for reading clips, and these have been "
            "read. Only --fields, their options and --workers go with --records."
        )


def records_of(
    records: str | os.PathLike | None,
    corpus: str | None,
    root: str | os.PathLike | None,
    workers: int | None = None,
    options: Mapping[str, object] | None = None,
    direct: bool = False,
) -> Path | str | os.PathLike:
    """The records that a command was given, or those of the corpus that it was given (the demo by default).

    Args:
        records: a folder of finished records, or None.
        corpus, root, workers: as for `prepare`, where there are no records.
        options: of the corpus.
        direct: as for `prepare`.

    Raises:
        UsageError: both were given.
    """
    if records is None:
        return prepare(corpus or "demo", root, workers=workers, direct=direct, **(options or {}))
    if direct:
        raise UsageError("--direct reads the recordings: give --corpus with --root, not --records")
    if corpus or root:
        raise UsageError("give either --records, or --corpus with --root, not both")
    return records


def _root(
    corpus: str, root: str | os.PathLike | None, out: str | os.PathLike | None, direct: bool
) -> Path | str:
    """The folder of the clips; refuses what can be neither that nor a folder of records."""
    from emotionnet.clips.remote import is_url, plain_url

    if root is None:
        if corpus != "demo":
            raise UsageError(f"--corpus {corpus} needs --root: the folder that holds its files")
        root = DATA / corpus / "clips"
    for place, what in ((root, "the folder of the clips"), (out, "the folder of the records")):
        if place is None:
            continue
        not_empty(place, what)
        if is_url(place) and not (direct and place == root):
            raise UsageError(
                f"{place}: clips are read from a folder and records are written to one. Copy the "
                "records to the bucket when they are finished; fit reads them from there. Recordings of "
                "sound are read from a bucket by `fit --streams speech --direct`."
            )
    return plain_url(root) if is_url(root) else Path(root)


def _config(
    corpus: str, root: Path | str, options: dict[str, object], direct: bool
) -> dict[str, Any]:
    """The first content of ``records.json``."""
    from emotionnet.clips import SAMPLE_RATE
    from emotionnet.clips.clip import JPEG_QUALITY
    from emotionnet.clips.crop import CROP_CONFIG
    from emotionnet.clips.decode import MAX_RATE
    from emotionnet.clips.records import SCHEMA_VERSION
    from emotionnet.corpora import corpus_options

    given = {k: os.fspath(v) if isinstance(v, os.PathLike) else v for k, v in options.items()}
    return {
        "schema": SCHEMA_VERSION,
        "corpus": corpus,
        "root": root if isinstance(root, str) else str(root.resolve()),
        **({"direct": True} if direct else {}),
        "options": {**corpus_options(corpus), **given},
        "crop": CROP_CONFIG,
        "jpeg_quality": JPEG_QUALITY,
        "max_rate": MAX_RATE,
        "sample_rate": SAMPLE_RATE,
    }


def _check_rows(rows: Sequence, root: Path) -> None:
    if not rows:
        raise EmotionNetError(f"{root}: no clip to prepare")
    seen: set[str] = set()
    for row in rows:
        if row.clip in seen:
            raise UsageError(f"{root}: two rows are named {row.clip!r}; names must differ")
        seen.add(row.clip)


def _make_shards(
    corpus: str,
    root: Path,
    out: Path,
    shards: Sequence,
    todo: Sequence,
    config: dict[str, Any],
    workers: int | None,
    make: Callable[..., None],
) -> None:
    from emotionnet.files import write_json
    from emotionnet.progress import progress

    # First of all, so that a folder that cannot be written is noticed before hours of work.
    write_json(out / "records.json", {**config, "finished": False})
    for path in out.glob(".*.partial*"):
        path.unlink()
    for shard in todo:  # whoever makes them takes one with an index for made
        shard.index_path.unlink(missing_ok=True)
    wanted = [row for shard in todo for row in shard.rows]
    total = sum(len(shard.rows) for shard in shards)
    bar = progress(total=total, what=f"preparing {corpus}", unit="clips")
    bar.initial = bar.n = total - len(wanted)  # finished before: counts for the share, not the rate

    with bar:
        make(corpus, root, todo, workers, bar.update)


def _finish(
    out: Path,
    shards: Sequence,
    config: dict[str, Any],
    ignored: Sequence[tuple[str, str]],
    reading: Sequence[str],
    changed: bool,
) -> None:
    """Writes the files beside the shards, ``records.json`` last."""
    from emotionnet.clips.contact_sheet import write_contact_sheet
    from emotionnet.clips.place import FILES, IDENTITY
    from emotionnet.clips.records import Records, as_manifest_rows, read_meta, write_record_manifest
    from emotionnet.clips.same import recordings
    from emotionnet.clips.shards import record_rows, with_digests
    from emotionnet.clips.summary import read_summary, summarize, write_skipped, write_summary
    from emotionnet.corpora.manifest import manifest_hash
    from emotionnet.files import write_json

    indexes = [with_digests(shard, shard.read_index()) for shard in shards]
    rows = [row for shard, index in zip(shards, indexes) for row in record_rows(shard, index)]
    same = recordings(rows, (entry for index in indexes for entry in index["clips"]))
    rows = [dataclasses.replace(row, recording=same[row.clip]) for row in rows]
    meta = {
        **config,
        "label_kind": "+".join(sorted({row.label_kind for row in rows})),
        "clips": len(rows),
        "manifest_hash": manifest_hash(as_manifest_rows(rows)),
        "versions": {
            "emotionnet": __version__,
            "python": platform.python_version(),
            **package_versions(_PACKAGES),
        },
        "finished": True,
    }
    strange = set(out.glob("shard-*")) - {p for s in shards for p in (s.path, s.index_path)}
    expected = [out / name for name in FILES if rows and name != "contact_sheet.png"]
    summary = summarize(config["corpus"], rows, indexes, ignored, reading)
    if not changed and not strange and all(path.is_file() for path in expected):
        old = read_meta(out)
        same = all(old.get(key) == meta.get(key) for key in (*IDENTITY, "manifest_hash"))
        if same and old.get("finished") and read_summary(out) == summary:
            return
    for path in strange:
        path.unlink()
    write_skipped(out / "skipped.csv", shards, indexes, ignored)
    if not rows:
        reasons = [f"{s['clip']}: {s['reason']}" for index in indexes for s in index["skipped"]]
        raise EmotionNetError(
            f"{config['root']}: none of its {len(reasons)} clips could be used. The first: "
            f"{reasons[0]}. All of them: {out / 'skipped.csv'}"
        )
    write_record_manifest(out / "manifest.csv", rows)
    records = Records(out, rows, meta)
    write_contact_sheet(out / "contact_sheet.png", records)
    write_summary(out, summary)
    # So that who has an earlier copy of these files sees that recordings were replaced.
    write_json(out / "records.json", {**meta, "content_hash": records.content_hash})
