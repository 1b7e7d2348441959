"""A picture of sampled faces per emotion: the quickest way to see what a corpus became."""

import os
from collections.abc import Sequence

import cv2
import numpy as np

from emotionnet.clips.records import RecordRow, Records, parse
from emotionnet.emotions import label_order
from emotionnet.files import atomic_path

#: Faces a row.
COLUMNS = 8


def write_contact_sheet(path: str | os.PathLike, records: Records) -> bool:
    """Writes a PNG with a row of faces for each emotion, from as many actors as it can.

    Returns:
        Whether there was any face to show; nothing is written otherwise.
    """
    from matplotlib.figure import Figure  # without pyplot, whose backend is the caller's business

    seen = [row for row in records.rows if row.faces_found]
    emotions = label_order(row.emotion for row in seen)
    if not emotions:
        return False
    samples = {e: sample([row for row in seen if row.emotion == e], COLUMNS) for e in emotions}
    columns = max(len(rows) for rows in samples.values())
    figure = Figure(figsize=(1.3 * columns, 1.5 * len(emotions)), dpi=100)
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.97, 0.04, 0.18)
    grid = figure.subplots(len(emotions), columns, squeeze=False)
    for axis in grid.flat:
        axis.set_axis_off()
    for axes, (emotion, rows) in zip(grid, samples.items()):
        for axis, row, example in zip(axes, rows, records.dataset(rows)):
            axis.imshow(_middle_face(parse(example)["jpegs"].numpy()))
            axis.set_title(f"{emotion} {row.actor}".strip(), fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
    return True


def sample(rows: Sequence[RecordRow], count: int) -> list[RecordRow]:
    """Up to ``count`` rows, actor by actor, evenly over the actors; the same ones every time."""
    by_actor: dict[str, list[RecordRow]] = {}
    for row in rows:
        by_actor.setdefault(row.actor, []).append(row)
    rounds = max((len(mine) for mine in by_actor.values()), default=0)
    in_turn = [mine[i] for i in range(rounds) for mine in by_actor.values() if i < len(mine)]
    # Where there are more actors than places, spread over all of them.
    pool = in_turn[: max(count, len(by_actor))]
    picked = np.linspace(0, len(pool) - 1, min(count, len(pool))).round().astype(int)
    return [pool[i] for i in picked]


def _middle_face(jpegs: np.ndarray) -> np.ndarray:
    faces = [jpeg for jpeg in jpegs if jpeg]
    return cv2.imdecode(np.frombuffer(faces[len(faces) // 2], np.uint8), cv2.IMREAD_COLOR)[
        ..., ::-1
    ]
