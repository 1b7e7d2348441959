"""Where progress bars go: stdout stays data, save in a notebook."""

import io
import sys

from emotionnet.progress import progress


def test_bars_leave_stdout_alone(capsys):
    for _ in progress(range(3), what="count", unit="things"):
        pass
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "count" in captured.err


def test_in_a_notebook_nothing_looks_like_an_error(capsys, monkeypatch):
    class OutStream(io.StringIO):
        pass

    OutStream.__module__ = "ipykernel.iostream"
    cell = OutStream()
    monkeypatch.setattr(sys, "stdout", cell)
    for _ in progress(range(3), what="count", unit="things"):
        pass
    assert "3/3" in cell.getvalue()
    assert capsys.readouterr().err == ""
