import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tiny_run import LABELS, make_run

from emotionnet import predict as predicting
from emotionnet.command import run_command
from emotionnet.corpora.media import write_clip
from emotionnet.errors import UsageError
from emotionnet.files import read_csv
from emotionnet.prediction.predictor import Predictor
from emotionnet.prediction.text import describe

RATE = 16000


def voice(seconds):
    t = np.arange(round(RATE * seconds)) / RATE
    return (0.3 * np.sin(2 * np.pi * 150 * t) * np.sin(2 * np.pi * 3 * t)).astype(np.float32)


def pictures(n, face=True):
    from emotionnet.corpora.drawing import PROTOTYPES, background, draw_face, random_person

    person = random_person(np.random.default_rng(0), female=True)
    for _ in range(n):
        canvas = background(180, 240, person)
        if face:
            draw_face(canvas, (120, 90), 110, person, PROTOTYPES["happy"])
        yield canvas


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "demo").folder


@pytest.fixture(scope="module")
def predictor(run):
    return Predictor(run)


def said(capsys, *arguments):
    """Exit code, stdout and stderr of the command."""
    code = predicting.main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


def test_json_is_one_object_a_clip_and_nothing_else(run, tmp_path, capsys):
    video = write_clip(tmp_path / "both.mp4", pictures(6), 12, voice(0.5))
    sound = write_clip(
        tmp_path / "an ünusual 'name'.wav", samples=voice(0.8), sound_codec="pcm_s16le"
    )
    code, out, err = said(capsys, run, video, sound, "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [answer["clip"] for answer in answers] == [str(video), str(sound)]
    for answer in answers:
        assert set(answer["probabilities"]) == set(LABELS)
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)
        values = list(answer["probabilities"].values())
        assert values == sorted(values, reverse=True)
        assert answer["emotion"] == next(iter(answer["probabilities"]))
        assert answer["corpus"] == "demo"
        assert len(answer["timeline"]) == 1
    assert answers[0]["streams"] == "both"
    assert answers[0]["faces_found"] == answers[0]["frames"] == 6
    assert (answers[1]["streams"], answers[1]["faces_found"]) == ("speech", 0)
    assert answers[1]["audio_s"] == pytest.approx(0.8, abs=0.01)
    assert "never" in err
    assert "seen or heard a person" in err


def test_a_bad_clip_is_an_answer_and_stops_no_other(run, tmp_path, capsys):
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "empty.wav").touch()
    nobody = write_clip(tmp_path / "nobody.mp4", pictures(3, face=False), 12)
    good = write_clip(tmp_path / "z.wav", samples=voice(0.5), sound_codec="pcm_s16le")
    bad = [tmp_path / "text.mp4", tmp_path / "empty.wav", nobody, tmp_path / "missing.mp4"]
    code, out, _ = said(capsys, run, *bad, good, "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [sorted(answer) for answer in answers[:4]] == [["clip", "error"]] * 4
    assert [answer["clip"] for answer in answers[:4]] == [str(path) for path in bad]
    assert answers[4]["emotion"] in LABELS
    assert "no such file" in answers[3]["error"]


def test_a_folder_stands_for_its_recordings(run, tmp_path, capsys):
    for name in ("b.wav", "a.wav", "deeper/c.wav"):
        write_clip(tmp_path / "clips" / name, samples=voice(0.3), sound_codec="pcm_s16le")
    (tmp_path / "clips" / "notes.txt").write_text("not a recording")
    (tmp_path / "nothing").mkdir()
    code, out, err = said(capsys, run, tmp_path / "clips", tmp_path / "nothing", "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    names = [Path(answer["clip"]).relative_to(tmp_path).as_posix() for answer in answers]
    assert names == ["clips/a.wav", "clips/b.wav", "clips/deeper/c.wav", "nothing"]
    assert code == 1
    assert "no recordings" in answers[3]["error"]
    assert "left out: 1" in err
    assert f"{tmp_path / 'clips' / 'notes.txt'}: .txt: not the ending" in err


def test_sound_alone_does_not_load_the_face_detector(predictor, tmp_path, monkeypatch):
    from emotionnet.clips import detect

    def load(*_):
        raise AssertionError("MTCNN was loaded")

    monkeypatch.setattr(detect, "Cascade", load)
    sound = write_clip(tmp_path / "a.wav", samples=voice(0.5), sound_codec="pcm_s16le")
    assert predictor.answer(sound)["streams"] == "speech"


def test_a_long_clip_is_answered_in_windows_and_overall_by_their_mean(predictor, tmp_path):
    sound = write_clip(tmp_path / "a.wav", samples=voice(2.5), sound_codec="pcm_s16le")
    answer = predictor.answer(sound)
    windows = [(w["start_s"], w["end_s"]) for w in answer["timeline"]]
    assert windows == [(0, 1), (0.5, 1.5), (1, 2), (1.5, 2.5)]
    for name, p in answer["probabilities"].items():
        mean = np.mean([w["probabilities"][name] for w in answer["timeline"]])
        assert p == pytest.approx(mean, abs=2e-6)


def test_a_window_without_anything_is_left_out_of_the_mean(predictor, tmp_path):
    # Pictures for 4 s with a face in the first; no sound.
    frames = [*pictures(12), *pictures(36, face=False)]
    answer = predictor.answer(write_clip(tmp_path / "a.mp4", frames, 12))
    assert answer["streams"] == "faces"
    first, last = answer["timeline"][0], answer["timeline"][-1]
    assert first["streams"] == "faces"
    assert (last["emotion"], last["probabilities"], last["streams"]) == (None, None, None)
    seen = [w["probabilities"] for w in answer["timeline"] if w["probabilities"]]
    assert 0 < len(seen) < len(answer["timeline"])
    best = answer["emotion"]
    assert answer["probabilities"][best] == pytest.approx(
        np.mean([p[best] for p in seen]), abs=2e-6
    )


def test_a_window_in_which_the_sound_is_muted_is_not_answered_from_it(predictor, tmp_path):
    muted = np.concatenate([voice(1), np.zeros(2 * RATE, np.float32), voice(1)])
    answer = predictor.answer(
        write_clip(tmp_path / "a.wav", samples=muted, sound_codec="pcm_s16le")
    )
    told = {window["start_s"]: window["streams"] for window in answer["timeline"]}
    assert told == {
        0: "speech",
        0.5: "speech",
        1: None,
        1.5: None,
        2: None,
        2.5: "speech",
        3: "speech",
    }


def test_the_text_has_a_bar_an_emotion_and_a_line_a_window(predictor, run, tmp_path, capsys):
    sound = write_clip(tmp_path / "a.wav", samples=voice(1.6), sound_codec="pcm_s16le")
    code, out, _ = said(capsys, run, sound, "--plot", tmp_path / "time.png")
    assert code == 0
    assert "trained on: demo" in out
    assert "from speech alone; no picture, 1.6 s of sound" in out
    for label in LABELS:
        assert label in out
    assert "over time" in out
    assert (tmp_path / "time.png").read_bytes().startswith(b"\x89PNG")


def test_neighbouring_windows_that_agree_share_a_line():
    timeline = [
        {
            "start_s": i / 2,
            "end_s": i / 2 + 1,
            "emotion": emotion,
            "probabilities": emotion and {emotion: 0.6 + i / 10},
        }
        for i, emotion in enumerate(["happy", "happy", None, "sad"])
    ]
    answer = {
        "clip": "a.mp4", "emotion": "happy", "probabilities": {"happy": 0.75, "sad": 0.25}, "notes": [],
        "streams": "both", "faces_found": 3, "frames": 4, "audio_s": 1.0, "timeline": timeline,
    }  # fmt: skip
    lines = [line.strip() for line in describe(answer).splitlines()]
    assert lines[lines.index("over time") + 1 :] == [
        "0.0 –    1.5 s  happy (65 %)",
        "1.0 –    2.0 s  nothing to answer from",
        "1.5 –    2.5 s  sad (90 %)",
    ]


def test_a_terminal_without_unicode_gets_plain_text(monkeypatch):
    answer = {
        "clip": "ü.mp4", "emotion": "happy", "probabilities": {"happy": 0.75, "sad": 0.25}, "notes": [],
        "streams": "both", "faces_found": 3, "frames": 4, "audio_s": 1.0, "timeline": [{}],
    }  # fmt: skip
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    text = predicting._line(answer, False, stream)
    assert text.isascii()
    assert "#" * 20 in text
    assert "\\xfc.mp4" in text
    assert "█" in describe(answer)


def test_what_is_no_run_is_refused_in_words(run, tmp_path):
    with pytest.raises(UsageError, match="no run here"):
        predicting.predict(tmp_path / "nowhere", "a.mp4")
    with pytest.raises(UsageError, match=r"ends in \.png"):
        predicting.main([str(run), "a.mp4", "--plot", "time.svg"])


def other_version(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"format": 99}))


def tampered_config(folder):
    path = folder / "model.keras"
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    config = files["config.json"].replace(b"LateFusion", b"os.system!")
    assert config != files["config.json"]
    files["config.json"] = config
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def truncated(folder):
    data = (folder / "model.keras").read_bytes()
    (folder / "model.keras").write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_version, "format 99"),
        (tampered_config, "model.keras: cannot be loaded"),
        (truncated, "model.keras: cannot be loaded"),
    ],
)
def test_a_broken_run_is_an_error_without_a_traceback(run, tmp_path, capsys, change, words):
    folder = tmp_path / "broken"
    shutil.copytree(run, folder)
    change(folder)
    with pytest.raises(SystemExit) as end:
        run_command(lambda _: predicting.main([str(folder), "a.mp4", "--json"]))
    out, err = capsys.readouterr()
    assert end.value.code == 1
    assert out == ""
    assert err.startswith("error: ")
    assert words in err
    assert "Traceback" not in err


def test_help_loads_no_tensorflow():
    code = (
        "import sys, emotionnet.predict, emotionnet.evaluate\n"
        "for verb in (emotionnet.predict, emotionnet.evaluate):\n"
        "    try: verb.main(['--help'])\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'sklearn', 'cv2'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_classes_are_merged_and_left_out_and_said(run, tmp_path, capsys):
    sound = write_clip(tmp_path / "a.wav", samples=voice(1.6), sound_codec="pcm_s16le")
    (whole,) = predicting.predict(run, sound)
    code, out, _ = said(capsys, run, sound, "--json", "--merge", "low=neutral+sad")
    merged = json.loads(out)
    assert code == 0
    assert merged["classes"] == "low = neutral + sad"
    p = whole["probabilities"]
    assert merged["probabilities"] == pytest.approx(
        {"low": p["neutral"] + p["sad"], "happy": p["happy"]}, abs=2e-6
    )
    (part,) = predicting.predict(run, sound, only="happy,sad")
    # A window's probabilities are over 1 again, and the overall answer is still their mean.
    for window, before in zip(part["timeline"], whole["timeline"]):
        kept = {name: before["probabilities"][name] for name in ("happy", "sad")}
        wanted = {name: value / sum(kept.values()) for name, value in kept.items()}
        assert window["probabilities"] == pytest.approx(wanted, abs=1e-5)
    code, out, _ = said(capsys, run, sound, "--only", "happy,sad")
    assert "classes: only happy, sad" in out
    with pytest.raises(UsageError, match="glad: not known"):
        predicting.predict(run, sound, only="happy,glad")


def test_files_are_written_beside_the_answers(tmp_path, capsys):
    from emotionnet.systems import build_model

    streams = ("speech",)
    config = {"segments": 2, "image_size": 32, "samples": 16000, "streams": list(streams)}
    model = build_model("segments", len(LABELS), **config)
    run = make_run(
        tmp_path / "run", model=model, streams=streams, system="segments", system_config=config
    ).folder
    for name, seconds in (("a.wav", 1.6), ("deeper/b.wav", 0.5)):
        write_clip(tmp_path / "clips" / name, samples=voice(seconds), sound_codec="pcm_s16le")
    files = [tmp_path / "out" / name for name in ("a.csv", "vtt", "a.npz")]
    options = zip(("--csv", "--vtt", "--features"), files)
    words = [word for pair in options for word in pair]
    code, out, err = said(capsys, run, tmp_path / "clips", "--json", *words)
    assert code == 0
    answers = [json.loads(line) for line in out.splitlines()]
    windows = [window for answer in answers for window in answer["timeline"]]
    rows = read_csv(files[0])
    assert [float(row["start_s"]) for row in rows] == [w["start_s"] for w in windows]
    assert [row["streams"] for row in rows] == ["speech"] * len(windows)
    for row, window in zip(rows, windows):
        found = {name: float(row[f"probability_{name}"]) for name in LABELS}
        assert found == window["probabilities"]
    assert sorted(path.name for path in files[1].iterdir()) == ["a.vtt", "b.vtt"]
    with np.load(files[2]) as found:
        assert found["clip"].tolist() == [row["clip"] for row in rows]
        assert len(found["fused"]) == len(rows)
    assert all(str(path) in err for path in files)


def test_one_file_of_subtitles_is_for_one_clip(run, tmp_path):
    with pytest.raises(UsageError, match="give a folder"):
        predicting.main([str(run), "a.mp4", "b.mp4", "--vtt", "x.vtt"])
    recording = tmp_path / "a.mp4"
    recording.touch()
    with pytest.raises(UsageError, match=r"is a file\. Give a folder"):
        predicting.main([str(run), str(recording), "--vtt", str(recording)])


def test_a_pipe_and_an_address_are_answers_with_a_reason(run, tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.mp4")
    code, out, _ = said(capsys, run, tmp_path / "pipe.mp4", "https://example.org/a.mp4", "--json")
    first, second = map(json.loads, out.splitlines())
    assert code == 1
    assert "only once" in first["error"]
    assert "it is an address" in second["error"]


def test_everybody_in_the_picture_is_counted_and_answered_if_asked(run, tmp_path, capsys):
    from emotionnet.corpora.drawing import PROTOTYPES, background, draw_face, random_person

    people = [random_person(np.random.default_rng(seed), female=seed == 0) for seed in (0, 3)]
    canvas = background(240, 480, people[0])
    for person, x in zip(people, (120, 360)):
        draw_face(canvas, (x, 120), 140, person, PROTOTYPES["happy"])
    clip = write_clip(tmp_path / "two.mp4", [canvas] * 6, 12, voice(0.5))
    code, out, _ = said(capsys, run, clip, "--people", "--csv", tmp_path / "two.csv")
    assert code == 0
    assert "person 2 at" in out
    rows = read_csv(tmp_path / "two.csv")
    assert [row["person"] for row in rows] == ["", "1", "2"]
    assert [row["streams"] for row in rows] == ["both", "faces", "faces"]
    (whole,) = predicting.predict(run, clip)
    assert whole["other_faces"] == 1
    assert any("1 other face is seen beside" in note for note in whole["notes"])
    (answer,) = predicting.predict(run, clip, people=True)
    xs = sorted(person["centre"][0] for person in answer["people"])
    assert xs == pytest.approx([0.25, 0.75], abs=0.03)
    (alone,) = predicting.predict(run, write_clip(tmp_path / "one.mp4", pictures(6), 12))
    assert alone["other_faces"] == 0
    assert "people" not in alone


def test_a_bundle_needs_neither_tensorflow_nor_keras(tmp_path):
    bundle = Path(__file__).parents[1] / "saved_models" / "demo_bundle"
    clip = write_clip(tmp_path / "a.mp4", pictures(12), 12, voice(1.0))
    code = (
        "import sys\nfor name in ('tensorflow', 'keras', 'jax'):\n    sys.modules[name] = None\n"
        "import emotionnet.predict as p\nsys.exit(p.main())"
    )
    files = ["--csv", tmp_path / "a.csv", "--vtt", tmp_path / "vtt", "--people", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", code, bundle, clip, *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["emotion"], answer["streams"]) == ("happy", "both")
    assert answer["people"][0]["emotion"] == "happy"
    assert read_csv(tmp_path / "a.csv")[0]["emotion"] == "happy"
    assert "drawn faces and made-up voices" in done.stderr
    for words in (["--features", tmp_path / "a.npz"], ["--merge", "low=sad+bored"]):
        with pytest.raises(UsageError, match=r"Give the run|bored: not known"):
            predicting.main([str(word) for word in (bundle, clip, *words)])
    code = code.replace("emotionnet.predict", "emotionnet.stream")
    words = [sys.executable, "-c", code, bundle, clip, "--speed", "max"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "happy" in done.stdout.splitlines()[-4]
    words = [*words, "--hop", "0.5"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "this bundle answers from 15" in done.stderr
