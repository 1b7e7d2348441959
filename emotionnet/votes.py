"""The votes of a crowd about a clip: soft labels, for any corpus that has them.

A corpus writes the votes of a clip into its row (`emotionnet.corpora.manifest.ManifestRow.votes`), and
``emotion``, what most of them say, stays what clips are scored by. Training learns the shares
(`emotionnet.inputs.source.Source.training_targets`).
"""

import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np


def write_votes(votes: Mapping[str, int]) -> str:
    """Votes as a row keeps them: JSON, without the classes that got none.

    Args:
        votes: class to the number of votes.
    """
    return json.dumps({name: n for name, n in votes.items() if n}, ensure_ascii=False)


def read_votes(text: str) -> dict[str, int]:
    """What `write_votes` wrote; nothing of ""."""
    return json.loads(text) if text else {}


def renamed(text: str, called: Callable[[str], str | None]) -> str:
    """Votes whose classes are called otherwise; those that do not count any more (None) are dropped."""
    votes: dict[str, int] = {}
    for name, n in read_votes(text).items():
        if (now := called(name)) is not None:
            votes[now] = votes.get(now, 0) + n
    return write_votes(votes) if votes else ""


def shares(text: str, labels: Sequence[str]) -> np.ndarray | None:
    """The share of the votes that each label has.

    Args:
        text: of a row.
        labels: in the model's order; votes for other classes do not count.

    Returns:
        (labels,) float32 over 1; None where there is no vote for any of them.
    """
    votes = read_votes(text)
    counts = np.array([votes.get(label, 0) for label in labels], np.float32)
    return counts / counts.sum() if counts.sum() else None
