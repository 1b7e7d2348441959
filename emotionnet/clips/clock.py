"""What the time stamps of a file mean: one clock for its picture and its sound.

Time stamps are believed as far as they can be. A track that begins later stands later, and a gap is a gap.
Not believed are: a few packets whose time is far from that of the packets around them; a clock that
is set back; and a leap over a long time in which the file has neither picture nor sound. The few
packets then have no own time; after a jump, and after a clock was set back, the track continues
where it was. Where both tracks leap together they stay together.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

#: A step of the time stamps is a leap if it is at least this many seconds, and this many usual steps, long.
LEAP_S, LEAP_STEPS = 1.0, 8
#: So few packets between two leaps may be stray.
STRAY_PACKETS, STRAY_S = 3, 0.5
#: At most this many pictures may be out of order in a file.
REORDERED = 6
#: How long there may be neither picture nor sound, before more of both, and before a few packets.
LONGEST_NOTHING_S, LONGEST_BEFORE_STRAY_S = 60.0, 5.0
#: In a file of many leaps, how many times its content it may be long.
LONGEST_IN_CONTENTS = 4
#: Share of time stamps in a wrong order from which none of them is believed.
DISORDER = 0.25
#: Distance of packets where it is unknown, and how much sound is in one at most.
FALLBACK_STEP_S, LONGEST_PACKET_S = 0.04, 2.0
#: Leaps of both tracks that differ by no more are one.
SAME_LEAP_S = 2.0


@dataclass(frozen=True)
class Piece:
    """Time stamps from ``first_s`` to ``last_s`` of a track, and what is taken off them."""

    first_s: float
    last_s: float
    off_s: float


@dataclass(frozen=True)
class Timing:
    """What the time stamps of one track mean.

    Attributes:
        pieces: in the order of the file.
        blind: the time stamps say nothing.
        begin_s: when the track begins if its time stamps do not say it.
        stray: time stamps, in microseconds, that are not believed.
        reach_s: how far a decoded frame may stand outside the time stamps of the packets.
    """

    pieces: tuple[Piece, ...] = ()
    blind: bool = False
    begin_s: float = 0.0
    stray: frozenset[int] = frozenset()
    reach_s: float = LEAP_S

    @property
    def first_s(self) -> float:
        """When the track begins."""
        return min((p.first_s - p.off_s for p in self.pieces), default=self.begin_s)

    @property
    def last_s(self) -> float:
        """When its last packet begins."""
        return max((p.last_s - p.off_s for p in self.pieces), default=self.begin_s)

    @property
    def plain(self) -> bool:
        """Whether the time stamps are believed as they are."""
        return not self.blind and not self.stray and all(piece.off_s == 0 for piece in self.pieces)

    def reader(self) -> "Reader":
        """Reads the time stamps of frames, in their order."""
        return Reader(self)


class Reader:
    """From the time stamps of a track's frames, in their order, to the clock of the recording."""

    def __init__(self, timing: Timing):
        self._timing, self._at, self._before_s = timing, 0, -np.inf

    def __call__(self, stamp_s: float) -> float | None:
        """When a frame stands; None where its time stamp is not believed."""
        pieces, reach_s = self._timing.pieces, self._timing.reach_s
        if not pieces:
            return stamp_s
        if self._timing.stray and micro(stamp_s) in self._timing.stray:
            return None
        # A clock that was set back is in the next piece, which may have the same time stamps.
        at = self._at + (stamp_s < self._before_s - reach_s)
        for number in (*range(at, len(pieces)), *range(at)):
            piece = pieces[number]
            if piece.first_s - reach_s <= stamp_s <= piece.last_s + reach_s:
                self._at, self._before_s = number, stamp_s
                return stamp_s - piece.off_s
        return None


def micro(stamp_s: float) -> int:
    return round(stamp_s * 1e6)


def understand(
    picture: tuple[np.ndarray, float] | None, sound: tuple[np.ndarray, float] | None
) -> tuple[Timing, Timing, list[str]]:
    """What the time stamps of a picture and a sound track mean.

    Args:
        picture, sound: time stamps of the packets in the order of the file, and their usual distance,
            in seconds; None where there is no such track.

    Returns:
        The timing of the picture and of the sound, and what is to be said of it.
    """
    nothing = (np.zeros(0), FALLBACK_STEP_S)
    lines = [
        _Line("picture", *(picture or nothing), (sound or nothing)[0]),
        _Line("sound", *(sound or nothing), (picture or nothing)[0]),
    ]
    _keep_together(*lines)
    notes = [note for line in lines for note in line.notes()]
    timings = [line.timing() for line in lines]
    late_s = _not_believed(*timings)
    if late_s:
        timings[1] = lines[1].timing(late_s)
        notes.append(
            f"by its time stamps the sound begins {abs(late_s):.0f} s "
            f"{'after' if late_s > 0 else 'before'} the picture, with nothing between the two: "
            "not believed, they begin together"
        )
    begins_s = [timing.first_s for timing in timings][::-1]
    timings = [replace(timing, begin_s=begin_s) for timing, begin_s in zip(timings, begins_s)]
    return *timings, notes


class _Line:
    """The time stamps of one track, cut into runs at their leaps."""

    def __init__(self, what: str, times_s: np.ndarray, step_s: float, other_s: np.ndarray):
        # Packets so far apart that nothing could be distinguished from a leap have no usual distance.
        longest_s = LONGEST_NOTHING_S if what == "picture" else LONGEST_PACKET_S
        step_s = step_s if step_s <= longest_s else FALLBACK_STEP_S
        self._what, self._step_s, self._other_s = what, step_s, np.sort(other_s)
        self._leap_s = min(max(LEAP_S, LEAP_STEPS * step_s), LONGEST_NOTHING_S)
        self.stray: list[np.ndarray] = []
        self.runs: list[np.ndarray] = []
        self.taken_off: list[float] = []  # before each run: how much of the leap is not believed
        self.blind = _disordered(times_s)
        if self.blind or not times_s.size:
            return
        cuts = np.flatnonzero(np.abs(np.diff(times_s)) > self._leap_s) + 1
        self._sort_out(self._as_shown(np.split(times_s, cuts)))
        if sum(len(run) for run in self.stray) > DISORDER * len(times_s):
            self.blind, self.stray, self.runs = True, [], []
            return
        most_s = LONGEST_NOTHING_S + LONGEST_IN_CONTENTS * len(times_s) * step_s
        most_s += float(np.ptp(other_s)) if other_s.size else 0.0
        for longest_s in (LONGEST_NOTHING_S, LONGEST_BEFORE_STRAY_S, 0.0):
            pairs = zip(self.runs, self.runs[1:])
            self.taken_off = [0.0, *(self._leap(*pair, longest_s) for pair in pairs)]
            if self._length_s() <= most_s:
                break

    def _as_shown(self, runs: list[np.ndarray]) -> list[np.ndarray]:
        """In a file, pictures stand as they are decoded: around a gap, some from before it after it."""
        shown: list[np.ndarray] = []
        for run in runs:
            if shown and self._follows(shown[-1], run):
                shown[-1] = np.concatenate([shown[-1], run])
            elif (
                len(shown) > 1
                and max(len(run), len(shown[-1])) <= REORDERED
                and run.max() < shown[-1].min()
                and self._follows(shown[-2], run)
            ):
                shown[-2] = np.concatenate([shown[-2], run])
            else:
                shown.append(run)
        return shown

    def _follows(self, before: np.ndarray, run: np.ndarray) -> bool:
        return abs(run.min() - before.max()) <= self._leap_s

    def _sort_out(self, runs: list[np.ndarray]) -> None:
        """Divides into runs and stray packets."""
        following: list[float | None] = [None] * len(runs)
        for i in range(len(runs) - 2, -1, -1):
            following[i] = following[i + 1] if self._short(runs[i + 1]) else runs[i + 1].min()
        before: float | None = None
        for run, after in zip(runs, following):
            if self._short(run) and self._misplaced(run.min(), run.max(), before, after):
                self.stray.append(run)
                continue
            before = run.max() if before is None else max(before, run.max())
            self.runs.append(run)

    def _short(self, run: np.ndarray) -> bool:
        is_brief = self._what == "picture" or len(run) * self._step_s < STRAY_S
        return len(run) <= STRAY_PACKETS and is_brief

    def _misplaced(self, first: float, last: float, before: float | None, after: float | None):
        """Whether a few packets are out of order, or alone in time."""
        if (before is not None and first < before) or (after is not None and last > after):
            return True
        holes = [self._longest_hole(before, first)] if before is not None else []
        holes += [self._longest_hole(last, after)] if after is not None else []
        return bool(holes) and min(holes) > LONGEST_BEFORE_STRAY_S

    def _leap(self, before: np.ndarray, after: np.ndarray, longest_s: float) -> float:
        """How much of the leap between two runs is not believed."""
        leap_s = float(after.min() - before.max())
        if leap_s > -self._leap_s and self._longest_hole(before.max(), after.min()) <= longest_s:
            return 0.0
        return leap_s - self._step_s

    def _longest_hole(self, start_s: float, end_s: float) -> float:
        """The longest time between ``start_s`` and ``end_s`` without a packet of the other track."""
        first, stop = np.searchsorted(self._other_s, [start_s, end_s])
        edges = np.concatenate([[start_s], self._other_s[first:stop], [end_s]])
        return float(np.diff(edges).max())

    def _length_s(self) -> float:
        off_s = np.cumsum(self.taken_off)
        ends = [(run.min() - off, run.max() - off) for run, off in zip(self.runs, off_s)]
        return max(last for _, last in ends) - min(first for first, _ in ends)

    def timing(self, late_s: float = 0.0) -> Timing:
        off_s = np.cumsum(self.taken_off) + late_s
        pieces: list[Piece] = []
        for run, off in zip(self.runs, off_s.tolist()):
            piece = Piece(float(run.min()), float(run.max()), off)
            if pieces and pieces[-1].off_s == off:
                before = pieces.pop()
                piece = Piece(
                    min(before.first_s, piece.first_s), max(before.last_s, piece.last_s), off
                )
            pieces.append(piece)
        stray = frozenset(micro(stamp) for run in self.stray for stamp in run)
        return Timing(tuple(pieces), self.blind, stray=stray, reach_s=self._leap_s)

    def notes(self) -> Iterator[str]:
        if self.blind:
            yield f"the time stamps of the {self._what} say nothing: it is taken as even"
        stray = sum(len(run) for run in self.stray)
        if stray:
            stamps = "time stamp" if stray == 1 else "time stamps"
            lies = "is" if stray == 1 else "are"
            yield f"{stray} {stamps} of the {self._what} {lies} far from the others: not believed"
        leaps = [off for off in self.taken_off if off]
        if leaps:
            first = f"by {leaps[0]:+.1f} s" + (
                f" and {len(leaps) - 1} times more" * (len(leaps) > 1)
            )
            yield f"the clock of the {self._what} leaps {first}: not believed, it continues"


def _disordered(times_s: np.ndarray) -> bool:
    """Whether most time stamps are alike, or many earlier than those well before them in the file."""
    alike = np.diff(times_s) == 0
    early = times_s[REORDERED:] < times_s[:-REORDERED]
    return bool(2 * alike.sum() > len(times_s) or early.sum() > DISORDER * len(early))


def _keep_together(picture: _Line, sound: _Line) -> None:
    """Where both leap by about as much, each of them leaps by the same."""
    leaps = [[i for i, off in enumerate(line.taken_off) if off] for line in (picture, sound)]
    if len(leaps[0]) != len(leaps[1]):
        return
    for p, s in zip(*leaps):
        if abs(picture.taken_off[p] - sound.taken_off[s]) <= SAME_LEAP_S:
            # The smaller: then neither falls into what was before.
            both = min(picture.taken_off[p], sound.taken_off[s])
            picture.taken_off[p] = sound.taken_off[s] = both


def _not_believed(picture: Timing, sound: Timing) -> float:
    """How much later than the picture the sound begins, where that is not believed; else 0."""
    if not picture.pieces or not sound.pieces:
        return 0.0
    nothing_s = max(sound.first_s - picture.last_s, picture.first_s - sound.last_s)
    return sound.first_s - picture.first_s if nothing_s > LONGEST_NOTHING_S else 0.0
