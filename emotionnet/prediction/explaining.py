"""A run explains its answers: to recordings, or to a part of its own clips."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotionnet.command import not_empty
from emotionnet.errors import EmotionNetError, UsageError

PAGE = "explain.html"


def explain(
    run: str | os.PathLike,
    clips: str | os.PathLike | Sequence[str | os.PathLike] = (),
    *,
    streams: Sequence[str] | str = (),
    emotion: str | None = None,
    part: str | None = None,
    each: int | None = None,
    records: str | os.PathLike | None = None,
    out: str | os.PathLike | None = None,
) -> list[dict[str, Any]]:
    """Explains the answers to clips and writes ``explain.html``; or a part, and ``explain_<part>.html``.

    Of a clip longer than the model's window its middle is explained, as in evaluation.

    Args:
        run: a run folder.
        clips: a file, a folder (all recordings in it), or several of them.
        streams: those that are explained, by default all of the run; words, or one text with commas.
        emotion: the class that is explained, by default the one that is answered.
        part: ``test``, ``validation`` or ``train``, instead of clips: of each clip of it its own emotion
            is explained, and sums are written as table (CSV) and pictures (SVG) beside the page.
        each: of a part, at most this number of clips of each emotion, evenly spread.
        records: the records the run was trained on, where they have moved: for the training mean, and
            for a part.
        out: folder for the page; by default that of the run.

    Returns:
        Of each clip ``clip`` and ``why``, an `emotionnet.attribution.explainer.Why`; or ``error``. Of a
        part ``part`` and ``summary``, an `emotionnet.attribution.part.Summary`.

    Raises:
        UsageError: no run, clip, stream or emotion of that name.
        EmotionNetError: the run cannot be used.
    """
    from emotionnet.attribution.asking import explain_file, explain_part, training_batches
    from emotionnet.attribution.explainer import Explainer
    from emotionnet.attribution.page import write_page
    from emotionnet.prediction.clips import find_clips
    from emotionnet.prediction.predictor import Predictor
    from emotionnet.prediction.text import NEVER_SEEN

    clips = [clips] if isinstance(clips, str | os.PathLike) else clips
    for clip in clips:
        not_empty(clip, "a clip")
    _check_asked(clips, emotion, part, each)
    asked = streams.split(",") if isinstance(streams, str) else streams
    predictor = Predictor(run, inside=True)
    known, model = predictor.streams, predictor.network()
    if emotion is not None and emotion not in predictor.labels:
        raise UsageError(f"--emotion {emotion}: the run knows {', '.join(predictor.labels)}.")
    training = training_batches(predictor.run, records, model)
    explainer = Explainer(model, predictor.view, predictor.labels, known, asked, training)
    folder = Path(out) if out is not None else predictor.run.folder
    warning = "" if predictor.knows_people else NEVER_SEEN
    if part is not None:
        summary = explain_part(predictor, explainer, records, part, each, folder, warning)
        return [{"part": part, "summary": summary}]
    found = []
    for place in clips:
        try:
            for file in find_clips(place, pictures=predictor.picture_suffixes):
                found.append(explain_file(predictor, explainer, file, emotion))
        except EmotionNetError as error:
            found.append({"clip": os.fspath(place), "error": str(error)})
    write_page(folder / PAGE, predictor.run.name, predictor.labels, found, warning)
    return found


def _check_asked(clips: Sequence, emotion: str | None, part: str | None, each: int | None) -> None:
    """Refuses what contradicts itself."""
    from emotionnet.evaluation.asked import check_part

    if bool(len(clips)) == (part is not None):
        raise UsageError(
            "name recordings, or a part of the run's own clips (--part test): one of both."
        )
    if part is None and each is not None:
        raise UsageError("--each: is about a part; recordings that are named are explained all.")
    if part is not None:
        check_part(part)
        if emotion is not None:
            raise UsageError("--emotion: of a part each clip's own emotion is explained.")
        if each is not None and each < 1:
            raise UsageError(f"--each {each}: at least one clip of each emotion.")
