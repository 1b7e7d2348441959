"""A bundle streams as its run does."""

import numpy as np

from emotionnet.deploy.bundle import open_run
from emotionnet.streaming.parts import open_parts


def check_same_parts(bundle, run, limit=1e-4):
    """The same codes of a moment, with and without each stream, and the same answers from them."""
    ours, theirs = (open_parts(open_run(folder)) for folder in (bundle, run))
    for name in ("segments", "window", "longest", "segment_s", "context", "width", "streams"):
        assert getattr(ours, name) == getattr(theirs, name), name
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (ours.segments, 32, 32, 3)).astype(np.uint8)
    sound = rng.normal(0, 0.1, ours.window).astype(np.float32)
    near = [sound[: ours.context] if ours.context else None] * ours.segments
    moments = [{"faces": face, "speech": part} for face, part in zip(faces, near)]
    moments[0]["speech"], moments[-1]["faces"] = None, None
    codes = [np.stack([parts.encode(moment) for moment in moments]) for parts in (ours, theirs)]
    np.testing.assert_allclose(*codes, atol=limit, rtol=1e-3)
    there = np.arange(ours.segments) > 0
    for present, samples in (
        ({"faces": there, "speech": there}, ours.window),
        ({"faces": there}, 0),
        ({"speech": there}, ours.window // 2),
    ):
        found, wanted = (
            parts.answer(codes[1], present, sound[:samples]) for parts in (ours, theirs)
        )
        assert set(found) == set(wanted)
        for name in found:
            np.testing.assert_allclose(found[name], wanted[name], atol=limit, err_msg=name)
