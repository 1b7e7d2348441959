"""A manifest: a row a clip. Everything to the right of a corpus reads only this."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from emotionnet.files import sha256


@dataclass(frozen=True)
class ManifestRow:
    """One clip of a corpus.

    Attributes:
        clip: name of the clip, unique in its corpus (RAVDESS: the stem without its modality).
        corpus: ``demo``, ``ravdess``, ``crema_d``, ``folder`` ...
        emotion: a name of `emotionnet.emotions.EMOTIONS`, or the user's own class.
        actor: who is seen and heard; "" where unknown. Actors are what folds keep apart.
        sex: ``female``, ``male`` or "".
        intensity: ``normal``, ``strong``, CREMA-D's ``LO MD HI XX``, or "".
        statement: which sentence, or "".
        repetition: which take, or "".
        channel: ``speech``, ``song`` or "".
        picture: video file, relative to the corpus root with "/"; "" where there is none.
        sound: sound file, relative; used where ``picture`` is "", has no sound, or digital silence.
        label_kind: ``acted``, ``perceived``, ``given`` (the user's own) or ``drawn`` (demo).
        part: ``train``, ``validation``, ``test``, … of the division that the data bring, or "".
        start_s, end_s: where the clip begins and ends in its files, in seconds; "" for the file's own
            beginning and end.
        votes: the votes of a crowd, see `emotionnet.votes`: the target instead of ``emotion``
            alone; "" where nobody was asked.
    """

    clip: str
    corpus: str
    emotion: str
    actor: str = ""
    sex: str = ""
    intensity: str = ""
    statement: str = ""
    repetition: str = ""
    channel: str = ""
    picture: str = ""
    sound: str = ""
    label_kind: str = "acted"
    part: str = ""
    start_s: str = ""
    end_s: str = ""
    votes: str = ""


#: Came later, one group after the other: files without them are read, and rows that do not need them
#: keep their hash.
_LATER_GROUPS = (("part", "start_s", "end_s"), ("votes",))
LATER = tuple(name for group in _LATER_GROUPS for name in group)
COLUMNS = tuple(field.name for field in dataclasses.fields(ManifestRow))


def manifest_hash(rows: Iterable[ManifestRow]) -> str:
    """SHA-256 over the rows in order of clip: equal for equal content, whatever the row order."""
    lines = sorted("\x1f".join(facts(row)) for row in rows)
    return sha256("\n".join(lines))


def facts(row: ManifestRow) -> tuple[str, ...]:
    """What a row says, for hashes: its values, without the last groups of `LATER` where they are empty."""
    used = len(COLUMNS)
    for group in reversed(_LATER_GROUPS):
        if any(getattr(row, name) for name in group):
            break
        used -= len(group)
    return tuple(getattr(row, name) for name in COLUMNS[:used])
