"""What a run, or a group of runs, is worth: answered, scored, and reported beside it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emotionnet.classes import Classes
from emotionnet.evaluation.asked import Asked, check_batch_size, check_part, other_corpus
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
            evaluation: what counts are the classes that both have, what was left out is reported, and the files
            are named after that corpus (``metrics_unseen_emodb.json`` …). Other parts than ``test`` are written to files
            of their own (``metrics_validation.json`` …).
        batch_size: clips at a time.
        mask: a stream that is removed from every clip (``speech``, also called ``audio``; ``faces``
            …); written to separate files (``metrics_masked_speech.json`` …).
        mirror: answer every face as it is and mirrored, and average both: twice the work, mostly a
            little better; written to separate files (``metrics_mirrored.json`` …).
        merge: class → the emotions whose clips it names and whose probabilities are summed, see
            `emotionnet.classes.Classes`; written to separate files.
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
    check_batch_size(batch_size)
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
