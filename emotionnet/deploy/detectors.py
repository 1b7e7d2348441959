"""Face detectors and the crop: the same rule with each one's own numbers, so that all cut alike.

Models learn from crops by MTCNN's points. Another detector puts eyes and mouth elsewhere, and its square
would be larger or lower; a row says by which ``side`` and ``drop`` the rule gives MTCNN's square again, on the
average of what it was measured on (`benchmarks/face_detectors.py`; the numbers are in docs/results/page.md).
"""

from collections.abc import Mapping
from typing import Any

from emotionnet.clips.crop import DROP, MOUTH_WEIGHT, SIDE

DETECTORS: tuple[dict[str, Any], ...] = (
    {
        "detector": "MTCNN",
        "mouth": "two corners",
        "side": SIDE,
        "drop": DROP,
        "mouth_weight": MOUTH_WEIGHT,
        "measured": "what the model learnt from",
    },
    {
        "detector": "BlazeFace",
        "mouth": "one point, its middle",
        "side": 2.83,
        "drop": 0.54,
        "mouth_weight": MOUTH_WEIGHT,
        "measured": "on 240 frames of 16 clips of people",
    },
    {
        "detector": "MediaPipe Face Mesh",
        "mouth": "two corners",
        "side": 3.07,
        "drop": 0.59,
        "mouth_weight": MOUTH_WEIGHT,
        "measured": "on 240 frames of 16 clips of people",
    },
    {
        "detector": "ML Kit",
        "mouth": "two corners",
        "side": SIDE,
        "drop": DROP,
        "mouth_weight": MOUTH_WEIGHT,
        "measured": "not measured, since it runs on phones only",
    },
)


def detector_row(contract: Mapping[str, Any], detector: str) -> dict[str, Any]:
    """The numbers of one detector: those of the contract, or, where it is older, those known now."""
    rows = contract["crop"].get("detectors", DETECTORS)
    return next(dict(row) for row in rows if row["detector"] == detector)
