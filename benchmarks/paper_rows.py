"""System 4 with rows as its paper has them: what of its figures comes from dividing rows, not clips.

    python benchmarks/paper_rows.py sound --records RAVDESS_RECORDS
    python benchmarks/paper_rows.py frames --records DEMO_RECORDS
    python benchmarks/paper_rows.py pooled --records DEMO_RECORDS

A row of ``sound`` is a recording, or one of two changed copies of it; a row of ``frames`` is a single frame;
``pooled`` has both kinds. All rows are shuffled, a share of them is tested, and copies and frames of one clip
are in both parts: it leaks. The same network and the same fits as `emotionnet.systems.dv_emotionnet`; what is
fitted has seen the training rows alone. Prints accuracy and loss of both parts; by row, and by clip (the mean
log-probability of its tested rows); and a table by class. A clip that stays whole is what `emotionnet.fit` does.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

#: Share of the rows that is tested: 1,080 of 4,320 sounds; a fifth of the others (Tables 6 to 9).
TEST_SHARE = {"sound": 0.25, "frames": 0.2, "pooled": 0.2}


def features_of(records, layer: str, kinds: tuple[str, ...] = (), **config):
    """What ``layer`` gives of every clip and of its copies: features, masks, clips and labels."""
    from emotionnet.clips.copies import speech_copies
    from emotionnet.inputs.kinds import has
    from emotionnet.inputs.opening import open_source
    from emotionnet.systems import build_model
    from emotionnet.training.front import Cut, Front
    from emotionnet.training.run import view_of

    (stream,) = config["streams"]
    rows = [row for row in records.rows if has(records, row, stream)]
    sets = {"clips": rows} | {kind: speech_copies(records, rows, (kind,)) for kind in kinds}
    model = build_model("dv_emotionnet", 2, **config)
    labels = sorted({row.emotion for row in rows})
    view = view_of({"system": "dv_emotionnet", "system_config": config})
    source = open_source(records, view, labels)
    front = Front(Cut(model, layer), source, sets)
    every = [row for each in sets.values() for row in each]
    found = front(every)
    clips = np.array([row.clip.partition("~")[0] for row in every])
    classes = np.array([labels.index(row.emotion) for row in every])
    return found, clips, classes, labels


def sound_rows(records, log_mel: bool):
    """A row of 162 numbers for each sound and each copy, its clip, its class, and the classes."""
    from emotionnet.systems.dv_emotionnet import COPIES

    found, clips, classes, labels = features_of(
        records, "sound_vector", COPIES, streams=("speech",), samples=96000, log_mel=log_mel
    )
    return found["sound_vector"], clips, classes, labels


def frame_rows(records):
    """A row of 448 numbers for each frame that has a face, its clip, its class, and the classes."""
    found, clips, classes, labels = features_of(
        records, "cells", streams=("faces",), face_rows="frame"
    )
    seen = found["frame_mask"] > 0
    count = seen.sum(axis=1)
    return found["cells"][seen], np.repeat(clips, count), np.repeat(classes, count), labels


def scaled(x: np.ndarray, train: np.ndarray, limit: float = 10.0) -> np.ndarray:
    """Rows in deviations of the training rows."""
    from emotionnet.systems.fits import standard_scaler

    mean, deviation = standard_scaler(x[train])
    return np.clip((x - mean) / deviation, -limit, limit)


def projected(x: np.ndarray, arrays) -> np.ndarray:
    """Rows through a fitted projection."""
    kernel, bias = arrays
    return x @ kernel + bias


def prepared(what: str, records, log_mel: bool, seed: int):
    """Vectors, clips, classes, labels and which rows train."""
    from emotionnet.systems.dv_emotionnet import WIDTH
    from emotionnet.systems.fits import marginal_fisher, pca

    kinds = {"sound": ("sound",), "frames": ("frames",), "pooled": ("sound", "frames")}[what]
    read = {"sound": lambda: sound_rows(records, log_mel), "frames": lambda: frame_rows(records)}
    tables = [read[kind]() for kind in kinds]
    clips, classes = (np.concatenate([table[i] for table in tables]) for i in (1, 2))
    train = np.ones(len(clips), bool)
    order = np.random.default_rng(seed).permutation(len(clips))
    train[order[: round(TEST_SHARE[what] * len(clips))]] = False
    vectors, first = [], 0
    for kind, (x, *_) in zip(kinds, tables):
        mine = train[first : first + len(x)]
        first += len(x)
        x = scaled(x, mine)
        if kind == "frames":
            x = projected(x, pca(x[mine], units=WIDTH, scaled=True))
        vectors.append(x)
    x = np.concatenate(vectors)
    if what == "pooled":
        x = projected(x, marginal_fisher(x[train], classes[train], units=WIDTH))
    return x.astype(np.float32), clips, classes, tables[0][3], train


def learn(x, classes, train, count: int, epochs: int, seed: int):
    """Log-probabilities of all rows by a network that learnt from some of them."""
    import keras

    from emotionnet.systems.dv_emotionnet import fercnn
    from emotionnet.systems.usual import usual

    settings = usual("dv_emotionnet", "train", {"corpus": "ravdess"})["speech"]
    batch = settings["batch_size"]
    keras.utils.set_random_seed(seed)
    network = fercnn(x.shape[1], count, 0.2, "network")
    steps = epochs * -(-int(train.sum()) // batch)
    rate = keras.optimizers.schedules.CosineDecay(settings["learning_rate"], steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(rate, clipnorm=5.0), loss)
    network.fit(x[train], classes[train], batch_size=batch, epochs=epochs, verbose=0)
    logits = network.predict(x, batch_size=512, verbose=0).astype(np.float64)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def accuracy_and_loss(answers, classes) -> str:
    """``0.760, loss 0.71`` of some rows."""
    right = np.mean(answers.argmax(axis=1) == classes)
    return f"{right:.3f}, loss {-answers[np.arange(len(classes)), classes].mean():.3f}"


def by_clip(answers, clips, classes):
    """Mean log-probability of each clip's rows, and its class."""
    names, place = np.unique(clips, return_inverse=True)
    total = np.zeros((len(names), answers.shape[1]))
    np.add.at(total, place, answers)
    mean = total / np.bincount(place)[:, None]
    mean -= np.log(np.exp(mean).sum(axis=1, keepdims=True))
    own = np.zeros(len(names), int)
    own[place] = classes
    return mean, own


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("what", choices=sorted(TEST_SHARE))
    p.add_argument("--records", required=True)
    p.add_argument("--epochs", type=int, default=70)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--mel-power", action="store_true", help="means of mel bands as powers")
    return p


def main() -> int:
    """Prints what was measured."""
    from sklearn.metrics import classification_report

    from emotionnet.clips.records import Records

    args = parser().parse_args()
    x, clips, classes, labels, train = prepared(
        args.what, Records.open(args.records), not args.mel_power, args.seed
    )
    began = time.monotonic()
    answers = learn(x, classes, train, len(labels), args.epochs, args.seed)
    test = ~train
    print(f"{args.what}: {train.sum()} rows train, {test.sum()} test, of {len(set(clips))} clips")
    print(f"train by row: {accuracy_and_loss(answers[train], classes[train])}")
    print(f"test by row: {accuracy_and_loss(answers[test], classes[test])}")
    mean, own = by_clip(answers[test], clips[test], classes[test])
    print(f"test by clip: {accuracy_and_loss(mean, own)} ({len(own)} clips)")
    print(classification_report(classes[test], answers[test].argmax(axis=1), target_names=labels))
    print(f"{time.monotonic() - began:.0f} s of training, {args.epochs} epochs, seed {args.seed}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
