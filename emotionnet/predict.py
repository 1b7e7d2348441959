"""``python -m emotionnet.predict RUN CLIP…``: the emotion in one file, many files, or a folder.

A clip takes the same way as in training: read, faces found and cropped, viewed, answered. A clip
longer than the model's window is answered in windows that overlap by half; its overall answer is
the mean of the windows' probabilities.
"""

import argparse
import contextlib
import itertools
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotionnet.command import explain_os_error, make_callable, not_empty, run_command
from emotionnet.errors import BadClip, EmotionNetError, UsageError
from emotionnet.inputs.kinds import STREAMS, in_words, present, together

NEVER_SEEN = (
    "warning: this run was trained on the demo corpus: drawn faces and made-up voices. It has never "
    "seen or heard a person, and its answers about people mean nothing."
)
#: Windows that go through the model at once: bounds the memory of a long clip.
WINDOWS_AT_ONCE = 8
#: A clip longer than the window by this share of it is one window still.
SLACK = 0.1
#: Clips in one picture.
MOST_PANELS = 12


def predict(
    run: str | os.PathLike, clips: str | os.PathLike | Sequence[str | os.PathLike]
) -> list[dict[str, Any]]:
    """Answers for one clip or several; see `Predictor.answer` for what an answer holds.

    Args:
        run: a run folder.
        clips: a file, a folder (all recordings in it), or several of them.

    Returns:
        An answer a clip, in order. A clip that cannot be used gives ``clip`` and ``error``.

    Raises:
        UsageError: no run there, or an empty name for a clip.
        EmotionNetError: the run cannot be used.
    """
    if isinstance(clips, str | os.PathLike):
        clips = [clips]
    for clip in clips:
        not_empty(clip, "a clip")
    return list(iterate(Predictor(run), clips))


def iterate(
    predictor: "Predictor",
    clips: Sequence[str | os.PathLike],
    ignored: list[tuple[str, str]] | None = None,
) -> Iterator[dict[str, Any]]:
    """Answers clip after clip; what goes wrong with one is its answer and stops no other.

    Args:
        predictor: the run.
        clips: files and folders.
        ignored: where given, ``(path, reason)`` is appended for every file of a folder that is left out.
    """
    for place in clips:
        try:
            files = find_clips(place, ignored, predictor.picture_suffixes)
        except EmotionNetError as error:
            yield {"clip": os.fspath(place), "error": str(error)}
            continue
        for path in files:
            try:
                yield predictor.answer(path)
            except (BadClip, EmotionNetError) as error:
                yield {"clip": str(path), "error": str(error)}
            except OSError as error:
                yield {"clip": str(path), "error": explain_os_error(error)}


def find_clips(
    place: str | os.PathLike,
    ignored: list[tuple[str, str]] | None = None,
    pictures: Sequence[str] = (),
) -> list[Path]:
    """The file itself, or the recordings in a folder, at any depth, sorted.

    Args:
        place: the file or folder.
        ignored: where given, ``(path, reason)`` is appended for every file of the folder that is left out.
        pictures: endings of pictures that are clips, too.

    Raises:
        EmotionNetError: nothing there, or a folder without recordings.
    """
    from emotionnet.corpora.listing import (
        SOUND_SUFFIXES,
        VIDEO_SUFFIXES,
        find_recordings,
        left_out,
    )

    place = Path(not_empty(place, "a clip"))
    if not place.exists():
        raise EmotionNetError("no such file")
    if not place.is_dir():
        return [place]
    others: list[tuple[str, str]] = []
    found = find_recordings(place, (*VIDEO_SUFFIXES, *SOUND_SUFFIXES, *pictures), others)
    files = sorted(place / path for paths in found.values() for path in paths)
    if not files:
        text = "no recordings in this folder (looked for .mp4, .mov, .wav and such)"
        raise EmotionNetError("\n  ".join([text, *left_out(others)]))
    if ignored is not None:
        ignored += [(str(place / path), reason) for path, reason in others]
    return files


class Predictor:
    """A run made ready to answer clips: its model is loaded once, MTCNN only for a picture.

    Args:
        run: a run folder.

    Raises:
        UsageError: no run there.
        EmotionNetError: the run is not trained, damaged, or of another version.
    """

    def __init__(self, run: str | os.PathLike):
        from emotionnet.clips.faces import FaceFinder
        from emotionnet.systems.base import without_xla
        from emotionnet.training.run import Run

        self.run = Run.open(run)
        self.model = self.run.model()
        without_xla(self.model)
        self.view = self.run.view()
        self.streams = tuple(self.run.config["streams"])
        self._viewer = None
        self._finder = FaceFinder()  # loads MTCNN at the first picture

    @property
    def knows_people(self) -> bool:
        """Whether the run was trained on recordings of people."""
        return self.run.config["label_kind"] != "drawn"

    @property
    def picture_suffixes(self) -> tuple[str, ...]:
        """Endings of the pictures that are faces for this run, as its corpus was; none for most runs."""
        from emotionnet.corpora import CORPORA, get_corpus

        corpus = self.run.config["corpus"]
        own = get_corpus(corpus) if corpus in CORPORA else None
        return own.SUFFIXES if getattr(own, "PICTURES", False) else ()

    def answer(self, path: str | os.PathLike) -> dict[str, Any]:
        """Answers one clip.

        Args:
            path: a recording with picture, sound or both. For a run of a corpus of face pictures, a
                picture is a face, as it is in evaluation.

        Returns:
            ``clip``, as given; ``emotion``; ``probabilities`` (name → value, the largest first);
            ``streams``: ``both``, ``faces`` or ``speech`` answered; ``faces_found`` of ``frames``
            pictures; ``audio_s``; ``duration_s``; ``timeline``: windows with ``start_s``,
            ``end_s``, ``emotion``, ``probabilities``, ``streams`` (None where a window has
            nothing to answer from); ``corpus`` the run was trained on; ``notes``.

        Raises:
            BadClip: the clip cannot be used, or has nothing that the run can answer from.
            EmotionNetError: the model answers NaN.
        """
        from emotionnet.clips import SAMPLE_RATE
        from emotionnet.evaluation.answers import check_answers

        clip = self._read(Path(path))
        duration_s, windows = self._windows_of(clip)
        starts_s = window_starts(duration_s, self.view.window_s)
        probabilities, has = self._answer_windows(windows, starts_s)
        if not has.any():
            raise BadClip(self._nothing())
        check_answers(probabilities)
        timeline = [
            self._window(start, min(start + self.view.window_s, duration_s), p, h)
            for start, p, h in zip(starts_s, probabilities, has)
        ]
        overall = probabilities[has.any(axis=1)].mean(axis=0)
        named = self._named(overall)
        return {
            "clip": os.fspath(path),
            "emotion": next(iter(named)),
            "probabilities": named,
            "streams": self._answered(has.any(axis=0)),
            "faces_found": clip.faces_found,
            "frames": len(clip.faces),
            "audio_s": round(len(clip.waveform) / SAMPLE_RATE, 3),
            "duration_s": round(duration_s, 3),
            "timeline": timeline,
            "corpus": self.run.config["corpus"],
            "notes": list(clip.notes),
        }

    def _read(self, path: Path):
        from emotionnet.clips.clip import read_clip
        from emotionnet.clips.pictures import picture_clip
        from emotionnet.corpora.listing import SOUND_SUFFIXES
        from emotionnet.corpora.manifest import ManifestRow

        kind = "sound" if path.suffix.lower() in SOUND_SUFFIXES else "picture"
        # The label is not known and not looked at; a row cannot be without one.
        row = ManifestRow(
            clip=path.stem, corpus="", emotion=self.run.labels[0], **{kind: path.name}
        )
        if path.suffix.lower() in self.picture_suffixes:
            clip = picture_clip(row, path.read_bytes())
            clip.notes.append("taken as the picture of one face, as this run's corpus has them")
            return clip
        looks = "faces" in self.streams
        clip = read_clip(row, path.parent, self._finder if looks else None)
        if not looks and kind == "picture":
            clip.notes.append("this run was trained on speech alone: no face was looked for")
        return clip

    def _windows_of(self, clip) -> tuple[float, Callable[[Sequence[float]], dict]]:
        """Length of a clip in seconds, and what gives the inputs of windows of it."""
        from emotionnet.inputs.views import clip_seconds, view_sound

        if self.streams == ("speech",):  # TensorFlow is not needed, and may not be there
            return clip.seconds, lambda starts_s: view_sound(clip.waveform, self.view, starts_s)
        import tensorflow as tf

        from emotionnet.clips.fields.add import with_fields
        from emotionnet.clips.records import parse, serialize

        fields = self._fields(clip)
        serialized = with_fields(serialize(clip), clip.row, fields)
        parsed = parse(tf.constant(serialized), [field.name for field in fields])
        return float(clip_seconds(parsed)), lambda starts_s: self._view_windows(parsed, starts_s)

    def _fields(self, clip) -> list:
        """The side fields that the run's streams need, as far as they can be had; else a note says why not."""
        from emotionnet.clips.fields import make_fields

        needed = [name for name in self.view.fields if name in self._side_fields]
        try:
            return make_fields(needed, {})
        except EmotionNetError as error:
            clip.notes.append(f"answered without {', '.join(needed)}: {error}")
            return []

    @property
    def _side_fields(self) -> set[str]:
        return {STREAMS[stream].field for stream in self.streams}

    def _answer_windows(self, windows: Callable, starts_s: Sequence[float]):
        """Probabilities (windows, C) and whether each of the run's streams was there (windows, S)."""
        probabilities, has = [], []
        for first in range(0, len(starts_s), WINDOWS_AT_ONCE):
            inputs = windows(starts_s[first : first + WINDOWS_AT_ONCE])
            outputs = self.model.predict_on_batch(inputs)
            probabilities.append(np.asarray(outputs["probabilities"], np.float64))
            has.append(np.stack([present(inputs, stream) for stream in self.streams], axis=1))
        return np.concatenate(probabilities), np.concatenate(has)

    def _view_windows(self, parsed: dict, starts_s: Sequence[float]) -> dict[str, np.ndarray]:
        import tensorflow as tf

        if self._viewer is None:
            # Traced once, whatever the lengths of the clips to come.
            specs = {
                name: tf.TensorSpec([None, *value.shape[1:]], value.dtype)
                for name, value in parsed.items()
            }
            self._viewer = tf.function(
                self.view, input_signature=[specs, tf.TensorSpec([], tf.float32)]
            )
        views = [self._viewer(parsed, tf.constant(start, tf.float32)) for start in starts_s]
        return {name: np.stack([view[name].numpy() for view in views]) for name in views[0]}

    def _named(self, probabilities: np.ndarray) -> dict[str, float]:
        order = np.argsort(-probabilities, kind="stable")
        return {self.run.labels[i]: round(float(probabilities[i]), 6) for i in order}

    def _answered(self, has: np.ndarray) -> str:
        answered = [stream for stream, yes in zip(self.streams, has) if yes]
        return together(answered)

    def _window(self, start_s: float, end_s: float, probabilities, has) -> dict[str, Any]:
        window = {"start_s": round(start_s, 3), "end_s": round(end_s, 3)}
        if not has.any():
            return window | {"emotion": None, "probabilities": None, "streams": None}
        named = self._named(probabilities)
        emotion = next(iter(named))
        return window | {
            "emotion": emotion,
            "probabilities": named,
            "streams": self._answered(has),
        }

    def _nothing(self) -> str:
        if set(self.streams) == {"faces", "speech"}:
            return "neither a face nor sound was found"
        lacks = " and ".join(STREAMS[stream].none_found for stream in self.streams)
        return f"{lacks}, and this run was trained on {in_words(together(self.streams))}"


def window_starts(duration_s: float, window_s: float) -> list[float]:
    """Where the windows of a clip begin, in seconds.

    Args:
        duration_s: length of the clip.
        window_s: length of the model's window.

    Returns:
        0 alone for a clip that fits, and the middle for one that is hardly longer (`SLACK`), as in
        evaluation; else every half window, the last one ending with the clip.
    """
    beyond_s = duration_s - window_s
    if beyond_s <= SLACK * window_s:
        return [max(0.0, beyond_s / 2)]
    hop_s = window_s / 2
    return [i * hop_s for i in range(math.ceil(beyond_s / hop_s - 1e-6))] + [beyond_s]


def describe(answer: dict[str, Any], blocks: bool = True, width: int = 80) -> str:
    """An answer as text: a line of facts, a bar an emotion, and what it is over time.

    Args:
        answer: from `Predictor.answer`.
        blocks: draw with block characters; else with ``#``.
        width: of the terminal, in characters.
    """
    if "error" in answer:
        return f"{answer['clip']}\n  cannot be used: {answer['error']}"
    best = answer["probabilities"][answer["emotion"]]
    lines = [
        answer["clip"],
        f"  {answer['emotion']} ({100 * best:.0f} %), from {in_words(answer['streams'])}; {_shown(answer)}",
    ]
    longest = max(map(len, answer["probabilities"]))
    room = max(10, min(40, width - longest - 12))
    for name, p in answer["probabilities"].items():
        lines.append(f"    {name:<{longest}} {100 * p:5.1f} % {_bar(p, room, blocks)}".rstrip())
    if len(answer["timeline"]) > 1:
        lines.append("  over time")
        # Neighbours that agree share a line: a long clip stays readable.
        for emotion, group in itertools.groupby(answer["timeline"], lambda w: w["emotion"]):
            windows = list(group)
            text = "nothing to answer from"
            if emotion:
                mean = sum(w["probabilities"][emotion] for w in windows) / len(windows)
                text = f"{emotion} ({100 * mean:.0f} %)"
            lines.append(
                f"    {windows[0]['start_s']:6.1f} – {windows[-1]['end_s']:6.1f} s  {text}"
            )
    lines += [f"  note: {note}" for note in answer["notes"]]
    return "\n".join(lines)


def _shown(answer: dict[str, Any]) -> str:
    pictures = f"a face in {answer['faces_found']} of {answer['frames']} pictures"
    sound = f"{answer['audio_s']:.1f} s of sound"
    return f"{pictures if answer['frames'] else 'no picture'}, {sound if answer['audio_s'] else 'no sound'}"


def _bar(p: float, room: int, blocks: bool) -> str:
    if not blocks:
        return "#" * round(p * room)
    eighths = round(p * room * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.predict``."""
    p = argparse.ArgumentParser(
        prog="python -m emotionnet.predict",
        description="The emotion in recordings: with a picture, sound, or both.",
    )
    p.add_argument("run", metavar="RUN", help="a run folder, as python -m emotionnet.fit makes it")
    p.add_argument("clips", metavar="CLIP", nargs="+", help="recordings, or folders of them")
    p.add_argument("--json", action="store_true", help="one JSON object a line and clip on stdout")
    p.add_argument("--plot", metavar="FILE.png", help="a picture of the emotions over time")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line and answers; 1 where a clip could not be used."""
    from emotionnet.corpora.listing import left_out

    args = parser().parse_args(argv)
    if args.plot and Path(args.plot).suffix.lower() != ".png":
        raise UsageError(f"--plot {args.plot}: the picture is a PNG; give a name ending in .png")
    for clip in args.clips:
        not_empty(clip, "a clip")
    out = sys.stdout
    answers, ignored = [], []
    # Whatever a library prints must not get between the answers.
    with contextlib.redirect_stdout(sys.stderr):
        predictor = Predictor(args.run)
        if not predictor.knows_people:
            print(NEVER_SEEN, file=sys.stderr)
        if not args.json:
            print(f"trained on: {predictor.run.config['corpus']}", file=out)
        for answer in iterate(predictor, args.clips, ignored):
            print(_line(answer, args.json, out), file=out, flush=True)
            # Only what is needed at the end is kept: a thousand clips must not add up.
            answers.append(answer if args.plot else {"error": 1} if "error" in answer else {})
        for line in left_out(ignored):
            print(line, file=sys.stderr)
        if args.plot:
            _plot(args.plot, [answer for answer in answers if "error" not in answer])
    return int(any("error" in answer for answer in answers))


def _line(answer: dict[str, Any], as_json: bool, out) -> str:
    if as_json:
        # ASCII: odd file names survive any terminal's encoding.
        return json.dumps(answer, allow_nan=False)
    encoding = out.encoding or "ascii"
    text = describe(answer, "utf" in encoding.lower(), shutil.get_terminal_size().columns)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _plot(path: str, answers: Sequence[dict[str, Any]]) -> None:
    from emotionnet.evaluation.plots import plot_timelines, save_png

    if not answers:
        return
    if len(answers) > MOST_PANELS:
        print(f"note: {path} shows the first {MOST_PANELS} clips", file=sys.stderr)
    save_png(plot_timelines(answers[:MOST_PANELS]), path)
    print(f"picture: {path}", file=sys.stderr)


if __name__ == "__main__":
    run_command(main)
else:
    make_callable(__name__)
