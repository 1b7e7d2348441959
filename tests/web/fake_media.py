"""Demo clips as what Chromium plays for a camera and a microphone: a .y4m and a .wav, in a loop."""

import wave

import cv2
import numpy as np
import soxr

from emotionnet.corpora import demo

#: What the browser is started with besides `camera` and `microphone`.
DEVICES = "--use-fake-device-for-media-stream"
SIZE = (640, 480)
SOUND_HZ = 48000


def camera(path, take):
    """Writes the pictures of a take of the demo corpus; returns the browser's argument."""
    with open(path, "wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n" % (*SIZE, demo.FPS))
        for picture in demo.frames(take):
            picture = cv2.resize(picture, SIZE, interpolation=cv2.INTER_CUBIC)
            file.write(b"FRAME\n" + cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420).tobytes())
    return f"--use-file-for-fake-video-capture={path}"


def microphone(path, take):
    """Writes the sound of a take; returns the browser's argument."""
    samples = soxr.resample(demo.samples(take), demo.SAMPLE_RATE, SOUND_HZ)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SOUND_HZ, 0, "NONE", ""))
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return f"--use-file-for-fake-audio-capture={path}"
