"""Clips read by several processes at once, in order, each process on its own.

A process that dies (a decoder that crashes, memory that runs out) takes only its clip with it: the
clip is reported and a new process continues. The processes are started as commands and talk through
pipes, so that callers need no ``if __name__ == "__main__"`` and nothing of theirs is copied.
"""

import dataclasses
import os
import queue
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import cv2

from emotionnet.clips.clip import ClipData, read_clip
from emotionnet.clips.faces import FaceFinder
from emotionnet.clips.wire import BrokenMessage, receive, receive_result, send, send_result
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import BadClip, EmotionNetError, UnreadClip

#: Each process holds pictures of a second, some 0.7 GB at 720 lines, so more are not the default.
MOST_WORKERS = 8
#: Clips that may be finished ahead of the one that is waited for, for each process.
AHEAD = 4
#: Exit codes of a process that died of what it did itself: with the same clip it would again.
_CRASHES = {
    *(-each for each in (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)),
    # Of Windows: a wrong address, instruction or division, no stack left, a damaged heap, a failed check.
    *(0xC0000005, 0xC000001D, 0xC0000094, 0xC00000FD, 0xC0000374, 0xC0000409),
}
#: What a process runs.
PROGRAM = "from emotionnet.clips.workers import serve; serve()"


def default_workers() -> int:
    """The number of processor cores that this process may use, up to `MOST_WORKERS`."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    return min(cores, MOST_WORKERS)


def read_clips(
    rows: Sequence[ManifestRow], root: str | os.PathLike, workers: int | None = None
) -> Iterator[tuple[ManifestRow, ClipData | BadClip]]:
    """Reads clips with `emotionnet.clips.clip.read_clip`.

    Args:
        rows: which clips.
        root: folder that their files are relative to.
        workers: processes; by default one a core. Any number gives the same bytes. 0 reads in this
            process.

    Yields:
        Each row, in the order given, with its clip or the reason why it cannot be used.

    Raises:
        EmotionNetError: a library is missing or cannot be loaded.
    """
    root = os.path.abspath(root)
    if workers == 0:
        finder = FaceFinder()
        for row in rows:
            yield row, checked(_try_read(row, root, finder))
        return
    workers = min(workers or default_workers(), len(rows))
    idle: queue.SimpleQueue[ClipReader] = queue.SimpleQueue()
    crew = [ClipReader() for _ in range(workers)]
    for worker in crew:
        idle.put(worker)

    def read(row: ManifestRow):
        worker = idle.get()
        try:
            return worker.read(row, root)
        finally:
            idle.put(worker)

    pool = ThreadPoolExecutor(max(1, workers))
    waiting: deque = deque()
    try:
        for row in rows:
            waiting.append((row, pool.submit(read, row)))
            if len(waiting) > AHEAD * workers:
                first, result = waiting.popleft()
                yield first, checked(result.result())
        while waiting:
            first, result = waiting.popleft()
            yield first, checked(result.result())
    finally:
        for worker in crew:
            worker.close()
        pool.shutdown(wait=True, cancel_futures=True)
        for worker in crew:
            worker.close()


def _try_read(row: ManifestRow, root: str, finder: FaceFinder) -> ClipData | Exception:
    try:
        return read_clip(row, root, finder)
    except BadClip as error:
        return error
    except ImportError as error:
        return EmotionNetError(
            f"a library is missing or cannot be loaded: {error}. "
            "Install the project with TensorFlow: pip install 'emotionnet[cpu]'"
        )
    except Exception as error:  # whatever is wrong with one clip must not stop a corpus
        kind = UnreadClip if isinstance(error, OSError | MemoryError) else BadClip
        return kind(f"unexpected {type(error).__name__}: {error}".splitlines()[0])


def checked(result: ClipData | Exception) -> ClipData | BadClip:
    """The result of reading a clip, unless it stops the corpus.

    Raises:
        EmotionNetError: it is not the clip's fault.
    """
    if isinstance(result, Exception) and not isinstance(result, BadClip):
        raise result
    return result


class ClipReader:
    """One process that reads clips, started when first needed, and again after it died."""

    def __init__(self):
        self._process: subprocess.Popen | None = None
        self._closed = False

    def read(self, row: ManifestRow, root: str) -> ClipData | Exception:
        """The clip, or the reason why there is none; give it to `checked`."""
        if self._closed:
            return UnreadClip("was not read, since reading was stopped")
        try:
            if self._process is None:
                self._process = self._start()
                receive(self._process.stdout)  # ready
        except (EOFError, OSError, BrokenMessage):
            code = self._end()
            return EmotionNetError(f"the process that reads clips cannot start ({_death(code)})")
        try:
            send(self._process.stdin, {"row": dataclasses.asdict(row), "root": root})
            return receive_result(self._process.stdout)
        except (EOFError, OSError, BrokenMessage):
            code = self._end()
            kind = BadClip if code in _CRASHES else UnreadClip
            return kind(f"the process that read it died ({_death(code)})")

    def close(self) -> None:
        """Ends the process, even while it reads."""
        self._closed = True
        process = self._process
        if process is not None:
            process.kill()
            process.wait()

    def _end(self) -> int | None:
        """Clears up after a process that broke off; its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        process.kill()
        process.stdout.close()
        with suppress(OSError):
            process.stdin.close()
        return process.wait()

    def _start(self) -> subprocess.Popen:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2"),
            # Where TensorFlow replaces LiteRT: many processes would crowd a GPU.
            "CUDA_VISIBLE_DEVICES": "-1",
        }
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )


def _death(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"{name}: out of memory, or killed" if name == "SIGKILL" else name


def serve() -> None:
    """The loop of a worker process: rows come in on stdin, clips go out on stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Whatever a library prints must not get between the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    cv2.setNumThreads(1)  # there is a process for every core
    finder = FaceFinder()
    try:
        send(answers, {"kind": "ready"})
        while True:
            request, _ = receive(requests)
            row = ManifestRow(**request["row"])
            send_result(answers, _try_read(row, request["root"], finder))
    except (EOFError, BrokenMessage, BrokenPipeError):
        os._exit(0)  # the parent is gone, and with it whoever would read what is buffered
