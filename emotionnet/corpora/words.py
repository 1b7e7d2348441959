"""What people call things in folder names and tables: emotions, people, parts of a division.

Names are compared in a plain form (`plain`), so that case, blanks, underscores and the form in which
a system writes accents (macOS takes them apart) make no difference.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable

from emotionnet.emotions import EMOTIONS

#: Other words for the names in `EMOTIONS`. Any other word is a separate class, kept as it is written.
SYNONYMS = {
    **{"neutrality": "neutral", "neutrally": "neutral", "neu": "neutral"},
    **{"calmness": "calm", "calmly": "calm"},
    **dict.fromkeys(("happiness", "happily", "joy", "joyful", "hap"), "happy"),
    **dict.fromkeys(("sadness", "sadly"), "sad"),
    **dict.fromkeys(("anger", "angrily", "ang"), "angry"),
    **dict.fromkeys(("fear", "fearfully", "scared", "afraid", "fea"), "fearful"),
    **dict.fromkeys(("disgusted", "disgusting", "dis"), "disgust"),
    **dict.fromkeys(("surprise", "surprising", "sur", "pleasant surprise"), "surprised"),
    **dict.fromkeys(("pleasant surprised", "pleasantly surprised"), "surprised"),
}

#: Words by which a folder is known to name emotions; as classes they stay what they are.
_OTHER_EMOTIONS = frozenset(
    word
    for language in (
        "contempt contemptuous boredom bored amused amusement excited excitement exc frustrated frustration",
        "fru sleepy sleepiness tired anxious anxiety worried proud pride ashamed shame guilt guilty confused",
        "confusion interested interest relief relieved relaxed pain despair desire hope love hate hatred",
        "jealous jealousy envy embarrassed embarrassment enthusiastic encouraging apologetic concerned",
        "sarcastic awe serenity sorrow grief rage irritated annoyed disappointed disappointment positive",
        "negative stressed stress helpless gratitude admiration curiosity nervous",
        "neutraal blij boos bang verdrietig walging verrast angst",
        "glücklich fröhlich freude traurig trauer wut wütend ärger ärgerlich zorn zornig ängstlich ekel",
        "überrascht überraschung langeweile gelangweilt müde ruhig verachtung enttäuscht",
        "neutre joie joyeux joyeuse heureux heureuse content contente tristesse triste colère peur dégoût",
        "calme ennui mépris surpris fâché",
        "neutro felicidad feliz alegría alegre tristeza ira enojo enfado enojado miedo asco sorpresa calma",
        "aburrimiento desprecio sorprendido",
        "gioia felice felicità tristezza rabbia arrabbiato paura disgusto neutralità",
        "felicidade alegria raiva medo nojo surpresa desgosto",
        "нейтрально нейтральный радость грусть печаль злость гнев страх отвращение удивление",
        "mutlu üzgün kızgın korku nötr sinirli iğrenme şaşkın tiksinti mutluluk üzüntü öfke",
        "中性 高兴 快乐 开心 悲伤 难过 伤心 生气 愤怒 害怕 恐惧 惊讶 惊吓 厌恶 平静",
        "喜び 悲しみ 怒り 恐れ 驚き 嫌悪 中立 중립 기쁨 행복 슬픔 분노 공포 놀람 혐오",
    )
    for word in language.split()
)

SEXES = {
    **dict.fromkeys(("female", "f", "w", "woman", "women", "girl", "girls"), "female"),
    **dict.fromkeys(("male", "m", "man", "men", "boy", "boys"), "male"),
}

TRAIN, VALIDATION, TEST = "train", "validation", "test"
#: What the parts of a division are called. ``eval`` is the validation part where there is a test part.
PARTS = {
    **dict.fromkeys(("train", "training", "trn"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev", "devel", "development"), VALIDATION),
    **dict.fromkeys(("test", "testing", "tst"), TEST),
    **dict.fromkeys(("eval", "evaluation"), "eval"),
}

_BETWEEN = re.compile(r"(?:[\s_]|(?<=[^\s_])-|-(?![\d.]))+")

#: What tables write where nothing is known.
_MISSING = frozenset(("", "nan", "none", "null", "<na>", "n/a", "#n/a", "#na", "nat", "-", "--"))
_NOBODY = frozenset(("unknown", "unk", "?", "anonymous"))


def composed(text: str) -> str:
    """The text as it is written, without blanks around it, accents in one form (NFC)."""
    return unicodedata.normalize("NFC", text).strip()


def plain(text: str) -> str:
    """The form in which names are compared: one case, one form of accents, blanks for ``_`` and ``-``.

    The sign of a number stays: -1 is not 1.
    """
    return _BETWEEN.sub(" ", composed(composed(text).casefold())).strip()


def emotion_name(text: str) -> str:
    """The class that ``text`` means: a name of `EMOTIONS` in any spelling, a synonym, or itself."""
    return known_emotion(text) or composed(text)


def known_emotion(text: str) -> str:
    """The name of `EMOTIONS` that ``text`` means (``01_Anger`` is ``angry``), else ""."""
    word = _unnumbered(plain(text))
    word = SYNONYMS.get(word, word)
    return word if word in EMOTIONS else ""


def is_emotion(text: str) -> bool:
    """Whether ``text`` is a word for an emotion, one of `EMOTIONS` or another."""
    return bool(known_emotion(text)) or _unnumbered(plain(text)) in _OTHER_EMOTIONS


def _unnumbered(word: str) -> str:
    return re.sub(r"^\d+[ .)]+", "", word)


def part_name(text: str) -> str:
    """The part of a division that ``text`` means (``Train_AFEW`` is ``train``), else ""."""
    words = plain(text).split()
    found = [PARTS[word] for word in {words[0], words[-1]} if word in PARTS] if words else []
    return found[0] if len(found) == 1 else ""


def is_missing(text: str) -> bool:
    """Whether a cell of a table says that nothing is known: empty, ``nan``, ``None``, ``NULL`` …"""
    return composed(text).casefold() in _MISSING or composed(text) == "NA"


def actor_name(text: str) -> str:
    """The person that ``text`` names, as it is written; "" where it names none."""
    name = " ".join(composed(text).split())
    return "" if is_missing(name) or name.casefold() in _NOBODY else name


def person_key(text: str) -> str:
    """Equal for spellings of one person: any case, blanks, leading zeros, ``7.0`` for ``7``."""
    key = composed(composed(text).casefold()).replace("_", " ")
    key = re.sub(r"^(\d+)\.0+$", r"\1", key)
    key = re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", key)
    return re.sub(r"(?<![\d.])0+(?=\d)", "", key)


def class_key(text: str) -> str:
    """Equal for spellings of one class: those of `plain`, and ``1.0`` for ``1``."""
    return re.sub(r"^(-?\d+)\.0+$", r"\1", plain(text))


def one_spelling(
    names: Iterable[str], key: Callable[[str], str]
) -> tuple[dict[str, str], list[str]]:
    """One spelling for names that differ in spelling only.

    Args:
        names: each as often as it occurs; "" is passed over.
        key: equal for spellings of one name.

    Returns:
        Name to the spelling that is used, the most frequent one; and ``Anna = anna`` for what was
        written in several ways.
    """
    groups: dict[str, list[str]] = {}
    for name, _ in sorted(
        Counter(filter(None, names)).items(), key=lambda each: (-each[1], each[0])
    ):
        groups.setdefault(key(name), []).append(name)
    chosen = {name: group[0] for group in groups.values() for name in group}
    return chosen, sorted(" = ".join(group) for group in groups.values() if len(group) > 1)


_PERSON = re.compile(
    r"\d+|(actor|actress|speaker|spk|spkr|subject|subj|sub|person|participant|user|sprecher|proband|"
    r"id|[a-z]{1,3}) ?\d+"
)
_INITIALS = re.compile(r"[A-Z]{1,3}")


def like_numbers(names: Iterable[str]) -> bool:
    """Whether all the names look like numbers of people: ``Actor_01``, ``subject 3``, ``0011``, ``M003``."""
    return all(_PERSON.fullmatch(plain(name)) for name in names)


def like_initials(names: Iterable[str]) -> bool:
    """Whether all the names look like initials: ``DC``, ``JE``."""
    return all(_INITIALS.fullmatch(name) for name in names)
