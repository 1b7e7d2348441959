"""Calls `fit` on the devices asked for and prints what came out as JSON: ``fit_on_devices.py OPTIONS``.

A program of its own, since devices are divided before TensorFlow or JAX starts. OPTIONS are the
arguments of `fit` as JSON, and ``die_in_epoch``: the process kills itself when that epoch is trained.
"""

import hashlib
import json
import os
import signal
import sys

import numpy as np

import emotionnet.evaluation.run_or_group
import emotionnet.fit
from emotionnet.errors import EmotionNetError
from emotionnet.files import read_csv
from emotionnet.training import loop
from emotionnet.training.run import Run


def main() -> None:
    options = json.loads(sys.argv[1])
    die_in_epoch, models, build, validate = (
        options.pop("die_in_epoch", 0),
        [],
        Run.build,
        loop._validate,
    )
    epochs = []

    def keep(run):
        models.append(build(run))
        return models[-1]

    def die(*args):
        epochs.append(1)
        if len(epochs) == die_in_epoch:
            os.kill(os.getpid(), signal.SIGKILL)
        return validate(*args)

    Run.build, loop._validate = keep, die
    emotionnet.evaluation.run_or_group.evaluate = lambda *args, **kwargs: (
        None
    )  # not what is tested here
    try:
        folder = emotionnet.fit.fit(**options)
    except EmotionNetError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    weights = [np.asarray(w) for w in models[0].weights]
    said = {
        "hash": hashlib.sha256(b"".join(w.tobytes() for w in weights)).hexdigest(),
        "weights": [float(np.abs(w).mean()) for w in weights],
        "synchronized": sum(getattr(x, "synchronized", False) for x in models[0]._flatten_layers()),
        "history": read_csv(folder / "history.csv"),
        "devices": json.loads((folder / "versions.json").read_text())["devices"],
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
