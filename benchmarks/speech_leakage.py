"""What a protocol gives away, without any network: nearest neighbour and SVM on 40 mean MFCCs.

    python benchmarks/speech_leakage.py --records RECORDS

The input of system 1's speech branches S1 to S3, clip by clip as their own front-end gives it, under
every protocol and with and without the paper's augmented copies. Minutes on one core. The nearest
neighbour recognises what it has heard; what it gains from a protocol is recognition, not emotion.
Prints a Markdown table: accuracy over all folds and seeds.
"""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

#: The paper's noise, pitch and speed, as in ``paper_speech.py``.
COPIES = ("pitch", "stretch", "noise20")
PROTOCOLS = ("actor_folds", "stratified", "random", "random_copies")


def features_of(records) -> dict[str, np.ndarray]:
    """Clip, or copy of it (``clip~kind``) → its 40 scaled mean MFCCs."""
    from emotionnet.clips.copies import speech_copies
    from emotionnet.inputs.opening import open_source
    from emotionnet.inputs.views import View
    from emotionnet.systems import build_model
    from emotionnet.training.features import computed
    from emotionnet.training.front import Cut
    from emotionnet.training.plan import window_samples

    rows = [row for row in records.rows if row.samples > 0]
    samples = window_samples(rows)
    small = {"frames": 1, "image_size": 32, "samples": samples, "streams": ("speech",)}
    stream = build_model("ghost_fan", 8, **small).get_layer("speech_stream")
    front = Cut(stream, "as_sequence").front
    labels = sorted({row.emotion for row in rows})
    source = open_source(records, View(1, 32, samples), labels)
    sets = {"clips": rows} | {kind: speech_copies(records, rows, (kind,)) for kind in COPIES}
    found = {}
    for name, each in sets.items():
        table = computed(front, source, each, name)["as_sequence"][..., 0]
        found |= {row.clip: values for row, values in zip(each, table)}
    return found


def classifiers() -> dict:
    """Name → an untrained classifier, on standardised features."""
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return {
        "nearest neighbour": make_pipeline(StandardScaler(), KNeighborsClassifier(1)),
        "SVM (RBF, C = 10)": make_pipeline(StandardScaler(), SVC(C=10)),
    }


def score(records, features, protocol: str, copies: bool, seeds: int) -> dict[str, list[float]]:
    """Classifier → accuracy in each fold and seed."""
    from emotionnet.inputs.protocols import PROTOCOLS as KNOWN
    from emotionnet.inputs.protocols import number_of_folds, split_rows

    scores: dict[str, list[float]] = {name: [] for name in classifiers()}
    # Where the division does not hang on the seed, nothing does.
    for seed in range(seeds if KNOWN[protocol].leaky else 1):
        for fold in range(1, number_of_folds(records.rows, protocol) + 1):
            split = split_rows(records.rows, protocol, fold, seed, validation=False)
            learnt = [(row.clip, row.emotion) for row in split.train]
            copied = split.train + (split.test if KNOWN[protocol].copies_leak else [])
            if copies:
                learnt += [(f"{row.clip}~{kind}", row.emotion) for row in copied for kind in COPIES]
            x = np.stack([features[clip] for clip, _ in learnt])
            tested = np.stack([features[row.clip] for row in split.test])
            truth = [row.emotion for row in split.test]
            for name, classifier in classifiers().items():
                classifier.fit(x, [emotion for _, emotion in learnt])
                scores[name].append(float(classifier.score(tested, truth)))
    return scores


def neighbours(records, features) -> str:
    """Who the nearest neighbour of a test clip is under ``random``: a sentence of shares."""
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import StandardScaler

    from emotionnet.inputs.protocols import split_rows

    split = split_rows(records.rows, "random", validation=False)
    tables = [np.stack([features[row.clip] for row in part]) for part in (split.train, split.test)]
    scaler = StandardScaler().fit(tables[0])
    train, test = map(scaler.transform, tables)
    nearest = NearestNeighbors(n_neighbors=1).fit(train).kneighbors(test, return_distance=False)
    pairs = [(row, split.train[i]) for row, (i,) in zip(split.test, nearest)]

    def share(*fields: str) -> str:
        same = [all(getattr(a, f) == getattr(b, f) for f in fields) for a, b in pairs]
        return f"{100 * np.mean(same):.0f} %"

    return (
        f"Nearest neighbour under random, seed 0, {len(pairs)} test clips: the same actor "
        f"{share('actor')}; also the same emotion and intensity "
        f"{share('actor', 'emotion', 'intensity')}; also the same sentence (its other take) "
        f"{share('actor', 'emotion', 'intensity', 'statement')}."
    )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--records", required=True, help="prepared RAVDESS speech records")
    p.add_argument("--seeds", type=int, default=5, help="of the divisions that have one")
    return p


def main() -> int:
    """Prints the table, mean ± sd over folds and seeds."""
    from emotionnet.clips.records import Records
    from emotionnet.evaluation.intervals import mean_and_sd

    args = parser().parse_args()
    records = Records.open(args.records)
    features = features_of(records)
    print(f"| protocol | copies | {' | '.join(classifiers())} | divisions |")
    print("|---|---|---|---|---|")
    for protocol in PROTOCOLS:
        for copies in (False, True):
            if protocol == "random_copies" and not copies:
                continue
            scores = score(records, features, protocol, copies, args.seeds)
            spreads = [mean_and_sd([100 * value for value in each]) for each in scores.values()]
            cells = [f"{m:.1f}" if sd is None else f"{m:.1f} ± {sd:.1f}" for m, sd in spreads]
            n = len(next(iter(scores.values())))
            told = "paper" if copies else "none"
            print(f"| `{protocol}` | {told} | {' | '.join(cells)} | {n} |", flush=True)
    print(f"\n{neighbours(records, features)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
