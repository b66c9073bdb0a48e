from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import LogNorm
from matplotlib.patches import Circle

from clustem.calibration import Calibration
from clustem.reporting import domain_colours, plot_gallery, plot_mean_patterns


def patterns(figure):
    return [axes for axes in figure.axes if axes.images and axes.get_title(loc="left").endswith("pattern")]


def test_axes_are_in_reciprocal_angstrom_from_the_beam_centre(four_domains):
    survey = replace(four_domains.survey, centre_px=np.array([10.0, 12.0]))
    for axes in patterns(plot_mean_patterns(survey)):
        assert axes.get_xlabel() == "$k_x$ (1/Å)"
        left, right, bottom, top = axes.images[0].get_extent()
        assert (left, right) == pytest.approx((-12.5 * 0.05, 11.5 * 0.05))
        assert (bottom, top) == pytest.approx((13.5 * 0.05, -10.5 * 0.05))
        circle = next(patch for patch in axes.patches if isinstance(patch, Circle))
        assert circle.center == (0, 0)
        assert circle.radius == pytest.approx(2.5 * 0.05)
        assert isinstance(axes.images[0].norm, LogNorm)


def test_without_calibration_and_beam_axes_are_in_px_and_there_is_no_circle(four_domains):
    survey = replace(four_domains.survey, calibration=Calibration(), beam_radius_px=np.nan)
    for axes in patterns(plot_mean_patterns(survey)):
        assert axes.get_xlabel() == "$k_x$ (px)"
        assert axes.images[0].get_extent() == [-12, 12, 12, -12]
        assert not axes.patches


def test_bad_pixels_are_marked_where_they_are(flawed):
    axes = patterns(plot_mean_patterns(flawed.survey))[0]
    marks = {line.get_label(): line.get_xydata()[0] for line in axes.lines if line.get_label() in ("hot", "dead")}
    np.testing.assert_allclose(marks["hot"], [(3 - 11.5) * 0.05, (2 - 11.5) * 0.05])
    np.testing.assert_allclose(marks["dead"], [(3 - 11.5) * 0.05, (21 - 11.5) * 0.05])
    assert axes.images[0].get_array().mask[2, 3]


@pytest.mark.parametrize("level", [0.0, -1.0])
def test_patterns_without_a_positive_value_are_drawn(four_domains, level):
    nothing = np.full(four_domains.survey.mean.shape, level)
    figure = plot_mean_patterns(replace(four_domains.survey, mean=nothing, maximum=nothing))
    assert (patterns(figure)[0].images[0].get_array() == level).all()


def test_the_gallery_shows_the_largest_domains_beside_one_pattern(make_results):
    labels = np.repeat([1, 2, 2, 3, 3, 3], 4)[None] * np.ones((5, 1), int)
    results = make_results(labels)
    axes = plot_gallery(results, number=2).axes
    assert len(axes) == 4
    assert [axes[i].texts[0].get_text() for i in (0, 2)] == ["3", "2"]
    assert axes[0].texts[1].get_text().startswith("60 positions")
    np.testing.assert_allclose(axes[0].images[0].get_array(), results.averages.patterns[2])
    np.testing.assert_allclose(axes[1].images[0].get_array(), results.averages.examples[2])
    assert axes[0].images[0].get_clim() == axes[1].images[0].get_clim()
    badge = axes[2].texts[0].get_bbox_patch().get_facecolor()
    np.testing.assert_allclose(badge, domain_colours(labels)[2])


def test_a_domain_of_one_position_says_that_its_gain_is_not_measured(make_results):
    axes = plot_gallery(make_results(np.array([[1, 0, 0]]))).axes[0]
    assert axes.texts[1].get_text().startswith("1 position,")
    assert axes.texts[2].get_text().startswith("SNR not measured")
