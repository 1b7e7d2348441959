"""Live answers from pictures and sound as they come: each segment is encoded once.

    stream = open_stream("saved_models/demo")
    for answer in stream.add_sound(samples, time_s): ...
    for answer in stream.add_frame(frame): ...

`Stream` takes what comes, `open_stream` makes one from a run, and ``python -m emotionnet.stream`` plays
a file or a camera through it.
"""

import importlib

_HOME = {"Stream": "live", "Answer": "answer", "open_stream": "live"}
__all__ = ["Answer", "Stream", "open_stream"]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
