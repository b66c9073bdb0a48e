import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from clustem.reporting.publication import publication_averages, publication_map, publication_outlines, write_figures

MM = 25.4


def test_widths_are_those_of_journals(four_domains):
    assert publication_map(four_domains).get_figwidth() * MM == pytest.approx(85)
    assert publication_outlines(four_domains).get_figwidth() * MM == pytest.approx(85)
    assert publication_averages(four_domains).get_figwidth() * MM == pytest.approx(175)


@pytest.mark.parametrize("labels", [np.ones((2, 300), int), np.ones((300, 2), int), np.ones((1, 1), int)])
def test_elongated_scans_stay_on_the_page(make_results, labels):
    figure = publication_map(make_results(labels))
    width, height = figure.get_size_inches() * MM
    assert width <= 85.001
    assert 5 < height <= 206


def test_svg_has_text_and_areas_that_can_be_edited(four_domains, tmp_path):
    write_figures(four_domains, tmp_path)
    tree = ET.parse(tmp_path / "figures" / "domains.svg")
    texts = ["".join(item.itertext()).strip() for item in tree.iter() if item.tag.endswith("}text")]
    assert {"1", "2", "3", "4"} <= set(texts)
    assert any(text.endswith("nm") for text in texts)
    identities = {item.get("id") for item in tree.iter()}
    assert {f"domain-{label}" for label in range(1, 5)} <= identities
    assert re.match(r"[\d.]+pt", tree.getroot().get("width", ""))


def test_the_same_bytes_and_no_dates_whatever_the_settings(four_domains, tmp_path):
    for name in ("first", "again"):
        (tmp_path / name).mkdir()
    write_figures(four_domains, tmp_path / "first")
    with mpl.rc_context({"font.size": 20, "savefig.dpi": 30, "axes.facecolor": "red"}):
        write_figures(four_domains, tmp_path / "again")
    names = sorted(path.name for path in (tmp_path / "first" / "figures").iterdir())
    assert names == [f"{name}.{kind}" for name in ("averages", "domains", "outlines") for kind in ("png", "svg")]
    for name in names:
        content = (tmp_path / "first" / "figures" / name).read_bytes()
        assert content == (tmp_path / "again" / "figures" / name).read_bytes()
        assert b"<dc:date>" not in content


def test_png_has_600_pixels_per_inch(four_domains, tmp_path):
    write_figures(four_domains, tmp_path)
    with Image.open(tmp_path / "figures" / "domains.png") as image:
        assert image.info["dpi"] == pytest.approx((600, 600), abs=0.1)
        assert image.size[0] == pytest.approx(85 / MM * 600, abs=1)


def test_without_domains_there_are_no_averages(make_results, tmp_path):
    write_figures(make_results(np.zeros((4, 5), int)), tmp_path)
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {"domains", "outlines"}
