"""Recordings of sound read inside tf.data: by tensorflow-io where it gives what PyAV gives, else by PyAV.

`look` is the one place that decides, file by file: of `NATIVE` kinds tensorflow-io decodes the same samples
in a fraction of the time (``benchmarks/sound_decoding.py``), if its native operations load, which needs the
TensorFlow that it was built for. Its resampler differs by up to 0.013 near 8 kHz, so soxr resamples, as for
PyAV. What turns out to be unlike other recordings (it cannot be decoded, is silent, clipped, or its channels
cancel out) PyAV reads again, which knows what to do and says it.

Two things use it: ``prepare --runner tf.data``, and ``fit --direct``, which trains from the files
themselves. For that `list_shard` writes the indexes and manifest of records, without shards: `SoundFiles`.
"""

import dataclasses
import importlib
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path

import numpy as np

from emotionnet.clips import SAMPLE_RATE
from emotionnet.clips.clip import ClipData, read_clip
from emotionnet.clips.records import RecordRow, Records, parse, read_one, without_autotune
from emotionnet.clips.remote import is_url, open_bucket
from emotionnet.clips.sound import CANCELLED, CLIPPED_SHARE, FULL_SCALE, SILENCE_STEPS
from emotionnet.clips.span import span_of
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.errors import BadClip, EmotionNetError

#: Format, codec and samples, as PyAV names them, of what tensorflow-io reads as PyAV does → its decoder.
NATIVE = {
    ("wav", "pcm_s16le", "s16"): "wav16",
    ("wav", "pcm_f32le", "flt"): "wav32f",
    ("flac", "flac", "s16"): "flac",
    ("mp3", "mp3float", "fltp"): "mp3",
}
DECODERS = tuple(NATIVE.values())
#: Files that are opened, or read by PyAV, at once.
AT_ONCE = 8
#: Instead of a decoder: PyAV reads the file; it is a record (a changed copy).
PYAV, RECORD = -1, -2


@dataclass(frozen=True)
class SoundFile:
    """What reads a clip's sound.

    Attributes:
        file: relative to the root.
        decoder: of `DECODERS`; "" for PyAV.
        rate: of its samples, in Hz; 0 for PyAV.
    """

    file: str
    decoder: str = ""
    rate: int = 0


class Place:
    """A folder of recordings, or the address of one.

    Args:
        root: folder, or ``s3://…``, ``gs://…``.
    """

    def __init__(self, root: str | Path):
        self.root = str(root)
        self._bucket = open_bucket(self.root) if is_url(self.root) else None

    def header(self, file: str):
        """What `av.open` takes."""
        return io.BytesIO(self._bucket.read(file)) if self._bucket else f"file:{self.root}/{file}"

    def content(self, file):
        """The bytes of a file, in graph mode."""
        import tensorflow as tf

        if not self._bucket:
            return tf.io.read_file(tf.strings.join([self.root, "/", file]))
        read = tf.numpy_function(lambda name: self._bucket.read(name.decode()), [file], tf.string)
        return tf.ensure_shape(read, ())

    def read(self, row: ManifestRow) -> ClipData:
        """The sound of a clip by PyAV; raises `BadClip`."""
        if not self._bucket:
            return read_clip(row, self.root, None)
        with tempfile.TemporaryDirectory() as folder:
            for file in filter(None, (row.picture, row.sound)):
                Path(folder, file).parent.mkdir(parents=True, exist_ok=True)
                self._bucket.fetch(file, Path(folder, file))
            return read_clip(row, folder, None)

    def check(self, file: str) -> None:
        """Raises `EmotionNetError` for a file that cannot be read any more."""
        if self._bucket:
            self._bucket.read(file)
        elif not Path(self.root, file).is_file():
            raise EmotionNetError(f"{self.root}/{file}: is not there any more.")


@lru_cache(maxsize=1)
def why_not() -> str:
    """Why tensorflow-io cannot be used here; "" where it can."""
    header = b"RIFF(\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80>\0\0\0}\0\0\2\0\x10\0data\4\0\0\0\1\0\2\0"
    try:
        import tensorflow as tf

        audio = importlib.import_module("tensorflow_io").audio
        if audio.decode_wav(header, dtype=tf.int16).numpy().ravel().tolist() != [1, 2]:
            return "its native operations answer wrongly"
    except ImportError:
        return "tensorflow-io is not installed"
    except Exception:  # which kind depends on both versions
        return (
            f"the native operations of tensorflow-io do not load beside TensorFlow {tf.__version__}"
        )
    return ""


def look(row: ManifestRow, place: Place) -> SoundFile:
    """What reads a clip's sound, by the header of its file."""
    import av

    file = row.picture or row.sound
    if why_not() or span_of(row) is not None:
        return SoundFile(file)
    try:
        with av.open(place.header(file)) as container:
            (stream,) = container.streams  # a cover is a picture too
            if stream.type != "audio" or stream.codec_context.channels > 2:
                return SoundFile(file)
            codec = stream.codec_context
            kind = container.format.name, codec.name, codec.format.name if codec.format else ""
            decoder = NATIVE.get(kind, "")
            return SoundFile(file, decoder, stream.rate if decoder else 0)
    except (av.error.FFmpegError, OSError, ValueError):
        return SoundFile(file)  # PyAV says what is wrong with it


def in_words(files: Sequence[SoundFile]) -> str:
    """Which reader reads how many recordings, as a line."""
    native = sum(1 for each in files if each.decoder)
    reason = f" ({why_not()})" if why_not() else ""
    return (
        f"sound      of {len(files)} recordings {native} are read by tensorflow-io, "
        f"{len(files) - native} by PyAV{reason}"
    )


def read_sounds(
    rows: Sequence[ManifestRow],
    root: str | Path,
    others: Callable[[Sequence[ManifestRow]], Iterable[ClipData | BadClip]],
    used: dict[str, SoundFile],
) -> Iterator[tuple[ManifestRow, ClipData | BadClip]]:
    """Reads clips: those of sound that tensorflow-io reads by one tf.data pipeline, the rest by ``others``.

    Args:
        rows: which clips.
        root: folder, or address, of their files.
        others: reads clips, in the order given.
        used: clip → what has read it, is filled in.

    Yields:
        Each row, in the order given, with its clip or the reason why it cannot be used.
    """
    import tensorflow as tf

    place = Place(root)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        files = list(pool.map(partial(look, place=place), rows))
    print(in_words(files), flush=True)
    native = [each for each in files if each.decoder]

    @tf.autograph.experimental.do_not_convert
    def read(file, decoder, rate):
        return decode(place.content(file), decoder, rate)

    dataset = tf.data.Dataset.from_tensor_slices(_columns(native))
    dataset = dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE)
    decoded = iter(without_autotune(dataset)) if native else iter(())
    rest = iter(others([row for row, file in zip(rows, files) if not file.decoder]))
    for row, file in zip(rows, files):
        clip = None
        if file.decoder:
            try:
                samples, ordinary = next(decoded)
                clip = ClipData.of_sound(row, samples.numpy()) if ordinary else None
            except tf.errors.OpError:
                pass  # the next element is that of the next clip
            if clip is None:
                file, (clip,) = SoundFile(file.file), others([row])
        else:
            clip = next(rest)
        used[row.clip] = file
        yield row, clip


def by_pyav(place: Place, rows: Sequence[ManifestRow]) -> Iterator[ClipData | BadClip]:
    """The sound of clips, read by threads."""

    def read(row: ManifestRow) -> ClipData | BadClip:
        try:
            return place.read(row)
        except BadClip as error:
            return error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for first in range(0, len(rows), 8 * AT_ONCE):  # no more than these wait to be taken
            yield from pool.map(read, rows[first : first + 8 * AT_ONCE])


def _columns(files: Sequence[SoundFile]) -> tuple:
    decoders = [DECODERS.index(each.decoder) for each in files]
    rates = np.array([each.rate for each in files], np.int32)
    return np.array([each.file for each in files], object), np.array(decoders, np.int32), rates


def decode(content, decoder, rate):
    """A recording (graph mode): int16 (samples,) at 16 kHz, and whether it is like others."""
    import tensorflow as tf

    audio = importlib.import_module("tensorflow_io").audio

    def whole(samples):
        return tf.cast(samples, tf.float32) / 32768.0

    sound = tf.switch_case(
        decoder,
        [
            lambda: whole(audio.decode_wav(content, dtype=tf.int16)),
            lambda: audio.decode_wav(content, dtype=tf.float32),
            lambda: whole(audio.decode_flac(content, dtype=tf.int16)),
            lambda: audio.decode_mp3(content),
        ],
    )
    mono = tf.reduce_mean(sound, axis=1)
    clipped = tf.reduce_mean(tf.cast(tf.abs(mono) >= FULL_SCALE, tf.float32))
    left = tf.reduce_mean(tf.square(mono)) >= CANCELLED * tf.reduce_mean(tf.square(sound))
    resampled = tf.cond(
        tf.equal(rate, SAMPLE_RATE),
        lambda: mono,
        lambda: tf.numpy_function(_resample, [mono, rate], tf.float32),
    )
    steps = tf.clip_by_value(tf.round(resampled * 32768.0), -32768.0, 32767.0)
    heard = tf.reduce_any(tf.abs(steps) > SILENCE_STEPS)
    finite = tf.reduce_all(tf.math.is_finite(sound))
    samples = tf.ensure_shape(tf.cast(steps, tf.int16), (None,))
    return samples, finite & heard & left & (clipped <= CLIPPED_SHARE)


def _resample(mono: np.ndarray, rate: np.ndarray) -> np.ndarray:
    import soxr

    resampler = soxr.ResampleStream(float(rate), SAMPLE_RATE, 1, dtype="float32")
    return resampler.resample_chunk(mono, last=True)


def as_parsed(waveform, fields: Sequence[str] = ()) -> dict:
    """What `emotionnet.clips.records.parse` gives, for int16 (samples,) of sound alone (graph mode)."""
    import tensorflow as tf

    return {
        "jpegs": tf.zeros((0,), tf.string),
        "times_s": tf.zeros((0,)),
        "boxes": tf.zeros((0, 4)),
        "landmarks": tf.zeros((0, 5, 2)),
        "waveform": tf.cast(waveform, tf.float32) / 32768.0,
    }


@dataclass(frozen=True)
class SoundFiles(Records):
    """Recordings in their own place, with the manifest of records: takes the place of `Records`.

    An element of `dataset` is int16 (samples,) at 16 kHz.
    """

    parse = staticmethod(as_parsed)

    @cached_property
    def files(self) -> dict[str, SoundFile]:
        """Clip → what reads its sound."""
        names = [field.name for field in dataclasses.fields(SoundFile)]
        return {
            entry["clip"]: SoundFile(*(entry[name] for name in names))
            for shard in self.shards
            for entry in self.index(shard)["clips"]
        }

    def dataset(self, rows: Sequence[RecordRow], fields: Sequence[str] = ()):
        """The waveforms of ``rows``, in that order; changed copies of them are records beside these files."""
        import tensorflow as tf

        place, native = Place(self.meta["root"]), not why_not()

        def columns(row: RecordRow) -> tuple:
            if row.clip not in self.files:
                return str(self.folder / row.shard), RECORD, 0, row.offset
            file = self.files[row.clip]
            decoder = DECODERS.index(file.decoder) if file.decoder and native else PYAV
            return file.file, decoder, file.rate, 0

        def by_record(path, offset):
            return tf.cast(parse(read_one(path, offset))["waveform"] * 32768.0, tf.int16)

        def by_pyav(number):
            return tf.numpy_function(lambda i: place.read(rows[i]).waveform, [number], tf.int16)

        @tf.autograph.experimental.do_not_convert
        def read(number, path, decoder, rate, offset):
            def from_file():
                return decode(place.content(path), decoder, rate)[0]

            sound = tf.case(
                [
                    (tf.equal(decoder, RECORD), lambda: by_record(path, offset)),
                    (tf.equal(decoder, PYAV), lambda: by_pyav(number)),
                ],
                from_file if native else lambda: by_pyav(number),
            )
            return tf.ensure_shape(sound, (None,))

        paths, decoders, rates, offsets = zip(*map(columns, rows)) if rows else ((),) * 4
        dataset = tf.data.Dataset.from_tensor_slices(
            (
                np.arange(len(rows)),
                np.array(paths, object) if rows else tf.zeros((0,), tf.string),
                np.array(decoders, np.int32),
                np.array(rates, np.int32),
                np.array(offsets, np.int64),
            )
        )
        dataset = dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return without_autotune(dataset)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Names a recording that cannot be read any more; see `Records.guard`."""
        import tensorflow as tf

        try:
            yield
        except tf.errors.OpError:
            self.verify()
            raise

    def verify(self) -> None:
        """Looks whether every recording is still there.

        Raises:
            EmotionNetError: one is not.
        """
        place = Place(self.meta["root"])
        for row in self.rows:
            for file in filter(None, (row.picture, row.sound)):
                place.check(file)
