"""The question to a run: which clips, in which state, and which classes count."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emotionnet.classes import AS_THEY_ARE, Classes
from emotionnet.emotions import label_order
from emotionnet.errors import EmotionNetError, UsageError

if TYPE_CHECKING:
    from emotionnet.clips.records import RecordRow, Records
    from emotionnet.training.run import Run

PARTS = ("test", "validation", "train", "unseen")


@dataclass(frozen=True)
class Asked:
    """The question to a run: which clips, and in which state.

    Attributes:
        part: one of `PARTS`.
        mask: the stream that is removed from every clip, or None.
        mirror: every face is shown mirrored too, and the answers are averaged.
        classes: that emotions are merged to, or that alone count.
        affect: the table of arousal and valence, see `emotionnet.evaluation.affect`; None for ours.
        on: the corpus of the clips, where it is not the run's own or one of several.
    """

    part: str = "test"
    mask: str | None = None
    mirror: bool = False
    classes: Classes = AS_THEY_ARE
    affect: str | os.PathLike | None = None
    on: str = ""

    @property
    def plainly(self) -> bool:
        """Whether the clips are shown, and named, as they are."""
        return not (self.mask or self.mirror or self.classes)

    def path(self, folder: Path, name: str) -> Path:
        """Where a result goes: what is asked otherwise never replaces the answers to the test part."""
        words = [*(("masked", self.mask) if self.mask else ()), *(["mirrored"] * self.mirror)]
        words += [self.classes.slug()] * bool(self.classes)
        words += [self.on] * bool(self.on)
        return result_path(folder, name, self.part, *words)


def result_path(folder: Path, name: str, part: str, *words: str) -> Path:
    """Where a result of a run goes: other parts than the test part never replace its files."""
    path = folder / name
    return path.with_stem("_".join([path.stem, *([part] if part != "test" else ()), *words]))


def check_part(part: str) -> None:
    """Refuses a part that a run does not have."""
    if part not in PARTS:
        raise UsageError(f"--part {part}: not known. Choose one of {', '.join(PARTS)}.")


def check_batch_size(batch_size: int) -> None:
    """Refuses a batch without a clip."""
    if batch_size < 1:
        raise UsageError(f"--batch-size {batch_size}: at least one clip at a time.")


def open_records(run: "Run", records: str | os.PathLike | None) -> "Records":
    """The records of a run, or a cache of its view of them, opened.

    Raises:
        UsageError: they are not there, or a cache without a stream of the run.
    """
    from emotionnet.clips.remote import is_url
    from emotionnet.inputs.opening import open_clips

    place = records or run.config["records"]
    if not place:
        raise UsageError(
            f"{run.folder}: was combined out of two runs, and has no records of its own. Name those to ask "
            "it about with --records."
        )
    if not is_url(place) and not Path(place).is_dir():
        raise UsageError(
            f"{place}: the records of this run are not there. Give their folder with --records, "
            "or make them again with `python -m emotionnet.prepare`."
        )
    opened = open_clips(place)
    opened.check_streams(run.config["streams"])
    return opened


def other_corpus(run: "Run", records: str | os.PathLike | None) -> str:
    """The corpus of ``records``, where it is not the one that the run was trained on; else ""."""
    from emotionnet.clips.remote import is_url

    if not records or not (is_url(records) or Path(records).is_dir()):
        return ""
    corpus = open_records(run, records).rows[0].corpus
    return "" if corpus == run.config["corpus"] else corpus


def open_part(
    run: "Run",
    records: str | os.PathLike | None,
    part: str,
    classes: Classes = AS_THEY_ARE,
    others: bool = False,
) -> tuple["Records", "list[RecordRow]"]:
    """The records of a run (or a cache of its view of them), and the rows of one part of its split.

    Args:
        run: an opened run.
        records: the records or the cache it was trained on, where they have moved.
        part: one of `PARTS`.
        classes: that emotions are merged to, or that alone count; clips of others are left out.
        others: whether clips of classes that the run does not know stay.

    Raises:
        UsageError: the records are not there.
        EmotionNetError: they are not those of the run, or the part has no clips.
    """
    place = records or run.config["records"]
    opened = open_records(run, records)
    rows = run.unseen_rows(opened) if part == "unseen" else run.split_rows(opened)[part]
    known = classes.labels(run.labels)
    rows = [row for row in rows if classes.called(row.emotion)]
    if not rows:
        which = f" of {', '.join(known)}" if classes else ""
        raise EmotionNetError(f"{run.folder}: the {part} part of this run has no clips{which}.")
    strange = sorted({row.emotion for row in rows if classes.called(row.emotion) not in known})
    if strange and not others:
        raise EmotionNetError(
            f"{place}: clips of {', '.join(strange)}, which this run does not know "
            f"(it knows {', '.join(run.labels)}). These are not the records it was trained on."
        )
    return opened, rows


def shared_classes(
    run: "Run", rows: "list[RecordRow]", asked: Asked
) -> tuple[Classes, "list[RecordRow]", list[str]]:
    """The classes that a run and another corpus share.

    Returns:
        The classes that count; the rows of them; and what was left out, in words.

    Raises:
        UsageError: fewer than two classes are shared.
    """
    known = asked.classes.labels(run.labels)
    there = label_order(asked.classes.called(row.emotion) for row in rows)
    both = [name for name in known if name in there]
    if len(both) < 2:
        raise UsageError(
            f"{run.folder}: knows {', '.join(known)}; these clips are {', '.join(there)}. At least two "
            "classes have to be the same. --merge NAME=A+B says which are."
        )
    kept = [row for row in rows if asked.classes.called(row.emotion) in both]
    notes = []
    if len(kept) < len(rows):
        others = ", ".join(name for name in there if name not in both)
        notes.append(
            f"Left out: {len(rows) - len(kept)} clips of {others}, which the run does not know."
        )
    if len(both) < len(known):
        others = ", ".join(name for name in known if name not in both)
        notes.append(
            f"Not answered: {others}, of which there is no clip. Probabilities of the others are over 1 again."
        )
    changed = len(both) < len(known) or asked.classes
    classes = Classes.of(asked.classes.merge, both) if changed else asked.classes
    return classes, kept, notes
