"""A model's answers under every disturbance.

A batch of clips is decoded once and then disturbed in memory, so that all curves are about the same
pixels and samples. A curve of the fused answer that falls below that of the stream which was not hit
shows a model that trusts a broken stream.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emotionnet.clips.copies import original
from emotionnet.evaluation.answers import (
    OUTPUTS,
    AnsweredClip,
    answered_clips,
    check_answers,
)
from emotionnet.evaluation.disturbances import BABBLE_VOICES, Disturbance, disturbances
from emotionnet.evaluation.intervals import wilson_uar
from emotionnet.evaluation.metrics import score
from emotionnet.inputs.kinds import STREAMS, present

#: Clips whose sound may be heard in a babble.
VOICES = 32
#: The clips as they are.
CLEAN = ("clean", None)

#: A disturbance and its level, or `CLEAN`.
Condition = tuple[str, float | None]


@dataclass(frozen=True)
class Disturbed:
    """Answers over n clips and C labels, under each condition.

    Args:
        labels: C label names.
        streams: that were trained.
        clips: n clips, and what they had before anything was done to them.
        probabilities: condition → kind of answer (``fused``, or a stream's name) → (n, C).
    """

    labels: tuple[str, ...]
    streams: tuple[str, ...]
    clips: list[AnsweredClip]
    probabilities: dict[Condition, dict[str, np.ndarray]]

    @classmethod
    def pool(cls, several: Iterable["Disturbed"]) -> "Disturbed":
        """Puts the answers of several runs one below the other."""
        first, *others = several
        return cls(
            first.labels,
            first.streams,
            [clip for each in (first, *others) for clip in each.clips],
            {
                condition: {
                    kind: np.concatenate(
                        [each.probabilities[condition][kind] for each in (first, *others)]
                    )
                    for kind in kinds
                }
                for condition, kinds in first.probabilities.items()
            },
        )

    def clean(self) -> dict[str, dict[str, Any]]:
        """The scores of the clips as they are, kind by kind, as `metrics.score` gives them."""
        scores = {}
        for kind, table in self.probabilities[CLEAN].items():
            here = self._answerable(kind)
            if here.any():
                clips = [self.clips[i] for i in np.flatnonzero(here)]
                scores[kind] = score(self.labels, self._targets()[here], table[here], clips)
        return scores

    def points(self) -> list[dict[str, Any]]:
        """The points of all curves.

        Returns:
            For each condition and kind: ``disturbance``, ``level`` (None for the clean clips),
            ``kind``, ``uar`` with its 95 % interval ``uar_low`` … ``uar_high``, ``accuracy``,
            ``same`` (share of clips whose answer is that of the clean clip) and ``n``. Every point
            is about the same clips: those that had what the kind takes before they were disturbed.
            A model that is left with nothing answers by chance.
        """
        targets, points = self._targets(), []
        for kind in self.probabilities[CLEAN]:
            here = self._answerable(kind)
            if not here.any():
                continue
            # A clip that several runs answered, or that has changed copies, counts once.
            _, first = np.unique(
                [original(self.clips[i].clip) for i in np.flatnonzero(here)], return_index=True
            )
            _, support = np.unique(targets[here][first], return_counts=True)
            clean = self.probabilities[CLEAN][kind][here].argmax(axis=1)
            for (name, level), tables in self.probabilities.items():
                answers = tables[kind][here].argmax(axis=1)
                right = answers == targets[here]
                uar = float(np.mean([right[targets[here] == c].mean() for c in set(targets[here])]))
                low, high = wilson_uar(uar, support.tolist())
                points.append(
                    {
                        "disturbance": name,
                        "level": level,
                        "kind": kind,
                        "uar": uar,
                        "uar_low": low,
                        "uar_high": high,
                        "accuracy": float(right.mean()),
                        "same": float((answers == clean).mean()),
                        "n": len(right),
                    }
                )
        return points

    def _targets(self) -> np.ndarray:
        return np.array([self.labels.index(clip.emotion) for clip in self.clips])

    def _answerable(self, kind: str) -> np.ndarray:
        needed = self.streams if kind == "fused" else (kind,)
        return np.array([any(clip.has(stream) for stream in needed) for clip in self.clips])


def answer_disturbed(
    model, view, records, rows: Sequence[Any], labels: Sequence[str], streams: Sequence[str],
    batch_size: int = 8,
) -> Disturbed:  # fmt: skip
    """Runs a model over rows under every disturbance of its streams.

    Arguments as of `emotionnet.evaluation.answers.answer_rows`.

    Raises:
        EmotionNetError: a shard of the records is damaged, or the model answers NaN.
    """
    from emotionnet.inputs.opening import open_source
    from emotionnet.progress import progress

    # Where two streams are fused a curve of each tells which one fails.
    kinds = ["fused", *(streams if len(streams) > 1 else ())]
    kinds_of = disturbances(streams)
    conditions = [CLEAN, *((d.name, level) for d in kinds_of for level in d.levels)]
    collected: dict[Condition, dict[str, list]] = {c: {k: [] for k in kinds} for c in conditions}
    clips: list[AnsweredClip] = []
    bar = progress(total=len(rows) * len(conditions), what="robustness", unit="answers")
    with bar, records.guard():
        crowd = _crowd(records, view, rows, labels) if "speech" in streams else []
        for batch in open_source(records, view, labels).inference_batches(rows, batch_size):
            batch = {name: np.asarray(value) for name, value in batch.items()}
            has = {stream: present(batch, stream) for stream in view.streams}
            here = rows[len(clips) : len(clips) + len(has[streams[0]])]
            clips += answered_clips(here, has)
            for condition, inputs in _disturbed_batches(batch, here, kinds_of, crowd):
                outputs = model.predict_on_batch(inputs)
                for kind in kinds:
                    collected[condition][kind].append(np.asarray(outputs[OUTPUTS[kind]], float))
                bar.update(len(here))
    tables = {
        condition: {kind: np.concatenate(batches) for kind, batches in kinds.items()}
        for condition, kinds in collected.items()
    }
    for kinds in tables.values():
        for table in kinds.values():
            check_answers(table)
    return Disturbed(tuple(labels), tuple(streams), clips, tables)


def _disturbed_batches(
    batch: dict[str, np.ndarray], rows: Sequence[Any], kinds_of: Sequence[Disturbance], crowd: list
) -> Iterator[tuple[Condition, dict[str, np.ndarray]]]:
    yield CLEAN, batch
    clips = [{name: value[i] for name, value in batch.items()} for i in range(len(rows))]
    voices = [_voices(row, crowd) for row in rows]
    for disturbance in kinds_of:
        hit = STREAMS[disturbance.stream].inputs
        for level in disturbance.levels:
            done = [
                disturbance(clip, level, row.clip, heard)
                for clip, row, heard in zip(clips, rows, voices)
            ]
            changed = {name: np.stack([clip[name] for clip in done]) for name in hit}
            yield (disturbance.name, level), {**batch, **changed}


def _crowd(
    records, view, rows: Sequence[Any], labels: Sequence[str]
) -> list[tuple[Any, np.ndarray]]:
    """Some of the rows, always the same ones, with their sound."""
    from emotionnet.inputs.opening import open_source

    sounding = sorted((row for row in rows if row.samples > 0), key=lambda row: row.clip)
    order = np.random.default_rng(0).permutation(len(sounding))[:VOICES]
    chosen = [sounding[i] for i in order]
    source = open_source(records, view, labels, STREAMS["speech"].inputs)
    sounds = [
        waveform[:length].copy()
        for batch in (source.inference_batches(chosen, 8) if chosen else ())
        for waveform, length in zip(*(np.asarray(batch[name]) for name in source.inputs))
    ]
    return [(row, sound) for row, sound in zip(chosen, sounds) if len(sound)]


def _voices(row, crowd: list[tuple[Any, np.ndarray]]) -> list[np.ndarray]:
    """The voices behind this clip: other actors, or at least other clips."""
    others = [sound for other, sound in crowd if other.actor != row.actor]
    if len(others) < BABBLE_VOICES:
        others = [sound for other, sound in crowd if other.clip != row.clip]
    return others
