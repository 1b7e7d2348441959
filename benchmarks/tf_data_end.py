"""How long does the end of a tf.data iteration take, with its tuner and without?

    python benchmarks/tf_data_end.py [--rounds 5]

TensorFlow's tuner sleeps longer and longer between two looks (10 ms, 20 ms, … up to a minute), and at
times the end of an iteration waits until it wakes. Epochs of 3 and 6 seconds of nothing but waiting are
gone through, and what they take beyond that is printed.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

#: A clip takes so long, with two at a time.
CLIP_S = 0.1


def dataset(clips: int, tuned: bool):
    """Clips that take their time, read by several threads, as in `emotionnet.inputs.pipeline`."""
    import numpy as np
    import tensorflow as tf

    from emotionnet.clips.records import without_autotune

    def read(number):
        time.sleep(CLIP_S)
        return np.float32(number)

    made = tf.data.Dataset.range(clips).map(
        lambda i: tf.numpy_function(read, [i], tf.float32), num_parallel_calls=tf.data.AUTOTUNE
    )
    made = made.batch(1).prefetch(2)
    return made if tuned else without_autotune(made)


def main() -> None:
    """Prints how long each iteration took, and how much of it after its last batch."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    for tuned in (True, False):  # imports and first calls
        list(dataset(2, tuned))
    for clips in (60, 120):
        for tuned in (True, False):
            whole, ends = [], []
            for _ in range(rounds):
                started = time.monotonic()
                for _ in dataset(clips, tuned):
                    last = time.monotonic()
                ends.append(time.monotonic() - last)
                whole.append(time.monotonic() - started)
            print(
                f"{clips} clips, {'tuned' if tuned else 'not tuned':9s}: whole "
                f"{' '.join(f'{s:.2f}' for s in whole)} s, of which the end {' '.join(f'{s:.2f}' for s in ends)} s"
            )


if __name__ == "__main__":
    main()
