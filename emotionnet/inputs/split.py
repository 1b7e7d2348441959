"""A split: which clips train, validate and test, and the check that the parts are apart."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from emotionnet.clips.copies import original
from emotionnet.corpora import canonical, fer2013, iemocap
from emotionnet.errors import EmotionNetError

#: Anything with ``clip``, ``corpus``, ``emotion``, ``actor`` and ``sex``: manifest or record rows.
Row = Any
Rows = list[Row]


@dataclass
class Split:
    """One division of clips; ``description`` belongs beside every number that comes from it.

    Attributes:
        train, validation, test: lists of rows, sorted by clip. The epoch is chosen on validation.
        protocol: a name of `emotionnet.inputs.protocols.PROTOCOLS`.
        fold: from 1.
        folds: how many the protocol has on these rows.
        seed: of the division; without effect where the protocol is fixed.
        leaky: whether test shares anything with train.
        by_actor: whether the protocol promises that no actor is in two parts.
        description: protocol, fold, actors and what leaks, in words.
        whole: whether it promises that copies of a recording are in one part.
        warning: what a reader must know about this very split, e.g. a class without test clips; or "".
    """

    train: Rows
    validation: Rows
    test: Rows
    protocol: str
    fold: int = 1
    folds: int = 1
    seed: int = 0
    leaky: bool = False
    by_actor: bool = True
    description: str = ""
    warning: str = ""
    whole: bool = True


def name_of(row: Row) -> tuple[str, str]:
    """Corpus and clip: what a clip is known by."""
    return row.corpus, row.clip


def person_of(row: Row) -> tuple[str, str]:
    """Corpus and actor: actor 01 of two corpora is two people."""
    return row.corpus, row.actor


def company_of(person: tuple[str, str]) -> tuple[str, str]:
    """Corpus and whom a person was recorded with: the two of a session of IEMOCAP, whose dialogs one part has whole; of
    others the person alone."""
    corpus, actor = person
    return corpus, iemocap.session_of(actor) if corpus == iemocap.NAME else actor


#: What a split is told by → corpus and name of a row's.
NAMED = {"clip": name_of, "actor": person_of}


def sexes_of(rows: Rows) -> dict[tuple[str, str], str]:
    """Person to sex; of a person whose sex only some rows say, that one."""
    sexes: dict[tuple[str, str], str] = {}
    for row in rows:
        sexes[person_of(row)] = max(row.sex, sexes.get(person_of(row), ""))
    return sexes


def recording_of(row: Row) -> tuple[str, str]:
    """Corpus and the clip whose sound (or picture) this is: equal for copies, changed or not."""
    if getattr(row, "recording", ""):
        return row.corpus, row.recording
    if row.corpus == fer2013.NAME:
        return row.corpus, row.repetition or row.clip
    clip = original(row.clip)
    return row.corpus, canonical.copies(row.corpus).get(clip, clip)


def copies_are_known(rows: Rows) -> bool:
    """Whether copies among the rows were looked for, when they were prepared or by whoever listed the corpus."""
    listed = (*canonical.CORPORA, fer2013.NAME)
    return all(getattr(row, "recording", "") or row.corpus in listed for row in rows)


def check_disjoint(split: Split) -> None:
    """Asserts what the protocol promises.

    Raises:
        EmotionNetError: a clip is in two parts, a copy of one is, or, in a protocol over actors,
            an actor is in two parts or unknown. A protocol over actors whose copies could not be kept
            apart says that it leaks, and is let through.
    """
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    if split.whole and not (split.by_actor and split.leaky):
        _check_apart(parts, recording_of, "clip (or its copy)", split)
    names = Counter(name_of(row) for part in parts.values() for row in part)
    twice = next((clip for (_, clip), count in names.items() if count > 1), None)
    if twice:
        raise EmotionNetError(f"{split.protocol}, fold {split.fold}: clip {twice} is listed twice.")
    if split.by_actor:
        for part, rows in parts.items():
            nobody = next((row.clip for row in rows if not row.actor), None)
            if nobody:
                raise EmotionNetError(
                    f"{split.protocol}, fold {split.fold}: clip {nobody} in {part} has no actor."
                )
        _check_apart(parts, person_of, "actor", split)


def _check_apart(parts: dict[str, Rows], key: Callable, what: str, split: Split) -> None:
    keys = {name: {key(row) for row in rows} for name, rows in parts.items()}
    for a, b in (*pairwise(keys), ("train", "test")):
        shared = sorted(keys[a] & keys[b])
        if shared:
            raise EmotionNetError(
                f"{split.protocol}, fold {split.fold}: {len(shared)} {what} in both {a} and {b}, "
                f"first {shared[0][1]}."
            )
