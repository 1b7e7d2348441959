"""A small network on the action units of a clip's face, joined with the speech of runs, on people it never met.

    python benchmarks/action_units.py ravdess_face_au_and_posteriors.csv [--speech saved_models/logmel-refit]

The table has 35 numbers a RAVDESS clip (OpenFace: means of 17 intensities over the frames, and shares of frames
with 18 presences) and what four published systems answered; Luna-Jiménez et al. (2022), Applied Sciences
12(1):327. They are means over a clip, measured by others on the full video, and not our pixels.

The six canonical folds: 16 actors train, the four of the next fold choose the width of the network and its
weight decay, then it learns from all 20. ``--speech`` names a group of runs, one a fold; of several seeds
the first. Intervals: 95 %, actors drawn with replacement.
"""

import argparse
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emotionnet.corpora import canonical
from emotionnet.emotions import EMOTIONS
from emotionnet.errors import UsageError
from emotionnet.evaluation.answers import Answers
from emotionnet.evaluation.metrics import score
from emotionnet.files import read_csv
from emotionnet.progress import progress

UNITS = 35
WIDTHS, DECAYS = (16, 64), (0.1, 1.0, 10.0, 30.0)
SEEDS = 3
DRAWS = 2000
#: Column of the table → what answered, and whether its numbers are logits.
PUBLISHED = {
    "face_mlp": ("published, faces: network on these units", False),
    "face_bilstm_logit": ("published, faces: sequence of units", True),
    "speech_w2v_logit": (
        "published, speech: 317 M parameters, epoch chosen on the tested fold",
        True,
    ),
    "their_fusion": ("published, fused", False),
}


@dataclass(frozen=True)
class Table:
    """The clips: ``names``, ``actors``, ``targets`` (n,), ``units`` (n, 35), ``folds`` (n,), and what
    ``published`` systems answered, name → (n, 8)."""

    names: list[str]
    actors: np.ndarray
    targets: np.ndarray
    units: np.ndarray
    folds: np.ndarray
    published: dict[str, np.ndarray]


def read(path: Path) -> Table:
    """Reads the table."""
    lines = read_csv(path)
    units = [name for name in lines[0] if name.startswith("AU")] if lines else []
    if len(units) != UNITS:
        raise UsageError(f"{path}: {len(units)} columns of action units; {UNITS} are needed.")

    def columns(names) -> np.ndarray:
        return np.array([[float(line[name]) for name in names] for line in lines])

    published = {}
    for key, (name, logits) in PUBLISHED.items():
        answers = columns([f"{key}_{emotion}" for emotion in EMOTIONS])
        published[name] = (
            softmax(answers, axis=1) if logits else answers / answers.sum(1, keepdims=True)
        )
    actors = np.array([f"{int(line['actor']):02d}" for line in lines])
    of = canonical.actor_folds("ravdess")
    return Table(
        [line["clip"] for line in lines],
        actors,
        np.array([EMOTIONS.index(line["emotion"]) for line in lines]),
        columns(units),
        np.array([of[actor] for actor in actors]),
        published,
    )


def learn(units: np.ndarray, targets: np.ndarray, width: int, decay: float) -> list:
    """Networks of one hidden layer that differ by their seed."""
    made = []
    for seed in range(SEEDS):
        network = MLPClassifier((width,), alpha=decay, max_iter=300, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it stops at 300 epochs, converged or not
            made.append(make_pipeline(StandardScaler(), network).fit(units, targets))
    return made


def answer(networks: list, units: np.ndarray) -> np.ndarray:
    """The mean of what they answer."""
    return np.mean([network.predict_proba(units) for network in networks], axis=0)


def out_of_fold(table: Table) -> tuple[np.ndarray, list[tuple[int, float]]]:
    """What networks answer that have not met the clip's actor, (n, 8); and what each fold chose."""
    count, chosen = table.folds.max(), []
    answers = np.zeros((len(table.targets), len(EMOTIONS)))
    for fold in progress(range(1, count + 1), what="faces", unit="folds"):
        tested, held = table.folds == fold, table.folds == fold % count + 1
        train = ~tested & ~held
        worth = {}
        for width in WIDTHS:
            for decay in DECAYS:
                networks = learn(table.units[train], table.targets[train], width, decay)
                guesses = answer(networks, table.units[held]).argmax(1)
                worth[width, decay] = balanced_accuracy_score(table.targets[held], guesses)
        chosen.append(max(worth, key=worth.get))
        networks = learn(table.units[~tested], table.targets[~tested], *chosen[-1])
        answers[tested] = answer(networks, table.units[tested])
    return answers, chosen


def speech(group: Path, names: list[str]) -> np.ndarray:
    """What the runs of a group answer from sound alone, (n, 8); NaN for clips that none tested."""
    found = {}
    for path in sorted(group.glob("fold_*/predictions.csv"), reverse=True):
        answers = Answers.read(path, EMOTIONS)
        found |= {c.clip: p for c, p in zip(answers.clips, answers.probabilities["speech"])}
    if not found:
        raise UsageError(f"{group}: no group of evaluated runs (fold_…/predictions.csv).")
    return np.array([found.get(name, np.full(len(EMOTIONS), np.nan)) for name in names])


def over_actors(table: Table, answers: np.ndarray, kept: np.ndarray) -> tuple[float, float]:
    """95 % interval of the UAR, actors drawn with replacement."""
    rng, people = np.random.default_rng(0), np.unique(table.actors)
    right = answers.argmax(1) == table.targets
    counts = np.array([
        [[np.sum(w & right), np.sum(w)] for w in (kept & (table.actors == a) & (table.targets == k)
         for k in range(len(EMOTIONS)))]
        for a in people
    ])  # fmt: skip
    drawn = counts[rng.integers(0, len(people), (DRAWS, len(people)))].sum(axis=1)
    return tuple(np.percentile((drawn[..., 0] / drawn[..., 1]).mean(axis=1), (2.5, 97.5)))


def main() -> None:
    """Prints a table in Markdown."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("table", type=Path, metavar="TABLE.csv")
    p.add_argument("--speech", type=Path, metavar="GROUP", help="runs of speech, one a fold")
    args = p.parse_args()
    table = read(args.table)
    faces, chosen = out_of_fold(table)
    rows = {"action units alone": faces}
    if args.speech:
        heard = speech(args.speech, table.names)
        product = np.sqrt(faces * heard)
        rows |= {
            "speech alone": heard,
            "both, geometric mean": product / product.sum(1, keepdims=True),
            "both, arithmetic mean": (faces + heard) / 2,
        }
    print("| answer | clips | UAR | 95 % over actors | accuracy | ECE |\n|---|---|---|---|---|---|")
    for name, answers in {**rows, **table.published}.items():
        kept = np.isfinite(answers).all(axis=1)
        s = score(EMOTIONS, table.targets[kept], answers[kept])
        low, high = over_actors(table, answers, kept)
        print(
            f"| {name} | {s['n']} | {100 * s['uar']:.1f} % | {100 * low:.1f} – {100 * high:.1f} | "
            f"{100 * s['accuracy']:.1f} % | {100 * s['ece']:.1f} % |"
        )
    print(f"\nchosen on validation actors (width, decay), fold by fold: {chosen}", file=sys.stderr)


if __name__ == "__main__":
    main()
