"""Fewer people to learn from: for the curve of accuracy over the number of training actors."""

import dataclasses
from collections.abc import Sequence
from itertools import chain, zip_longest

import numpy as np

from emotionnet.emotions import label_order
from emotionnet.errors import UsageError
from emotionnet.inputs.protocols import missing_classes
from emotionnet.inputs.split import Split, person_of, sexes_of

#: Keeps this draw apart from the others of a seed.
_ACTORS = 0xAC70


def with_actors(split: Split, count: int, seed: int) -> Split:
    """``split`` with the clips of ``count`` of its training actors; the other parts stay.

    They are drawn by ``seed``, alternating men and women; a larger count adds actors to those of a smaller one.
    Emotions that only others show are named in ``warning``.

    Args:
        split: of the run.
        count: the number of training actors that stay, at least 1.
        seed: of the draw.

    Raises:
        UsageError: there are fewer actors, or they are not known.
    """
    if any(not row.actor for row in split.train):
        raise UsageError(
            "--train-actors: some training clips have no actor, so that they cannot be counted."
        )
    order = _order(split.train, seed)
    if not 1 <= count <= len(order):
        raise UsageError(
            f"--train-actors {count}: needs a number from 1 to {len(order)}, the number of "
            f"training actors ({split.description})."
        )
    chosen = set(order[:count])
    train = [row for row in split.train if person_of(row) in chosen]
    names = " ".join(sorted(actor for _, actor in chosen))
    labels = label_order(row.emotion for row in split.train)
    warnings = [split.warning, *missing_classes(labels, train, "training", split.fold)]
    return dataclasses.replace(
        split,
        train=train,
        warning="; ".join(filter(None, warnings)),
        description=f"{split.description}; of these training actors only {count} of {len(order)} "
        f"({len(train)} clips, actors {names})",
    )


def _order(rows: Sequence, seed: int) -> list:
    """All people of ``rows``, in the order in which they are taken."""
    by_sex: dict[str, set] = {}
    for person, sex in sexes_of(rows).items():
        by_sex.setdefault(sex, set()).add(person)
    draw = np.random.default_rng([seed, _ACTORS])
    queues = [[people[i] for i in draw.permutation(len(people))]
              for people in (sorted(by_sex[sex]) for sex in sorted(by_sex))]  # fmt: skip
    # Who comes first is drawn too: of one actor, a man as often as a woman.
    queues = [queues[i] for i in draw.permutation(len(queues))]
    return [person for person in chain(*zip_longest(*queues)) if person is not None]
