"""``python -m emotionnet.predict RUN CLIP…``: the emotion in one file, many files, or a folder.

See `emotionnet.prediction.predictor` for how a clip is answered.
"""

import argparse
import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from emotionnet.classes import Classes, add_options
from emotionnet.command import as_verb, not_empty
from emotionnet.errors import UsageError
from emotionnet.prediction.outputs import Outputs
from emotionnet.prediction.predictor import Predictor, iterate
from emotionnet.prediction.text import NEVER_SEEN, describe


def predict(
    run: str | os.PathLike,
    clips: str | os.PathLike | Sequence[str | os.PathLike],
    *,
    merge: Mapping[str, Sequence[str]] | Sequence[str] | None = None,
    only: Sequence[str] | str | None = None,
    embeddings: bool = False,
    people: bool = False,
    moments: bool = False,
    csv: str | os.PathLike | None = None,
    vtt: str | os.PathLike | None = None,
    features: str | os.PathLike | None = None,
) -> list[dict[str, Any]]:
    """Answers for one clip or several; see `Predictor.answer` for what an answer holds.

    Args:
        run: a run folder, or ``hf://USER/NAME``: one on the Hugging Face Hub; or a bundle, which needs neither
            TensorFlow nor Keras and gives no embeddings.
        clips: a file, a folder (all recordings in it), or several of them.
        merge: class → the emotions whose probabilities are summed, see `emotionnet.classes.Classes`.
        only: the classes that count; the probabilities of the others are left out.
        embeddings: whether answers hold what the networks have made of the clip, before it became
            classes.
        people: whether each person in the picture is answered, by the face alone.
        moments: whether answers hold ``moments``, the share of each second, see
            `emotionnet.attribution.moments`: takes many times as long.
        csv, vtt, features: files to write, see `emotionnet.prediction.outputs.Outputs`.

    Returns:
        An answer a clip, in order. A clip that cannot be used gives ``clip`` and ``error``.

    Raises:
        UsageError: no run there, an empty name for a clip, a file of another kind, or an emotion that
            the run does not know.
        EmotionNetError: the run cannot be used.
    """
    if isinstance(clips, str | os.PathLike):
        clips = [clips]
    outputs = _outputs(clips, csv=csv, vtt=vtt, features=features)
    embeddings = embeddings or features is not None
    predictor = Predictor(run, Classes.of(merge, only), embeddings, people)
    add_moments = _moments(predictor) if moments else None
    answers = []
    for answer in iterate(predictor, clips):
        if add_moments:
            add_moments(answer)
        outputs.add(answer)
        answers.append(answer)
    outputs.write(predictor.labels)
    return answers


def _moments(predictor: Predictor) -> Callable[[dict[str, Any]], None]:
    from emotionnet.attribution.moments import adds_moments

    return adds_moments(predictor)


def _outputs(clips: Sequence[str | os.PathLike], **places: str | os.PathLike | None) -> Outputs:
    """The files that are asked for; refuses those that these clips cannot go to."""
    for clip in clips:
        not_empty(clip, "a clip")
    vtt, several = places["vtt"], len(clips) > 1 or any(Path(clip).is_dir() for clip in clips)
    if vtt is not None and Path(vtt).suffix.lower() == ".vtt" and several:
        raise UsageError(f"--vtt {vtt}: is one file, and clips are several: give a folder.")
    return Outputs(**places)


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.predict``."""
    p = argparse.ArgumentParser(
        prog="python -m emotionnet.predict",
        description="The emotion in recordings: with a picture, sound, or both.",
    )
    p.add_argument(
        "run",
        metavar="RUN",
        help="a run folder, as python -m emotionnet.fit makes it; an exported bundle; or hf://USER/NAME",
    )
    p.add_argument("clips", metavar="CLIP", nargs="+", help="recordings, or folders of them")
    p.add_argument("--json", action="store_true", help="one JSON object a line and clip on stdout")
    p.add_argument("--people", action="store_true",
                   help="answer each person in the picture too, by the face alone")  # fmt: skip
    p.add_argument("--moments", action="store_true",
                   help="say which second makes how much of the answer; takes many times as long")  # fmt: skip
    g = p.add_argument_group("files")
    g.add_argument("--csv", metavar="FILE.csv", help="a table, a row a window")
    g.add_argument("--vtt", metavar="DIR", help="subtitles (WebVTT), a file a clip")
    g.add_argument("--features", metavar="FILE.npz",
                   help="what the networks have made of each window, before it became classes")  # fmt: skip
    g.add_argument("--plot", metavar="FILE.png", help="a picture of the emotions over time")
    add_options(p)
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line and answers; 1 where a clip could not be used."""
    from emotionnet.corpora.listing import left_out

    args = parser().parse_args(argv)
    places = {kind: getattr(args, kind) for kind in ("csv", "vtt", "features", "plot")}
    outputs, out = _outputs(args.clips, **places), sys.stdout
    bad, ignored = False, []
    # Whatever a library prints must not get between the answers.
    with contextlib.redirect_stdout(sys.stderr):
        classes = Classes.of(args.merge, args.only)
        predictor = Predictor(args.run, classes, bool(args.features), args.people)
        if not predictor.knows_people:
            print(NEVER_SEEN, file=sys.stderr)
        if not args.json:
            print(f"trained on: {predictor.run.config['corpus']}", file=out)
        add_moments = _moments(predictor) if args.moments else None
        for answer in iterate(predictor, args.clips, ignored):
            if add_moments:
                add_moments(answer)
            print(_line(answer, args.json, out), file=out, flush=True)
            outputs.add(answer)
            bad = bad or "error" in answer
        written = outputs.write(predictor.labels)
        told = [f"{kind}: {path}" for kind, path in written.items()]
        for line in (*left_out(ignored), *told, *(f"note: {note}" for note in outputs.notes)):
            print(line, file=sys.stderr)
    return int(bad)


def _line(answer: dict[str, Any], as_json: bool, out) -> str:
    if as_json:
        # ASCII: odd file names survive any terminal's encoding.
        return json.dumps({k: v for k, v in answer.items() if k != "embeddings"}, allow_nan=False)
    encoding = out.encoding or "ascii"
    text = describe(answer, "utf" in encoding.lower(), shutil.get_terminal_size().columns)
    return text.encode(encoding, "backslashreplace").decode(encoding)


as_verb(__name__, main)
