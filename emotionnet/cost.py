"""``python -m emotionnet.cost SYSTEM|RUN|FILE``: what a network costs, here and on small boards.

Parameters, multiply-adds, bytes moved and memory, a layer and in sum; the time it takes here; the
time it can take at best on the boards of system 1's paper, with a verdict; and the roofline as a picture.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emotionnet.command import field_value, make_callable, run_command
from emotionnet.errors import UsageError

FILES = (".keras", ".tflite", ".onnx")


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
    from emotionnet.deploy.roofline import (
        BOARDS,
        measure_machine,
        plot_roofline,
        predicted_ms,
        verdict,
    )

    with tempfile.TemporaryDirectory() as scratch:
        graph, file = _read(target, num_classes, signature, config, Path(scratch), bool(threads))
        counted = count(graph)
        latencies = _latencies(file, threads, runs, signature) if file else []
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


def _read(target, num_classes, signature, config, scratch: Path, timed: bool):
    """The target's graph, and the file that can be timed (None where there is none)."""
    from emotionnet.deploy import graphs

    path = Path(target)
    if path.suffix in (".tflite", ".onnx"):
        if config:
            raise UsageError(f"{path}: --set is for systems; a file is what it is.")
        if not path.is_file():
            raise UsageError(f"{path}: no such file.")
        if path.suffix == ".onnx":
            return graphs.onnx_graph(path), path
        return graphs.tflite_graph(path, signature), path
    model = _model(path, str(target), num_classes, config)
    return graphs.keras_graph(model), _converted(model, scratch) if timed else None


def _model(path: Path, name: str, num_classes: int, config: dict):
    from emotionnet.systems import SYSTEMS, build_model, load_model, without_weights

    if name in SYSTEMS:
        return build_model(name, num_classes, **(without_weights(name) | config))
    if config:
        raise UsageError(f"{name}: --set is for systems ({', '.join(SYSTEMS)}), not for runs.")
    if path.suffix == ".keras":
        return load_model(path)
    if path.is_dir():
        from emotionnet.training.run import Run

        return Run.open(path).model()
    raise UsageError(
        f"{name}: no system ({', '.join(SYSTEMS)}), no run folder, and no {', '.join(FILES)} file."
    )


def _converted(model, scratch: Path) -> Path:
    """The model as the float32 file that goes to a phone."""
    from emotionnet.deploy.convert import convert

    model.save(scratch / "model.keras")
    convert(scratch, {"model": str(scratch / "model.keras"), "precisions": ["float32"],
                      "onnx": False})  # fmt: skip
    return scratch / "float32.tflite"


def _latencies(file: Path, threads, runs, signature) -> list:
    from emotionnet.deploy.latency import measure

    return [measure(file, count, runs, signature) for count in threads]


def report(result: dict[str, Any]) -> str:
    """The result of `cost` as a page of text."""
    from emotionnet.deploy.roofline import BOARDS, PRINTED_FITS, RULE

    rows = [("layer", "parameters", "M mult-adds", "M profiler", "MB moved", "FLOP/B")]
    parts = result["sum"]
    shown = [*result["groups"], None, parts["networks"]]
    if parts["front_end"]["moved_bytes"]:
        shown += [parts["front_end"], parts["all"]]
    for part in shown:
        rows.append(("",) * 6 if part is None else _cells(part))
    lines = [result["name"], "", *_aligned(rows), ""]
    lines += [f"M mult-adds  {result['conventions']['multiply_adds']}",
              f"M profiler   {result['conventions']['profiler']}",
              f"MB moved     {result['conventions']['bytes']}",
              f"results alive at one time: {result['live_bytes'] / 1e6:.1f} MB at most"]  # fmt: skip
    lines += [f"note: {note}" for note in result["notes"]]
    if result["ghosts"]:
        lines += ["", *_ghost_lines(result["ghosts"])]
    if result["file"]:
        lines += ["", f"{result['file']}: {result['file_bytes'] / 1e6:.2f} MB"]
    if result["latency"]:
        cores = os.cpu_count() or 1
        table = [("threads", "p50 ms", "p95 ms", "CPU ms", "runs", "memory MB")]
        for x in result["latency"]:
            note = f" (> {cores} cores)" if x["threads"] > cores else ""
            memory = "?" if x["memory_mb"] is None else f"{x['memory_mb']:.1f}"
            times = (f"{x[key]:.2f}" for key in ("p50_ms", "p95_ms", "cpu_ms"))
            table.append((f"{x['threads']}{note}", *times, str(x["runs"]), memory))
        lines += ["", "measured on this machine:", *_aligned(table)]
    table = [("at best, ms a clip", "FLOP/B", "arithmetic", "+ weights, in, out",
              "every layer to memory", "verdict")]  # fmt: skip
    for machine in result["machines"]:
        times = machine["predicted_ms"]
        table.append((f"{machine['name']} ({machine['bandwidth_gbs']:.1f} GB/s, "
                      f"{machine['peak_gflops']:.4g} GFLOP/s)", f"{machine['flop_a_byte']:.2f}",
                      *(f"{times[k]:.1f}" for k in ("arithmetic", "cached", "layers")),
                      machine["verdict"]))  # fmt: skip
    roofs = "the roofs are those of float32; integers can be faster, fused layers move less"
    lines += ["", *_aligned(table), roofs, f"verdict    {RULE}"]
    printed = [("as printed by system 1's paper", *(board.name for board in BOARDS))]
    printed += [(name, *fits) for name, fits in PRINTED_FITS.items()]
    return "\n".join([*lines, "", *_aligned(printed)])


def _cells(part: dict[str, Any]) -> tuple[str, ...]:
    return (part["layer"] or "(inputs, outputs)", f"{part['parameters']:,}",
            f"{part['multiply_adds'] / 1e6:.2f}", f"{part['flops'] / 2e6:.2f}",
            f"{part['moved_bytes'] / 1e6:.2f}", f"{part['intensity']:.2f}")  # fmt: skip


def _ghost_lines(ghosts: list[dict[str, Any]]) -> list[str]:
    def total(field):
        return sum(ghost[field] for ghost in ghosts)

    return [
        f"{len(ghosts)} Ghost modules by the paper's equations (which count the cheap depthwise "
        "operation as a full convolution) and as they are:",
        f"  parameters   equation 10: {total('equation_10'):,}   true: {total('parameters'):,}",
        f"  mult-adds    equation 14: {total('equation_14') / 1e6:,.2f} M   "
        f"true: {total('multiply_adds') / 1e6:,.2f} M",
    ]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))])
        for row in rows
    ]


def _numbers(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(",") if part)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers like 1,2,4") from None
    if any(number < 1 for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r}: at least one thread")
    return numbers


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m emotionnet.cost``."""
    p = argparse.ArgumentParser(
        prog="python -m emotionnet.cost",
        description="Parameters, multiply-adds, bytes, memory and time of a network.",
    )
    p.add_argument("target", metavar="SYSTEM|RUN|FILE",
                   help="name of a system, run folder, or .keras, .tflite or .onnx file")  # fmt: skip
    p.add_argument("--set", dest="config", type=field_value, action="append", default=[],
                   metavar="FIELD=VALUE", help="change a field of the system's config")  # fmt: skip
    p.add_argument("--classes", dest="num_classes", type=int, default=8, help="of a system: 8")
    p.add_argument("--signature", help="of a .tflite file (default: classify)")
    p.add_argument("--threads", type=_numbers, default=(1, 2, 4), metavar="1,2,4",
                   help="time with so many threads (default: 1,2,4)")  # fmt: skip
    p.add_argument("--no-latency", dest="threads", action="store_const", const=(),
                   help="count only, time nothing")  # fmt: skip
    p.add_argument("--runs", type=int, default=30, help="timed runs (default: 30)")
    p.add_argument("--depth", type=int, default=3, help="names of a path to show (default: 3)")
    p.add_argument("--plot", metavar="PNG", help="draw the roofline")
    p.add_argument("--json", action="store_true", help="print JSON, with every layer")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line and prints the cost."""
    args = vars(parser().parse_args(argv))
    as_json, config = args.pop("json"), dict(args.pop("config"))
    if args["runs"] < 1 or args["depth"] < 1:
        raise UsageError("--runs and --depth are at least 1.")
    clash = sorted(set(config) & set(args))
    if clash:
        raise UsageError(f"--set {clash[0]}: no setting of a system.")
    result = cost(**args, **config)
    print(json.dumps(result, indent=2) if as_json else report(result))
    if args["plot"] and not as_json:
        print(f"\nroofline  {args['plot']}")
    return 0


if __name__ == "__main__":
    run_command(main)
else:
    make_callable(__name__)
