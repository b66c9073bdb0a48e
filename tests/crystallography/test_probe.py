import numpy as np
import pytest

from clustem import Probe
from clustem.crystallography.probe import OVERSAMPLING
from clustem.errors import InputError

from .patterns import disk


@pytest.mark.parametrize("probe", [Probe.disk(2.5), Probe.disk(7.2, blur=0.6), Probe.spot(1.3)])
def test_a_probe_sums_to_one_at_any_place_and_is_symmetric(probe):
    np.testing.assert_allclose(probe.image, probe.image[::-1], atol=1e-12)
    np.testing.assert_allclose(probe.image, probe.image.T, atol=1e-12)
    for shift in (0, 3, 5):
        assert probe.image[shift::OVERSAMPLING, shift::OVERSAMPLING].sum() == pytest.approx(1, abs=0.01)


def test_half_of_the_height_is_at_the_radius():
    probe = Probe.disk(6.0)
    middle = len(probe.image) // 2
    at_edge = probe.image[middle, middle + 6 * OVERSAMPLING]
    assert at_edge / probe.image[middle, middle] == pytest.approx(0.5, abs=0.03)


def test_derivatives_are_those_of_the_image():
    probe = Probe.disk(4.0, blur=0.5)
    image, along_y, along_x = probe.tables
    np.testing.assert_allclose(along_y, along_x.T, atol=1e-12)
    differences = (image[2:] - image[:-2]) * OVERSAMPLING / 2
    np.testing.assert_allclose(along_y[1:-1], differences, atol=1e-12)


def test_measured_from_a_vacuum_pattern():
    vacuum = 500 * disk((64, 64), (30.3, 33.6), 7.0) + 2.0
    probe = Probe.measured(vacuum)
    assert probe.kind == "measured"
    assert probe.radius == pytest.approx(7.0, abs=0.15)
    steps = (np.arange(len(probe.image)) - len(probe.image) // 2) / OVERSAMPLING
    centre = (probe.image.sum(axis=1) @ steps, probe.image.sum(axis=0) @ steps)
    np.testing.assert_allclose(np.array(centre) / OVERSAMPLING**2, 0, atol=0.05)
    inside = probe.image[np.hypot(steps[:, None], steps) < 5]
    np.testing.assert_allclose(inside, 1 / (np.pi * 49), rtol=0.1)


@pytest.mark.parametrize("image", [np.zeros((5, 5, 5)), np.full((40, 40), np.nan), np.ones((40, 40))])
def test_vacuum_patterns_without_a_beam(image):
    with pytest.raises(InputError, match="probe"):
        Probe.measured(image)


@pytest.mark.parametrize("make", [Probe.disk, Probe.spot])
@pytest.mark.parametrize("size", [0, -1, np.nan])
def test_impossible_sizes(make, size):
    with pytest.raises(InputError, match="positive number of px"):
        make(size)
