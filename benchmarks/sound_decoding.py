"""Recordings of sound read by tf.data beside PyAV: equal samples, and processor time, format by format.

    python benchmarks/sound_decoding.py SOUND_FILE… [--repeats 100] [--json FILE]

Each file is encoded anew in every format at 16 and at 48 kHz, and read as `prepare` reads it and as
`prepare --runner tf.data` and `fit --direct` do (`emotionnet.clips.sound_files`). Printed are the largest difference
of a sample, and processor time a recording; and how far tensorflow-io's own resampler is from the one in use, once
its delay is taken away. Every format runs in a process of its own: whether that ends as it should is a figure too.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from emotionnet.clips.clip import read_clip
from emotionnet.clips.decode import Recording
from emotionnet.clips.sound_files import Place, by_pyav, read_sounds
from emotionnet.corpora.manifest import ManifestRow

#: Name → ending, codec, container.
FORMATS = {
    "WAV, 16 bit": (".wav", "pcm_s16le", "wav"),
    "WAV, 24 bit": (".wav", "pcm_s24le", "wav"),
    "WAV, 32 bit float": (".wav", "pcm_f32le", "wav"),
    "FLAC": (".flac", "flac", "flac"),
    "MP3": (".mp3", "libmp3lame", "mp3"),
    "OGG Vorbis": (".ogg", "", ""),
}
RATES = (16000, 48000)
#: Delay of tensorflow-io's resampler from a higher rate, in samples at 16 kHz; ends that are not compared.
DELAY, EDGE = 32, 800


def encode(source: Path, target: Path, codec: str, container: str, rate: int) -> None:
    """The sound of ``source`` in another format, one channel."""
    import av

    with av.open(str(source)) as given:
        pieces = [*given.decode(audio=0), None]
        if not codec:  # PyAV's wheels write no good Vorbis
            import soundfile

            resampler = av.AudioResampler("flt", "mono", rate)
            pieces = [x.to_ndarray()[0] for piece in pieces for x in resampler.resample(piece)]
            soundfile.write(target, np.concatenate(pieces), rate, "VORBIS", format="OGG")
            return
        with av.open(str(target), "w", format=container) as made:
            stream = made.add_stream(codec, rate=rate, layout="mono")
            resampler = av.AudioResampler(stream.codec_context.format, "mono", rate)
            for frame in pieces:
                for piece in resampler.resample(frame):
                    made.mux(stream.encode(piece))
            made.mux(stream.encode(None))


def timed(read):
    """What ``read()`` gives, and its processor time in ms, the second time."""
    read()
    started = time.process_time()
    return read(), 1000 * (time.process_time() - started)


def compare(paths: list[Path], repeats: int) -> dict:
    """Differences and processor time of one format."""
    folder, used = paths[0].parent, {}
    names = [(f"{i} {p.name}", p.name) for i in range(repeats) for p in paths]
    rows = [ManifestRow(clip, "folder", "neutral", sound=name) for clip, name in names]
    others = partial(by_pyav, Place(folder))

    def by_tf_data():
        return [clip.waveform for _, clip in read_sounds(rows, folder, others, used)]

    ours, pyav_ms = timed(lambda: [read_clip(row, folder, None).waveform for row in rows])
    theirs, tf_data_ms = timed(by_tf_data)
    off = [np.abs(a.astype(int) - b).max() / 32768 for a, b in zip(ours, theirs, strict=True)]
    return {
        "read_by": "tensorflow-io" if used[rows[0].clip].decoder else "PyAV",
        "difference": float(max(off)),
        "pyav_ms": pyav_ms / len(rows),
        "tf_data_ms": tf_data_ms / len(rows),
    }


def resampler_difference(path: Path) -> float:
    """Largest difference between tensorflow-io's resampler and soxr, of a recording at 48 kHz."""
    import soundfile
    import tensorflow as tf

    samples, rate = soundfile.read(path, dtype="float32")
    audio = importlib.import_module("tensorflow_io").audio
    theirs = audio.resample(tf.pad(samples, [[0, 3000]]), rate, 16000).numpy()[DELAY:]
    ours = Recording(path).sound.samples / 32768
    inner = slice(EDGE, len(ours) - EDGE)
    return float(np.abs(ours[inner] - theirs[: len(ours)][inner]).max())


def main() -> int:
    """Encodes, compares and prints."""
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("files", nargs="+", type=Path)
    p.add_argument("--repeats", type=int, default=100, help="how often each is read")
    p.add_argument("--json", type=Path, metavar="FILE")
    p.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.one:
        print(json.dumps(compare(args.files, args.repeats)))
        return 0
    result = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, (ending, *how) in FORMATS.items():
            for rate in RATES:
                made = [
                    Path(scratch) / f"{i}-{name}-{rate}{ending}" for i in range(len(args.files))
                ]
                for source, target in zip(args.files, made):
                    encode(source, target, *how, rate)
                command = [sys.executable, __file__, "--one", "--repeats", str(args.repeats)]
                done = subprocess.run([*command, *map(str, made)], capture_output=True, text=True)
                try:
                    found = json.loads(done.stdout.splitlines()[-1])
                except (IndexError, json.JSONDecodeError):
                    lines = done.stderr.strip().splitlines() or ["nothing was said"]
                    found = {"failed": lines[-1][:160]}
                result[f"{name}, {rate // 1000} kHz"] = {**found, "exit": done.returncode}
                print(f"{name}, {rate // 1000} kHz: {found}, exit {done.returncode}", flush=True)
        flacs = (Path(scratch) / f"{i}-FLAC-48000.flac" for i in range(len(args.files)))
        off = max(map(resampler_difference, flacs))
    result["resampler"] = off
    print(f"tensorflow-io's own resampler, 48 kHz, from soxr: {off:.2g}")
    if args.json:
        args.json.write_text(json.dumps(result, indent=2), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
