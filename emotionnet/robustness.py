"""``python -m emotionnet.robustness RUN``: scores a run under disturbances.

Noise, babble, lost or shifted sound; covered, missing, dark or coarse pictures, each at several
levels, for a run (or a group of runs) of any system. Writes into the folder ``robustness.csv`` (every
point), ``robustness.png`` (the curves), ``robustness.html`` (both for people) and
``robustness.json``. The same command gives the same numbers.
"""

import argparse
from collections.abc import Sequence

from emotionnet.command import as_verb, command_line
from emotionnet.evaluation.asked import Asked
from emotionnet.evaluation.disturbed import robustness


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.robustness``."""
    p = command_line(
        "robustness",
        "UAR of a run under noise, lost or shifted sound, covered, missing, dark or "
        "coarse pictures: curves, table and page.",
    )
    p.add_argument("run", metavar="RUN", help="a run folder, or a folder of runs (folds, seeds)")
    p.add_argument("--records", metavar="DIR", help="its records, where they have moved")
    p.add_argument("--part", default="test", help="test (default), validation, train or unseen")
    p.add_argument("--batch-size", type=int, default=8, help="clips at a time (%(default)s)")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, measures and prints the worst of each disturbance."""
    args = parser().parse_args(argv)
    from emotionnet.evaluation.robustness_text import summary
    from emotionnet.shipped import shipped

    result = robustness(args.run, args.records, args.part, args.batch_size)
    print(summary(result))
    asked = Asked(args.part, on=result.get("on", ""))
    print(f"report: {asked.path(shipped(args.run), 'robustness.html')}")
    return 0


as_verb(__name__, main)
