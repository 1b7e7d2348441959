"""``python -m emotionnet.evaluate RUN``: scores a run, as CSV, JSON and a page.

Writes into the run folder ``predictions.csv`` (the answers), ``metrics.json`` (the numbers) and
``report.html`` (both for people; one file that needs nothing else). Given a group of runs (folds,
seeds), it evaluates those that are not yet and writes the numbers over all of them.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from emotionnet.classes import Classes, add_options
from emotionnet.command import as_verb, command_line
from emotionnet.evaluation.asked import Asked
from emotionnet.evaluation.headline import summary
from emotionnet.evaluation.run_or_group import evaluate


def _asked(metrics: Mapping[str, Any], merge, only) -> Asked:
    """What ``metrics.json`` is the answer to."""
    classes = Classes.of(merge, only)
    return Asked(
        metrics["part"],
        metrics.get("mask"),
        metrics.get("mirror", False),
        classes,
        on=metrics.get("on", ""),
    )


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.evaluate``."""
    p = command_line(
        "evaluate", "Accuracy, UAR, calibration and a report of a run, or of a group of runs."
    )
    p.add_argument("run", metavar="RUN", help="a run folder, or a folder of runs (folds, seeds)")
    p.add_argument("--records", metavar="DIR", help="its records, where they have moved; those of another "
                   "corpus: scores there, on the classes that both have")  # fmt: skip
    p.add_argument("--part", default="test", help="test (default), validation or train; "
                   "or unseen: all clips of --records that the run was not trained on")  # fmt: skip
    p.add_argument("--mask", metavar="STREAM", help="speech, faces …: take it away from every clip")
    p.add_argument("--mirror", action="store_true",
                   help="average the answers to faces as they are and mirrored")  # fmt: skip
    p.add_argument("--batch-size", type=int, default=8, help="clips at a time (%(default)s)")
    p.add_argument("--affect", metavar="FILE.csv", help="which emotions are high in arousal …, in place "
                   "of our table")  # fmt: skip
    add_options(p)
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, evaluates and prints the headline."""
    from emotionnet.shipped import shipped

    args = parser().parse_args(argv)
    metrics = evaluate(**vars(args))
    print(summary(metrics))
    folder = shipped(args.run)
    print(f"report: {_asked(metrics, args.merge, args.only).path(folder, 'report.html')}")
    return 0


as_verb(__name__, main)
