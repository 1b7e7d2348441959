"""Which streams a run trains, and what is said of the others."""

from types import SimpleNamespace

import pytest

from emotionnet.clips.records import RecordRow
from emotionnet.training.streams import lacking, left_out, streams_of


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


def test_a_class_that_a_stream_cannot_learn_is_named():
    opened, sees, hears = records(3, 9), {"frames": 3, "faces_found": 3}, {"samples": 9}
    rows = [
        RecordRow("a", "folder", "happy", **sees, **hears),
        RecordRow("b", "folder", "sad", **hears),
        RecordRow("c", "folder", "bored", **hears),
    ]
    split = SimpleNamespace(train=rows, fold=2)
    labels, streams = ("happy", "sad", "bored", "proud"), ("faces", "speech")
    said = ["fold 2: no training clip of sad, bored has faces"]
    assert lacking(split, labels, streams, opened) == said
    assert lacking(split, labels, ("speech",), opened) == []


def test_a_field_that_the_records_lack_is_named():
    (line,) = left_out(["faces", "speech"], "racnn", records(3, 9))
    assert line.startswith("geometry   left out: these records have no landmarks68")
