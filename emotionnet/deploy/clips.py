"""Which clips of a run are used for calibration, comparison and as golden ones, as arrays."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emotionnet.errors import EmotionNetError
from emotionnet.inputs.kinds import STREAMS, present


def spread(rows: Sequence, count: int, seed: int = 0) -> list:
    """Up to ``count`` rows in a seeded order, the emotions taking turns."""
    order = np.random.default_rng(seed).permutation(len(rows))
    queues: dict[str, list] = {}
    for i in order:
        queues.setdefault(rows[i].emotion, []).append(rows[i])
    picked: list = []
    while len(picked) < count and any(queues.values()):
        picked += [queue.pop(0) for queue in queues.values() if queue]
    return picked[:count]


def load(run, records, rows: Sequence) -> dict[str, np.ndarray]:
    """The inputs of the run's model for ``rows``: name → (clips, ...).

    Raises:
        EmotionNetError: a shard of the records is damaged.
    """
    from emotionnet.inputs.opening import open_source

    source = open_source(records, run.view(), run.labels)
    with records.guard():
        batches = [
            {name: np.array(values) for name, values in batch.items()}
            for batch in source.inference_batches(rows, 8)
        ]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def whole(clips: Sequence[dict], streams: Sequence[str]) -> dict[str, np.ndarray]:
    """Clips with all streams: as they are where one set of them has these, else put together of several.

    Args:
        clips: sets of inputs, of one records each.
        streams: that are needed.

    Returns:
        Of each stream the inputs of the first set that has it; as many clips as the smallest has.
    """
    having = {
        s: next((each for each in clips if present(each, s).any()), clips[0]) for s in streams
    }
    count = min(len(next(iter(each.values()))) for each in having.values())
    chosen = dict(clips[0])
    for stream, each in having.items():
        chosen |= {name: each[name] for name in STREAMS[stream].inputs}
    return {name: values[:count] for name, values in chosen.items()}


def demo_clips(run, count: int = 2) -> dict[str, np.ndarray]:
    """The inputs of a few drawn clips, which are free to ship whatever the run was trained on.

    Raises:
        EmotionNetError: no face was found in them.
    """
    from emotionnet.clips.clip import read_clip
    from emotionnet.clips.faces import FaceFinder
    from emotionnet.clips.records import parsed_of
    from emotionnet.corpora import demo

    view, finder = run.view(), FaceFinder()
    with tempfile.TemporaryDirectory() as folder:
        demo.make(folder, actors=1, takes=1, seed=0, workers=1)
        rows = spread(demo.scan(folder), count)
        clips = [read_clip(row, Path(folder), finder) for row in rows]
    if not all(clip.faces_found for clip in clips):
        raise EmotionNetError("no face was found in the drawn clips that the bundle ships.")
    viewed = [view(parsed_of(clip)) for clip in clips]
    return {name: np.stack([np.array(clip[name]) for clip in viewed]) for name in viewed[0]}
