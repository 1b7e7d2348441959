"""System 1's speech branches under every protocol: how much of the paper's 97 % is leakage?

    python benchmarks/paper_speech.py --records RECORDS --out FOLDER [--branches S3] [--protocols stratified]

Trains S1, S2 and S3 of ``ghost_fan`` on RAVDESS speech under ``actor_folds``, ``stratified``, ``random``
and ``random_copies``, without augmentation and with the paper's (`COPIES`). A training with copies has
as many steps as one without. The cells that matter most come first; finished runs are left alone, so
that it can be stopped and started again. After every run ``table.md`` and ``cells.csv`` are written
anew; ``python -m emotionnet.compare FOLDER/runs/*`` shows all of it as a page.
"""

import argparse
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

BRANCHES = ("S1", "S2", "S3")
PROTOCOLS = ("actor_folds", "stratified", "random", "random_copies")
#: The paper's noise, pitch and speed, as copies that are made once: they "expand the dataset".
COPIES = ("pitch", "stretch", "noise20")
#: What the paper prints for each branch, fused with its face stream F4; it has no figure of speech alone.
PAPER = {"S1": 97.35, "S2": 97.56, "S3": 96.74}
FOLDS = range(1, 7)


class Cell(NamedTuple):
    """A training: which branch, divided how, with the paper's copies or not."""

    speech: str
    protocol: str
    augment: str
    fold: int = 1
    seed: int = 0
    long: bool = False

    @property
    def group(self) -> str:
        """Name of the folder of all folds and seeds of this setting."""
        return "-".join(
            [self.speech, self.protocol, self.augment, *(["long"] if self.long else ())]
        )


def plan() -> list[Cell]:
    """All trainings, what matters most first."""
    cells = [Cell("S2", "stratified", "none"), Cell("S2", "random", "none")]
    cells += [Cell("S2", "actor_folds", "none", fold) for fold in FOLDS]
    cells += [Cell("S2", protocol, "paper") for protocol in reversed(PROTOCOLS)]
    for seed in (1, 2):
        cells += [Cell("S2", "stratified", "none", 1, seed)]
        cells += [Cell("S2", "actor_folds", "none", fold, seed) for fold in FOLDS]
    for speech in ("S1", "S3"):
        cells += [Cell(speech, protocol, "none") for protocol in PROTOCOLS[:3]]
        cells += [Cell(speech, protocol, "paper") for protocol in PROTOCOLS]
    for speech in ("S1", "S3"):
        cells += [Cell(speech, "actor_folds", "none", fold) for fold in FOLDS[1:]]
    # Copies are learnt by heart late: the leak again, with four times the steps.
    cells += [Cell("S2", protocol, "paper", long=True) for protocol in PROTOCOLS[2:]]
    cells += [Cell("S2", "actor_folds", "paper", fold) for fold in FOLDS[1:]]
    return cells


def train(cell: Cell, args: argparse.Namespace) -> None:
    """One run, to its evaluation."""
    import keras

    from emotionnet.fit import fit

    keras.backend.clear_session()
    epochs = args.epochs * (4 if cell.long else 1)
    with_copies = cell.augment == "paper"
    fit(
        records=args.records,
        system_config={"speech": cell.speech},
        streams="speech",
        protocol=cell.protocol,
        folds=[cell.fold],
        seeds=[cell.seed],
        epochs=epochs // (1 + len(COPIES)) if with_copies else epochs,
        patience=0,
        augment=cell.augment,
        augmentation={"copies": COPIES, "noise_share": 0.0} if with_copies else None,
        out=args.out / "runs" / cell.group,
        name=f"fold_{cell.fold}_seed_{cell.seed}",
        resume=True,
    )


def candidates(out: Path) -> dict:
    """Group → its evaluated runs, as `emotionnet.compare` reads them."""
    from emotionnet.evaluation.comparison import Candidate, RunResult

    found = defaultdict(list)
    for path in sorted((out / "runs").glob("*/*/metrics.json")):
        found[path.parent.parent.name].append(RunResult.read(path.parent))
    return {name: Candidate(name, runs) for name, runs in found.items()}


def markdown(found: dict) -> str:
    """Accuracy and UAR of every cell, branch by branch, side by side with the paper's figure."""
    lines = [
        "| branch | protocol | copies | accuracy, % | Wilson 95 % | UAR, % | 95 % over actors | runs |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for speech in BRANCHES:
        for protocol in PROTOCOLS:
            for augment in ("none", "paper", "paper-long"):
                one = found.get(f"{speech}-{protocol}-{augment}")
                if one:
                    lines.append(f"| {speech} | `{protocol}` | {augment} | {_numbers(one)} |")
        lines.append(
            f"| {speech} | the paper's, with faces (F4, GM) | paper | {PAPER[speech]} | | | | |"
        )
    return "\n".join(lines) + "\n"


def _numbers(one) -> str:
    def spread(measured: str) -> str:
        over = one.over("speech", measured)
        mean = f"{100 * over['mean']:.1f}"
        return mean if over["sd"] is None else f"{mean} ± {100 * over['sd']:.1f}"

    def ends(interval) -> str:
        return f"{100 * interval[0]:.1f} – {100 * interval[1]:.1f}"

    folds, seeds = len(one.each("fold")), len(one.each("seed"))
    shape = f"{folds} fold{'s' * (folds > 1)} × {seeds} seed{'s' * (seeds > 1)}"
    runs = shape if folds * seeds == len(one.runs) else f"{len(one.runs)} of {shape}"
    cells = [spread("accuracy"), ends(one.scores["speech"]["interval_95"])]
    cells += [spread("uar"), ends(one.uar_over_people("speech")), runs]
    return " | ".join(cells)


def write_tables(out: Path) -> str:
    """Writes ``table.md`` and ``cells.csv`` of what is finished."""
    from emotionnet.evaluation.comparison import table
    from emotionnet.files import write_csv, write_text

    found = candidates(out)
    text = markdown(found)
    rows = table(list(found.values()))
    write_csv(out / "cells.csv", rows, list(rows[0]))
    write_text(out / "table.md", text)
    return text


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--records", required=True, help="prepared RAVDESS speech records")
    p.add_argument("--out", required=True, type=Path)
    p.add_argument("--epochs", type=int, default=40, help="without copies (%(default)s)")
    p.add_argument("--branches", default=",".join(BRANCHES), help="only these (%(default)s)")
    p.add_argument("--protocols", default=",".join(PROTOCOLS), help="only these (%(default)s)")
    p.add_argument("--table", action="store_true", help="train nothing, write the tables")
    return p


def main() -> int:
    """Trains what is not trained yet, and prints the table."""
    args = parser().parse_args()
    branches, protocols = args.branches.split(","), args.protocols.split(",")
    wanted = [c for c in plan() if c.speech in branches and c.protocol in protocols]
    cells = [] if args.table else wanted
    for number, cell in enumerate(cells, start=1):
        folder = args.out / "runs" / cell.group / f"fold_{cell.fold}_seed_{cell.seed}"
        if (folder / "metrics.json").is_file():
            continue
        started = time.monotonic()
        train(cell, args)
        write_tables(args.out)
        print(f"{number}/{len(cells)} {folder}: {time.monotonic() - started:.0f} s", flush=True)
    print(write_tables(args.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
