"""Does a run keep its answers in int8? A trained run against its own files; a face encoder first of all.

    python -m emotionnet.fit --corpus fer2013 --root FOLDER --out runs/faces
    python benchmarks/int8_faces.py runs/faces [--clips 3589] [--calibration 500] [--json FILE]

Converts the run as `export` does and compares each file with Keras on clips of its test part: accuracy,
share of the same answers, and the same where Keras leads by at least 0.1. Ranges come from training clips.
A test part of few clips says little: ``--records`` takes all clips of other records, say of a larger demo corpus.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from emotionnet.deploy.clips import load, spread
from emotionnet.deploy.convert import PRECISIONS, convert
from emotionnet.deploy.litert import open_model
from emotionnet.deploy.measure import accuracy
from emotionnet.errors import EmotionNetError
from emotionnet.files import write_json
from emotionnet.inputs.kinds import presences
from emotionnet.inputs.opening import open_clips
from emotionnet.progress import progress
from emotionnet.training.run import Run

#: Clips in memory at a time: 15 faces of 224 px are 2 MB.
CHUNK = 256


def compare(
    run: Run, folder: Path, precisions: list[str], clips: int, calibration: int, others: str | None
) -> dict:
    """Converts a run's model in ``folder``; what `emotionnet.deploy.measure.accuracy` gives.

    Args:
        run: a trained run whose records are still there.
        folder: for the files.
        precisions: of `emotionnet.deploy.convert.PRECISIONS`.
        clips: test clips at most.
        calibration: training clips that int8 takes its ranges from.
        others: folder of other records, whose clips are compared instead of the test part's.
    """
    records = open_clips(run.config["records"])
    parts = run.split_rows(records)
    known = load(run, records, spread(parts["train"], calibration, seed=1))
    np.savez(folder / "calibration.npz", **known)
    model = str((run.folder / "model.keras").resolve())
    convert(folder, {"model": model, "precisions": precisions, "onnx": False}, 3600)
    models = {name: Kept(open_model(folder / f"{name}.tflite")) for name in precisions}
    keras = run.model()
    tested = open_clips(others) if others else records
    rows = spread(tested.rows if others else parts["test"], clips, seed=3)
    reference, given = [], []
    for first in progress(range(0, len(rows), CHUNK), what="clips", unit="batch"):
        inputs = load(run, tested, rows[first : first + CHUNK])
        given.append({name: inputs[name] for name in presences(inputs)})
        reference.append(keras.predict(inputs, batch_size=32, verbose=0))
        for kept in models.values():
            kept.answer(inputs)
    # Answers are kept, not pictures: the comparison is given the number of each clip, and what it has.
    targets = np.array([run.labels.index(row.emotion) for row in rows])
    numbers = {"clip": np.arange(len(rows)), **joined(given)}
    return accuracy(models, numbers, targets, joined(reference), run.config["streams"])


def joined(batches: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Batches behind each other."""
    return {name: np.concatenate([each[name] for each in batches]) for name in batches[0]}


class Kept:
    """The answers of a file, given again by the number of the clip."""

    def __init__(self, model):
        self.model, self.answers = model, []

    def answer(self, inputs: dict[str, np.ndarray]) -> None:
        """Answers some clips."""
        for i in range(len(inputs["faces"])):
            clip = {name: values[i : i + 1] for name, values in inputs.items()}
            self.answers.append(self.model.run("classify", clip))

    def run(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What it answered."""
        return self.answers[int(inputs["clip"][0])]


def table(result: dict) -> str:
    """The comparison as text, a line a file and kind of answer."""
    lines = [
        f"{result['clips']} clips",
        f"{'':18}accuracy   same answer   where margin >= 0.1",
    ]
    for name, kinds in result.items():
        if not isinstance(kinds, dict):
            continue
        for kind, m in kinds.items():
            line = f"{name:9}{kind:9}{100 * m['accuracy']:7.2f} %"
            if "agreement" in m:
                clear = m["agreement_clear"]
                told = "-" if clear is None else f"{100 * clear:.2f} % of {m['clear']}"
                line += f"{100 * m['agreement']:11.2f} %   {told}"
            lines.append(line)
    return "\n".join(lines)


def main() -> int:
    """Compares and prints."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("run", help="a run folder")
    p.add_argument("--clips", type=int, default=10**6, help="test clips at most (default: all)")
    p.add_argument("--calibration", type=int, default=500, help="training clips (%(default)s)")
    p.add_argument("--precisions", default="float32,dynamic,int8", help="default: %(default)s")
    p.add_argument("--records", metavar="DIR", help="compare on these clips, not the test part's")
    p.add_argument("--json", metavar="FILE", help="write the numbers there too")
    args = p.parse_args()
    precisions = args.precisions.split(",")
    if unknown := set(precisions) - set(PRECISIONS):
        p.error(f"--precisions: {', '.join(sorted(unknown))}; known: {', '.join(PRECISIONS)}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            result = compare(
                Run.open(args.run),
                Path(folder),
                precisions,
                args.clips,
                args.calibration,
                args.records,
            )
    except EmotionNetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(result))
    if args.json:
        write_json(args.json, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
