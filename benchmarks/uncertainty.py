"""Does asking for the most uncertain clips help? Accuracy against labels used, by scheme.

    python -m emotionnet.fit --recipe benchmarks/uncertainty.py --records RECORDS --out FOLDER --streams speech
    python benchmarks/uncertainty.py FOLDER/uncertainty

The first command is a recipe (`RUNS`): it trains the same system with ``uncertainty``, ``random`` and ``all``, three times:
seed 0 on fold 1, seed 1 on fold 2, seed 2 on fold 3 (with ``--fold 1`` all on fold 1). All schemes of a seed start from the
same weights, and the first two from the same start set; after each epoch both know as many labels. The same command
continues where it was stopped. The second writes ``curves.csv``, ``curves.png`` and ``summary.md`` of the seeds that are
trained in all three.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

SCHEMES = ("uncertainty", "random", "all")
SEEDS = (0, 1, 2)
#: Epochs over which the curves are averaged: one epoch's accuracy jumps about.
SMOOTH = 5

RUNS = tuple(
    {
        "name": f"{scheme}-{seed}",
        "folds": (seed + 1,),
        "seeds": (seed,),
        "epochs": 40,
        "patience": 0,
        "augment": "none",
        "learning": scheme,
        "start_fraction": "1/3",
        "per_epoch": 12,
    }
    for seed in SEEDS
    for scheme in SCHEMES
)


def read_run(folder: Path) -> dict:
    """Curve, test answers and times of a run."""
    from emotionnet.evaluation.answers import Answers
    from emotionnet.files import read_csv
    from emotionnet.training.run import Run

    run = Run.open(folder)
    history = read_csv(folder / "history.csv")
    answers = Answers.read(folder / "predictions.csv", run.labels)
    targets = np.array([run.labels.index(clip.emotion) for clip in answers.clips])
    return {
        "labels": np.array([int(row["labels_used"]) for row in history]),
        "accuracy": np.array([float(row["val_accuracy"]) for row in history]),
        "train_s": sum(float(row["seconds"]) for row in history),
        "pool_s": sum(float(row.get("pool_s") or 0) for row in history),
        "right": answers.probabilities["fused"].argmax(axis=1) == targets,
    }


def smooth(values: np.ndarray) -> np.ndarray:
    """Mean over the last `SMOOTH` values, fewer at the start."""
    return np.array([values[max(0, i + 1 - SMOOTH) : i + 1].mean() for i in range(len(values))])


def draw(runs: dict[str, list[dict]], title: str, path: Path) -> None:
    """Accuracy against labels used, and against epochs: the network also gets better with time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    by_labels, by_epoch = figure.subplots(1, 2, sharey=True)
    for scheme, colour in zip(SCHEMES, ("#b03a2e", "#2e6db0", "#6b6b6b")):
        curves = 100 * np.array([smooth(run["accuracy"]) for run in runs[scheme]])
        mean, sd = curves.mean(axis=0), curves.std(axis=0, ddof=min(1, len(curves) - 1))
        places = [(by_epoch, np.arange(1, len(mean) + 1))]
        if scheme == "all":  # every label from the first epoch on: a level, not a curve
            by_labels.axhline(
                mean[-1], color=colour, linestyle="--", label="all labels, at the end"
            )
            by_labels.axhspan(mean[-1] - sd[-1], mean[-1] + sd[-1], color=colour, alpha=0.1, lw=0)
        else:
            places.append((by_labels, np.mean([run["labels"] for run in runs[scheme]], axis=0)))
        for axes, x in places:
            axes.plot(x, mean, color=colour, label=scheme)
            axes.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.15, lw=0)
    by_labels.set(xlabel="labels used", ylabel="accuracy on validation actors, %")
    by_epoch.set(xlabel="epoch")
    for axes in (by_labels, by_epoch):
        axes.legend(loc="lower right", frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=110)


def summarise(runs: dict[str, list[dict]]) -> str:
    """A Markdown table and the paired differences."""
    from emotionnet.evaluation.intervals import mean_and_sd, wilson
    from emotionnet.evaluation.report import spread

    lines = [
        "| scheme | labels at the end | test accuracy, mean ± sd | pooled, 95 % interval | "
        "validation accuracy over all epochs, mean ± sd | training, s | pool, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for scheme in SCHEMES:
        mine = runs[scheme]
        test = spread(*mean_and_sd([run["right"].mean() for run in mine]))
        area = spread(*mean_and_sd([run["accuracy"].mean() for run in mine]))
        pooled = np.concatenate([run["right"] for run in mine])
        low, high = wilson(pooled.mean(), len(pooled))
        lines.append(
            f"| {scheme} | {np.mean([run['labels'][-1] for run in mine]):.0f} "
            f"| {test} "
            f"| {100 * pooled.mean():.1f} ({100 * low:.1f} to {100 * high:.1f}), n = {len(pooled)} "
            f"| {area} "
            f"| {np.mean([run['train_s'] for run in mine]):.0f} "
            f"| {np.mean([run['pool_s'] for run in mine]):.1f} |"
        )
    for other in ("random", "all"):
        pairs = list(zip(runs["uncertainty"], runs[other]))
        test = [100 * (a["right"].mean() - b["right"].mean()) for a, b in pairs]
        area = [100 * (a["accuracy"].mean() - b["accuracy"].mean()) for a, b in pairs]
        low, high = bootstrap([a["right"].astype(float) - b["right"] for a, b in pairs])
        lines += [
            "",
            f"uncertainty less {other}, points: test {', '.join(f'{d:+.1f}' for d in test)} "
            f"(95 % interval of the mean over clips {low:+.1f} to {high:+.1f}); validation over all "
            f"epochs {', '.join(f'{d:+.1f}' for d in area)}",
        ]
    return "\n".join(lines)


def bootstrap(differences: list[np.ndarray], draws: int = 10_000) -> tuple[float, float]:
    """95 % interval in points of the mean difference, clips drawn anew within each run."""
    rng = np.random.default_rng(0)
    means = np.mean(
        [d[rng.integers(0, len(d), (draws, len(d)))].mean(axis=1) for d in differences], axis=0
    )
    low, high = np.percentile(100 * means, [2.5, 97.5])
    return float(low), float(high)


def main() -> int:
    from emotionnet.files import write_csv, write_text
    from emotionnet.training.run import Run

    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("folder", type=Path, help="of the recipe's runs")
    folder = p.parse_args().folder
    seeds = [
        seed
        for seed in SEEDS
        if all((folder / f"{scheme}-{seed}" / "predictions.csv").is_file() for scheme in SCHEMES)
    ]
    if not seeds:
        p.error(f"{folder}: no seed is trained with all of {', '.join(SCHEMES)}")
    runs = {scheme: [read_run(folder / f"{scheme}-{seed}") for seed in seeds] for scheme in SCHEMES}
    rows = [
        {"scheme": scheme, "seed": seed, "epoch": epoch + 1, "labels": labels, "accuracy": accuracy}
        for scheme in SCHEMES
        for seed, run in zip(seeds, runs[scheme])
        for epoch, (labels, accuracy) in enumerate(zip(run["labels"], run["accuracy"]))
    ]
    write_csv(folder / "curves.csv", rows)
    config = Run.open(folder / RUNS[0]["name"]).config
    what = f"{config['corpus']}, {' and '.join(config['streams'])}, {config['system']}"
    draw(runs, f"{what}: seeds {', '.join(map(str, seeds))}", folder / "curves.png")
    summary = summarise(runs)
    write_text(folder / "summary.md", summary + "\n")
    print(summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
