"""When segments are answered, and from what: gaps, lateness, absent streams, memory, latency."""

import os
import time

import numpy as np
import pytest

from emotionnet.errors import UsageError
from emotionnet.inputs.kinds import outputs_of
from emotionnet.streaming.live import Stream

LABELS = ("neutral", "happy", "sad")


class FakeParts:
    """A model that writes down what it is shown: faces are numbers, answers say what was there."""

    segments, window, width, segment_s = 4, 16000, 2, 0.0

    def __init__(self, context=0, streams=("faces", "speech"), longest=None):
        self.context, self.streams, self.longest = context, streams, longest
        self.encoded = []
        self.windows = []

    def pixels(self, jpeg):
        return np.full((2, 2, 3), int(jpeg), np.uint8)

    def encode(self, moment):
        face, sound = moment.get("faces"), moment.get("speech")
        code = (-1 if face is None else int(face[0, 0, 0]), 0 if sound is None else 1)
        self.encoded.append(code)
        return np.array(code, np.float32)

    def answer(self, codes, present, sound):
        seen, heard = present["faces"], present["speech"]
        self.windows.append((codes[:, 0][seen].astype(int).tolist(), len(sound)))
        p = np.array([seen.sum(), heard.sum(), 1], np.float64)
        return dict.fromkeys(outputs_of(("faces", "speech")), p / p.sum())


def play(
    stream, until_s, rate=20, faces=lambda t: True, sound=lambda t: True, from_s=0.0, late_s=0
):
    """Pictures whose face is the number of the frame, and sound in pieces of 50 ms."""
    answers = []
    for i in range(round(from_s * 20), round(until_s * 20)):
        time_s = i / 20
        if sound(time_s - late_s) and time_s >= late_s:
            answers += stream.add_sound(np.full(800, 1000, np.int16), time_s - late_s)
        for j in range(round(time_s * rate), round((time_s + 0.05) * rate)):
            shown = faces(j / rate)
            if shown is not None:
                answers += stream.add_face(j / rate, b"%d" % (j % 250) if shown else None)
    return answers


def test_an_answer_every_hop_from_the_frame_in_the_middle():
    parts = FakeParts()
    stream = Stream(parts, LABELS)
    answers = play(stream, 2.0)
    assert [round(a.time_s, 2) for a in answers] == [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    assert [face for face, _ in parts.encoded] == [2, 7, 12, 17, 22, 27, 32, 37]
    # The window: the last four faces, the last second of sound.
    assert parts.windows[0] == ([2], 4000)
    assert parts.windows[-1] == ([22, 27, 32, 37], 16000)
    assert answers[-1].streams == "both"
    assert answers[-1].emotion == "neutral"


def test_no_face_and_no_sound_are_absent():
    parts = FakeParts()
    answers = play(Stream(parts, LABELS), 1.0, faces=lambda t: t < 0.5 or t >= 0.75)
    assert [face for face, _ in parts.encoded] == [2, 7, 17]
    assert parts.windows[-1][0] == [2, 7, 17]
    assert [a.faces for a in answers] == [1, 2, 2, 3]

    answers = play(Stream(FakeParts(), LABELS), 1.0, faces=lambda t: False)
    assert {a.streams for a in answers} == {"speech"}
    assert all(a.alone["faces"] is None for a in answers)

    stream = Stream(FakeParts(), LABELS, sound=False)
    answers = play(stream, 1.0, sound=lambda t: False)
    assert {a.streams for a in answers} == {"faces"}
    assert len(answers) == 4  # nothing was waited for


def test_a_microphone_that_is_off_is_no_sound():
    stream = Stream(FakeParts(), LABELS)
    answers = []
    for i in range(20):
        answers += stream.add_sound(np.zeros(800, np.int16), i / 20)
        answers += stream.add_face(i / 20, b"7")
    assert {a.streams for a in answers} == {"faces"}


def test_nothing_at_all_is_answered_by_nothing():
    stream = Stream(FakeParts(), LABELS)
    answers = play(stream, 2.5, faces=lambda t: t < 0.5 and None, sound=lambda t: t < 0.5)
    # One who looks away in silence for longer than the window.
    assert answers[1].emotion is not None
    assert answers[-1].emotion is None
    assert answers[-1].as_dict()["probabilities"] is None


def test_sound_that_is_late_is_waited_for_and_then_not():
    parts = FakeParts()
    answers = play(Stream(parts, LABELS), 2.0, late_s=0.3)  # within patience
    assert [length for _, length in parts.windows[:4]] == [4000, 8000, 12000, 16000]
    assert len(answers) == 6  # the last segments wait

    parts = FakeParts()
    stream = Stream(parts, LABELS)
    answers = play(stream, 3.0, late_s=0.9)
    # Half a second after a segment its answer comes, without the sound that has not come ...
    assert answers[0].streams == "faces"
    assert [length for _, length in parts.windows[:3]] == [0, 0.1 * 16000, 0.35 * 16000]
    # ... which still counts when it has, since the whole window is heard.
    assert answers[-1].streams == "both"
    assert parts.windows[-1][1] == 16000 - 0.4 * 16000


@pytest.mark.parametrize("time_s", [None, 5.0])
def test_sound_may_come_in_one_piece(time_s):
    sound = np.full(12 * 16000, 1000, np.int16)
    streams = [Stream(FakeParts(streams=("speech",)), LABELS, faces=False) for _ in range(2)]
    whole = streams[0].add_sound(sound, time_s)
    parts = [answer for i in range(48) for answer in streams[1].add_sound(
        sound[4000 * i : 4000 * (i + 1)], time_s and time_s + i / 4)]  # fmt: skip
    for answers in (whole, parts):
        assert [each.time_s - (time_s or 0) for each in answers] == [(i + 1) / 4 for i in range(48)]
        assert all(each.sound_s == min(i + 1, 4) / 4 for i, each in enumerate(answers))
    assert streams[0].report()["late_sound_s"] == 0


def test_a_gap_in_the_sound_is_left_out_and_a_short_one_is_silence():
    parts = FakeParts()
    play(Stream(parts, LABELS), 2.0, sound=lambda t: not 1.2 <= t < 1.6)
    assert parts.windows[-1][1] == 0.6 * 16000
    parts = FakeParts()
    play(Stream(parts, LABELS), 2.0, sound=lambda t: not 1.2 <= t < 1.4)
    assert parts.windows[-1][1] == 16000


def test_a_jittering_clock_makes_no_gaps():
    parts = FakeParts(streams=("speech",))
    stream = Stream(parts, LABELS)
    rng = np.random.default_rng(0)
    for i in range(40):
        stream.add_sound(np.full(800, 1000, np.int16), i / 20 + rng.uniform(-0.01, 0.01))
    assert parts.windows[-1][1] == 16000
    samples, present = stream._sound.read(0, 32000)
    assert present.all()
    assert (samples > 0).all()


def test_a_changing_frame_rate_and_a_stop():
    parts = FakeParts()
    stream = Stream(parts, LABELS, sound=False)
    times = [*np.arange(0, 1, 1 / 30), *np.arange(1, 3, 1 / 5), *np.arange(5, 6, 1 / 15)]
    answers = []
    for i, time_s in enumerate(times):
        answers += stream.add_face(float(time_s), b"%d" % i)
    answers += stream.finish()
    assert [round(a.time_s, 2) for a in answers] == [round(0.25 * i, 2) for i in range(1, 25)]
    by_time = {round(a.time_s, 2): a for a in answers}
    assert by_time[2.75].faces == 4  # five pictures a second: each segment has one
    assert by_time[4.5].faces == 0
    assert by_time[4.5].emotion is None
    assert by_time[6.0].faces == 4


def test_a_long_break_costs_nothing_and_the_past_is_forgotten():
    parts = FakeParts()
    stream = Stream(parts, LABELS)
    before = play(stream, 2.0)
    start = time.perf_counter()
    after = [
        *stream.add_face(100_000.1, b"9"),
        *stream.add_sound(np.ones(8000, np.int16) * 99, 100_000.0),
    ]
    after += stream.add_face(100_000.4, b"9")
    assert time.perf_counter() - start < 1
    assert len(before) == 8
    assert after[0].faces == 1
    assert after[0].time_s == pytest.approx(100_000.25)
    assert stream.report()["stream_s"] < 4


def test_a_clock_that_is_turned_back_starts_anew():
    stream = Stream(FakeParts(), LABELS)
    play(stream, 5.0)
    again = play(stream, 2.0)
    assert [round(a.time_s, 2) for a in again][-1] == 2.0
    assert stream.report()["late_frames"] == 0


def test_pictures_in_the_wrong_order_are_left_out():
    stream = Stream(FakeParts(), LABELS, sound=False)
    for time_s in (0.0, 0.1, 0.05, 0.2):
        stream.add_face(time_s, b"1")
    assert stream.report()["late_frames"] == 1
    with pytest.raises(ValueError, match="time"):
        stream.add_face(float("nan"), b"1")


def test_pixels_and_sound_of_another_kind_are_refused():
    stream = Stream(FakeParts(), LABELS)
    for face in (
        np.zeros((2, 2, 3), np.float32),
        np.zeros((3, 2, 2), np.uint8),
        np.zeros((1, 2, 2, 3), np.uint8),
    ):
        with pytest.raises(ValueError, match=r"a face is \(S, S, 3\) uint8"):
            stream.add_face(0.0, face)
    for kind in (np.int32, np.uint8, ">i2"):
        with pytest.raises(ValueError, match="sound is int16, or float"):
            stream.add_sound(np.zeros(800, kind), 0.0)
    stream.add_face(0.0, np.zeros((2, 2, 3), np.uint8))
    stream.add_sound(np.zeros(800, np.float64), 0.0)


@pytest.mark.parametrize(("value", "heard"), [(np.nan, 0), (2 / 32768, 0), (2.5 / 32768, 16000)])
def test_samples_that_are_no_numbers_are_silence_and_the_threshold_is_that_of_a_phone(value, heard):
    parts = FakeParts(streams=("speech",))
    stream = Stream(parts, LABELS)
    answers = stream.add_sound(np.full(16000, value, np.float32), 0.0)
    assert answers[-1].sound_s * 16000 == heard


def test_a_fast_camera_is_thinned_to_thirty_a_second():
    stream = Stream(FakeParts(), LABELS, sound=False)
    for i in range(240):
        stream.add_face(i / 120, b"1")
    assert 58 <= stream.report()["frames"] <= 61


def test_the_sound_around_a_segment_is_waited_for():
    parts = FakeParts(context=16000)  # half a second to either side of the centre
    stream = Stream(parts, LABELS)
    answers = play(stream, 1.0)
    # Centres at 0.125, 0.375 ...: the second segment needs sound up to 0.875, the third to 1.125.
    assert len(answers) == 2
    assert stream.report()["look_ahead_s"] == pytest.approx(0.375)
    answers += stream.finish()
    assert len(answers) == 4
    assert parts.encoded == [(2, 1), (7, 1), (12, 1), (17, 1)]


def test_what_is_left_at_the_end():
    for until_s, expected in ((0.1, 1), (0.3, 1), (0.4, 2), (1.0, 4), (1.2, 5)):
        stream = Stream(FakeParts(), LABELS)
        answers = play(stream, until_s)
        assert len([*answers, *stream.finish()]) == expected, until_s
        assert stream.finish() == []


def test_settings_that_do_not_fit_are_refused():
    for settings, reason in (
        ({"window_s": 2.0}, "longer than this model can take: 1 s"),
        ({"hop_s": 0.3}, "no whole number of hops.*--hop 0.3333"),
        ({"faces": False, "sound": False}, "nothing to answer from"),
        ({"hop_s": 0.0}, "no whole number"),
        ({"window_s": float("nan")}, "--window nan: a length"),
        ({"window_s": float("inf")}, "--window inf: a length"),
    ):
        with pytest.raises(UsageError, match=reason):
            Stream(FakeParts(longest=16000), LABELS, **settings)
    assert Stream(FakeParts(), LABELS, hop_s=0.1).segments == 10


def test_segments_of_a_fixed_length_are_answered_every_few():
    parts = FakeParts()
    parts.segment_s = 0.1
    stream = Stream(parts, LABELS, hop_s=0.5)
    assert (stream.segments, stream.hop_s, stream.report()["hop_s"]) == (10, 0.5, 0.5)
    answers = play(stream, 1.2)
    assert [round(answer.time_s, 3) for answer in answers] == [0.5, 1.0]
    assert [seen for seen, _ in parts.windows] == [[2 * i for i in range(n)] for n in (5, 10)]
    left = stream.finish()
    assert [round(answer.time_s, 3) for answer in left] == [1.2]
    assert len(parts.encoded) == 12
    assert stream.finish() == []
    assert Stream(parts, LABELS).hop_s == 1.0
    for wrong, reason in (({"hop_s": 0.25}, "a hop of 0.25 s.*--hop 0.2"),
                          ({"window_s": 0.97}, "--window 1"), ({"hop_s": 0.0}, "a hop of 0 s")):  # fmt: skip
        with pytest.raises(UsageError, match=reason):
            Stream(parts, LABELS, **wrong)


def test_latency_is_counted_from_when_the_segment_had_ended():
    stream = Stream(FakeParts(), LABELS, sound=False)
    now = time.perf_counter()
    for i in range(10):
        # The frame that ends the first segment could be had 3 s ago.
        answers = stream.add_face(i / 20, b"1", arrived=now - 3)
        if answers:
            break
    assert 3 <= answers[0].latency_s < 4
    assert answers[0].work_s < 1
    report = stream.report()
    assert 3000 <= report["latency_ms"]["p50"] <= report["latency_ms"]["p95"] < 4000
    assert report["answers"] == 1


def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc (Linux)")
def test_an_hour_in_constant_memory():
    parts = FakeParts()
    parts.encode = lambda moment: np.zeros(2, np.float32)
    parts.answer = lambda *a: dict.fromkeys(outputs_of(("faces", "speech")), np.full(3, 1 / 3))
    stream = Stream(parts, LABELS)
    sound = np.full(1600, 1000, np.int16)
    face = b"1" * 10_000
    parts.pixels = lambda jpeg: np.zeros((2, 2, 3), np.uint8)
    memory, answers = {}, 0
    for i in range(36_000):
        answers += len(stream.add_sound(sound, i / 10))
        answers += len(stream.add_face(i / 10, bytes(face)))
        answers += len(stream.add_face(i / 10 + 0.05, bytes(face)))
        if i % 6000 == 0:
            memory[i // 600] = resident_mb()
    assert answers == 14_400
    # From the tenth minute to the fiftieth.
    assert memory[50] - memory[10] < 5
