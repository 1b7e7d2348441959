"""From a media file to pictures and sound on one clock (PyAV). Whatever reads recordings reads them here.

Pictures come as a stream of `Frame` objects that hold the decoder's own buffer and turn into RGB
only where asked, so memory stays bounded however long the clip is. Sound comes as a whole:
16 kHz mono int16 is 2 MB a minute.
"""

import heapq
import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator

import numpy as np

from emotionnet.clips import SAMPLE_RATE
from emotionnet.clips.clock import Timing, understand
from emotionnet.clips.container import Decoder, open_media
from emotionnet.clips.frame import Frame, exif_orientation
from emotionnet.clips.sound import Mixer, Sound, decode_sound
from emotionnet.clips.tracks import STILL_SOUND_S, Track, in_order, said, survey
from emotionnet.errors import BadClip

#: Frames kept for a second of picture; faster videos are thinned by time.
MAX_RATE = 30.0
#: Frames that are held, so that time stamps in a wrong order can be sorted.
HELD_FRAMES = 6


class Recording:
    """A media file: the tracks that count, on one clock that begins at 0 with the first of them.

    Where a file has several picture or sound tracks, the default one comes first; where one cannot be
    decoded, or is silent, the next is taken. A cover, or a still picture over sound, is no picture.

    Args:
        path: the file.
        pictures: whether the pictures are wanted.

    Attributes:
        sound: its samples begin at time 0; may be digital silence. None where there is none.
        no_sound: why nothing can be heard; "" where something can.
        no_picture: why nothing can be seen although there is a picture track; else "".
        notes: what was odd about it, for people; complete when the pictures have been read.

    Raises:
        BadClip: the file cannot be opened.
    """

    def __init__(self, path: str | os.PathLike, pictures: bool = True):
        self._path = path
        self._tracks = survey(path)
        self.notes: list[str] = []
        self.sound: Sound | None = None
        self.no_sound = self.no_picture = ""
        self._first: Frame | None = None
        self._rest: Iterator[Frame] = iter(())
        films = in_order(self._tracks, "video")
        film = next((track for track in films if track.codec and not track.still), None)
        heard = self._choose_sound(film)
        starts_s = [self.sound.start_s] if self.audible else []
        if pictures:
            film = self._choose_pictures(films, heard)
            starts_s += [self._first.time_s] if self._first else []
        elif film is not None:
            starts_s.append(timings(film, heard)[0].first_s)
        self.notes += timings(film, heard)[2]
        self._begin(min(starts_s, default=0.0))

    @property
    def audible(self) -> bool:
        """Whether there is sound, other than digital silence."""
        return self.sound is not None and not self.sound.silent

    @property
    def first(self) -> Frame | None:
        """The first picture; None where there is none, or none was wanted."""
        return self._first

    def frames(self) -> Iterator[Frame]:
        """The pictures in order, at most `MAX_RATE` a second. Can be read once."""
        if self._first is not None:
            yield self._first
            for frame in self._rest:
                frame.time_s -= self._start_s
                yield frame

    def close(self) -> None:
        """Ends the reading of pictures before their end."""
        if isinstance(self._rest, Generator):
            self._rest.close()

    def _begin(self, start_s: float) -> None:
        """Makes ``start_s`` the time 0."""
        self._start_s = start_s
        if self._first is not None:
            self._first.time_s -= start_s
        if self.audible:
            silence = np.zeros(round((self.sound.start_s - start_s) * SAMPLE_RATE), np.int16)
            self.sound.samples = np.concatenate([silence, self.sound.samples])
            self.sound.start_s = 0.0
            self.notes += self.sound.notes

    def _choose_sound(self, film: Track | None) -> Track | None:
        """Decodes the first track that can be heard; else keeps a silent one."""
        reasons, failures = {}, []
        for track in in_order(self._tracks, "audio"):
            try:
                sound = self._decode_sound(track, timings(film, track)[1])
            except BadClip as error:
                failures.append(str(error))
                reasons[track.index] = "cannot be decoded"
                continue
            if not sound.silent:
                self.sound = sound
                self._say(track, reasons)
                return track
            self.sound = self.sound or sound
            reasons[track.index] = "is silent"
        if self.sound is not None:
            self.no_sound = "its sound is digital silence"
        elif any(track.kind == "audio" for track in self._tracks):
            self.no_sound = next(iter(failures), _NOTHING_DECODES.format("sound"))
        else:
            self.no_sound = "has no sound"
        return None

    def _choose_pictures(self, films: list[Track], heard: Track | None) -> Track | None:
        """Begins to decode the first track that shows something."""
        reasons: dict[int, str] = {}
        if not films and any(track.tile for track in self._tracks):
            self.no_picture = _IN_TILES
        for track in films:
            if track.still and self._sound_s > STILL_SOUND_S:
                reasons[track.index] = "is a still picture"
                self.notes.append(
                    f"a still picture over {self._sound_s:.1f} s of sound is taken for a cover and left out"
                )
                continue
            frames = self._decode_pictures(track, timings(track, heard)[0])
            self._first, self._rest = next(frames, None), frames
            if self._first is not None:
                self.no_picture = ""
                self._say(track, reasons)
                return track
            reasons[track.index] = "cannot be decoded"
            self.no_picture = "has a picture stream, but not one picture could be decoded"
        return None

    @property
    def _sound_s(self) -> float:
        return len(self.sound.samples) / SAMPLE_RATE if self.audible else 0.0

    def _say(self, taken: Track, reasons: dict[int, str]) -> None:
        text = said(taken, self._tracks, reasons)
        self.notes += [text] if text else []

    def _decode_sound(self, track: Track, timing: Timing) -> Sound:
        mixer = Mixer()
        sound = self._mixed(track, timing, mixer)
        better = mixer.better()
        if better is not None:
            sound = self._mixed(track, timing, better)
            sound.notes.append("the channels of the sound cancel out: one was turned over")
        return sound

    def _mixed(self, track: Track, timing: Timing, mixer: Mixer) -> Sound:
        if not track.codec:
            raise BadClip(_NOTHING_DECODES.format("sound"))
        with open_media(self._path) as container:
            return decode_sound(container, container.streams[track.index], timing, mixer)

    def _decode_pictures(self, track: Track, timing: Timing) -> Iterator[Frame]:
        if not track.codec:
            return
        with open_media(self._path) as container:
            stream = container.streams[track.index]
            stream.thread_type = "AUTO"
            step = 1 / float(stream.average_rate or stream.guessed_rate or 25)
            aspect = float(stream.sample_aspect_ratio or 1)
            photograph = container.format.name.endswith(("image2", "_pipe"))
            orientation = exif_orientation(self._path) if photograph else None
            decoder, late = Decoder(container, stream), []
            start = time = slot = None
            later = _later(track.rate)
            converters: dict = {}
            for frame, time in _rising(decoder, timing, step, late):
                start = time if start is None else start
                # Slots of 1/MAX_RATE: rounding lets jittered timestamps of a 30/s video all through.
                now = round((time - start) * MAX_RATE - later)
                if slot is not None and now <= slot:
                    continue
                picture = Frame(frame, time, converters, aspect, orientation)
                if slot is None and picture.hdr:
                    self.notes.append(
                        "the picture is HDR; brightness and colours were brought to the usual"
                    )
                slot = now
                yield picture
            if start is not None:
                decoder.note(self.notes, "picture", time - start + step)
            if late:
                self.notes.append(
                    f"{len(late)} pictures whose time stamps do not rise were left out"
                )


_NOTHING_DECODES = "has a {} stream, but nothing of it could be decoded"
_IN_TILES = (
    "is a photograph in tiles (HEIC, AVIF), which cannot be put together here: save it as JPEG"
)


def _later(rate: float | None) -> float:
    """By how much of a slot the slots of a film begin later than by rounding; 0 for most films.

    Of 60 or 120 even pictures a second some stand on the edge of two slots, and are now in the one and now in the other.
    There the edges are put between two pictures, so that each second, or fourth, is kept.

    Args:
        rate: of the film, see `Track.rate`.
    """
    many = (rate or 0.0) / MAX_RATE
    whole = round(many)
    return (1 - 1 / whole) / 2 if whole > 1 and abs(many / whole - 1) < 0.01 else 0.0


def timings(film: Track | None, sound: Track | None) -> tuple[Timing, Timing, list[str]]:
    """What the time stamps of a picture and a sound track mean, see `emotionnet.clips.clock.understand`."""
    return understand(*(track and (track.times_s, track.step_s) for track in (film, sound)))


def read_frames(path: str | os.PathLike, notes: list[str] | None = None) -> Iterator[Frame]:
    """The pictures of a file on its clock, see `Recording`; nothing is yielded where it has none.

    Args:
        path: the file.
        notes: gets the notes of the recording.

    Raises:
        BadClip: the file cannot be opened, or has a picture of which nothing decodes.
    """
    recording = Recording(path)
    if recording.no_picture:
        raise BadClip(recording.no_picture)
    yield from recording.frames()
    if notes is not None:
        notes += recording.notes


def read_sound(path: str | os.PathLike) -> Sound | None:
    """The sound of a file on its clock, see `Recording`; None where it has none.

    Raises:
        BadClip: the file cannot be opened, or has sound of which nothing decodes.
    """
    recording = Recording(path, pictures=False)
    if recording.sound is None and recording.no_sound != "has no sound":
        raise BadClip(recording.no_sound)
    return recording.sound


def _rising(
    frames: Iterable, timing: Timing, step_s: float, late: list
) -> Iterator[tuple[object, float]]:
    """Frames with rising times, which come from the time stamps, so that variable frame rates and headers
    that lie about rate, duration or number of frames do not matter.

    Frames come in the order in which they are shown; where their time stamps do not (H.264 in AVI), the
    next frame gets the earliest of the next few. A frame whose time stamp is not believed, or is later
    than those of all of the next few, is left out, and one without follows at the usual distance.

    Args:
        frames: from the decoder.
        timing: what the time stamps mean.
        step_s: usual distance of frames.
        late: gets the times of the frames that are left out here.
    """
    read, frames = timing.reader(), iter(frames)
    held: deque = deque()
    times: list[float] = []
    before, ended = None, False
    while held or not ended:
        while not ended and len(held) < HELD_FRAMES:
            frame = next(frames, None)
            if frame is None:
                ended = True
                continue
            stamp_s = None if timing.blind else frame.time
            time_s = None if stamp_s is None else read(stamp_s)
            if stamp_s is None or time_s is not None:
                held.append((frame, time_s))
            if time_s is not None:
                heapq.heappush(times, time_s)
        if not held:
            return
        frame, time_s = held.popleft()
        if time_s is not None and len(times) == HELD_FRAMES and time_s == max(times) > times[0]:
            times.remove(time_s)
            heapq.heapify(times)
            late.append(time_s)
            continue
        expected_s = timing.begin_s if before is None else before + step_s
        time_s = heapq.heappop(times) if time_s is not None else expected_s
        if before is None or time_s > before:
            before = time_s
            yield frame, time_s
        else:
            late.append(time_s)
