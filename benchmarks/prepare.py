"""Preparing real 720p clips against the naive way: MTCNN on 15 full-size frames, one by one.

    EMOTIONNET_DATA=... python benchmarks/prepare.py

The naive way finds 15 boxes; ours finds the face of every frame, crops and stores all of them. Both
are timed in turn on each clip, after a warm-up. Boxes are compared on the 15 frames, by intersection
over union; the naive ones count as the truth, though MTCNN called in batches disagrees with itself by
as much (0.948 was measured).
"""

import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import av
import numpy as np

from emotionnet.clips.clip import ClipData, read_clip
from emotionnet.clips.faces import FaceFinder
from emotionnet.corpora.manifest import ManifestRow

FRAMES = 15


def naive(path: Path, detector) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """Numbers of the frames, and x, y, width, height of the best face in each."""
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    numbers = np.linspace(0, len(pictures) - 1, FRAMES).round().astype(int)
    boxes = []
    for number in numbers:
        found = detector.detect_faces(pictures[number])
        best = max(found, key=lambda face: face["confidence"], default=None)
        boxes.append(None if best is None else np.array(best["box"], float))
    return numbers, boxes


def ours(path: Path, finder: FaceFinder) -> ClipData:
    return read_clip(ManifestRow("a", "", "", picture=path.name), path.parent, finder)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    left, right = np.maximum(a[:2], b[:2]), np.minimum(a[:2] + a[2:], b[:2] + b[2:])
    shared = np.prod(np.maximum(right - left, 0))
    return float(shared / (np.prod(a[2:]) + np.prod(b[2:]) - shared))


def timed(function, *arguments):
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(*arguments)
    return result, time.perf_counter() - wall, time.process_time() - cpu


def main() -> int:
    from mtcnn import MTCNN

    root = os.environ.get("EMOTIONNET_DATA")
    if not root:
        print("EMOTIONNET_DATA is not set: no real recordings", file=sys.stderr)
        return 2
    clips = [path for path in sorted(Path(root, "ravdess").rglob("*.mp4")) if height(path) == 720]
    detector, finder = MTCNN(), FaceFinder()
    naive(clips[0], detector), ours(clips[0], finder)

    ratios, cpu_ratios, seconds, overlaps, found, frames = [], [], [], [], 0, 0
    for path in clips:
        (numbers, boxes), naive_s, naive_cpu = timed(naive, path, detector)
        clip, our_s, our_cpu = timed(ours, path, finder)
        ratios.append(naive_s / our_s)
        cpu_ratios.append(naive_cpu / our_cpu)
        seconds.append((naive_s, our_s))
        found, frames = found + clip.faces_found, frames + len(clip.faces)
        pairs = [(clip.boxes[n], box) for n, box in zip(numbers, boxes) if box is not None]
        overlaps += [0.0 if np.isnan(mine).any() else overlap(mine, box) for mine, box in pairs]
    naive_median, our_median = (statistics.median(column) for column in zip(*seconds))
    print(f"clips                     {len(clips)} at 720 lines")
    print(f"naive, {FRAMES} boxes           {naive_median:.2f} s a clip (median)")
    print(
        f"ours, every frame stored  {our_median:.2f} s a clip (median), {found} of {frames} faces"
    )
    print(
        f"faster                    {statistics.median(ratios):.1f} × (median of the ratios; goal 9)"
    )
    print(f"less processor time       {statistics.median(cpu_ratios):.1f} ×")
    print(f"boxes against naive       IoU {np.mean(overlaps):.3f} (goal 0.93), 5th percentile "
          f"{np.percentile(overlaps, 5):.3f}")  # fmt: skip
    return 0


def height(path: Path) -> int:
    with av.open(str(path)) as container:
        return container.streams.video[0].height


if __name__ == "__main__":
    sys.exit(main())
