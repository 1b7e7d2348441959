"""Tables of clips: what spreadsheets, pandas and the `datasets` library write."""

import json

import pytest

from emotionnet.corpora import folder
from emotionnet.corpora.manifest import manifest_hash
from emotionnet.corpora.tables import seconds
from emotionnet.errors import EmotionNetError, UsageError
from emotionnet.votes import shares


def put(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"recording")
    return root


def read(root, text=None, name="clips.csv", encoding="utf-8", **options):
    if text is not None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode(encoding))
    ignored, notes = [], []
    rows = folder.scan(root, ignored, notes, **options)
    return rows, ignored, notes


@pytest.mark.parametrize("nothing", ["nan", "NaN", "None", "", "NULL", "<NA>", "n/a", "NA"])
def test_what_is_missing_is_neither_a_class_nor_a_person(tmp_path, nothing):
    put(tmp_path, "1.wav", "2.wav", "3.wav")
    text = f"file,emotion,actor,start\n1.wav,happy,{nothing},{nothing}\n2.wav,{nothing},bob,\n3.wav,sad,bob,0\n"
    rows, ignored, notes = read(tmp_path, text)
    assert [(row.emotion, row.actor) for row in rows] == [("happy", ""), ("sad", "bob")]
    assert [file for file, _ in ignored] == ["2.wav"]
    assert "no emotion is given" in ignored[0][1]
    assert "1 clips name nobody" in notes[0]


def test_the_sign_of_a_number_makes_another_class(tmp_path):
    labels = ("-1", "0", "1", "-.5", ".5")
    put(tmp_path, *(f"{n}.wav" for n in range(5)))
    lines = (f"{n}.wav,{label}\n" for n, label in enumerate(labels))
    rows, _, _ = read(tmp_path, "file,label\n" + "".join(lines))
    assert [row.emotion for row in rows] == list(labels)


def test_pandas_writes_whole_numbers_with_a_point_where_one_is_missing(tmp_path):
    put(tmp_path, *(f"{part}/{n}.wav" for part in ("train", "test") for n in range(3)))
    for part, labels in (("train", "0 1 1"), ("test", "0.0 1.0 -1.0")):
        lines = (f"{n}.wav,{label}\n" for n, label in enumerate(labels.split()))
        (tmp_path / part / "metadata.csv").write_text("file_name,label\n" + "".join(lines))
    rows, _, notes = read(tmp_path)
    assert {row.emotion for row in rows} == {"0", "1", "-1.0"}
    assert any("0 = 0.0, 1 = 1.0" in note for note in notes)


def test_nobody_is_called_unknown(tmp_path):
    put(tmp_path, "1.wav", "2.wav")
    rows, _, _ = read(tmp_path, "file,emotion,speaker\n1.wav,happy,Unknown\n2.wav,sad,?\n")
    assert [row.actor for row in rows] == ["", ""]


def test_people_that_pandas_and_people_write_differently_are_one(tmp_path):
    put(tmp_path, *(f"{i}.wav" for i in range(8)))
    people = ("07", "7", "7.0", "Anna", "anna", " anna  ", "An na", "70")
    lines = "".join(f"{i}.wav,happy,{person}\n" for i, person in enumerate(people))
    rows, _, notes = read(tmp_path, "file,emotion,actor\n" + lines)
    assert len({row.actor for row in rows[:3]}) == 1
    assert {row.actor for row in rows[3:7]} == {"anna"}
    assert rows[7].actor == "70"
    assert any("anna = An na = Anna" in note for note in notes)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("sep=;\nfile;emotion;actor\n1.wav;happy;a,b\n", "utf-8"),
        ('"sep=|"\r\nfile|emotion|actor\r\n1.wav|happy|a,b\r\n', "utf-8-sig"),
        ("sep=\t\nfile\temotion\tactor\n1.wav\thappy\ta,b\n", "utf-8"),
        ("file\temotion\tactor\r\n1.wav\thappy\ta,b\r\n", "utf-16"),
        ("file|emotion|actor\n1.wav|happy|a,b\n\n", "utf-8"),
    ],
)
def test_spreadsheets_say_the_separator_in_their_own_way(tmp_path, text, encoding):
    rows, ignored, _ = read(put(tmp_path, "1.wav"), text, encoding=encoding)
    assert [(row.emotion, row.actor) for row in rows] == [("happy", "a,b")]
    assert not ignored


def test_lines_keep_their_numbers_below_a_line_about_the_separator(tmp_path):
    put(tmp_path, "1.wav")
    _, ignored, _ = read(tmp_path, "sep=;\nfile;emotion\n1.wav;happy\nabsent.wav;sad\n")
    assert ignored[0][1].startswith("clips.csv, line 4: ")


def test_parts_of_a_file_are_clips(tmp_path):
    put(tmp_path, "talk.mp4", "talk.wav", "other.wav")
    text = (
        "file;start;end;emotion;actor\ntalk.mp4;0,5;1,25;happy;anna\ntalk.mp4;1:02.5;;sad;bob\n"
        "talk.mp4;3;2;sad;bob\ntalk.mp4;x;2;sad;bob\ntalk.mp4;0.50;1.250;happy;anna\nother.wav;;;sad;bob\n"
    )
    rows, ignored, _ = read(tmp_path, text)
    assert [(r.clip, r.start_s, r.end_s, r.sound) for r in rows] == [
        ("other", "", "", "other.wav"),
        ("talk@0.5-1.25", "0.5", "1.25", "talk.wav"),
        ("talk@62.5-", "62.5", "", "talk.wav"),
    ]
    said = [reason.partition(": ")[2] for _, reason in ignored]
    assert said[0] == "ends at 2 s, but begins at 3 s"
    assert "'x' is no time" in said[1]
    assert "listed twice" in said[2]
    assert len(said) == 3


def test_names_of_columns_may_have_blanks(tmp_path):
    put(tmp_path, "a.wav")
    rows, _, notes = read(
        tmp_path, "File Name,Emotion,Speaker ID,Start Time,End  time\na.wav,sad,7,1,2\n"
    )
    assert [(row.actor, row.start_s, row.end_s) for row in rows] == [("7", "1", "2")]
    assert not any("not used" in note for note in notes)


@pytest.mark.parametrize(
    ("text", "value"), [("1.5", 1.5), ("1,5", 1.5), ("2:03", 123), ("1:00:00.5", 3600.5)]
)
def test_times(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["-1", "one", "1:2:3:4", "1.2.3", "inf"])
def test_what_is_no_time(text):
    with pytest.raises(ValueError, match="no time in seconds"):
        seconds(text)


def test_a_row_twice_and_a_label_twice(tmp_path):
    put(tmp_path, "1.wav", "2.wav")
    text = "file,emotion\n1.wav,happy\n1.wav,happy\n2.wav,sad\n2.wav,angry\n"
    rows, ignored, notes = read(tmp_path, text)
    assert [row.emotion for row in rows] == ["happy", "sad"]
    assert "first in clips.csv, line 2" in ignored[0][1]
    assert "'sad' in clips.csv, line 4" in ignored[1][1]
    assert any("1 lines give a clip another label" in note for note in notes)


def test_a_column_twice_and_more_cells_than_columns(tmp_path):
    put(tmp_path, "1.wav", "2.wav")
    with pytest.raises(UsageError, match="'emotion' is there twice"):
        read(tmp_path, "file,emotion,Emotion\n1.wav,happy,sad\n")
    _, ignored, _ = read(tmp_path, "file,emotion\n1.wav,happy,\n2.wav,sad,very\n")
    assert [("more cells" in reason) for _, reason in ignored] == [True]


def test_a_cell_that_can_be_no_name_of_a_file_stops_no_other(tmp_path):
    put(tmp_path, "1.wav")
    rows, ignored, _ = read(tmp_path, f"file,emotion\n{'a' * 300}.wav,sad\n1.wav,happy\n")
    assert [row.sound for row in rows] == ["1.wav"]
    assert "clips.csv, line 2: no such file" in ignored[0][1]


def test_votes_are_for_the_classes_of_the_clips(tmp_path):
    put(tmp_path, "1.wav", "2.wav", "3.wav", "4.wav")
    votes = ['{"Happiness": 3, "happy": 1, "Bored": 2}', "", "7", '{"happy": "many"}']
    lines = [
        json.dumps({"file": f"{i + 1}.wav", "emotion": "bored" if i else "joy", "votes": each})
        for i, each in enumerate(votes)
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    rows, ignored, _ = read(tmp_path)
    assert [(row.clip, row.emotion) for row in rows] == [("1", "happy"), ("2", "bored")]
    assert shares(rows[0].votes, ("happy", "bored")).tolist() == pytest.approx([4 / 6, 2 / 6])
    assert rows[1].votes == ""
    assert ["votes are written as" in reason for _, reason in ignored[:2]] == [True, True]


def test_columns_that_are_not_used_and_files_that_are_not_listed_are_named(tmp_path):
    put(tmp_path, "1.wav", "2.wav", "notes.txt")
    rows, ignored, notes = read(tmp_path, "file,emotion,arousal,onset2\n1.wav,happy,3,4\n")
    assert len(rows) == 1
    assert "clips.csv: columns that are not used: arousal, onset2" in notes
    assert dict(ignored) == {
        "2.wav": "not listed in clips.csv",
        "notes.txt": dict(ignored)["notes.txt"],
    }


def test_metadata_of_the_datasets_library(tmp_path):
    put(tmp_path, "data/1.wav", "data/2.wav")
    rows, ignored, notes = read(tmp_path, "file_name,label,speaker_id\n1.wav,Anger,7\n2.wav,joy,8\n",
                                name="data/metadata.csv")  # fmt: skip
    assert [(row.sound, row.emotion, row.actor) for row in rows] == [
        ("data/1.wav", "angry", "7"), ("data/2.wav", "happy", "8"),
    ]  # fmt: skip
    assert notes[0].startswith("read as data/metadata.csv: ")
    assert not ignored


def test_metadata_in_the_folders_of_the_parts(tmp_path):
    for part in ("train", "validation", "test"):
        put(tmp_path, f"{part}/1.wav", f"{part}/2.wav")
        lines = [{"file_name": f"{i}.wav", "label": e} for i, e in ((1, "happy"), (2, "sad"))]
        text = "\n".join(map(json.dumps, lines))
        (tmp_path / part / "metadata.jsonl").write_text(text + "\n")
    rows, ignored, _ = read(tmp_path)
    assert [(row.clip, row.part) for row in rows] == [
        (f"{part}/{i}", part) for part in ("test", "train", "validation") for i in (1, 2)
    ]
    assert not ignored


def test_a_column_of_parts(tmp_path):
    put(tmp_path, *(f"{i}.wav" for i in range(4)))
    text = "file,emotion,split\n0.wav,happy,Train\n1.wav,sad,dev\n2.wav,sad,test\n3.wav,sad,\n"
    assert [row.part for row in read(tmp_path, text)[0]] == ["train", "validation", "test", ""]


def test_metadata_about_something_else_leaves_the_folders_to_speak(tmp_path):
    put(tmp_path, "happy/1.wav", "sad/1.wav")
    rows, ignored, notes = read(tmp_path, "id,text\n1,hello\n", name="metadata.csv")
    assert {row.emotion for row in rows} == {"happy", "sad"}
    assert any("metadata.csv: has no columns file_name" in note for note in notes)
    assert [file for file, _ in ignored] == ["metadata.csv"]


def test_table_and_layout_exclude_each_other(tmp_path):
    put(tmp_path, "happy/1.wav", "sad/1.wav")
    with pytest.raises(UsageError, match="not both"):
        read(
            tmp_path,
            "file,emotion\nhappy/1.wav,sad\n",
            name="mine.csv",
            table="mine.csv",
            layout="emotion",
        )
    (tmp_path / "clips.csv").write_bytes(b"file,emotion\n\x00")
    with pytest.raises(EmotionNetError):
        read(tmp_path)
    rows, ignored, _ = read(tmp_path, layout="emotion")  # what is asked for counts
    assert len(rows) == 2
    assert "clips.csv" in dict(ignored)


def test_names_in_another_form_of_unicode_are_found(tmp_path):
    put(tmp_path, "cafe\u0301.wav")
    rows, _, _ = read(tmp_path, "file,emotion\ncaf\u00e9.wav,happy\n")
    assert (tmp_path / rows[0].sound).is_file()


def test_rows_without_parts_and_times_keep_the_hash_that_they_had(tmp_path):
    put(tmp_path, "happy/a.wav")
    rows, _, _ = read(tmp_path)
    assert manifest_hash(rows) == "6b84fbebb7677bc2a681cdf5a1e042727eca4fe444788be965d54f6d00bdcd91"
