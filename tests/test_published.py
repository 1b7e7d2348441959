"""The file of published figures: whole, consistent in itself, and what the results pages say."""

from pathlib import Path

import pytest

from emotionnet.files import read_csv

RESULTS = Path(__file__).resolve().parents[1] / "docs/results"
ROWS = read_csv(RESULTS / "published.csv")
#: Tables of each paper.
TABLES = {
    "ghost_fan": {"III", "IV", "V", "VI", "VII", "VIII", "IX"},
    "segments": {"1", "2", "3", "4", "5"},
    "cross_modal": {"1", "2", "3"},
    "dv_emotionnet": {"1", "5", "6", "7", "8", "9"},
    "racnn": {"II", "III", "IV"},
    "people": {"votes"},
}


def test_every_table_is_in_the_file():
    for paper, tables in TABLES.items():
        own = [row for row in ROWS if row["paper"] == paper]
        assert tables <= {row["table"] for row in own}, paper
        assert all(row["source"] for row in own)
    # The ablation grids are four variants by three branches by two fusions.
    grids = [row for row in ROWS if row["table"] in ("VII", "VIII")]
    assert len(grids) == 2 * 24
    assert all(row["k"] for row in grids)  # each a whole number of clips
    assert {row["n"] for row in grids} == {"491", "1488"}


def test_k_of_n_is_the_printed_figure_rounded_or_cut_off():
    counted = [row for row in ROWS if row["k"]]
    assert len(counted) > 100
    for row in counted:
        exact, places = 100 * int(row["k"]) / int(row["n"]), len(row["value"].partition(".")[2])
        assert abs(exact - float(row["value"])) < 10**-places, row


@pytest.mark.parametrize("paper", ["ghost_fan", "segments", "cross_modal", "people"])
def test_the_page_of_a_system_holds_its_tables(paper):
    page = RESULTS / ("ghost_fan.md" if paper == "people" else f"{paper}.md")
    text = page.read_text(encoding="utf-8")
    lines = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    own = [row for row in ROWS if row["paper"] == paper]
    assert own
    for row in own:
        if row["measure"] == "fits":  # a table by board
            wanted = row["item"].partition(" on ")[0]
        elif row["table"].startswith("section"):
            assert row["value"] in text, row
            continue
        else:
            wanted = row["item"]
        assert any(row["value"] in line[2:] for line in lines if line[1:2] == [wanted]), row
