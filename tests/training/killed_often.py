"""Trains a group of runs that is killed again and again: ``killed_often.py FOLDER KILLS OPTIONS``.

All attempts are forks of one process that has only imported, which saves starting Python each time.
Prints, as JSON, for every kill how many states had been written, and the models that were finished.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from emotionnet.evaluation import answers, report  # noqa: F401 (takes time: once is enough)
from emotionnet.fit import fit
from emotionnet.systems import ghost_fan  # noqa: F401
from emotionnet.training import train  # noqa: F401


def begin(options):
    """A process that trains."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            fit(**options)
            code = 0
        finally:
            os._exit(code)
    return pid


def kill_after(pid, top, states, delay_s):
    """Kills a process so long after it has written so many states; how many, None if it ended."""
    seen, stamp = 0, {path: path.stat().st_mtime_ns for path in top.glob("*/checkpoint/state.npz")}
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        for path in top.glob("*/checkpoint/state.npz"):
            try:
                now = path.stat().st_mtime_ns
            except FileNotFoundError:
                continue
            seen += stamp.get(path) != now
            stamp[path] = now
        if seen >= states:
            time.sleep(delay_s)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return seen
        time.sleep(0.0005)
    return None


def main(out, kills, options):
    chance = random.Random(0)
    top, attempts = Path(out) / options["name"], []
    for _ in range(kills):
        pid = begin({**options, "out": out, "resume": "auto"})
        states = kill_after(pid, top, chance.randint(1, 9), chance.uniform(0, 0.05))
        models = {str(p): p.stat().st_mtime_ns for p in top.glob("*/model.keras")}
        attempts.append({"states": states, "models": models})
    code = os.waitpid(begin({**options, "out": out, "resume": "auto"}), 0)[1]
    print(json.dumps(attempts))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])))
