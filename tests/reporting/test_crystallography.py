import io
from dataclasses import replace

import numpy as np
import pytest

from clustem.calibration import Calibration
from clustem.crystallography.orientations import SURE
from clustem.reporting import render_report, write_figures
from clustem.reporting.crystallography import (
    BOUNDARY_ROWS,
    MOST_LABELS,
    crystallography_figures,
    describe_crystallography,
)
from clustem.reporting.sheets import PAGE, publication

from .answers import strain_by_hand, with_answers
from .test_report import Page


@pytest.fixture(scope="module")
def answered(four_domains):
    return with_answers(four_domains)


def test_the_page_has_the_figures_of_what_was_measured(make_results):
    page = render_report(with_answers(make_results(np.arange(1, 25)[None] // 9 + 1, detector=(16, 16))))
    parsed = Page(page)
    # map, images, patterns, gallery, sizes, gain; orientations, phases, boundaries, strain, indexed, internal, position
    # strain; too few boundaries for a histogram
    assert len(parsed.addresses) == 13
    assert "All domains, largest first." in parsed.text
    assert "Strain at every position" in parsed.text
    assert "3 of 3 oriented, 1 ambiguous" in parsed.text
    assert f"below {SURE:g} it is called ambiguous" in parsed.text
    assert page.count("<section>") == page.count("</section>")


def test_words_say_what_was_found(answered):
    section = describe_crystallography(answered)
    text = " ".join(section.sentences)
    assert "8 peaks in 4 averages, 2 in the median." in text
    assert "4 of 4 domains have an orientation, 1 of them ambiguous" in text
    assert "Phases: Au 4." in text
    assert "0.38° of the tilt" in text
    assert "1.0000 times as long as those of the crystal (median)" in text
    assert " ".join(section.strained) == (
        "3 of 4 domains have a strain, relative to the cell of the crystal. Standard error 0.03% in the median. "
        "1 without (4): no orientation."
    )


def test_boundaries_are_counted_by_their_coincidence(answered):
    section = describe_crystallography(answered)
    first, second = section.boundaries
    assert first.startswith("4 boundaries between two orientations of one phase, 9.73 nm long.")
    assert second == "Coincidences: Σ3 2 (4.86 nm); Σ13a 2 (4.86 nm)."
    assert len(section.boundary_rows) == 4
    assert any("60.00° ± " in cell for row in section.boundary_rows for cell in row)


def test_the_table_has_a_row_per_domain_the_largest_first(answered):
    section = describe_crystallography(answered)
    rows = [dict(zip(section.heading, row, strict=True)) for row in section.rows]
    assert [row["label"] for row in rows] == ["2", "3", "4", "1"]
    assert rows[3]["along the beam"] == "⟨100⟩ + 0.0°"
    assert rows[0]["ambiguous"] == "yes"
    assert rows[1]["e_xx (%)"] == "+0.20 ± 0.03"
    assert rows[2]["e_yy (%)"] == "–"
    assert rows[2]["why not"] == "no orientation"


def test_reasons_are_given_where_nothing_has_an_orientation(four_domains):
    results = with_answers(four_domains, none=True)
    section = describe_crystallography(results)
    text = " ".join(section.sentences)
    assert "No domain of 4 has an orientation. 4 without (1, 2, 3, 4): no crystal explains the peaks." in text
    assert dict(zip(section.heading, section.rows[0], strict=True))["ambiguous"] == "–"
    assert [name for name, _ in crystallography_figures(results)] == ["strain", "indexed"]
    assert section.boundaries == ["4 boundaries, none of them between two orientations of one phase."]
    assert section.boundary_rows == []


def test_of_many_domains_without_an_orientation_some_are_named(make_results):
    results = with_answers(make_results(np.arange(1, 61).reshape(6, 10), detector=(16, 16)), none=True)
    text = " ".join(describe_crystallography(results).sentences)
    named = ", ".join(str(label) for label in range(1, MOST_LABELS + 1))
    assert f"60 without ({named} and {60 - MOST_LABELS} more): no crystal explains the peaks." in text


def test_a_single_domain_is_spoken_of_as_one(make_results):
    results = with_answers(make_results(np.ones((3, 3)), detector=(16, 16)))
    assert "The only domain has an orientation, 0 of them ambiguous." not in describe_crystallography(results).sentences
    assert "The only domain has an orientation." in describe_crystallography(results).sentences
    nothing = describe_crystallography(with_answers(results, none=True))
    assert "The only domain has no orientation." in nothing.sentences


def test_that_boundaries_are_left_out_of_the_table_is_said(make_results):
    few = render_report(with_answers(make_results(np.ones((2, 9)).cumsum(axis=1) // 4, detector=(16, 16))))
    assert "Boundaries with an angle, the longest first; all are in <code>boundaries.csv" in few
    many = render_report(with_answers(make_results(np.arange(1, 61).reshape(6, 10), detector=(16, 16))))
    assert f"The {BOUNDARY_ROWS} longest of 104 boundaries with an angle; all are in" in many


def test_without_a_crystal_there_are_peaks_and_strain_alone(answered):
    lattices = replace(answered, orientations=None, position_maps=None, strain=strain_by_hand(4, rotation=True))
    section = describe_crystallography(lattices)
    assert "Without a crystal there are no orientations." in section.sentences
    assert section.heading == ["label", "peaks", "e_xx (%)", "e_yy (%)", "e_xy (%)", "ω (°)", "why not"]
    assert "relative to the median of its lattice" in section.strained[0]
    assert [name for name, _ in crystallography_figures(lattices)] == ["strain", "indexed"]


def test_nothing_is_said_of_what_was_not_asked_for(four_domains):
    assert describe_crystallography(four_domains) is None
    assert list(crystallography_figures(four_domains)) == []


@pytest.mark.parametrize(
    ("labels", "calibration"),
    [
        (np.ones((1, 1)), Calibration()),
        (np.arange(1, 61).reshape(6, 10), Calibration(scan_step_nm=(2.0, 1.0))),
    ],
    ids=["one position", "many domains"],
)
def test_unusual_scans_have_a_bounded_section(make_results, labels, calibration):
    results = with_answers(make_results(labels, calibration=calibration, detector=(16, 16)), iron=True)
    names = [name for name, _ in crystallography_figures(results)]
    number = results.domains.number
    assert ("boundaries" in names) == (number > 1)
    assert ("misorientations" in names) == (number > 20)
    section = describe_crystallography(results)
    assert section.patterns == min(number, 12)
    assert len(section.boundary_rows) <= BOUNDARY_ROWS
    assert len(section.rows) == number
    assert ("length (nm)" in section.boundary_heading) == (calibration.scan_step_nm is not None)


def test_figures_for_publication_include_them_on_one_page(answered):
    figures = dict(crystallography_figures(answered, publication))
    names = ["orientations", "phases", "boundaries", "strain", "indexed", "internal", "position_strain"]
    assert list(figures) == names
    assert max(figure.get_figwidth() for figure in figures.values()) < PAGE + 1e-6
    text = io.StringIO()
    figures["indexed"].savefig(text, format="svg", dpi=72)
    assert text.getvalue().count("<image") == 4  # the patterns, and no glyph was missing


def test_files_of_figures_include_them(make_results, tmp_path):
    results = with_answers(make_results(np.ones((2, 40)), detector=(16, 16)))
    write_figures(replace(results, orientations=None, position_maps=None), tmp_path)
    assert {"strain.png", "strain.svg", "indexed.svg"} <= {path.name for path in (tmp_path / "figures").iterdir()}
