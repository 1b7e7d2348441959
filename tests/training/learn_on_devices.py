"""Trains a small network for some steps on the devices asked for; prints what came out as JSON.

A program of its own, since devices are divided before TensorFlow or JAX starts.
"""

import argparse
import json

import keras
import numpy as np

from emotionnet.layers import Committee
from emotionnet.training.devices import choose
from emotionnet.training.optimizer import Freezing, averaged, compile_stream
from emotionnet.training.settings import Settings


def network() -> keras.Model:
    inputs = {"x": keras.Input((8, 8, 3), name="x")}
    inner = keras.Sequential(
        [
            keras.layers.Conv2D(8, 3, use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
        ],
        name="encoder",
    )
    features = inner(inputs["x"])
    # It adds to the loss, of which every device sees its clips' share.
    heads = [keras.layers.Dense(3)(features) for _ in range(2)]
    return keras.Model(inputs, Committee()(heads))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--replicas", type=int)
    parser.add_argument("--settings", type=json.loads, default={})
    parser.add_argument("--steps", type=int, default=12)
    args = parser.parse_args()
    devices = choose(args.device, args.replicas)
    keras.utils.set_random_seed(3)
    with devices.scope():
        model = network()
        # The same start under every backend.
        start = np.random.default_rng(1)
        for weight in model.trainable_weights:
            weight.assign(start.normal(0, 0.3, weight.shape))
        settings = Settings(**{"learning_rate": 1e-2, "clip_norm": 0.1, **args.settings})
        compile_stream(model, settings)
        Freezing(model, settings.frozen).freeze()
    rng, losses, accuracies = np.random.default_rng(0), [], []
    with devices.norms(model):
        step = devices.training_step(model)
        for number in range(args.steps):
            clips = 8 if number % 4 else 5  # not all batches are full, or can be shared evenly
            x = rng.normal(size=(clips, 8, 8, 3)).astype("float32")
            y = np.eye(3, dtype="float32")[rng.integers(0, 3, clips)]
            x[:, 0] += 2 * y[:, None, :]
            logs = step(*devices.own_part(({"x": x}, y)))
            assert logs["clips"] == clips
            losses.append(logs["loss"])
            accuracies.append(logs["accuracy"])
        with averaged(model):
            answers = devices.predictor(model)({"x": x})
            weights = [float(np.abs(np.asarray(w)).sum()) for w in model.weights]
    saved = {
        "why": devices.why,
        "replicas": devices.replicas,
        "losses": losses,
        "accuracies": accuracies,
        "answers": np.asarray(answers).tolist(),
        "weights": weights,
        "synchronized": [x.synchronized for x in model._flatten_layers() if hasattr(x, "momentum")],
    }
    print(json.dumps(saved))


if __name__ == "__main__":
    main()
