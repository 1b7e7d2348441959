"""Runs small enough for tests, with untrained models, and records of noise."""

import dataclasses
from types import SimpleNamespace

import cv2
import numpy as np

LABELS = ("neutral", "happy", "sad")
SYSTEM_CONFIG = {"frames": 2, "image_size": 32, "samples": 16000}
STREAMS = ("faces", "speech")
#: A system that is traced in a moment, for tests of what is the same whatever learns.
TOY = "toys.three_streams"


def make_clip(name, emotion="happy", actor="01", sex="male", faces=True, sound=True, seed=0):
    """A `ClipData` of 0.8 s that never was a file: noise for a face and noise for a voice."""
    from emotionnet.clips.clip import ClipData
    from emotionnet.corpora.manifest import ManifestRow

    rng = np.random.default_rng(seed)
    n = 8
    pictures = rng.integers(0, 256, (n, 224, 224, 3), np.uint8)
    jpegs = [cv2.imencode(".jpg", p)[1].tobytes() if faces else b"" for p in pictures]
    sounds = rng.integers(-3000, 3000, 12800 if sound else 0).astype(np.int16)
    row = ManifestRow(name, "demo", emotion, actor, sex, picture=f"{name}.mp4", label_kind="drawn")
    shape = np.full((n, 4), 50, np.float32), np.full((n, 5, 2), 50, np.float32)
    times_s = np.arange(n, dtype=np.float32) / 10
    return ClipData(row, times_s, jpegs, *shape, (180, 240), sounds)


def clips_of(actors, emotions, **options):
    """A clip of each actor in each emotion, all different; ``options`` as `make_clip` takes them."""
    return [
        make_clip(f"{actor}-{emotion}", emotion, actor, seed=10 * i + k, **options)
        for i, actor in enumerate(actors)
        for k, emotion in enumerate(emotions)
    ]


def write_records(folder, clips, per_shard=100):
    """Writes clips as a finished folder of records, and opens it."""
    from emotionnet.clips import records as r
    from emotionnet.clips.shards import write_examples
    from emotionnet.files import write_json

    folder.mkdir(parents=True)
    rows = []
    for start in range(0, len(clips), per_shard):
        mine = clips[start : start + per_shard]
        path = folder / f"shard-{start // per_shard:05d}.tfrecord"
        offsets, written = write_examples(path, map(r.serialize, mine))
        write_json(path.with_suffix(".json"), written)
        rows += [
            r.RecordRow(
                **dataclasses.asdict(clip.row),
                shard=path.name,
                offset=offset,
                frames=len(clip.faces),
                faces_found=clip.faces_found,
                samples=len(clip.waveform),
            )
            for clip, offset in zip(mine, offsets)
        ]
    r.write_record_manifest(folder / r.MANIFEST_FILE, rows)
    meta = {
        "schema": r.SCHEMA_VERSION,
        "finished": True,
        "manifest_hash": r.manifest_hash(r.as_manifest_rows(rows)),
    }
    write_json(folder / r.META_FILE, meta)
    return r.Records.open(folder)


def make_run(folder, records=None, test=(), model=None, streams=STREAMS, train=(), **changes):
    """A finished run folder; ``train`` and ``test`` are rows, ``changes`` of its config."""
    from emotionnet.training.run import Run

    split = SimpleNamespace(train=list(train), validation=[], test=list(test))
    run = Run.create(
        folder,
        {
            "system": "ghost_fan",
            "system_config": SYSTEM_CONFIG | {"streams": list(streams)},
            "labels": list(LABELS),
            "corpus": "demo",
            "label_kind": "drawn",
            "records": str(records.folder) if records else "nowhere",
            "manifest_hash": records.manifest_hash if records else "",
            "protocol": "holdout",
            "protocol_description": "holdout: actors 01 and 02 are tested",
            "leaky": False,
            "fold": 1,
            "folds": 1,
            "seed": 0,
            "streams": list(streams),
            "joint": False,
        }
        | changes,
        split,
    )
    run.save_model(model or build_model(streams))
    return run


def build_model(streams=STREAMS):
    """A model with the inputs and outputs of every system, without anything that takes time.

    Its answers differ from clip to clip, from stream to stream, and for a mirrored face.
    """
    import keras

    from emotionnet.layers import LateFusion
    from emotionnet.systems.base import clip_inputs

    inputs = clip_inputs(SYSTEM_CONFIG)
    half = SYSTEM_CONFIG["image_size"] // 2
    left = keras.layers.Cropping3D(((0, 0), (0, 0), (0, half)))(inputs["faces"])
    average = keras.layers.GlobalAveragePooling3D()(left)
    logits = {
        name: keras.layers.Dense(len(LABELS), name=f"{name}_classifier")(x)
        for name, x in (("faces", average), ("speech", inputs["waveform"]))
    }
    present = inputs["frame_mask"], inputs["waveform_samples"]
    outputs = LateFusion("GM", streams)(logits["faces"], logits["speech"], *present)
    names = ("probabilities", "face_probabilities", "speech_probabilities")
    model = keras.Model(inputs, dict(zip(names, outputs)))
    rng = np.random.default_rng(0)
    for name, scale in (("faces", 0.1), ("speech", 1.0)):
        kernel, _ = model.get_layer(f"{name}_classifier").weights
        kernel.assign(rng.normal(0, scale, kernel.shape))
    return model
