"""The MFCC layer on batches of real recordings against librosa, clip after clip.

    python benchmarks/frontend.py FOLDER [--clips 128] [--batch 8] [--rounds 15]

FOLDER holds recordings (flac, wav, mp3, any depth). They are decoded beforehand; only features are
timed. Both take turns on the same clips, after a warm-up, in one process with all its threads, so that
whatever else the machine does hits both. The ratio is that of the medians over the rounds. CPU time
stands beside wall time, since it does not see other programs.

librosa gets one clip after the other, unpadded, as it is used. The layer gets batches of clips of
similar length, padded, with the true lengths.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import librosa
import numpy as np

from emotionnet.errors import UsageError
from emotionnet.layers import MFCC

RATE, KINDS = 16000, (".flac", ".wav", ".mp3")


def recordings(folder: Path, clips: int) -> list[np.ndarray]:
    """Up to ``clips`` recordings spread over the folder, 16 kHz mono, shortest first."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in KINDS)
    if not files:
        raise UsageError(f"{folder}: no recordings ({', '.join(KINDS)}) in there.")
    chosen = files[:: max(1, len(files) // clips)][:clips]
    return sorted((librosa.load(path, sr=RATE)[0] for path in chosen), key=len)


def batched(sounds: list[np.ndarray], size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Padded waveforms and true lengths. Half seconds keep the number of shapes small."""
    batches = []
    for first in range(0, len(sounds) - size + 1, size):
        part = sounds[first : first + size]
        longest = -(-len(part[-1]) // (RATE // 2)) * (RATE // 2)
        padded = np.stack([np.pad(y, (0, longest - len(y))) for y in part])
        batches.append((padded, np.array([len(y) for y in part], np.int32)))
    return batches


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    try:
        sounds = recordings(args.folder, args.clips)
    except UsageError as error:
        print(f"usage: {error}", file=sys.stderr)
        return 2
    args.batch = min(args.batch, len(sounds))
    batches = batched(sounds, args.batch)
    sounds = sounds[: len(batches) * args.batch]

    waveform, lengths = keras.Input((None,)), keras.Input((), dtype="int32")
    model = keras.Model([waveform, lengths], MFCC(RATE)(waveform, lengths))
    model.compile(jit_compile=False)

    def ours():
        return [model.predict_on_batch(batch) for batch in batches]

    def theirs():
        settings = {"sr": RATE, "n_mfcc": 40, "n_fft": 2048, "hop_length": 512}
        return [librosa.feature.mfcc(y=y, **settings) for y in sounds]

    # The warm-up also checks that both compute the same.
    features = [clip for batch in ours() for clip in batch]
    error = max(
        np.abs(mine[: his.shape[1]] - his.T).max() / np.ptp(his)
        for mine, his in zip(features, theirs())
    )
    wall, cpu = {ours: [], theirs: []}, {ours: [], theirs: []}
    for _ in range(args.rounds):
        for run in (ours, theirs):
            time.sleep(0.2)  # the other's threads spin for a while before they sleep
            started, worked = time.perf_counter(), time.process_time()
            run()
            wall[run].append(time.perf_counter() - started)
            cpu[run].append(time.process_time() - worked)

    seconds = sum(map(len, sounds)) / RATE
    print(f"{len(sounds)} recordings, {seconds:.0f} s of sound, batches of {args.batch}")
    print(f"{'':12}{'ms a clip':>12}{'CPU ms':>12}")
    for name, run in (("librosa", theirs), ("MFCC layer", ours)):
        times = [1e3 * statistics.median(taken[run]) / len(sounds) for taken in (wall, cpu)]
        print(f"{name:12}{times[0]:12.3f}{times[1]:12.3f}")
    ratios = [statistics.median(t[theirs]) / statistics.median(t[ours]) for t in (wall, cpu)]
    print(f"librosa / layer: {ratios[0]:.2f} in time, {ratios[1]:.2f} in CPU time")
    print(f"largest difference: {error:.1e} of the range")
    return 0


if __name__ == "__main__":
    sys.exit(main())
