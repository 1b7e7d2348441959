"""The flags of `fit` that are about learning: bad ones are named before anything is made."""

import pytest
from tiny_run import SYSTEM_CONFIG, make_clip, write_records

from emotionnet import fit as verb
from emotionnet.clips import preparing
from emotionnet.errors import UsageError


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    clips = [
        make_clip(f"{actor:02d}-{emotion}", emotion, f"{actor:02d}", seed=actor)
        for actor in range(1, 7)
        for emotion in ("neutral", "happy", "sad")
    ]
    return write_records(tmp_path_factory.mktemp("flags") / "records", clips)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--train", "lerning_rate=1"], "no setting 'lerning_rate'. It has: epochs"),
        (["--train", "optimizer=lion"], "one of adam, adamw, sgd"),
        (["--train", "face.mixup=1"], "no stream 'face'"),
        (["--augmentation", "noise=1"], "no strength 'noise'. It has: rotation_degrees"),
        (["--augmentation", "noise_share=much"], "noise_share is 'much'"),
        (["--augmentation", "copies=echo"], "copies of kind 'echo'"),
        (["--augmentation", "copies=3"], "needs kinds"),
        (["--augmentation", "flip=50"], "flip is 50; it needs a number from 0 to 1"),
        (["--augmentation", "copies=[3]"], "copies of kind '3'"),
        (["--augment", "none", "--augmentation", "noise_share=0"], "needs --augment light"),
        (["--init-faces", "nowhere"], "no run here"),
        # Seen only once the model is there.
        (["--streams", "speech", "--train", "frozen=stm"], "no layer 'stm'"),
        (["--train-actors", "99"], "--train-actors 99: needs a number from 1 to"),
    ],
)
def test_bad_flags_are_explained_and_leave_nothing(records, tmp_path, words, says):
    sizes = [word for pair in SYSTEM_CONFIG.items() for word in ("--set", "{}={}".format(*pair))]
    with pytest.raises(UsageError, match=says.replace(".", r"\.")):
        verb.main(["--records", str(records.folder), "--out", str(tmp_path), *sizes, *words])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--protocol", "loso"], "--protocol loso: not known"),
        (["--streams", "ears"], "--streams ears: not known"),
        (["--system", "best"], "unknown system 'best'"),
        (["--epochs", "0"], "epochs is 0"),
        (["--set", "fusion=XX"], "fusion"),
        (["--learning", "slow"], "--learning slow: not known"),
    ],
)
def test_what_cannot_be_is_told_before_clips_are_prepared(tmp_path, monkeypatch, words, says):
    monkeypatch.setattr(preparing, "prepare", lambda *_, **__: pytest.fail("clips are prepared"))
    with pytest.raises(UsageError, match=says):
        verb.main(["--corpus", "folder", "--root", str(tmp_path), "--out", str(tmp_path), *words])


def test_resuming_without_a_flag_that_was_given_is_refused(records, tmp_path, monkeypatch):
    from emotionnet.training import train

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "train_run", killed)
    words = ["--records", str(records.folder), "--out", str(tmp_path), "--name", "a"]
    with pytest.raises(KeyboardInterrupt):
        verb.main([*words, "--train-actors", "2"])
    with pytest.raises(UsageError, match=r"other settings .*train_actors"):
        verb.main([*words, "--resume"])
    with pytest.raises(KeyboardInterrupt):
        verb.main([*words, "--resume", "--train-actors", "2"])
