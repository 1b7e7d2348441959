"""Where eyes, eyebrows, nose and mouth are in a crop of a face, as masks of its pixels.

Left and right are those of the picture, as everywhere in records.
"""

from collections.abc import Callable

import numpy as np

REGIONS = ("left eyebrow", "right eyebrow", "left eye", "right eye", "nose", "mouth")
#: Of the 68 points those of each region.
POINTS_68 = {
    "left eyebrow": range(17, 22),
    "right eyebrow": range(22, 27),
    "left eye": range(36, 42),
    "right eye": range(42, 48),
    "nose": range(27, 36),
    "mouth": range(48, 68),
}
#: How far a region reaches beyond the outline of its points, in distances of the eyes.
MARGIN = 0.08
#: Of each region, in distances of the eyes: its centre from where `_anchors` says, down; half its width and
#: half its height. Chosen by eye on faces that look into the camera (ours).
ELLIPSES = {
    "left eyebrow": (-0.38, 0.34, 0.14),
    "right eyebrow": (-0.38, 0.34, 0.14),
    "left eye": (0.0, 0.28, 0.18),
    "right eye": (0.0, 0.28, 0.18),
    "nose": (-0.1, 0.26, 0.36),
    "mouth": (0.0, 0.46, 0.26),
}


def from_68(points: np.ndarray, size: int) -> dict[str, np.ndarray]:
    """Regions from the 68 landmarks of a face.

    Args:
        points: (68, 2) in units of the crop.
        size: side of the crop in pixels.

    Returns:
        Region → (size, size) bool.
    """
    eyes = [points[list(POINTS_68[name])].mean(axis=0) for name in ("left eye", "right eye")]
    margin = MARGIN * np.linalg.norm(eyes[1] - eyes[0]) * size
    return {
        name: _around(points[list(numbers)] * size, margin, size)
        for name, numbers in POINTS_68.items()
    }


def from_5(points: np.ndarray, size: int) -> dict[str, np.ndarray]:
    """Regions from the five stored points: ellipses about them, sized and turned by the eyes.

    Args:
        points: (5, 2) left eye, right eye, nose, left and right mouth corner, in units of the crop.
        size: side of the crop in pixels.

    Returns:
        Region → (size, size) bool.
    """
    left, right, nose, *corners = points * size
    across = right - left
    distance = max(float(np.linalg.norm(across)), 1e-6)
    across = across / distance
    down = np.array([-across[1], across[0]])
    anchors = {"nose": nose, "mouth": np.mean(corners, axis=0)}
    y, x = np.mgrid[:size, :size] + 0.5
    masks = {}
    for name in REGIONS:
        anchor = anchors.get(name, left if name.startswith("left") else right)
        below, half_width, half_height = (distance * each for each in ELLIPSES[name])
        centre = anchor + below * down
        u = (x - centre[0]) * across[0] + (y - centre[1]) * across[1]
        v = (x - centre[0]) * down[0] + (y - centre[1]) * down[1]
        masks[name] = (u / half_width) ** 2 + (v / half_height) ** 2 <= 1
    return masks


def _around(points: np.ndarray, margin: float, size: int) -> np.ndarray:
    """Pixels in the outline of ``points`` (n, 2), or at most ``margin`` from it."""
    import cv2

    mask = np.zeros((size, size), np.uint8)
    outline = cv2.convexHull(np.round(points).astype(np.int32))
    cv2.fillConvexPoly(mask, outline, 1)
    cv2.polylines(mask, [outline], True, 1, thickness=max(1, round(2 * margin)))
    return mask.astype(bool)


def sums(
    heat: np.ndarray, points: np.ndarray, found: np.ndarray, regions: Callable
) -> dict[str, dict[str, float]]:
    """What each region makes of an answer, over all faces of a clip.

    Args:
        heat: (frames, size, size) attributions.
        points: (frames, points, 2) in units of the crop.
        found: (frames,) whether there is a face, and its points are known.
        regions: `from_68` or `from_5`.

    Returns:
        Region (and ``elsewhere``) → ``sum``; ``share`` of all absolute attribution; ``area``, its
        share of the pixels. Pixels of two regions count for both.
    """
    size, whole = heat.shape[1], np.abs(heat[found]).sum()
    if not found.any():
        return {}
    total = {name: np.zeros(3) for name in (*REGIONS, "elsewhere")}
    for each, its in zip(heat[found], points[found]):
        masks = regions(its, size)
        masks["elsewhere"] = ~np.any(list(masks.values()), axis=0)
        for name, mask in masks.items():
            total[name] += each[mask].sum(), np.abs(each[mask]).sum(), mask.mean()
    return {
        name: {
            "sum": float(one[0]),
            "share": float(one[1] / max(whole, 1e-12)),
            "area": float(one[2] / found.sum()),
        }
        for name, one in total.items()
    }
