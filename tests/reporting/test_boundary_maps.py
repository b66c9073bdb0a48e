from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from clustem.crystallography import misorientation_table
from clustem.reporting import plot_boundary_map, plot_internal_misorientation, plot_misorientation_histogram
from clustem.reporting.boundary_maps import boundary_edges

from .answers import orientations_by_hand, position_maps_by_hand


def lines_of(axes):
    return next(artist for artist in axes.collections if isinstance(artist, LineCollection))


def test_edges_lie_between_their_domains(four_domains):
    table = misorientation_table(orientations_by_hand(4), four_domains.domains)
    edges, rows = boundary_edges(four_domains.domains.labels, table)
    between = edges[rows == table.index[(table["label"] == 1) & (table["neighbour"] == 2)][0]]
    assert len(between) == 6
    assert (between[..., 0] == 7.5).all()
    assert sorted(between[:, 0, 1]) == [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5]
    assert (between[:, 1] - between[:, 0]).tolist() == [[0, 1]] * 6


def test_twins_are_named_and_ambiguous_boundaries_thin(four_domains):
    found = orientations_by_hand(4)
    table = misorientation_table(found, four_domains.domains)
    figure = plot_boundary_map(table, four_domains.domains)
    axes = figure.axes[0]
    names = {text.get_text(): text.get_position() for text in axes.texts if "Σ" in text.get_text()}
    assert set(names) == {"Σ3", "Σ13a"}  # 20° about [001] is 2.6° from 22.6°
    widths = lines_of(axes).get_linewidths()
    _, rows = boundary_edges(four_domains.domains.labels, table)
    unsure = table["ambiguous"].to_numpy()[rows]
    assert max(np.array(widths)[unsure]) < min(np.array(widths)[~unsure])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["of an ambiguous domain"]


def test_boundaries_of_phases_are_black_and_unknown_ones_grey(four_domains):
    found = orientations_by_hand(4, iron=True)
    lost = replace(
        found,
        rotation=np.where(np.arange(4)[:, None, None] == 0, np.nan, found.rotation),
        phase=np.where(np.arange(4) == 0, "", found.phase),
    )
    table = misorientation_table(lost, four_domains.domains)
    figure = plot_boundary_map(table, four_domains.domains)
    _, rows = boundary_edges(four_domains.domains.labels, table)
    colours = lines_of(figure.axes[0]).get_colors()[:, :3]
    phases = (table["phase"] != table["neighbour_phase"]) & (table["phase"] != "")
    np.testing.assert_allclose(colours[phases.to_numpy()[rows]], 0)
    np.testing.assert_allclose(colours[(table["phase"] == "").to_numpy()[rows]], 0.6)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["between phases", "no orientation"]


def test_the_histogram_holds_the_length_of_all_boundaries(four_domains):
    table = misorientation_table(orientations_by_hand(4), four_domains.domains)
    axes = plot_misorientation_histogram(table).axes[0]
    assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(table["length_nm"].sum())
    assert axes.get_ylabel() == "length (nm)"


def test_bending_shows_inside_domains_only_beside_its_error(four_domains):
    maps = position_maps_by_hand(four_domains.domains.labels)
    figure = plot_internal_misorientation(maps, four_domains.domains)
    left, middle, right = (axes for axes in figure.axes if axes.get_title(loc="left"))
    assert left.images[0].get_array().max() < 1.0
    assert left.images[0].get_array().mask[0, 0]
    np.testing.assert_allclose(middle.images[0].get_array()[8, [0, 7, 8, 15]], [3.5, 3.5, 3.5, 3.5], atol=1e-6)
    assert right.images[0].get_array().max() == 0.3
