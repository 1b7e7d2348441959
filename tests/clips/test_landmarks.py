"""68 landmarks from a face mesh; the model itself is tried where it is there."""

import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from emotionnet.clips import landmarks as lm
from emotionnet.clips.fields import make_fields
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import sha256


def test_the_mirror_swaps_and_swaps_back():
    mirror = np.array(lm.MIRROR_68)
    np.testing.assert_array_equal(mirror[mirror], np.arange(68))
    assert [i for i in range(68) if mirror[i] == i] == [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]


def test_mirrored_points_come_of_mirrored_mesh_points():
    """Every mesh point of the tables has one mirror image, the same in all of them: no slip in them."""
    images = {}
    pairs = [*zip(*lm.OUTLINE)]
    for point, mirrored in enumerate(lm.MIRROR_68[17:], 17):
        pairs += zip(lm.MEANS[point - 17], lm.MEANS[mirrored - 17], strict=True)
    for a, b in pairs:
        assert images.setdefault(a, b) == b
        assert images.setdefault(b, a) == a
    assert len(lm.MEANS) == 51
    assert max(images) < 468


def test_the_outline_has_equal_distances_and_the_rest_are_means():
    mesh = np.random.default_rng(0).uniform(0, 1, (468, 2))
    for line, direction in zip(lm.OUTLINE, (1, -1)):
        # Mesh points at any distances on a straight line down to the chin.
        at = np.sort(np.random.default_rng(1).uniform(0, 1, len(line)))
        at = (at - at[0]) / (at[-1] - at[0])
        mesh[list(line)] = np.stack([0.5 - direction * 0.4 * (1 - at), 0.2 + 0.7 * at], axis=1)
    points = lm.from_mesh(mesh)
    assert points.shape == (68, 2)
    np.testing.assert_allclose(points[:9, 1], np.linspace(0.2, 0.9, 9))
    np.testing.assert_allclose(points[:9, 0], np.linspace(0.1, 0.5, 9))
    np.testing.assert_allclose(points[16:7:-1], points[:9] * [-1, 1] + [1, 0])
    np.testing.assert_allclose(points[17], (mesh[70] + mesh[46]) / 2)
    np.testing.assert_allclose(points[36], mesh[33])
    five = lm.five_of_68(np.stack([points, points]))
    assert five.shape == (2, 5, 2)
    np.testing.assert_allclose(five[1, 1], points[42:48].mean(axis=0))
    np.testing.assert_allclose(five[0, 3:], points[[48, 54]])


def test_a_model_that_is_missing_is_explained_in_three_lines(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTIONNET_CACHE", str(tmp_path))
    monkeypatch.setattr(lm, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as error:
        make_fields(["landmarks68"], {})
    what, size, how = str(error.value).splitlines()
    assert "face mesh model" in what
    assert "1.2 MB (Apache-2.0)" in size
    assert "python -m emotionnet.download landmarks" in how
    with pytest.raises(UsageError, match="no such file"):
        lm.read_model(tmp_path / "x.tflite")


def test_only_the_known_model_is_taken_from_a_file_a_wheel_or_an_installed_package(
    tmp_path, monkeypatch
):
    content = b"a model"
    model, wheel = tmp_path / "a.tflite", tmp_path / "mediapipe.whl"
    model.write_bytes(content)
    with pytest.raises(
        EmotionNetError, match=r"is not the model .* \(7 bytes\) instead of 1055cb9d"
    ):
        lm.read_model(model)
    monkeypatch.setattr(lm, "MODEL_SHA256", sha256(content))
    assert lm.read_model(model) == content
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("mediapipe/__init__.py", "")
    with pytest.raises(EmotionNetError, match=r"holds no mediapipe/modules.*wheel of mediapipe==0"):
        lm.read_model(wheel)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(lm.WHEEL_MEMBER, content)
    assert lm.read_model(wheel) == content
    wheel.write_bytes(b"no zip")
    with pytest.raises(EmotionNetError, match="holds no"):
        lm.read_model(wheel)

    monkeypatch.setenv("EMOTIONNET_CACHE", str(tmp_path / "cache"))
    installed = tmp_path / "site" / lm.WHEEL_MEMBER
    installed.parent.mkdir(parents=True)
    installed.write_bytes(content)
    (tmp_path / "site" / "mediapipe" / "__init__.py").write_text("raise ImportError('imported')")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert lm.read_model() == content
    lm.model_place().parent.mkdir(parents=True)
    lm.model_place().write_bytes(content[:3])
    with pytest.raises(EmotionNetError, match="is not the model"):
        lm.read_model()


@pytest.fixture(scope="module")
def mesh():
    try:
        content = lm.read_model()
    except UsageError as error:
        pytest.skip(str(error).splitlines()[0])
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed (extra landmarks)")
    return lm.Mesh(content)


def mirrored(points):
    return points[list(lm.MIRROR_68)] * [-1, 1] + [1, 0]


@pytest.mark.slow
def test_any_number_of_threads_gives_the_same_points(mesh):
    faces = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), np.uint8)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(mesh.landmarks, faces))
    for face, points in zip(faces, together):
        assert points.shape == (68, 2)
        np.testing.assert_array_equal(points, mesh.landmarks(face))


@pytest.mark.slow
@pytest.mark.real_data
def test_real_faces_have_their_landmarks_where_the_record_has_them(mesh, tmp_path):
    if "EMOTIONNET_DATA" not in os.environ:
        pytest.skip("EMOTIONNET_DATA is not set: no real recordings")
    pytest.importorskip("tensorflow")
    from emotionnet import corpora, prepare
    from emotionnet.clips.crop import in_crop_units
    from emotionnet.clips.fields.landmarks68 import _decode
    from emotionnet.clips.records import Records, parse

    root = Path(os.environ["EMOTIONNET_DATA"]) / "crema_d"
    rows = [row for row in corpora.scan("crema_d", root) if row.picture][:1]
    out = prepare(
        "crema_d", root, tmp_path / "records", rows=rows, workers=1, fields=["landmarks68"]
    )
    records = Records.open(out)
    fields = ("landmarks68",)
    (serialized,) = records.dataset(records.rows, fields).as_numpy_iterator()
    parsed = {name: value.numpy() for name, value in parse(serialized, fields).items()}
    found = parsed["landmarks68"]
    seen = parsed["jpegs"] != b""
    np.testing.assert_array_equal(np.isfinite(found).all(axis=(1, 2)), seen)
    five = np.array([in_crop_units(points, points) for points in parsed["landmarks"]])
    eyes = np.linalg.norm(found[seen, 36] - found[seen, 45], axis=1)[:, None]
    distance = np.linalg.norm(lm.five_of_68(found[seen]) - five[seen], axis=2) / eyes
    assert distance.mean() < 0.04
    assert distance.mean(axis=0).max() < 0.08
    face = _decode(parsed["jpegs"][seen][10])
    turned = mirrored(mesh.landmarks(np.ascontiguousarray(face[:, ::-1])))
    assert np.linalg.norm(turned - found[seen][10], axis=1).mean() < 0.03 * eyes[10]
