"""What a model that has learnt from two corpora gains on a third, whose people it never heard.

    python benchmarks/two_corpora.py FIRST SECOND THIRD --out DIR [--seeds 3]

All three are prepared records. `ghost_fan`'s light speech network learns from the first, from the second and from both,
on the classes that all three have; each time on all people but those of fold 1, of whom some choose the epoch. Then all
clips of the third corpus are asked. Answers of the seeds are pooled; the interval is over the third's clips, so that
more seeds do not make it narrower. It resumes where it was stopped.
"""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from make_it_yours import link_shards, written

import emotionnet
from emotionnet.clips import records as r
from emotionnet.emotions import EMOTIONS
from emotionnet.evaluation.answers import Answers, answer_rows, measure
from emotionnet.evaluation.intervals import wilson
from emotionnet.files import write_csv
from emotionnet.training.run import Run


def joined(parts: Sequence[r.Records], folder: Path) -> r.Records:
    """Several records as one, by links to their shards; whose clips are named alike is refused when it is read."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, part in enumerate(parts):
        link_shards(part, part.rows, folder, f"{number}-")
        rows += [dataclasses.replace(row, shard=f"{number}-{row.shard}") for row in part.rows]
    return written(rows, {**parts[0].meta, "clips": len(rows)}, folder)


def numbers(answers: Answers, clips: int) -> dict[str, float]:
    """Accuracy and UAR of all seeds' answers; the interval is that of so many clips."""
    found = measure(answers, None, ("speech",))["fused"]
    low, high = wilson(found["accuracy"], clips)
    return {
        "accuracy": found["accuracy"],
        "low": low,
        "high": high,
        "uar": found["uar"],
        "clips": clips,
    }


def main(argv: Sequence[str] | None = None) -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("first")
    p.add_argument("second")
    p.add_argument("third")
    p.add_argument("--out", required=True, type=Path)
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--epochs", type=int, help="fewer than usual, for a look")
    args = p.parse_args(argv)
    first, second, third = (r.Records.open(each) for each in (args.first, args.second, args.third))
    own = [{row.emotion for row in each.rows} for each in (first, second, third)]
    shared = [each for each in EMOTIONS if all(each in of for of in own)]
    asked = [row for row in third.rows if row.emotion in shared]
    print(f"{len(asked)} of {len(third.rows)} clips: {', '.join(shared)}")
    learnt_from = {
        "first": first,
        "second": second,
        "both": joined([first, second], args.out / "both"),
    }

    lines = []
    for name, records in learnt_from.items():
        told = []
        for seed in range(args.seeds):
            run = emotionnet.fit(
                records=records.folder, streams="speech", speech="logmel", only=shared, folds=(1,), seeds=(seed,),
                epochs=args.epochs, out=args.out / "runs", name=f"{name}_{seed}", resume="auto",
            )  # fmt: skip
            run = Run.open(run)
            streams = run.config["streams"]
            told.append(answer_rows(run.model(), run.view(), third, asked, run.labels, streams))
        lines.append({"learnt from": name, **numbers(Answers.pool(told), len(asked))})
        print(lines[-1], flush=True)
        write_csv(args.out / "table.csv", lines)


if __name__ == "__main__":
    main()
