"""``python -m emotionnet.predict RUN CLIP…``: the emotion in one file, many files, or a folder.

See `emotionnet.prediction.predictor` for how a clip is answered.
"""

import argparse
import contextlib
import json
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from emotionnet.classes import Classes, add_options
from emotionnet.command import as_verb, command_line
from emotionnet.prediction.answering import answer_all, outputs_for
from emotionnet.prediction.answering import predict as predict
from emotionnet.prediction.predictor import Predictor
from emotionnet.prediction.text import NEVER_SEEN, describe


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.predict``."""
    p = command_line("predict", "The emotion in recordings: with a picture, sound, or both.")
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
    outputs, out = outputs_for(args.clips, **places), sys.stdout
    bad, ignored = False, []
    # Whatever a library prints must not get between the answers.
    with contextlib.redirect_stdout(sys.stderr):
        classes = Classes.of(args.merge, args.only)
        features = bool(args.features)
        predictor = Predictor(args.run, classes, features, args.people, args.moments)
        if not predictor.knows_people:
            print(NEVER_SEEN, file=sys.stderr)
        if not args.json:
            print(f"trained on: {predictor.run.config['corpus']}", file=out)
        for answer in answer_all(predictor, args.clips, outputs, ignored):
            print(_line(answer, args.json, out), file=out, flush=True)
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
