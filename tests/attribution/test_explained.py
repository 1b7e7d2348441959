"""The page and the lines of text that explain answers."""

from pathlib import Path

import pytest

from emotionnet import explain
from emotionnet.attribution.page import write_page
from emotionnet.attribution.text import describe


def test_a_clip_whose_name_is_no_utf_8_is_named_all_the_same(tmp_path):
    found = {"clip": "m\udcfc.wav", "error": "m\udcfc.wav: the file is empty"}
    write_page(tmp_path / "explain.html", "run", ["happy"], [found])
    for text in (describe(found), (tmp_path / "explain.html").read_text(encoding="utf-8")):
        assert text.count("m\\udcfc.wav") == 2


@pytest.mark.parametrize("options", [[], ["--out", "mine"]])
def test_the_page_is_named_where_it_is(tmp_path, monkeypatch, capsys, options):
    place = tmp_path / "shipped"
    (place / "both").mkdir(parents=True)
    (place / "both" / "config.json").touch()
    monkeypatch.setattr("emotionnet.shipped.PLACES", [place])
    monkeypatch.setattr(explain, "explain", lambda **_: [])
    explain.main(["both", "a.wav", *options])
    folder = Path(options[-1]) if options else place / "both"
    assert capsys.readouterr().out == f"page: {folder / 'explain.html'}\n"
