"""A network is counted and timed: here, and at best on the boards of system 1's paper."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any


def cost(
    target: str | os.PathLike,
    threads: Sequence[int] = (1, 2, 4),
    runs: int = 30,
    plot: str | os.PathLike | None = None,
    num_classes: int = 8,
    signature: str | None = None,
    depth: int = 3,
    **config: Any,
) -> dict[str, Any]:
    """Counts and times a network.

    Args:
        target: name of a system, a run folder, or a ``.keras``, ``.tflite`` or ``.onnx`` file.
        threads: numbers of threads to time with; none: nothing is timed.
        runs: timed runs for each.
        plot: where to draw the roofline.
        num_classes: of a system.
        signature: of a ``.tflite``; by default ``classify``, else the first.
        depth: names in a layer's path up to which the picture sums layers.
        **config: fields of the system's configuration.

    Returns:
        Plain data: what `emotionnet.deploy.cost.Cost.as_dict` says; ``ghosts`` (the paper's
        equations beside the true counts); ``file_bytes`` and ``latency`` by form (a Keras model
        is timed as float32 ``.tflite``); ``machines`` with ``predicted_ms``.

    Raises:
        UsageError: no such system, run, file, signature or setting.
        EmotionNetError: the target is damaged, or a package that it needs is missing.
    """
    from emotionnet.deploy.cost import check_ghosts, count
    from emotionnet.deploy.latency import measure
    from emotionnet.deploy.roofline import (
        BOARDS,
        measure_machine,
        plot_roofline,
        predicted_ms,
        verdict,
    )
    from emotionnet.deploy.target import read_target

    with tempfile.TemporaryDirectory() as scratch:
        graph, file = read_target(
            target, num_classes, signature, config, Path(scratch), bool(threads)
        )
        counted = count(graph)
        latencies = [measure(file, n, runs, signature) for n in threads] if file else []
        result = {
            **counted.as_dict(),
            "ghosts": [asdict(check) for check in check_ghosts(graph)],
            "file": file.name if file else None,
            "file_bytes": file.stat().st_size if file else None,
            "latency": [asdict(latency) for latency in latencies],
        }
    machines = [*BOARDS, measure_machine()]
    result["machines"] = [
        {
            **asdict(machine),
            "flop_a_byte": machine.ridge,
            "predicted_ms": predicted_ms(counted, machine),
            "verdict": verdict(counted, machine),
        }
        for machine in machines
    ]
    if plot:
        one = [x.p50_ms for x in latencies if x.threads == 1]
        plot_roofline(counted, machines, plot, depth, one[0] if one else None)
    result["groups"] = [
        {**asdict(group), "intensity": group.intensity} for group in counted.grouped(depth)
    ]
    return result
