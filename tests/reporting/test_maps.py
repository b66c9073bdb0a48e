from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from matplotlib.collections import LineCollection

from clustem.calibration import Calibration
from clustem.reporting import domain_colours, plot_beam_displacement, plot_certainty, plot_domain_map, plot_scan_images
from clustem.reporting.maps import widest_places


def outlines(axes):
    return next(artist for artist in axes.collections if isinstance(artist, LineCollection))


def test_outlines_are_drawn_in_scan_positions_x_across(four_domains):
    left, right = plot_domain_map(four_domains).axes
    expected = [line for _, lines in sorted(four_domains.contours.items()) for line in lines]
    for axes in (left, right):
        segments = outlines(axes).get_segments()
        assert len(segments) == len(expected)
        for segment, line in zip(segments, expected, strict=True):
            np.testing.assert_allclose(segment, line[:, ::-1])
    lower_right = four_domains.contours[4][0]
    assert lower_right[:, 0].min() > 5 - 0.01  # rows 6 … 11 of 12
    assert lower_right[:, 1].min() > 7 - 0.01  # columns 8 … 15 of 16
    np.testing.assert_allclose(outlines(right).get_colors(), domain_colours(four_domains.domains.labels)[1:])


def test_domains_have_their_colours_and_numbers_inside(four_domains):
    axes = plot_domain_map(four_domains).axes[0]
    labels = four_domains.domains.labels
    shown = axes.images[0].get_array()
    np.testing.assert_allclose(shown / 255, domain_colours(labels)[labels], atol=1 / 255)
    numbers = {text.get_text(): text.get_position() for text in axes.texts}
    assert set(numbers) == {"1", "2", "3", "4"}
    assert all(labels[round(y), round(x)] == int(text) for text, (x, y) in numbers.items())


def test_small_domains_have_no_number(make_results):
    labels = np.ones((200, 200), np.int32)
    labels[100, 100] = 2
    axes = plot_domain_map(make_results(labels, detector=(8, 8))).axes[0]
    assert [text.get_text() for text in axes.texts] == ["1"]


def test_numbers_do_not_stand_on_lone_positions(make_results):
    labels = np.zeros((40, 40), np.int32)
    labels[5:20, 10] = 1
    labels[np.arange(25, 30), np.arange(25, 30)] = 2
    axes = plot_domain_map(make_results(labels, detector=(8, 8))).axes[0]
    assert [text.get_text() for text in axes.texts] == ["1"]


@settings(max_examples=100, deadline=None)
@given(arrays(np.int32, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 5)))
def test_widest_places_lie_inside_their_domains(labels):
    places, radii = widest_places(labels, (1.0, 2.0))
    for label in range(1, labels.max() + 1):
        if (labels == label).any():
            y, x = places[label - 1].astype(int)
            assert labels[y, x] == label
            assert radii[label - 1] >= 0.25
        else:
            assert np.isnan(places[label - 1]).all()
            assert radii[label - 1] == 0


def test_the_widest_place_of_a_ring_is_on_the_ring_and_of_a_square_its_middle():
    labels = np.ones((9, 9), np.int32)
    labels[3:6, 3:6] = 2
    places, radii = widest_places(labels, (1.0, 1.0))
    assert labels[tuple(places[0].astype(int))] == 1
    assert tuple(places[1]) == (4, 4)
    assert radii[1] == 1.5


def test_dead_and_missing_positions_are_marked(flawed):
    panels = [axes for axes in plot_scan_images(flawed).axes if axes.images]
    assert [axes.get_title(loc="left") for axes in panels] == [
        "Total",
        "Bright field",
        "Annular dark field",
        "Mean similarity",
    ]
    for axes in panels:
        shown = axes.images[0].get_array()
        assert shown.mask[3, 4]
        assert shown.mask.sum() == 1
        red, green, blue, _ = axes.images[0].to_rgba(shown)[3, 4]
        assert red > 0.85
        assert max(green, blue) < 0.5


def test_images_that_were_not_measured_are_left_out(four_domains):
    nothing = np.full(four_domains.survey.total.shape, np.nan)
    survey = replace(four_domains.survey, bright_field=nothing, annular_dark_field=nothing, beam_radius_px=np.nan)
    results = replace(four_domains, survey=survey, domains=replace(four_domains.domains, similarity=None))
    assert [axes.get_title(loc="left") for axes in plot_scan_images(results).axes if axes.images] == ["Total"]
    assert plot_domain_map(results).axes[1].get_title(loc="left") == "Outlines on total intensity"


def test_beam_displacement_is_drawn_around_zero(flawed):
    descan = flawed.survey.descan_px * [-3.0, 1.0]
    along_y, along_x = [
        axes for axes in plot_beam_displacement(replace(flawed.survey, descan_px=descan)).axes if axes.images
    ]
    assert along_y.images[0].get_clim() == along_x.images[0].get_clim() == (-3, 3)
    assert (along_y.images[0].get_array() == -3).all()
    assert (along_x.images[0].get_array() == 1).all()


@pytest.mark.parametrize("step", [None, (2.0, 1.0)])
def test_one_line_of_positions_is_drawn(make_results, step):
    results = make_results(np.arange(24)[None] // 8 + 1, calibration=Calibration(scan_step_nm=step))
    assert len(plot_domain_map(results).axes[0].texts) == 3


def test_certainty_has_the_values_of_every_position(behind_noise):
    confidence, probability, share = plot_certainty(behind_noise).axes[:3]
    labels = behind_noise.domains.labels
    shown = np.ma.filled(confidence.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(shown[labels == 3], 0.5)
    assert np.isnan(shown[0, 0])
    assert (np.ma.filled(probability.images[0].get_array(), np.nan)[labels > 0] == 0.75).all()
    assert not probability.lines
    shares = np.ma.filled(share.images[0].get_array(), np.nan)
    np.testing.assert_allclose(shares[1], 0.6, rtol=1e-6)
    np.testing.assert_allclose(shares[2], 0.9, rtol=1e-6)
    assert share.lines[0].get_xydata().tolist() == [[15, 11]]


def test_certainty_without_mixture_and_quality_has_one_map(behind_noise):
    only = replace(behind_noise, domains=replace(behind_noise.domains, mixture=None, quality=None))
    titles = [axes.get_title(loc="left") for axes in plot_certainty(only).axes]
    assert [title for title in titles if title] == ["Confidence"]
