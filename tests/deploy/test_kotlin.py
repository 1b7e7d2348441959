"""The hand-off's Kotlin: compiled against stubs of LiteRT, and run on vectors made by Python."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import golden_vectors
import numpy as np
import pytest

from emotionnet.clips.crop import CROP_CONFIG
from emotionnet.deploy.contract import crop_rule
from emotionnet.deploy.detectors import DETECTORS
from emotionnet.deploy.handoff_files import write_android_files
from emotionnet.errors import EmotionNetError
from emotionnet.files import read_json

KOTLIN = Path(__file__).parent.parent / "kotlin"
LABELS = ["neutral", "happy", 'my "own" $class', "überrascht"]
FRAMES, SIZE, SAMPLES, WIDTH = 3, golden_vectors.SIZE, 4000, 4
#: The speech stream of a combined run may know other classes than both together.
LOGITS = 5


def tensors(**shapes):
    types = {"faces": "uint8", "face": "uint8", "waveform_samples": "int32"}
    return [
        {"name": name, "shape": list(shape), "dtype": types.get(name, "float32")}
        for name, shape in shapes.items()
    ]


def contract(live=True):
    """The fields of contract.json that the Android files are made of."""
    answers = tensors(probabilities=(1, 4), face_probabilities=(1, 4), speech_probabilities=(1, 4))
    sound = {"waveform": (1, SAMPLES), "waveform_samples": (1,)}
    clip = {"faces": (1, FRAMES, SIZE, SIZE, 3), "frame_mask": (1, FRAMES), **sound}
    signatures = {"classify": {"inputs": tensors(**clip), "outputs": answers}}
    if live:
        fused = {"embeddings": (1, FRAMES, WIDTH), "frame_mask": (1, FRAMES),
                 "speech_logits": (1, LOGITS), "waveform_samples": (1,)}  # fmt: skip
        signatures |= {
            "encode_face": {"inputs": tensors(face=(1, SIZE, SIZE, 3)),
                            "outputs": tensors(embedding=(1, WIDTH))},
            "encode_speech": {"inputs": tensors(**sound),
                              "outputs": tensors(speech_logits=(1, LOGITS))},
            "fuse": {"inputs": tensors(**fused), "outputs": answers},
        }  # fmt: skip
    return {
        "name": "test run",
        "labels": LABELS,
        "files": {"float32": {"file": "model_float32.tflite", "bytes": 4_000_000},
                  "int8": {"file": "model_int8.tflite", "bytes": 1_234_567}},
        "signatures": signatures,
        "faces": {"frames": FRAMES, "size": SIZE},
        "sound": {"sample_rate_hz": 2000, "samples": SAMPLES, "window_s": 2.0},
        "crop": crop_rule(SIZE),
        "fusion": {"streams": ["faces", "speech"]},
        "tolerances": {"float32": {"own": 1e-4}, "int8": {"own": 0.05}},
        "provenance": {"corpus": "demo"},
        "minimum_runtime": "2.3.0",
    }  # fmt: skip


@pytest.mark.parametrize("live", [True, False])
def test_files_are_filled_in(tmp_path, live):
    written = write_android_files(tmp_path, contract(live))
    names = ["ANDROID.md", "EmotionClassifier.kt", "EmotionCoroutines.kt", "EmotionInputs.kt"]
    assert sorted(path.name for path in written) == names
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert "{{" not in text
        assert "}}" not in text
        assert "{%" not in text
        assert ("encode_face" in text or "addFrame" in text or "EMBEDDING" in text) == live
    guide = (tmp_path / "ANDROID.md").read_text(encoding="utf-8")
    for word in ("model_int8.tflite", "1.23 MB", "minSdk", "litert:2.", "überrascht", "2000 Hz"):
        assert word in guide
    # Faces and sound are of one window, and both are forgotten.
    assert "startS = (lengthS - Contract.WINDOW_S) / 2" in guide
    assert ("`classifier.reset()` and `sound.clear()`" in guide) == live
    # A camera lies on its side, and its preview may be mirrored.
    assert ("`imageInfo.rotationDegrees`, and take `width`, `height` and `argb`" in guide) == live


@pytest.mark.parametrize("bundle", ["demo_bundle", "people/bundle"])
def test_a_bundle_in_the_repository_has_the_files_of_today(tmp_path, bundle):
    folder = Path(__file__).parents[2] / "saved_models" / bundle
    written = write_android_files(tmp_path, read_json(folder / "contract.json"))
    assert len(written) == 4
    for path in written:
        assert path.read_bytes() == (folder / path.name).read_bytes(), path.name


@pytest.mark.parametrize(("stream", "other"), [("faces", "HEARS"), ("speech", "SEES")])
def test_a_stream_that_was_not_trained_is_neither_seen_nor_heard(tmp_path, stream, other):
    write_android_files(tmp_path, contract() | {"fusion": {"streams": [stream]}})
    source = (tmp_path / "EmotionInputs.kt").read_text(encoding="utf-8")
    assert re.findall(r"(\w+) = false\n", source) == [other]
    assert "&& Contract." + other in (tmp_path / "EmotionClassifier.kt").read_text(encoding="utf-8")
    guide = (tmp_path / "ANDROID.md").read_text(encoding="utf-8")
    alone = {"faces": "faces", "speech": "sound"}[stream]
    assert f"**This model was trained on {alone} alone**" in guide


def test_of_a_model_that_takes_landmarks_nothing_is_written(tmp_path):
    more = contract()
    more["signatures"]["classify"]["inputs"] += tensors(landmarks=(1, FRAMES, 68, 2))
    assert write_android_files(tmp_path, more) == []
    assert not list(tmp_path.iterdir())


def test_entry_points_of_the_same_names_that_take_something_else_are_not_used_live(tmp_path):
    other = contract()
    other["signatures"]["fuse"]["inputs"][2] = tensors(sound_steps=(1, 9, 288))[0]
    write_android_files(tmp_path, other)
    assert "addFrame" not in (tmp_path / "EmotionClassifier.kt").read_text(encoding="utf-8")


def test_what_counts_as_silence_is_said_in_one_place(tmp_path, monkeypatch):
    monkeypatch.setattr("emotionnet.deploy.handoff_files.SILENCE_STEPS", 5)
    write_android_files(tmp_path, contract())
    source = (tmp_path / "EmotionInputs.kt").read_text(encoding="utf-8")
    assert "private const val SILENCE_STEPS = 5\n" in source


def test_what_the_source_cannot_do_is_refused(tmp_path):
    wrong = contract()
    wrong["signatures"]["encode_face"]["outputs"][0]["dtype"] = "int8"
    with pytest.raises(EmotionNetError, match="embedding is int8"):
        write_android_files(tmp_path, wrong)
    turned = contract() | {"crop": {**CROP_CONFIG, "upright": True}}
    with pytest.raises(EmotionNetError, match="upright"):
        write_android_files(tmp_path, turned)
    onnx = contract() | {"files": {"onnx": {"file": "model.onnx", "bytes": 1}}}
    with pytest.raises(EmotionNetError, match="tflite"):
        write_android_files(tmp_path, onnx)
    assert not list(tmp_path.iterdir())


def compiler():
    found = os.environ.get("EMOTIONNET_KOTLINC") or shutil.which("kotlinc")
    if not found:
        pytest.skip("no Kotlin compiler: `npm install kotlin-compiler` and set EMOTIONNET_KOTLINC "
                    "to its bin/kotlinc, or put kotlinc on the PATH")  # fmt: skip
    if not shutil.which("java"):
        pytest.skip("no Java: install a JDK 17")
    return found


def compiled(folder, sources):
    jar = folder / "test.jar"
    command = ["bash", compiler(), "-nowarn", "-include-runtime", "-d", jar, *sources]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return jar


def guide(path):
    """The code of the guide as functions: what it leaves to the reader are their parameters."""
    blocks = re.findall(r"```kotlin\n(.*?)```", path.read_text(encoding="utf-8"), re.S)
    _, clip, live, coroutines, golden = blocks  # the first one is Gradle's
    eyes = "leftEye: {0}, rightEye: {0}, mouthLeft: {0}, mouthRight: {0}, argb: {1}, width: Int"
    common = "context: Context, height: Int, "
    return f"""package guide
import android.content.res.AssetManager
import emotionnet.*
class Context(val assets: AssetManager)
fun clip({common}{eyes.format("List<Point>", "List<IntArray>")}, frameTimesS: DoubleArray,
    frameHasFace: BooleanArray, startS: Double, endS: Double, waveform: FloatArray, samples: Int) {{
{clip}}}
fun live({common}{eyes.format("Point", "IntArray")}, timeS: Double) {{
{live}}}
suspend fun coroutines(context: Context, faces: ByteArray, mask: FloatArray, waveform: FloatArray,
    samples: Int, timeS: Double, face: ByteArray) {{
{coroutines}}}
fun golden(context: Context, testAssets: AssetManager) {{
{golden}}}
"""


@pytest.fixture(scope="module")
def jvm(tmp_path_factory):
    """A function from commands to answers of tests/kotlin/Main.kt."""
    compiler()
    folder = tmp_path_factory.mktemp("kotlin")
    sources = [path for path in write_android_files(folder, contract()) if path.suffix == ".kt"]
    # The variant without live use is compiled along, in a package of its own.
    for path in write_android_files(folder / "clips", contract(live=False)):
        if path.suffix == ".kt":
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace("package emotionnet", "package clips"), encoding="utf-8")
            sources.append(path)
    (folder / "Guide.kt").write_text(guide(folder / "ANDROID.md"), encoding="utf-8")
    sources.append(folder / "Guide.kt")
    jar = compiled(folder, [*sources, *(KOTLIN / "stubs").glob("*.kt"), KOTLIN / "Main.kt"])

    def ask(*commands):
        done = subprocess.run(
            ["java", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", jar, "MainKt"],
            input="\n".join(commands) + "\n", capture_output=True, text=True, encoding="utf-8",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        answers = done.stdout.splitlines()
        assert len(answers) == len(commands)
        return answers

    return ask


@pytest.mark.slow
def test_labels_arrive_as_they_are(jvm):
    assert jvm("contract") == ["|".join(["test run", "model_int8.tflite", *LABELS])]


@pytest.mark.slow
def test_square_is_that_of_the_crop_function(jvm):
    cases = golden_vectors.squares()
    commands = ["square " + " ".join(repr(float(x)) for x in face[[0, 1, 3, 4]].ravel()) + " MTCNN"
                for face, _ in cases]  # fmt: skip
    assert jvm(*commands) == [" ".join(map(str, square)) for _, square in cases]


@pytest.mark.slow
@pytest.mark.parametrize("side", golden_vectors.SIDES)
def test_crop_is_that_of_the_crop_function(jvm, tmp_path, side):
    golden_vectors.picture().tofile(tmp_path / "picture.rgb")
    cases = list(golden_vectors.crops(side))
    jvm(*(f"crop {tmp_path}/picture.rgb 64 48 {left} {top} {side} {SIZE} {tmp_path}/{number}.rgb"
          for number, ((left, top, side), _) in enumerate(cases)))  # fmt: skip
    for number, (_, theirs) in enumerate(cases):
        ours = np.fromfile(tmp_path / f"{number}.rgb", np.uint8).reshape(theirs.shape)
        golden_vectors.check_crop(ours, theirs)


@pytest.mark.slow
def test_picked_frames_are_those_of_the_view(jvm):
    commands, expected = [], []
    for hz in (0.0, 5.0):
        for segments, times, has, end, picked in golden_vectors.picks(hz):
            marks = [f"{t!r}{'' if h else '-'}" for t, h in zip(times, has)]
            commands.append(f"pick {segments} 0.0 {end!r} {hz} " + " ".join(marks))
            expected.append(" ".join(map(str, picked)))
    assert any("-1" in line for line in expected)
    assert jvm(*commands) == expected


@pytest.mark.slow
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_golden_archives_are_read(jvm, tmp_path, save):
    arrays = {"faces": np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3) * 20,
              "waveform": np.array([[0.5, -0.25, 1e-3]], np.float32),
              "waveform_samples": np.array([70000], np.int32)}  # fmt: skip
    save(tmp_path / "clip.npz", **arrays)
    (told,) = jvm(f"arrays {tmp_path / 'clip.npz'}")
    got = dict(part.split("=") for part in told.split("|"))
    for name, values in arrays.items():
        assert got[name] == values.tobytes().hex()


@pytest.mark.slow
def test_ring_of_faces_keeps_the_last_and_masks_the_rest(jvm):
    full = " ".join(f"{i / 10:.1f}:{i}" for i in range(20))
    some = " ".join(f"{i / 10:.1f}:{i if i < 4 else '-'}" for i in range(10))
    fast = " ".join(f"{i / 30!r}:{i}" for i in range(90))
    answers = jvm(
        f"faces 30 2 1.0 2.0 {full}",  # window 1.0 to 2.0: segments 1.0-1.5 and 1.5-2.0
        f"faces 6 2 1.0 2.0 {full}",  # the ring holds 1.4 to 1.9 only
        f"faces 30 2 1.0 1.0 {some}",  # no face in the second half
        f"faces 30 2 1.0 9.0 {some}",  # long ago
        f"faces usual 3 2.0 3.0 {fast}",  # a camera of 30 a second: window 1.0 to 3.0
    )
    assert answers == [
        "2 1.0 1.0 12.0 -12.0 17.0 -17.0",
        "2 1.0 1.0 15.0 -15.0 18.0 -18.0",
        "1 1.0 0.0 2.0 -2.0 0.0 0.0",
        "0 0.0 0.0 0.0 0.0 0.0 0.0",
        "3 1.0 1.0 1.0 39.0 -39.0 59.0 -59.0 79.0 -79.0",
    ]


@pytest.mark.slow
def test_ring_of_sound_is_in_order_with_zeros_after_its_end(jvm):
    answers = jvm(
        "sound 4 32767,-32768",
        "sound 4 1,2,3 4,5,6",
        "sound 3 1,2,3,4,5,6,7",
        "sound 4 error 1,2 error",
    )
    unit = np.float32(1 / 32768)
    expected = [[2, 32767 / 32768, -1.0, 0, 0], [4, *(unit * np.arange(3, 7))],
                [3, *(unit * np.arange(5, 8))], [2, *(unit * np.array([1, 2, 0, 0]))]]  # fmt: skip
    for answer, values in zip(answers, expected):
        np.testing.assert_allclose([float(x) for x in answer.split()], values, rtol=1e-6)


@pytest.mark.slow
def test_a_microphone_may_add_from_a_thread_of_its_own(jvm):
    assert jvm("threads 300") == ["0"]


@pytest.mark.slow
def test_both_runtimes_agree_and_make_their_buffers_once(jvm):
    answers = dict(zip(
        ("compiled 1", "compiled 4", "file 4", "interpreter 4"),
        jvm(*(f"classify {case}" for case in
              ("compiled 1", "compiled 4", "file 4", "interpreter 4"))),
    ))  # fmt: skip
    # 4 inputs and 3 outputs, however often it is called; all of them and the model are closed.
    assert answers["compiled 1"].startswith("buffers 7 closed 8 ")
    assert answers["compiled 4"].startswith("buffers 7 closed 8 ")
    assert answers["file 4"] == answers["compiled 4"]
    assert answers["interpreter 4"].startswith("buffers 0 closed 1 ")
    same = answers["compiled 4"].split(" label ")[1]
    assert answers["interpreter 4"].split(" label ")[1] == same
    assert answers["compiled 1"].split(" label ")[1] != same
    label = same.split(" ranked ")[0]
    values = [float(x) for x in same.split(" values ")[1].split()]
    assert label == LABELS[int(np.argmax(values))]
    assert f"ranked {label} values" in same


@pytest.mark.slow
def test_live_use_encodes_each_face_once(jvm):
    compiled_answer, interpreter_answer = jvm("live compiled 12", "live interpreter 12")
    # Frames 0, 3, 6, 9 have no face. Buffers: encode_face 2, encode_speech 3, fuse 7.
    assert compiled_answer.startswith("encoded 8 buffers 12 closed 13 ")
    assert compiled_answer.split(" label ")[1] == interpreter_answer.split(" label ")[1]


@pytest.mark.slow
def test_coroutines_give_the_same_answers(jvm):
    answer, suspended = jvm("live compiled 12", "suspended compiled 12")
    assert answer.split(" values ")[1] == suspended


@pytest.mark.slow
def test_each_detector_has_numbers_of_its_own(jvm):
    face = "square 100 100 160 100 110 150 150 150 "
    squares = {row["detector"]: jvm(face + row["detector"].replace(" ", "_").upper())[0]
               for row in DETECTORS}  # fmt: skip
    left, top, side = map(int, squares["MTCNN"].split())
    assert (left, top, side) == (40, 46, 180)
    assert squares["ML Kit"] == squares["MTCNN"]
    assert squares["BlazeFace"] != squares["MTCNN"]


def test_a_bundle_looks_at_clips_as_its_run_does():
    """Where the rate of the faces follows from other settings, too."""
    from emotionnet.deploy.bundle import Bundle
    from emotionnet.deploy.contract import make_contract
    from emotionnet.training.run import view_of

    config = {
        "frames": 15,
        "image_size": 96,
        "samples": 57600,
        "pad_clip": True,
        "sample_rate": 48000,
    }
    view = view_of({"system": "cross_modal", "system_config": config})
    made = make_contract(
        name="a", labels=LABELS, system="cross_modal", system_config=config, front_end=None, files={},
        tolerances={}, provenance={}, versions={}, minimum_runtime="", faces_hz=view.frame_hz,
        signatures={"classify": {"inputs": tensors(faces=(1, 15, 96, 96, 3), waveform=(1, 57600)),
                                 "outputs": []}},
    )  # fmt: skip
    assert Bundle(Path(), made).view() == view
    assert f"15 segments of {1 / view.frame_hz:.4g} s" in made["faces"]["pick"]
    # What `emotionnet.inputs.picking.nearest` does where frames are few: whoever has no Kotlin writes it from this.
    for word in (
        "half a frame where that is longer",
        "of two the earlier",
        "the last frame's where that is sooner",
    ):
        assert word in made["faces"]["pick"]
    # Clips are heard at 16 kHz, whatever rate the filters were built for.
    assert made["sound"]["sample_rate_hz"] == 16000
    assert made["sound"]["window_s"] == view.window_s


def test_the_rule_of_fusion_says_what_becomes_of_classes_that_one_stream_knows():
    from emotionnet.deploy.contract import make_contract

    def rule(faces, speech):
        streams = {"faces": {"called": faces}, "speech": {"called": speech}}
        made = make_contract(
            name="a", labels=["a", "b"], system="pair", system_config={"fusion": "GM", **streams},
            front_end=None, files={}, tolerances={}, provenance={}, versions={}, minimum_runtime="",
            signatures={"classify": {"inputs": tensors(faces=(1, 1, 8, 8, 3), waveform=(1, 8))}
                        | {"outputs": []}},
        )  # fmt: skip
        return made["fusion"]["rule"]

    usual = rule({"a": "a", "b": "b"}, {"b": "b", "a": "a", "c": ""})
    assert usual.startswith("geometric mean")
    assert rule({"a": "a"}, {"a": "a", "b": "b"}).startswith(f"{usual}; before, a stream takes")


def test_contract_of_an_export_has_all_that_is_needed():
    """The fields read here are those that `make_contract` writes."""
    from emotionnet.deploy.contract import make_contract

    made = make_contract(
        name="a", labels=LABELS, system="ghost_fan",
        system_config={"frames": FRAMES, "image_size": SIZE, "samples": SAMPLES},
        front_end=None, files={}, tolerances={}, provenance={"corpus": "demo"},
        signatures={"classify": {"inputs": [
            {"name": "faces", "shape": [1, FRAMES, SIZE, SIZE, 3]},
            {"name": "waveform", "shape": [1, SAMPLES]},
        ], "outputs": []}},
        versions={}, minimum_runtime="",
    )  # fmt: skip
    ours = contract()
    assert set(ours) <= set(made)
    for part in ("faces", "sound", "crop"):
        assert set(ours[part]) <= set(made[part])
    assert json.loads(json.dumps(ours)) == ours
