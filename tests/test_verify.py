"""A bundle says all there is to know, and one that lies is caught, whichever file was touched, and
without TensorFlow."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from same_parts import check_same_parts
from tiny_model import exportable_run, tiny_model
from tiny_run import SYSTEM_CONFIG, make_clip, write_records

from emotionnet.deploy.bundle import write_sums
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.export import export
from emotionnet.files import write_json
from emotionnet.verify import main, verify

pytestmark = pytest.mark.usefixtures("four_bottlenecks")

PRECISIONS = ("float32", "int8", "onnx")
EMOTIONS = ("neutral", "happy", "sad")
PAGE = shutil.which("npm") is not None  # Node puts it together


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle of an untrained run on four clips of noise."""
    folder = tmp_path_factory.mktemp("bundle")
    clips = [make_clip(f"clip_{i}", EMOTIONS[i % 3], seed=i) for i in range(4)]
    records = write_records(folder / "records", clips)
    run = exportable_run(folder / "run", records, train=records.rows[:2], test=records.rows[2:])
    write_json(run.folder / "metrics.json", {"model_sha256": "that of an earlier model"})
    return export(run.folder, folder / "made", precisions=PRECISIONS, page=PAGE)


@pytest.fixture
def copy(bundle, tmp_path):
    """One that may be damaged."""
    return shutil.copytree(bundle, tmp_path / "copy")


def _edit(folder, change):
    """Changes the contract, and the checksums with it, as somebody would who means to."""
    path = folder / "contract.json"
    contract = json.loads(path.read_text())
    change(contract)
    path.write_text(json.dumps(contract))
    write_sums(folder)


def test_bundle_says_all_there_is_to_know(bundle):
    assert {p.name for p in bundle.parent.iterdir()} == {"records", "run", "made"}
    assert ("page.html" in (bundle / "SHA256SUMS").read_text()) == PAGE
    contract = json.loads((bundle / "contract.json").read_text())
    assert contract["labels"] == list(EMOTIONS)
    assert (bundle / "labels.txt").read_text().split() == list(EMOTIONS)
    assert set(contract["signatures"]) == {
        "classify",
        "encode_face",
        "encode_speech",
        "front_end",
        "fuse",
    }
    faces = contract["signatures"]["classify"]["inputs"][0]
    assert (faces["name"], faces["dtype"], faces["range"]) == ("faces", "uint8", [0, 255])
    assert contract["crop"]["size"] == 32
    assert "32 by 32" in contract["crop"]["rule"]
    assert contract["crop"]["sensitivity"]["clips"] == 2
    assert 0 <= contract["crop"]["sensitivity"]["shift_5_percent"]["same_answer"] <= 1
    assert contract["sound"]["sample_rate_hz"] == 16000
    assert contract["front_end"]["n_mfcc"] == 40
    accuracy = json.loads((bundle / "accuracy.json").read_text())
    for precision in ("float32", "onnx"):
        assert accuracy[precision]["fused"]["agreement"] == 1.0
        assert accuracy[precision]["fused"]["largest_difference"] < 1e-4
    times = json.loads((bundle / "benchmark.json").read_text())["times"]
    assert times["float32"]["encode_face"]["median_ms"] > 0
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "drawn faces" in card
    assert "Article 50" in card
    assert "This model was not evaluated" in card
    assert {"EmotionClassifier.kt", "ANDROID.md"} <= {p.name for p in bundle.iterdir()}


def test_a_sound_bundle_passes_without_tensorflow(bundle):
    # Modules that are not there in the environment that the hand-off promises to need.
    blocked = "import sys\nfor name in ('tensorflow', 'keras', 'cv2', 'sklearn', 'matplotlib'):\n"
    code = (
        f"{blocked}    sys.modules[name] = None\nimport emotionnet.verify as v\nsys.exit(v.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(bundle)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "all true" in done.stdout
    assert all(precision in done.stdout for precision in PRECISIONS)


def test_verify_needs_no_more_than_the_guide_says(tmp_path):
    """Of all that is installed: the packages named there, and what these need."""
    from importlib import metadata

    root = Path(__file__).parents[1]
    guide = (root / "docs" / "handoff.md").read_text(encoding="utf-8")
    (sentence,) = re.findall(r"^`verify` needs (.*) and this package", guide, re.M)
    named = re.findall(r"`([\w-]+)`", sentence)
    theirs = [each for name in named for each in metadata.requires(name) or () if ";" not in each]
    allowed = {_plain(re.match(r"[\w.-]+", each)[0]) for each in (*named, *theirs)}
    blocked = [
        module
        for module, owners in metadata.packages_distributions().items()
        if module != "emotionnet" and allowed.isdisjoint(map(_plain, owners))
    ]
    code = (
        f"import sys\nfor name in {blocked!r}:\n    sys.modules[name] = None\n"
        "import emotionnet.verify as v\nsys.exit(v.main())"
    )
    folder = root / "saved_models" / "demo_bundle"
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "all true" in done.stdout


def _plain(distribution):
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_predict_answers_as_the_run_did(bundle, copy, tmp_path):
    """From the file that is closest to the run; and where it is not there, from the next."""
    from emotionnet.corpora import demo
    from emotionnet.corpora.media import write_clip
    from emotionnet.predict import predict

    take = demo.Take(0, 12, "happy", 1)
    clip = write_clip(tmp_path / "a.mp4", demo.frames(take), demo.FPS, demo.samples(take))
    (wanted,) = predict(bundle.parent / "run", clip)
    contract = json.loads((bundle / "contract.json").read_text())
    for precision in ("float32", "int8"):
        (found,) = predict(copy, clip)
        limit = contract["tolerances"][precision]["reference"]
        assert found.pop("probabilities") == pytest.approx(wanted["probabilities"], abs=limit)
        assert len(found.pop("timeline")) == len(wanted["timeline"])
        told = wanted.keys() - {"probabilities", "timeline", "emotion"}
        assert {key: found[key] for key in told} == {key: wanted[key] for key in told}
        _edit(copy, lambda contract: contract["files"].pop("float32", None))
    with pytest.raises(UsageError, match="Give the run that it was made of"):
        predict(copy, clip, embeddings=True)
    path = copy / "emotion_int8.tflite"
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(EmotionNetError, match=r"emotion_int8.tflite: is not as SHA256SUMS says"):
        predict(copy, clip)


def test_a_run_answers_from_the_bundle_in_it_while_that_is_of_its_model(
    bundle, tmp_path, monkeypatch, capsys
):
    from emotionnet.corpora.media import write_clip
    from emotionnet.predict import predict
    from emotionnet.training.run import Run

    sound = np.random.default_rng(0).normal(0, 0.1, 12000).astype(np.float32)
    clip = write_clip(tmp_path / "a.wav", samples=sound, sound_codec="pcm_s16le")
    run = shutil.copytree(bundle.parent / "run", tmp_path / "run")
    shutil.copytree(bundle, run / "quick")
    (wanted,) = predict(bundle, clip)
    asked = []
    monkeypatch.setattr(Run, "model", lambda self, real=Run.model: asked.append(1) or real(self))
    assert predict(run, clip) == [wanted]
    assert not asked
    other = tiny_model(seed=1, **SYSTEM_CONFIG)
    Run.open(run).save_model(other)
    (found,) = predict(run, clip)
    assert asked
    assert found["probabilities"] != wanted["probabilities"]
    assert f"{run / 'quick'} is of another model" in capsys.readouterr().err


def test_it_streams_as_the_run_did(bundle):
    check_same_parts(bundle, bundle.parent / "run")


def test_rows_tell_what_was_checked(bundle):
    rows = {row["precision"]: row for row in verify(bundle)}
    assert set(rows) == set(PRECISIONS)
    assert rows["float32"]["off_keras"] <= 1e-4
    assert all(row["clips"] == 4 for row in rows.values())
    assert rows.pop("onnx")["off_front_end"] is None  # the file has the one entry point
    assert all(row["off_front_end"] <= 0.01 for row in rows.values())


def test_every_single_file_is_covered(bundle, tmp_path):
    """Each file in turn is damaged, and then removed."""
    names = [p.relative_to(bundle) for p in sorted(bundle.rglob("*")) if p.is_file()]
    assert len(names) >= 12
    for name in names:
        if name.name == "SHA256SUMS":
            continue
        folder = shutil.copytree(bundle, tmp_path / "copy")
        path = folder / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))
        with pytest.raises(EmotionNetError, match=name.name):
            verify(folder)
        path.unlink()
        with pytest.raises(EmotionNetError, match=f"{name.name}: is missing"):
            verify(folder)
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", [".DS_Store", "golden/._expected.json", "Thumbs.db"])
def test_what_a_file_manager_leaves_is_passed_over(copy, name):
    from emotionnet.deploy.checking import _check_sums

    (copy / name).write_bytes(b"\x00\x00\x00\x01Bud1")
    _check_sums(copy)


def test_a_file_that_was_added(copy):
    (copy / "extra.txt").write_text("hello")
    with pytest.raises(EmotionNetError, match=r"extra.txt: is not in SHA256SUMS"):
        verify(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format=99), "format 99"),
        (lambda c: c["labels"].reverse(), "other labels"),
        (lambda c: c["files"].clear(), "no model file"),
        (
            lambda c: c["signatures"]["classify"]["inputs"][0].update(dtype="float32"),
            "dtype of faces",
        ),
        (
            lambda c: c["signatures"]["classify"]["inputs"][2].update(shape=[1, 8000]),
            "shape of waveform",
        ),
        (lambda c: c["signatures"]["classify"]["inputs"].pop(), "of waveform_samples"),
        (lambda c: c["signatures"]["fuse"]["outputs"][0].update(scale=0.5), "scale of"),
        (lambda c: c["signatures"].pop("fuse"), "entry points"),
        (lambda c: c["files"]["int8"].update(bytes=1), "bytes"),
        (lambda c: c["tolerances"]["int8"].update(own=-1), "off its answers"),
        (lambda c: c["tolerances"]["int8"].update(reference=-1), "off the Keras"),
        (lambda c: c["tolerances"]["int8"].update(front_end=-1), "audio features"),
    ],
)
def test_a_contract_that_lies(copy, change, message):
    _edit(copy, change)
    with pytest.raises(EmotionNetError, match=message):
        verify(copy)


def test_the_model_of_another_run(copy):
    """Right in every tensor, wrong in its answers."""
    path = copy / "emotion_float32.tflite"
    content = bytearray(path.read_bytes())
    from emotionnet.deploy.litert import LiteModel

    buffers = LiteModel(path).graph.buffers
    largest = max((b.data for b in buffers if b.data is not None), key=len).tobytes()
    place = bytes(content).index(largest)
    weights = np.frombuffer(largest, np.float32)[::-1] * 2
    content[place : place + len(largest)] = weights.tobytes()
    path.write_bytes(bytes(content))
    write_sums(copy)
    with pytest.raises(EmotionNetError, match=r"emotion_float32.tflite: golden clip"):
        verify(copy)


def test_golden_answers_that_were_edited(copy):
    path = copy / "golden" / "expected.json"
    expected = json.loads(path.read_text())
    answer = expected["whole_1"]["expected"]["float32"]["classify"]["probabilities"]
    answer[0] = float("nan")
    path.write_text(json.dumps(expected))
    write_sums(copy)
    with pytest.raises(EmotionNetError, match="golden clip whole_1"):
        verify(copy)


def test_no_bundle(tmp_path, capsys):
    with pytest.raises(UsageError, match="no bundle here"):
        verify(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "emotionnet.verify", os.fspath(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_command_prints_a_table(bundle, capsys):
    assert main([str(bundle)]) == 0
    assert "off Keras" in capsys.readouterr().out


def test_the_bundle_in_the_repository():
    folder = Path(__file__).parents[1] / "saved_models" / "demo_bundle"
    assert [row["precision"] for row in verify(folder)] == ["int8"]
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 4e6
