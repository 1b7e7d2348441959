"""System 1's speech branches under every protocol: how much of the paper's 97 % is leakage?

    python -m emotionnet.fit --recipe benchmarks/paper_speech.py --records RECORDS --out FOLDER
    python benchmarks/paper_speech.py FOLDER/paper_speech

The first command is a recipe (`RUNS`): it trains S1, S2 and S3 of ``ghost_fan`` on RAVDESS speech under ``actor_folds``,
``stratified``, ``random`` and ``random_copies``, without augmentation and with the paper's (`COPIES`). A training with
copies has as many steps as one without. What matters most comes first; the same command continues where it was stopped.
The second writes ``table.md`` and ``cells.csv`` of what is finished so far; ``python -m emotionnet.compare
FOLDER/paper_speech/*/`` shows all of it as a page.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

BRANCHES = ("S1", "S2", "S3")
PROTOCOLS = ("actor_folds", "stratified", "random", "random_copies")
#: The paper's noise, pitch and speed, as copies that are made once: they "expand the dataset".
COPIES = ("pitch", "stretch", "noise20")
#: Epochs without copies.
EPOCHS = 40
#: What the paper prints for each branch, fused with its face stream F4; it has no figure of speech alone.
PAPER = {"S1": 97.35, "S2": 97.56, "S3": 96.74}


def run(speech: str, protocol: str, copies: str = "none", **others: Any) -> dict[str, Any]:
    """A run of the recipe: which branch, divided how, with the paper's copies or not; ``others`` are folds and seeds."""
    settings = {"streams": "speech", "patience": 0, "augment": "none", "epochs": EPOCHS}
    if copies != "none":
        # Copies are learnt by heart late: "paper-long" is the leak again, with four times the steps.
        steps = EPOCHS * (4 if copies == "paper-long" else 1)
        settings |= {"augment": "paper", "copies": COPIES, "noise_share": 0.0}
        settings["epochs"] = steps // (1 + len(COPIES))
    name = f"{speech}-{protocol}-{copies}"
    return {"name": name, "speech": speech, "protocol": protocol, **settings, **others}


RUNS = (
    run("S2", "stratified", seeds=(0, 1, 2)),
    run("S2", "random"),
    run("S2", "actor_folds", folds="all", seeds=(0, 1, 2)),
    *(run("S2", protocol, "paper") for protocol in reversed(PROTOCOLS[1:])),
    run("S2", "actor_folds", "paper", folds="all"),
    *(
        each
        for speech in ("S1", "S3")
        for each in (
            run(speech, "actor_folds", folds="all"),
            *(run(speech, protocol) for protocol in PROTOCOLS[1:3]),
            *(run(speech, protocol, "paper") for protocol in PROTOCOLS),
        )
    ),
    *(run("S2", protocol, "paper-long") for protocol in PROTOCOLS[2:]),
)


def candidates(folder: Path) -> dict:
    """Name → its evaluated runs, as `emotionnet.compare` reads them."""
    from emotionnet.evaluation.comparison import Candidate, RunResult
    from emotionnet.training.run import group_members

    found = {}
    for name in (each["name"] for each in RUNS):
        members = group_members(folder / name) or [folder / name]
        done = [member for member in members if (member / "metrics.json").is_file()]
        if done:
            found[name] = Candidate(name, [RunResult.read(member) for member in done])
    return found


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
    cells += [spread("uar"), ends(one.uar_over_people["speech"]), runs]
    return " | ".join(cells)


def main() -> int:
    """Writes and prints the tables of what is finished."""
    from emotionnet.evaluation.comparison import table
    from emotionnet.files import write_csv, write_text

    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("folder", type=Path, help="of the recipe's runs")
    folder = p.parse_args().folder
    found = candidates(folder)
    text, rows = markdown(found), table(list(found.values()))
    if rows:
        write_csv(folder / "cells.csv", rows)
    write_text(folder / "table.md", text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
