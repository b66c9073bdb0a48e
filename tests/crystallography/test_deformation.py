import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustem.crystallography.deformation import component_errors, components, fit_plane, left_polar


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def reflections(number=12, seed=0):
    generator = np.random.default_rng(seed)
    return np.column_stack([generator.uniform(-1, 1, (number, 2)), generator.uniform(-0.05, 0.03, number)])


def fitted(expected, measured, error=1e-3):
    return fit_plane(expected, measured, np.full(len(expected), error), tilt=0.01, offset=1e-3)


@given(st.floats(-0.03, 0.03), st.floats(-0.03, 0.03), st.floats(-0.02, 0.02), st.floats(-0.06, 0.06))
def test_known_deformations(xx, yy, xy, turn):
    stretch = np.array([[1 + xx, xy], [xy, 1 + yy]])
    expected = reflections()
    measured = expected[:, :2] @ np.linalg.inv(stretch @ rotation(turn))
    fit = fitted(expected, measured)
    found = components(np.linalg.inv(fit.matrix).T)
    np.testing.assert_allclose(found, [xx, yy, xy, turn], atol=1e-5)


def test_one_per_cent_tension_and_three_degrees_by_hand():
    stretch, turn = left_polar(np.diag([1.01, 1.0]) @ rotation(np.deg2rad(3)))
    np.testing.assert_allclose(stretch, np.diag([1.01, 1.0]), atol=1e-12)
    assert np.rad2deg(turn) == pytest.approx(3)


def test_tilt_and_offset_do_not_spoil_the_strain():
    expected = reflections()
    tilt, offset = np.array([0.008, -0.006]), np.array([4e-4, -5e-4])
    measured = expected[:, :2] / 1.01 + np.outer(expected[:, 2], tilt) + offset
    found = components(np.linalg.inv(fitted(expected, measured).matrix).T)
    np.testing.assert_allclose(found[:3], [0.01, 0.01, 0], atol=2e-4)


def test_outliers_do_not_move_the_fit():
    expected = reflections(15)
    measured = expected[:, :2] + np.random.default_rng(1).normal(0, 1e-3, (15, 2))
    measured[3] += 0.03
    fit = fitted(expected, measured)
    assert np.abs(fit.matrix - np.eye(2)).max() < 3e-3
    assert fit.weights.argmin() == 3


def test_errors_are_those_of_repetitions():
    generator = np.random.default_rng(2)
    expected, found, stated = reflections(14), [], []
    for _ in range(300):
        fit = fitted(expected, expected[:, :2] + generator.normal(0, 1e-3, (14, 2)))
        found.append(components(np.linalg.inv(fit.matrix).T))
        stated.append(component_errors(fit.matrix, fit.covariance, np.eye(2)))
    np.testing.assert_allclose(np.mean(stated, axis=0), np.std(found, axis=0), rtol=0.3)


@pytest.mark.parametrize("expected", [reflections(2), np.outer(np.arange(1, 9), [0.1, 0.2, 0.0])])
def test_too_few_or_on_a_line(expected):
    assert fitted(expected, expected[:, :2]) is None
