"""Which folder the records of a corpus go to, whether it is free for them, and what it says of how they were made."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotionnet.clips.fields import FIELDS
from emotionnet.clips.records import MANIFEST_FILE, META_FILE, read_meta
from emotionnet.corpora import CORPORA, corpus_options
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import read_csv

#: What ``records.json`` says, and must say of the same records.
IDENTITY = ("corpus", "root", "options", "direct")
#: The files beside the shards.
FILES = (
    META_FILE,
    MANIFEST_FILE,
    "skipped.csv",
    "summary.json",
    "summary.txt",
    "contact_sheet.png",
)


def folder_name(*words: object) -> str:
    """A folder's name out of a corpus and its options, on any system: one may be a path, or a layout with ``*``."""
    return re.sub(r'[\\/:?"<>|]', "-", "-".join(map(str, words))).replace("*", "_")


def default_place(home: Path, config: dict[str, Any]) -> Path:
    """Where records go by default: ``home/records``, or beside it where that is taken.

    Args:
        home: folder of the corpus, such as ``data/folder``.
        config: what ``records.json`` is to say.

    Returns:
        ``home/records``; or, where that holds the records of another root, a folder named after
        this one too, such as ``data/folder-interviews/records``. Which is printed.
    """
    place = home / "records"
    if not (place / META_FILE).is_file() or not _differs(place, config):
        return place
    other = home.with_name(f"{home.name}-{Path(config['root']).name}") / "records"
    print(
        f"records    {place} holds those of {read_meta(place).get('root')}; these go to {other}",
        file=sys.stderr,
    )
    return other


def claim(out: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Makes sure that ``out`` is free for these records, or holds them already.

    Returns:
        What ``records.json`` keeps from earlier: the side fields.

    Raises:
        UsageError: it holds something else.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file; records need a folder")
    if not (out / META_FILE).is_file():
        if out.is_dir() and any(not _ours(path) for path in out.iterdir()):
            raise UsageError(f"{out}: holds other files; choose an empty or a new folder")
        return {}
    name = _differs(out, config)
    if name:
        corpus, root = config["corpus"], config["root"]
        raise UsageError(
            f"{out}: holds records of {name} {read_meta(out).get(name)!r}, not {config.get(name)!r}. "
            f"Delete that folder, or write these elsewhere: `python -m emotionnet.prepare --corpus "
            f"{corpus} --root {root} --out DIR`, and then `python -m emotionnet.fit --records DIR`."
        )
    meta = read_meta(out)
    return {"fields": meta["fields"]} if "fields" in meta else {}


def _differs(out: Path, config: dict[str, Any]) -> str:
    """What of `IDENTITY` the records in ``out`` have otherwise; "" for nothing."""
    meta = read_meta(out)
    if meta.get("corpus") == config["corpus"]:
        # Options that came later have their defaults.
        meta["options"] = {**corpus_options(config["corpus"]), **meta.get("options", {})}
    differing = [name for name in IDENTITY if meta.get(name) != config.get(name)]
    if differing == ["root"] and _has_moved(out, meta, config):
        return ""
    return differing[0] if differing else ""


def _has_moved(out: Path, meta: dict[str, Any], config: dict[str, Any]) -> bool:
    """Whether the clips of these records are in the new root, and the old one is gone."""
    if Path(meta.get("root", "")).exists() or not (out / MANIFEST_FILE).is_file():
        return False
    root = Path(config["root"])
    files = [row[key] for row in read_csv(out / MANIFEST_FILE) for key in ("picture", "sound")]
    try:
        return all((root / file).exists() for file in files if file)
    except (OSError, ValueError) as error:
        raise EmotionNetError(f"{out / MANIFEST_FILE}: cannot be read ({error}).") from error


def _ours(path: Path) -> bool:
    """True for what may be in a folder of records (hidden: remains of a killed run)."""
    beside = ("copies", "features", *FIELDS)
    return path.name.startswith((".", "shard-")) or path.name in (*FILES, *beside)


def unusual_options(corpus: str, meta: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a corpus that records were made with, where they are not the usual ones: its labels, say."""
    if corpus not in CORPORA:
        return {}
    usual_ones = corpus_options(corpus)
    return {
        name: value
        for name, value in meta.get("options", {}).items()
        if name in usual_ones and value != usual_ones[name]
    }
