"""``python -m emotionnet.compare RUN RUN …``: any runs side by side, as one page and one CSV.

A RUN is a run folder or a group of runs (folds, seeds), whose answers are pooled. The others are
tested against the first, clip by clip; runs with other test clips are reported and not tested.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from emotionnet.command import as_verb, command_line
from emotionnet.evaluation.side_by_side import PAGE, TABLE, compare, summary


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.compare``."""
    p = command_line(
        "compare", "Any runs, or groups of runs, side by side: one page, one CSV, paired tests."
    )
    p.add_argument("runs", metavar="RUN", nargs="+",
                   help="a run folder, or a folder of runs; the first is what others are tested against")  # fmt: skip
    p.add_argument("--out", default="saved_models/compare", metavar="DIR", help="(%(default)s)")
    p.add_argument("--records", metavar="DIR", help="their records, where they have moved")
    p.add_argument("--across-protocols", action="store_true",
                   help="test pairs though their protocols differ, where the test clips are the same")  # fmt: skip
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, compares and prints the main numbers."""
    args = parser().parse_args(argv)
    result = compare(args.runs, args.out, args.records, args.across_protocols)
    print(summary(result))
    print(f"page: {Path(args.out) / PAGE}\ntable: {Path(args.out) / TABLE}")
    return 0


as_verb(__name__, main)
