import numpy as np
import pytest
from matplotlib.patches import PathPatch

from clustem.reporting import plot_orientation_maps, plot_phase_map
from clustem.reporting.colours import PALETTE
from clustem.reporting.orientation_colours import SAMPLE_AXES, orientation_colours
from clustem.reporting.sheets import PAGE, publication

from .answers import orientations_by_hand


def titles(figure):
    return [title for axes in figure.axes if (title := axes.get_title(loc="left") or axes.get_title())]


def hatched(axes):
    return [patch for patch in axes.patches if isinstance(patch, PathPatch) and patch.get_hatch()]


def test_three_directions_have_their_colours_and_one_key(four_domains):
    found = orientations_by_hand(4)
    figure = plot_orientation_maps(found, four_domains.domains)
    maps = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in maps] == ["Along z (beam)", "Along x (right)", "Along y (down)"]
    labels = four_domains.domains.labels
    for axes, name in zip(maps, "zxy", strict=True):
        expected = orientation_colours(found, SAMPLE_AXES[name])[labels]
        np.testing.assert_allclose(axes.images[0].get_array() / 255, expected, atol=1 / 255)
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["Au"]


def test_ambiguous_domains_are_hatched_and_the_legend_says_so(four_domains):
    figure = plot_orientation_maps(orientations_by_hand(4), four_domains.domains)
    (patch,) = hatched(figure.axes[0])
    x, y = patch.get_path().vertices.T
    assert (x.min(), x.max()) == (7.5, 15.5)  # domain 2, upper right
    assert (y.min(), y.max()) == (-0.5, 5.5)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ambiguous orientation", "unassigned"]


def test_without_orientations_all_is_grey(four_domains):
    figure = plot_orientation_maps(orientations_by_hand(4, none=True), four_domains.domains)
    assert not hatched(figure.axes[0])
    assert "no orientation" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_one_crystal_has_no_map_of_phases(four_domains):
    assert titles(plot_phase_map(orientations_by_hand(4), four_domains.domains)) == [
        "Probability of the orientation",
        "Standard error of the tilt",
    ]


def test_phases_have_their_colours_and_shares(four_domains):
    figure = plot_phase_map(orientations_by_hand(4, iron=True), four_domains.domains)
    assert titles(figure)[:2] == ["Phase", "Reliability of the phase"]
    image, labels = figure.axes[0].images[0].get_array() / 255, four_domains.domains.labels
    np.testing.assert_allclose(image[labels == 4][:, :3], np.tile(PALETTE[1], (48, 1)), atol=1 / 255)
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["Au\n74%", "Fe\n25%"]


def test_values_stand_at_their_domains(four_domains):
    axes = plot_phase_map(orientations_by_hand(4), four_domains.domains).axes[0]
    shown, labels = axes.images[0].get_array(), four_domains.domains.labels
    assert shown[labels == 2].max() == 0.5
    assert shown.mask[0, 0]


@pytest.mark.parametrize("labels", [np.ones((2, 300), int), np.ones((300, 2), int), np.ones((1, 1), int)])
def test_pages_of_journals_are_not_exceeded(make_results, labels):
    figure = publication(plot_orientation_maps)(orientations_by_hand(1), make_results(labels).domains)
    assert figure.get_figwidth() < PAGE + 1e-6
