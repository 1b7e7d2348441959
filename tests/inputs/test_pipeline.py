import numpy as np

from emotionnet.inputs.source import epoch_order, training_steps


def test_order_is_a_permutation_that_depends_on_seed_and_epoch():
    orders = [epoch_order(50, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    for order in orders:
        assert sorted(order) == list(range(50))
    assert len({tuple(order) for order in orders}) == 4
    np.testing.assert_array_equal(epoch_order(50, 1, 1), orders[3])


def test_a_small_rest_is_no_step_of_its_own():
    assert training_steps(16, 8) == 2
    assert training_steps(19, 8) == 2  # three clips would make noisy BatchNorm statistics
    assert training_steps(20, 8) == 3
    assert training_steps(3, 8) == 1
