"""How many clips of one's own it takes: a run fine-tuned on a few clips of one person, asked about that person's others.

    python benchmarks/make_it_yours.py RUN RECORDS --actors 01,02,03,04 [--clips 1,2,4] [--anew] --out TABLE.csv

For each actor, of each class N clips are learnt from and one more chooses the epoch; all others test. Where a class has
too few, fewer are learnt from, so that one is left to test. What the run itself answers on the same test clips
stands beside it as 0 clips. ``--anew`` gives the classes other names, so that nothing is known of them at the start.
RUN must not have met these actors. The table has a row a training; the last lines pool the actors.
"""

import argparse
import dataclasses
import os
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import emotionnet
from emotionnet.classes import Classes
from emotionnet.clips import records as r
from emotionnet.evaluation.answers import Answers, answer_rows, measure
from emotionnet.files import write_csv, write_json
from emotionnet.training.run import Run

COLUMNS = ("actor", "clips", "accuracy", "uar", "n")


def own_records(
    records: r.Records, actor: str, clips: int, most: int, anew: bool, folder: Path
) -> r.Records:
    """The clips of one person as records of a user's own folder, divided; those that test are the same for all N."""
    rng, rows = np.random.default_rng(0), []
    by_class = defaultdict(list)
    for row in sorted(records.rows, key=lambda row: row.clip):
        if row.actor == actor:
            by_class[row.emotion].append(row)
    for emotion, own in sorted(by_class.items()):
        held = min(most, len(own) - 2)
        parts = {**dict.fromkeys(range(min(clips, held)), "train"), held: "validation"}
        for place, index in enumerate(rng.permutation(len(own))):
            part = parts.get(place, "test" if place > held else "")
            name = f"my {emotion}" if anew else emotion
            rows.append(dataclasses.replace(own[index], corpus="folder", emotion=name, part=part))
    folder.mkdir()
    link_shards(records, rows, folder)
    return written(rows, records.meta, folder)


def link_shards(
    records: r.Records, rows: Sequence[r.RecordRow], folder: Path, prefix: str = ""
) -> None:
    """Links the shards of these rows of ``records`` into another folder, under names that begin with ``prefix``."""
    for shard in {row.shard for row in rows}:
        for name in (shard, f"{Path(shard).stem}.json"):
            link = folder / f"{prefix}{name}"
            if not link.exists():
                os.symlink(records.folder.resolve() / name, link)


def written(rows: list[r.RecordRow], meta: dict, folder: Path) -> r.Records:
    """Records of these rows in ``folder``, where their shards are; ``meta`` is that of records they come from."""
    r.write_record_manifest(folder / r.MANIFEST_FILE, rows)
    digest = r.manifest_hash(r.as_manifest_rows(rows))
    write_json(folder / r.META_FILE, {**meta, "manifest_hash": digest})
    return r.Records.open(folder)


def before(run: str, own: r.Records) -> Answers:
    """What the run itself answers on the test clips, over the classes that there are."""
    opened = Run.open(run)
    rows = [row for row in own.rows if row.part == "test"]
    there = {row.emotion for row in rows}
    answers = answer_rows(
        opened.model(), opened.view(), own, rows, opened.labels, opened.config["streams"]
    )
    return answers.under(Classes.of(only=[each for each in opened.labels if each in there]))


def numbers(answers: Answers) -> dict[str, float]:
    found = measure(answers, None, ("speech",))["fused"]
    return {key: found[key] for key in ("accuracy", "uar", "n")}


def main(argv: Sequence[str] | None = None) -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("run")
    p.add_argument("records")
    p.add_argument("--actors", required=True)
    p.add_argument("--clips", default="1,2,4")
    p.add_argument("--anew", action="store_true")
    p.add_argument("--out", required=True)
    args = p.parse_args(argv)
    records, lines, pooled = r.Records.open(args.records), [], defaultdict(list)
    counts = [int(count) for count in args.clips.split(",")]

    def keep(actor: str, clips: int, answers: Answers) -> None:
        pooled[clips].append(answers)
        lines.append({"actor": actor, "clips": clips, **numbers(answers)})
        print(lines[-1], flush=True)
        write_csv(Path(args.out), lines, COLUMNS)

    with tempfile.TemporaryDirectory() as work:
        for actor in args.actors.split(","):
            for clips in counts:
                place = Path(work) / f"{actor}_{clips}"
                own = own_records(records, actor, clips, max(counts), args.anew, place)
                if not args.anew and clips == counts[0]:
                    keep(actor, 0, before(args.run, own))
                run = emotionnet.fit(
                    records=own.folder, init=args.run, protocol="given", out=Path(work) / "runs",
                    name=place.name,
                )  # fmt: skip
                keep(actor, clips, Answers.read(run / "predictions.csv", Run.open(run).labels))
    for clips, answers in sorted(pooled.items()):
        lines.append({"actor": "all", "clips": clips, **numbers(Answers.pool(answers))})
        print(lines[-1])
    write_csv(Path(args.out), lines, COLUMNS)


if __name__ == "__main__":
    main()
