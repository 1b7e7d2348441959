"""Divisions over clips, which share people between their parts: stratified folds, and by chance.

What is divided are units: a recording and all copies of it, or, for system 4's paper, each row.
"""

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from emotionnet.clips.copies import original
from emotionnet.errors import UsageError
from emotionnet.inputs.apart import Parts
from emotionnet.inputs.split import Rows, recording_of

#: Most stratified folds.
MOST_FOLDS = 5
#: Share of the training clips that validates.
VALIDATION_SHARE = 1 / 8
RANDOM_TEST_SHARE = 0.2
#: System 4's paper: 1,080 of 4,320.
ROWS_TEST_SHARE = 0.25


def _units(rows: Rows) -> list[Rows]:
    units = defaultdict(list)
    for row in rows:
        units[recording_of(row)].append(row)
    return [units[key] for key in sorted(units)]


def _stratified_folds(classes: Sequence[str], most: int, seed: int) -> list[list[int]]:
    """Folds with like shares of each class.

    Args:
        classes: of each unit that is divided; at least one.
        most: folds; fewer where no class has so many units.
        seed: of the draw.

    Returns:
        Indices of the units in each fold; no fold where no class has two units.
    """
    from sklearn.model_selection import StratifiedKFold

    count = min(most, max(Counter(classes).values()))
    if count < 2:
        return []
    folds = StratifiedKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Of classes with fewer clips than folds: `Split.warning` names them by class and fold.
        warnings.simplefilter("ignore", UserWarning)
        return [held.tolist() for _, held in folds.split(classes, classes)]


def held_back(classes: Sequence[str], folds: int, seed: int) -> set[int]:
    """Which of the units that a run may learn from choose its epoch: one in ``folds``, with each class's share.

    The only unit of a class is never one of them, since the class could not be learnt.

    Args:
        classes: of the units; at least one.
        folds: at most.
        seed: of the draw.

    Returns:
        Indices of the units; none where no class has two.
    """
    counts, drawn = Counter(classes), _stratified_folds(classes, folds, seed)
    return {i for i in drawn[0] if counts[classes[i]] > 1} if drawn else set()


def _classes(units: list[Rows]) -> list[str]:
    return [unit[0].emotion for unit in units]


def stratified_count(rows: Rows) -> int:
    """The number of stratified folds: `MOST_FOLDS`, or as many as the largest class has units."""
    largest = max(Counter(_classes(_units(rows))).values())
    if largest < 2:
        raise UsageError("no class has two clips: too few to divide. Add clips.")
    return min(MOST_FOLDS, largest)


def divide_stratified(rows: Rows, fold: int, seed: int, validation: bool) -> Parts:
    """Tests on one of several folds with like shares of each class; arguments as of `Protocol.divide`."""
    units = _units(rows)
    folds = _stratified_folds(_classes(units), MOST_FOLDS, seed)
    return _by_index(units, folds[fold - 1], seed, validation)


def divide_random(rows: Rows, fold: int, seed: int, validation: bool) -> Parts:
    """Tests on a share of the units, drawn by ``seed``."""
    return _by_chance(_units(rows), RANDOM_TEST_SHARE, seed, validation)


def divide_rows(rows: Rows, fold: int, seed: int, validation: bool) -> Parts:
    """Tests on a share of the rows, changed copies counted one by one, drawn by ``seed``."""
    if all(original(row.clip) == row.clip for row in rows):
        raise UsageError(
            "protocol rows divides recordings and their changed copies, and these records have no "
            "copies. Make some that have: python -m emotionnet.prepare --records DIR --copies "
            "noise15 stretch_pitch+0.7 --out NEW_DIR"
        )
    return _by_chance([[row] for row in rows], ROWS_TEST_SHARE, seed, validation)


def _by_chance(units: list[Rows], share: float, seed: int, validation: bool) -> Parts:
    from sklearn.model_selection import train_test_split

    if len(units) < 3:
        raise UsageError(f"{len(units)} clips are too few to divide. Add clips.")
    _, tested = train_test_split(range(len(units)), test_size=share, random_state=seed)
    return _by_index(units, tested, seed, validation)


def _by_index(units: list[Rows], tested: Iterable[int], seed: int, validation: bool) -> Parts:
    tested = set(tested)
    rest = [unit for i, unit in enumerate(units) if i not in tested]
    share = round(1 / VALIDATION_SHARE)
    held = held_back(_classes(rest), share, seed) if validation else set()
    return Parts(
        train=[row for i, unit in enumerate(rest) if i not in held for row in unit],
        validation=[row for i, unit in enumerate(rest) if i in held for row in unit],
        test=[row for i in sorted(tested) for row in units[i]],
    )
