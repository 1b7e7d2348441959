"""Settings are checked before anything is computed, and are plain data in a run's config."""

import json

import pytest

from emotionnet.errors import UsageError
from emotionnet.training import plan
from emotionnet.training.settings import Settings, plain


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"optimizer": "lion"}, "one of adam, adamw, sgd"),
        ({"decay": "cos"}, "one of cosine, step, plateau, constant"),
        ({"epochs": 0}, "epochs is 0; it needs a number at least 1"),
        ({"epochs": 2.5}, "whole number"),
        ({"epochs": True}, "whole number"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'; it needs a number"),
        ({"average": 1.0}, "from 0 to below 1"),
        ({"mixup": -0.1}, "mixup"),
        ({"mixup": float("nan")}, "mixup"),
        ({"frozen": 3}, "frozen is 3"),
        ({"rate_scales": "stem"}, "face_encoder:0.1"),
        ({"rate_scales": {"stem": -1}}, "at least 0"),
    ],
)
def test_a_bad_value_is_explained(changes, says):
    with pytest.raises(UsageError, match=says):
        Settings(**changes)


def test_words_of_a_command_line_become_values():
    settings = Settings(frozen="stem, head", rate_scales="stem:0.1,head:2", learning_rate=1)
    assert settings.frozen == ("stem", "head")
    assert settings.rate_scales == {"stem": 0.1, "head": 2.0}
    assert settings.learning_rate == 1.0
    again = Settings(**json.loads(json.dumps(plain(settings))))
    assert again == settings


def test_warmup_rises_to_the_rate_and_the_cosine_follows():
    settings = Settings(epochs=10, learning_rate=1.0, warmup_epochs=2)
    rates = [settings.learning_rate_at(x) for x in (0.0, 0.1, 0.2, 0.6, 1.0)]
    assert rates == pytest.approx([0, 0.5, 1, 0.5, 0])
    constant = Settings(epochs=10, learning_rate=1.0, warmup_epochs=2, decay="constant")
    assert constant.learning_rate_at(0.9) == 1.0


def test_plateaus_are_counted_in_the_history():
    settings = Settings(decay="plateau", plateau_patience=2)
    assert settings.plateaus([]) == 0
    assert settings.plateaus([1.0, 0.9, 0.9, 0.9]) == 1
    # Less than a ten-thousandth is no gain; after a plateau the count begins anew.
    assert settings.plateaus([1.0, 0.99995, 0.9999, 0.99, 1, 1, 1, 1]) == 3
    assert settings.learning_rate_at(0.5, 3) == pytest.approx(1e-3 / 8)


def test_settings_are_for_all_streams_or_for_one():
    train = {"mixup": 0.2, "faces.mixup": 0.4, "faces.frozen": "stem"}
    made = plan.stream_settings("ghost_fan", "ravdess", train, epochs=7, patience=None)
    assert (made["faces"]["mixup"], made["speech"]["mixup"]) == (0.4, 0.2)
    assert made["faces"]["frozen"] == ["stem"]
    assert made["speech"]["frozen"] == []
    assert {each["epochs"] for each in made.values()} == {7}
    assert made["speech"]["patience"] == 30


@pytest.mark.parametrize("name", ["lerning_rate", "seed", "faces.nope"])
def test_an_unknown_setting_is_named_with_the_known(name):
    with pytest.raises(UsageError, match=r"no setting .* It has: epochs, batch_size"):
        plan.stream_settings("ghost_fan", "ravdess", {name: 1})


def test_an_unknown_stream_is_named_with_the_known():
    with pytest.raises(UsageError, match=r"no stream 'face'\. It has: faces, speech"):
        plan.stream_settings("ghost_fan", "ravdess", {"face.mixup": 1})


def test_runs_from_before_have_the_defaults():
    old = {"speech": {"epochs": 5, "batch_size": 8, "learning_rate": 1e-3, "patience": 0}}
    assert plan.completed(old)["speech"]["optimizer"] == "adam"
    assert plan.completed(plan.completed(old)) == plan.completed(old)
