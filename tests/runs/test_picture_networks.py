"""`backbones`: what networks cost, known from elsewhere, and a table that grows run by run."""

import csv
import json

import pytest
from tiny_run import clips_of, write_records

import emotionnet
from emotionnet.backbones import main
from emotionnet.errors import UsageError
from emotionnet.runs.picture_networks import COLUMNS, OURS, PAPER, backbones, interval_98, report

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.usefixtures("four_bottlenecks", "plain_reports")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    clips = clips_of(("01", "02", "03", "04"), ("neutral", "happy", "sad"), sex="female")
    return write_records(tmp_path_factory.mktemp("backbones") / "records", clips)


def test_the_papers_interval():
    low, high = interval_98(0.70, 3589)
    assert (round(100 * low, 2), round(100 * high, 2)) == (68.19, 71.75)


def test_all_sixteen_and_ours_are_known():
    from emotionnet.systems.backbones import BACKBONES

    assert len(PAPER) == 16
    assert set(PAPER) | set(OURS) <= set(BACKBONES)


def test_counts_agree_with_published_ones():
    from emotionnet.deploy.backbone_cost import backbone_cost

    cost = backbone_cost("mobilenet", 64)
    assert cost.backbone_parameters == 3_228_864  # Keras's own documentation: 4.3 M less the head
    # Howard et al. (2017), table 4: 569 M with the classifier's 1.0 M.
    assert cost.backbone_multiply_adds_224 == pytest.approx(568e6, rel=0.002)
    # The head, on 2 x 2 x 1024, multiplies as often as it has weights.
    head = 4096 * 5120 + 5120 * 768 + 768 * 7
    assert cost.multiply_adds - cost.backbone_multiply_adds == head
    assert cost.parameters == cost.backbone_parameters + head + 5120 + 768 + 7
    assert cost.weights_mb == 4 * cost.parameters / 1e6
    assert cost.file_mb is None


def test_a_table_that_grows_and_is_resumed(records, tmp_path, capsys):
    out = tmp_path / "out"
    options = {
        "records": records.folder, "out": out, "image_size": 32, "head": "pool",
        "backbone_weights": "none", "protocol": "actor_folds", "epochs": 1, "batch_size": 6,
        "augment": "none", "latency": False,
    }  # fmt: skip
    (one,) = backbones(["GhostNet"], **options)
    assert list(one) == list(COLUMNS)
    assert (one["clips"], one["epochs"], one["weights"]) == (3, 1, "none")
    assert (one["low_98"], one["high_98"]) == interval_98(one["accuracy"], 3)
    assert "starts from random weights" in capsys.readouterr().out

    model = out / "GhostNet" / "model.keras"
    written = model.stat().st_mtime_ns
    assert backbones(["ghost-net"], **options) == [one]
    assert model.stat().st_mtime_ns == written

    # Without training, runs that are there still count.
    rest = ["--no-training", "--no-latency", "--head", "pool", "--image-size", "32"]
    assert main(["GhostNet", "GhostNetTAM", *rest, "--out", str(out)]) == 0
    with open(out / "backbones.csv", newline="") as file:
        first, second = csv.DictReader(file)
    assert first == {key: "" if value is None else str(value) for key, value in one.items()}
    assert second["accuracy"] == ""
    gates = 2 * 3  # two bottlenecks of the four have attention
    assert int(second["backbone_parameters"]) == one["backbone_parameters"] + gates * 102
    assert (out / "backbones.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_file_is_made_and_timed():
    from emotionnet.deploy.backbone_cost import backbone_cost

    cost = backbone_cost("GhostNet", 32, head="pool", num_classes=3, timed=True)
    assert cost.file_mb == pytest.approx(cost.weights_mb, rel=0.15)
    assert cost.cpu_ms > 0


def test_report_leaves_empty_what_is_not_known():
    row = {**dict.fromkeys(COLUMNS), "backbone": "GhostNet", "image_size": 64, "parameters": 1e6,
           "backbone_parameters": 3e5, "weights_mb": 4.0, "multiply_adds": 2e7,
           "backbone_multiply_adds": 1e7, "backbone_multiply_adds_224": 4e7}  # fmt: skip
    head, line = report([row]).splitlines()
    assert "98 % interval" in head
    assert line.split() == ["GhostNet", "64", "1.000", "0.300", "4.0", "20.0", "10.0", "40.0"]
    json.dumps(row)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": ["AlexNet"]}, "unknown backbone 'AlexNet'"),
        ({}, "--corpus with --root, or --records"),
        ({"corpus": "fer2013", "records": "there"}, "not both"),
    ],
)
def test_bad_usage_is_said_before_anything_is_done(arguments, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        emotionnet.backbones(out=tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()
