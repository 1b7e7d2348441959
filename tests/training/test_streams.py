"""Which streams a run trains, and what is said of the others."""

from types import SimpleNamespace

import pytest

from emotionnet.clips.records import RecordRow
from emotionnet.training.streams import left_out, streams_of


def records(frames: int, samples: int):
    row = RecordRow("a", "folder", "happy", frames=frames, faces_found=frames, samples=samples)
    return SimpleNamespace(rows=[row], address="RECORDS", fields={})


@pytest.mark.parametrize(
    ("frames", "samples", "trained", "said"),
    [(3, 9, ["faces", "speech"], []), (3, 0, ["faces"], ["speech"]), (0, 9, ["speech"], ["faces"])],
)
def test_a_stream_that_no_clip_has_is_named(frames, samples, trained, said):
    opened = records(frames, samples)
    assert streams_of("both", "ghost_fan", opened) == trained
    lines = left_out(trained, "ghost_fan", opened)
    assert [line.split()[0] for line in lines] == said
    assert all("left out: no clip has it" in line for line in lines)


def test_a_field_that_the_records_lack_is_named():
    (line,) = left_out(["faces", "speech"], "racnn", records(3, 9))
    assert line.startswith("geometry   left out: these records have no landmarks68")
