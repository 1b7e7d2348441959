"""Clips as a browser plays them: as they are where it can, else a small copy in H.264 and AAC.

A copy shows and sounds what the run is asked about: the same tracks, on the same clock.
"""

import itertools
from pathlib import Path

from emotionnet.errors import BadClip

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
    from emotionnet.clips.decode import timings
    from emotionnet.clips.tracks import survey

    name, codecs = _PLAYABLE.get(path.suffix.lower(), (None, ()))
    if name is None:
        return None
    tracks = survey(path)
    films, sounds = ([t for t in tracks if t.kind == kind] for kind in ("video", "audio"))
    # Which of several tracks a browser takes, and what it makes of odd time stamps, is not known.
    single = len(films) < 2 and len(sounds) < 2
    used = {track.codec for track in tracks}
    # 4:4:4, 10 bits and the like decode in some browsers only.
    plain = {track.pixel_format for track in films} <= {"yuv420p", "yuvj420p"}
    if not (single and used and used <= codecs and plain):
        return None
    picture, sound, _ = timings(*films[:1] or [None], *sounds[:1] or [None])
    return name if picture.plain and sound.plain else None


def make_preview(path: Path, out: Path) -> None:
    """Writes a copy of ``path`` as MP4, of at most `LONG_SIDE` pixels, with its sound at 16 kHz.

    Raises:
        BadClip: the file has neither pictures nor sound that can be read, or they cannot be written.
    """
    from av.error import FFmpegError

    try:
        _write_copy(path, out)
    except FFmpegError as error:
        raise BadClip(
            f"no copy that a browser plays can be made of it ({error.strerror})"
        ) from None


def _write_copy(path: Path, out: Path) -> None:
    from emotionnet.clips import SAMPLE_RATE
    from emotionnet.clips.decode import MAX_RATE, Recording
    from emotionnet.corpora.media import write_clip

    recording = Recording(path)
    if recording.first is None and recording.sound is None:
        raise BadClip(recording.no_picture or recording.no_sound)
    samples = None if recording.sound is None else recording.sound.samples
    if recording.first is None:
        write_clip(out, None, samples=samples, sample_rate=SAMPLE_RATE)
        return
    frames, again = itertools.tee(recording.frames())
    size = _even(recording.first.picture(LONG_SIDE)).shape[:2]
    write_clip(
        out,
        (_of_size(frame.picture(LONG_SIDE), size) for frame in frames),
        MAX_RATE,
        samples=samples,
        sample_rate=SAMPLE_RATE,
        times_s=(frame.time_s for frame in again),
    )


def _even(picture):
    """H.264 wants an even height and width."""
    height, width = picture.shape[:2]
    return picture[: max(2, height // 2 * 2), : max(2, width // 2 * 2)]


def _of_size(picture, size: tuple[int, int]):
    """The picture, brought to (height, width) where the film changed its size."""
    import cv2

    if _even(picture).shape[:2] == size:
        return _even(picture)
    return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
