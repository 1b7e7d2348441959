"""The demo corpus: short clips of drawn faces and synthetic voices, made by the project itself.

Nobody was recorded, and a model trained on it knows nothing about people. It exists so that the
whole line can be tried, taught and tested without a download.

It is ambiguous *by design*, so that one can see what two streams give that one cannot: the faces of
the two emotions of a pair in `SAME_FACE` are drawn from one distribution, and so are the voices of
a pair in `SAME_VOICE`. Half of the emotions can then only be guessed with a coin: one stream alone
cannot be expected above `CEILING` (75 %), while no pair is ambiguous in both, so that the two streams
together can know all. (The mouth talks in the tempo of the voice, and the clip is as long as the
speech: whoever times syllables in the picture sees a little of the voice in it.) That fusion wins
here says nothing about how much it wins elsewhere.
"""

import functools
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from emotionnet.corpora import drawing, voice
from emotionnet.corpora.manifest import ManifestRow
from emotionnet.corpora.media import write_clip
from emotionnet.emotions import EMOTIONS
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.files import read_json, write_json
from emotionnet.progress import progress

NAME = "demo"
EMOTIONS_USED = EMOTIONS

#: Emotions whose faces come from one distribution, and those whose voices do.
SAME_FACE = (("neutral", "calm"), ("fearful", "surprised"))
SAME_VOICE = (("calm", "sad"), ("happy", "surprised"))
#: The best accuracy that either stream alone can expect: pairs are a coin toss.
CEILING = 1 - 0.5 * 4 / len(EMOTIONS)

#: Changes whenever the same seed would give other clips, so that old folders are made again.
VERSION = 3
FPS = 12
HEIGHT, WIDTH = 180, 240
#: Of the recordings that are drawn, in Hz.
SAMPLE_RATE = 16000


@dataclass(frozen=True)
class Take:
    """One clip of the corpus before it is made; everything in it follows from these four.

    Attributes:
        seed: of the corpus.
        actor: number from 1; odd ones are female.
        emotion: a name of `EMOTIONS`.
        number: which take of this emotion by this actor, from 1.
    """

    seed: int
    actor: int
    emotion: str
    number: int

    @property
    def name(self) -> str:
        return f"demo-{self.actor:02d}-{self.emotion}-{self.number}"

    @property
    def file(self) -> str:
        return f"actor_{self.actor:02d}/{self.name}.mp4"

    @property
    def female(self) -> bool:
        return self.actor % 2 == 1

    @property
    def statement(self) -> int:
        """Which of `voice.STATEMENTS` is spoken, from 1."""
        return 1 + (self.number - 1) % len(voice.STATEMENTS)

    @property
    def face_prototype(self) -> str:
        """The emotion whose action units are shown: of a pair in `SAME_FACE`, either one."""
        return self._prototype(SAME_FACE)

    @property
    def voice_prototype(self) -> str:
        """The emotion in whose style is spoken: of a pair in `SAME_VOICE`, either one."""
        return self._prototype(SAME_VOICE)

    def random(self, *key: int) -> np.random.Generator:
        """Random numbers of this take, an independent stream for each ``key``."""
        emotion = EMOTIONS.index(self.emotion)
        return np.random.default_rng([self.seed, self.actor, 1 + emotion, self.number, *key])

    def row(self) -> ManifestRow:
        """Its row of the manifest."""
        return ManifestRow(
            clip=self.name,
            corpus=NAME,
            emotion=self.emotion,
            actor=f"{self.actor:02d}",
            sex="female" if self.female else "male",
            intensity="normal",
            statement=str(self.statement),
            repetition=str(self.number),
            channel="speech",
            picture=self.file,
            label_kind="drawn",
        )

    def _prototype(self, pairs: tuple[tuple[str, str], ...]) -> str:
        pair = next((pair for pair in pairs if self.emotion in pair), None)
        if pair is None:
            return self.emotion
        # A coin decides for the first of two takes, the second takes the other side: so chance
        # cannot make one emotion of the pair look more like itself in a small corpus.
        first = replace(self, number=(self.number + 1) // 2)
        coin = first.random(0, EMOTIONS.index(pair[0]), EMOTIONS.index(pair[1])).integers(2)
        return pair[(coin + self.number) % 2]


def plan(actors: int, takes: int, seed: int) -> list[Take]:
    """All takes of a corpus: actors × emotions × takes of each, sorted by name."""
    everything = [
        Take(seed, actor, emotion, number)
        for actor in range(1, actors + 1)
        for emotion in EMOTIONS
        for number in range(1, takes + 1)
    ]
    return sorted(everything, key=lambda take: take.name)


@functools.lru_cache(maxsize=64)
def person(seed: int, actor: int) -> drawing.Person:
    """An actor's looks. Skin tones are spread evenly over any number of actors."""
    rng = np.random.default_rng([seed, actor])
    tone = (seed * 0.37 + actor * 0.618034) % 1
    return drawing.random_person(rng, female=actor % 2 == 1, tone=tone)


@functools.lru_cache(maxsize=64)
def speaker(seed: int, actor: int) -> voice.Voice:
    """An actor's voice."""
    return voice.random_voice(np.random.default_rng([seed, actor, 0]), female=actor % 2 == 1)


def samples(take: Take) -> np.ndarray:
    """The sound of a take: (samples,) float32 in [-1, 1] at `SAMPLE_RATE`."""
    style, said = voice.STYLES[take.voice_prototype], voice.STATEMENTS[take.statement - 1]
    return voice.synthesize(
        speaker(take.seed, take.actor), style, said, take.random(1), SAMPLE_RATE
    )


def frames(take: Take) -> Iterator[np.ndarray]:
    """The pictures of a take: (`HEIGHT`, `WIDTH`, 3) uint8 RGB, `FPS` a second.

    The expression comes up from rest within the first third, stays, and fades a little. The mouth
    opens with the syllables, the head sways, the eyes blink.
    """
    rng = take.random(2)
    who = person(take.seed, take.actor)
    style, said = voice.STYLES[take.voice_prototype], voice.STATEMENTS[take.statement - 1]
    length = voice.duration_s(style, said)
    times = (np.arange(round(length * FPS)) + 0.5) / FPS
    speech = voice.mouth_opening(style, said, times) * rng.uniform(0.7, 1.0)

    units = drawing.PROTOTYPES[take.face_prototype]
    strength = rng.uniform(0.75, 1.1)
    apex = {unit: value * strength * rng.uniform(0.8, 1.2) for unit, value in units.items()}
    # Nobody moves only the muscles of the book.
    for unit in rng.choice([1, 2, 4, 6, 12, 15, 20, 43], size=2, replace=False):
        apex[int(unit)] = apex.get(int(unit), 0.0) + rng.uniform(0, 0.15)
    onset, rise, fade = rng.uniform(0, 0.15), rng.uniform(0.2, 0.4), rng.uniform(0.7, 1.0)
    course = np.interp(times, [onset, onset + rise, 0.8 * length, length], [0, 1, 1, fade])
    course = course**2 * (3 - 2 * course)

    blink_at = rng.uniform(0.3, length)
    blink = np.clip(1.3 - np.abs(times - blink_at) / 0.09, 0, 1)
    x, y = (0.5 + rng.normal(0, 0.03)) * WIDTH, (0.5 + rng.normal(0, 0.02)) * HEIGHT
    size = rng.uniform(0.58, 0.66) * HEIGHT
    wall = drawing.background(HEIGHT, WIDTH, who)
    yaw, pitch, roll = rng.normal(0, (0.08, 0.05, 0.03))
    swing = rng.uniform(0.5, 1.1, 3) * 2 * np.pi
    start = rng.uniform(0, 2 * np.pi, 3)
    for i, now in enumerate(times):
        sway = np.sin(swing * now + start)
        canvas = wall.copy()
        drawing.draw_face(
            canvas,
            (x + 3.0 * sway[0], y + 1.5 * sway[1]),
            size,
            who,
            {unit: value * course[i] for unit, value in apex.items()},
            mouth_open=speech[i],
            blink=blink[i],
            yaw=yaw + 0.08 * sway[0],
            pitch=pitch + 0.04 * sway[1],
            roll=roll + 0.03 * sway[2],
        )
        yield canvas


def make(
    root: str | os.PathLike,
    actors: int | None = None,
    takes: int | None = None,
    seed: int | None = None,
    workers: int | None = None,
) -> Path:
    """Makes the corpus, or what is missing of it. Clips that are there already stay.

    Args:
        root: the folder; made where it is missing. A corpus of another seed or version in it is
            made again.
        actors: how many, 1 to 99. By default as the corpus in ``root`` has it, else 14.
        takes: clips of each emotion by each actor, 1 to 9. By default as in ``root``, else 2.
        seed: same seed, same clips, whatever the number of workers, actors or takes. By default as
            in ``root``, else 0.
        workers: processes; by default one a core. 0 works in this process alone.

    Returns:
        ``root`` as a path, with ``actor_NN/demo-NN-emotion-take.mp4`` and ``demo.json`` in it.

    Raises:
        UsageError: a number out of range, or ``root`` holds something else than a demo corpus.
    """
    root = Path(root)
    asked = {"actors": actors, "takes": takes, "seed": seed}
    missing = _missing(root, _claim(root, {k: v for k, v in asked.items() if v is not None}))
    if not missing:
        return root
    workers = min(os.cpu_count() or 1 if workers is None else workers, len(missing))
    bar = functools.partial(progress, total=len(missing), what="making demo clips", unit="clips")
    if workers <= 1:
        for take in bar(missing):
            _write(root, take)
        return root
    # Not fork: the caller may have TensorFlow's threads running.
    with ProcessPoolExecutor(workers, get_context("spawn"), _one_thread) as pool:
        try:
            for _ in bar(pool.map(functools.partial(_write, root), missing, chunksize=4)):
                pass
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return root


def scan(root: str | os.PathLike) -> list[ManifestRow]:
    """The rows of a demo corpus that `make` has made, sorted by clip.

    Raises:
        UsageError: ``root`` is not a demo corpus.
        EmotionNetError: clips are missing, since making it was interrupted.
    """
    root = Path(root)
    if not (root / _PARAMETERS).is_file():
        raise UsageError(f"{root}: no demo corpus (no {_PARAMETERS} in it). {_REMEDY}")
    parameters = _read_parameters(root)
    wanted, missing = _plan(parameters), _missing(root, parameters)
    if missing:
        raise EmotionNetError(
            f"{root}: {len(missing)} of {len(wanted)} clips are missing, {missing[0].file} first. "
            f"{_REMEDY}"
        )
    return [take.row() for take in wanted]


_PARAMETERS = "demo.json"
_DEFAULTS = {"actors": 14, "takes": 2, "seed": 0}
_RANGES = {"actors": (1, 99), "takes": (1, 9), "seed": (0, 2**32 - 1)}
_REMEDY = "`python -m emotionnet.prepare --corpus demo` makes it, or what is missing of it."


def _plan(parameters: dict[str, int]) -> list[Take]:
    return plan(parameters["actors"], parameters["takes"], parameters["seed"])


def _missing(root: Path, parameters: dict[str, int]) -> list[Take]:
    return [take for take in _plan(parameters) if not (root / take.file).is_file()]


def _read_parameters(root: Path) -> dict[str, int]:
    try:
        parameters = read_json(root / _PARAMETERS)
        return {name: int(parameters[name]) for name in ("version", *_DEFAULTS)}
    except (ValueError, KeyError, TypeError):
        raise UsageError(
            f"{root / _PARAMETERS}: not the parameters of a demo corpus. Delete the folder and make "
            "it again."
        ) from None


def _claim(root: Path, asked: dict[str, int]) -> dict[str, int]:
    """Makes ``root`` the folder of a corpus and says of which: as asked, as found, by default."""
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root}: is a file; the demo corpus needs a folder.")
    found = _read_parameters(root) if (root / _PARAMETERS).is_file() else {}
    # Hidden files may be what a killed process left of its first write.
    if not found and root.is_dir() and any(path.name[0] != "." for path in root.iterdir()):
        raise UsageError(
            f"{root}: holds something else than a demo corpus (no {_PARAMETERS} in it). Choose an "
            "empty or a new folder."
        )
    parameters = {**_DEFAULTS, **found, **asked, "version": VERSION}
    for name, (least, most) in _RANGES.items():
        if not least <= parameters[name] <= most:
            raise UsageError(f"{name}={parameters[name]}: must be from {least} to {most}.")
    if parameters != found:
        if any(parameters[name] != found.get(name) for name in ("version", "seed")):
            for clip in root.glob("actor_*/demo-*.mp4"):
                clip.unlink()
        write_json(root / _PARAMETERS, parameters)
    return parameters


def _one_thread() -> None:
    cv2.setNumThreads(1)


def _write(root: Path, take: Take) -> None:
    write_clip(root / take.file, frames(take), FPS, samples(take), SAMPLE_RATE)
