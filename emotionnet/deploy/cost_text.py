"""The cost of a network, as a page of text."""

import os
from typing import Any

from emotionnet.command import text_table
from emotionnet.deploy.roofline import BOARDS, PRINTED_FITS, RULE


def report(result: dict[str, Any]) -> str:
    """The result of `emotionnet.cost` as a page of text."""
    rows = [("layer", "parameters", "M mult-adds", "M profiler", "MB moved", "FLOP/B")]
    parts = result["sum"]
    shown = [*result["groups"], None, parts["networks"]]
    if parts["front_end"]["moved_bytes"]:
        shown += [parts["front_end"], parts["all"]]
    for part in shown:
        rows.append(("",) * 6 if part is None else _cells(part))
    lines = [result["name"], "", text_table(rows), ""]
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
        lines += ["", "measured on this machine:", text_table(table)]
    table = [("at best, ms a clip", "FLOP/B", "arithmetic", "+ weights, in, out",
              "every layer to memory", "verdict")]  # fmt: skip
    for machine in result["machines"]:
        times = machine["predicted_ms"]
        table.append((f"{machine['name']} ({machine['bandwidth_gbs']:.1f} GB/s, "
                      f"{machine['peak_gflops']:.4g} GFLOP/s)", f"{machine['flop_a_byte']:.2f}",
                      *(f"{times[k]:.1f}" for k in ("arithmetic", "cached", "layers")),
                      machine["verdict"]))  # fmt: skip
    roofs = "the roofs are those of float32; integers can be faster, fused layers move less"
    lines += ["", text_table(table), roofs, f"verdict    {RULE}"]
    printed = [("as printed by system 1's paper", *(board.name for board in BOARDS))]
    printed += [(name, *fits) for name, fits in PRINTED_FITS.items()]
    return "\n".join([*lines, "", text_table(printed)])


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
