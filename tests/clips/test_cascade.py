"""MTCNN through LiteRT: the networks and the faces of the package that its weights come from."""

import subprocess
import sys

import numpy as np
import pytest
from scenes import MAN, WOMAN, scene

from emotionnet.clips import cascade, networks
from emotionnet.clips.detect import MIN_CONFIDENCE, MIN_FACE

SIZES = {"pnet": (29, 40), "rnet": (24, 24), "onet": (48, 48)}
PICTURES = [
    scene((WOMAN, (120, 90), 110)),
    scene((MAN, (90, 110), 150), (WOMAN, (270, 130), 90), size=(240, 360)),
    scene((WOMAN, (500, 200), 60), size=(360, 640)),
    scene(size=(181, 243)),
]


@pytest.fixture(scope="module")
def package():
    """The package itself, which computes with TensorFlow."""
    pytest.importorskip("tensorflow")
    from mtcnn import MTCNN

    return MTCNN()


def noise(name, count):
    return np.random.default_rng(0).uniform(-1, 1, (count, *SIZES[name], 3)).astype(np.float32)


@pytest.mark.parametrize(("stage", "name"), enumerate(SIZES, start=1))
def test_networks_answer_as_those_of_the_package(package, stage, name):
    inputs = noise(name, 41)
    expected = package.get_stage(stage_id=stage).model(inputs)
    found = networks.Network(name, SIZES[name])(inputs)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("name", SIZES)
def test_an_input_is_answered_alike_whatever_comes_with_it(name):
    network, inputs = networks.Network(name, SIZES[name]), noise(name, 41)
    together, alone = network(inputs), network(inputs[-1:])
    for many, one in zip(together, alone):
        np.testing.assert_array_equal(many[-1:], one)


def test_the_same_faces_are_found(package):
    searching = cascade.Cascade(MIN_FACE, MIN_CONFIDENCE)
    for picture, count in zip(PICTURES, (1, 2, 1, 0)):
        theirs = package.detect_faces(
            [picture], output_type="numpy", box_format="xyxy", fit_to_image=False,
            min_face_size=MIN_FACE, threshold_onet=MIN_CONFIDENCE,
        )  # fmt: skip
        ours = searching.search(picture)
        assert len(ours) == len(theirs) == count
        for mine, other in zip(ours, theirs[:, 1:]):
            side = np.sqrt(np.prod(other[2:4] - other[:2]))
            assert np.abs(mine[:4] - other[:4]).max() < 0.03 * side
            assert np.abs(mine[5:] - other[5:]).max() < 0.03 * side
            assert mine[4] == pytest.approx(other[4], abs=0.02)


def test_without_litert_tensorflows_own_interpreter_is_taken(monkeypatch):
    pytest.importorskip("tensorflow")
    inputs = noise("rnet", 3)
    expected = networks.Network("rnet", SIZES["rnet"])(inputs)
    for module in ("ai_edge_litert", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, module, None)
    for ours, theirs in zip(networks.Network("rnet", SIZES["rnet"])(inputs), expected):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_faces_are_found_without_tensorflow(tmp_path):
    pytest.importorskip("ai_edge_litert")
    np.save(tmp_path / "picture.npy", PICTURES[0])
    code = (
        "import sys, numpy; from emotionnet.clips.detect import Detector\n"
        "(faces,) = Detector().detect([numpy.load(sys.argv[1])])\n"
        "print(len(faces), *sorted({'tensorflow', 'keras', 'mtcnn'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "picture.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]
    assert not done.stderr  # the runtime's greeting would be written into the progress bar


@pytest.mark.parametrize("overlap", ["share of both", "share of the smaller"])
def test_of_boxes_that_overlap_the_surest_stays(overlap):
    boxes = np.array([[0, 0, 10, 10, 0.8], [20, 0, 30, 10, 0.9], [1, 0, 11, 10, 0.95]])
    inside = np.array([[22, 2, 26, 6, 0.85]])
    within = overlap == "share of the smaller"
    kept = cascade._apart(np.concatenate([boxes, inside]), 0.7, within)
    assert kept[:, 4].tolist() == ([0.95, 0.9] if within else [0.95, 0.9, 0.85])
