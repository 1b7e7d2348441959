"""How much an answer depends on where exactly the face was cut out.

    python benchmarks/box_jitter.py RUN|BUNDLE [--clips DIR] [--most 64] [--json FILE]

Every clip is read as `predict` reads it, but each face is cut several times: as found, shifted by 5 and
10 % of the crop's side to four sides, and 10 % smaller and larger. All frames of a clip are moved alike,
which is what another detector's landmarks would do; the answer is from the face alone. Without
``--clips`` the test clips of the run are taken, from the folder that its records were made from.
"""

import argparse
import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from emotionnet.clips.clip import encode_jpeg
from emotionnet.clips.company import Company
from emotionnet.clips.crop import crop_box
from emotionnet.clips.frame import Frame
from emotionnet.errors import BadClip, UsageError
from emotionnet.files import read_csv, write_json
from emotionnet.inputs.clip_windows import clip_windows
from emotionnet.prediction.clips import find_clips
from emotionnet.prediction.predictor import Predictor
from emotionnet.progress import progress

SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1))
#: Kind of jitter to its variants: shift in crop sides to the right and down, and scale.
KINDS = {
    "as found": [(0.0, 0.0, 1.0)],
    "shift 5 %": [(0.05 * x, 0.05 * y, 1.0) for x, y in SIDES],
    "shift 10 %": [(0.1 * x, 0.1 * y, 1.0) for x, y in SIDES],
    "scale 90 %": [(0.0, 0.0, 0.9)],
    "scale 110 %": [(0.0, 0.0, 1.1)],
}
VARIANTS = [variant for variants in KINDS.values() for variant in variants]


def moved(landmarks: np.ndarray, variant: tuple[float, float, float]) -> np.ndarray:
    """Landmarks whose crop is the one of ``landmarks`` shifted and scaled."""
    right, down, scale = variant
    x, y, side = crop_box(landmarks)
    centre = np.array([x, y])
    return centre + (landmarks - centre) * scale + np.array([right, down]) * side


class Answers:
    """The face stream's probabilities of a clip for every variant."""

    def __init__(self, run: Path):
        self.predictor = Predictor(run)
        if "faces" not in self.predictor.streams:
            raise UsageError(f"{run}: trained on speech alone; there is no crop to move.")

    def __call__(self, path: Path) -> np.ndarray:
        """(variants, classes)."""
        kept: list[list[bytes]] = []
        face_of = Frame.face

        def cut(frame, landmarks):
            crops = [face_of(frame, moved(landmarks, variant)) for variant in VARIANTS]
            kept.append([encode_jpeg(crop) for crop in crops])
            return crops[0]

        with mock.patch.object(Frame, "face", cut):
            read = self.predictor._read(path, Company(one_person=False))
        # The middle window of a long clip.
        start_s = max(0.0, (read.seconds - self.predictor.view.window_s) / 2)
        probabilities = []
        for number in range(len(VARIANTS)):
            crops = iter(kept)
            faces = [next(crops)[number] if face else b"" for face in read.faces]
            silent = replace(read, faces=faces, waveform=np.zeros(0, np.int16))
            windows = partial(clip_windows, silent, self.predictor.view)
            answers, has, _ = self.predictor._answer_windows(windows, [start_s], None)
            if not has[0, self.predictor.streams.index("faces")]:
                raise BadClip("no face")
            probabilities.append(answers[0])
        return np.array(probabilities)


def test_clips(run) -> list[Path]:
    """The files of the run's test part."""
    records = Path(run.config["records"])
    rows = {row["clip"]: row for row in read_csv(records / "manifest.csv")}
    home = Path(json.loads((records / "records.json").read_text())["root"])
    names = [row["clip"] for row in read_csv(run.folder / "split.csv") if row["part"] == "test"]
    return [home / rows[name]["picture"] for name in names if rows[name]["picture"]]


def summary(all_answers: np.ndarray) -> dict[str, dict[str, float]]:
    """Agreement with the crop as found, a kind of jitter.

    Args:
        all_answers: (clips, variants, classes) probabilities.
    """
    found = all_answers[:, 0]
    best = found.argmax(axis=1)
    ordered = np.sort(found, axis=1)
    sure = ordered[:, -1] - ordered[:, -2] >= 0.1
    rows, first = {}, 0
    for kind, variants in KINDS.items():
        part = all_answers[:, first : first + len(variants)]
        first += len(variants)
        same = part.argmax(axis=2) == best[:, None]
        change = np.abs(np.take_along_axis(part - found[:, None], best[:, None, None], axis=2))
        rows[kind] = {
            "same_answer": float(same.mean()),
            "same_answer_where_margin_0.1": float(same[sure].mean()) if sure.any() else None,
            "clips_with_margin_0.1": int(sure.sum()),
            "mean_change_of_its_probability": float(change.mean()),
        }
    return rows


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--clips", type=Path, help="a folder of clips")
    parser.add_argument("--most", type=int, default=64, help="clips at most (default: 64)")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    answers = Answers(args.run)
    clips = find_clips(args.clips) if args.clips else test_clips(answers.predictor.run)
    collected = []
    for path in progress(clips[: args.most], what="clips", unit="clip"):
        try:
            collected.append(answers(path))
        except BadClip as error:
            print(f"{path.name}: left out ({error})")
    rows = summary(np.array(collected))
    print(f"{len(collected)} clips, answer of the face stream, against the crop as found")
    print(f"{'':14} same answer   where margin >= 0.1    mean change of its probability")
    for kind, row in rows.items():
        sure = row["same_answer_where_margin_0.1"]
        print(f"{kind:14} {100 * row['same_answer']:9.1f} %   "
              f"{'-' if sure is None else f'{100 * sure:9.1f} %'} of {row['clips_with_margin_0.1']:<4}"
              f"     {row['mean_change_of_its_probability']:18.3f}")  # fmt: skip
    if args.json:
        write_json(args.json, {"clips": len(collected), "jitter": rows})


if __name__ == "__main__":
    main()
