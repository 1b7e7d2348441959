"""One compiled training step of each system: ``one_step.py PRECISION SYSTEMS``; prints JSON.

A program of its own, since a process has one Keras backend. SYSTEMS is name → [system, fields].
"""

import json
import sys
import time

import keras
import numpy as np

from emotionnet.systems import build_model
from emotionnet.training.optimizer import compile_stream
from emotionnet.training.settings import Settings


def learn(system: str, fields: dict) -> dict:
    keras.utils.set_random_seed(0)
    model = build_model(system, 3, **fields)
    whole = keras.Model(model.input, model.output["probabilities"])
    compile_stream(whole, Settings(), from_logits=False)
    whole.jit_compile = True
    rng, inputs = np.random.default_rng(0), {}
    for name, tensor in model.input.items():
        shape = (2, *tensor.shape[1:])
        inputs[name] = {
            "faces": lambda shape=shape: rng.integers(0, 256, shape).astype("uint8"),
            "frame_mask": lambda shape=shape: np.ones(shape, "float32"),
            "waveform": lambda shape=shape: rng.normal(0, 0.1, shape).astype("float32"),
            "waveform_samples": lambda: np.full(2, model.input["waveform"].shape[1], "int32"),
            "landmarks": lambda shape=shape: rng.uniform(0, 1, shape).astype("float32"),
            "landmark_mask": lambda shape=shape: np.ones(shape, "float32"),
        }[name]()
    before = [np.array(w) for w in whole.trainable_weights]
    started = time.perf_counter()
    logs = whole.train_on_batch(inputs, np.eye(3, dtype="float32")[:2], return_dict=True)
    moved = max(np.abs(np.asarray(w) - b).max() for w, b in zip(whole.trainable_weights, before))
    return {
        "loss": float(logs["loss"]),
        "moved": float(moved),
        "compiled": bool(whole.jit_compile),
        "seconds": round(time.perf_counter() - started, 1),
    }


def main() -> None:
    keras.config.set_dtype_policy(sys.argv[1])
    said = {}
    for name, (system, fields) in json.loads(sys.argv[2]).items():
        said[name] = learn(system, fields)
        print(name, said[name], file=sys.stderr, flush=True)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
