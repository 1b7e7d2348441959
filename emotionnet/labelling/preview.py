"""Clips as a browser plays them: as they are where it can, else a small copy in H.264 and AAC."""

import itertools
from fractions import Fraction
from pathlib import Path

#: Endings → what a browser calls them, with the codecs that all common browsers decode.
_PLAYABLE = {
    ".mp4": ("video/mp4", {"h264", "aac", "mp3"}),
    ".m4v": ("video/mp4", {"h264", "aac", "mp3"}),
    ".mov": ("video/mp4", {"h264", "aac", "mp3"}),
    ".webm": ("video/webm", {"vp8", "vp9", "av1", "opus", "vorbis"}),
    ".wav": ("audio/wav", {"pcm_s16le", "pcm_u8", "pcm_f32le", "pcm_s24le"}),
    ".flac": ("audio/flac", {"flac"}),
    ".mp3": ("audio/mpeg", {"mp3", "mp3float"}),
    ".ogg": ("audio/ogg", {"vorbis", "opus"}),
    ".opus": ("audio/ogg", {"opus"}),
    ".m4a": ("audio/mp4", {"aac"}),
}
#: Longer side of a copy, in pixels: enough to read a face.
LONG_SIDE = 640


def media_type(path: Path) -> str | None:
    """What to call a file that browsers play as it is; None where it needs a copy."""
    from emotionnet.clips.decode import open_media

    name, codecs = _PLAYABLE.get(path.suffix.lower(), (None, ()))
    if name is None:
        return None
    with open_media(path) as container:
        streams = [s for s in container.streams if s.type in ("video", "audio")]
        used = {s.codec_context.name for s in streams}
        colours = {s.codec_context.pix_fmt for s in streams if s.type == "video"}
    # 4:4:4, 10 bits and the like decode in some browsers only.
    plain = colours <= {"yuv420p", "yuvj420p"}
    return name if used and used <= codecs and plain else None


def make_preview(path: Path, out: Path) -> None:
    """Writes a copy of ``path`` as MP4, of at most `LONG_SIDE` pixels, with its sound at 16 kHz.

    Raises:
        BadClip: the file cannot be read.
    """
    from emotionnet.clips import SAMPLE_RATE
    from emotionnet.clips.decode import read_frames, read_sound
    from emotionnet.corpora.media import write_clip

    sound = read_sound(path)
    times = [frame.time_s for frame in read_frames(path)]
    rate = Fraction(25)
    if len(times) > 1:
        rate = Fraction((len(times) - 1) / (times[-1] - times[0])).limit_denominator(1001)
    pictures = (_even(frame.picture(LONG_SIDE)) for frame in read_frames(path))
    first = next(pictures, None)
    frames = itertools.chain([first], pictures) if first is not None else None
    samples = None if sound is None else sound.samples
    write_clip(out, frames, rate, samples, SAMPLE_RATE)


def _even(picture):
    """H.264 wants an even height and width."""
    height, width = picture.shape[:2]
    return picture[: max(2, height // 2 * 2), : max(2, width // 2 * 2)]
