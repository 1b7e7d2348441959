"""Protocols: which clips train, validate and test, and what leaks between them.

A new protocol is one `Protocol` more in `PROTOCOLS`. Every division is a function of the rows' content
and the seed, never of the order in which a disk listed them.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from emotionnet.corpora import canonical, remarks
from emotionnet.emotions import label_order
from emotionnet.errors import UsageError
from emotionnet.inputs.apart import Parts, describe, without_copies
from emotionnet.inputs.by_clip import (
    divide_random,
    divide_rows,
    divide_stratified,
    stratified_count,
)
from emotionnet.inputs.given import divide_given
from emotionnet.inputs.split import (
    Row,
    Rows,
    Split,
    check_disjoint,
    company_of,
    name_of,
    person_of,
    sexes_of,
)

__all__ = [
    "PROTOCOLS",
    "Parts",
    "Protocol",
    "Split",
    "check_disjoint",
    "number_of_folds",
    "split_rows",
]

#: Folds where a corpus brings none.
DEFAULT_FOLDS = 5
#: Share of the training actors that validates, and the largest number of them.
VALIDATION_SHARE = 1 / 5
MOST_VALIDATION_ACTORS = 8
#: One each to train, validate and test.
LEAST_ACTORS = 3


@dataclass(frozen=True)
class Protocol:
    """A way to divide clips.

    Attributes:
        summary: one line: what is divided how.
        leaks: one line: what train and test share; "" for nothing.
        by_actor: train, validation and test are disjoint in people.
        folds: rows to the number of folds.
        divide: (rows sorted by clip, fold, seed, whether to hold back validation) to `Parts`.
        copies_leak: augmented copies of validation and test clips are trained on too.
        whole: a recording and its copies are in one part.
    """

    summary: str
    leaks: str
    by_actor: bool
    folds: Callable[[Rows], int]
    divide: Callable[[Rows, int, int, bool], Parts]
    copies_leak: bool = False
    whole: bool = True

    @property
    def leaky(self) -> bool:
        """Whether train and test share anything."""
        return bool(self.leaks)

    @property
    def description(self) -> str:
        """Summary and leaks in one line."""
        return f"{self.summary}; leaks: {self.leaks or 'nothing'}"


def number_of_folds(rows: Iterable[Row], protocol: str = "actor_folds") -> int:
    """How many folds ``protocol`` has on these rows."""
    return _protocol(protocol).folds(_checked(rows))


def split_rows(
    rows: Iterable[Row],
    protocol: str = "actor_folds",
    fold: int = 1,
    seed: int = 0,
    validation: bool = True,
) -> Split:
    """Divides rows into train, validation and test.

    Args:
        rows: manifest or record rows, in any order.
        protocol: a name of `PROTOCOLS`.
        fold: from 1 to `number_of_folds`.
        seed: for the protocols that shuffle clips (``stratified``, ``random``).
        validation: False leaves the validation clips in train.

    Returns:
        The split, checked by `check_disjoint`.

    Raises:
        UsageError: no such protocol or fold, or the rows do not allow it (unknown or too few actors).
    """
    chosen = _protocol(protocol)
    rows = _checked(rows)
    labels = label_order(row.emotion for row in rows)
    if len(labels) < 2:
        raise UsageError(
            f"all {len(rows)} clips are {labels[0]!r}: at least two classes are needed."
        )
    folds = chosen.folds(rows)
    if not 1 <= fold <= folds:
        more = " Another seed gives another division." if chosen.leaky and folds == 1 else ""
        known = "only fold 1" if folds == 1 else f"folds 1 to {folds}"
        raise UsageError(f"protocol {protocol} has {known} here, not fold {fold}.{more}")
    parts = chosen.divide(rows, fold, seed, validation)
    if chosen.whole:
        parts = without_copies(parts)
    notes = [
        *parts.notes,
        *missing_classes(labels, parts.train, "training", fold),
        *missing_classes(labels, parts.test, "test", fold),
    ]
    split = Split(
        *(sorted(part, key=name_of) for part in (parts.train, parts.validation, parts.test)),
        protocol=protocol,
        fold=fold,
        folds=folds,
        seed=seed,
        leaky=chosen.leaky or bool(parts.leaks),
        by_actor=chosen.by_actor,
        whole=chosen.whole,
        warning="; ".join(notes),
    )
    split.description = describe(split, chosen, parts) + remarks(rows)
    check_disjoint(split)
    return split


# Rows, people and copies.


def _protocol(name: str) -> Protocol:
    if name not in PROTOCOLS:
        raise UsageError(f"unknown protocol {name!r}. Known: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def _checked(rows: Iterable[Row]) -> Rows:
    rows = sorted(rows, key=name_of)
    if not rows:
        raise UsageError("there is no clip to divide.")
    twice = next((a.clip for a, b in pairwise(rows) if name_of(a) == name_of(b)), None)
    if twice:
        raise UsageError(f"clip {twice} is listed twice: clip names must be unique in a corpus.")
    return rows


def _people(rows: Rows, protocol: str) -> dict[tuple[str, str], str]:
    """Person to sex; refuses rows that do not allow a division over people."""
    unknown = [row.clip for row in rows if not row.actor]
    if unknown:
        raise UsageError(
            f"{len(unknown)} of {len(rows)} clips have no actor (first: {unknown[0]}), so {protocol} "
            "cannot keep people apart. Name the actors (corpus folder: a folder an actor inside each "
            "class folder, or a column 'actor' in clips.csv), or use --protocol stratified, which "
            "mixes people and says so."
        )
    people = sexes_of(rows)
    companies = dict.fromkeys(map(company_of, people))
    if len(companies) < LEAST_ACTORS:
        names = ", ".join(name for _, name in companies)
        what = "actors" if len(companies) == len(people) else "sessions"
        raise UsageError(
            f"{protocol} needs at least {LEAST_ACTORS} {what}, found {len(companies)} ({names}). "
            "Use --protocol stratified, which divides the clips of one actor too, and leaks."
        )
    return people


def _spread_by_sex(people: dict[tuple[str, str], str]) -> list[tuple[str, str]]:
    """Orders people so that every run of neighbours has about the whole's share of each sex."""
    groups = defaultdict(list)
    for person in sorted(people):
        groups[people[person]].append(person)
    places = {
        person: ((i + 0.5) / len(group), sex)
        for sex, group in groups.items()
        for i, person in enumerate(group)
    }
    return sorted(people, key=lambda person: (*places[person], person))


def missing_classes(labels: Sequence[str], rows: Rows, part: str, fold: int) -> list[str]:
    """Which of ``labels`` no clip of a part has, as a line for `Split.warning`; none where all are there."""
    present = {row.emotion for row in rows}
    missing = [label for label in labels if label not in present]
    if not missing:
        return []
    return [f"fold {fold}: no clip of {', '.join(missing)} in the {part} part"]


# Protocols over actors.


@dataclass
class ActorFolds:
    """Which fold tests which person, and where the folds come from."""

    fold_of: dict[tuple[str, str], int]
    count: int
    about: str
    notes: list[str] = field(default_factory=list)


def _actor_folds(rows: Rows) -> ActorFolds:
    """The corpus's canonical folds where each has a clip here, else folds over the actors present."""
    people = _people(rows, "actor_folds")
    corpora = {corpus for corpus, _ in people}
    table = canonical.actor_folds(min(corpora)) if len(corpora) == 1 else {}
    notes = []
    if table and all(actor in table for _, actor in people):
        fold_of = {person: table[person[1]] for person in people}
        absent = sorted(set(table.values()) - set(fold_of.values()))
        if not absent:
            return ActorFolds(fold_of, max(table.values()), "canonical folds")
        notes.append(
            "not the canonical folds, since no clip is there for "
            f"{_numbers('fold', absent)} of {max(table.values())}: folds over the actors present"
        )
    # Dealt out one sex after the other, so that both sizes and sexes come out even.
    dealt = sorted(people, key=lambda person: (people[person], person))
    places = {company: i for i, company in enumerate(dict.fromkeys(map(company_of, dealt)))}
    count = min(DEFAULT_FOLDS, len(places))
    fold_of = {person: places[company_of(person)] % count + 1 for person in dealt}
    return ActorFolds(fold_of, count, "folds made from the actors present", notes)


def _numbers(what: str, numbers: list[int]) -> str:
    return f"{what}{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers))}"


def _divide_actor_folds(rows: Rows, fold: int, seed: int, validation: bool) -> Parts:
    folds = _actor_folds(rows)
    tested = {person for person, k in folds.fold_of.items() if k == fold}
    chosen: set[tuple[str, str]] = set()
    if validation:
        # All from the next fold, so that every actor validates about equally often.
        following = fold % folds.count + 1
        people = sexes_of(rows)
        people = {person: people[person] for person, k in folds.fold_of.items() if k == following}
        share = max(1, round((len(folds.fold_of) - len(tested)) * VALIDATION_SHARE))
        chosen = set(_spread_by_sex(people)[: min(share, MOST_VALIDATION_ACTORS)])
    return _by_person(rows, chosen, tested, folds.about, folds.notes)


def _sixteen(rows: Rows) -> ActorFolds:
    """Six folds of four actors, so that two of them leave sixteen."""
    folds = _actor_folds(rows)
    if sorted(Counter(folds.fold_of.values()).values()) != [4] * 6:
        raise UsageError(
            f"actors_16_4_4 is for 24 actors in six folds of four (RAVDESS); here are "
            f"{len(folds.fold_of)} in {folds.count}. Use --protocol actor_folds."
        )
    return folds


def _divide_sixteen(rows: Rows, fold: int, seed: int, validation: bool) -> Parts:
    folds = _sixteen(rows)
    tested, following = (
        {person for person, k in folds.fold_of.items() if k == wanted}
        for wanted in (fold, fold + 1)
    )
    return _by_person(rows, following if validation else set(), tested, folds.about, folds.notes)


def _divide_holdout(rows: Rows, fold: int, seed: int, validation: bool) -> Parts:
    people = _spread_by_sex(_people(rows, "holdout"))
    tested = max(1, round(len(people) / 4))
    held_back = max(1, round(len(people) / 8)) if validation else 0
    first = len(people) - tested
    return _by_person(rows, set(people[first - held_back : first]), set(people[first:]))


def _by_person(
    rows: Rows, validation: set, test: set, about: str = "", notes: Sequence[str] = ()
) -> Parts:
    parts = Parts([], [], [], about, list(notes))
    tested, held = (set(map(company_of, people)) for people in (test, validation))
    for row in rows:
        company = company_of(person_of(row))
        part = parts.test if company in tested else parts.validation
        (part if company in tested | held else parts.train).append(row)
    return parts


# Protocols over clips. Copies of one recording move together, as one unit.


def _one(rows: Rows) -> int:
    return 1


_SHARED = "the same people, sentences and takes are in train and test"

PROTOCOLS: dict[str, Protocol] = {
    "actor_folds": Protocol(
        summary="folds over actors, epoch chosen on validation actors inside the training fold",
        leaks="",
        by_actor=True,
        folds=lambda rows: _actor_folds(rows).count,
        divide=_divide_actor_folds,
    ),
    # System 3's paper: 16 actors train, 4 validate, 4 test, five folds. Which is not printed (ours).
    "actors_16_4_4": Protocol(
        summary="five folds: 4 actors of a fold test, those of the next one validate, 16 train",
        leaks="",
        by_actor=True,
        folds=lambda rows: _sixteen(rows).count - 1,
        divide=_divide_sixteen,
    ),
    "holdout": Protocol(
        summary="one fixed division over actors: 1/4 test, 1/8 validation",
        leaks="",
        by_actor=True,
        folds=_one,
        divide=_divide_holdout,
    ),
    "given": Protocol(
        summary="the division that the corpus brings",
        leaks="",
        by_actor=False,
        folds=_one,
        divide=lambda rows, fold, seed, validation: divide_given(rows, seed, validation),
    ),
    "stratified": Protocol(
        summary="folds over clips with each emotion's share kept",
        leaks=_SHARED,
        by_actor=False,
        folds=stratified_count,
        divide=divide_stratified,
    ),
    "random": Protocol(
        summary="one random 80/20 division of the clips",
        leaks=_SHARED,
        by_actor=False,
        folds=_one,
        divide=divide_random,
    ),
    # The result of augmenting a data set first and dividing it afterwards. The same test clips as
    # `random` of the same seed has, so that the leak can be measured clip by clip.
    "random_copies": Protocol(
        summary="one random 80/20 division of the clips, made after their augmented copies were",
        leaks=f"{_SHARED}, and copies of the test clips themselves are in train",
        by_actor=False,
        folds=_one,
        divide=divide_random,
        copies_leak=True,
    ),
    # System 4's paper: a recording and its copies are rows alike, and all are shuffled.
    "rows": Protocol(
        summary="one random 75/25 division of rows, each a recording or a changed copy of one",
        leaks=f"{_SHARED}, and of most recordings some of the three rows are in each",
        by_actor=False,
        folds=_one,
        divide=divide_rows,
        whole=False,
    ),
}
