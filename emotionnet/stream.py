"""``python -m emotionnet.stream RUN FILE``: live answers, one every hop, from a file or a camera.

A file is played as if it came from a camera, at its own speed or as fast as it goes. At the end stands
how long answers took (segment end → answer) and how much of the time was spent computing.
"""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from emotionnet.command import as_verb
from emotionnet.streaming.text import describe, summary


def stream(
    run: str | os.PathLike,
    source: str | os.PathLike = "camera",
    speed: str = "real",
    *,
    window_s: float | None = None,
    hop_s: float | None = None,
    microphone: str | None = "",
    each: Callable[[Any], object] | None = None,
) -> dict[str, Any]:
    """Answers a live stream until it ends, or Ctrl-C.

    Args:
        run: a run folder; or a bundle, which needs neither TensorFlow nor Keras.
        source: a file, or ``camera``, ``camera:1``, ``camera:/dev/video2`` …
        speed: ``real`` plays a file at its own speed, ``max`` as fast as it goes.
        window_s, hop_s: see `emotionnet.streaming.Stream`.
        microphone: for a camera: FFmpeg's name of the device, "" for the usual one, None for none.
        each: is called with every `emotionnet.streaming.Answer`.

    Returns:
        What `emotionnet.streaming.Stream.report` says, with ``source``, ``speed`` and ``notes``.

    Raises:
        UsageError: no run there, or a setting that does not fit.
        EmotionNetError: the run, the file or the camera cannot be used.
    """
    from emotionnet.streaming.live import open_stream
    from emotionnet.streaming.sources import open_source

    opened = open_source(source, speed, microphone)
    try:
        live = open_stream(
            run, window_s, hop_s, faces=opened.has_pictures, sound=opened.has_sound, start_s=0.0
        )
        live.warm_up(opened.sample())
        for answer in _answers(live, opened):
            if each is not None:
                each(answer)
    finally:
        opened.close()
    notes = [*opened.notes, *live.notes]
    if getattr(opened, "dropped", 0):
        notes.append(f"{opened.dropped} pictures were dropped, since answers fell behind")
    return {"source": str(source), "speed": speed, **live.report(), "notes": notes}


def _answers(live, source):
    # Ctrl-C ends a camera as the end of a file does.
    with contextlib.suppress(KeyboardInterrupt):
        for event in source:
            if event.frame is not None:
                yield from live.add_frame(event.frame, event.arrived)
            else:
                yield from live.add_sound(event.samples, event.time_s, event.arrived)
    yield from live.finish()


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.stream``."""
    p = argparse.ArgumentParser(
        prog="python -m emotionnet.stream",
        description="Live answers from a camera, or from a file that is played like one.",
    )
    p.add_argument("run", metavar="RUN", help="a run folder, or an exported bundle")
    p.add_argument("source", metavar="FILE|camera", help="a recording, camera, camera:1 …")
    p.add_argument("--speed", default="real", help="of a file: real (default) or max")
    p.add_argument("--window", type=float, metavar="S", help="seconds that an answer is about")
    p.add_argument("--hop", type=float, metavar="S", help="seconds from answer to answer")
    p.add_argument("--microphone", default="", metavar="NAME", help="for a camera; none: no sound")
    p.add_argument(
        "--json", action="store_true", help="one JSON object a line and answer on stdout"
    )
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, answers as it goes, and says at the end how fast that was."""
    from emotionnet.deploy.bundle import open_run
    from emotionnet.prediction.text import NEVER_SEEN

    args = parser().parse_args(argv)
    out = sys.stdout
    if open_run(args.run).config["label_kind"] == "drawn":
        print(NEVER_SEEN, file=sys.stderr)

    def each(answer) -> None:
        text = json.dumps(answer.as_dict(), allow_nan=False) if args.json else describe(answer)
        print(text, file=out, flush=True)

    # Whatever a library prints must not get between the answers.
    with contextlib.redirect_stdout(sys.stderr):
        report = stream(
            args.run,
            args.source,
            args.speed,
            window_s=args.window,
            hop_s=args.hop,
            microphone=None if args.microphone == "none" else args.microphone,
            each=each,
        )
    if args.json:
        print(json.dumps({"report": report}, allow_nan=False), file=out)
    else:
        print(summary(report), file=out)
    return 0


as_verb(__name__, main)
