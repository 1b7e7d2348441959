"""A product of settings: which trainings it needs, and their results, on records of noise."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from test_leave_out import EMOTIONS, noise_records
from tiny_model import tiny_inputs, tiny_model
from tiny_run import SYSTEM_CONFIG, make_clip, write_records

from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.evaluation.answers import Answers
from emotionnet.evaluation.cells import CellResult, write_cells
from emotionnet.files import read_csv
from emotionnet.sweep import sweep
from emotionnet.systems import SYSTEMS, get_system, make_config
from emotionnet.training.grid import axes_of, cells_of, read_axes

pytestmark = pytest.mark.usefixtures("four_bottlenecks", "plain_reports")

PAPER = {"variant": ["F1", "F2", "F3", "F4"], "speech": ["S1", "S2", "S3"], "fusion": ["GM", "AM"]}
BOTH = ("faces", "speech")


def cells(asked, system="ghost_fan", streams=BOTH, joint=False, **options):
    return cells_of(axes_of(asked, system, streams, options), system, streams, joint)


def test_the_papers_24_cells_take_seven_trainings():
    found = cells(PAPER)
    assert len(found) == 24
    names = {training.name for cell in found for training in cell.trainings}
    assert names == {f"faces-variant=F{i}" for i in (1, 2, 3, 4)} | {
        f"speech-speech=S{i}" for i in (1, 2, 3)
    }
    last = found[-1]
    assert last.name == "F4 S3 AM"
    assert [t.options({"epochs": 2, "system_config": {"frames": 5}}) for t in last.trainings] == [
        {"epochs": 2, "streams": "faces", "system_config": {"frames": 5, "variant": "F4"}},
        {"epochs": 2, "streams": "speech", "system_config": {"frames": 5, "speech": "S3"}},
    ]


def test_what_is_trained_through_its_fusion_is_trained_for_each_cell():
    assert len({t for cell in cells(PAPER, joint=True) for t in cell.trainings}) == 24
    found = cells(read_axes(["learning_rate=0.001,0.01", "shared=True,False"]), "segments")
    assert [cell.trainings[0].streams for cell in found] == ["faces+speech"] * 4
    assert found[0].trainings[0].options({}) == {
        "streams": "faces+speech", "train": {"learning_rate": 0.001}, "system_config": {"shared": True},
    }  # fmt: skip


def test_a_setting_of_one_stream_alone_does_not_train_the_other_again():
    found = cells({"faces.mixup": [0.0, 0.2], "dropout": [0.1, 0.2], "epochs": [1, 2]})
    names = {t.name for cell in found for t in cell.trainings}
    assert len(names) == 8
    assert "speech-dropout=0.1-epochs=2" in names


def test_every_field_of_a_system_is_said_to_concern_one_stream_or_is_known_to_concern_all():
    #: Fields that are no stream's own: every network has BatchNorm, and faces are taken from the time that the sound
    #: of ``samples`` lasts.
    all_streams = {"ghost_fan": {"batch_norm_momentum", "samples", "streams"}}
    systems = {name: get_system(name) for name in SYSTEMS}
    systems = {name: each for name, each in systems.items() if hasattr(each, "CONCERNS")}
    assert set(systems) == set(all_streams)
    for name, system in systems.items():
        said = [field for fields in system.CONCERNS.values() for field in fields]
        fields = [field.name for field in dataclasses.fields(system.Config)]
        assert sorted([*said, *all_streams[name]]) == sorted(fields)


def test_what_a_stream_is_said_not_to_be_concerned_by_leaves_it_as_it_is():
    import json

    system = get_system("ghost_fan")
    fields = {name for names in system.CONCERNS.values() for name in names}
    others = {
        "frames": 4, "image_size": 48, "variant": "F1", "depthwise": "stride2", "tam_residual": False,
        "face_dropout": 0.3, "sample_rate": 8000, "speech": "S1", "n_mfcc": 13,
        "n_fft": 1024, "hop_length": 256, "mel": "htk", "dropout": 0.4, "augment_spectrogram": 2.0,
        "skip_frames": 5, "fusion": "AM",
    }  # fmt: skip
    assert set(others) == fields
    plain = make_config("ghost_fan", **SYSTEM_CONFIG)
    for stream, make in (("faces", system.face_stream), ("speech", system.speech_stream)):
        foreign = {k: v for k, v in others.items() if k not in system.CONCERNS[stream]}
        changed = dataclasses.replace(plain, **foreign)
        one, two = (make(config, 3).get_config() for config in (plain, changed))
        assert json.dumps(one, default=str) == json.dumps(two, default=str)


@pytest.mark.parametrize("fusion", ["GM", "AM"])
def test_answers_are_fused_as_the_model_does(fusion):
    model = tiny_model(fusion=fusion)
    inputs = tiny_inputs(model, clips=3)
    inputs["waveform_samples"][0] = 0
    out = model.predict_on_batch(inputs)
    own = {"faces": out["face_probabilities"].copy(), "speech": out["speech_probabilities"].copy()}
    own["speech"][0] = np.nan
    own["faces"][2] = np.nan  # no face in any frame
    fused = get_system("ghost_fan").fuse_answers(make_config("ghost_fan", fusion=fusion), own)
    np.testing.assert_allclose(fused, out["probabilities"], atol=1e-5)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"varient": ["F1"]}, "Did you mean variant"),
        ({"learning-rate": [0.1]}, "Did you mean learning_rate"),
        ({"xyzzy": [1]}, "Known: "),
        ({"protocol": ["random"]}, "neither ghost_fan nor fit"),
        ({"variant": ["F1", "F5"]}, "F5"),
        ({"dropout": [0.1, "much"]}, "dropout"),
        ({"augment": ["light", "heavy"]}, "heavy"),
        ({"frames": [1, 2]}, "frames: is varied, and given for all cells too"),
        ({"learning_rate": [10.0**-i for i in range(1, 8)]}, "14 trainings"),
        ({}, "nothing to vary"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, asked, said):
    records = noise_records(tmp_path, EMOTIONS)
    with pytest.raises(UsageError, match=said):
        sweep(asked, records=records.folder, out=tmp_path, system_config=dict(SYSTEM_CONFIG))
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(("takes", "said"), [(2, "--choose: protocol stratified"), (3, "trained")])
def test_nothing_is_trained_where_no_clips_validate_to_choose_by(
    tmp_path, monkeypatch, takes, said
):
    def fit(**_):
        raise UsageError("trained")

    monkeypatch.setattr("emotionnet.runs.new.fit", fit)
    # Of two clips of a class one is tested, and one left to learn from.
    clips = [
        make_clip(f"{e}-{i}", e, seed=3 * i + k)
        for k, e in enumerate(EMOTIONS)
        for i in range(takes)
    ]
    records = write_records(tmp_path / "records", clips).folder
    with pytest.raises(UsageError, match=said):
        sweep(
            {"dropout": [0.1, 0.2]},
            records=records,
            out=tmp_path,
            protocol="stratified",
            streams="speech",
            choose=True,
        )


def test_what_is_given_for_all_cells_is_not_varied_too():
    with pytest.raises(UsageError, match="learning_rate: is varied, and given for all"):
        cells({"learning_rate": [0.1, 0.2]}, learning_rate=0.3)
    given = {"precision": None, "learning_rate": None, "train": {}}
    assert len(cells({"precision": ["float32", "mixed_bfloat16"]}, **given)) == 2


def test_a_setting_of_what_is_not_trained_is_refused():
    with pytest.raises(UsageError, match="concerns faces alone, and what is trained is speech"):
        cells({"variant": ["F1", "F4"]}, streams=("speech",))
    with pytest.raises(UsageError, match="concerns fusion alone"):
        cells({"fusion": ["GM", "AM"]}, streams=("speech",))


@pytest.mark.parametrize("text", ["variant", "variant=", "=F1", "variant=F1,,F2"])
def test_a_word_that_is_no_axis_is_refused(text):
    with pytest.raises(UsageError, match="expected FIELD=VALUE"):
        read_axes([text])


def test_values_are_read_as_python_has_them():
    assert read_axes(["shared=True,False", "dropout=0.1", "copies=(pitch,stretch),none"]) == {
        "shared": [True, False], "dropout": [0.1], "copies": ["(pitch,stretch)", "none"],
    }  # fmt: skip


@pytest.mark.slow
def test_a_sweep_trains_once_fuses_by_answers_and_continues(tmp_path, capsys):
    options = {
        "records": noise_records(tmp_path, EMOTIONS).folder, "out": tmp_path, "epochs": 1,
        "batch_size": 8, "augment": "none", "protocol": "actor_folds", "system_config": SYSTEM_CONFIG,
    }  # fmt: skip
    asked = {"variant": ["F1"], "speech": ["S1", "S2"], "fusion": ["GM", "AM"]}
    rows = sweep(asked, **options)
    top = tmp_path / "sweep"
    models = {path: path.stat().st_mtime_ns for path in top.glob("*/model.keras")}
    assert {path.parent.name for path in models} == {
        "faces-variant=F1", "speech-speech=S1", "speech-speech=S2",
    }  # fmt: skip
    assert len(rows) == len(read_csv(top / "sweep.csv")) == 4
    uars = [row["validation_uar"] for row in rows]
    assert uars == sorted(uars, reverse=True)

    (row,) = (each for each in rows if each["speech"] == "S2" and each["fusion"] == "AM")
    faces, speech = (
        Answers.read(top / name / "predictions.csv", EMOTIONS)
        for name in ("faces-variant=F1", "speech-speech=S2")
    )
    fused = (faces.probabilities["faces"] + speech.probabilities["speech"]) / 2
    right = [EMOTIONS[p.argmax()] == clip.emotion for clip, p in zip(faces.clips, fused)]
    assert row["accuracy"] == pytest.approx(np.mean(right))
    assert "Wilson" in (top / "sweep.html").read_text(encoding="utf-8")

    chosen = sweep(asked, choose=True, **options)
    assert {path: path.stat().st_mtime_ns for path in models} == models
    assert [each["validation_uar"] for each in chosen] == uars
    assert ["accuracy" in each for each in chosen] == [True, False, False, False]
    assert "of the chosen cell alone" in (top / "sweep.html").read_text(encoding="utf-8")


def test_nothing_is_chosen_where_no_clips_validate(tmp_path):
    found = [
        CellResult({"variant": name}, SimpleNamespace(name=name), uar)
        for name, uar in (("F1", 0.5), ("F2", None))
    ]
    with pytest.raises(EmotionNetError, match="--choose: F2 was measured on no validation clips"):
        write_cells(tmp_path / "t.csv", tmp_path / "p.html", found, {}, ["variant"], choose=True)
    assert not list(tmp_path.iterdir())
