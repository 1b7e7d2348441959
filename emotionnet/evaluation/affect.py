"""F1 by arousal and valence: how well the emotions of a group are found.

One table, ``affect.csv`` beside this file, says which emotion is in which group; another can be given.
Its mapping ``ours`` is a common reading. ``paper`` is that of Lu et al. as far as it is printed: anger and
happiness are called high in arousal and in valence, fear and sadness low in both, neutral near sadness;
of disgust's arousal text and caption say different things, calm and surprise are not placed. An empty
cell, or no row, leaves an emotion out of a mapping.
"""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotionnet.emotions import EMOTIONS
from emotionnet.errors import UsageError
from emotionnet.files import read_given_csv
from emotionnet.inputs.kinds import OUTPUTS

TABLE = Path(__file__).with_name("affect.csv")
DIMENSIONS = ("arousal", "valence")
#: Mapping → dimension → group → emotions.
Groups = dict[str, dict[str, dict[str, list[str]]]]


def read_groups(labels: Sequence[str], path: str | os.PathLike | None = None) -> Groups:
    """Reads a table of groups.

    Args:
        labels: of a run, which it may name beside the known emotions.
        path: a CSV with the columns ``mapping``, ``emotion``, ``arousal``, ``valence``; by default ours.

    Raises:
        UsageError: no such file, no CSV, it has no rows, a column is missing, or an emotion is not known or
            named twice.
    """
    place = Path(path or TABLE)
    if not place.is_file():
        raise UsageError(f"--affect {place}: there is no such file.")
    groups: Groups = {}
    seen = set()
    rows = read_given_csv(place)
    if not rows:
        raise UsageError(f"--affect {place}: has no rows.")
    for row in rows:
        missing = {"mapping", "emotion", *DIMENSIONS} - {k for k, v in row.items() if v is not None}
        if missing:
            raise UsageError(f"--affect {place}: a row lacks {', '.join(sorted(missing))}.")
        mapping, emotion = row["mapping"], row["emotion"]
        if emotion not in (*EMOTIONS, *labels):
            known = ", ".join(dict.fromkeys((*EMOTIONS, *labels)))
            raise UsageError(f"--affect {place}: {emotion!r} is no emotion; known: {known}.")
        if (mapping, emotion) in seen:
            raise UsageError(f"--affect {place}: {mapping} names {emotion} twice.")
        seen.add((mapping, emotion))
        for dimension in DIMENSIONS:
            if row[dimension]:
                of = groups.setdefault(mapping, {}).setdefault(dimension, defaultdict(list))
                of[row[dimension]].append(emotion)
    return groups


def by_affect(
    scored: Mapping[str, Any], labels: Sequence[str], groups: Groups
) -> list[dict[str, Any]]:
    """How well each group is found.

    Args:
        scored: ``per_class`` and ``confusion``, of `emotionnet.evaluation.metrics.score`.
        labels: of the classes.
        groups: of `read_groups`.

    Returns:
        Of each group that has clips ``mapping``, ``dimension``, ``group``, its ``emotions``, ``support``;
        ``f1``, the mean F1 of these emotions; ``group_f1``, that of the group as one class, whichever
        of its emotions is answered.
    """
    confusion, found = np.asarray(scored["confusion"]), []
    for mapping, dimensions in groups.items():
        for dimension, by_group in dimensions.items():
            for group, emotions in by_group.items():
                here = [e for e in labels if e in emotions and scored["per_class"][e]["support"]]
                if not here:
                    continue
                members = [i for i, e in enumerate(labels) if e in emotions]
                said, were = confusion[:, members].sum(), confusion[members].sum()
                right = confusion[np.ix_(members, members)].sum()
                found.append(
                    {
                        **{"mapping": mapping, "dimension": dimension, "group": group},
                        **{"emotions": here, "support": int(were)},
                        "f1": float(np.mean([scored["per_class"][e]["f1"] for e in here])),
                        "group_f1": float(2 * right / (said + were)),
                    }
                )
    return found


def affect_of(
    scores: Mapping[str, Any], labels: Sequence[str], path: str | os.PathLike | None = None
) -> dict[str, list[dict[str, Any]]]:
    """`by_affect` of each kind of answer in ``scores``; {} where no group has a clip.

    Args:
        scores: kind of answer → of `emotionnet.evaluation.metrics.score`; other keys are left alone.
        labels: of the classes.
        path: see `read_groups`.
    """
    groups = read_groups(labels, path)
    found = {kind: by_affect(scores[kind], labels, groups) for kind in OUTPUTS if kind in scores}
    return {kind: each for kind, each in found.items() if each}
