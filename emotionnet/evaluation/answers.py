"""A model's answers: run it over rows, keep the answers as CSV, and score them.

The table of answers is all that the numbers are made of, so several runs are pooled by putting
their tables one below the other.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emotionnet.classes import Classes
from emotionnet.clips.copies import original
from emotionnet.errors import EmotionNetError
from emotionnet.evaluation.metrics import score
from emotionnet.files import read_csv, write_csv
from emotionnet.inputs.kinds import FUSED, OUTPUTS, STREAMS, present, without

_FACTS = ("clip", "actor", "sex", "emotion")


@dataclass(frozen=True)
class AnsweredClip:
    """Who and what a clip is, and which streams the model was shown of it."""

    clip: str
    actor: str
    sex: str
    emotion: str
    streams: frozenset[str]

    def has(self, stream: str) -> bool:
        """Whether the model was shown what the stream needs."""
        return stream in self.streams


def answered_clips(rows: Sequence[Any], has: Mapping[str, np.ndarray]) -> list[AnsweredClip]:
    """The facts about the clips of ``rows``.

    Args:
        rows: n rows of records.
        has: stream → which of the clips have it, (n,) bool.
    """
    return [
        AnsweredClip(
            row.clip, row.actor, row.sex, row.emotion,
            frozenset(stream for stream, flags in has.items() if flags[i]),
        )
        for i, row in enumerate(rows)
    ]  # fmt: skip


@dataclass(frozen=True)
class Answers:
    """The answers of one model, or of several, over n clips and C labels.

    Args:
        labels: C label names.
        clips: n clips.
        probabilities: kind of answer (``fused``; a stream's name; ``without_`` and a stream's name) to
            (n, C); a row of NaN where the clip lacks what it takes.
    """

    labels: tuple[str, ...]
    clips: list[AnsweredClip]
    probabilities: dict[str, np.ndarray]

    def write(self, path: str | os.PathLike) -> None:
        """Writes a CSV, a row a clip; cells are empty where there is no answer."""
        columns = [*_FACTS, *(STREAMS[stream].flag for stream in self._shown())]
        columns += [f"{kind}_{label}" for kind in self.probabilities for label in self.labels]
        write_csv(path, (self._row(i) for i in range(len(self.clips))), columns)

    def _row(self, i: int) -> dict[str, Any]:
        clip = self.clips[i]
        row = {name: getattr(clip, name) for name in _FACTS}
        row |= {STREAMS[stream].flag: int(clip.has(stream)) for stream in self._shown()}
        for kind, table in self.probabilities.items():
            for label, p in zip(self.labels, table[i]):
                row[f"{kind}_{label}"] = "" if np.isnan(p) else f"{p:.7g}"
        return row

    def _shown(self) -> list[str]:
        """The streams that a table of them says of each clip whether it has them."""
        known = set(self.probabilities) | {"faces", "speech"}
        return [stream for stream in STREAMS if stream in known]

    @classmethod
    def read(cls, path: str | os.PathLike, labels: Sequence[str]) -> "Answers":
        """Reads what `write` wrote.

        Raises:
            EmotionNetError: the file lacks columns for these labels.
        """
        rows = read_csv(path)
        clips = [
            AnsweredClip(
                **{name: row[name] for name in _FACTS},
                streams=frozenset(s for s, kind in STREAMS.items() if row.get(kind.flag) == "1"),
            )
            for row in rows
        ]
        kinds = [*OUTPUTS, *(f"without_{stream}" for stream in STREAMS)]
        present = [k for k in kinds if rows and f"{k}_{labels[0]}" in rows[0]]
        try:
            tables = {
                kind: np.array([[float(r[f"{kind}_{e}"] or "nan") for e in labels] for r in rows])
                for kind in present
            }
        except KeyError as error:
            raise EmotionNetError(f"{path}: column {error} is missing; evaluate again.") from error
        return cls(tuple(labels), clips, tables)

    def under(self, classes: Classes) -> "Answers":
        """The same answers with emotions merged, or left out with their clips."""
        if not classes:
            return self
        names = [classes.called(clip.emotion) for clip in self.clips]
        kept = [i for i, name in enumerate(names) if name]
        return Answers(
            classes.labels(self.labels),
            [replace(self.clips[i], emotion=names[i]) for i in kept],
            {k: classes.probabilities(self.labels, t[kept]) for k, t in self.probabilities.items()},
        )

    @classmethod
    def pool(cls, several: Iterable["Answers"]) -> "Answers":
        """Puts answers over the same labels one below the other; keeps the kinds that all have.

        Raises:
            EmotionNetError: they are over different labels.
        """
        several = list(several)
        labels = dict.fromkeys(", ".join(answers.labels) for answers in several)
        if len(labels) > 1:
            raise EmotionNetError(
                f"answers over different classes cannot be taken together: {' and '.join(labels)}."
            )
        kinds = [k for k in several[0].probabilities if all(k in a.probabilities for a in several)]
        return cls(
            several[0].labels,
            [clip for answers in several for clip in answers.clips],
            {k: np.concatenate([a.probabilities[k] for a in several]) for k in kinds},
        )


def answer_rows(
    model, view, records, rows: Sequence[Any], labels: Sequence[str], streams: Sequence[str],
    batch_size: int = 8, mask: str | None = None, mirror: bool = False,
) -> Answers:  # fmt: skip
    """Runs a model over rows, as they are and with each stream removed at the input.

    Args:
        model: of any system.
        view: the `emotionnet.inputs.views.View` of the model.
        records: opened `emotionnet.clips.records.Records` or `emotionnet.inputs.cache.ViewCache`.
        rows: rows of ``records`` to answer.
        labels: label names in the model's order.
        streams: the streams that were trained.
        batch_size: clips at a time.
        mask: a stream that is removed from every clip, as if it had not been recorded.
        mirror: average the answers to the faces as they are and mirrored.

    Returns:
        Answers in the order of the rows. Only where several streams were trained, and none is masked,
        are there answers without one of them.

    Raises:
        EmotionNetError: a shard of the records is damaged, or the model answers NaN.
    """
    from emotionnet.inputs.opening import open_source
    from emotionnet.progress import progress
    from emotionnet.systems.base import answer_batch

    streams = [stream for stream in streams if stream != mask]
    several = len(streams) > 1
    kinds = [FUSED, *streams, *(f"without_{s}" for s in streams if several)]
    collected: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
    shown: dict[str, list[np.ndarray]] = {stream: [] for stream in view.streams}
    bar = progress(total=len(rows), what="evaluate", unit="clips")
    with bar, records.guard():
        for batch in open_source(records, view, labels).inference_batches(rows, batch_size):
            inputs = {name: np.asarray(value) for name, value in batch.items()}
            inputs = without(inputs, mask) if mask else inputs
            outputs = answer_batch(model, inputs, mirror)
            for kind in (FUSED, *streams):
                collected[kind].append(np.asarray(outputs[OUTPUTS[kind]], np.float64))
            for stream in streams if several else ():
                outputs = answer_batch(model, without(inputs, stream), mirror)
                fused = np.asarray(outputs[OUTPUTS[FUSED]], np.float64)
                collected[f"without_{stream}"].append(fused)
            for stream, flags in shown.items():
                flags.append(present(inputs, stream))
            bar.update(len(collected[FUSED][-1]))
    has = {stream: np.concatenate(flags) for stream, flags in shown.items()}
    clips = answered_clips(rows, has)
    tables = {kind: np.concatenate(batches) for kind, batches in collected.items()}
    for kind, table in tables.items():
        check_answers(table)
        table[~_answerable(kind, has, streams)] = np.nan
    return Answers(tuple(labels), clips, tables)


def check_answers(probabilities: np.ndarray) -> None:
    """Refuses probabilities (n, C) that are not numbers.

    Raises:
        EmotionNetError: there are some.
    """
    bad = int((~np.isfinite(probabilities).all(axis=1)).sum())
    if bad:
        raise EmotionNetError(
            f"the model answers NaN for {bad} of {len(probabilities)} inputs: its training diverged, "
            "or its file is damaged. Train again with a smaller learning rate."
        )


def measure(
    answers: Answers, mask: str | None = None, offered: Sequence[str] = ("faces", "speech")
) -> dict[str, Any]:
    """The scores of each kind of answer, over the clips that have what it takes.

    Args:
        answers: of one model, or of several.
        mask: the stream that was removed from every clip.
        offered: the streams that the system has.

    Returns:
        ``fused`` and each stream's name (one that was not trained or has no clips is absent),
        ``masked`` (removed stream → score; absent where there was one stream), ``notes``.

    Raises:
        EmotionNetError: no clip could be answered.
    """
    result: dict[str, Any] = {}
    notes: list[str] = []
    masked = {}
    for kind, table in answers.probabilities.items():
        answered = ~np.isnan(table).all(axis=1)
        if kind == FUSED and not answered.any():
            raise EmotionNetError("none of the clips has anything that the model can answer from")
        if not answered.any():
            notes.append(f"{kind.replace('_', ' ')}: no clip has what it takes, so it is left out.")
            continue
        clips = [clip for clip, yes in zip(answers.clips, answered) if yes]
        targets = np.array([answers.labels.index(clip.emotion) for clip in clips])
        scored = score(answers.labels, targets, table[answered], clips)
        # Of a group over seeds each clip is there several times.
        missing = len({clip.clip for clip, yes in zip(answers.clips, answered) if not yes})
        if missing and kind in OUTPUTS:
            lacks = STREAMS[kind].thing if kind in STREAMS else _none_of(offered)
            many = f"{missing} clip{'s' * (missing > 1)} without {lacks}"
            notes.append(f"{kind}: left out of its numbers: {many}.")
        if lost := set(scored["absent_classes"]) - set(result.get(FUSED, scored)["absent_classes"]):
            lost = ", ".join(label for label in answers.labels if label in lost)
            notes.append(
                f"{kind.replace('_', ' ')}: no clip of {lost} has what it takes: its UAR is over the other "
                f"{scored['uar_classes']} emotions."
            )
        if kind in OUTPUTS:
            result[kind] = scored
        else:
            masked[kind.removeprefix("without_")] = scored
    for stream in offered:
        if stream not in answers.probabilities and stream != mask:
            notes.append(f"The {stream} stream was not trained: there are no numbers for it.")
    by_clip = _by_clip(answers) if mask is None else {}
    notes += [
        f"{kind}: by clip, the mean log-probability of its rows, {100 * scored['accuracy']:.1f} % of "
        f"{scored['clips']}."
        for kind, scored in by_clip.items()
    ]
    more = {key: value for key, value in (("masked", masked), ("by_clip", by_clip)) if value}
    return {**result, **more, "notes": notes}


def _by_clip(answers: Answers) -> dict[str, Any]:
    """Scores of whole clips, where changed copies of them are separate rows.

    None where several runs answered a row: together they would be another model, which nobody trained.
    """
    from scipy.special import softmax

    names = np.array([original(clip.clip) for clip in answers.clips])
    first = dict(zip(names[::-1], answers.clips[::-1], strict=True))
    if len(first) == len(names) or len({clip.clip for clip in answers.clips}) < len(names):
        return {}
    found = {}
    for kind in [kind for kind in OUTPUTS if kind in answers.probabilities]:
        table = answers.probabilities[kind]
        answered = ~np.isnan(table).any(axis=1)
        clips, place = np.unique(names[answered], return_inverse=True)
        if not len(clips):
            continue
        total = np.zeros((len(clips), len(answers.labels)))
        np.add.at(total, place, np.log(np.maximum(table[answered], 1e-12)))
        rows = [first[name] for name in clips]
        targets = np.array([answers.labels.index(row.emotion) for row in rows])
        mean = softmax(total / np.bincount(place)[:, None], axis=1)
        found[kind] = score(answers.labels, targets, mean, rows)
    return found


def _none_of(streams: Sequence[str]) -> str:
    return "either" if len(streams) == 2 else "any of what the system looks at"


def _answerable(kind: str, has: Mapping[str, np.ndarray], streams: Sequence[str]) -> np.ndarray:
    if kind in STREAMS:
        return has[kind]
    rest = [stream for stream in streams if kind != f"without_{stream}"]
    return np.any([has[stream] for stream in rest], axis=0)
