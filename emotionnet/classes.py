"""Classes that are merged or left out: ``--merge negative=angry+sad``, ``--only happy,negative``.

The same rule holds for clips before a training and for probabilities after it, so that a model of
eight emotions can answer about three, and be compared with one that was trained on three.
"""

import argparse
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emotionnet.emotions import EMOTIONS, label_order
from emotionnet.errors import UsageError
from emotionnet.files import sha256
from emotionnet.votes import renamed

#: A name of a file has room for 255 bytes, and says more than its classes.
LONGEST_SLUG = 150


@dataclass(frozen=True)
class Classes:
    """What emotions are called, and which of them count.

    Attributes:
        merge: name of a class → the emotions that it stands for.
        only: the classes that count, by the names they have when merged; () for all.
    """

    merge: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    only: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        merge: Mapping[str, Sequence[str] | str] | Sequence[str] | None = None,
        only: Sequence[str] | str | None = None,
    ) -> "Classes":
        """From what a user gives.

        Args:
            merge: class → emotions (a sequence, or ``"angry+sad"``), or words like
                ``"negative=angry+sad"``.
            only: class names, or one text of them with commas.

        Raises:
            UsageError: an emotion is in two classes, or a word is none of these.
        """
        if isinstance(merge, str):
            merge = [merge]
        pairs = merge.items() if isinstance(merge, Mapping) else map(_pair, merge or ())
        merged: dict[str, tuple[str, ...]] = {}
        taken: dict[str, str] = {}
        for name, parts in pairs:
            if name in merged:
                raise UsageError(f"--merge {name}: is given twice. Name all its emotions at once.")
            merged[name] = tuple(_words(parts, "+"))
            for emotion in merged[name]:
                if emotion in taken:
                    raise UsageError(
                        f"--merge {name}: {emotion} is part of {taken[emotion]} already."
                    )
                taken[emotion] = name
            if not name or not merged[name]:
                raise UsageError("--merge: expected NAME=EMOTION+EMOTION, e.g. negative=angry+sad.")
        return cls(merged, tuple(dict.fromkeys(_words(only or (), ","))))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Classes":
        """Those of a run, by its config."""
        return cls.of(**config.get("classes", {}))

    def __bool__(self) -> bool:
        return bool(self.merge or self.only)

    def plain(self) -> dict[str, Any]:
        """Plain data for a run's config; `from_config` reads it."""
        return {"merge": {k: list(v) for k, v in self.merge.items()}, "only": list(self.only)}

    def __str__(self) -> str:
        """In words, as shown with every number; "" where nothing is changed."""
        told = [f"{name} = {' + '.join(parts)}" for name, parts in self.merge.items()]
        if self.only:
            told.append(f"only {', '.join(self.only)}")
        return "; ".join(told)

    def slug(self) -> str:
        """For the name of a file, in at most `LONGEST_SLUG` bytes."""
        told = [f"{name}={'+'.join(parts)}" for name, parts in self.merge.items()]
        words = "_".join([*told, *(["only", *self.only] if self.only else [])])
        name = "".join(c if c.isalnum() or c in "=+_-" else "-" for c in words)
        if len(name.encode()) <= LONGEST_SLUG:
            return name
        few = name.encode()[: LONGEST_SLUG - 13].decode(errors="ignore")
        return f"{few}-{sha256(words)[:12]}"

    def called(self, emotion: str) -> str | None:
        """What clips of ``emotion`` are called; None where they do not count."""
        name = next((name for name, parts in self.merge.items() if emotion in parts), emotion)
        return name if not self.only or name in self.only else None

    def labels(self, emotions: Iterable[str]) -> tuple[str, ...]:
        """The classes that ``emotions`` become, in the fixed order.

        Raises:
            UsageError: a class is of emotions that are not there, or has the name of one that it is
                not made of, or fewer than two are left.
        """
        emotions = label_order(emotions)
        for name, parts in self.merge.items():
            # What another corpus calls a clip may be merged too, into what is known here.
            self._check_known("--merge", parts, label_order((*emotions, *EMOTIONS)))
            if not set(parts) & set(emotions):
                self._check_known("--merge", parts, emotions)
            if name in emotions and name not in parts:
                raise UsageError(
                    f"--merge {name}: is an emotion by itself. Name it too ({name}={name}+"
                    f"{'+'.join(parts)}), or give the class another name."
                )
        merged = {self_name for e in emotions if (self_name := Classes(self.merge).called(e))}
        self._check_known("--only", self.only, label_order(merged))
        labels = label_order(name for e in emotions if (name := self.called(e)))
        if len(labels) < 2 and self:
            raise UsageError(f"{self}: leaves {' '.join(labels)} alone; two classes are needed.")
        return labels

    def rows(self, rows: Iterable[Any]) -> list[Any]:
        """Rows of a manifest or of records under their new names, without those that do not count.

        A clip goes where its emotion goes, whatever most of a crowd's votes say when they are merged: so does an answer
        that was scored before, of which no votes are known.
        """
        if not self:
            return list(rows)
        named = ((row, self.called(row.emotion)) for row in rows)
        return [
            dataclasses.replace(row, emotion=name, votes=renamed(row.votes, self.called))
            for row, name in named
            if name
        ]

    def probabilities(self, emotions: Sequence[str], table: np.ndarray) -> np.ndarray:
        """Probabilities of the classes: those of their emotions summed, then over 1 again.

        Args:
            emotions: names of the columns.
            table: (n, C); rows of NaN stay so.

        Returns:
            (n, classes) in the order of `labels`. Where all that counts has probability 0, it is
            uniform.
        """
        labels = self.labels(emotions)
        sums = np.zeros((len(table), len(labels)))
        for column, emotion in enumerate(emotions):
            if (name := self.called(emotion)) is not None:
                sums[:, labels.index(name)] += table[:, column]
        total = sums.sum(axis=1, keepdims=True)
        return np.where(total == 0, 1 / len(labels), sums / np.where(total == 0, 1, total))

    def _check_known(self, option: str, names: Sequence[str], known: Sequence[str]) -> None:
        for name in names:
            if name not in known:
                raise UsageError(f"{option} {name}: not known. Here are: {', '.join(known)}.")


#: Nothing is merged, nothing is left out.
AS_THEY_ARE = Classes()


def add_options(p: argparse.ArgumentParser) -> None:
    """Adds ``--merge`` and ``--only`` to a command line."""
    g = p.add_argument_group("classes")
    g.add_argument("--merge", action="append", default=[], metavar="NAME=A+B",
                   help="one class of several emotions: negative=angry+sad")  # fmt: skip
    g.add_argument("--only", metavar="A,B", help="the classes that count; the others are left out")


def _pair(word: str) -> tuple[str, str]:
    name, _, parts = word.partition("=")
    return name.strip(), parts


def _words(text: Sequence[str] | str, separator: str) -> list[str]:
    words = text.split(separator) if isinstance(text, str) else text
    return [word.strip() for word in words if word.strip()]
