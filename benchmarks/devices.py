"""What a training step costs on one device and on several: wall and processor time a clip.

    python benchmarks/devices.py --stream speech --replicas 1
    python benchmarks/devices.py --stream speech --replicas 2

The step that `fit` takes, on random numbers; reading is not counted. A CPU is only divided into devices,
which shows what dividing costs and not what a second device gives. Processor time is of all threads.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--system", default="ghost_fan")
    p.add_argument("--stream", default="speech")
    p.add_argument("--set", dest="fields", type=_field, action="append", default=[])
    p.add_argument("--batch-size", type=int, default=32)
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--precision", default="float32")
    p.add_argument("--device", default="auto")
    p.add_argument("--replicas", type=int)
    args = p.parse_args()

    import keras
    import numpy as np

    from emotionnet.systems import build_model, make_config, without_weights
    from emotionnet.training.devices import choose
    from emotionnet.training.optimizer import compile_stream
    from emotionnet.training.settings import Settings
    from emotionnet.training.unit import unit_of

    devices = choose(args.device, args.replicas)
    devices.check(args.batch_size, args.precision)
    keras.config.set_dtype_policy(args.precision)
    fields = {**without_weights(args.system), **dict(args.fields)}
    config = {"system": args.system, "streams": list(make_config(args.system, **fields).streams)}
    with devices.scope():
        unit = unit_of(build_model(args.system, 8, **fields), config, args.stream)
        compile_stream(unit.model, Settings(), unit.logits)
    rng, inputs = np.random.default_rng(0), {}
    for name in unit.inputs:
        shape = (args.batch_size, *unit.model.input[name].shape[1:])
        if name == "faces":
            inputs[name] = rng.integers(0, 256, shape, np.uint8)
        elif name == "waveform":
            inputs[name] = rng.normal(0, 0.1, shape).astype(np.float32)
        elif name == "waveform_samples":
            inputs[name] = np.full(shape, unit.model.input["waveform"].shape[1], np.int32)
        else:
            inputs[name] = np.ones(shape, np.float32)
    targets = np.eye(8, dtype=np.float32)[np.arange(args.batch_size) % 8]
    with devices.norms(unit.model):
        step = devices.training_step(unit.model)
        started = time.perf_counter()
        step(inputs, targets)
        first_s = time.perf_counter() - started
        wall, processor = time.perf_counter(), time.process_time()
        for _ in range(args.steps):
            step(inputs, targets)
        clips = args.steps * args.batch_size
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"{args.system} {args.stream}, batch {args.batch_size}, {args.precision}; {devices.why}")
    print(f"first step {first_s:.1f} s; then {clips / wall:.1f} clips/s, "
          f"{1e3 * wall / clips:.2f} ms a clip, {1e3 * processor / clips:.2f} ms of processor")  # fmt: skip
    return 0


def _field(text: str):
    from emotionnet.values import field_value

    return field_value(text)


if __name__ == "__main__":
    raise SystemExit(main())
