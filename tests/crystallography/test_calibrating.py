from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import clustem
from clustem import Calibration, Peaks
from clustem.crystallography import Crystal, Site
from clustem.crystallography.frames import to_detector
from clustem.crystallography.structure_factors import structure_factors
from clustem.errors import InputError

GOLD = Crystal("Au", (4.0782, 4.0782, 4.0782, 90, 90, 90), "F m -3 m", (Site("Au", (0, 0, 0)),))
SILICON = Crystal("Si", (5.4307, 5.4307, 5.4307, 90, 90, 90), "F d -3 m:1", (Site("Si", (0, 0, 0)),))
TRUE = Calibration(inv_angstrom_per_px=0.0251, ellipse=(1.02, 35.0))


def powder(calibration, *, domains=8, per_domain=20, strain=0.002, strays=0.2, seed=0):
    """Peaks at random azimuths on the rings of gold, as a detector with this calibration shows them."""
    generator = np.random.default_rng(seed)
    length = structure_factors(GOLD, max_g=1.4).length
    number = domains * per_domain
    ring = generator.choice(length, number) * (1 + generator.normal(0, strain, number))
    lost = generator.random(number) < strays
    ring[lost] = generator.uniform(0.3, 1.4, lost.sum())
    angle = generator.uniform(0, 2 * np.pi, number)
    centres = generator.normal(60, 0.5, (domains, 2))
    label = np.repeat(np.arange(domains), per_domain)
    g = ring[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    k = to_detector(g, [0, 0], calibration) + centres[label] + generator.normal(0, 0.03, (number, 2))
    table = pd.DataFrame(
        {"label": label + 1, "k_y": k[:, 0], "k_x": k[:, 1], "intensity": generator.gamma(1, 5, number)}
    )
    table.loc[lost, "intensity"] *= 0.1
    mask = np.ones((121, 121), bool)
    return Peaks(table, centres, Calibration(), (121, 121), mask, 3.0, np.ones(domains))


def test_size_and_ellipse_without_knowing_anything():
    fit = clustem.calibrate_detector(powder(TRUE), GOLD, ellipse=True)
    assert fit.calibration.inv_angstrom_per_px == pytest.approx(0.0251, rel=3e-4)
    assert fit.calibration.ellipse[0] == pytest.approx(1.02, abs=2e-3)
    assert fit.calibration.ellipse[1] == pytest.approx(35, abs=4)
    assert fit.relative_error < 5e-4
    assert fit.warnings == ()
    assert "0.0251" in repr(fit)


def test_the_fitted_calibration_undoes_the_distortion():
    peaks = powder(TRUE, strays=0.0)
    found = clustem.calibrate_detector(peaks, GOLD, ellipse=True).calibration
    again = clustem.calibrate_detector(replace(peaks, calibration=found), GOLD, ellipse=True).calibration
    assert again.inv_angstrom_per_px == pytest.approx(found.inv_angstrom_per_px, rel=1e-6)


def test_an_ellipse_only_where_it_is_asked_for():
    peaks = powder(Calibration(inv_angstrom_per_px=0.0251))
    fit = clustem.calibrate_detector(peaks, GOLD)
    assert fit.calibration.ellipse is None
    assert (fit.ratio, fit.ratio_error) == (1.0, 0.0)
    asked = clustem.calibrate_detector(peaks, GOLD, ellipse=True)
    assert asked.ratio - 1 < 3 * asked.ratio_error


def test_a_wrong_size_is_corrected_and_warned_of():
    peaks = replace(powder(TRUE), calibration=Calibration(inv_angstrom_per_px=0.027, energy_keV=200))
    fit = clustem.calibrate_detector(peaks, GOLD)
    assert fit.calibration.inv_angstrom_per_px == pytest.approx(0.0251, rel=2e-3)
    assert fit.calibration.energy_keV == 200
    assert "differ by -7" in fit.warnings[0]


def test_errors_are_those_of_repetitions():
    calibration = Calibration(inv_angstrom_per_px=0.0251)
    fits = [clustem.calibrate_detector(powder(calibration, seed=seed), GOLD) for seed in range(25)]
    scatter = np.std([np.log(fit.calibration.inv_angstrom_per_px) for fit in fits])
    assert 0.5 < scatter / np.mean([fit.relative_error for fit in fits]) < 1.6


def test_another_crystal_and_too_few_peaks():
    peaks = replace(powder(TRUE, strays=0.0), calibration=Calibration(inv_angstrom_per_px=0.0251))
    with pytest.raises(InputError, match="is it this crystal"):
        clustem.calibrate_detector(peaks, SILICON)
    with pytest.raises(InputError, match="at least 10"):
        clustem.calibrate_detector(replace(peaks, table=peaks.table[:5]), GOLD)
    with pytest.raises(InputError, match="at least 10"):
        clustem.calibrate_detector(replace(peaks, centres=np.full((8, 2), np.nan)), GOLD)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("turn", [0.0, 75.0, -160.0])
def test_rotation_and_flip_from_known_directions(flip, turn):
    calibration = Calibration(detector_rotation_deg=turn, detector_flip=flip)
    angles = np.array([10.0, 65.0, 140.0])
    g = np.stack([np.sin(np.deg2rad(angles)), np.cos(np.deg2rad(angles))], axis=1)
    found = clustem.orient_detector(to_detector(g, [0, 0], calibration), angles)
    assert found[0] == pytest.approx(turn)
    assert found[1] is flip
    assert found[2] < 1e-6
    assert found[3] > 20


@pytest.mark.parametrize(("k", "angles"), [([[0, 1]], [3]), ([[0, 1], [1, 0]], [3]), ([0, 1], [3, 4])])
def test_too_few_directions(k, angles):
    with pytest.raises(InputError, match="angles_deg"):
        clustem.orient_detector(k, angles)
