"""The system `segments` on a device: whole clips, and one segment at a time."""

import json

import numpy as np
import pytest
from same_parts import check_same_parts
from tiny_run import LABELS, make_clip, make_run, write_records

CONFIG = {"segments": 2, "image_size": 32, "samples": 32000}


@pytest.mark.slow
def test_a_bundle_of_segments_is_true_and_encodes_one_segment(tmp_path):
    from emotionnet.deploy.litert import open_model
    from emotionnet.export import export
    from emotionnet.files import read_csv, write_csv
    from emotionnet.inputs.opening import open_source
    from emotionnet.systems import build_model
    from emotionnet.verify import verify

    clips = [make_clip(f"clip_{i}", LABELS[i % 3], seed=i) for i in range(4)]
    records = write_records(tmp_path / "records", clips)
    model = build_model("segments", len(LABELS), **CONFIG)
    config = {**CONFIG, "streams": ["faces", "speech"]}
    changes = {"system": "segments", "system_config": config, "joint": True}
    run = make_run(tmp_path / "run", records, records.rows[2:], model, **changes)
    rows = read_csv(run.folder / "split.csv")
    rows += [{"clip": r.clip, "actor": r.actor, "emotion": r.emotion, "part": "train"}
             for r in records.rows[:2]]  # fmt: skip
    write_csv(run.folder / "split.csv", rows, list(rows[0]))

    out = export(run.folder, tmp_path / "bundle", precisions=("float32", "int8"))

    contract = json.loads((out / "contract.json").read_text())
    assert set(contract["signatures"]) == {"classify", "encode_segment", "fuse"}
    assert contract["faces"]["frames"] == 2
    assert contract["files"]["int8"]["bytes"] < 0.4 * contract["files"]["float32"]["bytes"]
    assert {row["precision"] for row in verify(out)} == {"float32", "int8"}

    source = open_source(records, run.view(), run.labels)
    clip = next(iter(source.inference_batches(records.rows[:1], 1)))
    segment = {
        "face": clip["faces"].numpy()[:, 0],
        "face_mask": np.ones(1, np.float32),
        "window": clip["waveform"].numpy()[:, :24000],
        "window_mask": np.ones(1, np.float32),
    }
    expected = np.asarray(model.get_layer("segment_encoder").predict_on_batch(segment))[0]
    for precision, least in (("float32", 0.99999), ("int8", 0.97)):
        file = open_model(out / contract["files"][precision]["file"])
        embedding = file.run("encode_segment", segment)["embedding"][0]
        alike = embedding @ expected / np.linalg.norm(embedding) / np.linalg.norm(expected)
        assert alike > least, precision
    check_same_parts(out, run.folder)
