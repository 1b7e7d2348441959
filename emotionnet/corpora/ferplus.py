"""FER+: ten people's votes about each picture of FER2013, instead of its labels, many of which are wrong.

Barsoum et al., "Training deep networks for facial expression recognition with crowd-sourced label
distribution" (ICMI 2016). As there: a class with a single vote is taken for a slip and does not count; a picture
whose votes have no majority, or the majority of them that it is unknown or no face, is left out. What is left is
shared out over the emotions.

Read are the authors' ``fer2013new.csv``, line by line beside the challenge's ``fer2013.csv``; or a table with
a column ``image`` (``train/angry/Training_3908.jpg``), for copies of the set whose pictures have other names.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import read_given_csv

#: Column of the table → class.
CLASSES = {
    "neutral": "neutral", "happiness": "happy", "surprise": "surprised", "sadness": "sad",
    "anger": "angry", "disgust": "disgust", "fear": "fearful", "contempt": "contempt",
}  # fmt: skip
#: Columns of votes for no emotion, and the reason given for a picture with a majority of them.
NO_EMOTION = {"unknown": "unknown", "NF": "no face"}
#: As many votes for a class are taken for a slip.
SLIP = 1


@dataclass(frozen=True)
class Votes:
    """The table, by picture.

    Attributes:
        path: of the table.
        by_line: whether pictures are named by their line in the challenge's CSV, else by their last folders.
        votes: name of a picture → column → votes; nothing where the table has none for it.
        usages: name of a picture → what the column ``Usage`` says of it; "" without that column.
    """

    path: str | os.PathLike
    by_line: bool
    votes: Mapping[str, Mapping[str, int]]
    usages: Mapping[str, str]
    _asked: set[str] = field(default_factory=set)

    @property
    def asked(self) -> int:
        """How many of its pictures were asked for."""
        return len(self._asked)

    def of(self, place: PurePosixPath) -> dict[str, int]:
        """The votes that count for each class.

        Args:
            place: of a picture among its folders; its name is the number of its line in the CSV.

        Raises:
            ValueError: the picture is not to be used; its text is the reason.
        """
        name = str(int(place.name)) if self.by_line else _last(place)
        found = self.votes.get(name)
        if found is None:
            raise ValueError("FER+: not in the table of votes")
        self._asked.add(name)
        if not found:
            raise ValueError("FER+: the table has no votes for it")
        counted = {name: n for name, n in found.items() if n > SLIP}
        most = max(counted, key=counted.get, default="")
        if not counted or 2 * counted[most] <= sum(counted.values()):
            raise ValueError("FER+: no majority of the votes")
        if most in NO_EMOTION:
            raise ValueError(f"FER+: most say {NO_EMOTION[most]}")
        return {CLASSES[name]: n for name, n in counted.items() if name in CLASSES}


def read_table(path: str | os.PathLike, by_line: bool) -> Votes:
    """Reads a table of votes.

    Args:
        path: of the CSV.
        by_line: whether it goes with the challenge's CSV, line by line; else it needs a column ``image``.

    Raises:
        UsageError: there is none, or a column is missing.
        EmotionNetError: a picture is in it twice, or a cell is not a number of votes.
    """
    if not os.path.isfile(path):
        raise UsageError(f"--table {path}: no such file. Name the table of FER+'s votes.")
    lines = read_given_csv(path)
    columns = (*CLASSES, *NO_EMOTION)
    needed = columns if by_line else ("image", *columns)
    missing = [name for name in needed if not lines or name not in lines[0]]
    if missing:
        more = " (that column joins pictures of other names)" if missing == ["image"] else ""
        raise UsageError(f"--table {path}: column {missing[0]!r} is missing{more}.")
    votes: dict[str, Mapping[str, int]] = {}
    usages: dict[str, str] = {}
    for number, line in enumerate(lines):
        name = str(number) if by_line else _last(PurePosixPath(line["image"]))
        if name in votes:
            raise EmotionNetError(f"{path}, line {number + 2}: {name} is in it twice.")
        try:
            votes[name] = _counts({column: line[column] for column in columns})
        except ValueError as error:
            raise EmotionNetError(f"{path}, line {number + 2}: {error}.") from None
        usages[name] = line.get("Usage") or ""
    return Votes(path, by_line, votes, usages)


def _last(place: PurePosixPath) -> str:
    """A picture's name with its part and class, whatever folders stand above them."""
    return "/".join(place.parts[-3:])


def _counts(cells: Mapping[str, str | None]) -> dict[str, int]:
    if not any(cells.values()):
        return {}
    for column, cell in cells.items():
        if not (cell or "").isdecimal():
            raise ValueError(f"{cell!r} votes for {column}")
    return {column: int(cell) for column, cell in cells.items()}
