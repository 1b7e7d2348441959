"""Single pictures are the same to every reader, whatever their file says about how they lie."""

import struct

import cv2
import numpy as np
import pytest
import tensorflow as tf

from emotionnet.clips.pictures import picture_clip
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.inputs.pictures import decode
from emotionnet.inputs.views import View

#: What is done to an upright picture so that a file of this EXIF orientation holds it.
STORED = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.T,
    6: lambda p: np.rot90(p),
    7: lambda p: np.rot90(p.T, 2),
    8: lambda p: np.rot90(p, -1),
}


def face(size=48):
    noise = np.random.default_rng(0).uniform(0, 255, (6, 6)).astype(np.float32)
    return np.clip(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC), 0, 255).astype(
        "u1"
    )


def jpeg_of(picture, orientation=None):
    content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    if orientation is None:
        return content
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0" + b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[2:]


def seen(content):
    """The picture as evaluation and as training see it."""
    stored = picture_clip(ManifestRow("a", "fer2013", "happy", picture="a.jpg"), content).faces[0]
    evaluated = View(frames=1, image_size=48).decode(tf.constant(stored)).numpy()[..., 0]
    return stored, evaluated, decode(stored, 48)


@pytest.mark.parametrize("orientation", STORED)
def test_a_picture_stands_upright_for_training_and_evaluation(orientation):
    content = jpeg_of(STORED[orientation](face()), orientation)
    stored, evaluated, trained = seen(content)
    for picture in (evaluated, trained):
        assert np.abs(picture.astype(int) - face()).mean() < 2
    assert (stored == content) == (orientation == 1)


def test_a_jpeg_that_says_nothing_is_kept_byte_for_byte():
    content = jpeg_of(face())
    assert seen(content)[0] == content
