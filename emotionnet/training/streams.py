"""Which streams a run trains: of those that its system looks at, what was asked for and any clip has."""

from collections.abc import Sequence
from typing import Any

from emotionnet.inputs.kinds import STREAMS, has, ordered, stream_named
from emotionnet.systems import get_system


def streams_of(asked: str, system: str, records: Any) -> list[str]:
    """The streams to train: those that were asked for; of ``both``, all of the system that any clip has.

    Args:
        asked: ``both`` (or ``all``), or streams joined by "+" or ",", by any of their names.
        system: name of the system.
        records: opened records, or a cache of them.

    Raises:
        UsageError: a stream that there is not, or that the system does not look at.
    """
    named = named_streams(asked, system)
    if named is not None:
        return named
    known = get_system(system).STREAMS
    return [each for each in known if any(has(records, row, each) for row in records.rows)]


def named_streams(asked: str, system: str) -> list[str] | None:
    """The streams that were asked for by name, as of `streams_of`; None for ``both``."""
    if asked in ("both", "all"):
        return None
    known, words = get_system(system).STREAMS, asked.replace(",", "+").split("+")
    return list(ordered(stream_named(word.strip(), "--streams", known) for word in words))


def left_out(trained: Sequence[str], system: str, records: Any) -> list[str]:
    """A line for each stream of the system that is not trained since no clip has it: the records may lack a side field."""
    missing = [each for each in get_system(system).STREAMS if each not in trained]
    have, lines = getattr(records, "fields", {}), []
    for stream in missing:
        field, why = STREAMS[stream].field, "no clip has it (silence counts as none)"
        if field and field not in have:
            why = (
                f"these records have no {field}; `python -m emotionnet.prepare --records {records.address} "
                f"--fields {field}` adds it"
            )
        lines.append(f"{stream:<10} left out: {why}")
    return lines


def lacking(split: Any, labels: Sequence[str], trained: Sequence[str], records: Any) -> list[str]:
    """A line for each stream that is trained without a clip of some class, which it then never answers.

    Args:
        split: an `emotionnet.inputs.split.Split`.
        labels: the classes.
        trained: the streams.
        records: opened records, or a cache of them.
    """
    lines = []
    for stream in trained:
        having = {row.emotion for row in split.train if has(records, row, stream)}
        others = {row.emotion for row in split.train} - having
        if having and others:
            names = ", ".join(label for label in labels if label in others)
            thing = STREAMS[stream].thing
            lines.append(f"fold {split.fold}: no training clip of {names} has {thing}")
    return lines
