import pytest

from emotionnet.evaluation.learning import (
    kept_epochs,
    learning_curves,
    mean_kept,
    unfinished_stages,
)
from emotionnet.files import write_csv
from emotionnet.systems import stages_of


def test_curves_and_the_kept_epoch_come_from_the_history(tmp_path):
    columns = ("stream", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "val_uar")
    lines = [
        ("faces", 1, 2.0, 0.1, 2.1, 0.2, 0.2),
        ("faces", 2, 1.5, 0.4, 1.9, 0.4, 0.4),
        ("faces", 3, 1.0, 0.6, 1.7, 0.5, 0.4),
        ("faces", 4, 0.9, 0.7, 1.8, 0.5, 0.4),
        ("speech", 1, 1.0, 0.5, "nan", "nan", "nan"),
        ("speech", 2, 0.9, 0.6, "nan", "nan", "nan"),
    ]
    write_csv(tmp_path / "history.csv", [dict(zip(columns, line)) for line in lines], columns)
    curves = learning_curves(tmp_path / "history.csv")
    # Highest UAR, then lowest loss; without validation clips the last epoch.
    assert curves["faces"]["best_epoch"] == 3
    assert curves["speech"]["best_epoch"] == 2
    assert curves["faces"]["curves"]["loss"]["train"] == [2.0, 1.5, 1.0, 0.9]
    assert learning_curves(tmp_path / "none.csv") == {}
    kept = kept_epochs(curves)
    assert kept["faces"] == {
        "epoch": 3,
        "train": {"loss": 1.0, "accuracy": 0.6},
        "validation": {"loss": 1.7, "accuracy": 0.5},
    }
    assert kept["speech"] == {"epoch": 2, "train": {"loss": 0.9, "accuracy": 0.6}}


def test_several_runs_are_averaged():
    runs = [
        {"speech": {"epoch": 2, "train": {"loss": 1.0, "accuracy": 0.5}}},
        {"speech": {"epoch": 4, "train": {"loss": 0.5, "accuracy": 0.75}}},
        {},
    ]
    kept = mean_kept(runs)
    assert kept == {"speech": {"epoch": [2, 4], "train": {"loss": 0.75, "accuracy": 0.625}}}


@pytest.mark.parametrize(
    ("system", "config", "unfinished"),
    [
        ("ghost_fan", {}, set()),
        ("ghost_fan", {"speech": "logmel_ridge", "streams": ["speech"]}, {"speech"}),
        ("ghost_fan", {"speech": "logmel_ridge"}, {"speech"}),
        ("dv_emotionnet", {}, set()),
        ("racnn", {}, {"speech", "fused"}),
        ("racnn", {"streams": ["speech"]}, set()),
    ],
)
def test_what_is_learnt_is_not_always_what_answers(system, config, unfinished):
    streams = config.get("streams", ["faces", "speech"])
    assert unfinished_stages(stages_of(system, config), streams) == unfinished


def test_figures_of_what_does_not_answer_are_marked():
    losses = {"train": [1.0], "validation": [2.0]}
    curves = {"speech": {"curves": {"loss": losses, "accuracy": losses}, "best_epoch": 1}}
    kept = kept_epochs(curves, {"speech"})
    assert kept["speech"]["answers"] is False
    assert mean_kept([kept, kept_epochs(curves)])["speech"]["answers"] is False
    assert "answers" not in mean_kept([kept_epochs(curves)])["speech"]
