"""Does the face encoder keep its answers in int8? Trained and tested on FER2013, real faces.

    EMOTIONNET_DATA=... python benchmarks/int8_faces.py --minutes 25 --size 64

Trains the face stream of `ghost_fan` (small form, one frame) on the training pictures for a while,
exports it through the product's own conversion, and compares the answers on the public test pictures.
The pictures may not be handed on, and so neither may the model: it stays in the folder given.
"""

import argparse
import io
import json
import os
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

LABELS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
SAMPLES = 16000


def read(archive: Path, part: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, size, size) uint8 and labels (n,) of ``train`` or ``test``."""
    from PIL import Image

    pictures, targets = [], []
    with zipfile.ZipFile(archive) as file:
        for name in sorted(file.namelist()):
            parts = name.split("/")
            if len(parts) < 3 or parts[-3] != part or not name.endswith(".jpg"):
                continue
            picture = Image.open(io.BytesIO(file.read(name))).convert("L")
            pictures.append(np.array(picture.resize((size, size), Image.BILINEAR)))
            targets.append(LABELS.index(parts[-2]))
    return np.stack(pictures), np.array(targets)


def train(model, pictures: np.ndarray, targets: np.ndarray, minutes: float) -> int:
    """Trains the face stream until the time is over; returns the number of steps."""
    import keras
    import tensorflow as tf

    stream, rng = model.get_layer("face_stream"), np.random.default_rng(0)
    batch, steps, end = 64, 0, time.monotonic() + 60 * minutes
    optimizer = keras.optimizers.Adam(2e-3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step(faces, wanted):
        with tf.GradientTape() as tape:
            inputs = {"faces": faces, "frame_mask": tf.ones((tf.shape(faces)[0], 1))}
            value = loss(wanted, stream(inputs, training=True))
        gradients = tape.gradient(value, stream.trainable_variables)
        optimizer.apply(gradients, stream.trainable_variables)
        return value

    while time.monotonic() < end:
        values = []
        for first in range(0, len(order := rng.permutation(len(pictures))) - batch, batch):
            faces = pictures[order[first : first + batch]].astype(np.float32)
            faces = np.where(rng.random((batch, 1, 1)) < 0.5, faces, faces[:, :, ::-1])
            wanted = targets[order[first : first + batch]]
            values.append(float(step(tf.constant(colour(faces), tf.float32), wanted)))
            steps += 1
            if time.monotonic() > end:
                break
            if time.monotonic() > end - 60 * minutes * 0.3:
                optimizer.learning_rate = 3e-4
        print(f"step {steps}: loss {np.mean(values):.3f}", file=sys.stderr, flush=True)
    return steps


def colour(pictures: np.ndarray) -> np.ndarray:
    """(n, size, size) to (n, 1, size, size, 3): one frame, three equal colours."""
    return np.repeat(pictures[:, None, ..., None], 3, axis=-1)


def inputs(pictures: np.ndarray) -> dict[str, np.ndarray]:
    """The four inputs of a model, without sound."""
    n = len(pictures)
    return {
        "faces": colour(pictures),
        "frame_mask": np.ones((n, 1), np.float32),
        "waveform": np.zeros((n, SAMPLES), np.float32),
        "waveform_samples": np.zeros(n, np.int32),
    }


def main() -> int:
    """Trains, converts, compares, prints JSON."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--minutes", type=float, default=25, help="of training (%(default)s)")
    p.add_argument("--size", type=int, default=64, help="pixels of a face (%(default)s)")
    p.add_argument("--calibration", type=int, default=500, help="training pictures (%(default)s)")
    p.add_argument("--test", type=int, help="test pictures (default: all 3,589)")
    args = p.parse_args()
    data = os.environ.get("EMOTIONNET_DATA")
    archive = Path(data or ".") / "fer2013.zip"
    if not archive.is_file():
        print(f"{archive}: not there. Set EMOTIONNET_DATA to its folder.", file=sys.stderr)
        return 2

    import keras

    from emotionnet.deploy.convert import convert
    from emotionnet.deploy.litert import open_model
    from emotionnet.deploy.measure import accuracy
    from emotionnet.systems import build_model

    keras.utils.set_random_seed(0)
    pictures, targets = read(archive, "train", args.size)
    model = build_model(
        "ghost_fan", len(LABELS), frames=1, image_size=args.size, samples=SAMPLES,
        depthwise="stride2", batch_norm_momentum=0.98, streams=("faces",),
    )  # fmt: skip
    steps = train(model, pictures, targets, args.minutes)
    test, wanted = read(archive, "test", args.size)
    if args.test:
        chosen = np.random.default_rng(0).permutation(len(test))[: args.test]
        test, wanted = test[chosen], wanted[chosen]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        few = np.random.default_rng(1).permutation(len(pictures))[: args.calibration]
        np.savez(Path(folder) / "calibration.npz", **inputs(pictures[few]))
        precisions = ["float32", "dynamic", "int8"]
        convert(folder, {"model": str(path), "precisions": precisions, "onnx": False}, 3600)
        models = {name: open_model(Path(folder) / f"{name}.tflite") for name in precisions}
        clips = inputs(test)
        reference = model.predict(clips, batch_size=64, verbose=0)
        result = accuracy(models, clips, wanted, reference, ("faces",))
    print(json.dumps({"steps": steps, "size": args.size, **result}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
