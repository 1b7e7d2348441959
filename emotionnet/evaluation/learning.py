"""A run's learning curves, from its ``history.csv``, and its scores in the epoch kept."""

import math
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from emotionnet.systems.stages import Learn, Stage, seen_by

#: What is measured of each epoch, on training and on validation clips.
MEASURED = ("loss", "accuracy")
#: What a history calls training all streams as one, and the answer that is its result.
JOINT, JOINT_ANSWER = "joint", "fused"


def learning_curves(path: str | os.PathLike) -> dict[str, dict[str, Any]]:
    """Reads ``history.csv``: stream → its ``curves`` and ``best_epoch``, the epoch that was kept.

    Args:
        path: the CSV; one that is not there has no curves.

    Returns:
        ``curves`` is ``loss`` and ``accuracy`` → ``train`` and ``validation``, a value an epoch (NaN
        where there were no validation clips). Epochs count from 1.
    """
    from emotionnet.files import read_csv

    if not Path(path).is_file():
        return {}
    streams: dict[str, list[dict[str, str]]] = {}
    for row in read_csv(path):
        streams.setdefault(row["stream"], []).append(row)
    result = {}
    for name, rows in streams.items():
        curves = {
            kind: {
                "train": [float(row[kind]) for row in rows],
                "validation": [float(row[f"val_{kind}"]) for row in rows],
            }
            for kind in MEASURED
        }
        # As the training chose it: highest UAR on validation clips, then lowest loss.
        ranks = [(float(row["val_uar"]), -float(row["val_loss"])) for row in rows]
        best = max(range(len(rows)), key=lambda i: ranks[i])
        measured = ranks[best][0] == ranks[best][0]  # NaN where there were no validation clips
        result[name] = {"curves": curves, "best_epoch": best + 1 if measured else len(rows)}
    return result


def unfinished_stages(stages: Sequence[Stage], streams: Sequence[str]) -> set[str]:
    """Names of the stages that learn what is not yet the model's answer.

    That is a part of a stream that others answer with, or what a later stage learns again.

    Args:
        stages: of a system, in order.
        streams: that are trained.
    """
    learnt = [stage for stage in stages if isinstance(stage, Learn)]
    seen = [seen_by(stage, streams) for stage in learnt]
    return {
        stage.name
        for i, stage in enumerate(learnt)
        if stage.layer != stage.network or seen[i] in seen[i + 1 :]
    }


def kept_epochs(
    curves: Mapping[str, Mapping[str, Any]], unfinished: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """Loss and accuracy of the epoch that was kept: stream → ``epoch``, ``train``, ``validation``.

    ``validation`` is absent where there were no such clips. ``answers`` is False where these are not figures
    of what the model answers, of ``unfinished``, see `unfinished_stages`; else it is absent.
    """
    kept: dict[str, dict[str, Any]] = {}
    for name, each in curves.items():
        at = each["best_epoch"] - 1
        parts = {
            part: {kind: each["curves"][kind][part][at] for kind in MEASURED}
            for part in ("train", "validation")
        }
        known = {part: m for part, m in parts.items() if not any(map(math.isnan, m.values()))}
        kept[name] = {"epoch": at + 1, **known}
        if name in unfinished:
            kept[name]["answers"] = False
    return kept


def mean_kept(several: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """What `kept_epochs` says of several runs, as means over them; ``epoch`` lists theirs."""
    kept = {}
    for name in dict.fromkeys(name for each in several for name in each):
        runs = [each[name] for each in several if name in each]
        kept[name] = {"epoch": [run["epoch"] for run in runs]}
        for part in ("train", "validation"):
            having = [run[part] for run in runs if part in run]
            if having:
                means = {kind: sum(m[kind] for m in having) / len(having) for kind in MEASURED}
                kept[name][part] = means
        if not all(run.get("answers", True) for run in runs):
            kept[name]["answers"] = False
    return kept
