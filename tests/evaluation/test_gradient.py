"""The gradient of an answer agrees with finite differences, under TensorFlow and under JAX."""

import os
import subprocess

import pytest
from finite_differences import check_both_streams
from tiny_model import tiny_model

from emotionnet.errors import UsageError
from emotionnet.evaluation.gradient import InputGradient

pytestmark = pytest.mark.usefixtures("four_bottlenecks")


def test_it_agrees_with_finite_differences_in_both_streams():
    check_both_streams()


def test_what_is_not_there_is_refused():
    with pytest.raises(UsageError, match="landmarks: the model has no such tensor"):
        InputGradient(tiny_model(), "probabilities", "landmarks")


@pytest.mark.slow
@pytest.mark.skipif("EMOTIONNET_JAX_PYTHON" not in os.environ, reason="no environment with JAX")
def test_it_agrees_under_jax_too():
    code = (
        "import sys; sys.path[:0] = ['tests', 'tests/evaluation']; "
        "from emotionnet.systems import ghost_fan; from tiny_model import few_bottlenecks; "
        "ghost_fan.BOTTLENECKS = few_bottlenecks(); "
        "from finite_differences import check_both_streams; check_both_streams()"
    )
    done = subprocess.run(
        [os.environ["EMOTIONNET_JAX_PYTHON"], "-c", code],
        env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
