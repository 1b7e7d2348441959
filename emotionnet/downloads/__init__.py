"""Where corpora and models live, and how they come from there: a module a place."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Where:
    """Where a part of a place's files is, and where it goes.

    Attributes:
        source: address that it is fetched from.
        page: for people.
        folder: where it goes unless told otherwise.
        then: the verb that uses it, and its arguments, with ``{folder}``.
    """

    source: str
    page: str
    folder: Path
    then: str
