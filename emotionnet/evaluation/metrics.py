"""Scores of a set of answers. Plain Python numbers, ready for JSON."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from emotionnet.clips.copies import original
from emotionnet.errors import EmotionNetError
from emotionnet.evaluation.intervals import wilson

#: Equal-width bins of confidence in the expected calibration error.
ECE_BINS = 15
#: Stands for a probability of zero, whose logarithm would be infinite.
LEAST = 1e-30


def score(
    labels: Sequence[str],
    targets: np.ndarray,
    probabilities: np.ndarray,
    rows: Sequence[Any] | None = None,
) -> dict[str, Any]:
    """Scores the answers for n clips over C classes.

    Args:
        labels: C label names, in the order of the probabilities.
        targets: (n,) index of the true label.
        probabilities: (n, C), each row summing to 1.
        rows: n objects with ``clip``, ``sex`` and ``actor`` (manifest rows). A clip that several
            runs answered, or that has changed copies, counts once in the intervals. None leaves out ``per_sex`` and
            ``per_actor``; rows with an empty value are left out of them.

    Returns:
        ``accuracy`` (weighted average recall) with its Wilson ``interval_95``; ``uar``, the mean
        recall over the classes that have clips, ``uar_classes`` of them (``absent_classes`` names
        the rest); ``macro_f1``; ``n`` answers about ``clips`` different clips; ``per_class``
        (precision, recall, f1, support; None where undefined) and its ``averages``, see `averages`;
        ``confusion`` (C x C counts, a row a true label); ``nll`` (nats a clip), ``brier``
        (squared error summed over the classes, 0 to 2), ``ece`` and its ``reliability`` bins;
        ``per_sex`` and ``per_actor`` (with the actor's ``sex``).

    Raises:
        EmotionNetError: no clips, shapes that do not fit, or probabilities that are not.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    targets, probabilities = _checked(labels, targets, probabilities)
    clips = range(len(targets)) if rows is None else [row.clip for row in rows]
    recordings = clips if rows is None else [original(clip) for clip in clips]
    classes = probabilities.shape[1]
    answers = probabilities.argmax(axis=1)
    right = answers == targets
    precision, recall, f1, support = precision_recall_fscore_support(
        targets, answers, labels=range(classes), average=None, zero_division=np.nan
    )
    present = support > 0
    result = {
        **_rate(right, recordings),
        "clips": len(set(clips)),
        "uar": float(recall[present].mean()),
        "uar_classes": int(present.sum()),
        "absent_classes": [name for name, here in zip(labels, present) if not here],
        "macro_f1": float(f1[present].mean()),
        "per_class": {
            name: {
                "precision": _number(precision[i]),
                "recall": _number(recall[i]) if present[i] else None,
                "f1": _number(f1[i]) if present[i] else None,
                "support": int(support[i]),
            }
            for i, name in enumerate(labels)
        },
        "averages": averages(precision[present], recall[present], f1[present], support[present]),
        "confusion": confusion_matrix(targets, answers, labels=range(classes)).tolist(),
        **sureness(targets, probabilities),
    }
    if rows is not None:
        result["per_sex"] = _rate_by([row.sex for row in rows], right, recordings)
        result["per_actor"] = _rate_by([row.actor for row in rows], right, recordings)
        for row in rows:
            if row.actor:
                result["per_actor"][row.actor]["sex"] = row.sex
    return result


def averages(
    precision: np.ndarray, recall: np.ndarray, f1: np.ndarray, support: np.ndarray
) -> dict[str, dict[str, float]]:
    """Means over the classes that have clips: ``macro``, all alike, and ``weighted`` by their clips.

    Args:
        precision: (C,) of each class; NaN, where it was never answered, counts as 0, as in
            scikit-learn's ``classification_report``.
        recall, f1: (C,) of each class.
        support: (C,) clips of each class, none of them 0.
    """
    columns = {"precision": np.nan_to_num(precision), "recall": recall, "f1": f1}
    weights = {"macro": np.ones(len(support)), "weighted": support}
    return {
        name: {key: float(np.average(values, weights=w)) for key, values in columns.items()}
        for name, w in weights.items()
    }


def sureness(targets: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    """How well probabilities (n, C) say how sure one may be: ``nll``, ``brier``, ``ece``, ``reliability``.

    Source:
        Brier (1950), Verification of forecasts expressed in terms of probability, equation 2.
    """
    n, classes = probabilities.shape
    ece, bins = calibration(probabilities.max(axis=1), probabilities.argmax(axis=1) == targets)
    return {
        "nll": float(-np.log(np.maximum(probabilities[np.arange(n), targets], LEAST)).mean()),
        "brier": float(((probabilities - np.eye(classes)[targets]) ** 2).sum(axis=1).mean()),
        "ece": ece,
        "reliability": bins,
    }


def calibration(
    confidence: np.ndarray, right: np.ndarray, bins: int = ECE_BINS
) -> tuple[float, list[dict[str, Any]]]:
    """Expected calibration error of the answers: mean of |accuracy - confidence| over the bins.

    Args:
        confidence: (n,) probability of the answer given, in [0, 1].
        right: (n,) whether it was right.
        bins: number of bins of equal width; a bin holds its upper edge.

    Returns:
        The error, each bin weighted by its clips, and the bins: ``low``, ``high``, ``n``, mean
        ``confidence`` and ``accuracy`` (None where empty).

    Source:
        Guo et al. (2017), On calibration of modern neural networks, equations 2 to 5.
    """
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    table, error = [], 0.0
    for i in range(bins):
        here = place == i
        entry = {"low": float(edges[i]), "high": float(edges[i + 1]), "n": int(here.sum())}
        entry["confidence"] = entry["accuracy"] = None
        if entry["n"]:
            entry["confidence"] = float(confidence[here].mean())
            entry["accuracy"] = float(right[here].mean())
            error += entry["n"] / len(right) * abs(entry["accuracy"] - entry["confidence"])
        table.append(entry)
    return float(error), table


def _checked(labels, targets, probabilities) -> tuple[np.ndarray, np.ndarray]:
    targets = np.asarray(targets, int)
    probabilities = np.asarray(probabilities, np.float64)
    if not len(targets):
        raise EmotionNetError("there are no clips to score")
    if probabilities.shape != (len(targets), len(labels)):
        raise EmotionNetError(
            f"probabilities have the shape {probabilities.shape}; "
            f"{len(targets)} clips and {len(labels)} labels were expected"
        )
    if not np.isfinite(probabilities).all():
        raise EmotionNetError("some of the probabilities to score are NaN or infinite")
    if not ((targets >= 0) & (targets < len(labels))).all():
        raise EmotionNetError("a target is none of the labels")
    return targets, probabilities


def _rate(right: np.ndarray, recordings: Sequence[Any]) -> dict[str, Any]:
    accuracy = float(right.mean())
    interval = list(wilson(accuracy, len(set(recordings))))
    return {"accuracy": accuracy, "interval_95": interval, "n": len(right)}


def _rate_by(names: Sequence[str], right: np.ndarray, recordings: Sequence[str]) -> dict[str, Any]:
    groups = defaultdict(list)
    for i, name in enumerate(names):
        if name:
            groups[name].append(i)
    return {
        name: _rate(right[here], [recordings[i] for i in here])
        for name, here in sorted(groups.items())
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
