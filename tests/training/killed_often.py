"""Trains a run that is killed again and again: ``killed_often.py FOLDER KILLS OPTIONS``.

All attempts are forks of one process that has only imported, which saves starting Python each time.
KILLS are at random moments, and one more comes when the state of the last epoch has just been written.
Prints, as its last line, how many states each of those killed had written, as JSON.
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
from emotionnet.training.state import TrainingState


def begin(options, last_epoch=None):
    """A process that trains; it kills itself once ``last_epoch`` is in the state."""
    pid = os.fork()
    if pid:
        return pid
    if last_epoch:
        save = TrainingState.save

        def save_and_die(self, *arguments):
            save(self, *arguments)
            if self.epoch == last_epoch:
                os.kill(os.getpid(), signal.SIGKILL)

        TrainingState.save = save_and_die
    try:
        fit(**options)
        sys.stdout.flush()
        os._exit(0)
    finally:
        os._exit(1)


def kill_after(pid, state, states, delay_s):
    """Kills a process some time after it has written some states; returns how many, None if it ended."""
    seen, stamp = -1, None
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        now = state.stat().st_mtime_ns if state.exists() else None
        seen += now != stamp or seen < 0
        stamp = now
        if seen >= states:
            time.sleep(delay_s)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return seen
        time.sleep(0.0005)
    return None


def main(kills, options):
    chance, attempts = random.Random(0), []
    state = Path(options["out"], options["name"], "checkpoint", "state.npz")
    for _ in range(kills):
        pid = begin(options)
        attempts.append(kill_after(pid, state, chance.randint(2, 7), chance.uniform(0, 0.05)))
    if kills:
        code = os.waitpid(begin(options, options["epochs"]), 0)[1]
        attempts.append(os.WTERMSIG(code) == signal.SIGKILL)
    code = os.waitpid(begin(options), 0)[1]
    print(json.dumps(attempts))
    return os.waitstatus_to_exitcode(code)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[2]), {**json.loads(sys.argv[3]), "out": sys.argv[1]}))
