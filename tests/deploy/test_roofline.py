"""The roofline's arithmetic and its picture."""

import csv
import itertools
from pathlib import Path

import pytest

from emotionnet.deploy.cost import Cost, LayerCost
from emotionnet.deploy.roofline import (
    BOARDS,
    PRINTED_FITS,
    Machine,
    _spread,
    measure_machine,
    plot_roofline,
    predicted_ms,
    verdict,
)

LAYERS = (
    LayerCost("a/conv", "Conv2D", 10, 500, 2_000_000, 40, 100_000),
    LayerCost("a/norm", "BatchNormalization", 4, 0, 50_000, 16, 200_000),
)
COST = Cost("two layers", LAYERS, live_bytes=1000, boundary_bytes=6_000)
MACHINE = Machine("m", bandwidth_gbs=10.0, peak_gflops=100.0)


def test_roof_is_memory_then_arithmetic():
    assert MACHINE.ridge == 10
    assert MACHINE.roof(1) == 10
    assert MACHINE.roof(10) == 100
    assert MACHINE.roof(50) == 100


def test_boards_are_those_of_the_paper():
    # Table IX gives their ridges in FLOP a byte as 2.34, 7.01 (sic, 7.02) and 1.01.
    assert [round(b.ridge, 2) for b in BOARDS] == [2.34, 7.02, 1.01]


def test_predicted_times_follow_the_slower_of_both():
    times = predicted_ms(COST, MACHINE)
    assert times["arithmetic"] == pytest.approx(2_050_000 / 100e9 * 1e3)
    assert times["cached"] == times["arithmetic"]  # 6,056 bytes take less
    # conv: arithmetic 0.02 ms against 0.01 of memory; norm: 0.0005 against 0.02.
    assert times["layers"] == pytest.approx(0.02 + 0.02)
    slow = predicted_ms(COST, Machine("slow memory", 1e-3, 100.0))
    assert slow["cached"] == pytest.approx(6.056)
    assert slow["layers"] == pytest.approx(300)


def test_the_verdict_follows_its_rule():
    assert verdict(COST, MACHINE) == "borderline"  # 6.83 FLOP a byte, and the machine has 10
    assert verdict(COST, Machine("more memory", 100.0, 100.0)) == "yes"
    assert verdict(COST, Machine("slow memory", 1e-6, 1e-3)) == "no"  # 2.05 MFLOP at 1 MFLOP/s


def test_the_paper_s_own_verdicts_are_those_of_the_published_figures():
    published = Path(__file__).resolve().parents[2] / "docs/results/published.csv"
    with published.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["measure"] == "fits"]
    assert len(rows) == 3 * len(PRINTED_FITS)
    for row in rows:
        name, _, board = row["item"].partition(" on ")
        (printed,) = (fits for key, fits in PRINTED_FITS.items() if key.startswith(name))
        assert printed[[b.name for b in BOARDS].index(board)] == row["value"]


def test_this_machine_is_measured_with_plausible_numbers():
    machine = measure_machine(seconds=0.05)
    assert machine.measured
    assert 0.1 < machine.bandwidth_gbs < 2000
    assert 0.1 < machine.peak_gflops < 20_000


def test_labels_keep_their_order_and_a_distance():
    places = _spread([1.0, 1.01, 1.02, 90.0, 99.0], 0.1, 100.0)
    gap = 1000 ** (1 / 42)
    assert places == sorted(places)
    assert places[-1] <= 100.0
    assert all(b / a > gap * 0.999 for a, b in itertools.pairwise(places))


def test_picture_is_written(tmp_path):
    path = tmp_path / "sub" / "roof.png"
    plot_roofline(COST, [*BOARDS, MACHINE], path, measured_ms=1.0)
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert path.stat().st_size > 20_000
