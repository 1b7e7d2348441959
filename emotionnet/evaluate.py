"""``python -m emotionnet.evaluate RUN``: what a run is worth, as CSV, JSON and a page to read.

Writes into the run folder ``predictions.csv`` (the answers), ``metrics.json`` (the numbers) and
``report.html`` (both for people; one file that needs nothing else). Given a group of runs (folds,
seeds), it evaluates those that are not yet and writes the numbers over all of them.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emotionnet.classes import Classes, add_options
from emotionnet.command import as_verb
from emotionnet.evaluation.asked import Asked, check_part, other_corpus
from emotionnet.evaluation.headline import summary
from emotionnet.inputs.kinds import stream_named


def evaluate(
    run: str | os.PathLike,
    records: str | os.PathLike | None = None,
    part: str = "test",
    batch_size: int = 8,
    mask: str | None = None,
    mirror: bool = False,
    *,
    merge: Mapping[str, Sequence[str]] | Sequence[str] | None = None,
    only: Sequence[str] | str | None = None,
    affect: str | os.PathLike | None = None,
) -> dict[str, Any]:
    """Evaluates a run, or a group of runs, and writes predictions, metrics and report.

    Args:
        run: a run folder, or a folder of run folders.
        records: the records the run was trained on, where they have moved; or a cache of its view of
            them, see `emotionnet.inputs.cache`.
        part: ``test``, ``validation`` or ``train``; or ``unseen``, all clips of ``records`` that the
            run has neither learnt nor chosen its epoch from, which is also meant by ``test`` where
            ``records`` hold none of its test clips. With records of another corpus this is cross-corpus
            evaluation: what counts are the classes that both have, what was left out is said, and the files
            are named after that corpus (``metrics_unseen_emodb.json`` …). Other parts than ``test`` are written to files
            of their own (``metrics_validation.json`` …).
        batch_size: clips at a time.
        mask: a stream that is taken away from every clip (``speech``, also called ``audio``; ``faces``
            …); written to files of its own (``metrics_masked_speech.json`` …).
        mirror: answer every face as it is and mirrored, and average both: twice the work, mostly a
            little better; written to files of its own (``metrics_mirrored.json`` …).
        merge: class → the emotions whose clips it names and whose probabilities are summed, see
            `emotionnet.classes.Classes`; written to files of its own.
        only: the classes that count: clips of others are left out, and so are their probabilities.
        affect: a CSV that says which emotions are high in arousal, positive in valence …, in place of
            ours, see `emotionnet.evaluation.affect`.

    Returns:
        What ``metrics.json`` says: ``fused`` and each stream that was trained (each as
        `emotionnet.evaluation.metrics.score` gives it), ``masked``, ``calibrated`` (temperatures
        fitted on the validation clips, and how sure the answers are at them; test part only), ``affect``
        (kind of answer → see `emotionnet.evaluation.affect.by_affect`),
        ``learning`` (loss and accuracy of the epoch that was kept), and what they are about
        (``protocol``, ``fold``, ``seed``, ``corpus``, ``label_kind``, ``leaky``, ``notes`` …). For
        a group also ``runs`` and ``over_runs`` (mean and standard deviation).

    Raises:
        UsageError: no run there, no such part, or nothing is left to answer from.
        EmotionNetError: the run is not trained, or its records cannot be used.
    """
    from emotionnet.evaluation.affect import read_groups
    from emotionnet.evaluation.measuring import evaluate_group, evaluate_run
    from emotionnet.training.run import Run, group_members

    check_part(part)
    mask = mask and stream_named(mask, "--mask")
    asked = Asked(part, mask, mirror, Classes.of(merge, only), affect)
    children = group_members(run)
    runs = [Run.open(child) for child in children or [run]]
    asked = replace(asked, on=other_corpus(runs[0], records))
    read_groups(asked.classes.labels(runs[0].labels), affect)  # refuses a bad table early
    if records and part == "test" and all(each.has_other_test_clips(records) for each in runs):
        asked = replace(asked, part="unseen")
    if children:
        return evaluate_group(Path(run), children, records, asked, batch_size)
    return evaluate_run(runs[0], records, asked, batch_size)


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
    p = argparse.ArgumentParser(
        prog="python -m emotionnet.evaluate",
        description="Accuracy, UAR, calibration and a report of a run, or of a group of runs.",
    )
    p.add_argument("run", metavar="RUN", help="a run folder, or a folder of runs (folds, seeds)")
    p.add_argument("--records", metavar="DIR", help="its records, where they have moved; those of another "
                   "corpus: what it is worth there, on the classes that both have")  # fmt: skip
    p.add_argument("--part", default="test", help="test (default), validation or train; "
                   "or unseen: all clips of --records that the run has not learnt from")  # fmt: skip
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
