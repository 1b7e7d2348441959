"""How high a voice is and how that moves, from a log-mel spectrogram alone."""

import keras
import numpy as np
from keras import ops

from emotionnet.errors import UsageError
from emotionnet.layers.configured import Configured
from emotionnet.layers.frames import weighted_mean
from emotionnet.layers.mel import mel_frequencies
from emotionnet.layers.spectrogram_statistics import changes, heard, moments

#: Pitches that are tried, in Hz, and how many in an octave.
_LOWEST_HZ, _HIGHEST_HZ, _STEPS = 65.0, 500.0, 48
#: Bands up to here tell pitch: harmonics above lie too close together for them.
_BANDS_HZ = 1500.0
#: What an octave lower costs, since twice a period fits as well as a period.
_OCTAVE_COST = 0.02
#: Frames over which changes are looked at, and what is no change but an error, in octaves a frame.
_DISTANCES, _JUMP = (1, 4, 16), 0.15
_WIDTH = 11 + 2 * len(_DISTANCES)


@keras.saving.register_keras_serializable(package="emotionnet")
class PitchStatistics(Configured):
    """Statistics over time of pitch and of its clearness: (batch, time, bands) of log-mel to (batch, 17).

    The autocorrelation of sound is a sum of cosines that its spectrum weighs. So each of a row of pitches is
    tried: how well do cosines of its period fit the amplitudes of the bands? The best fit is the frame's
    *clearness*, 1 at most, and its pitch that of the frame, in octaves above 100 Hz. It is voiced where it is
    `heard` and clearness is at least ``voiced``.

    Of voiced frames: mean, standard deviation and skewness of pitch, its slope in octaves a second, mean size and
    mean of its changes over 1, 4 and 16 frames. Of heard frames: mean, deviation and skewness of clearness, mean
    size of its change from one to the next, the share that is voiced, and how often that changes. Last, the
    share of frames that are heard.

    Bands of 128 between 50 Hz and 8 kHz lie 23 Hz apart where they are linear, which is enough from 65 Hz on. It
    computes in float32 whatever the dtype policy.

    Args:
        frame_rate: frames of the spectrogram a second.
        reach: as of `heard`, in the spectrogram's units.
        decibels: what 1 of the spectrogram is.
        fmin, fmax: ends of the mel bands (Slaney's scale) in Hz.
        voiced: least clearness of a voice.

    Source: autocorrelation of a compressed spectrum is that of Tolonen and Karjalainen, "A Computationally
    Efficient Multipitch Analysis Model" (IEEE TSAP 8, 2000), the cost of an octave that of Boersma (IFA
    Proceedings 17, 1993); doing both on mel bands, and the statistics, are ours.
    """

    def __init__(
        self,
        frame_rate: float,
        reach: float,
        decibels: float,
        fmin: float,
        fmax: float,
        voiced: float = 0.3,
        **kwargs,
    ):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if min(frame_rate, reach, decibels) <= 0 or not 0 <= fmin < _BANDS_HZ < fmax:
            raise UsageError(
                "PitchStatistics: frame_rate, reach and decibels must be above 0, and fmin below "
                f"{_BANDS_HZ:g} Hz, which is below fmax. Received: {frame_rate}, {reach}, {decibels}, {fmin}, {fmax}"
            )
        self.frame_rate, self.reach, self.decibels = frame_rate, reach, decibels
        self.fmin, self.fmax, self.voiced = fmin, fmax, voiced

    def build(self, input_shape):
        time, bands = input_shape[1:]
        if time <= _DISTANCES[-1]:
            raise UsageError(
                f"PitchStatistics: needs more than {_DISTANCES[-1]} frames, not {time}."
            )
        hertz = mel_frequencies(bands + 2, self.fmin, self.fmax)[1:-1]
        self._bands = int(np.sum(hertz < _BANDS_HZ))
        steps = np.arange(int(_STEPS * np.log2(_HIGHEST_HZ / _LOWEST_HZ)) + 1) / _STEPS
        octaves = np.log2(_LOWEST_HZ / 100) + steps
        periods = 1 / (100 * 2**octaves)
        waves = np.cos(2 * np.pi * hertz[: self._bands, None] * periods)
        self._waves, self._octaves = waves.astype(np.float32), octaves.astype(np.float32)
        seconds = np.arange(time) / self.frame_rate
        self._seconds = seconds.astype(np.float32)[:, None]
        self.built = True

    def call(self, inputs):
        x = ops.cast(inputs, "float32")
        counts = heard(x, self.reach)
        pitch, clearness = self._track(x[:, :, : self._bands])
        voiced = counts * ops.cast(clearness >= self.voiced, "float32")
        found = [*moments(pitch, voiced), self._slope(pitch, voiced)]
        for distance in _DISTANCES:
            change, both = changes(pitch, voiced, distance)
            both = both * ops.cast(ops.abs(change) < _JUMP * distance, "float32")
            found += [weighted_mean(ops.abs(change), both), weighted_mean(change, both)]
        change, both = changes(clearness, counts, 1)
        found += [*moments(clearness, counts), weighted_mean(ops.abs(change), both)]
        frames = ops.maximum(ops.sum(counts, axis=1), 1.0)
        switches = ops.sum(ops.abs(changes(voiced, counts, 1)[0]), axis=1)
        found += [weighted_mean(voiced, counts), self.frame_rate * switches / frames]
        return ops.concatenate([*found, ops.mean(counts, axis=1)], axis=-1)

    def _track(self, bands):
        """Pitch in octaves above 100 Hz and clearness, (batch, time, 1) each."""
        amplitudes = ops.exp(bands * (self.decibels * np.log(10) / 20))
        fit = ops.matmul(amplitudes, self._waves)
        fit = fit / ops.maximum(ops.sum(amplitudes, axis=2, keepdims=True), 1e-20)
        liked = (fit + _OCTAVE_COST * self._octaves)[:, :, 1:-1]
        # The best as a mask, which runs everywhere; equals share it.
        best = ops.cast(liked >= ops.max(liked, axis=2, keepdims=True), "float32")
        best = best / ops.sum(best, axis=2, keepdims=True)
        steps = len(self._octaves)
        before, here, after = (
            ops.sum(best * fit[:, :, i : steps - 2 + i], axis=2, keepdims=True) for i in range(3)
        )
        # The top of a parabola through the best and its neighbours.
        aside = 0.5 * (before - after) / ops.minimum(before - 2.0 * here + after, -1e-9)
        pitch = ops.sum(best * self._octaves[1:-1], axis=2, keepdims=True)
        return pitch + ops.clip(aside, -0.5, 0.5) / _STEPS, here

    def _slope(self, pitch, voiced):
        seconds = self._seconds - ops.expand_dims(weighted_mean(self._seconds, voiced), 1)
        rise = weighted_mean(seconds * pitch, voiced)
        return rise / (weighted_mean(ops.square(seconds), voiced) + 1e-2)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], _WIDTH)
