"""tensorflow-io beside PyAV: recordings of sound decoded and resampled to 16 kHz, format by format.

    python benchmarks/sound_decoding.py SOUND_FILE… [--repeats 5] [--json FILE]

Each file is encoded anew as WAV (16, 24 and 32 bit), FLAC and MP3, and each of these is read by
PyAV, as `emotionnet.prepare` does, and inside tf.data by tensorflow-io's decoder and resampler. Printed are the
largest difference of samples once tensorflow-io's delay is taken away, that delay, and processor time. Every
format runs in a process of its own: whether that process ends as it should is a figure too.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

#: Name → ending, codec, container.
FORMATS = {
    "WAV, 16 bit": (".wav", "pcm_s16le", "wav"),
    "WAV, 24 bit": (".wav", "pcm_s24le", "wav"),
    "WAV, 32 bit float": (".wav", "pcm_f32le", "wav"),
    "FLAC": (".flac", "flac", "flac"),
    "MP3": (".mp3", "libmp3lame", "mp3"),
}
RATE = 16000
#: Samples at either end that are not compared: there resamplers differ by what they know of the past.
EDGE = 800
#: Delays that are tried, in samples.
DELAYS = range(0, 2400)


def encode(source: Path, target: Path, codec: str, container: str) -> None:
    """The sound of ``source`` in another format, one channel at its own rate."""
    import av

    with av.open(str(source)) as given, av.open(str(target), "w", format=container) as made:
        rate = given.streams.audio[0].rate
        stream = made.add_stream(codec, rate=rate, layout="mono")
        resampler = av.AudioResampler(stream.codec_context.format, "mono", rate)
        for frame in (*given.decode(audio=0), None):
            for piece in resampler.resample(frame):
                made.mux(stream.encode(piece))
        made.mux(stream.encode(None))


def by_pyav(path: Path) -> np.ndarray:
    """Samples at 16 kHz as `emotionnet.prepare` keeps them."""
    from emotionnet.clips.decode import Recording

    return Recording(path).sound.samples.astype(np.float32) / 32768


def tf_pipeline(paths: list[Path], rate: int):
    """The same recordings through tf.data and tensorflow-io."""
    import tensorflow as tf

    tfio = importlib.import_module("tensorflow_io")
    audio, suffix = tfio.audio, paths[0].suffix

    def read(path):
        content = tf.io.read_file(path)
        if suffix == ".wav":
            # The type has to be known before the file is looked at.
            kind = tf.int16 if paths[0].stem.endswith("16 bit") else tf.int32
            kind = tf.float32 if "float" in paths[0].stem else kind
            samples = audio.decode_wav(content, dtype=kind)
            full = {tf.int16: 2.0**15, tf.int32: 2.0**31, tf.float32: 1.0}[kind]
            samples = tf.cast(samples, tf.float32) / full
        elif suffix == ".flac":
            samples = tf.cast(audio.decode_flac(content, dtype=tf.int16), tf.float32) / 2.0**15
        else:
            samples = audio.decode_mp3(content)
        mono = tf.reduce_mean(samples, axis=1)
        return mono if rate == RATE else audio.resample(mono, rate, RATE)

    return tf.data.Dataset.from_tensor_slices([str(p) for p in paths]).map(read)


def off(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, int]:
    """Largest difference after the delay that fits best, and that delay in samples."""
    found = []
    for delay in DELAYS:
        n = min(len(ours), len(theirs) - delay)
        if n <= 2 * EDGE:
            break
        inner = slice(EDGE, n - EDGE)
        difference = np.abs(ours[inner] - theirs[delay : delay + n][inner])
        found.append((float(difference.max()), delay))
    return min(found) if found else (float("nan"), -1)


def compare(paths: list[Path], repeats: int) -> dict:
    """Differences and processor time of one format."""
    import av

    with av.open(str(paths[0])) as container:
        rate = container.streams.audio[0].rate
    started = time.process_time()
    for _ in range(repeats):
        ours = [by_pyav(path) for path in paths]
    pyav_s = (time.process_time() - started) / repeats / len(paths)
    dataset = tf_pipeline(paths, rate)
    theirs = list(dataset.as_numpy_iterator())  # the first time traces
    started = time.process_time()
    for _ in range(repeats):
        for _ in dataset.as_numpy_iterator():
            pass
    tfio_s = (time.process_time() - started) / repeats / len(paths)
    errors = [off(a, b) for a, b in zip(ours, theirs)]
    return {
        "difference": max(error for error, _ in errors),
        "delays": sorted({delay for _, delay in errors}),
        "pyav_ms": 1000 * pyav_s,
        "tensorflow_io_ms": 1000 * tfio_s,
    }


def main() -> int:
    """Encodes, compares and prints."""
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("files", nargs="+", type=Path)
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--json", type=Path, metavar="FILE")
    p.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.one:
        print(json.dumps(compare(args.files, args.repeats)))
        return 0
    result = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, (ending, codec, container) in FORMATS.items():
            made = [Path(scratch) / f"{i} {name}{ending}" for i in range(len(args.files))]
            for source, target in zip(args.files, made):
                encode(source, target, codec, container)
            command = [sys.executable, __file__, "--one", "--repeats", str(args.repeats)]
            done = subprocess.run([*command, *map(str, made)], capture_output=True, text=True)
            try:
                result[name] = json.loads(done.stdout.splitlines()[-1])
            except (IndexError, json.JSONDecodeError):
                lines = done.stderr.strip().splitlines() or ["nothing was said"]
                result[name] = {"failed": lines[-1][:160]}
            result[name]["exit"] = done.returncode
            print(f"{name}: {result[name]}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(result, indent=2), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
