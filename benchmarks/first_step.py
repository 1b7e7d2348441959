"""What the first steps of a training cost, before it learns: ``python benchmarks/first_step.py``.

Processor seconds of a step on four clips, which traces it, of another one, of one on three clips, as most
epochs end, and of answers to four and to three. ``--keras`` asks Keras's ``train_on_batch`` and
``predict_on_batch`` instead, as the project did before.
"""

import argparse
import time
from contextlib import nullcontext

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keras", action="store_true")
    parser.add_argument("--stream", choices=("faces", "speech"), default="faces")
    asked = parser.parse_args()
    from emotionnet.environment import own_process

    own_process()
    from emotionnet.systems import build_model
    from emotionnet.training.devices import choose
    from emotionnet.training.optimizer import compile_stream
    from emotionnet.training.settings import Settings

    sizes = {"frames": 2, "image_size": 32, "samples": 16000}
    model = build_model("ghost_fan", 3, **sizes)
    stream = model.get_layer({"faces": "face_stream"}.get(asked.stream, "speech_stream"))
    compile_stream(stream, Settings())
    rng = np.random.default_rng(0)
    clips = {
        "faces": rng.integers(0, 256, (4, 2, 32, 32, 3)).astype("float32"),
        "frame_mask": np.ones((4, 2), "float32"),
        "waveform": rng.normal(0, 0.1, (4, 16000)).astype("float32"),
        "waveform_samples": np.full(4, 16000, "int32"),
    }
    clips = {name: clips[name] for name in stream.input}
    targets = np.eye(3, dtype="float32")[[0, 1, 2, 0]]
    devices = choose("cpu")
    learn, answer = devices.training_step(stream), devices.predictor(stream)
    norms = devices.norms(stream)
    if asked.keras:
        learn, answer, norms = stream.train_on_batch, stream.predict_on_batch, nullcontext()
    with norms:
        for what, count in (("first", 4), ("second", 4), ("smaller", 3)):
            batch = {name: value[:count] for name, value in clips.items()}
            start = time.process_time()
            learn(batch, targets[:count])
            print(f"{what} step: {time.process_time() - start:.1f} s", flush=True)
    for what, count in (("first", 4), ("smaller", 3)):
        batch = {name: value[:count] for name, value in clips.items()}
        start = time.process_time()
        answer(batch)
        print(f"{what} answers: {time.process_time() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
