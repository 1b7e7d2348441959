"""The page and the lines of text that explain answers."""

from emotionnet.attribution.page import write_page
from emotionnet.attribution.text import describe


def test_a_clip_whose_name_is_no_utf_8_is_named_all_the_same(tmp_path):
    found = {"clip": "m\udcfc.wav", "error": "m\udcfc.wav: the file is empty"}
    write_page(tmp_path / "explain.html", "run", ["happy"], [found])
    for text in (describe(found), (tmp_path / "explain.html").read_text(encoding="utf-8")):
        assert text.count("m\\udcfc.wav") == 2
