"""A voice from nothing: glottal pulses and breath through the formants of a row of vowels.

Source and filter after Fant (1960); the pulse is Rosenberg's (1971, type C), the vowels are the mean
formants of American English (Peterson & Barney, 1952). How emotions move pitch, loudness, rate and
spectral tilt follows the review of Scherer (2003), in rough steps.
"""

from dataclasses import dataclass

import numpy as np

#: First four formants of a man's vowels, in Hz, and how far the mouth opens for them.
VOWELS: dict[str, tuple[tuple[int, int, int, int], float]] = {
    "a": ((730, 1090, 2440, 3400), 1.0),
    "e": ((530, 1840, 2480, 3500), 0.6),
    "i": ((270, 2290, 3010, 3600), 0.3),
    "o": ((570, 840, 2410, 3300), 0.65),
    "u": ((300, 870, 2240, 3300), 0.25),
}

#: The spoken statements: the same vowels, each in another order.
STATEMENTS = ("aeiouae", "oaieuea")


@dataclass(frozen=True)
class Voice:
    """Whose voice it is.

    Attributes:
        f0_hz: pitch at rest.
        formant_scale: 1 for a man's vocal tract, about 1.14 for a woman's.
        tilt_db: slope of the source beyond the pulse's own, in dB per octave.
        breath_db: breath against voice.
        gain_db: loudness against other speakers.
    """

    f0_hz: float
    formant_scale: float
    tilt_db: float
    breath_db: float
    gain_db: float


@dataclass(frozen=True)
class Style:
    """How something is said, as differences from the same voice speaking neutrally.

    Attributes:
        pitch_st, range_st, rise_st: mean pitch, its swing per syllable, and its change from the
            first syllable to the last, in semitones.
        rate: syllables per second.
        energy_db, tilt_db, breath_db: as in `Voice`.
        formants: factor on all formants: smiling shortens the vocal tract, a sneer closes the nose.
        tremor_st, rough: trembling of the pitch in semitones; irregularity of the pulses, 0 to 1.
    """

    pitch_st: float = 0.0
    range_st: float = 1.0
    rise_st: float = -1.5
    rate: float = 4.6
    energy_db: float = 0.0
    tilt_db: float = 0.0
    breath_db: float = 0.0
    formants: float = 1.0
    tremor_st: float = 0.0
    rough: float = 0.0


STYLES: dict[str, Style] = {
    "neutral": Style(),
    "calm": Style(-0.5, 0.8, -1.0, 4.1, -9, -3.2, 8, 1.0),
    "happy": Style(5, 3.5, 1.0, 5.2, 5, 1.8, 1, 1.14),
    "sad": Style(-2, 0.6, -3.0, 3.9, -10, -3.7, 9, 0.99, 0.2),
    "angry": Style(3, 2.0, -3.0, 5.2, 11, 5.0, -5, 0.97, 0, 0.5),
    "fearful": Style(6, 1.2, 0.5, 5.5, 0, 0.8, 13, 1.04, 0.8),
    "disgust": Style(-2.5, 1.0, -3.5, 4.2, 1, 0.2, -3, 0.87, 0, 0.7),
    "surprised": Style(7, 4.0, 6.0, 4.9, 5, 1.5, 2, 1.13),
}

_BANDWIDTHS_HZ = (70, 90, 130, 180)
_EDGE_S = 0.18


def random_voice(rng: np.random.Generator, female: bool) -> Voice:
    """Draws a speaker; women about 200 Hz and 14 % higher formants, men about 118 Hz.

    Kept within narrow bounds: the corpus is small, so unseen speakers must resemble seen ones.
    """
    return Voice(
        f0_hz=rng.uniform(185, 218) if female else rng.uniform(107, 129),
        formant_scale=(1.14 if female else 1.0) * rng.uniform(0.98, 1.02),
        tilt_db=rng.uniform(-0.4, 0.4),
        breath_db=-24 + rng.uniform(-1.2, 1.2),
        gain_db=rng.uniform(-1, 1),
    )


def duration_s(style: Style, statement: str) -> float:
    """How long ``statement`` takes in this style, with the silence at both ends."""
    return len(statement) / style.rate + 2 * _EDGE_S


def mouth_opening(style: Style, statement: str, times_s: np.ndarray) -> np.ndarray:
    """How far the mouth is open for speech at the given times: 0 (closed) to 1."""
    wide = np.array([VOWELS[vowel][1] for vowel in statement])
    return wide @ _syllables(style, statement, np.asarray(times_s, float))


def synthesize(
    voice: Voice, style: Style, statement: str, rng: np.random.Generator, sample_rate: int = 16000
) -> np.ndarray:
    """Speaks ``statement``.

    Args:
        voice, style: who and how.
        statement: letters of `VOWELS`, a syllable each.
        rng: noise and irregularity.
        sample_rate: in Hz.

    Returns:
        (samples,) float32 in [-1, 1], `duration_s` long.
    """
    count = round(duration_s(style, statement) * sample_rate)
    times = np.arange(count) / sample_rate
    weights = _syllables(style, statement, times)

    spoken = (times - _EDGE_S) * style.rate
    semitones = style.pitch_st + style.rise_st * (np.clip(spoken / len(statement), 0, 1) - 0.5)
    semitones += style.range_st * (0.5 - np.abs(spoken % 1 - 0.4))
    semitones += style.tremor_st * np.sin(2 * np.pi * 8.5 * times + rng.uniform(0, 6))
    semitones += 0.15 * _slow_noise(rng, count, sample_rate, 12)
    # Roughness: pulse by pulse irregular, much faster than any intonation.
    semitones += 1.5 * style.rough * _slow_noise(rng, count, sample_rate, 70)
    phase = np.cumsum(voice.f0_hz * 2 ** (semitones / 12)) / sample_rate
    pulses = np.diff(_rosenberg(phase % 1), prepend=0)
    pulses *= 1 + 0.5 * style.rough * _slow_noise(rng, count, sample_rate, 70)
    noise = rng.normal(size=count) * (0.6 + 0.4 * _rosenberg(phase % 1))
    # Breath is flat where pulses fall by 12 dB an octave: it fills the high bands.
    pulses = _tilted(pulses, voice.tilt_db + style.tilt_db, sample_rate)
    ratio = 10 ** ((voice.breath_db + style.breath_db) / 20)
    source = pulses / _rms(pulses) + ratio * noise / _rms(noise)

    from scipy.signal import (
        sosfilt,
    )  # takes a second, which who only reads the corpus need not wait

    sound = np.zeros(count)
    for vowel in sorted(set(statement)):
        share = weights[[letter == vowel for letter in statement]].sum(0)
        formants = np.array(VOWELS[vowel][0]) * voice.formant_scale * style.formants
        sound += share * sosfilt(_resonators(formants, sample_rate), source)
    level = 10 ** ((-27 + voice.gain_db + style.energy_db) / 20)
    sound *= level / (_rms(sound) or 1)
    room = 10 ** (-66 / 20) * rng.normal(size=count)
    return np.tanh(sound + room).astype(np.float32)


def _syllables(style: Style, statement: str, times_s: np.ndarray) -> np.ndarray:
    """The loudness of each syllable over time: (syllables, times); neighbours melt a little."""
    middle = _EDGE_S + (np.arange(len(statement)) + 0.5) / style.rate
    distance = np.abs(times_s[None] - middle[:, None]) * style.rate
    return np.cos(np.clip(distance / 0.68, 0, 1) * np.pi / 2) ** 1.2


def _rosenberg(phase: np.ndarray, rise: float = 0.4, fall: float = 0.16) -> np.ndarray:
    """The flow through the glottis over one period: opens slowly, closes fast, stays closed."""
    opening = 0.5 * (1 - np.cos(np.pi * phase / rise))
    closing = np.cos(np.pi / 2 * (phase - rise) / fall)
    return np.where(phase < rise, opening, np.where(phase < rise + fall, closing, 0.0))


def _resonators(formants_hz: np.ndarray, sample_rate: int) -> np.ndarray:
    """A cascade of two-pole resonators (Klatt, 1980) with gain 1 at 0 Hz, as filter sections."""
    sections = []
    for frequency, bandwidth in zip(formants_hz, _BANDWIDTHS_HZ, strict=True):
        if frequency < 0.45 * sample_rate:
            radius = np.exp(-np.pi * bandwidth / sample_rate)
            b = -2 * radius * np.cos(2 * np.pi * frequency / sample_rate)
            sections.append([1 + b + radius**2, 0, 0, 1, b, radius**2])
    return np.array(sections)


def _tilted(signal: np.ndarray, db_per_octave: float, sample_rate: int) -> np.ndarray:
    spectrum = np.fft.rfft(signal)
    frequency = np.fft.rfftfreq(len(signal), 1 / sample_rate)
    slope = db_per_octave / (20 * np.log10(2))
    return np.fft.irfft(spectrum * (np.maximum(frequency, 80) / 500) ** slope, len(signal))


def _slow_noise(
    rng: np.random.Generator, count: int, sample_rate: int, rate_hz: float
) -> np.ndarray:
    """Gaussian noise that changes about ``rate_hz`` times a second."""
    knots = max(2, int(count / sample_rate * rate_hz) + 1)
    return np.interp(np.linspace(0, knots - 1, count), np.arange(knots), rng.normal(size=knots))


def _rms(signal: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(signal))))
