"""Files with shuffled time stamps, tracks, sizes and bytes: no traceback, no hang, nothing outside the clip."""

import contextlib
import time
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from recordings import Film, Voice, record, retime_flv

from emotionnet.clips.clip import read_clip
from emotionnet.clips.detect import Face
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import BadClip
from emotionnet.labelling.preview import make_preview, media_type
from emotionnet.prediction.predictor import window_starts
from emotionnet.streaming.sources import FileSource

pytestmark = pytest.mark.slow
#: A clip that takes longer hangs (of processor time: other work does not count).
LONGEST_S = 10.0
FILM_CODECS = ("mpeg4", "mjpeg", "libx264", "ffv1", "flv")
VOICE_CODECS = ("aac", "pcm_s16le", "libmp3lame", "flac", "libopus")
SUFFIXES = (".mkv", ".mp4", ".mov", ".avi", ".ts", ".flv", ".webm", ".wav", ".ogg", ".m4a")


class Finder:
    """A face in every second picture."""

    def follow(self, frames, company=None):
        for number, frame in enumerate(frames):
            height, width = frame.size
            points = np.array([[0.4, 0.4], [0.6, 0.4], [0.5, 0.5], [0.4, 0.6], [0.6, 0.6]])
            box = np.array([0, 0, width, height], float)
            face = Face(box, points * [width, height], 1.0)
            yield frame, None if number % 2 else face


@st.composite
def moves(draw):
    """From a packet's time to where it stands in the file."""
    kind = draw(
        st.sampled_from(("true", "late", "gap", "leap", "slow", "stray", "shuffled", "missing"))
    )
    at, by = draw(st.floats(0, 2)), draw(st.sampled_from((0.1, 0.7, 3.0, 30.0, 400.0, 1e5)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return {
        "true": float,
        "late": lambda t: t + by,
        "gap": lambda t: None if at <= t < at + 0.5 else t,
        "leap": lambda t: t + by * (t >= at),
        "slow": lambda t: t * by,
        "stray": lambda t: t + by * (rng.random() < 0.05),
        "shuffled": lambda t: rng.uniform(0, by),
        "missing": lambda t: None if by > 1 else t,
    }[kind]


@st.composite
def films(draw):
    size = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    shade = draw(st.integers(0, 255))
    codec = draw(st.sampled_from(FILM_CODECS))
    return Film(
        [np.full((2 * size[0], 2 * size[1], 3), (shade + 3 * i) % 256, np.uint8)
         for i in range(draw(st.integers(1, 40)))],
        rate=draw(st.sampled_from((1, 10, 25, 60))),
        codec=codec,
        pixel_format={"mjpeg": "yuvj420p"}.get(codec, "yuv420p"),
        default=draw(st.sampled_from((None, True, False))),
        aspect=draw(st.sampled_from((None, Fraction(2), Fraction(1, 3), Fraction(1, 100)))),
        matrix=draw(st.sampled_from((None, (-1, 0, 0, 1), (0, 1, 1, 0)))),
        move=draw(moves()),
    )  # fmt: skip


@st.composite
def voices(draw):
    rate = draw(st.sampled_from((8000, 16000, 44100, 48000)))
    samples = np.random.default_rng(0).normal(0, 0.1, round(rate * draw(st.floats(0.02, 3))))
    samples *= draw(st.sampled_from((0.0, 1.0, 30.0)))
    channels = draw(st.sampled_from(([1], [1, 1], [1, -1], [1, 0])))
    samples = samples if len(channels) == 1 else samples[:, None] * np.array(channels)
    return Voice(
        samples,
        rate,
        draw(st.sampled_from(VOICE_CODECS)),
        draw(st.sampled_from((None, True, False))),
        draw(moves()),
    )


@st.composite
def files(draw, folder):
    """A file of any kind, or two of them one behind the other, or a damaged one; and how long it may be at most."""
    tracks = draw(st.lists(st.one_of(films(), voices()), min_size=1, max_size=4))
    path = folder / ("a" + draw(st.sampled_from(SUFFIXES)))
    try:
        record(path, *tracks)
    except (av.error.FFmpegError, ValueError, OSError):
        reject()  # not every codec fits every file
    if not path.is_file():
        reject()
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    harm = draw(st.sampled_from(("none", "none", "twice", "cut", "holes", "stamps")))
    content = bytearray(path.read_bytes())
    if harm == "twice":
        content = content + content
    elif harm == "cut":
        del content[int(len(content) * rng.uniform(0.2, 1)) :]
    elif harm == "holes":
        for start in rng.integers(0, len(content), 3):
            content[start : start + 50] = bytes(len(content[start : start + 50]))
    path.write_bytes(content)
    if harm == "stamps" and path.suffix == ".flv":
        retime_flv(path, lambda kind, number, t: rng.uniform(0, 4e6) if rng.random() < 0.2 else t)
    # Slides of up to a minute, or sound with gaps of up to a minute, are believed; hours are not.
    slides = sum(len(track.pictures) for track in tracks if isinstance(track, Film))
    sound_s = sum(len(track.samples) / track.rate for track in tracks if isinstance(track, Voice))
    return path, (2 if harm == "twice" else 1) * (60 * slides + 10 * sound_s) + 200


def read(path):
    row = ManifestRow("a", "folder", "happy", picture=path.name)
    clip = read_clip(row, path.parent, Finder())
    times = clip.times_s
    assert len(times) == len(clip.faces)
    assert (np.diff(times) > 0).all()
    assert not len(times) or times[0] >= 0
    seconds = clip.seconds
    for start in window_starts(seconds, 6.0):
        assert 0 <= start <= max(seconds, 0.0)
        assert min(start + 6.0, seconds) <= seconds
    assert all(isinstance(note, str) and note for note in clip.notes)
    return seconds


def play(path):
    source = FileSource(path, real_time=False)
    ends = [0.0]
    for event in source:
        assert event.due_s >= ends[-1] - 1e-6
        ends.append(event.due_s)
    assert all(source.notes)
    return ends[-1]


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_any_file_is_read_or_refused_in_words(tmp_path_factory, data):
    path, most_s = data.draw(files(tmp_path_factory.mktemp("any")))
    lengths = []
    for use in (read, play, lambda p: make_preview(p, p.with_name("copy.mp4")), media_type):
        start = time.process_time()
        with contextlib.suppress(BadClip):
            lengths.append(use(path))
        assert time.process_time() - start < LONGEST_S
    seconds = [length for length in lengths if isinstance(length, float)]
    assert all(length <= most_s for length in seconds)
    if len(seconds) == 2:
        assert seconds[1] <= seconds[0] + 0.05 or seconds[1] == pytest.approx(seconds[0], abs=0.2)
