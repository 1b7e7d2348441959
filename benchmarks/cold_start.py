"""How long a command takes from nothing: ``--help`` of every verb, and one clip answered.

    python benchmarks/cold_start.py [--bundle DIR] [--run DIR] [--clip FILE] [--times 5] [--json FILE]

Each is a process of its own; its time by the clock and its processor time, medians. The clip is a drawn one of 2
seconds, the bundle the one of the checkout. With ``--run`` a run answers, too, which takes TensorFlow.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from emotionnet.corpora import demo
from emotionnet.corpora.media import write_clip
from emotionnet.files import write_json

CHECKOUT = Path(__file__).resolve().parents[1]
BUNDLE = CHECKOUT / "saved_models" / "demo_bundle"


def verbs() -> list[str]:
    """Modules that are commands."""
    paths = sorted((CHECKOUT / "emotionnet").glob("*.py"))
    return [path.stem for path in paths if "def parser()" in path.read_text(encoding="utf-8")]


def timed(words: Sequence[str], times: int) -> dict[str, float]:
    """Medians of ``wall`` and ``processor`` seconds of ``python -m emotionnet.<words>``."""
    found = []
    for _ in range(times):
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", f"emotionnet.{words[0]}", *words[1:]]
        done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT)
        wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found.append((wall, used))
    wall, processor = (round(statistics.median(column), 2) for column in zip(*found))
    return {"wall_s": wall, "processor_s": processor}


def drawn(place: Path) -> Path:
    """A clip of the demo corpus, written to ``place``."""
    take = demo.Take(0, 12, "happy", 1)
    return write_clip(place, demo.frames(take), demo.FPS, demo.samples(take))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--bundle", type=Path, default=BUNDLE)
    p.add_argument("--run", type=Path)
    p.add_argument("--clip", type=Path)
    p.add_argument("--times", type=int, default=5)
    p.add_argument("--json", type=Path)
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as work:
        clip = (args.clip or drawn(Path(work, "happy.mp4"))).resolve()
        asked = {f"{verb} --help": [verb, "--help"] for verb in verbs()}
        for what, place in (("bundle", args.bundle), ("run", args.run)):
            if place:
                asked[f"predict, of a {what}"] = ["predict", os.path.abspath(place), str(clip)]
        rows = {}
        for name, words in asked.items():
            rows[name] = timed(words, args.times)
            times = "{wall_s:6.2f} s, {processor_s:6.2f} s of processor time".format(**rows[name])
            print(f"{name:<24} {times}", flush=True)
    if args.json:
        write_json(args.json, rows)


if __name__ == "__main__":
    main()
