"""One run out of two: what it answers, what is said of it, and what cannot be combined."""

import contextlib
import io
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_model import tiny_inputs, tiny_model
from tiny_run import make_clip, make_run, write_records

import emotionnet
from emotionnet.classes import Classes
from emotionnet.clips.records import Records
from emotionnet.combine import combine, main
from emotionnet.deploy.clips import whole
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import file_sha256, read_csv, write_csv, write_json
from emotionnet.training import combining
from emotionnet.training.combining import _split, joined, with_calm
from emotionnet.training.optimizer import find_layers
from emotionnet.training.run import Run

pytestmark = pytest.mark.usefixtures("four_bottlenecks", "plain_reports", "loaded_once")

FACES = ("neutral", "happy", "contempt")
SPEECH = ("neutral", "calm", "happy")
PICTURES = {
    "frames": 1,
    "image_size": 32,
    "samples": 16000,
    "variant": "F1",
    "depthwise": "stride2",
}
SOUND = {"frames": 2, "image_size": 32, "samples": 16000, "variant": "F1", "speech": "S1"}


@pytest.fixture
def all_but_the_model(monkeypatch):
    """For what is written beside the model, which takes seconds to make."""
    monkeypatch.setattr(combining.pair, "build", lambda config, classes: None)
    monkeypatch.setattr(combining, "_take_over", lambda *args: None)
    monkeypatch.setattr(Run, "save_model", lambda self, model: None)


def source(folder, stream, labels, config, corpus, records=None, **changes):
    """A run of one stream; of ``records`` one clip of each label is in its training and test part."""
    rows = records.rows if records else []
    config = config | {"streams": [stream]}
    return make_run(
        folder, records, rows[3:], tiny_model(len(folder.name), **config), (stream,), rows[:3],
        system_config=config, labels=list(labels), corpus=corpus, label_kind="acted",
        protocol_description=f"folds of {corpus}", **changes,
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two runs, their records, and the run that is combined out of them."""
    place = tmp_path_factory.mktemp("combine")
    made = {}
    for stream, labels, corpus in (("faces", FACES, "fer2013"), ("speech", SPEECH, "ravdess")):
        clips = [
            make_clip(f"{corpus}{i}", labels[i % 3], f"{i // 3}", seed=i, faces=stream == "faces",
                      sound=stream == "speech")
            for i in range(6)
        ]  # fmt: skip
        for clip in clips:
            object.__setattr__(clip.row, "corpus", corpus)
        made[stream] = write_records(place / f"{stream}_records", clips)
    source(place / "f", "faces", FACES, PICTURES, "fer2013", made["faces"])
    source(place / "s", "speech", SPEECH, SOUND, "ravdess", made["speech"])
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        main([*map(str, (place / "f", place / "s")), "--out", str(place / "both"), "--frames", "3"])
    (place / "told.txt").write_text(told.getvalue())
    return place


def test_it_answers_as_the_two_do(place):
    run = Run.open(place / "both")
    assert run.labels == ("neutral", "happy", "contempt")
    model = run.model()
    inputs = tiny_inputs(model, 2)
    # The answer to several faces is that of their mean logits; here all are the same face.
    inputs["faces"][:] = inputs["faces"][:, :1]
    found = model(inputs)
    one = {**inputs, "faces": inputs["faces"][:, :1], "frame_mask": inputs["frame_mask"][:, :1]}
    faces = Run.open(place / "f").model()(one)["face_probabilities"]
    np.testing.assert_allclose(found["face_probabilities"], faces, atol=1e-5)
    speech = Run.open(place / "s").model()
    given = tiny_inputs(speech, 2) | {k: inputs[k] for k in ("waveform", "waveform_samples")}
    heard = np.array(speech(given)["speech_probabilities"])
    wanted = np.stack([heard[:, 0] + heard[:, 1], heard[:, 2], 0 * heard[:, 0]], axis=1)
    np.testing.assert_allclose(found["speech_probabilities"], wanted, atol=1e-5)


def test_what_was_fitted_beside_a_committee_comes_along(place, tmp_path):
    config = SOUND | {"speech": "logmel_ridge", "streams": ["speech"]}
    model = tiny_model(7, **config)
    rng = np.random.default_rng(0)
    for layer, spread in (("even", 1.0), ("scaled", 1.0), ("ridge", 0.1)):
        (fitted,) = find_layers(model, layer)
        fitted.set_weights([1 + spread * rng.normal(size=w.shape) for w in fitted.weights])
    make_run(tmp_path / "r", None, [], model, ("speech",), [], system_config=config,
             labels=list(SPEECH), corpus="ravdess")  # fmt: skip
    combine(place / "f", tmp_path / "r", tmp_path / "both", frames=2)
    both = Run.open(tmp_path / "both").model()
    inputs = tiny_inputs(both, 2)
    given = tiny_inputs(model, 2) | {k: inputs[k] for k in ("waveform", "waveform_samples")}
    heard = np.array(model(given)["speech_probabilities"])
    wanted = np.stack([heard[:, 0] + heard[:, 1], heard[:, 2], 0 * heard[:, 0]], axis=1)
    np.testing.assert_allclose(both(inputs)["speech_probabilities"], wanted, atol=1e-5)


def test_it_is_measured_on_the_clips_of_each_and_its_card_says_both(place):
    run = place / "both"
    with pytest.raises(UsageError, match="no records of its own"):
        emotionnet.evaluate(run)
    faces = emotionnet.evaluate(run, place / "faces_records")
    assert (faces["part"], faces["on"], faces["fused"]["n"]) == ("test", "fer2013", 3)
    sound = emotionnet.evaluate(run, place / "speech_records")
    # Calm counts as neutral; of contempt there is no clip.
    assert sound["labels"] == ["neutral", "happy"]
    assert "contempt" in sound["notes"][-1]
    assert sound["fused"]["n"] == 3
    assert {line["emotion"] for line in read_csv(run / "predictions_ravdess.csv")} == {
        "neutral",
        "happy",
    }
    card = (run / "README.md").read_text()
    for text in ("fer2013", "ravdess", "CC BY-NC-SA 4.0", "folds of fer2013", "folds of ravdess",
                 "| fer2013 | test |", "| ravdess | test |", "license: other"):  # fmt: skip
        assert text in card
    assert "combined" in json.loads((run / "config.json").read_text())


def test_faces_begin_with_its_encoder(place):
    from emotionnet.training.init import init_source, warm_start

    config = PICTURES | {"streams": ["faces"]}
    model = tiny_model(9, **config)
    (line,) = warm_start(model, {
        "system": "ghost_fan", "system_config": config, "streams": ["faces"],
        "labels": ["angry", "happy", "sad"], "init_faces": init_source(place / "both"),
    })  # fmt: skip
    assert "anew" not in line
    theirs, ours = (
        find_layers(each, "face_encoder")[0] for each in (Run.open(place / "f").model(), model)
    )
    for a, b in zip(theirs.weights, ours.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_it_streams_as_it_answers_whole_clips(place):
    from emotionnet.systems import pair

    model = Run.open(place / "both").model()
    apart = pair.take_apart(model)
    inputs = tiny_inputs(model, 1)
    face = np.stack([
        np.array(apart.moments[0].model({"face": f[None].astype("float32")})["embedding"])[0]
        for f in inputs["faces"][0]
    ])  # fmt: skip
    speech = apart.windows[0].model({k: inputs[k] for k in ("waveform", "waveform_samples")})
    fused = apart.fuse.model({
        "embeddings": face[None], "frame_mask": inputs["frame_mask"],
        "speech_logits": np.array(speech["speech_logits"]), "waveform_samples": inputs["waveform_samples"],
    })  # fmt: skip
    whole = model(inputs)
    for name in whole:
        np.testing.assert_allclose(fused[name], whole[name], atol=1e-5)


def test_the_table_is_printed_and_can_be_changed(place):
    told = (place / "told.txt").read_text()
    assert "neutral: faces neutral, speech neutral + calm" in told
    assert "contempt: faces contempt; speech leaves it to the other" in told
    assert f"evaluate {place / 'both'} --records DIR" in told
    labels = {"faces": FACES, "speech": SPEECH}
    for merge, only, speech in (
        (None, None, ["neutral", "neutral", "happy"]),
        (None, "neutral,happy", ["neutral", "neutral", "happy"]),
        (["neutral=neutral"], None, ["neutral", "calm", "happy"]),
        (["quiet=neutral+calm"], "quiet,happy", ["quiet", "quiet", "happy"]),
    ):
        called = joined(labels, with_calm(labels, Classes.of(merge, only)))
        assert list(called["speech"].values()) == speech
        assert called["faces"]["contempt"] == ("" if only else "contempt")


def changed(folder, out, **changes):
    """A copy of a run whose config says something else."""
    shutil.copytree(folder, out)
    config = json.loads((out / "config.json").read_text()) | changes
    (out / "config.json").write_text(json.dumps(config))
    return out


def test_clips_of_two_corpora_that_have_one_name_stay_two(tmp_path):
    columns = ("clip", "corpus", "actor", "emotion", "part")
    runs = {}
    for corpus, part in (("demo", "train"), ("folder", "test")):
        line = {"clip": "a", "corpus": corpus, "actor": "1", "emotion": "happy", "part": part}
        write_csv(tmp_path / corpus / "split.csv", [line], columns)
        runs[corpus] = Run(tmp_path / corpus, {"corpus": corpus})
    both = {"corpus": "demo+folder", "combined": {"of": "both"}}
    both = Run.create(tmp_path / "both", both, _split(runs, Classes()))
    for corpus, part in (("demo", "train"), ("folder", "test")):
        row = SimpleNamespace(clip="a", corpus=corpus, actor="1", emotion="happy")
        found = both.split_rows(SimpleNamespace(rows=[row]))
        assert found == {"train": [], "validation": [], "test": []} | {part: [row]}
    assert both.learnt("actor") == {("demo", "1")}


@pytest.mark.usefixtures("all_but_the_model")
def test_it_says_that_it_leaks_where_one_was_trained_on_the_people_the_other_tests(place, tmp_path):
    told = {}
    for corpus, actor in (("ravdess", "1"), ("ravdess", "7"), ("crema_d", "1")):
        name = f"{corpus}{actor}"
        faces = changed(place / "f", tmp_path / name, corpus=corpus)
        # Actor 1 is one that the other tests; these are other clips.
        split = (faces / "split.csv").read_text().replace(",fer2013,", f",{corpus},")
        lines = split.replace(",0,", f",{actor},").splitlines(True)
        (faces / "split.csv").write_text("".join(x for x in lines if ",test" not in x))
        config = Run.open(combine(faces, place / "s", tmp_path / f"{name}-both")).config
        told[name] = config["leaky"], config.get("split_warning", "")
    assert told["ravdess1"][0]
    assert "1 of the 1 actors that are tested are among those that the faces" in told["ravdess1"][1]
    assert told["ravdess7"] == told["crema_d1"] == (False, "")


@pytest.mark.usefixtures("all_but_the_model")
def test_it_knows_what_the_two_are_warned_of_and_began_with(place, tmp_path):
    # Of the clips that the other tests this run was trained on the first, and the faces began with it.
    before = changed(place / "s", tmp_path / "before")
    rows = read_csv(before / "split.csv")
    tested = [row["clip"] for row in rows if row["part"] == "test"]
    learnt = {**rows[-1], "clip": tested[0], "part": "train"}
    write_csv(before / "split.csv", [learnt], list(learnt))
    begun = {"init": {"run": str(before)}, "split_warning": "few clips"}
    faces = changed(place / "f", tmp_path / "faces", **begun)
    run = Run.open(combine(faces, place / "s", tmp_path / "out"))
    assert run.config["leaky"]
    first, second = run.config["split_warning"].split("; ")
    assert first == "faces: few clips"
    assert second.endswith("are among those that the faces stream was trained on")
    # Its own division forgot that clip, as one that it leaves out: those of the two know it.
    (run.folder / "split.csv").write_text("clip,actor,emotion,part\n")
    records = Records.open(place / "speech_records")
    assert [row.clip for row in run.unseen_rows(records)] == tested[1:]


@pytest.mark.usefixtures("all_but_the_model")
def test_scores_of_a_model_that_was_trained_again_since_are_left_out(place, tmp_path):
    scores = {"accuracy": 0.9, "interval_95": [0.8, 0.95], "uar": 0.9, "n": 3}
    told = {}
    for name, model in (("now", file_sha256(place / "f" / "model.keras")), ("before", "another")):
        faces = changed(place / "f", tmp_path / name)
        write_json(faces / "metrics.json", {"model_sha256": model, "faces": scores})
        run = Run.open(combine(faces, place / "s", tmp_path / f"{name}-both"))
        told[name] = (
            run.config["combined"]["faces"]["scores"],
            (run.folder / "README.md").read_text(),
        )
    assert told["now"][0] == scores
    assert told["before"][0] == {}
    assert "90.0 %" in told["now"][1]
    assert "90.0 %" not in told["before"][1]


def test_what_cannot_be_combined_is_refused(place, tmp_path):
    f, s, out = place / "f", place / "s", tmp_path / "out"
    other = changed(s, tmp_path / "other", labels=["bored", "tired", "sad"])
    clips = PICTURES | {"frames": 2, "samples": 32000, "streams": ["faces"]}
    clips = changed(f, tmp_path / "clips", system_config=clips)
    wider = PICTURES | {"variant": "F2", "streams": ["faces"]}
    wider = changed(f, tmp_path / "wider", system_config=wider)
    unfinished = changed(f, tmp_path / "unfinished")
    (unfinished / "model.keras").unlink()
    for error, faces, speech, message in (
        (UsageError, s, s, "knows nothing of faces"),
        (UsageError, f, f, "knows nothing of speech"),
        (UsageError, f, other, "share no class"),
        (UsageError, clips, s, "different sound settings"),
        (UsageError, place / "both", s, "already"),
        (UsageError, f, tmp_path / "none", "no run here"),
        (EmotionNetError, unfinished, s, "not trained to the end"),
        (EmotionNetError, wider, s, "not what its config says"),
    ):
        with pytest.raises(error, match=message):
            combine(faces, speech, out)
    for options, message in (
        ({"frames": 0}, "at least one face"),
        ({"fusion": "max"}, "fusion is 'max'"),
        ({"only": "happy"}, "two classes"),
        ({"merge": ["x=rage"]}, "not known"),
    ):
        with pytest.raises(UsageError, match=message):
            combine(f, s, out, **options)
    assert not out.exists()
    with pytest.raises(UsageError, match="made out of two"):
        emotionnet.systems.build_model("pair", 3)


def test_int8_is_calibrated_on_the_faces_of_one_and_the_sound_of_the_other():
    pictures = {"faces": np.ones((3, 1)), "frame_mask": np.ones((3, 2)),
                "waveform": np.zeros((3, 4)), "waveform_samples": np.zeros(3)}  # fmt: skip
    sounds = {"faces": np.zeros((2, 1)), "frame_mask": np.zeros((2, 2)),
              "waveform": np.full((2, 4), 7.0), "waveform_samples": np.full(2, 4)}  # fmt: skip
    found = whole([pictures, sounds], ("faces", "speech"))
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(pictures, 2)
    assert found["faces"].all()
    assert (found["waveform"] == 7).all()
    alone = whole([pictures], ("faces",))
    assert alone["faces"] is not None
    assert len(alone["waveform"]) == 3


def test_a_run_that_comes_with_the_project_is_known_by_its_name(place, monkeypatch, tmp_path):
    from emotionnet import shipped
    from emotionnet.deploy.bundle import open_run
    from emotionnet.training import run

    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no run here"):
        run.Run.open("both")
    monkeypatch.setattr(shipped, "PLACES", [place])
    assert run.Run.open("both").folder == place / "both"
    assert open_run("both").folder == place / "both"
    own = place / "both" / shipped.BUNDLE
    own.mkdir()
    (own / "contract.json").write_text("{}")
    with pytest.raises(EmotionNetError, match=r"both.bundle.contract\.json: is no contract"):
        open_run("both")  # by its name it is asked as its bundle
    assert open_run(place / "both").folder == place / "both"
    shutil.rmtree(own)
    (tmp_path / "both").mkdir()  # of something else
    assert run.Run.open("both").folder == place / "both"
    (tmp_path / "both" / "config.json").write_text("{}")  # a run that lies here comes first
    with pytest.raises(EmotionNetError, match="both: a run of format None"):
        run.Run.open("both")


def test_another_corpus_is_asked_about_the_classes_that_both_have(place, tmp_path):
    clips = [
        make_clip(f"x{i}", label, seed=i, faces=False)
        for i, label in enumerate(("happy", "calm", "bored", "happy"))
    ]
    other = write_records(tmp_path / "other", clips)
    metrics = emotionnet.evaluate(place / "s", other.folder)
    assert (metrics["part"], metrics["on"]) == ("unseen", "demo")
    assert metrics["labels"] == ["calm", "happy"]
    assert metrics["fused"]["n"] == 3
    assert metrics["notes"][-2:] == [
        "Left out: 1 clips of bored, which the run does not know.",
        "Not answered: neutral, of which there is no clip. Probabilities of the others are over 1 again.",
    ]
    assert (place / "s" / "metrics_unseen_demo.json").is_file()
    strangers = write_records(tmp_path / "strangers", clips[2:])
    with pytest.raises(UsageError, match="At least two classes"):
        emotionnet.evaluate(place / "s", strangers.folder)


@pytest.mark.slow
def test_a_bundle_of_it_answers_as_it_does(place):
    records = [place / "faces_records", place / "speech_records"]
    bundle = emotionnet.export(
        place / "both",
        place / "bundle",
        precisions=["int8"],
        records=records,
        clips=3,
        calibration_clips=3,
    )
    emotionnet.verify(bundle)
    contract = json.loads((bundle / "contract.json").read_text())
    assert contract["labels"] == ["neutral", "happy", "contempt"]
    assert {"encode_face", "encode_speech", "fuse"} <= set(contract["signatures"])
    assert contract["provenance"]["combined"]["faces"]["corpus"] == "fer2013"
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "folds of fer2013" in card
    assert "folds of ravdess" in card
