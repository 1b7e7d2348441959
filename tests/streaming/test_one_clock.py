"""A flash and a beep at one moment stand at one moment for everything that reads a recording."""

import numpy as np
import pytest
from recordings import Film, Voice, record, tone

from emotionnet.clips.clip import read_clip
from emotionnet.clips.decode import Recording
from emotionnet.clips.detect import Face
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.labelling.preview import make_preview
from emotionnet.streaming.sources import FileSource

RATE, FPS, SECONDS, MOMENT_S = 16000, 25, 8, 6.0
SIZE = (64, 96)


class Finder:
    """A face in every picture."""

    def follow(self, frames, company=None):
        landmarks = np.array([[40, 25], [56, 25], [48, 32], [42, 42], [54, 42]], float)
        for frame in frames:
            yield frame, Face(np.array([32.0, 16, 32, 32]), landmarks, 1.0)


def flash(codec="libx264", **kwargs):
    first = round(MOMENT_S * FPS)
    shades = [240 if first <= i < first + 5 else 30 for i in range(SECONDS * FPS)]
    pictures = [np.full((*SIZE, 3), shade, np.uint8) for shade in shades]
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    return Film(pictures, FPS, codec, pixels, **kwargs)


def beep(codec="aac", rate=RATE, **kwargs):
    samples = np.zeros(SECONDS * rate, np.float32)
    first = round(MOMENT_S * rate)
    samples[first : first + rate // 5] = tone(0.2, rate, 700)
    samples[:rate] = tone(
        1, rate, 200, 0.02
    )  # quiet, so that the track is heard from its beginning
    return Voice(samples, rate, codec, **kwargs)


def gap(t):
    return None if 2 <= t < 5 else t


def wild(t):
    return t + 600 * (round(t * FPS) == 40)


def leap(t):
    return t + 5000 * (t >= 3)


FAULTS = {
    "mp4": ("a.mp4", [flash(), beep()], 0.0),
    "mkv": ("a.mkv", [flash(), beep("libopus", 48000)], 0.0),
    "webm": ("a.webm", [flash("libvpx"), beep("libopus", 48000)], 0.0),
    "avi": ("a.avi", [flash("mpeg4"), beep("libmp3lame", 44100)], 0.0),
    "flv": ("a.flv", [flash(), beep("aac", 44100)], 0.0),
    "ts": ("a.ts", [flash(), beep("aac", 48000)], 0.0),
    "a gap in the sound": ("a.mkv", [flash(), beep(move=gap)], 0.0),
    "a gap in the picture": ("a.mkv", [flash("mjpeg", move=gap), beep()], 0.0),
    "late together": ("a.mkv", [flash(move=lambda t: t + 7), beep(move=lambda t: t + 7)], 0.0),
    "late sound": ("a.mkv", [flash(), beep(move=lambda t: t + 1.5)], 1.5),
    "late picture": ("a.mkv", [flash(move=lambda t: t + 1.5), beep()], -1.5),
    "sound that is very late": ("a.mkv", [flash(), beep(move=lambda t: t + 12)], 12.0),
    "a wild picture": ("a.mkv", [flash("mjpeg", move=wild), beep()], 0.0),
    "a leap of both": ("a.mkv", [flash("mjpeg", move=leap), beep(move=leap)], 0.0),
    "a leap of the picture": ("a.mkv", [flash("mjpeg", move=leap), beep()], 0.0),
    "a leap of the sound": ("a.mkv", [flash("mjpeg"), beep(move=leap)], 0.0),
}


def when(pictures, samples):
    """When it flashes and when it beeps, in seconds."""
    bright = [time_s for time_s, shade in pictures if shade > 120]
    loud = np.flatnonzero(np.abs(samples / 32768) > 0.1)
    return bright[0], loud[0] / RATE


def prepared(path):
    """As `prepare` and `predict` read it."""
    import cv2

    row = ManifestRow("a", "folder", "happy", picture=path.name)
    clip = read_clip(row, path.parent, Finder())
    faces = [cv2.imdecode(np.frombuffer(face, np.uint8), cv2.IMREAD_COLOR) for face in clip.faces]
    return zip(clip.times_s.tolist(), (face[100, 100].mean() for face in faces)), clip.waveform


def heard_alone(path):
    """As a run of speech alone reads it."""
    row = ManifestRow("a", "folder", "happy", picture=path.name)
    return read_clip(row, path.parent, None).waveform


def streamed(path):
    pictures, samples = [], {}
    for event in FileSource(path, real_time=False):
        if event.frame is not None:
            pictures.append((event.time_s, event.frame.picture().mean()))
        else:
            samples[round(event.time_s * RATE)] = event.samples
    line = np.zeros(max(first + len(part) for first, part in samples.items()), np.int16)
    for first, part in samples.items():
        line[first : first + len(part)] = part
    return pictures, line


def labelled(path):
    """As the page shows it, where it needs a copy."""
    make_preview(path, path.with_name("copy.mp4"))
    copy = Recording(path.with_name("copy.mp4"))
    assert copy.notes == []
    return [(f.time_s, f.picture().mean()) for f in copy.frames()], copy.sound.samples


@pytest.mark.parametrize("name", FAULTS)
def test_flash_and_beep_stand_where_they_were(tmp_path, name):
    file, tracks, offset_s = FAULTS[name]
    path = record(tmp_path / file, *tracks)
    flashes, beeps = zip(*(when(*read(path)) for read in (prepared, streamed, labelled)))
    np.testing.assert_allclose(flashes, MOMENT_S + max(-offset_s, 0), atol=0.09)
    np.testing.assert_allclose(beeps, MOMENT_S + max(offset_s, 0), atol=0.09)
    np.testing.assert_allclose(flashes, flashes[0], atol=0.003)
    np.testing.assert_allclose(beeps, beeps[0], atol=0.003)
    assert abs(beeps[0] - flashes[0] - offset_s) < 0.07
    alone = np.flatnonzero(np.abs(heard_alone(path) / 32768) > 0.1)[0] / RATE
    assert alone == pytest.approx(beeps[0], abs=0.003)
