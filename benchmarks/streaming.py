"""A new segment of a stream against the whole clip again, on one core; an hour in constant memory.

    python benchmarks/streaming.py [--systems ghost_fan segments] [--clip VIDEO] [--json FILE]

The weights are untrained, which changes no speed. Times are processor time of one thread on one core
(medians). It does not count other programs, but they empty the caches: a call of some milliseconds at
one example is slower by half on a busy machine. Three comparisons: the networks alone; with the faces
read from stored JPEGs; and with ``--clip`` all but the video's decoding: faces found in its frames,
cropped, encoded and answered, for a window as long as the clip.
"""

import argparse
import contextlib
import ctypes
import dataclasses
import gc
import os
import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

# Before TensorFlow is loaded (in the functions): one core.
for _name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

CONFIGS = {
    "ghost_fan": ("ghost_fan", {}),
    "ghost_fan_stride2": ("ghost_fan", {"depthwise": "stride2"}),
    "segments": ("segments", {"segments": 12}),
}
CLASSES = 8


def open_system(name: str, folder: Path):
    """An untrained run of a system, and its parts."""
    from emotionnet.streaming.parts import open_parts
    from emotionnet.systems import build_model, make_config
    from emotionnet.training.run import Run

    system, changes = CONFIGS[name]
    model = build_model(system, CLASSES, **changes)
    config = dataclasses.asdict(make_config(system, **changes))
    split = SimpleNamespace(train=[], validation=[], test=[])
    labels = [str(i) for i in range(CLASSES)]
    settings = {"system": system, "system_config": config, "labels": labels}
    run = Run.create(folder / name, settings, split)
    run.save_model(model)
    return run, open_parts(run)


def make_record(seconds: float, rate: int = 30):
    """A clip of noise: a face in every frame."""
    from emotionnet.clips.clip import ClipData, encode_jpeg
    from emotionnet.clips.records import parse, serialize
    from emotionnet.corpora.manifest import ManifestRow

    rng, n = np.random.default_rng(0), round(seconds * rate)
    coarse = rng.integers(0, 256, (n, 28, 28, 3), np.uint8)
    jpegs = [encode_jpeg(c.repeat(8, axis=0).repeat(8, axis=1)) for c in coarse]
    nan = np.full((n, 10), np.nan, np.float32)
    waveform = rng.integers(-3000, 3000, round(seconds * 16000)).astype(np.int16)
    times_s = (np.arange(n) / rate).astype(np.float32)
    clip = ClipData(
        ManifestRow("noise", "demo", "happy"),
        times_s, jpegs, nan[:, :4], nan.reshape(n, 5, 2), (224, 224), waveform,
    )  # fmt: skip
    return clip, parse(serialize(clip))


def cpu_ms(work, repeats: int) -> float:
    """Median processor time of a call in milliseconds, of all threads."""
    for _ in range(3):
        work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * statistics.median(times)


def compare(name: str, folder: Path, repeats: int) -> dict:
    """A new segment against the whole clip, of one system."""
    import tensorflow as tf

    from emotionnet.streaming.model_parts import frozen

    run, parts = open_system(name, folder)
    model, view = run.model(), run.view()
    clip, parsed = make_record(view.window_s)
    n = parts.segments
    specs = {k: tf.TensorSpec([None, *v.shape[1:]], v.dtype) for k, v in parsed.items()}
    viewer = tf.function(view, input_signature=[specs, tf.TensorSpec([], tf.float32)])
    names = ("faces", "frame_mask", "waveform", "waveform_samples")
    viewed = [viewer(parsed, tf.constant(0.0))[k].numpy()[None] for k in names]

    def answer(faces, *others):
        inputs = dict(zip(names, (tf.cast(faces, tf.float32), *others)))
        return model(inputs, training=False)["probabilities"]

    # The same treatment for both: the whole clip's graph is frozen too.
    network = frozen(answer, *(tf.TensorSpec(v.shape, v.dtype) for v in viewed))

    def whole_with_pictures():
        views = viewer(parsed, tf.constant(0.0))
        network(*(views[k].numpy()[None] for k in names))

    sound = clip.waveform.astype(np.float32) / 32768
    around = sound[: parts.context] if parts.context else None
    codes, flags = np.zeros((n, parts.width), np.float32), np.ones(n, bool)
    face = parts.pixels(clip.faces[0])

    def segment(face):
        codes[0] = parts.encode(face, around)
        parts.answer(codes, flags, flags, sound)

    whole = cpu_ms(lambda: network(*viewed), repeats)
    once = cpu_ms(lambda: segment(face), repeats)
    whole_pictures = cpu_ms(whole_with_pictures, repeats)
    once_pictures = cpu_ms(lambda: segment(parts.pixels(clip.faces[0])), repeats)
    hop_s = view.window_s / n
    return {
        "system": name,
        "segments": n,
        "window_s": view.window_s,
        "whole_clip_ms": round(whole, 2),
        "new_segment_ms": round(once, 2),
        "times_faster": round(whole / once, 1),
        "goal": round(0.8 * n, 1),
        "whole_clip_with_pictures_ms": round(whole_pictures, 2),
        "new_segment_with_pictures_ms": round(once_pictures, 2),
        "times_faster_with_pictures": round(whole_pictures / once_pictures, 1),
        "real_time_factor": round(once_pictures / 1000 / hop_s, 4),
    }


def compare_on_video(name: str, folder: Path, path: Path) -> dict:
    """A new segment of a video against `predict`'s way through the whole, decoding left out."""
    import tensorflow as tf

    from emotionnet.clips.clip import encode_jpeg
    from emotionnet.clips.crop import crop_face
    from emotionnet.clips.decode import read_frames, read_sound
    from emotionnet.clips.faces import FaceFinder
    from emotionnet.streaming.live import Stream
    from emotionnet.streaming.model_parts import frozen

    run, parts = open_system(name, folder / "video")
    model, view, finder = run.model(), run.view(), FaceFinder()
    frames = list(read_frames(path))
    begin = frames[0].time_s
    for frame in frames:
        frame.time_s -= begin
    seconds = frames[-1].time_s * len(frames) / (len(frames) - 1)
    sound = read_sound(path)
    waveform = np.zeros(0, np.int16) if sound is None else sound.samples[: int(seconds * 16000)]
    names = ("faces", "frame_mask", "waveform", "waveform_samples")
    network = None

    def whole():
        nonlocal network
        jpegs = [
            b"" if face is None else encode_jpeg(crop_face(frame.picture(), face.landmarks))
            for frame, face in finder.follow(iter(frames))
        ]
        parsed = {
            "jpegs": tf.constant(jpegs),
            "times_s": tf.constant([frame.time_s for frame in frames], tf.float32),
            "waveform": tf.constant(waveform.astype(np.float32) / 32768),
        }
        viewed = [view(parsed, tf.constant(0.0))[k].numpy()[None] for k in names]
        if network is None:
            network = frozen(
                lambda faces, *others: model(
                    dict(zip(names, (tf.cast(faces, tf.float32), *others))), training=False
                )["probabilities"],
                *(tf.TensorSpec(v.shape, v.dtype) for v in viewed),
            )
        network(*viewed)

    def streamed() -> float:
        """Processor time of a segment in milliseconds."""
        stream = Stream(
            parts, run.labels, seconds, start_s=0.0, sound=len(waveform) > 0, finder=finder
        )
        start, answers, heard = time.process_time(), [], 0
        for frame in frames:
            until = round(frame.time_s * 16000)
            answers += stream.add_sound(waveform[heard:until], heard / 16000)
            heard = min(until, len(waveform))
            answers += stream.add_frame(frame)
        answers += stream.finish()
        assert answers[-1].faces == len(answers) == parts.segments
        return 1000 * (time.process_time() - start) / len(answers)

    streamed()
    once = statistics.median(streamed() for _ in range(3))
    whole_ms = cpu_ms(whole, 3)
    return {
        "system": name,
        "segments": parts.segments,
        "window_s": round(seconds, 2),
        "whole_clip_with_faces_ms": round(whole_ms, 1),
        "new_segment_with_faces_ms": round(once, 1),
        "times_faster": round(whole_ms / once, 1),
        "goal": round(0.8 * parts.segments, 1),
        "real_time_factor": round(once / 1000 / (seconds / parts.segments), 4),
    }


def resident_mb() -> float:
    """Memory that this process holds, in MB, without what the C library only keeps for later."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def an_hour(folder: Path, minutes: int = 60) -> dict:
    """A synthetic stream through a real (small) network: 30 faces a second, sound every 50 ms."""
    from emotionnet.streaming.live import Stream

    CONFIGS["hour"] = ("segments", {"segments": 12, "image_size": 32})
    run, parts = open_system("hour", folder)
    clip, _ = make_record(6.0)
    stream = Stream(parts, run.labels, start_s=0.0)
    memory = {}
    piece = 800
    start = time.process_time()
    for i in range(minutes * 60 * 20):
        if i % (60 * 20) == 0:
            memory[i // (60 * 20)] = round(resident_mb(), 1)
        at = i * piece % (len(clip.waveform) - piece)
        stream.add_sound(clip.waveform[at : at + piece], i / 20)
        for j in range(round(i * 1.5), round((i + 1) * 1.5)):
            stream.add_face(j / 30, clip.faces[j % len(clip.faces)])
    memory[minutes] = round(resident_mb(), 1)
    report = stream.report()
    return {
        "minutes": minutes,
        "answers": report["answers"],
        "memory_mb": {m: memory[m] for m in sorted({1, minutes // 6, minutes // 2, minutes})},
        "cpu_s": round(time.process_time() - start, 1),
        "work_ms": report["work_ms"],
    }


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--systems", nargs="*", default=list(CONFIGS), choices=list(CONFIGS))
    p.add_argument("--repeats", type=int, default=30)
    p.add_argument("--minutes", type=int, default=60, help="of the long stream; 0 leaves it out")
    p.add_argument("--clip", type=Path, help="a video with a face: compares all but its decoding")
    p.add_argument("--json", help="also write the figures there")
    args = p.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    results: dict = {"systems": []}
    with tempfile.TemporaryDirectory() as folder:
        for name in args.systems:
            result = compare(name, Path(folder), args.repeats)
            results["systems"].append(result)
            print("  ".join(f"{k} {v}" for k, v in result.items()), flush=True)
            if args.clip:
                result = compare_on_video(name, Path(folder), args.clip)
                results["systems"].append(result)
                print("  ".join(f"{k} {v}" for k, v in result.items()), flush=True)
        if args.minutes:
            results["long_stream"] = an_hour(Path(folder), args.minutes)
            print("  ".join(f"{k} {v}" for k, v in results["long_stream"].items()), flush=True)
    if args.json:
        from emotionnet.files import write_json

        write_json(args.json, results)


if __name__ == "__main__":
    main()
