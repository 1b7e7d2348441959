"""Corpora: small adapters that turn a folder of files into manifest rows.

A corpus is a module ``emotionnet/corpora/<name>.py`` with ``NAME``, ``EMOTIONS_USED`` (names, or None
where the data decides) and ``scan(root, ignored=None, **options)``, which returns rows sorted by clip
and appends ``(path, reason)`` to ``ignored`` for every file that it saw and left out. Where it takes
``notes``, a list, it appends lines that say how the folder was read.

Optional: ``PICTURES`` (True: each clip is one picture, which is a face already), ``given_part(row)``
(``train``, ``test``, …: the division that the corpus brings); ``remark(rows)``, what must be shown with every number
measured on them; and ``HOW_TO_GET``, for sets that `download` cannot fetch.
"""

import importlib
import inspect
import os
from collections import defaultdict
from collections.abc import Iterable
from types import ModuleType

from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import UsageError

CORPORA = ("crema_d", "demo", "emodb", "enterface", "fer2013", "folder", "iemocap", "ravdess")


def get_corpus(name: str) -> ModuleType:
    """The adapter of a corpus; imported only now.

    Args:
        name: one of `CORPORA`; ``CREMA-D`` is understood as ``crema_d``.

    Raises:
        UsageError: there is no such corpus; the text names the known ones.
    """
    module = name.strip().lower().replace("-", "_")
    if module not in CORPORA:
        raise UsageError(f"unknown corpus {name!r}. Known: {', '.join(CORPORA)}.")
    return importlib.import_module(f"emotionnet.corpora.{module}")


def corpus_options(name: str) -> dict[str, object]:
    """The options of a corpus's ``scan`` with their defaults, e.g. ``{"channel": "speech"}``."""
    parameters = inspect.signature(get_corpus(name).scan).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in ("root", "ignored", "notes")}


def remarks(rows: Iterable[ManifestRow]) -> str:
    """What the corpora of these rows want shown with every number, as ``; text``; mostly ""."""
    by_corpus = defaultdict(list)
    for row in rows:
        by_corpus[row.corpus].append(row)
    said = []
    for name in sorted(set(by_corpus).intersection(CORPORA)):
        remark = getattr(get_corpus(name), "remark", None)
        said.append(remark(by_corpus[name]) if remark else "")
    return "".join(f"; {text}" for text in said if text)


def scan(
    name: str,
    root: str | os.PathLike,
    ignored: list[tuple[str, str]] | None = None,
    notes: list[str] | None = None,
    **options: object,
) -> list[ManifestRow]:
    """Scans a folder with the adapter ``name``.

    Args:
        name: the corpus, see `get_corpus`.
        root: folder of the corpus.
        ignored: where given, ``(path, reason)`` is appended for every file that was left out.
        notes: where given, lines are appended that say how the folder was read.
        options: of the corpus, see `corpus_options`.

    Returns:
        Manifest rows sorted by clip; their files are relative to ``root``.

    Raises:
        UsageError: unknown corpus or option, no such folder.
        EmotionNetError: the folder holds no usable clip.
    """
    corpus, known = get_corpus(name), corpus_options(name)
    unknown = sorted(set(options) - set(known))
    if unknown:
        offered = f"Its options: {', '.join(known)}." if known else "It has no options."
        raise UsageError(f"corpus {corpus.NAME!r} has no option {unknown[0]!r}. {offered}")
    taken = inspect.signature(corpus.scan).parameters
    told = {
        name: given for name, given in (("ignored", ignored), ("notes", notes)) if name in taken
    }
    return corpus.scan(root, **told, **options)
