"""The order of the emotions: fixed here, and carried by every model that is trained."""

from collections.abc import Iterable

#: RAVDESS order, file-name codes 01..08. Every label list is a subsequence of this one.
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


def label_order(emotions: Iterable[str]) -> tuple[str, ...]:
    """Orders the distinct ``emotions``: those of `EMOTIONS` first, in its order, others by name.

    Args:
        emotions: emotion names, repeats allowed. Names outside `EMOTIONS` are allowed too
            (somebody's own classes) and follow alphabetically.

    Returns:
        The label names; a model's output ``i`` is the probability of name ``i``.
    """
    found = set(emotions)
    return tuple(e for e in EMOTIONS if e in found) + tuple(sorted(found - set(EMOTIONS)))
