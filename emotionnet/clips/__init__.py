"""A clip becomes a record: decode, find and crop faces, keep the sound."""

#: Sample rate of every waveform in the project, in Hz.
SAMPLE_RATE = 16_000
