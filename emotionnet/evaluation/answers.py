"""What a model answered: run it over rows, keep the answers as CSV, and measure them.

The table of answers is all that the numbers are made of, so several runs are pooled by putting
their tables one below the other.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emotionnet.errors import EmotionNetError
from emotionnet.evaluation.metrics import score
from emotionnet.files import read_csv, write_csv
from emotionnet.inputs.views import STREAM_INPUTS

STREAMS = ("faces", "speech")
#: Kind of answer → the model's output.
OUTPUTS = {
    "fused": "probabilities",
    "faces": "face_probabilities",
    "speech": "speech_probabilities",
}
_FACTS = ("clip", "actor", "sex", "emotion")


@dataclass(frozen=True)
class AnsweredClip:
    """Who and what a clip is, and which streams the model was shown of it."""

    clip: str
    actor: str
    sex: str
    emotion: str
    has_faces: bool
    has_sound: bool

    def has(self, stream: str) -> bool:
        """Whether the clip has what the stream needs."""
        return self.has_faces if stream == "faces" else self.has_sound


@dataclass(frozen=True)
class Answers:
    """The answers of one model, or of several, over n clips and C labels.

    Args:
        labels: C label names.
        clips: n clips.
        probabilities: kind of answer (``fused``, ``faces``, ``speech``, ``without_faces``,
            ``without_speech``) to (n, C); a row of NaN where the clip lacks what it takes.
    """

    labels: tuple[str, ...]
    clips: list[AnsweredClip]
    probabilities: dict[str, np.ndarray]

    def write(self, path: str | os.PathLike) -> None:
        """Writes a CSV, a row a clip; cells are empty where there is no answer."""
        columns = [*_FACTS, "has_faces", "has_sound"]
        columns += [f"{kind}_{label}" for kind in self.probabilities for label in self.labels]
        write_csv(path, (self._row(i) for i in range(len(self.clips))), columns)

    def _row(self, i: int) -> dict[str, Any]:
        clip = self.clips[i]
        row = {name: getattr(clip, name) for name in _FACTS}
        row |= {"has_faces": int(clip.has_faces), "has_sound": int(clip.has_sound)}
        for kind, table in self.probabilities.items():
            for label, p in zip(self.labels, table[i]):
                row[f"{kind}_{label}"] = "" if np.isnan(p) else f"{p:.7g}"
        return row

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
                has_faces=row["has_faces"] == "1",
                has_sound=row["has_sound"] == "1",
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

    @classmethod
    def pool(cls, several: Iterable["Answers"]) -> "Answers":
        """Puts answers over the same labels one below the other; keeps the kinds that all have."""
        several = list(several)
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
    """Runs a model over rows, as it is and with each stream taken away at the input.

    Args:
        model: with the four inputs and three outputs of every system.
        view: the `emotionnet.inputs.views.View` of the model.
        records: opened `emotionnet.clips.records.Records` or `emotionnet.inputs.cache.ViewCache`.
        rows: rows of ``records`` to answer.
        labels: label names in the model's order.
        streams: the streams that were trained.
        batch_size: clips at a time.
        mask: a stream that is taken away from every clip, as if nobody had recorded it.
        mirror: average the answers to the faces as they are and mirrored.

    Returns:
        Answers in the order of the rows. Only where two streams were trained, and none is masked,
        are there answers without one of them.

    Raises:
        EmotionNetError: a shard of the records is damaged, or the model answers NaN.
    """
    from emotionnet.inputs.opening import open_source
    from emotionnet.progress import progress
    from emotionnet.systems.base import answer_batch, without_xla

    without_xla(model)

    streams = [stream for stream in streams if stream != mask]
    both = len(streams) > 1
    kinds = ["fused", *streams, *(f"without_{s}" for s in streams if both)]
    collected: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
    shown: dict[str, list[np.ndarray]] = {stream: [] for stream in STREAMS}
    bar = progress(total=len(rows), what="evaluate", unit="clips")
    with bar, records.guard():
        for batch in open_source(records, view, labels).inference_batches(rows, batch_size):
            inputs = {name: np.asarray(value) for name, value in batch.items()}
            inputs = without(inputs, mask) if mask else inputs
            outputs = answer_batch(model, inputs, mirror)
            for kind in ("fused", *streams):
                collected[kind].append(np.asarray(outputs[OUTPUTS[kind]], np.float64))
            for stream in streams if both else ():
                outputs = answer_batch(model, without(inputs, stream), mirror)
                fused = np.asarray(outputs[OUTPUTS["fused"]], np.float64)
                collected[f"without_{stream}"].append(fused)
            shown["faces"].append(inputs["frame_mask"].any(axis=1))
            shown["speech"].append(inputs["waveform_samples"] > 0)
            bar.update(len(inputs["frame_mask"]))
    has = {stream: np.concatenate(flags) for stream, flags in shown.items()}
    clips = [
        AnsweredClip(r.clip, r.actor, r.sex, r.emotion, bool(faces), bool(sound))
        for r, faces, sound in zip(rows, has["faces"], has["speech"])
    ]
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


def without(inputs: Mapping[str, np.ndarray], stream: str) -> dict[str, np.ndarray]:
    """The inputs as they are of a clip that lacks the stream: its part all zero."""
    gone = STREAM_INPUTS[stream]
    return {k: np.zeros_like(v) if k in gone else v for k, v in inputs.items()}


def measure(answers: Answers, mask: str | None = None) -> dict[str, Any]:
    """The scores of each kind of answer, over the clips that have what it takes.

    Args:
        answers: of one model, or of several.
        mask: the stream that was taken away from every clip.

    Returns:
        ``fused``, ``faces``, ``speech`` (a stream that was not trained or has no clips is absent),
        ``masked`` (stream taken away → score; absent where there was one stream), ``notes``.

    Raises:
        EmotionNetError: no clip could be answered.
    """
    result: dict[str, Any] = {}
    notes: list[str] = []
    masked = {}
    for kind, table in answers.probabilities.items():
        answered = ~np.isnan(table).all(axis=1)
        if kind == "fused" and not answered.any():
            raise EmotionNetError("none of the clips has anything that the model can answer from")
        if not answered.any():
            notes.append(f"{kind.replace('_', ' ')}: no clip has what it takes, so it is left out.")
            continue
        clips = [clip for clip, yes in zip(answers.clips, answered) if yes]
        targets = np.array([answers.labels.index(clip.emotion) for clip in clips])
        scored = score(answers.labels, targets, table[answered], clips)
        missing = len(answered) - len(clips)
        if missing and kind in OUTPUTS:
            lacks = "faces" if kind == "faces" else "sound" if kind == "speech" else "either"
            many = f"{missing} clip{'s' * (missing > 1)} without {lacks}"
            notes.append(f"{kind}: left out of its numbers: {many}.")
        if kind in OUTPUTS:
            result[kind] = scored
        else:
            masked[kind.removeprefix("without_")] = scored
    for stream in STREAMS:
        if stream not in answers.probabilities and stream != mask:
            notes.append(f"The {stream} stream was not trained: there are no numbers for it.")
    return {**result, **({"masked": masked} if masked else {}), "notes": notes}


def _answerable(kind: str, has: Mapping[str, np.ndarray], streams: Sequence[str]) -> np.ndarray:
    if kind in STREAMS:
        return has[kind]
    rest = [stream for stream in streams if kind != f"without_{stream}"]
    return np.any([has[stream] for stream in rest], axis=0)
