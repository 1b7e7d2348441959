"""The roofline: what a machine's memory and arithmetic allow, and where a network stands under it.

A layer that does ``i`` operations a byte runs at most at ``min(peak, bandwidth * i)``.

Source: Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for
multicore architectures" (2009); the boards are those of system 1's paper, Table IX.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from emotionnet.deploy.cost import Cost, LayerCost
from emotionnet.files import atomic_path


@dataclass(frozen=True)
class Machine:
    """The data of a roofline.

    Attributes:
        name: of the board or machine.
        bandwidth_gbs: memory bandwidth in GB/s.
        peak_gflops: float32 operations in GFLOP/s (a multiply-add is two).
        measured: measured here, not taken from a data sheet.
    """

    name: str
    bandwidth_gbs: float
    peak_gflops: float
    measured: bool = False

    def roof(self, intensity: float) -> float:
        """GFLOP/s that are possible at an arithmetic intensity (FLOP a byte)."""
        return min(self.peak_gflops, self.bandwidth_gbs * intensity)

    @property
    def ridge(self) -> float:
        """The intensity from which arithmetic, not memory, is the limit."""
        return self.peak_gflops / self.bandwidth_gbs

    def least_ms(self, layer: LayerCost) -> float:
        """No layer can be faster: the longer of its arithmetic and its memory traffic."""
        seconds = max(layer.flops / self.peak_gflops, layer.moved_bytes / self.bandwidth_gbs) / 1e9
        return seconds * 1000


BOARDS = (
    Machine("Raspberry Pi 4B", 12.8, 30.0),
    Machine("Raspberry Pi 5", 17.1, 120.0),
    Machine("Zenbo Junior II", 25.6, 25.76),
)


#: Table IX of the same paper: whether a network fits a board, as printed.
PRINTED_FITS = {
    "Hu et al. (5.61 M, 390.73 G)": ("no", "no", "no"),
    "Mocanu et al. (64.11 M, 300.90 G)": ("no", "no", "no"),
    "Sharafi et al. (50.80 M, 12.31 G)": ("yes", "yes", "borderline"),
    "ghost_fan (0.92 M, 0.77 G)": ("yes", "yes", "yes"),
}
#: The rule of `verdict`, in words.
RULE = (
    "once a second at best: no, if the arithmetic of a clip takes more than 1 s at the board's peak; borderline, "
    "if its weights, inputs and outputs do, or the network's FLOP a byte lie below the board's (memory "
    "is the limit); else yes"
)


def verdict(cost: Cost, machine: Machine) -> str:
    """Whether a machine can answer about a clip once a second at best: "yes", "borderline" or "no".

    The paper's Table IX marks boards by two conditions, the operations of a clip against the peak and
    FLOP a byte against the board's ridge, without saying in which unit of time or which bytes; `RULE` says
    both.
    """
    times = predicted_ms(cost, machine)
    if times["arithmetic"] > 1000:
        return "no"
    memory_bound = cost.sum().intensity < machine.ridge
    return "borderline" if memory_bound or times["cached"] > 1000 else "yes"


def measure_machine(threads: int = 1, seconds: float = 1.0) -> Machine:
    """Measures this machine's roof: a copy of 64 MB, and a float32 matrix product of 768 x 768.

    Args:
        threads: of the matrix product; the copy uses one.
        seconds: for each of the two; the fastest repeat counts, as other work only slows.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    source = np.ones(1 << 24, np.float32)
    target = np.empty_like(source)
    side = 768
    left = np.random.default_rng(0).random((side, side), np.float32)
    product = np.empty_like(left)
    with threadpool_limits(threads):
        copy_s = _fastest(lambda: np.copyto(target, source), seconds)
        clock = time.process_time if threads == 1 else time.perf_counter
        product_s = _fastest(lambda: np.matmul(left, left, out=product), seconds, clock)
    return Machine(
        f"this machine, {threads} thread{'s' if threads > 1 else ''}",
        bandwidth_gbs=2 * source.nbytes / copy_s / 1e9,
        peak_gflops=2 * side**3 / product_s / 1e9,
        measured=True,
    )


def _fastest(run: Callable[[], object], seconds: float, clock=time.process_time) -> float:
    """CPU seconds of the fastest run (so that other programs do not count), by ``clock``."""
    run()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = clock()
        run()
        best = min(best, clock() - start)
    return best


def predicted_ms(cost: Cost, machine: Machine) -> dict[str, float]:
    """The least time a clip can take on a machine, in ms.

    Returns:
        ``arithmetic``: all operations at the machine's peak; ``layers``: every layer under the
        roof, each reading and writing memory; ``cached``: only weights, inputs and outputs of the
        whole pass memory, all else stays in the cache. A runtime that fuses layers lies between
        ``cached`` and ``layers`` at best.
    """
    whole = cost.sum()
    boundary = whole.weight_bytes + cost.boundary_bytes
    arithmetic = whole.flops / machine.peak_gflops / 1e6
    return {
        "arithmetic": arithmetic,
        "cached": max(arithmetic, boundary / machine.bandwidth_gbs / 1e6),
        "layers": sum(machine.least_ms(layer) for layer in cost.layers),
    }


def plot_roofline(
    cost: Cost,
    machines: list[Machine],
    path: str | os.PathLike,
    depth: int = 3,
    measured_ms: float | None = None,
) -> None:
    """Draws the roofs, the network's layers as dots (area: their share of the operations), and the
    whole as a line at its intensity.

    Args:
        cost: what to draw.
        machines: roofs.
        path: picture, written whole or not at all.
        depth: names in a layer's path up to which layers are one dot.
        measured_ms: of the whole on the measured machine: drawn as a star at the speed reached.
    """
    import matplotlib

    matplotlib.use("Agg", force=False)
    import matplotlib.pyplot as plt
    import numpy as np

    whole = cost.sum()
    groups = [g for g in cost.grouped(depth) if g.flops / max(1, whole.flops) > 2e-3]
    lows = [g.intensity for g in groups] + [0.2]
    highs = [g.intensity for g in groups] + [m.ridge * 4 for m in machines]
    x = np.geomspace(min(lows) / 1.6, max(highs) * 1.6, 400)
    figure, axes = plt.subplots(figsize=(9.6, 6.0), layout="constrained")
    colours = plt.get_cmap("tab10").colors
    for machine, colour in zip(machines, colours):
        y = [machine.roof(i) for i in x]
        label = (
            f"{machine.name}: {machine.bandwidth_gbs:.1f} GB/s, {machine.peak_gflops:.4g} GFLOP/s"
        )
        axes.plot(x, y, color=colour, lw=2.4 if machine.measured else 1.6,
                  ls="-" if machine.measured else "--", label=label)  # fmt: skip
    # Dots hang under the lowest board's roof: the most that each group can reach there.
    board = min(machines, key=lambda m: m.peak_gflops)
    for group in groups:
        share = group.flops / whole.flops
        axes.scatter(group.intensity, board.roof(group.intensity), s=30 + 2200 * share,
                     color="0.35", alpha=0.35, lw=0.8, edgecolor="0.2", zorder=3)  # fmt: skip
    named = sorted(sorted(groups, key=lambda g: -g.flops)[:12], key=lambda g: g.intensity)
    floor = min(board.roof(min(lows)), *(m.roof(x[0]) for m in machines)) / 3
    for group, place in zip(named, _spread([g.intensity for g in named], x[0], x[-1])):
        axes.annotate(
            f"{group.layer.split('/')[-1]}  {100 * group.flops / whole.flops:.0f} %",
            (group.intensity, board.roof(group.intensity)), xytext=(place, floor * 1.3),
            rotation=90, fontsize=8, ha="center", va="bottom",
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": "0.4"},
        )  # fmt: skip
    axes.axvline(whole.intensity, color="0.2", lw=1, ls=":")
    axes.annotate(
        f"whole: {whole.intensity:.2f} FLOP/B", (whole.intensity, 0.98), rotation=90, fontsize=9,
        xycoords=("data", "axes fraction"), textcoords="offset points", xytext=(12, 0),
        ha="center", va="top",
    )  # fmt: skip
    if measured_ms:
        here = next((i for i, m in enumerate(machines) if m.measured), 0)
        axes.scatter(whole.intensity, whole.flops / measured_ms / 1e6, marker="*", s=240, zorder=4,
                     color=colours[here], edgecolor="black", lw=0.7,
                     label=f"measured here: {measured_ms:.1f} ms a clip")  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="arithmetic intensity  (FLOP a byte moved)",
             ylabel="GFLOP/s  (a multiply-add is two)", title=f"Roofline of {cost.name}",
             xlim=(x[0], x[-1]))  # fmt: skip
    axes.set_ylim(floor, 1.6 * max(m.peak_gflops for m in machines))
    axes.grid(True, which="both", lw=0.3, alpha=0.5)
    axes.legend(loc="upper left", fontsize=8, framealpha=0.95)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)
    plt.close(figure)


def _spread(values: list[float], low: float, high: float) -> list[float]:
    """``values`` (ascending) moved apart on a logarithmic axis, so that labels do not overlap."""
    gap = (high / low) ** (1 / 42)
    places = list(values)
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] * gap)
    limit = high / gap
    for i in reversed(range(len(places))):
        places[i] = min(places[i], limit)
        limit = places[i] / gap
    return places
