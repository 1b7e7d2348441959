"""``fit --init RUN`` on clips of one's own: what is taken over, what learns first, and which clips are too few."""

from types import SimpleNamespace

import numpy as np
import pytest
from test_combine import PICTURES, SOUND, source
from tiny_run import TOY, make_clip, write_records

from emotionnet.combine import combine
from emotionnet.errors import UsageError
from emotionnet.systems import build_model
from emotionnet.training import tuning
from emotionnet.training.init import init_source, warm_start
from emotionnet.training.optimizer import find_layers
from emotionnet.training.run import Run

pytestmark = pytest.mark.usefixtures("plain_reports", "four_bottlenecks")

FACES = ("neutral", "happy", "contempt")
SPEECH = ("neutral", "calm", "happy")
OWN = ("happy", "bored")


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A run that was combined out of two."""
    place = tmp_path_factory.mktemp("tuning")
    source(place / "f", "faces", FACES, PICTURES, "fer2013")
    source(place / "s", "speech", SPEECH, SOUND, "ravdess")
    return Run.open(combine(place / "f", place / "s", place / "people", frames=2))


def own_clips(folder, counts, actor="", **has):
    clips = [
        make_clip(f"{emotion}{i}", emotion, actor and f"{actor}{i % 3}", seed=10 * k + i, **has)
        for k, (emotion, count) in enumerate(counts.items())
        for i in range(count)
    ]
    for clip in clips:
        object.__setattr__(clip.row, "corpus", "folder")
    return write_records(folder, clips)


def config_of(run, streams, records):
    system, having, fields = tuning.form_of(run, streams, OWN, records)
    fields = {**fields, "streams": having}
    return {
        "system": system, "system_config": fields, "streams": having, "labels": list(OWN),
        "init": init_source(run.folder),
    }  # fmt: skip


def columns(model, stream):
    kernel, bias = find_layers(model, f"{stream}/classifier")[0].weights
    return np.vstack([np.array(kernel), np.array(bias)[None]])


def test_all_but_the_answers_to_new_classes_is_taken_over(people, tmp_path):
    config = config_of(people, "both", own_clips(tmp_path / "r", dict.fromkeys(OWN, 2)))
    assert config["system"] == "pair"
    model = build_model("pair", 2, **config["system_config"])
    new = {stream: columns(model, stream)[:, 1] for stream in ("face_stream", "speech_stream")}
    lines = warm_start(model, config)
    theirs = people.model()
    for name in ("face_encoder", "speech_stream/hidden"):
        for a, b in zip(find_layers(theirs, name)[0].weights, find_layers(model, name)[0].weights):
            np.testing.assert_array_equal(a, b)
    for stream, known in (("face_stream", FACES), ("speech_stream", SPEECH)):
        happy = columns(theirs, stream)[:, known.index("happy")]
        np.testing.assert_array_equal(columns(model, stream)[:, 0], happy)
        np.testing.assert_array_equal(columns(model, stream)[:, 1], new[stream])
    assert sum("anew" in line and "happy as there" in line for line in lines) == 2


def test_one_stream_alone_becomes_its_own_system(people, tmp_path, capsys):
    config = config_of(
        people, "both", own_clips(tmp_path / "r", dict.fromkeys(OWN, 2), faces=False)
    )
    assert (config["system"], config["streams"]) == ("ghost_fan", ["speech"])
    assert "faces      left out" in capsys.readouterr().out


def test_the_last_layers_learn_alone_first(people, tmp_path):
    config = config_of(people, "both", own_clips(tmp_path / "r", dict.fromkeys(OWN, 2)))
    speech = {**config["system_config"]["speech"]}
    speech["config"] = {**speech["config"], "speech": "logmel"}
    fields = {**config["system_config"], "speech": speech}
    asked = {"epochs": 10, "speech.epochs": 6}
    found = tuning.settings_of("pair", fields, OWN, ("faces", "speech"), False, asked)
    assert found["faces"]["frozen"] == ["face_encoder"]
    assert found["speech"]["frozen"] == [
        f"member_{n}_{what}" for what in ("encoder", "pool") for n in (1, 2, 3)
    ]
    halves = {name: (each["epochs"], each["frozen_epochs"]) for name, each in found.items()}
    assert halves == {"faces": (10, 5), "speech": (6, 3)}
    for each in found.values():
        assert set(each["rate_scales"]) == set(each["frozen"])


def test_epochs_that_there_cannot_be_are_refused():
    for asked in ("ten", 0):
        with pytest.raises(UsageError, match=f"epochs is {asked!r}; it needs a"):
            tuning.settings_of(TOY, {}, OWN, ("speech",), False, {"epochs": asked})


def test_clips_that_cannot_be_learnt_from_are_refused(people, tmp_path):
    nothing = own_clips(tmp_path / "n", dict.fromkeys(OWN, 2), faces=False, sound=False)
    with pytest.raises(UsageError, match=r"no clip has what .* looks at"):
        tuning.form_of(people, "both", OWN, nothing)
    with pytest.raises(UsageError, match="one class, happy"):
        tuning.form_of(people, "both", ["happy"], nothing)

    def check(records, train, test, streams=("speech",)):
        rows = {row.clip: row for row in records.rows}
        train, test = ([rows[name] for name in names.split()] for names in (train, test))
        split = SimpleNamespace(train=train, validation=[], test=test)
        tuning.check_clips([split], OWN, streams, records)

    few = own_clips(tmp_path / "few", {"happy": 3, "bored": 2})
    check(few, "happy0 happy1 bored0", "happy2 bored1")
    with pytest.raises(UsageError, match="class bored: has 1 clip, of which 1 would"):
        check(few, "happy0 bored0", "happy1")
    with pytest.raises(UsageError, match="class bored: has 2 clips, of which 0 would"):
        check(few, "happy0", "happy1 bored0 bored1")
    silent = own_clips(tmp_path / "silent", {"happy": 2, "bored": 2}, sound=False)
    with pytest.raises(UsageError, match=r"class happy: none of the 1 clip .* has sound"):
        check(silent, "happy0 bored0", "happy1 bored1")


def test_clips_of_one_person_are_divided_clip_by_clip(tmp_path, capsys):
    nobody = own_clips(tmp_path / "nobody", dict.fromkeys(OWN, 3))
    assert tuning.protocol_of(nobody.rows) == "stratified"
    assert "clip by clip" in capsys.readouterr().out
    named = own_clips(tmp_path / "named", dict.fromkeys(OWN, 3), actor="p")
    assert tuning.protocol_of(named.rows) == "actor_folds"


@pytest.mark.slow
def test_a_run_learns_on_from_clips_of_ones_own(people, tmp_path, capsys):
    from emotionnet.files import read_csv
    from emotionnet.fit import main

    # Of two clips a class one tests and none validates, so the last epoch is kept.
    records = own_clips(tmp_path / "r", dict.fromkeys(OWN, 2), faces=False)
    main(["--init", str(people.folder), "--records", str(records.folder), "--epochs", "2",
          "--out", str(tmp_path)])  # fmt: skip
    assert "speech_stream/classifier, 258 numbers (other labels; happy as there)" in (
        capsys.readouterr().out
    )
    run = Run.open(tmp_path / "people-folder-stratified")
    assert run.labels == OWN
    assert run.config["init"]["run"] == str(people.folder)
    learnt = read_csv(run.folder / "history.csv")
    assert [line["stream"] for line in learnt] == ["speech", "speech"]
    ours, theirs = (find_layers(each.model(), "conv_1")[0].weights[0] for each in (run, people))
    change = np.abs(np.array(ours) - np.array(theirs)).max()
    assert 0 < change < 0.01  # small steps, in the second epoch alone
