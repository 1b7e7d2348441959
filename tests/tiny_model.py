"""Models small enough for tests, with weights as a training leaves them: nothing is 0 or 1."""

import numpy as np

CONFIG = {"frames": 3, "image_size": 32, "samples": 16000}


def few_bottlenecks() -> tuple:
    """One of each kind of GhostNet's eleven: the rest would be the same again."""
    from emotionnet.systems import ghost_fan

    return tuple(ghost_fan.BOTTLENECKS[i] for i in (0, 1, 2, 4))


def tiny_model(seed: int = 0, classes: int = 3, **config):
    """A `ghost_fan` of 3 faces of 32 px and 1 s of sound, BatchNorm statistics included."""
    from emotionnet.systems import build_model

    model = build_model("ghost_fan", classes, **{**CONFIG, **config})
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        name, shape = weight.path.rpartition("/")[2], weight.shape
        if name == "moving_variance":
            weight.assign(rng.uniform(0.5, 2.0, shape))
        elif name in ("moving_mean", "beta", "bias"):
            weight.assign(rng.normal(0, 0.3, shape))
        elif name == "gamma":
            weight.assign(rng.uniform(0.5, 1.5, shape))
        elif name == "alpha":
            weight.assign(rng.uniform(0.0, 0.4, shape))
        else:
            spread = 0.3 if "classifier" in weight.path else 1.0
            fan_in = np.prod(shape[:-2]) if "depthwise" in weight.path else np.prod(shape[:-1])
            weight.assign(rng.normal(0, spread / np.sqrt(max(fan_in, 1)), shape))
    return model


def tiny_inputs(model, clips: int = 2, seed: int = 0) -> dict[str, np.ndarray]:
    """Random inputs: everything there in the first clip, and in the others less and less."""
    rng = np.random.default_rng(seed)
    shapes = {name: (clips, *tensor.shape[1:]) for name, tensor in model.input.items()}
    samples = shapes["waveform"][1]
    mask = np.ones(shapes["frame_mask"], np.float32)
    mask[1:, 1] = 0
    mask[2:] = 0
    lengths = np.full(clips, samples, np.int32)
    lengths[1:] = samples // 2
    return {
        "faces": rng.integers(0, 256, shapes["faces"]).astype(np.uint8),
        "frame_mask": mask,
        "waveform": rng.normal(0, 0.1, shapes["waveform"]).astype(np.float32),
        "waveform_samples": lengths,
    }


def answers_to(model, cases: dict) -> dict[str, dict[str, np.ndarray]]:
    """The answers to several batches of clips, by their names: they are asked for as one batch.

    Layer by layer, which is quicker than tracing a graph for a few answers.
    """
    together = {
        name: np.concatenate([inputs[name] for inputs in cases.values()]) for name in model.input
    }
    ends = np.cumsum([len(inputs["faces"]) for inputs in cases.values()])[:-1]
    found = {
        name: np.split(np.asarray(x), ends) for name, x in model(together, training=False).items()
    }
    return {case: {name: found[name][i] for name in found} for i, case in enumerate(cases)}


def exportable_run(folder, records, train=(), test=(), model=None):
    """A finished run of `tiny_model`, whose clips of ``records`` are in the parts given."""
    from tiny_run import SYSTEM_CONFIG, make_run

    from emotionnet.files import write_csv

    model = model or tiny_model(**SYSTEM_CONFIG)
    run = make_run(folder, records, model=model)
    rows = [
        {"clip": row.clip, "actor": row.actor, "emotion": row.emotion, "part": part}
        for part, rows in (("train", train), ("test", test))
        for row in rows
    ]
    write_csv(run.folder / "split.csv", rows, ("clip", "actor", "emotion", "part"))
    return run
