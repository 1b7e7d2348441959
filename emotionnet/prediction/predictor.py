"""A run, or a bundle, made ready to answer clips.

A clip takes the same way as in training: read, faces found and cropped, viewed, answered. A clip
longer than the model's window is answered in windows that overlap by half; its overall answer is
the mean of the windows' probabilities.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from emotionnet.classes import Classes
from emotionnet.command import explain_os_error
from emotionnet.deploy.bundle import Answerer, Bundle, open_run, quick_bundle
from emotionnet.errors import BadClip, EmotionNetError, UsageError
from emotionnet.inputs.kinds import STREAMS, in_words, present, together, without
from emotionnet.prediction.clips import find_clips
from emotionnet.prediction.hub import local_run

#: Windows that go through the model at once: bounds the memory of a long clip.
WINDOWS_AT_ONCE = 8
#: A clip longer than the window by this share of it is one window still.
SLACK = 0.1
#: People of one picture who are answered, and the share of pictures in which somebody must be seen.
MOST_PEOPLE = 8
LEAST_SEEN = 0.1


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
        except (EmotionNetError, OSError) as error:
            text = explain_os_error(error) if isinstance(error, OSError) else str(error)
            yield {"clip": os.fspath(place), "error": text}
            continue
        for path in files:
            try:
                yield predictor.answer(path)
            except (BadClip, EmotionNetError) as error:
                yield {"clip": str(path), "error": str(error)}
            except OSError as error:
                yield {"clip": str(path), "error": explain_os_error(error)}


class Predictor:
    """A run made ready to answer clips: its model is loaded once, MTCNN only for a picture.

    Args:
        run: a run folder, or ``hf://USER/NAME``, see `emotionnet.prediction.hub`; or a bundle, which needs
            neither TensorFlow nor Keras.
        classes: that its emotions are merged to, or that alone count.
        embeddings: whether answers hold what the networks have made of the clip, see
            `emotionnet.prediction.embeddings`.
        people: whether everybody in the picture is answered, see `answer`.
        moments: whether answers hold the share of each second, see `answer`.
        inside: whether `network` will be asked for.

    Raises:
        UsageError: no run there, classes of emotions that it does not know, people of a run
            that was trained without faces, embeddings or moments of a bundle, or moments of such classes.
        EmotionNetError: the run is not trained, damaged, or of another version.
    """

    def __init__(
        self,
        run: str | os.PathLike,
        classes: Classes | None = None,
        embeddings: bool = False,
        people: bool = False,
        moments: bool = False,
        inside: bool = False,
    ):
        from emotionnet.clips.faces import FaceFinder

        self.run = open_run(local_run(run), inside or embeddings or moments)
        self.classes = classes or Classes()
        self.labels = self.classes.labels(self.run.labels)
        answering = quick_bundle(self.run) or self.run
        self.model, self.view = answering.answerer(), answering.view()
        self.streams = tuple(self.run.config["streams"])
        if people and "faces" not in self.streams:
            raise UsageError(
                f"{self.run.folder}: was trained without faces, and cannot tell people."
            )
        self._people = people
        self._embedder = None
        if embeddings:
            from emotionnet.prediction.embeddings import Embedder

            self._embedder = Embedder(self.network(), self.run.config)
        self._add_moments = None
        if moments:
            from emotionnet.attribution.moments import adds_moments

            self._add_moments = adds_moments(self)
        self._finder = FaceFinder()  # loads MTCNN at the first picture

    def network(self):
        """The run's Keras model, for what looks inside.

        Raises:
            UsageError: a bundle, which has none.
        """
        if isinstance(self.run, Bundle):
            raise UsageError(
                f"{self.run.folder}: a bundle gives answers, and not what its networks make of a clip on "
                "the way. Give the run that it was made of."
            )
        return self.run.model() if isinstance(self.model, Answerer) else self.model

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
            pictures, ``other_faces`` beside it; ``audio_s``; ``duration_s``; ``timeline``: windows with ``start_s``,
            ``end_s``, ``emotion``, ``probabilities``, ``streams`` (None where a window has
            nothing to answer from); ``corpus`` the run was trained on; ``classes``, how emotions
            were merged or left out, or ""; ``notes``. If asked for, ``embeddings``: ``fused`` and
            each stream → (windows, width) float32, NaN where a window lacks what it is made of. If
            asked for, ``people``: each of them by the face alone, since it is not known whose the voice
            is: ``emotion``, ``probabilities``, ``timeline`` and ``faces_found`` as above, and
            ``centre``, where they are on average (shares of the picture's width and height). If asked
            for, ``moments``, see `emotionnet.attribution.moments.moments`.

        Raises:
            BadClip: the clip cannot be used, or has nothing that the run can answer from.
            EmotionNetError: the model answers NaN.
        """
        from emotionnet.clips import SAMPLE_RATE
        from emotionnet.clips.company import Company
        from emotionnet.clips.records import parsed_of

        company = Company(one_person=self._people)
        clip = self._read(Path(path), company)
        fields = self._fields(clip)
        answer = {
            "clip": os.fspath(path),
            **self._answer(clip, fields),
            "other_faces": company.others,
            "frames": len(clip.faces),
            "audio_s": round(len(clip.waveform) / SAMPLE_RATE, 3),
            "corpus": self.run.config["corpus"],
            "classes": self._classes_in_words(),
            "notes": list(clip.notes),
        }
        if self._people:
            answer["people"] = list(self._each_person(Path(path), clip))
        if self._add_moments:
            self._add_moments(answer, parsed_of(clip, fields))
        return answer

    def _answer(self, clip, fields, leave_out: str | None = None) -> dict[str, Any]:
        """The answer to a clip with its ``fields``, from everything that it has, or without one of the streams."""
        from emotionnet.evaluation.answers import check_answers
        from emotionnet.inputs.clip_windows import clip_seconds, clip_windows

        duration_s, points = clip_seconds(clip), fields.get(STREAMS["geometry"].field)
        windows = partial(clip_windows, clip, self.view, points=points)
        starts_s = window_starts(duration_s, self.view.window_s)
        probabilities, has, embeddings = self._answer_windows(windows, starts_s, leave_out)
        if not has.any():
            raise BadClip(self._nothing())
        check_answers(probabilities)
        probabilities = self.classes.probabilities(self.run.labels, probabilities)
        timeline = [
            self._window(start, min(start + self.view.window_s, duration_s), p, h)
            for start, p, h in zip(starts_s, probabilities, has)
        ]
        named = self._named(probabilities[has.any(axis=1)].mean(axis=0))
        return {
            "emotion": next(iter(named)),
            "probabilities": named,
            "streams": self._answered(has.any(axis=0)),
            "faces_found": clip.faces_found,
            "duration_s": round(duration_s, 3),
            "timeline": timeline,
            **embeddings,
        }

    def _each_person(self, path: Path, clip) -> Iterator[dict[str, Any]]:
        """The answer to each person in the picture, the one followed first of all."""
        from emotionnet.clips.company import Company

        before = []
        for _ in range(MOST_PEOPLE):
            if clip.faces_found < max(1, LEAST_SEEN * len(clip.faces)):
                return
            answer = self._answer(clip, self._fields(clip), leave_out="speech")
            kept = ("emotion", "probabilities", "faces_found", "timeline")
            middle = np.nanmean(clip.boxes[:, :2] + clip.boxes[:, 2:] / 2, axis=0)
            centre = [round(float(x), 3) for x in middle / clip.picture_size[::-1]]
            yield {**{key: answer[key] for key in kept}, "centre": centre}
            if self._is_face(path):
                return
            before.append((clip.times_s, clip.boxes))
            try:
                clip = self._read(path, Company(before, one_person=True))
            except BadClip:  # no face is left, and there is no sound either
                return

    def _classes_in_words(self) -> str:
        """How emotions were merged or left out: in the training, and now."""
        return "; ".join(filter(None, (str(self.run.classes), str(self.classes))))

    def _read(self, path: Path, company):
        from emotionnet.clips.clip import read_clip
        from emotionnet.clips.pictures import picture_clip
        from emotionnet.corpora.listing import SOUND_SUFFIXES
        from emotionnet.corpora.manifest import ManifestRow

        kind = "sound" if path.suffix.lower() in SOUND_SUFFIXES else "picture"
        # The label is not known and not used; a row cannot be without one.
        row = ManifestRow(
            clip=path.stem, corpus="", emotion=self.run.labels[0], **{kind: path.name}
        )
        if self._is_face(path):
            clip = picture_clip(row, path.read_bytes())
            clip.notes.append("taken as the picture of one face, as this run's corpus has them")
            return clip
        looks = bool({"faces", "geometry"} & set(self.streams))
        clip = read_clip(row, path.parent, self._finder if looks else None, company)
        if not looks and kind == "picture":
            clip.notes.append("this run was trained on speech alone: no face was looked for")
        return clip

    def _is_face(self, path: Path) -> bool:
        """Whether a file is taken as the picture of one face."""
        return path.suffix.lower() in self.picture_suffixes

    def record(self, path: str | os.PathLike) -> tuple[Any, dict]:
        """A clip as it is read, and as `emotionnet.clips.records.parse` gives it.

        Raises:
            BadClip: the clip cannot be used.
        """
        from emotionnet.clips.company import Company
        from emotionnet.clips.records import parsed_of

        clip = self._read(Path(path), Company(one_person=False))
        return clip, parsed_of(clip, self._fields(clip))

    def _fields(self, clip) -> dict[str, Any]:
        """Values of the side fields that the run's streams need, by name; none where a note says why."""
        from emotionnet.clips.fields import make_fields
        from emotionnet.clips.records import parsed_of

        needed = [name for name in self.view.fields if name in self._side_fields]
        try:
            fields = make_fields(needed, {})
        except EmotionNetError as error:
            clip.notes.append(f"answered without {', '.join(needed)}: {error}")
            return {}
        parsed = parsed_of(clip) if fields else {}
        return {field.name: field.of_clip(parsed, clip.row) for field in fields}

    @property
    def _side_fields(self) -> set[str]:
        return {STREAMS[stream].field for stream in self.streams}

    def _answer_windows(self, windows: Callable, starts_s: Sequence[float], leave_out: str | None):
        """Probabilities (windows, C), whether each of the run's streams was there, embeddings if asked."""
        probabilities, has, embeddings = [], [], []
        for first in range(0, len(starts_s), WINDOWS_AT_ONCE):
            inputs = windows(starts_s[first : first + WINDOWS_AT_ONCE])
            inputs = without(inputs, leave_out) if leave_out in self.streams else inputs
            outputs = self.model.predict_on_batch(inputs)
            probabilities.append(np.asarray(outputs["probabilities"], np.float64))
            has.append(np.stack([present(inputs, stream) for stream in self.streams], axis=1))
            if self._embedder:
                embeddings.append(self._embedder(inputs))
        extra = {}
        if embeddings:
            kinds = embeddings[0]
            extra["embeddings"] = {k: np.concatenate([e[k] for e in embeddings]) for k in kinds}
        return np.concatenate(probabilities), np.concatenate(has), extra

    def _named(self, probabilities: np.ndarray) -> dict[str, float]:
        order = np.argsort(-probabilities, kind="stable")
        return {self.labels[i]: round(float(probabilities[i]), 6) for i in order}

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
