"""What it costs to score a clip of a pool, against learning from one, in processor time on one thread.

    python benchmarks/pool_cost.py --records RECORDS --system segments
    python benchmarks/pool_cost.py --records RECORDS --system ghost_fan --stream speech

Reading and viewing the clip are counted in both. Processor time, so that other work on the machine
does not matter. A stream with a front-end is scored from what that gave once (see
`emotionnet.training.front`); the once is shown too.
"""

import argparse
import os
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--records", required=True)
    p.add_argument("--system", default="segments")
    p.add_argument("--stream", default="joint")
    p.add_argument("--augment", default="paper")
    p.add_argument("--clips", type=int, default=64)
    p.add_argument("--repeats", type=int, default=5)
    args = p.parse_args()

    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    from emotionnet.clips.records import Records
    from emotionnet.emotions import label_order
    from emotionnet.inputs.opening import open_source
    from emotionnet.inputs.views import View
    from emotionnet.systems import build_model
    from emotionnet.training import plan
    from emotionnet.training.front import Cut, Front, uncertainty
    from emotionnet.training.loop import Settings, compile_stream
    from emotionnet.training.stream_data import augmentation
    from emotionnet.training.unit import unit_of

    records = Records.open(args.records)
    rows = [row for row in records.rows if row.samples > 0][: args.clips]
    labels = label_order(row.emotion for row in records.rows)
    wanted = (
        [args.stream] if args.stream != "joint" else plan.streams_of("both", args.system, records)
    )
    config = plan.system_config(args.system, rows[0].corpus, records.rows, wanted, {})
    model = build_model(args.system, len(labels), **config)
    run = {
        "system": args.system,
        "system_config": config,
        "streams": wanted,
        "augment": args.augment,
    }
    unit = unit_of(model, run, args.stream)
    size = Settings(**plan.stream_settings(args.system, "")[args.stream]).batch_size
    frames = config.get("frames") or config["segments"]
    view = View(frames, config["image_size"], config["samples"])
    source = open_source(records, view, labels, unit.inputs)
    compile_stream(unit.model, Settings())

    def learn():
        order = {"batch_size": size, "seed": 0, "epoch": 0, "strength": augmentation(run)}
        for inputs, targets in source.training_batches(rows, **order):
            unit.model.train_on_batch(inputs, targets)

    def score():
        if unit.front:
            uncertainty(front.rest, front.inference_batches(rows), unit.logits)
        else:
            uncertainty(unit.model, source.inference_batches(rows, size), unit.logits)

    def milliseconds(function) -> float:
        started = time.process_time()
        function()
        return 1000 * (time.process_time() - started) / len(rows)

    parts = {"learn": learn, "score": score}
    if unit.front:
        cut = Cut(unit.model, unit.front)
        front = Front(cut, source, {"clips": rows})

        def once():
            for batch in source.inference_batches(rows, size):
                cut.front.predict_on_batch(batch)

        once()
        print(f"front-end, once: {milliseconds(once):.2f} ms a clip")
    for part in parts.values():
        part()
    times = {name: [] for name in parts}
    for _ in range(args.repeats):
        for name, part in parts.items():
            times[name].append(milliseconds(part))
    middle = {name: statistics.median(values) for name, values in times.items()}
    for name, value in middle.items():
        low, high = min(times[name]), max(times[name])
        print(f"{name}: {value:.2f} ms a clip ({low:.2f} to {high:.2f}, {args.repeats} times)")
    print(f"score / learn: {middle['score'] / middle['learn']:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
