"""Faces by LiteRT against the package ``mtcnn``: whether they are the same, and what they cost.

    EMOTIONNET_DATA=DIR python benchmarks/faces.py [--side 320] [--every 15]

Every N-th frame of every video in DIR are searched by both, on a picture of the given longer side.
The package's networks run as graphs of TensorFlow, which is faster than as it ships. CPU time of this
process; both have one picture at a time.
"""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from emotionnet.clips.decode import Recording
from emotionnet.clips.detect import MIN_CONFIDENCE, MIN_FACE, Detector
from emotionnet.corpora.listing import VIDEO_SUFFIXES


class Package:
    """The package's search, with its networks as graphs."""

    def __init__(self):
        import tensorflow as tf
        from mtcnn import MTCNN

        self._mtcnn = MTCNN()
        for stage, size in zip(self._mtcnn.stages, ((None, None), (24, 24), (48, 48))):
            signature = [tf.TensorSpec([None, *size, 3], tf.float32)]
            stage._model = tf.function(stage.model.__call__, input_signature=signature)

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        rows = self._mtcnn.detect_faces(
            [picture], output_type="numpy", fit_to_image=False,
            min_face_size=MIN_FACE, threshold_onet=MIN_CONFIDENCE,
        )  # fmt: skip
        return [row[1:5] for row in rows]


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (x, y, width, height)."""
    shared = np.clip(np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    return float(shared.prod() / (a[2:].prod() + b[2:].prod() - shared.prod()))


def timed(function, *arguments):
    """What a call returns, and its CPU time in seconds."""
    start = time.process_time()
    return function(*arguments), time.process_time() - start


def main() -> int:
    """Searches all pictures with both and prints the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=320, help="longer side of the pictures")
    parser.add_argument("--every", type=int, default=15, help="which frames")
    args = parser.parse_args()
    root = os.environ.get("EMOTIONNET_DATA")
    if not root:
        print("EMOTIONNET_DATA is not set: no real recordings", file=sys.stderr)
        return 2
    empty = np.zeros((180, args.side, 3), np.uint8)
    detector = Detector()
    _, ours_load_s = timed(detector.detect, [empty])
    package, theirs_load_s = timed(Package)
    package(empty)
    videos = [p for p in sorted(Path(root).rglob("*")) if p.suffix.lower() in VIDEO_SUFFIXES]
    overlaps, found, lost, more = [], 0, 0, 0
    ours_s, theirs_s = [], []
    for path in videos:
        for number, frame in enumerate(Recording(path).frames()):
            if number % args.every:
                continue
            picture = frame.picture(args.side)
            (faces,), seconds = timed(detector.detect, [picture])
            ours_s.append(seconds)
            others, seconds = timed(package, picture)
            theirs_s.append(seconds)
            best = [max((overlap(face.box, box) for face in faces), default=0.0) for box in others]
            found += len(others)
            lost += sum(each < 0.5 for each in best)
            more += max(0, len(faces) - len(others))
            overlaps += [each for each in best if each >= 0.5]
    print(f"videos, pictures          {len(videos)}, {len(ours_s)}, longer side {args.side} px")
    print(f"faces of the package      {found}; lost {lost}, more {more}")
    print(f"overlap (IoU)             mean {np.mean(overlaps):.4f}, least {min(overlaps):.3f}")
    print(f"CPU ms a picture, median  {1000 * np.median(ours_s):.1f}; "
          f"package {1000 * np.median(theirs_s):.1f}")  # fmt: skip
    print(f"CPU s to load             {ours_load_s:.2f}; package {theirs_load_s:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
