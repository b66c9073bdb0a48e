from clustem.formats import formats_text
from clustem.formats.registry import FORMATS


def test_the_table_has_every_format():
    lines = formats_text().splitlines()
    assert lines[0].split() == ["format", "files", "lazy", "calibration"]
    assert len(lines) == len(FORMATS) + 1
    for line, entry in zip(lines[1:], FORMATS, strict=True):
        assert line.startswith(entry.name)
        assert " ".join(entry.endings) in line
    assert [line.split()[0] for line in lines if "unless compressed" in line] == ["NumPy", "Panta"]


def test_the_page_of_formats_names_every_ending():
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    assert [ending for entry in FORMATS for ending in entry.endings if f"`{ending}`" not in page] == []
