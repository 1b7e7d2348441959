"""``python -m emotionnet.explain RUN CLIP…``: what an answer is made of, as a page.

Integrated gradients over faces, sound features and landmarks, see `emotionnet.attribution`. With ``--part
test`` instead of clips: sums over a part of the run's own clips, emotion by emotion, and whether the
attributions can be trusted.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotionnet.command import as_verb, not_empty
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
    predictor = Predictor(run)
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
            for file in find_clips(place):
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


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.explain``."""
    p = argparse.ArgumentParser(
        prog="python -m emotionnet.explain",
        description="What an answer is made of: heat over faces, features of sound over time.",
    )
    p.add_argument("run", metavar="RUN", help="a run folder, as python -m emotionnet.fit makes it")
    p.add_argument("clips", metavar="CLIP", nargs="*", help="recordings, or folders of them")
    p.add_argument("--part", metavar="NAME", help="test, validation or train, instead of recordings: "
                   "sums over these clips of the run, emotion by emotion")  # fmt: skip
    p.add_argument("--each", type=int, metavar="N",
                   help="of a part at most N clips of each emotion (default: all)")  # fmt: skip
    p.add_argument("--streams", default=(), metavar="NAMES", help="faces,speech …: those that are "
                   "explained (default: all of the run)")  # fmt: skip
    p.add_argument("--emotion", metavar="NAME", help="explain this class, whatever is answered")
    p.add_argument("--records", metavar="DIR", help="the run's records, where they have moved")
    p.add_argument("--out", metavar="DIR", help=f"folder for {PAGE} (default: the run's)")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line and explains; 1 where a clip could not be."""
    from emotionnet.attribution.text import describe, describe_part

    args = parser().parse_args(argv)
    explained = explain(**vars(args))
    for each in explained:
        print(describe_part(**each) if "summary" in each else describe(each))
    page = PAGE if args.part is None else f"explain_{args.part}.html"
    print(f"page: {Path(args.out or args.run) / page}")
    return int(any("error" in each for each in explained))


as_verb(__name__, main)
