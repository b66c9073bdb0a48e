import numpy as np
from matplotlib.collections import EllipseCollection, PathCollection
from matplotlib.colors import to_rgba

from clustem.reporting import plot_indexed_patterns
from clustem.reporting.indexed_patterns import EXPLAINED, UNEXPLAINED

from .answers import orientations_by_hand, peaks_by_hand, strain_by_hand


def artists(axes, kind):
    return [artist for artist in axes.collections if isinstance(artist, kind)]


def test_circles_stand_at_the_peaks_and_tell_which_are_explained(four_domains):
    axes = plot_indexed_patterns(four_domains.averages, peaks_by_hand(4), orientations_by_hand(4)).axes[0]
    (circles,) = artists(axes, EllipseCollection)
    np.testing.assert_allclose(circles.get_offsets(), [[20.5, 11.5], [11.5, 2.5]])
    np.testing.assert_allclose(circles.get_edgecolors(), [to_rgba(EXPLAINED), to_rgba(UNEXPLAINED)])
    assert circles.get_linewidths()[0] > circles.get_linewidths()[1]


def test_crosses_stand_where_the_crystal_has_reflections(four_domains):
    figure = plot_indexed_patterns(four_domains.averages, peaks_by_hand(4), orientations_by_hand(4))
    axes = next(axes for axes in figure.axes if axes.texts[-1].get_text().startswith("1 "))
    crosses = np.array(artists(axes, PathCollection)[0].get_offsets())
    expected = 11.5 + np.array([2, 0]) / 4.0782 / 0.05  # of 200 along x
    assert np.abs(crosses - [expected[0], 11.5]).max(axis=1).min() < 1e-6
    named = {text.get_text() for text in axes.texts}
    assert {"$200$", r"$\bar{2}00$"} <= named


def test_headings_say_what_was_found(four_domains):
    figure = plot_indexed_patterns(four_domains.averages, peaks_by_hand(4), orientations_by_hand(4))
    headings = [axes.texts[-1].get_text() for axes in figure.axes]
    largest = [text for text in headings if text.startswith("2 ")]
    assert "2 peaks" in largest[0]
    assert "Au $[" in largest[0]
    assert "probability 0.50, ambiguous" in largest[0]


def test_a_pattern_without_an_orientation_says_why_and_has_no_crosses(four_domains):
    figure = plot_indexed_patterns(four_domains.averages, peaks_by_hand(4), orientations_by_hand(4, none=True))
    assert all("no orientation: no crystal explains the peaks" in axes.texts[-1].get_text() for axes in figure.axes)
    assert not any(artists(axes, PathCollection) for axes in figure.axes)


def test_lattices_have_their_points(four_domains):
    figure = plot_indexed_patterns(four_domains.averages, peaks_by_hand(4), strain=strain_by_hand(4))
    by_label = {axes.texts[-1].get_text()[0]: axes for axes in figure.axes}
    np.testing.assert_allclose(artists(by_label["1"], PathCollection)[0].get_offsets(), [[20.5, 11.5]])
    assert not artists(by_label["4"], PathCollection)
    assert "lattice" in figure.legends[0].get_texts()[0].get_text()


def test_peaks_alone_have_circles_alone(four_domains):
    figure = plot_indexed_patterns(four_domains.averages, peaks_by_hand(4), number=2)
    assert len(figure.axes) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["peak"]
