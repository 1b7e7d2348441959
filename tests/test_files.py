"""What is written to a disk."""

from emotionnet.files import write_csv


def test_a_table_has_the_columns_of_all_rows_in_the_order_in_which_they_come(tmp_path):
    table = tmp_path / "a.csv"
    write_csv(table, iter([{"a": 1, "b": None}, {"c": 2.5, "a": ""}]))
    assert table.read_text(encoding="utf-8") == "a,b,c\n1,,\n,,2.5\n"
