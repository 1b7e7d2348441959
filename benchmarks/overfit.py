"""Can a system learn a handful of real clips by heart? A check of the whole line, not of its worth.

    python benchmarks/overfit.py --records RECORDS --system cross_modal --image-size 64

Takes the clips that have all that the system looks at, no augmentation, all in one batch; prints loss and
accuracy on these same clips, and what each stream alone answers. Of racnn, whose last layer is fitted
after the training, the layer that the whole is trained by is looked at:

    python benchmarks/overfit.py --records RECORDS --system racnn --stream fused --set klda=false
"""

import argparse
import os
import time

from emotionnet.values import field_value

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--records", required=True)
    p.add_argument("--system", default="cross_modal")
    p.add_argument("--stream", default="joint")
    p.add_argument("--image-size", type=int, default=64)
    p.add_argument("--set", type=field_value, action="append", default=[], metavar="FIELD=VALUE")
    p.add_argument("--clips", type=int, default=16, help="at most this many")
    p.add_argument("--steps", type=int, default=60)
    p.add_argument("--learning-rate", type=float, default=5e-4)
    args = p.parse_args()

    import keras
    import numpy as np

    from emotionnet.clips.records import Records
    from emotionnet.emotions import label_order
    from emotionnet.evaluation.answers import answer_rows
    from emotionnet.inputs.kinds import has
    from emotionnet.inputs.opening import open_source
    from emotionnet.systems import build_model, without_weights
    from emotionnet.training import plan
    from emotionnet.training.run import view_of
    from emotionnet.training.unit import unit_of

    keras.utils.set_random_seed(0)
    records = Records.open(args.records)
    streams = plan.streams_of("both", args.system, records)
    rows = [row for row in records.rows if all(has(records, row, each) for each in streams)]
    rows = rows[: args.clips]
    labels = label_order(row.emotion for row in rows)
    # So few steps would leave the statistics that answers are given by behind those of the batch.
    fields = {"batch_norm_momentum": 0.5, "image_size": args.image_size}
    fields |= without_weights(args.system) | dict(args.set)
    config = plan.system_config(args.system, rows[0].corpus, rows, streams, fields)
    model = build_model(args.system, len(labels), **config)
    run = {"system": args.system, "system_config": config, "streams": config["streams"]}
    unit = unit_of(model, run, args.stream)
    view = view_of(run)
    source = open_source(records, view, labels, unit.inputs)
    (batch,) = source.inference_batches(rows, len(rows))
    targets = np.eye(len(labels), dtype=np.float32)[source.targets(rows)]
    unit.model.compile(
        keras.optimizers.Adam(args.learning_rate, global_clipnorm=5.0),
        keras.losses.CategoricalCrossentropy(unit.logits),
        jit_compile=False,
    )
    print(f"{args.system} on {len(rows)} clips of {records.folder}: {', '.join(labels)}")
    begun = time.process_time()
    for step in range(args.steps):
        loss = float(unit.model.train_on_batch(batch, targets))
        if step in (0, args.steps - 1) or (step + 1) % 10 == 0:
            print(f"  step {step + 1}: loss {loss:.4f}", flush=True)
    print(f"  {time.process_time() - begun:.0f} s of processor time")
    answers = answer_rows(model, view, records, rows, labels, streams)
    for kind, table in answers.probabilities.items():
        right = table.argmax(axis=1) == source.targets(rows)
        print(f"  {kind}: {right.sum()} of {len(rows)} right")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
