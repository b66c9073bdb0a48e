from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clustem
from clustem import Calibration, Peaks
from clustem.crystallography.crystals import Crystal, Site
from clustem.crystallography.lattice import lattice_points
from clustem.crystallography.references import turn_about_beam
from clustem.crystallography.rotations import from_rotation_vector
from clustem.crystallography.structure_factors import structure_factors
from clustem.errors import InputError

from .patterns import averages_of

GOLD = Crystal("Au", (4.0782, 4.0782, 4.0782, 90, 90, 90), "F m -3 m", (Site("Au", (0, 0, 0)),))
CALIBRATION = Calibration(inv_angstrom_per_px=0.025, energy_keV=200)
CENTRE, SPOT = np.array([60.2, 59.7]), 1.3  # px
ZONES = [from_rotation_vector(vector) for vector in ([0.02, 0.01, 0.3], [0.6, 0.3, 0.1], [0.0, 0.96, 0.7])]


@dataclass
class Oriented:
    rotation: np.ndarray
    phase: list
    crystals: tuple
    angle_error_out_of_plane_deg: np.ndarray


def oriented(rotations):
    rotations = np.array(rotations, float).reshape(-1, 3, 3)
    phase = ["Au" if np.isfinite(one).all() else "" for one in rotations]
    return Oriented(rotations, phase, (GOLD,), np.full(len(rotations), 0.2))


def turn2(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def peaks_of(patterns, *, error=1e-4, calibration=CALIBRATION):
    """Peaks at given (x, y) and intensities of every pattern."""
    parts = []
    for label, (g, intensity) in enumerate(patterns, 1):
        order = np.argsort(-intensity, kind="stable")
        parts.append(
            pd.DataFrame(
                {
                    "label": label,
                    "g_y": g[order, 1],
                    "g_x": g[order, 0],
                    "g_error": error,
                    "intensity": intensity[order],
                }
            )
        )
    number = len(patterns)
    return Peaks(
        pd.concat(parts, ignore_index=True),
        np.full((number, 2), 60.0),
        calibration,
        (121, 121),
        np.ones((121, 121), bool),
        3.0,
        np.ones(number),
    )


def crystal_pattern(rotation, deformation=None, *, noise=0.0, seed=0):
    """Reflections of gold near the sphere, deformed by F (3, 3) in the sample frame."""
    deformation = np.eye(3) if deformation is None else deformation
    reflections = structure_factors(GOLD, max_g=1.4)
    g = reflections.g @ rotation.T @ np.linalg.inv(deformation)
    excitation = -(g[:, 2] + CALIBRATION.wavelength_angstrom * (g**2).sum(axis=1) / 2)
    near = np.abs(excitation) < 0.03
    drawn = np.random.default_rng(seed).normal(0, noise, (near.sum(), 2))
    return g[near, :2] + drawn, (reflections.intensity * np.exp(-((excitation / 0.015) ** 2)))[near]


def averages_of_spots(patterns):
    """Averages without noise: Gaussian spots at (x, y) with these intensities, and the direct beam."""
    y, x = np.indices((121, 121))

    def spot(place):
        return np.exp(-((y - place[0]) ** 2 + (x - place[1]) ** 2) / (2 * SPOT**2))

    images = []
    for g, intensity in patterns:
        places = CENTRE + g[:, ::-1] / CALIBRATION.inv_angstrom_per_px
        spots = sum(1000 * height * spot(place) for height, place in zip(intensity, places, strict=True))
        images.append(0.01 + 1e5 * spot(CENTRE) + spots)
    return averages_of(images, positions=100_000, calibration=CALIBRATION, centre=CENTRE)


def in_plane(matrix):
    whole = np.eye(3)
    whole[:2, :2] = matrix
    return whole


def values(strain, index=0):
    return [getattr(strain, name)[index] for name in ("e_xx", "e_yy", "e_xy")]


@pytest.mark.parametrize("rotation", ZONES)
@pytest.mark.parametrize("e", [(0.01, 0, 0), (0, -0.01, 0), (0, 0, 0.008), (0.004, -0.007, 0.005)])
def test_known_strains_of_a_crystal(rotation, e):
    stretch = np.array([[1 + e[0], e[2]], [e[2], 1 + e[1]]])
    strain = clustem.fit_strain(peaks_of([crystal_pattern(rotation, in_plane(stretch))]), oriented([rotation]))
    np.testing.assert_allclose(values(strain), e, atol=1e-4)
    assert np.isnan(strain.omega[0])
    assert strain.reason == ("",)


@pytest.mark.parametrize("turn_deg", [-3, 3])
def test_rotation_does_not_leak_into_strain(turn_deg):
    rotation, stretch = ZONES[0], np.diag([1.01, 1.0])
    deformation = in_plane(stretch @ turn2(np.deg2rad(turn_deg)))
    patterns = [crystal_pattern(rotation), crystal_pattern(rotation, deformation)]
    peaks = peaks_of(patterns)
    strain = clustem.fit_strain(peaks, oriented([rotation, rotation]), reference=1)
    np.testing.assert_allclose(values(strain, 1), [0.01, 0, 0], atol=1e-4)
    assert np.rad2deg(strain.omega[1]) == pytest.approx(turn_deg, abs=0.01)
    np.testing.assert_allclose(values(strain, 0), 0, atol=1e-9)


# e_xx, e_yy, e_xy and the turn in degrees
KNOWN = [(0.01, 0, 0, 0), (0, 0.01, 0, 0), (0, 0, 0.008, 0), (0, 0, 0, 3), (0, 0, 0, -3), (0.01, 0, 0, 3)]


@pytest.fixture(scope="module")
def known_peaks():
    """Peaks found in analytic patterns of gold: as it is, and with each of the known deformations."""
    patterns = []
    for e_xx, e_yy, e_xy, turn_deg in [(0, 0, 0, 0), *KNOWN]:
        stretch = np.array([[1 + e_xx, e_xy], [e_xy, 1 + e_yy]])
        patterns.append(crystal_pattern(ZONES[0], in_plane(stretch @ turn2(np.deg2rad(turn_deg)))))
    bright = [intensity > 1e-3 * intensity.max() for _, intensity in patterns]
    normal = [(g[one], height[one] / height.max()) for (g, height), one in zip(patterns, bright, strict=True)]
    return clustem.find_peaks(averages_of_spots(normal), probe=clustem.Probe.spot(SPOT))


def oriented_as_turned():
    return oriented([from_rotation_vector([0, 0, np.deg2rad(turn)]) @ ZONES[0] for turn in (0, *(k[3] for k in KNOWN))])


@pytest.mark.parametrize("with_crystal", [True, False], ids=["crystal", "lattice"])
def test_from_patterns_to_strain_to_a_ten_thousandth(known_peaks, with_crystal):
    """Also with the fourfold lattice of a pattern near ⟨001⟩, which a strain could turn by 90°."""
    strain = clustem.fit_strain(known_peaks, oriented_as_turned() if with_crystal else None, reference=1)
    for index, (*e, turn_deg) in enumerate(KNOWN, start=1):
        np.testing.assert_allclose([*values(strain, index), strain.omega[index]], [*e, np.deg2rad(turn_deg)], atol=1e-4)


def test_from_patterns_to_strain_against_the_cell(known_peaks):
    strain = clustem.fit_strain(known_peaks, oriented_as_turned())
    expected = [(0, 0, 0), *(e for *e, _ in KNOWN)]
    np.testing.assert_allclose([values(strain, index) for index in range(len(expected))], expected, atol=1e-4)


def test_orientation_error_about_the_beam_or_tilted_does_not_matter():
    rotation, stretch = ZONES[1], np.array([[1.01, 0.003], [0.003, 0.995]])
    wrong = from_rotation_vector([0.004, -0.003, 0.01]) @ rotation
    strain = clustem.fit_strain(peaks_of([crystal_pattern(rotation, in_plane(stretch))]), oriented([wrong]))
    np.testing.assert_allclose(values(strain), [0.01, -0.005, 0.003], atol=2e-4)


def test_shear_out_of_the_plane_does_not_matter():
    deformation = np.array([[1.01, 0, 0.005], [0, 1, -0.004], [0.005, -0.004, 1.01]])
    strain = clustem.fit_strain(peaks_of([crystal_pattern(ZONES[1], deformation)]), oriented([ZONES[1]]))
    np.testing.assert_allclose(values(strain), [0.01, 0, 0], atol=2e-4)


def test_a_crystal_turned_about_the_beam_is_compared_and_a_tilted_one_is_not():
    turned = from_rotation_vector([0, 0, 0.4]) @ ZONES[0]
    patterns = [crystal_pattern(one) for one in (ZONES[0], turned, ZONES[1])]
    strain = clustem.fit_strain(peaks_of(patterns), oriented([ZONES[0], turned, ZONES[1]]), reference=1)
    np.testing.assert_allclose(values(strain, 1), 0, atol=1e-5)
    assert strain.omega[1] == pytest.approx(0.4, abs=1e-4)
    assert np.isnan(values(strain, 2)).all()
    assert "another crystal or orientation" in strain.reason[2]


def test_the_smallest_equivalent_turn_counts():
    quarter = from_rotation_vector([0, 0, np.pi / 2 + 0.01])
    assert turn_about_beam(quarter, np.eye(3), GOLD.rotations) == pytest.approx(0.01)
    assert turn_about_beam(from_rotation_vector([0.2, 0, 0]), np.eye(3), GOLD.rotations) is None


def test_relative_to_the_median():
    stretches = [np.diag([1 + e, 1.0]) for e in (0.0, 0.002, 0.004, 0.009)]
    patterns = [crystal_pattern(ZONES[0], in_plane(one)) for one in stretches]
    strain = clustem.fit_strain(peaks_of(patterns), oriented([ZONES[0]] * 4), reference="median")
    np.testing.assert_allclose(strain.e_xx, np.array([0.0, 0.002, 0.004, 0.009]) - 0.003, atol=5e-5)
    alone = clustem.fit_strain(peaks_of(patterns[:2]), oriented([ZONES[0]] * 2), reference="median")
    assert not alone.measured.any()
    assert "fewer than three" in alone.reason[0]


def lattice_pattern(vectors, deformation, *, seed=0):
    points = lattice_points(np.array(vectors), 0.0, 1.2).g[:, :2]
    generator = np.random.default_rng(seed)
    points = points[generator.random(len(points)) < 0.7]
    return points @ np.linalg.inv(deformation), generator.gamma(2, 10, len(points))


@settings(deadline=None, max_examples=15)
@given(st.floats(-0.01, 0.01), st.floats(-0.01, 0.01), st.floats(-0.008, 0.008), st.floats(-0.05, 0.05))
def test_without_a_crystal(xx, yy, xy, turn):
    vectors = [[0.45, 0.08], [0.0, 0.38]]
    deformation = np.array([[1 + xx, xy], [xy, 1 + yy]]) @ turn2(turn)
    patterns = [lattice_pattern(vectors, np.eye(2)), lattice_pattern(vectors, deformation, seed=1)]
    strain = clustem.fit_strain(peaks_of(patterns), reference=1)
    np.testing.assert_allclose([*values(strain, 1), strain.omega[1]], [xx, yy, xy, turn], atol=1e-4)
    assert strain.reference == "domain 1"


def test_without_calibration_and_other_lattices():
    patterns = [lattice_pattern_px(seed) for seed in range(3)]
    patterns.append((np.array([[5.0, 3.0], [20, -9]]), np.ones(2)))
    strain = clustem.fit_strain(peaks_of(patterns, error=0.02, calibration=Calibration()))
    assert strain.measured.tolist() == [True, True, True, False]
    assert strain.reference == "median"


def lattice_pattern_px(seed):
    points = lattice_points(np.array([[18.0, 3.0], [0, 15.0]]), 0.0, 55).g[:, :2]
    generator = np.random.default_rng(seed)
    points = points[generator.random(len(points)) < 0.8]
    return points, generator.gamma(2, 10, len(points))


def test_reported_errors_cover_the_truth():
    inside, total = 0, 0
    for seed in range(25):
        patterns = [crystal_pattern(one, noise=8e-4, seed=seed + 100 * n) for n, one in enumerate(ZONES)]
        strain = clustem.fit_strain(peaks_of(patterns, error=8e-4), oriented(ZONES))
        for name in ("e_xx", "e_yy", "e_xy"):
            inside += (np.abs(getattr(strain, name)) < getattr(strain, f"{name}_error")).sum()
            total += 3
    assert 0.6 < inside / total < 0.82


def test_not_measurable_is_nan_with_a_reason():
    line = np.outer([1, 2, 3, -1, -2], [0.3, 0.1]), np.ones(5)
    peaks = peaks_of([line, crystal_pattern(ZONES[0])])
    strain = clustem.fit_strain(peaks, oriented([ZONES[0], np.full((3, 3), np.nan)]))
    assert not strain.measured.any()
    assert strain.reason == ("fewer than three reflections, or all of them on a line", "no orientation")
    assert np.isnan(strain.to_py4dstem()["e_xx"]).all()
    assert "measured   0" in repr(strain)


def test_a_wrong_pixel_size_is_noticed():
    patterns = [crystal_pattern(one, 1.025 * np.eye(3)) for one in ZONES]
    strain = clustem.fit_strain(peaks_of(patterns), oriented(ZONES))
    assert "size of a pixel" in strain.warnings[0]


def test_the_table_of_what_was_fitted():
    peaks = peaks_of([crystal_pattern(ZONES[0], in_plane(np.diag([1.01, 1.0])))])
    table = clustem.fit_strain(peaks, oriented([ZONES[0]])).indexed
    rows = peaks.table.loc[table["peak"]]
    miss = rows["g_x"].to_numpy() - table["expected_g_x"].to_numpy()
    np.testing.assert_allclose(miss, table["miss_g_x"], atol=1e-3)
    assert table["weight"].between(0, 1).all()
    g = table[["h", "k", "l"]].to_numpy() @ GOLD.reciprocal.T @ ZONES[0].T
    np.testing.assert_allclose(g[:, 0] / 1.01, rows["g_x"], atol=1e-4)


def test_in_the_signs_of_other_programs():
    stretch, turn = np.array([[1.01, 0.004], [0.004, 0.995]]), 0.02
    patterns = [crystal_pattern(ZONES[0]), crystal_pattern(ZONES[0], in_plane(stretch @ turn2(turn)))]
    strain = clustem.fit_strain(peaks_of(patterns), oriented([ZONES[0]] * 2), reference=1)
    theirs = strain.to_py4dstem()  # x down, y right
    assert theirs["e_xx"][1] == pytest.approx(-0.005, abs=4e-4)
    assert theirs["e_yy"][1] == pytest.approx(0.01, abs=4e-4)
    assert theirs["e_xy"][1] == pytest.approx(0.004, abs=4e-4)
    assert theirs["theta"][1] == pytest.approx(turn, abs=4e-4)
    pyxem = strain.to_pyxem()
    assert pyxem["e11"][1] == pytest.approx(0.01, abs=4e-4)
    assert pyxem["e12"][1] == pytest.approx(-0.004, abs=6e-4)
    assert pyxem["theta"][1] == pytest.approx(-turn, abs=1e-4)


@pytest.mark.parametrize("reference", ["mean", 0, 3, 1.5, True])
def test_unknown_references(reference):
    peaks = peaks_of([crystal_pattern(ZONES[0])] * 2)
    with pytest.raises(InputError, match="reference"):
        clustem.fit_strain(peaks, oriented([ZONES[0]] * 2), reference=reference)


def test_what_is_missing():
    peaks = peaks_of([crystal_pattern(ZONES[0])])
    with pytest.raises(InputError, match="needs orientations"):
        clustem.fit_strain(peaks, reference="crystal")
    with pytest.raises(InputError, match="orientations"):
        clustem.fit_strain(peaks, oriented(ZONES))
    bare = peaks_of([crystal_pattern(ZONES[0])], calibration=Calibration(inv_angstrom_per_px=0.025))
    with pytest.raises(InputError, match="energy_keV"):
        clustem.fit_strain(bare, oriented([ZONES[0]]))
    with pytest.raises(InputError, match="domain 1 has no strain"):
        clustem.fit_strain(peaks, oriented([np.full((3, 3), np.nan)]), reference=1)
