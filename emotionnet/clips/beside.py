"""Stages of work side by side: each has threads of its own, and the items keep their order.

Decoders, OpenCV, LiteRT and NumPy let other threads run while they work, so threads share the work among the cores.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item, Result = TypeVar("Item"), TypeVar("Result")
_END = object()


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yields items; while one is worked on, a thread asks for the next.

    Args:
        items: an error that it raises is raised here, when its turn comes.
    """
    source = iter(items)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, source, _END)
        while (item := coming.result()) is not _END:
            coming = thread.submit(next, source, _END)
            yield item
            del item  # what was worked on is not held while the next one is waited for


def after(
    work: Callable[[Item], Result], items: Iterable[Item], most: int, threads: int = 1
) -> Iterator[Result]:
    """Yields ``work(item)`` for each item, in order; threads do that while the next items are asked for.

    Args:
        work: an error that it raises is raised here, when its turn comes.
        items: asked for in the thread of the caller.
        most: items that may wait, or be finished, beside the one that is waited for.
        threads: how many work at once.
    """
    pool = ThreadPoolExecutor(threads)
    waiting: deque = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            del item
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
