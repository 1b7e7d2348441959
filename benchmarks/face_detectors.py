"""Which numbers of the crop rule make other detectors cut as MTCNN does, and what answers that costs.

    python benchmarks/face_detectors.py BUNDLE CLIP_OR_FOLDER ... [--mesh FILE] [--json FILE]

All look at the frames that a window of the model would take. ``side`` and ``drop`` are fitted so that
their square has MTCNN's size and middle; then the bundle answers from the faces of each. BlazeFace comes
from npm, as for `python -m emotionnet.page`. ``--mesh`` is MediaPipe's ``face_landmark.tflite`` (it stands
in the packed assets of npm's ``@mediapipe/face_mesh``, which their loader lists).
"""

import argparse
import contextlib
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from emotionnet.clips.crop import DROP, MOUTH_WEIGHT, SIDE, crop_face
from emotionnet.clips.decode import read_frames
from emotionnet.clips.faces import FaceFinder
from emotionnet.deploy.bundle import Bundle
from emotionnet.deploy.detectors import detector_row
from emotionnet.deploy.handoff_files import best_precision
from emotionnet.deploy.litert import LiteModel
from emotionnet.deploy.measure import MARGIN
from emotionnet.deploy.web.build import FINDER
from emotionnet.deploy.web.node import packages
from emotionnet.files import write_json
from emotionnet.progress import progress

INPUT, GRIDS = 128, ((16, 2), (8, 6))
KINDS = (".mp4", ".flv", ".avi", ".mov", ".mkv", ".webm")


class Network:
    """A .tflite file without named entry points."""

    def __init__(self, path: Path):
        self._interpreter = Interpreter(str(path))
        self._interpreter.allocate_tensors()

    def __call__(self, values: np.ndarray) -> dict[str, np.ndarray]:
        (given,) = self._interpreter.get_input_details()
        self._interpreter.set_tensor(given["index"], values.astype(np.float32))
        self._interpreter.invoke()
        outputs = self._interpreter.get_output_details()
        return {each["name"]: self._interpreter.get_tensor(each["index"]) for each in outputs}


class BlazeFace:
    """As emotionnet/deploy/web/js/blazeface.js: eyes and mouth of the largest face, in picture pixels."""

    def __init__(self):
        self._network = Network(packages() / FINDER)
        cells = [np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n] * 2), -1).reshape(-1, 2).repeat(k, 0)
                 for n, k in GRIDS]  # fmt: skip
        self._anchors = INPUT * np.concatenate(cells)

    def __call__(self, picture: np.ndarray) -> np.ndarray | None:
        """(3, 2): left eye, right eye, mouth as seen; None without a face."""
        found = self.find(picture)
        return None if found is None else found[0]

    def find(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, float] | None:
        """The points, and middle and longer side of the box."""
        height, width = picture.shape[:2]
        scale = INPUT / max(height, width)
        small = cv2.resize(
            picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA
        )
        left, top = (INPUT - small.shape[1]) // 2, (INPUT - small.shape[0]) // 2
        square = np.zeros((INPUT, INPUT, 3), np.float32)
        square[top : top + small.shape[0], left : left + small.shape[1]] = small
        out = self._network(square[None] / 127.5 - 1)
        scores = 1 / (1 + np.exp(-np.clip(out["classificators"][0, :, 0], -80, 80)))
        numbers = out["regressors"][0]
        if scores.max() < 0.5:
            return None
        points = numbers[:, 4:12].reshape(-1, 4, 2) + self._anchors[:, None]
        sizes = numbers[:, 2:4]
        centres = numbers[:, :2] + self._anchors
        seen = np.flatnonzero(scores >= 0.5)
        best = seen[scores[seen].argmax()]
        same = [i for i in seen if _overlap(centres[i], sizes[i], centres[best], sizes[best]) > 0.3]
        mean = np.average(points[same], axis=0, weights=scores[same])
        middle = np.average(centres[same], axis=0, weights=scores[same])
        size = np.average(sizes[same], axis=0, weights=scores[same])
        moved = [(each - [left, top]) / scale - 0.5 for each in (mean[[0, 1, 3]], middle)]
        return *moved, float(size.max() / scale)


class FaceMesh:
    """MediaPipe's face mesh in the square of BlazeFace: means of the eyes' corners, corners of the mouth."""

    SIDE, LARGER = 192, 1.5
    POINTS = ((33, 133), (362, 263), (61,), (291,))

    def __init__(self, path: Path, blaze: BlazeFace):
        self._network, self._blaze = Network(path), blaze

    def __call__(self, picture: np.ndarray) -> np.ndarray | None:
        """(4, 2): left eye, right eye, left and right corner of the mouth as seen."""
        found = self._blaze.find(picture)
        if found is None:
            return None
        (left, right, _), (x, y), side = found
        scale = self.SIDE / (self.LARGER * side)
        angle = np.degrees(np.arctan2(*(right - left)[::-1]))
        turn = cv2.getRotationMatrix2D((float(x), float(y)), float(angle), scale)
        turn[:, 2] += (self.SIDE - 1) / 2 - np.array([x, y])
        square = cv2.warpAffine(picture, turn, (self.SIDE, self.SIDE), flags=cv2.INTER_LINEAR)
        outputs = self._network(square[None] / 255).values()
        mesh = next(values for values in outputs if values.size == 1404)
        points = np.stack([mesh.reshape(-1, 3)[list(p), :2].mean(axis=0) for p in self.POINTS])
        back = cv2.invertAffineTransform(turn)
        return points @ back[:, :2].T + back[:, 2]


def _overlap(centre_a, size_a, centre_b, size_b):
    low = np.maximum(centre_a - size_a / 2, centre_b - size_b / 2)
    high = np.minimum(centre_a + size_a / 2, centre_b + size_b / 2)
    both = np.prod(np.maximum(high - low, 0))
    return both / (np.prod(size_a) + np.prod(size_b) - both)


def pieces(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Middle of the eyes, direction to the mouth, distance of the eyes, and to the mouth.

    Args:
        points: left eye, right eye and the mouth (its middle, or its two corners), (3 or 4, 2).
    """
    eyes, mouth = points[:2].mean(axis=0), points[2:].mean(axis=0)
    length = float(np.hypot(*(mouth - eyes)))
    return (
        eyes,
        (mouth - eyes) / max(length, 1e-9),
        float(np.hypot(*(points[1] - points[0]))),
        length,
    )


def square(points, side=SIDE, drop=DROP, mouth_weight=MOUTH_WEIGHT):
    """Middle (2,) and side of the square around a face."""
    eyes, down, apart, length = pieces(points)
    scale = max(apart, mouth_weight * length)
    return eyes + drop * scale * down, side * scale


def errors(pairs, **rule):
    """Of a detector's squares against MTCNN's, in sides of the latter: size, right, down."""
    rows = []
    for mtcnn, points in pairs:
        (middle, side), (other, other_side) = square(mtcnn), square(points, **rule)
        rows.append([other_side / side - 1, *((other - middle) / side)])
    return np.array(rows)


def fitted(pairs):
    """``side`` and ``drop`` that take the mean error away, for the rule's mouth weight."""
    size = errors(pairs)[:, 0]
    side = SIDE / (1 + size.mean())
    drop = DROP
    for _ in range(20):  # the direction down differs a little from frame to frame
        drop -= SIDE * errors(pairs, side=side, drop=drop)[:, 2].mean()
    return {"side": round(side, 2), "drop": round(drop, 2)}


def wanted_times(times: np.ndarray, contract) -> list[int]:
    """The frames that the middle window of a clip takes."""
    frames, window_s = contract["faces"]["frames"], contract["sound"]["window_s"]
    length = times[-1] - times[0]
    start = times[0] + max(length - window_s, 0) / 2
    centres = start + (np.arange(frames) + 0.5) * min(window_s, length) / frames
    return np.abs(times[None] - centres[:, None]).argmin(axis=1).tolist()


def look(path: Path, contract, detectors):
    """Of each frame of a clip's window: the picture, and the points of MTCNN and the others, or None."""
    times = np.array([frame.time_s for frame in read_frames(path)])
    wanted = wanted_times(times, contract)
    seen = {}
    for number, (frame, face) in enumerate(FaceFinder().follow(read_frames(path))):
        if number in wanted:
            picture = frame.picture()
            mtcnn = None if face is None else face.landmarks[[0, 1, 3, 4]]
            others = {name: detector(picture) for name, detector in detectors.items()}
            seen[number] = (picture, {"MTCNN": mtcnn, **others})
    return [seen[number] for number in wanted]


def cut(picture, points, size, **rule):
    """The face in the square of `square`."""
    (x, y), side = square(points, **rule)
    # Points for which the rule gives just this square.
    scale = side / SIDE
    eyes = np.array([x, y - DROP * scale])
    across, down = np.array([scale / 2, 0]), np.array([0, 1e-6])
    return crop_face(
        picture, np.stack([eyes - across, eyes + across, eyes, eyes + down, eyes + down]), size
    )


def answer(model: LiteModel, contract, faces) -> np.ndarray:
    """Of the face alone, from (frames, S, S, 3) with None where there is none."""
    size = contract["faces"]["size"]
    black = np.zeros((size, size, 3), np.uint8)
    inputs = {
        "faces": np.stack([black if face is None else face for face in faces])[None],
        "frame_mask": np.array([[face is not None for face in faces]], np.float32),
        "waveform": np.zeros((1, contract["sound"]["samples"]), np.float32),
        "waveform_samples": np.zeros(1, np.int32),
    }
    return model.run("classify", inputs)["face_probabilities"][0]


def spread(values: np.ndarray) -> dict[str, float]:
    return {"mean": round(float(values.mean()), 4), "sd": round(float(values.std()), 4)}


def answers(model, contract, clips, detector, **rule) -> np.ndarray:
    """(clips, classes) from the faces that a detector gives."""
    size = contract["faces"]["size"]

    def faces(clip):
        for picture, points in clip:
            found = points[detector]
            yield None if found is None else cut(picture, found, size, **rule)

    return np.stack([answer(model, contract, list(faces(clip))) for clip in clips])


def compared(model, contract, clips, detector) -> dict:
    """A detector beside MTCNN: its squares and its answers, with several numbers for the rule."""
    pairs = [(points["MTCNN"], points[detector]) for clip in clips for _, points in clip]
    pairs = [(a, b) for a, b in pairs if a is not None and b is not None]
    reference = answers(model, contract, clips, "MTCNN")
    ordered = np.sort(reference, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] >= MARGIN
    result = {"both_found": len(pairs), "clear_clips": int(clear.sum()), "fitted": fitted(pairs)}
    rules = {"as for MTCNN": {}, "fitted": result["fitted"]}
    with contextlib.suppress(StopIteration):
        known = detector_row(contract, detector)
        rules["known"] = {key: known[key] for key in ("side", "drop", "mouth_weight")}
    for name, rule in rules.items():
        far = errors(pairs, **rule)
        same = answers(model, contract, clips, detector, **rule).argmax(1) == reference.argmax(1)
        result[f"with numbers {name}"] = {
            **{key: spread(far[:, i]) for i, key in enumerate(("size", "right", "down"))},
            "same_answer": round(float(same.mean()), 4),
            "same_answer_clear": round(float(same[clear].mean()), 4) if clear.any() else None,
        }
    return result


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("bundle", type=Path)
    p.add_argument("clips", type=Path, nargs="+")
    p.add_argument("--mesh", type=Path)
    p.add_argument("--json", type=Path)
    args = p.parse_args()
    contract = Bundle.open(args.bundle).contract
    model = LiteModel(args.bundle / contract["files"][best_precision(contract["files"])]["file"])
    detectors = {"BlazeFace": BlazeFace()}
    if args.mesh:
        detectors["MediaPipe Face Mesh"] = FaceMesh(args.mesh, detectors["BlazeFace"])
    paths = [path for place in args.clips for path in ([place] if place.is_file() else
             sorted(q for q in place.rglob("*") if q.suffix in KINDS))]  # fmt: skip
    clips = [
        look(path, contract, detectors)
        for path in progress(paths, what="looking", total=len(paths), unit="clips")
    ]
    result = {
        "clips": len(clips),
        "frames": sum(map(len, clips)),
        "mtcnn_found": sum(points["MTCNN"] is not None for clip in clips for _, points in clip),
        **{name: compared(model, contract, clips, name) for name in detectors},
    }
    print(json.dumps(result, indent=2))
    if args.json:
        write_json(args.json, result)


if __name__ == "__main__":
    main()
