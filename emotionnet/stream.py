"""``python -m emotionnet.stream RUN FILE``: live answers, one every hop, from a file or a camera.

A file is played as if it came from a camera, at its own speed or as fast as possible. The last lines say
how long answers took (segment end → answer) and how much of the time was spent computing.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence

from emotionnet.command import as_verb, command_line
from emotionnet.streaming.playing import stream
from emotionnet.streaming.text import describe, summary


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.stream``."""
    p = command_line(
        "stream", "Live answers from a camera, or from a file that is played like one."
    )
    p.add_argument("run", metavar="RUN", help="a run folder, or an exported bundle")
    p.add_argument("source", metavar="FILE|camera", help="a recording, camera, camera:1 …")
    p.add_argument("--speed", default="real", help="of a file: real (default) or max")
    p.add_argument("--window", type=float, metavar="S", help="seconds that an answer is about")
    p.add_argument("--hop", type=float, metavar="S", help="seconds from answer to answer")
    p.add_argument("--microphone", default="", metavar="NAME", help="for a camera; none: no sound")
    p.add_argument(
        "--json", action="store_true", help="one JSON object a line and answer on stdout"
    )
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, answers as it goes, and says at the end how fast that was."""
    from emotionnet.deploy.bundle import open_run
    from emotionnet.prediction.text import NEVER_SEEN

    args = parser().parse_args(argv)
    out = sys.stdout
    if open_run(args.run).config["label_kind"] == "drawn":
        print(NEVER_SEEN, file=sys.stderr)

    def each(answer) -> None:
        text = json.dumps(answer.as_dict(), allow_nan=False) if args.json else describe(answer)
        print(text, file=out, flush=True)

    # Whatever a library prints must not get between the answers.
    with contextlib.redirect_stdout(sys.stderr):
        report = stream(
            args.run,
            args.source,
            args.speed,
            window_s=args.window,
            hop_s=args.hop,
            microphone=None if args.microphone == "none" else args.microphone,
            each=each,
        )
    if args.json:
        print(json.dumps({"report": report}, allow_nan=False), file=out)
    else:
        print(summary(report), file=out)
    return 0


as_verb(__name__, main)
