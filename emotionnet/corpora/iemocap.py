"""IEMOCAP: ten actors in five sessions, improvised and scripted dialogs, labelled by raters turn by turn.

Busso et al. (2008), Language Resources and Evaluation 42(4): 335-359. Each turn is a wav in
``Session1/sentences/wav/<dialog>/``; its label is a line of ``Session1/dialog/EmoEvaluation/<dialog>.txt``.
Only the sound is used: the videos show both people of a dialog, side by side, as a whole.

Four classes of the raters' majority, as most works use them. Who speaks is the *last* letter of a turn's
name (``Ses01F_impro01_M000``: the man); the letter after the session says whose face carried markers.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from emotionnet.corpora.listing import Ignored, check_folder, find_recordings, nothing_usable
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import UsageError

NAME = "iemocap"
EMOTIONS_USED = ("neutral", "happy", "sad", "angry")
EXAMPLE = "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
HOW_TO_GET = (
    "IEMOCAP is given out on request by SAIL at the University of Southern California "
    "(https://sail.usc.edu/iemocap/). Ask there, unpack it, and give the folder with Session1 … Session5: "
    "python -m emotionnet.prepare --corpus iemocap --root IEMOCAP_full_release"
)

HAPPY = ("merged", "alone")
#: What raters agreed on, and the class that it is here.
CODES = {"neu": "neutral", "hap": "happy", "sad": "sad", "ang": "angry"}
EXCITED = "exc"
#: Turns with the other labels are left out.
OTHERS = {
    "fru": "frustrated",
    "sur": "surprised",
    "fea": "fearful",
    "dis": "disgusted",
    "oth": "another emotion",
}
SEXES = {"F": "female", "M": "male"}

_SESSION = re.compile(r"session[ _-]?([1-5])", re.IGNORECASE)
_TURN = re.compile(r"Ses0([1-5])[FM]_((?:impro|script)\w+)_([FM])\d{3}")
_LINE = re.compile(r"\[[^\]]*\]\s+(\S+)\s+(\S+)\s+\[")


def scan(
    root: str | os.PathLike, ignored: Ignored | None = None, *, happy: str = "merged"
) -> list[ManifestRow]:
    """Finds the labelled turns of IEMOCAP.

    Args:
        root: the folder that holds ``Session1`` … ``Session5``, or the one that holds that.
        ignored: where given, ``(path, reason)`` is appended for every turn that was left out.
        happy: ``merged`` takes excited turns for happy ones (5,531 turns); ``alone`` leaves them out
            (4,490).

    Returns:
        One row a turn, sorted by name. ``actor`` is session and sex (``01F``), ``statement`` the dialog
        without its session (``impro01``), ``intensity`` is ``excited`` for turns that are happy by
        merging.

    Raises:
        UsageError: no such folder, an unknown ``happy``, or a folder inside of a session.
        EmotionNetError: no usable turn.
    """
    if happy not in HAPPY:
        raise UsageError(f"unknown happy {happy!r}. Known: {', '.join(HAPPY)}.")
    ignored = [] if ignored is None else ignored
    root = check_folder(root, EXAMPLE)
    rows: dict[str, ManifestRow] = {}
    for session in _sessions(root):
        wavs = _wavs(root, session, ignored)
        labelled: set[str] = set()
        for file, turn, code in _labels(root, session, ignored):
            if turn in labelled:
                ignored.append((file, f"{turn} has a label already, from another file"))
                continue
            labelled.add(turn)
            reason = "" if turn in rows else _why_not(turn, code, happy, wavs)
            if reason or turn in rows:
                where = str(wavs.get(turn, f"{file}: {turn}"))
                ignored.append((where, reason or "another copy of the set has this turn too"))
                continue
            rows[turn] = _row(turn, code, wavs[turn])
        for turn in sorted(set(wavs) - labelled):
            ignored.append((str(wavs[turn]), "no label in dialog/EmoEvaluation"))
    if not rows:
        looked_for = (
            "wavs below SessionN/sentences/wav with labels in SessionN/dialog/EmoEvaluation"
        )
        raise nothing_usable(root, looked_for, EXAMPLE, ignored)
    return [rows[turn] for turn in sorted(rows)]


def session_of(actor: str) -> str:
    """The session (``01``) of an ``actor`` (``01F``): its two people talk with each other and with nobody else."""
    return actor[:2]


def remark(rows: Sequence[ManifestRow]) -> str:
    """What must be shown with every number."""
    happy = [row for row in rows if row.emotion == "happy"]
    excited = sum(1 for row in happy if row.intensity == "excited")
    if not happy:
        return ""
    if not excited:
        return "excited turns are left out (happy=alone)"
    return f"{excited} of {len(happy)} happy turns were rated excited (happy=merged)"


def _sessions(root: Path) -> list[Path]:
    """The session folders in ``root``, or one folder further down.

    Raises:
        UsageError: ``root`` is, or is in, a session.
    """
    found = sorted(
        path
        for pattern in ("*", "*/*")
        for path in root.glob(pattern)
        if path.is_dir() and _SESSION.fullmatch(path.name)
    )
    above = [root.resolve(), *root.resolve().parents][:5]
    inside = next((path for path in above if _SESSION.fullmatch(path.name)), None)
    if not found and inside:
        what = "is one session" if inside == root.resolve() else f"lies inside of {inside.name}"
        raise UsageError(f"{root}: {what}. Give the folder that holds Session1 … Session5.")
    return found


def _wavs(root: Path, session: Path, ignored: Ignored) -> dict[str, PurePosixPath]:
    """Turn to its wav, relative to ``root``."""
    folder = session / "sentences" / "wav"
    here = PurePosixPath(folder.relative_to(root).as_posix())
    if not folder.is_dir():
        ignored.append((str(here), "no such folder: the wavs of this session are missing"))
        return {}
    mine: Ignored = []
    found = find_recordings(folder, (".wav",), mine)[".wav"]
    ignored.extend((str(here / file), reason) for file, reason in mine)
    wavs: dict[str, PurePosixPath] = {}
    for path in found:
        if path.stem in wavs:
            reason = f"another file of the turn is used: {wavs[path.stem]}"
            ignored.append((str(here / path), reason))
        else:
            wavs[path.stem] = here / path
    return wavs


def _labels(root: Path, session: Path, ignored: Ignored) -> Iterator[tuple[str, str, str]]:
    """File, turn and code of every rated turn of a session.

    Folders below ``EmoEvaluation`` hold single raters' answers, not the majority: they are not read.
    """
    folder = session / "dialog" / "EmoEvaluation"
    files = sorted(p for p in folder.glob("*.txt") if not p.name.startswith("."))
    if not files:
        here = folder.relative_to(root).as_posix()
        ignored.append((here, "holds no .txt: the labels of this session are missing"))
    for path in files:
        for line in path.read_text(encoding="latin-1").splitlines():
            match = _LINE.match(line)
            if match:
                yield path.relative_to(root).as_posix(), match[1], match[2].lower()


def _why_not(turn: str, code: str, happy: str, wavs: dict[str, PurePosixPath]) -> str:
    if not _TURN.fullmatch(turn):
        return "not the name of a turn such as Ses01F_impro01_F000"
    if turn not in wavs:
        return "its wav is missing in sentences/wav"
    if code == "xxx":
        return "its raters did not agree on an emotion"
    if code == EXCITED:
        return "" if happy == "merged" else "rated excited (happy=merged takes it for happy)"
    if code in CODES:
        return ""
    return f"rated {OTHERS.get(code, code)}: none of the four classes"


def _row(turn: str, code: str, wav: PurePosixPath) -> ManifestRow:
    session, dialog, speaker = _TURN.fullmatch(turn).groups()
    return ManifestRow(
        clip=turn,
        corpus=NAME,
        emotion=CODES.get(code, "happy"),
        actor=f"0{session}{speaker}",
        sex=SEXES[speaker],
        intensity="excited" if code == EXCITED else "",
        statement=dialog,
        channel="speech",
        sound=str(wav),
        label_kind="perceived",
    )
