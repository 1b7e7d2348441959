"""Parts of a division: copies are kept apart, and whatever they still share is reported."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from emotionnet.inputs.split import Rows, Split, copies_are_known, person_of, recording_of

#: A description names actors up to this many and counts them beyond.
MOST_NAMED_ACTORS = 8
UNCHECKED = "whether clips repeat each other was not looked at (prepare the corpus again)"


@dataclass
class Parts:
    """The result of a protocol's ``divide``.

    Attributes:
        train, validation, test: rows.
        about: what the split's description says of them besides the protocol.
        notes: warnings for whoever reads a number of this split.
        leaks: what these very parts share.
        doubts: what they may share, as nobody can know.
    """

    train: Rows
    validation: Rows
    test: Rows
    about: str = ""
    notes: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def without_copies(parts: Parts) -> Parts:
    """Parts of which none holds a copy of another one's clip.

    Copies of test clips leave training and validation, copies of validation clips leave training. Where a class
    would then have no training clips, all stay, and they are reported as leaking.
    """
    tested = {recording_of(row) for row in parts.test}
    validation = [row for row in parts.validation if recording_of(row) not in tested]
    elsewhere = tested | {recording_of(row) for row in validation}
    train = [row for row in parts.train if recording_of(row) not in elsewhere]
    left_out = len(parts.train) + len(parts.validation) - len(train) - len(validation)
    if not left_out:
        return parts
    if {row.emotion for row in train} == {row.emotion for row in parts.train}:
        note = (
            f"{_count(left_out, 'training clip')} with the pictures or the sound of a clip of another part "
            f"{'is' if left_out == 1 else 'are'} left out"
        )
        about = "; ".join(filter(None, (parts.about, note)))
        return replace(parts, train=train, validation=validation, about=about)
    learnt = {recording_of(row) for row in (*parts.train, *parts.validation)}
    shared = sum(recording_of(row) in learnt for row in parts.test)
    leak = (
        f"{shared} of {_count(len(parts.test), 'test clip')} have the pictures or the sound of a clip that is "
        "trained on"
    )
    return replace(parts, leaks=[*parts.leaks, leak], notes=[*parts.notes, leak])


def describe(split: Split, protocol, parts: Parts) -> str:
    """Protocol, fold, people and what leaks, in words.

    Args:
        split: with its clips.
        protocol: an `emotionnet.inputs.protocols.Protocol`.
        parts: what it gave.
    """
    sizes = []
    several = len({row.corpus for row in (*split.train, *split.validation, *split.test)}) > 1
    for name in ("train", "validation", "test"):
        rows = getattr(split, name)
        people = {person_of(row) for row in rows if row.actor}
        people = sorted("/".join(person) if several else person[1] for person in people)
        who = f", {_count(len(people), 'actor')}" if people else ""
        if people and protocol.by_actor and len(people) <= MOST_NAMED_ACTORS:
            who = f", {'actor' if len(people) == 1 else 'actors'} {' '.join(people)}"
        sizes.append(f"{name} {_count(len(rows), 'clip')}{who}" if rows else f"no {name}")
    about = f"; {parts.about}" if parts.about else ""
    return (
        f"{split.protocol}, fold {split.fold} of {split.folds} ({protocol.summary}{about}); "
        f"{'; '.join(sizes)}; leaks: {_leaks(split, protocol, parts)}"
    )


def _leaks(split: Split, protocol, parts: Parts) -> str:
    """Known leaks, then what is not known; ``nothing`` only where all of it was checked."""
    found = [*filter(None, [protocol.leaks]), *parts.leaks]
    doubts = list(parts.doubts)
    if not copies_are_known([*split.train, *split.validation, *split.test]):
        doubts.append(UNCHECKED)
    if not found and not doubts:
        return "nothing"
    if not found and protocol.by_actor:
        found = ["no person"]
    return "; ".join([*found, *doubts])


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def shown(names: Collection[str]) -> str:
    """Names joined for a sentence."""
    return " and ".join(sorted(names))
