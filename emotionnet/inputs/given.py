"""The division that a corpus brings itself, where it also decides what is comparable: FER2013's."""

from collections import defaultdict

from emotionnet.corpora import get_corpus
from emotionnet.errors import UsageError
from emotionnet.inputs.split import Rows, recording_of

#: One in so many of the training clips validates.
VALIDATION_FOLDS = 10


def divide_given(rows: Rows, seed: int, validation: bool) -> tuple[Rows, Rows, Rows, str]:
    """Tests on what the corpus calls its test part, and validates on a tenth of its training part.

    Of byte-identical training clips all train or all validate; those that are identical to a clip of
    another part are left out of both. The tenth keeps each emotion's share. Parts other than ``train``
    and ``test`` stay aside, unless there is no ``test``.

    Args:
        rows: sorted by clip, of one corpus that has ``given_part``.
        seed: of the validation clips.
        validation: False leaves them in train.

    Returns:
        Train, validation and test rows, and what is to be said of them.

    Raises:
        UsageError: the corpus has no division of its own, or no training clip is there.
    """
    corpora = {row.corpus for row in rows}
    given_part = getattr(get_corpus(min(corpora)), "given_part", None)
    if len(corpora) > 1 or given_part is None:
        raise UsageError(
            f"{' and '.join(sorted(corpora))}: brings no division of its own, so --protocol given "
            "means nothing here. Choose another one, e.g. actor_folds."
        )
    parts = defaultdict(list)
    for row in rows:
        parts[given_part(row)].append(row)
    train = parts.pop("train", [])
    if not train or not parts:
        raise UsageError(
            f"{min(corpora)}: has clips of {' and '.join(parts) or 'train'} only. Training needs both "
            "a train and a test part; `python -m emotionnet.evaluate RUN --records …` measures a run "
            "on clips that it has not seen."
        )
    test = parts.get("test") or parts[min(parts)]
    elsewhere = {recording_of(row) for part in parts.values() for row in part}
    kept = [row for row in train if recording_of(row) not in elsewhere]
    about = "nobody is named, so one person may be in several pictures"
    if len(kept) < len(train):
        about += (
            f"; {len(train) - len(kept)} training clips that are byte-identical to a clip of another "
            "part are left out"
        )
    aside = sorted(part for part, mine in parts.items() if mine is not test)
    if aside:
        count = sum(len(parts[part]) for part in aside)
        about += f"; {count} clips of {' and '.join(aside)} stay aside"
    held = _tenth(kept, seed) if validation else set()
    return (
        [row for row in kept if recording_of(row) not in held],
        [row for row in kept if recording_of(row) in held],
        test,
        about,
    )


def _tenth(rows: Rows, seed: int) -> set:
    """The recordings that validate."""
    import warnings

    from sklearn.model_selection import StratifiedKFold

    emotions = {recording_of(row): row.emotion for row in rows}
    units = sorted(emotions)
    classes = [emotions[unit] for unit in units]
    most = max(classes.count(each) for each in set(classes))
    if most < 2:
        return set()
    folds = StratifiedKFold(min(VALIDATION_FOLDS, most), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer clips than folds
        return {units[i] for i in next(iter(folds.split(classes, classes)))[1]}
