"""What the folders above a recording mean: its emotion, who it is of, its part of a division.

Found out from the names, or given as a layout such as ``actor/emotion``. In this order:

1. Folders whose siblings are all called like parts (``train test val``), media (``audio video``), cameras,
   sexes, intensities, sentences, volumes (also dates) or variants (``original noise pitch``) are those, wherever they
   lie, and are taken out.
2. Of the levels that remain, the one that names emotions is the emotion's.
3. The level below it, or else the one above, is the actor's. What else there is has no meaning.

Where the names allow two readings nothing is guessed: the error names the layouts to choose from.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from emotionnet.corpora import words
from emotionnet.corpora.words import TEST, VALIDATION, plain
from emotionnet.errors import UsageError

#: What a level of folders may mean; the last has no meaning.
ROLES = ("emotion", "actor", "part", "sex", "intensity", "statement", "media", "camera", "*")
#: Two meanings in one name, the first and the last divided by "_": ``OAF_angry``.
JOINED = ("actor_emotion", "emotion_actor")
#: More classes than this, and none of them a known emotion, are rather people.
MOST_UNKNOWN = 12
#: Names that a line shows.
SHOWN = 12

_MEDIA = re.compile(
    r"(audio|video|sound|wav|mp3|mp4|flac|avi|mov|ogg|m4a)s?( ?(wav|mp3|mp4|flac|avi|files?|clips?))?"
)
_CAMERA = re.compile(
    r"(front(al)?|left|right|top|down|up|side|profile|bottom)( ?\d+)?|(cam|camera|view) ?\d+"
)
_STATEMENT = re.compile(
    r"(sentence|utterance|statement|phrase|text|take|trial|rep|repetition|clip) ?\d+"
)
_VOLUME = re.compile(
    r"(fold|session|batch|chunk|volume|vol|disc|cd|set|part|split|video|movie|film|scene|episode|dialog(ue)?|dia|"
    r"recording|file|day|week) ?\d+|"
    r"(19|20)\d\d ?(0[1-9]|1[0-2]) ?(0[1-9]|[12]\d|3[01])|"  # a date
    r"\d+([.,]\d+)? ?(k|k?hz)"  # a sample rate
)
#: The same recordings as they are and changed.
_VARIANT = re.compile(
    r"(original|orig|raw|clean(ed)?|noise|noisy|denoised|reverb|echo|pitch(ed)?|stretch(ed)?|shift(ed)?|speed|slow|fast|"
    r"volume|gain|flip(ped)?|mirror(ed)?|rotat(ed|ion)|crop(ped)?|blur(red)?|bright(ness)?|resampled|normali[sz]ed|"
    r"augment(ed|ation)?|aug|synthetic|copy|copies)( ?(audio|data|clips|files|shift(ed)?|stretch(ed)?))?( ?\d+)?"
)
_INTENSITY = re.compile(
    r"(level|intensity|degree|stufe|niveau) ?\d+|weak|mild|medium|moderate|strong|low|mid|middle|high|"
    r"normal|faible|forte?|schwach|mittel|stark"
)
#: Kinds of folders that are taken out, the first that fits: a name of `ROLES` and what it is called.
_KINDS = (
    ("part", words.part_name),
    ("media", _MEDIA.fullmatch),
    ("camera", _CAMERA.fullmatch),
    ("sex", lambda name: len(name) > 1 and name in words.SEXES),
    ("intensity", _INTENSITY.fullmatch),
    ("statement", _STATEMENT.fullmatch),
    ("*", _VOLUME.fullmatch),
    ("*", _VARIANT.fullmatch),
)
#: Taken out even where no level names emotions: no class is called ``train``.
_FIRM = ("part", "media")


def may_be_person(name: str) -> bool:
    """Whether a folder may be called after a person: not if it is after an emotion, a part, a date or the like."""
    return not (words.is_emotion(name) or any(called(plain(name)) for _, called in _KINDS))


@dataclass(frozen=True)
class Place:
    """The meaning of one recording's folders.

    Attributes:
        emotion, actor, part, sex, intensity, statement: as the folders are called; "" where none says it.
        key: equal for the picture and the sound of one clip.
        loose_key: the same without the camera.
        media: whether a folder says which medium it is.
    """

    emotion: str = ""
    actor: str = ""
    part: str = ""
    sex: str = ""
    intensity: str = ""
    statement: str = ""
    key: tuple[str, ...] = ()
    loose_key: tuple[str, ...] = ()
    media: bool = False


@dataclass
class Layout:
    """How the folders of a corpus are read.

    Attributes:
        places: recording to its `Place`.
        order: the meanings from the top folder down, for people: ``part/emotion/actor``.
        remarks: what else is to be said.
    """

    places: dict[PurePosixPath, Place]
    order: str
    remarks: list[str] = field(default_factory=list)


def read_layout(paths: Iterable[PurePosixPath], layout: str = "") -> Layout:
    """Finds out what the folders of recordings mean.

    Args:
        paths: the recordings, relative to the corpus.
        layout: the meanings from the top folder down, each of `ROLES`; "" to find out.

    Raises:
        UsageError: an unknown layout, or the names allow two readings.
    """
    paths = sorted(paths)
    folders = {path: path.parts[:-1] for path in paths}
    roles = _given(folders, layout) if layout else _found(folders)
    places = {path: _place(path, roles[path]) for path in paths}
    orders = Counter("/".join(roles[path]) for path in paths if "emotion" in "/".join(roles[path]))
    order = min(orders, key=lambda each: (-orders[each], each)) if orders else ""
    found = Layout(places, order)
    if not layout and order:
        found.remarks = _remarks(folders, roles)
    return found


Folders = dict[PurePosixPath, tuple[str, ...]]
Roles = dict[PurePosixPath, tuple[str, ...]]


def _given(folders: Folders, layout: str) -> Roles:
    levels = [level.strip().lower() for level in layout.strip("/ ").split("/")]
    levels = levels[:-1] if levels[-1] in ("file", "clip") else levels
    unknown = [level for level in levels if level not in (*ROLES, *JOINED)]
    named = [level for level in levels if level != "*"]
    if unknown or len(named) != len(set(named)) or "emotion" not in "/".join(levels):
        raise UsageError(
            f"--layout {layout}: name what each level of folders is, from the top: some of "
            f"{', '.join(ROLES)} (no meaning), {' or '.join(JOINED)}, joined by /, the emotion among "
            "them. For example actor/emotion."
        )
    more = max([len(parts) for parts in folders.values()], default=0) - len(levels)
    levels += ["*"] * more
    return {path: tuple(levels[: len(parts)]) for path, parts in folders.items()}


def _found(folders: Folders) -> Roles:
    """The meaning of every folder above every recording."""
    kinds = _kinds_by_siblings(folders)
    firm = {where: kind for where, kind in kinds.items() if kind in _FIRM}
    for taken_out in (kinds, firm):
        levels = _levels(folders, taken_out)
        emotion = _emotion_level(levels)
        if emotion is not None:
            break
    else:
        emotion = _unknown_classes(levels)
        _check_files(folders, emotion)
    actor = _actor_level(levels, emotion) if emotion is not None else None
    for level in {emotion, actor} - {None}:
        _check_names(levels[level])
    roles = {}
    for path, parts in folders.items():
        names, index = [], 0
        for depth in range(len(parts)):
            kind = taken_out.get(parts[: depth + 1])
            if kind is None:
                kind = "emotion" if index == emotion else "actor" if index == actor else "*"
                index += 1
            names.append(kind)
        roles[path] = tuple(names)
    return roles


def _kinds_by_siblings(folders: Folders) -> dict[tuple[str, ...], str]:
    """Folder to its kind, where all its siblings are of that kind too."""
    children: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for parts in folders.values():
        for depth, name in enumerate(parts):
            children[parts[:depth]].add(name)
    kinds: dict[tuple[str, ...], str] = {}
    for kind, called in _KINDS:
        found = {
            (*above, name): name
            for above, names in children.items()
            if all(called(plain(name)) for name in names)
            for name in names
            if (*above, name) not in kinds
        }
        if _believed(kind, set(found.values())):
            kinds |= dict.fromkeys(found, kind)
    return kinds


def _believed(kind: str, names: Collection[str]) -> bool:
    """Whether so few names make a kind: one ``val`` alone may be a person, ``test`` is none."""
    if kind == "part":
        parts = {words.part_name(name) for name in names}
        return len(parts) > 1 or bool(parts & {words.TRAIN, TEST})
    if kind == "intensity":
        return len({plain(name) for name in names}) > 1 or any("1" in name for name in names)
    return True


def _levels(folders: Folders, taken_out: dict[tuple[str, ...], str]) -> list[list[str]]:
    """Distinct names of each level that remains, from the top."""
    levels: list[set[str]] = []
    for parts in folders.values():
        rest = [name for i, name in enumerate(parts) if parts[: i + 1] not in taken_out]
        for i, name in enumerate(rest):
            levels.extend([set()] if i == len(levels) else [])
            levels[i].add(name)
    return [sorted(names) for names in levels]


def _emotion_level(levels: Sequence[Sequence[str]]) -> int | None:
    """The level that names emotions, or None where none does.

    Raises:
        UsageError: two levels do, or the names hold more than an emotion.
    """
    known = [
        {words.emotion_name(n).casefold() for n in names if words.is_emotion(n)} for names in levels
    ]
    share = [len([n for n in names if words.is_emotion(n)]) / len(names) for names in levels]
    strong = [i for i, found in enumerate(known) if len(found) > 1]
    clear = [i for i in strong if share[i] >= 0.5] or strong
    if len(clear) > 1:
        shown = " and ".join(_shown(levels[i]) for i in clear[:2])
        last = max(clear)
        options = [
            "/".join(
                "emotion" if i == k else "actor" if i in clear else "*" for i in range(last + 1)
            )
            for k in clear[:2]
        ]
        raise _two_readings(f"two levels of folders name emotions: {shown}", options)
    if clear:
        return clear[0]
    for i, names in enumerate(levels):
        rests = {_beside_emotion(name) for name in names}
        if None not in rests and len(rests) > 1:
            raise _two_readings(
                f"the folders {_shown(names)} hold more than an emotion",
                ["/".join(["*"] * i + [last]) for last in (*JOINED, "emotion")],
            )
    weak = [i for i, found in enumerate(known) if found and share[i] >= 0.5]
    return weak[0] if len(weak) == 1 else None


def _beside_emotion(name: str) -> str | None:
    """What a name of several words says beside its emotion; None where it names none."""
    tokens = plain(name).split()
    for size in (2, 1):
        for i in range(len(tokens) - size + 1):
            if words.is_emotion(" ".join(tokens[i : i + size])):
                return " ".join(tokens[:i] + tokens[i + size :])
    return None


def _unknown_classes(levels: Sequence[Sequence[str]]) -> int | None:
    """The class level where no folder names an emotion: the first that is no wrapper.

    Raises:
        UsageError: its names are rather those of people.
    """
    if not levels:
        return None
    first = next((i for i, names in enumerate(levels) if len(names) > 1), 0)
    names = levels[first]
    above = ["*"] * first
    people = words.like_numbers(names) or words.like_initials(names)
    many = len(names) > MOST_UNKNOWN
    if people or (many and len(levels) > first + 1):
        options = ["/".join([*above, "emotion"])]
        if len(levels) > first + 1:
            options.insert(0, "/".join([*above, "actor", "emotion"]))
        what = "look like people" if people else "are many, and none is a known emotion"
        raise _two_readings(
            f"the folders {_shown(names)} {what}", options,
            "If the file names say the emotion, list the files in a clips.csv (columns file, emotion, actor); "
            "RAVDESS and CREMA-D have their own corpora (--corpus ravdess, --corpus crema_d).",
        )  # fmt: skip
    return first


def _check_files(paths: Collection[PurePosixPath], emotion: int | None) -> None:
    """Refuses classes that name no emotion where the names of most files do: ``anna/happy.mp4``."""
    named = {}
    for path in paths:
        tokens = plain(re.sub(r"\d+", " ", path.stem)).split()
        if said := [token for token in tokens if words.is_emotion(token)]:
            named[path] = said[0]
    if emotion is not None and 2 * len(named) > len(paths) and len(set(named.values())) > 1:
        raise _two_readings(
            f"no folder names an emotion, but most files do (first {min(named)})",
            ["/".join(["*"] * emotion + ["emotion"])],
            "If the file names say the emotion, list the files in a clips.csv (columns file, emotion, actor).",
        )


def _check_names(names: Sequence[str]) -> None:
    """Refuses classes or people of which some, but not all, are called like parts or media."""
    parts = [name for name in names if words.part_name(name)]
    odd = [name for name in names if _MEDIA.fullmatch(plain(name))]
    odd += parts if _believed("part", parts) else []
    if odd:
        beside = _shown([name for name in names if name not in odd])
        raise UsageError(
            f"the folder {odd[0]!r} is called like a part of a division or a medium, but lies beside "
            f"{beside}. Move one of them, or say what each level is, from the top: --layout "
            "part/emotion, --layout emotion/actor or another."
        )


def _actor_level(levels: Sequence[Sequence[str]], emotion: int) -> int | None:
    """The level that names people: below the emotions, or else above them.

    Raises:
        UsageError: there is one above and one below, and the names of neither decide.
    """
    below = list(range(emotion + 1, len(levels)))
    above = [i for i in range(emotion) if len(levels[i]) > 1 or words.like_numbers(levels[i])]
    numbered = [i for i in (*below, *above) if words.like_numbers(levels[i])]
    if len(numbered) == 1 and above:
        return numbered[0]
    if above and below:
        options = [
            "/".join(
                "emotion" if i == emotion else "actor" if i == actor else "*"
                for i in range(max(emotion, actor) + 1)
            )
            for actor in (above[-1], below[0])
        ]
        raise _two_readings(
            f"either {_shown(levels[above[-1]])} or {_shown(levels[below[0]])} may be the people",
            options,
        )
    return below[0] if below else above[-1] if above else None


def _two_readings(found: str, options: Sequence[str], more: str = "") -> UsageError:
    choices = "; ".join(f"--layout {option}" for option in options)
    return UsageError(
        f"{found}: the folders can be read in more than one way. Say which: {choices}. {more}".strip()
    )


def _shown(names: Sequence[str]) -> str:
    rest = f" … ({len(names)})" if len(names) > 4 else ""
    return ", ".join(names[:4]) + rest


def _place(path: PurePosixPath, roles: Sequence[str]) -> Place:
    said: dict[str, str] = {}
    for role, name in zip(roles, path.parts):
        if role in JOINED:
            first, _, last = name.partition("_") if role == JOINED[0] else name.rpartition("_")
            said |= dict(zip(role.split("_"), (first, last)))
        elif role != "*":
            said[role] = words.composed(name)
    stem = path.with_suffix("").name

    def key(without: Collection[str]) -> tuple[str, ...]:
        return (*(n for role, n in zip(roles, path.parts) if role not in without), stem)

    media, _ = said.pop("media", ""), said.pop("camera", "")
    return Place(**said, key=key(("media",)), loose_key=key(("media", "camera")), media=bool(media))


def _remarks(folders: Folders, roles: Roles) -> list[str]:
    names: dict[str, set[str]] = defaultdict(set)
    emotions_of: dict[str, set[str]] = defaultdict(set)
    for path, parts in folders.items():
        said = dict(zip(roles[path], parts))
        for role, name in said.items():
            names[role].add(name)
        if "actor" in said and "emotion" in said:
            emotions_of[words.person_key(said["actor"])].add(plain(said["emotion"]))
    remarks = []
    own = sorted(name for name in names["emotion"] if not words.is_emotion(name))
    if own:
        remarks.append(
            f"no known emotions, kept as classes: {', '.join(own[:SHOWN])}"
            + " …" * (len(own) > SHOWN)
        )
    if len(own) == len(names["emotion"]) and names["actor"]:
        remarks.append("if the people come first, say --layout actor/emotion")
    if len(emotions_of) > 1 and all(len(found) == 1 for found in emotions_of.values()):
        remarks.append(
            "no actor has clips of two emotions: are these folders people? If not, say --layout emotion"
        )
    return remarks


def parts_of(paths: Iterable[PurePosixPath]) -> dict[PurePosixPath, str]:
    """Each path to the folder in it that is called like a part of a division, or ""."""
    folders = {path: path.parts[:-1] for path in paths}
    kinds = _kinds_by_siblings(folders)
    return {
        path: next((n for i, n in enumerate(parts) if kinds.get(parts[: i + 1]) == "part"), "")
        for path, parts in folders.items()
    }


def settled_parts(names: Collection[str]) -> dict[str, str]:
    """The names of the parts: ``train``, ``validation``, ``test``, or as they are called (``private``).

    ``eval`` is the validation part where there is a test part, else the test part.
    """
    found = {name: words.part_name(name) or plain(name) for name in names}
    evaluated = VALIDATION if TEST in found.values() else TEST
    return {name: evaluated if part == "eval" else part for name, part in found.items()}
