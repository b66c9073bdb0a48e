import pytest

from clustem.tables import size_text, table_text


def test_names_are_aligned_and_none_is_left_out():
    text = table_text("Title", [("a", 1), ("long name", "x"), ("missing", None), ("zero", 0)])
    assert text == "Title\n  a          1\n  long name  x\n  zero       0"


def test_a_table_without_rows_is_its_title():
    assert table_text("Title", []) == "Title"
    assert table_text("Title", [("gone", None)]) == "Title"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (12_345, "12.3 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (19_327_352_832, "19.3 GB"),
        (2_500_000_000_000, "2.5 TB"),
        (3_000_000_000_000_000, "3e+03 TB"),
    ],
)
def test_sizes(number, text):
    assert size_text(number) == text
