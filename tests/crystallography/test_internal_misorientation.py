from __future__ import annotations

import numpy as np
import pytest

from clustem import InputError, grain_reference_orientation_deviation, kernel_average_misorientation
from clustem.crystallography.rotations import from_rotation_vector

from .examples import rotation

LABELS = np.array([[1, 1, 1, 2], [1, 1, 1, 2], [0, 1, 1, 2]])


def bent(step_deg: float) -> np.ndarray:
    """One crystal that turns about a fixed axis by so much for every column, another orientation in domain 2."""
    x = np.arange(4)[None, :] * np.ones((3, 1))
    turned = from_rotation_vector(np.deg2rad(step_deg) * x[..., None] * np.array([0.6, 0, 0.8])) @ rotation(3)
    turned[:, 3] = rotation(9)
    return turned


def test_neighbours_are_those_of_the_same_domain() -> None:
    kernel = kernel_average_misorientation(bent(0.5), LABELS)
    assert kernel[0, 0] == pytest.approx(0.5 * 2 / 3)  # right and lower right turned, below not
    assert kernel[1, 1] == pytest.approx(0.5 * 5 / 7)  # below left is unassigned
    np.testing.assert_allclose(kernel[:, 3], 0, atol=1e-6)
    assert np.isnan(kernel[2, 0])


def test_the_reference_is_the_mean_of_the_domain() -> None:
    deviation = grain_reference_orientation_deviation(bent(0.5), LABELS)
    mean = 0.5 * (2 * 0 + 3 * 1 + 3 * 2) / 8
    np.testing.assert_allclose(deviation[0, :3], np.abs(0.5 * np.arange(3) - mean), atol=1e-4)
    np.testing.assert_allclose(deviation[:, 3], 0, atol=1e-6)
    assert np.isnan(deviation[2, 0])


def test_missing_orientations_do_not_spread() -> None:
    turned = bent(0.5)
    turned[0, 0] = np.nan
    kernel, deviation = (
        function(turned, LABELS) for function in (kernel_average_misorientation, grain_reference_orientation_deviation)
    )
    assert np.isnan(kernel[0, 0])
    assert np.isnan(deviation[0, 0])
    assert np.isfinite(kernel[1, 1])
    assert np.isnan(kernel).sum() == np.isnan(deviation).sum() == 2


def test_a_lone_position_has_no_neighbours_but_a_mean() -> None:
    lone = rotation(1)[None, None]
    assert np.isnan(kernel_average_misorientation(lone, np.ones((1, 1), int))).all()
    np.testing.assert_allclose(grain_reference_orientation_deviation(lone, np.ones((1, 1), int)), 0, atol=1e-6)


def test_noise_adds_as_the_notes_say() -> None:
    rng = np.random.default_rng(2)
    turned = from_rotation_vector(np.deg2rad(0.2) * rng.normal(size=(60, 60, 3)))
    kernel = kernel_average_misorientation(turned, np.ones((60, 60), int))
    assert np.nanmean(kernel) / 0.2 == pytest.approx(np.sqrt(2) * np.sqrt(8 / np.pi), rel=0.02)


@pytest.mark.parametrize("function", [kernel_average_misorientation, grain_reference_orientation_deviation])
def test_shapes_are_checked(function) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="labels: expected integers"):
        function(bent(1), np.ones((3, 4)))
    with pytest.raises(InputError, match="rotation: expected the shape"):
        function(bent(1), np.ones((4, 3), int))
