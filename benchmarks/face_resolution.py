"""What the face encoder of a run is worth at other resolutions than its own, with the same weights.

    python benchmarks/face_resolution.py RUN --sizes 48 72 96 112 224 --part validation

For runs on single pictures (corpus fer2013). A network without a flattened map takes pictures of any
size, but what it has learnt of the size of an eye does not follow; ``--recalibrate`` measures again after
BatchNorm's statistics were taken anew from training pictures of that size (no labels, no gradient).
"""

import argparse
import sys

import numpy as np

from emotionnet.inputs.opening import open_clips
from emotionnet.inputs.pictures import Pictures, picture_batches
from emotionnet.systems import build_model
from emotionnet.training.run import Run

BATCH = 64


def batches(records, rows, size: int):
    """Inputs of ``rows`` at ``size``."""
    pictures = Pictures(records, size)
    targets = np.zeros(len(rows))
    options = {"size": size, "batch_size": BATCH, "seed": 0, "epoch": 0, "strength": None}
    for inputs, _ in picture_batches(pictures, rows, targets, **options):
        yield inputs


def accuracy(stream, records, rows, labels, size: int) -> float:
    """Share of right answers of a face stream."""
    logits = [stream.predict_on_batch(inputs) for inputs in batches(records, rows, size)]
    answers = np.concatenate(logits).argmax(1)
    return float(np.mean([labels[a] == row.emotion for a, row in zip(answers, rows)]))


def recalibrate(stream, records, rows, size: int) -> None:
    """Takes BatchNorm's statistics anew; nothing else changes."""
    import tensorflow as tf

    step = tf.function(lambda inputs: stream(inputs, training=True), reduce_retracing=True)
    for inputs in batches(records, rows, size):
        step({name: tf.constant(value, tf.float32) for name, value in inputs.items()})


def main() -> int:
    """Prints a line a size."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("run", metavar="RUN")
    p.add_argument("--records", metavar="DIR", help="its records, where they have moved")
    p.add_argument("--sizes", type=int, nargs="+", default=[48, 64, 96, 112, 224])
    p.add_argument("--part", default="validation", help="validation (default) or test")
    p.add_argument("--clips", type=int, help="only this many, drawn once")
    p.add_argument("--recalibrate", type=int, default=0, metavar="PICTURES", help="of training")
    args = p.parse_args()
    run = Run.open(args.run)
    records = open_clips(args.records or run.config["records"])
    parts = run.split_rows(records)
    rng = np.random.default_rng(0)
    rows = [parts[args.part][i] for i in rng.permutation(len(parts[args.part]))[: args.clips]]
    training = [parts["train"][i] for i in rng.permutation(len(parts["train"]))[: args.recalibrate]]
    weights = run.model().get_weights()
    for size in args.sizes:
        config = {**run.config["system_config"], "image_size": size, "batch_norm_momentum": 0.9}
        model = build_model(run.config["system"], len(run.labels), **config)
        model.set_weights(weights)
        stream = model.get_layer("face_stream")
        stream.jit_compile = False
        line = f"{size:4d} px  {accuracy(stream, records, rows, run.labels, size):.4f}"
        if training:
            recalibrate(stream, records, training, size)
            again = accuracy(stream, records, rows, run.labels, size)
            line += f"  recalibrated {again:.4f}"
        print(f"{line}  ({len(rows)} {args.part} pictures)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
