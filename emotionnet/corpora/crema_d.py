"""CREMA-D: 91 actors say 12 sentences in six emotions, 7,442 clips, rated by a crowd.

Cao et al. (2014), IEEE Transactions on Affective Computing 5(4): 377-390. A file name is
actor_sentence_emotion_level, in ``VideoFlash/*.flv``, ``AudioWAV/*.wav`` or ``AudioMP3/*.mp3``.
"""

import os
from dataclasses import replace
from pathlib import Path, PurePosixPath

from emotionnet.corpora import canonical
from emotionnet.corpora.listing import Ignored, check_folder, rows_of_files
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import read_given_csv
from emotionnet.votes import write_votes

NAME = "crema_d"
EMOTIONS_USED = ("neutral", "happy", "sad", "angry", "fearful", "disgust")
EXAMPLE = "VideoFlash/1001_DFA_ANG_XX.flv or AudioWAV/1001_DFA_ANG_XX.wav"

CODES = dict(zip(("NEU", "HAP", "SAD", "ANG", "FEA", "DIS"), EMOTIONS_USED))
SENTENCES = ("DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI")
LEVELS = ("LO", "MD", "HI", "XX")
LABELS = ("acted", "perceived", "votes")

#: The crowd's votes in a clone of the set's repository, a column an emotion; numbers of the lines about the
#: whole clip, with picture and sound, begin so.
VOTES_TABLE, WHOLE_CLIP = "processedResults/tabulatedVotes.csv", "3"
VOTES = {name[0]: emotion for name, emotion in CODES.items()}

# .mp4 too: many players no longer read Flash video, so people convert it.
_PICTURES = (".flv", ".mp4")
_SOUNDS = (".wav", ".mp3")


def parse_name(stem: str) -> ManifestRow:
    """Reads a file name without its ending as a row without files and sex.

    Raises:
        ValueError: the name is not one of the set's; its text is the reason.
    """
    parts = stem.split("_")
    if len(parts) != 4 or not (parts[0].isdecimal() and len(parts[0]) == 4):
        raise ValueError("the name is not actor_sentence_emotion_level such as 1001_DFA_ANG_XX")
    actor, sentence, emotion, level = parts
    for code, known, what in (
        (sentence, SENTENCES, "sentence"),
        (emotion, CODES, "emotion"),
        (level, LEVELS, "level"),
    ):
        if code not in known:
            raise ValueError(f"unknown {what} code {code} (known: {' '.join(known)})")
    return ManifestRow(
        clip=stem,
        corpus=NAME,
        emotion=CODES[emotion],
        actor=actor,
        intensity=level,
        statement=sentence,
        channel="speech",
    )


def scan(
    root: str | os.PathLike,
    ignored: Ignored | None = None,
    *,
    labels: str = "acted",
    table: str | os.PathLike = "",
) -> list[ManifestRow]:
    """Finds CREMA-D clips in a clone of the set's repository or any part of it.

    The picture is the flv (or an mp4 made from it); the sound is the wav, else the mp3 where that
    really holds the clip. The five broken or misnamed clips are left out, as in the published folds
    (7,437 of 7,442 remain).

    Args:
        root: folder of the recordings.
        ignored: where given, ``(path, reason)`` is appended for every file that was left out.
        labels: ``acted`` (the emotion of the file name), or ``perceived``: what most of the crowd
            saw and heard in the whole clip. Clips whose vote is a tie are then left out. ``votes``: the
            same, and all votes are training targets, see `emotionnet.votes`.
        table: of the votes; by default `VOTES_TABLE` in ``root``.

    Returns:
        One row a clip, sorted by clip.

    Raises:
        UsageError: no such folder, or unknown ``labels``.
        EmotionNetError: no usable clip.
    """
    if labels not in LABELS:
        raise UsageError(f"unknown labels {labels!r}. Known: {', '.join(LABELS)}.")
    ignored = [] if ignored is None else ignored
    root = check_folder(root, EXAMPLE)
    votes = _read_votes(root, table) if labels == "votes" else {}
    if table and not votes:
        raise UsageError(f"--table {table}: is of the crowd's votes, for --labels votes.")
    known = canonical.clip_list(NAME)

    def row_of(path: PurePosixPath) -> ManifestRow:
        row = _labelled(known.get(path.stem) or _unlisted(path.stem), labels)
        row = _voted(row, votes) if votes else row
        if path.suffix.lower() == ".mp3" and known[path.stem]["bad_mp3"]:
            raise ValueError("this mp3 holds another clip's sound: use the wav")
        return row

    return rows_of_files(
        root, (*_PICTURES, *_SOUNDS), row_of, ignored,
        looked_for="CREMA-D names ending in .flv, .wav or .mp3", example=EXAMPLE,
    )  # fmt: skip


def _unlisted(stem: str) -> dict[str, str]:
    if f"{stem}X" in canonical.clip_list(NAME):
        raise ValueError(f"misnamed in older copies of the set: this is {stem}X")
    parse_name(stem)
    raise ValueError("not one of the 7,442 clips of the set")


def _labelled(facts: dict[str, str], labels: str) -> ManifestRow:
    if facts["problem"]:
        raise ValueError(facts["problem"])
    emotion = facts["emotion"] if labels == "acted" else facts["perceived"]
    if ":" in emotion:
        raise ValueError(f"the crowd's vote is a tie: {emotion.replace(':', ', ')}")
    row = replace(parse_name(facts["clip"]), sex=facts["sex"])
    return replace(row, emotion=emotion, label_kind=LABELS[labels != "acted"])


def _voted(row: ManifestRow, votes: dict[str, str]) -> ManifestRow:
    if row.clip not in votes:
        raise ValueError("the table of votes has no line for it")
    return replace(row, votes=votes[row.clip])


def _read_votes(root: Path, table: str | os.PathLike) -> dict[str, str]:
    """Clip to the votes of those who saw and heard it whole, as a row keeps them."""
    path = Path(table or root / VOTES_TABLE)
    if not path.is_file():
        raise UsageError(
            f"{path}: no such file. --labels votes needs the table of the crowd's votes, {VOTES_TABLE} in a "
            "clone of CREMA-D's repository, or named with --table."
        )
    votes: dict[str, str] = {}
    for number, line in enumerate(read_given_csv(path), start=2):
        missing = [name for name in ("", "fileName", *VOTES) if line.get(name) is None]
        if missing:
            raise UsageError(f"{path}: column {missing[0]!r} is missing.")
        if not line[""].startswith(WHOLE_CLIP):
            continue
        clip = line["fileName"]
        if clip in votes:
            raise EmotionNetError(f"{path}, line {number}: {clip} is in it twice.")
        if not all(line[letter].isdecimal() for letter in VOTES):
            raise EmotionNetError(f"{path}, line {number}: a cell is no number of votes.")
        votes[clip] = write_votes({VOTES[letter]: int(line[letter]) for letter in VOTES})
    return votes
