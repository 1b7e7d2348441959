"""The division that a corpus brings itself: FER2013's, or the folders ``train`` and ``test`` of somebody's own."""

from collections import Counter, defaultdict

from emotionnet.corpora import CORPORA, get_corpus
from emotionnet.errors import UsageError
from emotionnet.inputs.apart import Parts, shown
from emotionnet.inputs.by_clip import held_back
from emotionnet.inputs.split import Rows, person_of, recording_of

#: One in this many of the training clips validates, where the corpus has no validation part.
VALIDATION_FOLDS = 10
TRAIN, VALIDATION, TEST = "train", "validation", "test"


def given_parts(rows: Rows) -> Counter[str]:
    """Clips in each part of the division that the corpus brings; empty where it brings none."""
    corpora = {row.corpus for row in rows}
    part = getattr(get_corpus(min(corpora)), "given_part", None) if corpora <= {*CORPORA} else None
    if len(corpora) > 1 or part is None:
        return Counter()
    parts = Counter(part(row) for row in rows)
    return parts if set(parts) - {""} else Counter()


def is_division(parts: Counter[str]) -> bool:
    """Whether there is a part to learn from and one to test on."""
    return TRAIN in parts and len(set(parts) - {""}) > 1


def divide_given(rows: Rows, seed: int, validation: bool) -> Parts:
    """Tests on what the corpus calls its test part, and validates on its validation part.

    Where it has none, a tenth of the training part validates, which keeps each emotion's share, and of
    identical clips all train or all validate. Where it has a validation part and no test part, the former
    tests. Other parts, and clips in none, stay aside. Training clips that are identical to a clip of any other
    part are left out.

    Args:
        rows: sorted by clip, of one corpus that has ``given_part``.
        seed: of the validation clips, where they are drawn.
        validation: False leaves them in train.

    Raises:
        UsageError: the corpus brings no division, or no training clip is there that is none of another part.
    """
    found = given_parts(rows)
    if not found:
        raise UsageError(
            f"{shown({row.corpus for row in rows})}: brings no division, so --protocol given "
            "means nothing here. Choose another one, e.g. actor_folds."
        )
    if not is_division(found):
        raise UsageError(
            f"{rows[0].corpus}: has clips of {shown(set(found) - {''} - {TRAIN}) or TRAIN} only. Training "
            "needs both a train and a test part. --protocol stratified divides the clips by chance; "
            "`python -m emotionnet.evaluate RUN --records …` measures a run on clips that it has not seen."
        )
    parts = defaultdict(list)
    part_of = get_corpus(rows[0].corpus).given_part
    for row in rows:
        parts[part_of(row)].append(row)
    train = parts.pop(TRAIN)
    others = sorted(set(parts) - {"", TEST, VALIDATION})
    tested = next(part for part in (TEST, *others, VALIDATION) if part in parts)
    elsewhere = {recording_of(row) for part in parts.values() for row in part}
    test, held = parts.pop(tested), parts.pop(VALIDATION, [])
    about = [] if tested == TEST else [f"its part {tested} tests"]
    kept = [row for row in train if recording_of(row) not in elsewhere]
    if not kept:
        raise UsageError(
            f"{rows[0].corpus}: all {len(train)} training clips repeat a clip of another part, so nothing is left "
            "to learn from. Put other clips into train, or use --protocol stratified, which divides them anew."
        )
    copies = len(train) - len(kept)
    if held:
        about.append("epoch chosen on its validation part")
    elif validation:
        chosen = _tenth(kept, seed)
        held = [row for row in kept if recording_of(row) in chosen]
        kept = [row for row in kept if recording_of(row) not in chosen]
        about.append("epoch chosen on a tenth of its training part")
    if not validation:
        kept, held = [*kept, *held], []
    if copies:
        about.append(
            f"{copies} training clips that are byte-identical to a clip of another part, or have its sound, "
            "are left out"
        )
    if parts:
        names = shown({part or "no part" for part in parts})
        about.append(f"{sum(map(len, parts.values()))} clips of {names} stay aside")
    leaks, doubts = _people([*kept, *held], test)
    return Parts(kept, held, test, "; ".join(about), leaks=leaks, doubts=doubts)


def _people(learnt: Rows, test: Rows) -> tuple[list[str], list[str]]:
    """What is known, and what cannot be known, of people who are on both sides."""
    if not all(row.actor for row in (*learnt, *test)):
        return [], ["not everybody is named, so one person may be in several parts"]
    people = {person_of(row) for row in test}
    shared = people & {person_of(row) for row in learnt}
    if not shared:
        return [], []
    return [f"{len(shared)} of the {len(people)} people who are tested are trained on too"], []


def _tenth(rows: Rows, seed: int) -> set:
    """The recordings that validate."""
    # Of identical pictures that are labelled differently the last one's label counts.
    emotions = {recording_of(row): row.emotion for row in rows}
    units = sorted(emotions)
    held = held_back([emotions[unit] for unit in units], VALIDATION_FOLDS, seed)
    return {units[i] for i in held}
