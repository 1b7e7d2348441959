"""`random_copies` trains on copies of the clips that it tests, and no other protocol does."""

import dataclasses

import pytest
from tiny_run import LABELS, make_clip, write_records

from emotionnet.clips.copies import KINDS
from emotionnet.errors import UsageError
from emotionnet.fit import fit
from emotionnet.inputs.pipeline import RecordSource
from emotionnet.inputs.protocols import split_rows
from emotionnet.inputs.source import training_steps
from emotionnet.training import stream_data as data
from emotionnet.training.loop import Settings
from emotionnet.training.run import Run
from emotionnet.training.unit import trained_part, unit_of

pytestmark = pytest.mark.usefixtures("plain_reports")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    clips = [make_clip(f"c{i:02d}", LABELS[i % 3], f"{i % 4}", seed=i) for i in range(20)]
    return write_records(tmp_path_factory.mktemp("data") / "records", clips)


def trained_on(records, protocol, folder, monkeypatch):
    """Names of the clips in the first epoch of the speech stream, steps of it, and the split."""

    def copies(source, rows, kinds):
        return [dataclasses.replace(r, clip=f"{r.clip}~{k}") for r in rows for k in KINDS]

    def batches(source, rows, **_):
        seen.extend(row.clip for row in rows)

    seen = []
    monkeypatch.setattr(RecordSource, "copies", copies)
    monkeypatch.setattr(RecordSource, "training_batches", batches)
    split = split_rows(records.rows, protocol)
    config = {
        "system": "ghost_fan",
        "system_config": {"frames": 2, "image_size": 32, "samples": 16000},
        "labels": list(LABELS),
        "records": str(records.folder),
        "protocol": protocol,
        "streams": ["speech"],
        "joint": False,
        "augment": "ours",
        "seed": 0,
    }
    run = Run.create(folder, config, split)
    unit = unit_of(run.build(), config, "speech")
    settings = Settings(batch_size=4)
    part = trained_part(unit, settings, data.augmentation(config))
    fed = data.stream_data(run, records, run.split_rows(records), unit, part, [])
    fed.training(0, 0)
    return seen, fed.steps(0), split


def test_only_the_leaking_protocol_trains_on_copies_of_test_clips(records, tmp_path, monkeypatch):
    clean, _, split = trained_on(records, "random", tmp_path / "a", monkeypatch)
    leaking, steps, same = trained_on(records, "random_copies", tmp_path / "b", monkeypatch)
    assert [row.clip for row in same.test] == [row.clip for row in split.test]
    tested = {row.clip for row in split.test}
    assert not any(clip.partition("~")[0] in tested for clip in clean)
    # Each copy of each clip, but of the clips themselves only those of the training part.
    copies = {f"{row.clip}~{kind}" for row in records.rows for kind in KINDS}
    assert set(leaking) == copies | {row.clip for row in split.train}
    assert len(leaking) == len(set(leaking))
    assert steps == training_steps(len(leaking), 4)


def test_without_copies_it_is_refused(records, tmp_path):
    with pytest.raises(UsageError, match="needs --augment ours"):
        fit(
            records=records.folder,
            protocol="random_copies",
            streams="speech",
            augment="none",
            out=tmp_path,
        )
    assert not list(tmp_path.iterdir())
