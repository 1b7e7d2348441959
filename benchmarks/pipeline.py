"""Does the input pipeline keep the training busy? Clips a second of both, side by side.

    python benchmarks/pipeline.py --records data/demo/records

The face stream is measured, since it reads and decodes most: the pipeline alone (read by offset,
decode the picked JPEGs, augment, batch), and training steps on batches that are there already.
Rounds alternate, so that a busy machine slows both; medians and their ratio are printed.
"""

import argparse
import statistics
import time
from collections.abc import Sequence

GOAL = 10.0


def measure(records_folder: str, image_size: int, batch_size: int, rounds: int) -> dict[str, float]:
    """Median clips a second of the pipeline and of the training step at one picture size."""
    import keras
    import numpy as np

    from emotionnet.clips.records import Records
    from emotionnet.emotions import label_order
    from emotionnet.inputs.augmentation import Augmentation
    from emotionnet.inputs.opening import open_source
    from emotionnet.inputs.views import View
    from emotionnet.systems import build_model, get_system
    from emotionnet.training.loop import Settings, compile_stream

    keras.utils.set_random_seed(0)
    records = Records.open(records_folder)
    rows = [row for row in records.rows if row.faces_found][: 16 * batch_size]
    labels = label_order(row.emotion for row in rows)
    inputs = get_system("ghost_fan").STREAMS["faces"].inputs
    source = open_source(records, View(image_size=image_size, samples=32000), labels, inputs)
    model = build_model("ghost_fan", len(labels), image_size=image_size, samples=32000)
    stream = model.get_layer("face_stream")
    compile_stream(stream, Settings(batch_size=batch_size))

    def batches(epoch):
        return source.training_batches(
            rows, batch_size=batch_size, seed=0, epoch=epoch, strength=Augmentation()
        )

    x, y = next(iter(batches(0)))
    x, y = {key: np.asarray(value) for key, value in x.items()}, np.asarray(y)
    stream.train_on_batch(x, y)  # traces the graph
    rates: dict[str, list[float]] = {"pipeline": [], "step": []}
    for epoch in range(rounds):
        started = time.perf_counter()
        clips = sum(len(targets) for _, targets in batches(epoch))
        rates["pipeline"].append(clips / (time.perf_counter() - started))
        started = time.perf_counter()
        stream.train_on_batch(x, y)
        rates["step"].append(batch_size / (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in rates.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a line for each picture size."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--records", required=True, metavar="DIR", help="prepared records with faces")
    p.add_argument("--batch-size", type=int, default=8)
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--sizes", type=int, nargs="+", default=[112, 224])
    args = p.parse_args(argv)
    print(f"{'faces':>6}  {'pipeline':>14}  {'training step':>14}  ratio (goal {GOAL:g})")
    for size in args.sizes:
        rate = measure(args.records, size, args.batch_size, args.rounds)
        ratio = rate["pipeline"] / rate["step"]
        print(
            f"{size:>4}px  {rate['pipeline']:>8.1f} clip/s  {rate['step']:>8.2f} clip/s  {ratio:.1f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
