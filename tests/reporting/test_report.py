import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from clustem.calibration import Calibration
from clustem.reporting import render_report
from clustem.reporting.numerals import column_texts, number_text


class Page(HTMLParser):
    """Collects addresses, headings, table rows and text of a page, and checks that tags close in order."""

    VOID = ("meta", "img")

    def __init__(self, text):
        super().__init__()
        self.addresses, self.open, self.words, self.tags = [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(flawed):
    return render_report(flawed)


def test_the_page_needs_nothing_from_outside(page):
    parsed = Page(page)
    assert len(parsed.addresses) == 7  # map, images, patterns, displacement, gallery, sizes, gain
    assert all(address.startswith("data:image/png;base64,") for address in parsed.addresses)
    assert not {"script", "link", "iframe", "object"} & set(parsed.tags)
    assert "url(" not in page
    assert "@import" not in page
    assert not re.search(r"https?://", page)


def test_the_same_results_give_the_same_bytes(page, flawed):
    assert render_report(flawed) == page


def test_text_is_escaped(page):
    assert "<b>bold" not in page
    assert "a &lt;b&gt;bold&lt;/b&gt; &amp; name" in page
    assert "1 &lt; 2 patterns are dead" in page


def test_the_summary_says_what_was_found(page):
    text = Page(page).text
    assert "4 domains · 0.5% of 192 positions unassigned · signal-to-noise gain 6.93× (median)" in text
    assert "threshold chosen by hand" in text
    assert "Hot pixels (squares): 1; dead pixels (diamonds): 1; all pixels that are not used (red): 2." in text
    assert "All 4 domains; with full digits they are in domains.csv" in text


def test_the_default_says_how_sure_it_is(behind_noise):
    page = render_report(behind_noise)
    parsed = Page(page)
    assert len(parsed.addresses) == 7  # map, certainty, images, patterns, gallery, sizes, gain
    assert "found behind the noise" in parsed.text
    # 16 of the 191 assigned positions have a largest share of 0.6
    assert (
        "Confidence: median 0.62, least 0.25 (domain 4); 8% of the assigned patterns are mixtures, with less"
    ) in parsed.text
    assert "explains (crosses): 1." in parsed.text
    assert '<th scope="col">confidence</th>' in page
    assert "mean similarity" not in page
    assert "<td>0.750</td>" in page


def test_methods_without_confidence_show_none(page):
    assert "How sure" not in page
    assert "Confidence" not in page


@pytest.mark.parametrize("labels", [np.zeros((5, 6)), np.ones((5, 6)), np.ones((1, 1))])
def test_the_default_has_a_report_of_no_and_of_one_domain(make_behind_noise, labels):
    text = Page(render_report(make_behind_noise(labels))).text
    assert ("Confidence: median 1.00; 0% of the assigned" in text) == bool(labels.any())


def test_recipe_and_provenance_are_listed(page):
    assert re.search(r'<th scope="row">threshold</th><td>0.8 \(chosen\)</td>', page)
    assert re.search(r'<th scope="row">scan_step_nm</th><td>0.4</td>', page)
    assert re.search(r'<th scope="row">energy_keV</th><td>not calibrated</td>', page)
    assert re.search(r'<th scope="row">min_size</th><td>5</td>', page)
    assert re.search(r'<th scope="row">input</th><td>made by hand</td>', page)


def test_the_table_holds_the_largest_200_domains(make_results):
    sizes = np.where(np.arange(230) == 100, 3, 1)
    results = make_results(np.repeat(np.arange(1, 231), sizes)[None], detector=(8, 8))
    text = render_report(results)
    rows = re.findall(r"<tr><td>(\d+)</td><td>(\d+)</td>", text)
    assert len(rows) == 200
    assert rows[0] == ("101", "3")
    assert "The 200 largest of 230 domains; all are in" in text
    assert "The 24 largest of 230 domains" in text


@pytest.mark.parametrize(
    ("labels", "calibration", "detector"),
    [
        (np.zeros((5, 6)), Calibration(), (20, 30)),
        (np.ones((5, 6)), Calibration(scan_step_nm=(2.0, 1.0)), (30, 20)),
        (np.ones((1, 1)), Calibration(), (8, 8)),
        (np.arange(1, 31)[None] // 4, Calibration(inv_angstrom_per_px=0.1), (16, 16)),
        (np.arange(1, 31)[:, None], Calibration(scan_step_nm=5000.0), (16, 16)),
    ],
    ids=["no domain", "one domain", "one position", "one row", "one column"],
)
def test_unusual_scans_have_a_report(make_results, labels, calibration, detector):
    results = make_results(labels, calibration=calibration, detector=detector)
    survey = replace(results.survey, beam_radius_px=np.nan, bright_field=np.full(labels.shape, np.nan))
    text = Page(render_report(replace(results, survey=survey))).text
    number = results.domains.number
    assert f"{number} domain{'s' * (number != 1)} ·" in text
    assert ("No domains were found." in text) == (number == 0)
    assert "No direct beam was found" in text


def test_intensities_are_not_called_electrons(make_results):
    results = make_results(np.ones((4, 4)))
    text = Page(render_report(replace(results, survey=replace(results.survey, is_counts=False)))).text
    assert "electrons" not in text
    assert "intensity per position" in text


def test_one_domain_is_not_ranked(make_results):
    text = Page(render_report(make_results(np.ones((4, 4))))).text
    assert "The only domain: left the average" in text
    assert "largest first" not in text


def test_a_large_noisy_scan_stays_small(make_results):
    rng = np.random.default_rng(1)
    results = make_results(np.arange(1, 37).reshape(6, 6), detector=(256, 256))
    noise = rng.random((700, 700))
    labels = np.kron(results.domains.labels, np.ones((117, 117), np.int32))[:700, :700]
    survey = replace(
        results.survey,
        shape=(700, 700, 256, 256),
        total=noise,
        bright_field=noise,
        annular_dark_field=noise,
        descan_px=np.zeros((700, 700, 2)),
        dead_positions=noise < 1e-5,
    )
    domains = replace(results.domains, labels=labels, similarity=noise)
    assert len(render_report(replace(results, survey=survey, domains=domains))) < 8e6


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (0.5, "0.5"),
        (-3.14159, "−3.14"),
        (1234, "1,234"),
        (123456.0, "1.23×10⁵"),
        (1e-9, "1×10⁻⁹"),
        ("a", "a"),
    ],
)
def test_numbers_are_written_for_people(value, expected):
    assert number_text(value) == expected


def test_columns_share_their_decimals():
    assert column_texts([2.0, 31.456, float("nan")]) == ["2.00", "31.46", "–"]
    assert column_texts([3, 40]) == ["3", "40"]
    assert column_texts([5e9, 1.0]) == ["5×10⁹", "1"]
    assert column_texts([]) == []
