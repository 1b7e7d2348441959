"""Moved crops, and what is said about them."""

import numpy as np
import pytest

from emotionnet.cards.card import _crops
from emotionnet.deploy.jitter import KINDS, crop_sensitivity

SIZE = 20


def _lit(clips) -> np.ndarray:
    """Whether column 11 is lit."""
    lit = (clips["faces"][:, 0, 10, 11, 0] > 0).astype(float)
    return np.stack([lit, 1 - lit], axis=1)


@pytest.fixture(scope="module")
def found():
    """A picture that is lit from column 12 on, and a dark one."""
    faces = np.zeros((2, 1, SIZE, SIZE, 3), np.uint8)
    faces[0, :, :, 12:] = 255
    return crop_sensitivity(_lit, {"faces": faces}, margin=0.1)


def test_crops_move_as_is_said(found):
    assert set(found) == {"clips", "clear", *KINDS}
    assert (found["clips"], found["clear"]) == (2, 2)
    # Of the four sides only a box further right brings column 12 to where 11 was.
    assert found["shift_5_percent"] == {"same_answer": 7 / 8, "same_answer_clear": 7 / 8}
    assert found["side_90_percent"]["same_answer"] == 1.0
    assert found["side_110_percent"]["same_answer"] == 0.5


def test_the_card_says_it(found):
    text = "\n".join(_crops(found))
    assert "2 test clips" in text
    assert "| shift 5 % | 87.5 % | 87.5 % |" in text
    assert _crops(None) == []
