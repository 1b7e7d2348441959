"""The files that answers are written to: a table, subtitles, embeddings, a picture."""

import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from emotionnet.errors import UsageError
from emotionnet.files import atomic_path, printable, write_csv, write_text
from emotionnet.inputs.kinds import in_words

#: Clips in one picture.
MOST_PANELS = 12
_ENDINGS = {"csv": ".csv", "features": ".npz", "plot": ".png"}


class Outputs:
    """Takes answer after answer, and writes the files that were asked for.

    Args:
        csv: table, a row a window: ``clip``, ``person`` (empty: the clip as a whole), ``start_s``,
            ``end_s``, ``emotion``, ``streams`` that answered, ``probability_<label>`` …, ``error`` (of
            a clip that could not be used).
        vtt: folder for subtitles in WebVTT, a file a clip; or one file ending in ``.vtt``, for one clip.
        features: NumPy archive of embeddings, see `write_features`.
        plot: PNG of the emotions over time, of the first `MOST_PANELS` clips.

    Raises:
        UsageError: a name does not end as its kind of file does.
    """

    def __init__(
        self,
        csv: str | os.PathLike | None = None,
        vtt: str | os.PathLike | None = None,
        features: str | os.PathLike | None = None,
        plot: str | os.PathLike | None = None,
    ):
        self.places = {"csv": csv, "vtt": vtt, "features": features, "plot": plot}
        for kind, ending in _ENDINGS.items():
            place = self.places[kind]
            if place is not None and Path(place).suffix.lower() != ending:
                raise UsageError(
                    f"--{kind} {place}: give the name of a file that ends in {ending}."
                )
        self.notes: list[str] = []
        self._rows: list[dict[str, Any]] = []
        self._answers: list[Mapping[str, Any]] = []
        self._subtitles: dict[Path, int] = {}

    def add(self, answer: Mapping[str, Any]) -> None:
        """Takes the answer to one clip; its subtitles are written at once."""
        # Only what is written is kept: a thousand clips must not add up.
        if self.places["csv"]:
            self._rows += timeline_rows(answer)
        if "error" in answer:
            return
        if self.places["vtt"]:
            write_text(self._subtitle_file(answer), as_vtt(answer))
        shown = self.places["plot"] and len(self._answers) <= MOST_PANELS
        if shown or self.places["features"]:
            self._answers.append(answer)

    def write(self, labels: Sequence[str]) -> dict[str, Path]:
        """Writes the other files; kind → where it is, of those that there is anything for.

        Args:
            labels: of the run, the order of the columns.
        """
        written = {}
        if self.places["csv"] and self._rows:
            columns = [*_FACTS, *(f"probability_{label}" for label in labels), "error"]
            write_csv(self.places["csv"], self._rows, columns)
            written["csv"] = Path(self.places["csv"])
        if self._subtitles:
            written["vtt"] = Path(self.places["vtt"])
        if self.places["features"] and self._answers:
            write_features(self.places["features"], self._answers, labels)
            written["features"] = Path(self.places["features"])
        if self.places["plot"] and self._answers:
            self._plot()
            written["plot"] = Path(self.places["plot"])
        return written

    def _subtitle_file(self, answer: Mapping[str, Any]) -> Path:
        place, clip = Path(self.places["vtt"]), Path(answer["clip"])
        first = path = place if place.suffix.lower() == ".vtt" else place / f"{clip.stem}.vtt"
        # A clip may be called as another's second file is.
        while path in self._subtitles:
            self._subtitles[first] += 1
            path = first.with_stem(f"{first.stem}-{self._subtitles[first]}")
        self._subtitles[path] = 1
        return path

    def _plot(self) -> None:
        from emotionnet.evaluation.plots import plot_timelines, save_png

        if len(self._answers) > MOST_PANELS:
            self.notes.append(f"{self.places['plot']} shows the first {MOST_PANELS} clips")
        save_png(plot_timelines(self._answers[:MOST_PANELS]), self.places["plot"])


_WINDOW = ("start_s", "end_s", "emotion", "streams")
_FACTS = ("clip", "person", *_WINDOW)


def timeline_rows(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """An answer as rows of a table, one a window; of a clip without an answer one with its ``error``."""
    clip = printable(answer["clip"])
    if "error" in answer:
        return [{"clip": clip, "error": printable(answer["error"]).replace("\n", " ")}]
    timelines = {"": answer["timeline"]}
    people = enumerate(answer.get("people", ()), start=1)
    timelines |= {number: person["timeline"] for number, person in people}
    return [
        {
            "clip": clip,
            "person": person,
            **{key: window[key] for key in _WINDOW},
            **{f"probability_{k}": v for k, v in (window["probabilities"] or {}).items()},
        }
        for person, timeline in timelines.items()
        for window in timeline
    ]


def as_vtt(answer: Mapping[str, Any]) -> str:
    """An answer as WebVTT: what a player shows under the clip.

    Windows overlap by half; a cue lasts from half way to the window before to half way to the next.

    Source: W3C, "WebVTT: The Web Video Text Tracks Format".
    """
    told = [f"NOTE answered by a run that was trained on {answer['corpus']}"]
    if answer.get("classes"):
        told.append(f"NOTE classes: {answer['classes']}")
    windows = answer["timeline"]
    middles = [(w["start_s"] + w["end_s"]) / 2 for w in windows]
    edges = [(a + b) / 2 for a, b in pairwise(middles)]
    starts, ends = [windows[0]["start_s"], *edges], [*edges, windows[-1]["end_s"]]
    cues = []
    for window, start_s, end_s in zip(windows, starts, ends):
        if emotion := window["emotion"]:
            share = f"{100 * window['probabilities'][emotion]:.0f} %"
            text = f"{emotion} {share} ({in_words(window['streams'])})"
            for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
                text = text.replace(sign, written)
            cues.append(f"{_clock(start_s)} --> {_clock(end_s)}\n{text}")
    return "\n\n".join(["WEBVTT", *(line.replace("-->", "->") for line in told), *cues]) + "\n"


def write_features(
    path: str | os.PathLike, answers: Sequence[Mapping[str, Any]], labels: Sequence[str]
) -> None:
    """Writes the embeddings of answers, a row a window, as a NumPy archive without pickles.

    ``clip`` (rows,) names; ``start_s``, ``end_s`` (rows,); ``fused`` and each stream (rows, width)
    float32, NaN where a window lacks what it is made of; ``streams`` (rows,) that were there, "" for
    none; ``labels`` (C,) and ``probabilities`` (rows, C), NaN where there is no answer.

    Args:
        path: the file.
        answers: with ``embeddings``.
        labels: order of the probabilities.
    """
    windows = [(answer, window) for answer in answers for window in answer["timeline"]]
    nothing = dict.fromkeys(labels, np.nan)
    arrays = {
        "clip": np.array([printable(answer["clip"]) for answer, _ in windows]),
        "start_s": np.array([window["start_s"] for _, window in windows]),
        "end_s": np.array([window["end_s"] for _, window in windows]),
        "streams": np.array([window["streams"] or "" for _, window in windows]),
        "labels": np.array(labels),
        "probabilities": np.array(
            [[(w["probabilities"] or nothing)[label] for label in labels] for _, w in windows]
        ),
    }
    for kind in answers[0]["embeddings"]:
        arrays[kind] = np.concatenate([answer["embeddings"][kind] for answer in answers])
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)


def _clock(seconds: float) -> str:
    milliseconds = round(1000 * seconds)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"
