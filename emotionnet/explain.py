"""``python -m emotionnet.explain RUN CLIP…``: what an answer is made of, as a page.

Integrated gradients over faces, sound features and landmarks, see `emotionnet.attribution`. With ``--part
test`` instead of clips: sums over a part of the run's own clips, emotion by emotion, and whether the
attributions can be trusted.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from emotionnet.command import as_verb, command_line
from emotionnet.prediction.explaining import PAGE, explain


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.explain``."""
    p = command_line(
        "explain", "What an answer is made of: heat over faces, features of sound over time."
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
    from emotionnet.shipped import shipped

    args = parser().parse_args(argv)
    explained = explain(**vars(args))
    for each in explained:
        print(describe_part(**each) if "summary" in each else describe(each))
    page = PAGE if args.part is None else f"explain_{args.part}.html"
    print(f"page: {Path(args.out or shipped(args.run)) / page}")
    return int(any("error" in each for each in explained))


as_verb(__name__, main)
