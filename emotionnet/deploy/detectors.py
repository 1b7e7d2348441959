"""Face detectors and the crop: the same rule with each one's own numbers, so that all cut alike.

Models learn from crops by MTCNN's points. Another detector puts eyes and mouth elsewhere, and its square
would be larger or lower; a row says by which ``side`` and ``drop`` the rule gives MTCNN's square again.
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
        "detector": "ML Kit",
        "mouth": "two corners",
        "side": SIDE,
        "drop": DROP,
        "mouth_weight": MOUTH_WEIGHT,
        "measured": "not measured: it runs on phones only",
    },
    {
        "detector": "BlazeFace",
        "mouth": "one point, its middle",
        "side": 2.79,
        "drop": 0.51,
        "mouth_weight": MOUTH_WEIGHT,
        "measured": "on 48 frames of people",
    },
)


def detector_row(contract: Mapping[str, Any], detector: str) -> dict[str, Any]:
    """The numbers of one detector: those of the contract, or, where it is older, those known now."""
    rows = contract["crop"].get("detectors", DETECTORS)
    return next(dict(row) for row in rows if row["detector"] == detector)
