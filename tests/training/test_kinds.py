"""Which runs take turns in one traced network: those of a kind; and one kind is kept at a time."""

import pytest

from emotionnet.training.run import Run
from emotionnet.training.train import _learners_of

CONFIG = {"system": "pair", "seed": 0, "fold": 1, "settings": {"faces": {"epochs": 2}}}


def kind(**changes):
    return Run("nowhere", CONFIG | changes).kind()


@pytest.mark.parametrize(
    "changes", [{"seed": 1, "fold": 2}, {"teachers": {"runs": ["fold_2"]}}, {"refit": {"run": "x"}}]
)
def test_folds_and_seeds_with_what_they_learn_from_are_of_one_kind(changes):
    assert kind(**changes) == kind()


@pytest.mark.parametrize("changes", [{"system": "racnn"}, {"settings": {"faces": {"epochs": 3}}}])
def test_another_network_or_another_training_is_of_another_kind(changes):
    assert kind(**changes) != kind()


def test_networks_of_another_kind_do_not_pile_up():
    kept = {}
    first, other = Run("a", CONFIG), Run("b", CONFIG | {"system": "racnn"})
    learners = _learners_of(first, kept)
    assert _learners_of(Run("c", CONFIG | {"seed": 1}), kept) is learners
    assert _learners_of(other, kept) is not learners
    assert list(kept) == [other.kind()]
