"""What goes between processes comes out as it went in, and half of it is never taken for a whole."""

import dataclasses
import io

import numpy as np
import pytest
from tiny_run import make_clip

from emotionnet.clips.wire import BrokenMessage, receive_result, send_result
from emotionnet.errors import BadClip, EmotionNetError, UnreadClip


def sent(result) -> bytes:
    stream = io.BytesIO()
    send_result(stream, result)
    return stream.getvalue()


def a_clip():
    clip = make_clip("ü1", seed=3)
    clip.boxes[2] = np.nan
    clip.faces[2] = b""
    clip.notes.append("odd: “quoted”")
    return clip


@pytest.mark.parametrize("clip", [a_clip(), make_clip("x", faces=False, sound=False)])
def test_a_clip_comes_out_as_it_went_in(clip):
    again = receive_result(io.BytesIO(sent(clip)))
    for field in dataclasses.fields(clip):
        a, b = getattr(clip, field.name), getattr(again, field.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
        else:
            assert a == b, field.name
    again.waveform[:1] = 5  # it may be written to


def test_reasons_keep_their_kind():
    reasons = [BadClip("no picture"), UnreadClip("no rights"), EmotionNetError("no library")]
    stream = io.BytesIO(b"".join(map(sent, reasons)))
    for reason in reasons:
        received = receive_result(stream)
        assert (type(received), str(received)) == (type(reason), str(reason))
    with pytest.raises(EOFError):
        receive_result(stream)


def test_half_a_message_is_none():
    whole = sent(a_clip())
    for length in (1, 7, 8, 9, 200, len(whole) // 2, len(whole) - 1):
        with pytest.raises(BrokenMessage):
            receive_result(io.BytesIO(whole[:length]))


@pytest.mark.parametrize(
    "noise", [b"Traceback (most recent call last)", b"\x02" + bytes(7) + b"{}"]
)
def test_something_else_on_the_pipe_is_no_message(noise):
    with pytest.raises(BrokenMessage):
        receive_result(io.BytesIO(noise))
