"""Golden clips: what a file must answer to be written into a bundle."""

import contextlib

import numpy as np
import pytest

from emotionnet.deploy import golden
from emotionnet.errors import EmotionNetError

KERAS = {"probabilities": np.array([[0.7, 0.3]])}


class File:
    """A model file that is ``off`` the Keras model's answers."""

    names = ("classify",)

    def __init__(self, off):
        self.off = off

    def run(self, signature, inputs):
        return {name: answer + self.off for name, answer in KERAS.items()}


@pytest.mark.parametrize(
    ("precision", "off", "fits"),
    [
        ("float32", 1e-5, True),
        ("float32", 0.2, False),
        ("onnx", 0.2, False),
        ("int8", 0.2, True),  # it loses precision, which is told
        ("int8", np.nan, False),
        ("float16", np.nan, False),
    ],
)
def test_a_file_that_answers_otherwise_than_keras_is_no_part_of_a_bundle(
    tmp_path, precision, off, fits
):
    clips = {"whole_1": {"faces": np.zeros(1)}}
    with contextlib.nullcontext() if fits else pytest.raises(EmotionNetError, match=precision):
        told = golden.write(tmp_path, clips, {"whole_1": KERAS}, {precision: File(off)}, None)
        assert told[precision]["measured_reference"] == pytest.approx(off, rel=0.01)
