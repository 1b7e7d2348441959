"""What a training step of a system costs: wall and processor time, peak memory, and an epoch of it.

    python benchmarks/training_step.py --system cross_modal
    python benchmarks/training_step.py --system cross_modal --frozen face_encoder
    python benchmarks/training_step.py --system ghost_fan --stream faces --set frames=1 --batch-size 64
    KERAS_BACKEND=jax python benchmarks/training_step.py --system ghost_fan --stream speech --set speech=logmel

The system's own settings and full-size inputs of random numbers; reading and augmentation are not
counted (`benchmarks/pipeline.py`). Processor time is of all threads, so that it says what a step costs
also where other work shares the machine. --frozen counts what learns behind a frozen part, and what
that part's features of a clip cost once.
"""

import argparse
import dataclasses
import os
import resource
import time

from emotionnet.environment import own_process
from emotionnet.values import field_value

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
#: RAVDESS speech of the 16 actors that train in `actors_16_4_4`.
CLIPS = 960


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--system", default="cross_modal")
    p.add_argument("--stream", default="joint")
    p.add_argument("--frozen", default="", metavar="LAYER")
    p.add_argument("--set", dest="fields", type=field_value, action="append", default=[],
                   metavar="FIELD=VALUE", help="a field of the system's config")  # fmt: skip
    p.add_argument("--batch-size", type=int, help="default: the system's own")
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--precision", default="float32")
    p.add_argument("--rewritten", action="store_true", help="graphs as TensorFlow rewrites them")
    args = p.parse_args()
    if not args.rewritten:
        own_process()

    import keras
    import numpy as np

    from emotionnet.systems import build_model, make_config, without_weights
    from emotionnet.training import plan
    from emotionnet.training.devices import choose
    from emotionnet.training.optimizer import compile_stream
    from emotionnet.training.settings import Settings
    from emotionnet.training.unit import cut_of, unit_of

    keras.config.set_dtype_policy(args.precision)
    fields = without_weights(args.system) | dict(args.fields)
    config = dataclasses.asdict(make_config(args.system, **fields))
    settings = Settings(**plan.stream_settings(args.system, "ravdess", config=config)[args.stream])
    settings = dataclasses.replace(
        settings,
        frozen=(args.frozen,) if args.frozen else (),
        batch_size=args.batch_size or settings.batch_size,
    )
    model = build_model(args.system, 8, **fields)
    streams = {"system": args.system, "system_config": config, "streams": config["streams"]}
    unit = unit_of(model, streams, args.stream)
    inputs = random_batch(unit.model, settings.batch_size)
    targets = np.eye(8, dtype=np.float32)[np.arange(settings.batch_size) % 8]
    print(
        f"{args.system}, batch {settings.batch_size}, {model.count_params():,} parameters, {keras.backend.backend()}"
    )
    learns = unit.model
    if args.frozen:
        cut = cut_of(unit, settings)
        given = {name: inputs[name] for name in cut.front.input}
        features = timed("features", lambda: cut.front.predict_on_batch(given), args.steps)
        inputs = features[1] | {name: inputs[name] for name in cut.inputs}
        print(f"  once for {CLIPS} clips: {CLIPS / settings.batch_size * features[0] / 60:.1f} min")
        learns, settings = cut.rest, dataclasses.replace(settings, frozen=())
    compile_stream(learns, settings, unit.logits)
    devices = choose("cpu")
    learn, answer = devices.training_step(learns), devices.predictor(learns)
    with devices.norms(learns):
        each, _ = timed("step", lambda: learn(inputs, targets), args.steps)
        timed("answer", lambda: answer(inputs), args.steps)
    print(f"  an epoch of {CLIPS} clips: {CLIPS / settings.batch_size * each / 60:.2f} min")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    return 0


def random_batch(model, clips: int) -> dict:
    """Inputs of noise, with faces and sound in every clip."""
    import numpy as np

    rng = np.random.default_rng(0)
    samples = model.input["waveform"].shape[1] if "waveform" in model.input else 0
    make = {
        "faces": lambda shape: rng.integers(0, 256, shape).astype(np.float32),
        "frame_mask": lambda shape: np.ones(shape, np.float32),
        "waveform": lambda shape: rng.normal(0, 0.1, shape).astype(np.float32),
        "waveform_samples": lambda shape: np.full(shape, samples, np.int32),
    }
    return {name: make[name]((clips, *x.shape[1:])) for name, x in model.input.items()}


def timed(what: str, call, times: int):
    """Prints and returns the processor time of the fastest of some calls, after one that traces."""
    start = time.process_time()
    result = call()
    print(f"  first {what}: {time.process_time() - start:.1f} s of processor time", flush=True)
    spent = []
    for _ in range(times):
        wall, processor = time.perf_counter(), time.process_time()
        result = call()
        spent.append((time.process_time() - processor, time.perf_counter() - wall))
    processor, wall = min(spent)
    print(f"  {what}: {processor:.3f} s of processor time, {wall:.3f} s on the clock")
    return processor, result


if __name__ == "__main__":
    raise SystemExit(main())
