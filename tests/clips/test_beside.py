"""Stages side by side: nothing is lost, changed in order or hidden, and no more is held than said."""

import threading

import pytest

from emotionnet.clips.beside import after, ahead


def test_items_keep_their_order():
    assert list(ahead(range(50))) == list(range(50))
    assert list(after(lambda n: n * n, ahead(range(50)), 7)) == [n * n for n in range(50)]
    assert list(ahead([])) == list(after(str, [], 3)) == []


def test_the_next_one_is_made_while_one_is_worked_on():
    made = [threading.Event() for _ in range(3)]

    def items():
        for number, event in enumerate(made):
            event.set()
            yield number

    items_ahead = ahead(items())
    assert next(items_ahead) == 0
    assert made[1].wait(10)
    assert not made[2].is_set()
    assert list(items_ahead) == [1, 2]


def test_work_goes_on_while_the_next_ones_are_asked_for():
    done, asked = threading.Event(), []

    def items():
        for number in range(6):
            # The second is given out only when the first has been worked on.
            assert number != 1 or done.wait(10)
            asked.append(number)
            yield number

    results = after(lambda number: done.set() or number, items(), most=2)
    assert next(results) == 0
    assert asked == [0, 1, 2]  # two wait, no more
    assert list(results) == [1, 2, 3, 4, 5]


def test_an_error_comes_in_its_turn():
    def items():
        yield from (1, 2)
        raise ValueError("cut off")

    for stage in (ahead(items()), after(lambda n: n, items(), 0)):
        assert [next(stage), next(stage)][0] == 1
        with pytest.raises(ValueError, match="cut off"):
            next(stage)
    divided = after(lambda n: 1 / n, [1, 0], 5)
    assert next(divided) == 1
    with pytest.raises(ZeroDivisionError):
        next(divided)
