import numpy as np
import pytest

import clustem
from clustem.calibration import Calibration
from clustem.crystallography.frames import to_sample
from clustem.errors import InputError

from .patterns import averages_of, disk, lattice_pattern

SHAPE = (96, 96)
CENTRE = np.array([47.3, 48.2])
VECTORS = [[0.0, 17.4], [15.2, 4.1]]
CALIBRATION = Calibration(
    inv_angstrom_per_px=0.025, energy_keV=200, semiangle_mrad=2.6, detector_rotation_deg=30, detector_flip=True
)
RADIUS = CALIBRATION.semiangle_mrad / CALIBRATION.mrad_per_px


@pytest.fixture(scope="module")
def scene():
    pattern, places = lattice_pattern(SHAPE, CENTRE, VECTORS, RADIUS)
    return averages_of([pattern], generator=np.random.default_rng(0), calibration=CALIBRATION), places


@pytest.fixture(scope="module")
def peaks(scene):
    return clustem.find_peaks(scene[0])


def nearest(table, places):
    distance = np.hypot(
        table["k_y"].to_numpy()[:, None] - places[:, 0], table["k_x"].to_numpy()[:, None] - places[:, 1]
    )
    return distance.argmin(axis=0), distance.min(axis=0)


def test_all_disks_are_found_and_nothing_else(scene, peaks):
    _, distance = nearest(peaks.table, scene[1])
    assert len(peaks.table) == len(scene[1])
    assert distance.max() < 0.15
    assert np.sqrt(np.mean(distance**2)) < 0.05
    assert peaks.counts.tolist() == [len(scene[1])]


def test_centre_and_radius_are_measured(peaks):
    np.testing.assert_allclose(peaks.centres[0], CENTRE, atol=0.02)
    assert peaks.radius == pytest.approx(RADIUS, abs=0.1)


def test_the_record_is_consistent(peaks):
    table = peaks.table
    assert list(table["intensity"]) == sorted(table["intensity"], reverse=True)
    g = to_sample(table[["k_y", "k_x"]], peaks.centres[0], CALIBRATION)
    np.testing.assert_allclose(table[["g_y", "g_x"]], g)
    assert (table["score"] > 0.9).all()
    assert (table[["k_y_error", "k_x_error", "intensity_error"]] > 0).all(axis=None)
    assert peaks.unit == "1/Å"
    assert peaks.noise_intensity[0] < table["intensity"].min()
    assert len(peaks.of(1)) == len(table)
    assert f"peaks           {len(table)}" in repr(peaks)


def test_same_input_same_result(scene, peaks):
    assert clustem.find_peaks(scene[0]).table.equals(peaks.table)


def test_a_measured_probe_does_as_well(scene):
    probe = 1000 * disk(SHAPE, (50.2, 44.9), RADIUS) + 1
    found = clustem.find_peaks(scene[0], probe=probe)
    _, distance = nearest(found.table, scene[1])
    assert len(found.table) == len(scene[1])
    assert np.sqrt(np.mean(distance**2)) < 0.08
    assert found.probe == "measured"


def test_behind_a_beam_stop_the_pairs_give_the_centre(scene):
    averages, places = scene
    mask = np.ones(SHAPE, bool)
    mask[:60, 40:56] = False
    found = clustem.find_peaks(averages, mask=mask, probe=clustem.Probe.disk(RADIUS))
    np.testing.assert_allclose(found.centres[0], CENTRE, atol=0.1)
    assert not found.mask[30, 50]
    visible = mask[tuple(np.rint(places).astype(int).T)]
    assert 0.5 * visible.sum() < len(found.table) <= visible.sum() + 2


def test_spots():
    y, x = np.indices(SHAPE)
    generator = np.random.default_rng(1)
    places = lattice_pattern(SHAPE, CENTRE, VECTORS, 1.0)[1]
    pattern = np.full(SHAPE, 0.5) + 2000 * np.exp(-0.5 * ((y - CENTRE[0]) ** 2 + (x - CENTRE[1]) ** 2) / 0.64)
    for place in places:
        pattern += 20 * np.exp(-0.5 * ((y - place[0]) ** 2 + (x - place[1]) ** 2) / 0.64)
    averages = averages_of([pattern], generator=generator)
    found = clustem.find_peaks(averages, probe=clustem.Probe.spot(0.8))
    _, distance = nearest(found.table, places)
    assert len(found.table) == len(places)
    assert distance.max() < 0.1
    assert found.unit == "px"


def test_an_empty_pattern_and_vacuum_have_no_peaks():
    beam = 500 * disk(SHAPE, CENTRE, RADIUS)
    dark = np.zeros(SHAPE)
    found = clustem.find_peaks(averages_of([beam, dark], calibration=CALIBRATION), probe=clustem.Probe.disk(RADIUS))
    assert len(found.table) == 0
    assert found.counts.tolist() == [0, 0]


def test_contradicting_convergence_angle_is_noticed(scene):
    averages = averages_of(scene[0].patterns, calibration=CALIBRATION.updated(Calibration(semiangle_mrad=6.0)))
    found = clustem.find_peaks(averages)
    assert "semiangle_mrad" in found.warnings[0]
    assert found.radius == pytest.approx(RADIUS, abs=0.15)


def test_nothing_to_make_a_probe_of():
    with pytest.raises(InputError, match="give a vacuum pattern"):
        clustem.find_peaks(averages_of([np.ones(SHAPE)]))


def test_a_mask_of_another_shape(scene):
    with pytest.raises(InputError, match="mask"):
        clustem.find_peaks(scene[0], mask=np.ones((3, 3)))
