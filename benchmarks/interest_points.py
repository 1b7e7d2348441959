"""Where interest points fire on the faces of records, as pictures; and what points and discriminants cost.

    python benchmarks/interest_points.py RECORDS --out FOLDER [--clips 3]

Writes one picture a clip: faces spread over the clip, and on them the positive response of `InterestPoints` as the system
`dv_emotionnet` takes it, all in one scale. Prints how much of a clip fires, and how the response is shared between the
upper, middle and lower third of the face; then the time of a clip's interest points and cells on one thread, and
of marginal Fisher analysis of as many rows as RAVDESS has sounds and copies (random numbers: its time does not hang
on them). The pictures show people: keep them to yourself.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from emotionnet.errors import UsageError

#: Pictures in a row, and rows.
ACROSS, DOWN = 8, 3
#: Rows of marginal Fisher analysis, their width and their classes.
SOUNDS, WIDTH, CLASSES = 4320, 162, 8


def clips_with_faces(folder: str, most: int):
    """Clips spread over the records, each as ``(name, emotion, inputs of one clip)``."""
    from emotionnet.inputs.opening import open_clips, open_source
    from emotionnet.training.run import view_of

    records = open_clips(folder)
    rows = [row for row in records.rows if row.faces_found]
    if not rows:
        raise UsageError(f"{folder}: no clip has a face.")
    rows = rows[:: max(1, len(rows) // most)][:most]
    view = view_of({"system": "dv_emotionnet", "system_config": {"streams": ("faces",)}})
    source = open_source(records, view, sorted({row.emotion for row in rows}))
    for row, batch in zip(rows, source.inference_batches(rows, 1)):
        yield row.clip, row.emotion, np.asarray(batch["faces"]), np.asarray(batch["frame_mask"])


def draw(path: Path, title: str, faces, response, shown) -> None:
    """Faces ``shown`` and on them what fires."""
    from emotionnet.evaluation.plots import make_figure

    figure, axes = make_figure(1.5 * ACROSS, 1.65 * DOWN, DOWN, ACROSS, squeeze=False)
    full = max(np.percentile(response[response > 0], 99), 1e-9) if (response > 0).any() else 1.0
    for ax in axes.flat:
        ax.axis("off")
    for ax, i in zip(axes.flat, shown):
        strength = np.clip(response[i] / full, 0, 1)
        ax.imshow(faces[i].mean(axis=-1), cmap="gray", vmin=0, vmax=255)
        ax.imshow(strength, cmap="autumn", vmin=0, vmax=1, alpha=np.sqrt(strength))
        ax.set_title(f"frame {i}", fontsize=8, pad=2)
    figure.suptitle(title, fontsize=9)
    figure.savefig(path, dpi=110)


def seconds(call, rounds: int = 5) -> float:
    """Median time of ``call``, after one that is not counted."""
    call()
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def costs(faces, mask) -> None:
    """Prints what a clip's points and cells take, and what marginal Fisher analysis does."""
    import tensorflow as tf

    from emotionnet.layers import CellHistogram, InterestPoints
    from emotionnet.systems.fits import marginal_fisher

    points, cells = InterestPoints(), CellHistogram()
    step = tf.function(lambda x, m: cells(points(x, m)))
    faces, mask = tf.constant(faces), tf.constant(mask)
    took = seconds(lambda: step(faces, mask))
    print(
        f"interest points and cells, {faces.shape[1]} faces of {faces.shape[2]} px, one thread: {took:.2f} s"
    )
    rng = np.random.default_rng(0)
    labels = np.arange(SOUNDS) % CLASSES
    rows = rng.normal(size=(SOUNDS, WIDTH)) + rng.normal(size=(CLASSES, WIDTH))[labels]
    took = seconds(lambda: marginal_fisher(rows, labels, units=WIDTH), rounds=1)
    print(f"marginal Fisher analysis of {SOUNDS} x {WIDTH}: {took:.1f} s")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("records", metavar="RECORDS")
    p.add_argument("--out", required=True, type=Path, help="folder for the pictures")
    p.add_argument("--clips", type=int, default=3)
    return p


def main() -> int:
    """Draws and prints."""
    import tensorflow as tf

    from emotionnet.layers import InterestPoints

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    args = parser().parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    points = InterestPoints()
    for clip, emotion, faces, mask in clips_with_faces(args.records, args.clips):
        response = np.maximum(np.asarray(points(faces, mask))[0], 0)
        found = np.flatnonzero(mask[0])
        shown = found[np.linspace(0, len(found) - 1, min(len(found), ACROSS * DOWN)).astype(int)]
        name = "".join(c if c.isalnum() or c in "-_." else "_" for c in clip)
        draw(args.out / f"{name}.png", f"{clip}, {emotion}", faces[0], response, shown)
        thirds = [part.sum() for part in np.array_split(response, 3, axis=1)]
        shares = ", ".join(f"{100 * part / max(response.sum(), 1e-12):.0f}" for part in thirds)
        firing = 100 * (response[found] > 0).mean()
        print(f"{clip}, {emotion}: {firing:.1f} % of pixels fire; {shares} % from top to bottom")
    costs(faces, mask)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
