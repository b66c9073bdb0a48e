from __future__ import annotations

import numpy as np
import pytest

from clustem import InputError, Orientations, match_orientations
from clustem.crystallography.rotations import HALF_TURN, from_rotation_vector, misorientation_deg

from .examples import crystal, peaks_of, rotation, spots


@pytest.fixture(scope="module")
def gold() -> Orientations:
    """Twelve kinematic patterns of gold, one with two peaks, one with peaks where no reflection is."""
    patterns = [spots(crystal("Au"), rotation(seed)) for seed in range(10)]
    few = patterns[0][0][:2], patterns[0][1][:2]
    noise = np.random.default_rng(0).uniform(-1.5, 1.5, (25, 2)), np.full(25, 50.0)
    return match_orientations(peaks_of([*patterns, few, noise]), crystal("Au"), dynamical=False)


def test_kinematic_patterns_are_found(gold: Orientations) -> None:
    error = [misorientation_deg(gold.rotation[s], rotation(s), crystal("Au").rotations) for s in range(10)]
    sure = ~gold.ambiguous[:10]
    assert (np.array(error)[sure] < 0.5).all()
    assert sure.sum() >= 7
    assert (gold.score[:10] > 0.9).all()
    assert gold.phase[:10].tolist() == ["Au"] * 10


def test_the_truth_is_among_the_candidates(gold: Orientations) -> None:
    for s in range(10):
        rows = gold.candidates[gold.candidates["label"] == s + 1]
        assert 1 <= len(rows) <= 5
        assert rows["misfit"].is_monotonic_increasing
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert rows["probability"].sum() <= 1 + 1e-9
        q = rows[["q0", "q1", "q2", "q3"]].to_numpy()
        error = [misorientation_deg(matrix_of(one), rotation(s), crystal("Au").rotations) for one in q]
        assert min(error) < 1


def matrix_of(quaternion: np.ndarray) -> np.ndarray:
    """Return the matrix from crystal to sample of a passive quaternion."""
    w, v = quaternion[0], quaternion[1:]
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return ((w * w - v @ v) * np.eye(3) + 2 * np.outer(v, v) + 2 * w * cross).T


def test_what_cannot_be_said_is_not_said(gold: Orientations) -> None:
    assert gold.reason.tolist()[:10] == [""] * 10
    assert gold.reason[10] == "fewer than 3 peaks"
    assert gold.reason[11] == "no crystal explains the peaks"
    for i in (10, 11):
        assert np.isnan(gold.rotation[i]).all()
        assert gold.phase[i] == ""
        assert gold.ambiguous[i]
        assert np.isnan([gold.score[i], gold.probability[i], gold.thickness_nm[i], gold.scale[i]]).all()
    assert "fewer than 3 peaks" in repr(gold)


def test_indices_belong_to_their_peaks(gold: Orientations) -> None:
    rows = gold.indexed[gold.indexed["label"] == 1]
    peaks = peaks_of([spots(crystal("Au"), rotation(0))]).table.iloc[rows["peak"]]
    np.testing.assert_allclose(rows[["g_y", "g_x"]], peaks[["g_y", "g_x"]], atol=0.01)
    g = rows[["h", "k", "l"]].to_numpy() @ crystal("Au").reciprocal.T @ gold.rotation[0].T
    np.testing.assert_allclose(g[:, [1, 0]], rows[["g_y", "g_x"]], atol=0.01)
    assert len(rows) >= 0.9 * len(peaks)


def test_errors_of_angles_are_small_and_finite_for_exact_patterns(gold: Orientations) -> None:
    assert (gold.angle_error_in_plane_deg[:10] < 0.2).all()
    assert (gold.angle_error_out_of_plane_deg[:10] < 1).all()
    np.testing.assert_allclose(gold.scale[:10], 1, atol=2e-3)


def test_the_dynamical_fit_finds_its_own_patterns() -> None:
    from clustem.crystallography._dynamical_kernels import excite, propagate
    from clustem.crystallography.scattering import Scattering
    from clustem.crystallography.spots import Beams
    from clustem.crystallography.structure_factors import structure_factors

    from .examples import ENERGY, WAVELENGTH

    gold, patterns = crystal("Au"), []
    scattering = Scattering.of(gold, max_g=3.8, energy_keV=ENERGY, wavelength=WAVELENGTH)
    for seed in range(6):
        beams = Beams.near(
            structure_factors(gold, max_g=1.9), rotation(seed), WAVELENGTH, reach=0.12, length=1.9, most=79
        ).with_incident()
        error, slopes = np.empty(len(beams.g)), np.empty((len(beams.g), 2))
        excite(beams.g, rotation(seed), WAVELENGTH, error, slopes)
        several = np.empty((1, 25, len(beams.g)), np.float32)
        propagate(scattering.slice_matrix(beams.hkl, 2.0), error[None], 2.0, several)
        intensity = several[0]
        assert intensity.sum(axis=1) == pytest.approx(1, abs=1e-4)  # no electron is lost
        bright = (intensity[-1] > 1e-4) & beams.g.any(axis=1)
        patterns.append(((beams.g[bright] @ rotation(seed).T)[:, :2], 1e4 * intensity[-1][bright].astype(float)))
    found = match_orientations(peaks_of(patterns), gold)
    error = [misorientation_deg(found.rotation[s], rotation(s), gold.rotations) for s in range(6)]
    assert max(error) < 0.2
    assert not found.ambiguous.any()
    np.testing.assert_allclose(found.thickness_nm, 5.0, atol=0.3)


def test_the_half_turn_of_a_zone_axis_is_a_candidate() -> None:
    """Of ⟨111⟩ the half turn about the beam is another orientation (Σ3) with nearly the same pattern."""
    z = np.ones(3) / np.sqrt(3)
    x = np.array([1, -1, 0]) / np.sqrt(2)
    matrix = from_rotation_vector([0.01, 0.004, 0.3]) @ np.stack([x, np.cross(z, x), z])
    found = match_orientations(peaks_of([spots(crystal("Au"), matrix)]), crystal("Au"), dynamical=False)
    rows = found.candidates
    assert misorientation_deg(matrix, HALF_TURN @ matrix, crystal("Au").rotations) == pytest.approx(60, abs=1.5)
    assert rows["half_turn"].any()
    turned = rows[rows["half_turn"]].iloc[0]
    assert turned["score"] > 0.9 * found.score[0]


@pytest.mark.parametrize("name", ["Ti", "TiO2", "Fe"])
def test_other_crystals_are_found(name: str) -> None:
    patterns = [spots(crystal(name), rotation(seed)) for seed in range(4)]
    found = match_orientations(peaks_of(patterns), crystal(name), dynamical=False)
    error = np.array([misorientation_deg(found.rotation[s], rotation(s), crystal(name).rotations) for s in range(4)])
    assert (error[~found.ambiguous] < 0.5).all()
    assert (error < 0.5).sum() >= 3


def test_phases_are_told_apart_and_a_foreign_one_is_none() -> None:
    patterns = [spots(crystal(name), rotation(seed)) for seed in range(3) for name in ("Au", "Si")]
    both = match_orientations(peaks_of(patterns), [crystal("Au"), crystal("Si")], dynamical=False)
    assert both.phase.tolist() == ["Au", "Si"] * 3
    assert (both.reliability > 0.9).all()
    alone = match_orientations(peaks_of(patterns), crystal("Au"), dynamical=False)
    assert alone.phase.tolist() == ["Au", ""] * 3


def test_a_wrong_pixel_size_is_noticed() -> None:
    patterns = [spots(crystal("Au"), rotation(seed)) for seed in range(5)]
    found = match_orientations(peaks_of(patterns, pixel=0.025 * 1.06), crystal("Au"), dynamical=False)
    assert np.median(found.scale) == pytest.approx(1.06, abs=0.005)
    assert "6.0% too long" in found.warnings[0]
    assert match_orientations(peaks_of(patterns), crystal("Au"), dynamical=False).warnings == ()


def test_precession_is_taken_into_account() -> None:
    found = match_orientations(peaks_of([spots(crystal("Au"), rotation(1))]), crystal("Au"), precession_deg=0.3)
    assert misorientation_deg(found.rotation[0], rotation(1), crystal("Au").rotations) < 1


def test_the_same_peaks_give_the_same_numbers() -> None:
    peaks = peaks_of([spots(crystal("Au"), rotation(3))])
    first, second = (match_orientations(peaks, crystal("Au")) for _ in range(2))
    np.testing.assert_array_equal(first.rotation, second.rotation)
    assert first.candidates.equals(second.candidates)


def test_bad_arguments_are_told() -> None:
    peaks = peaks_of([spots(crystal("Au"), rotation(0))])
    with pytest.raises(InputError, match="one or more crystals"):
        match_orientations(peaks, [])
    with pytest.raises(InputError, match="same name"):
        match_orientations(peaks, [crystal("Au"), crystal("Au")])
    with pytest.raises(InputError, match="step_deg"):
        match_orientations(peaks, crystal("Au"), step_deg=0)
    with pytest.raises(InputError, match="precession_deg"):
        match_orientations(peaks, crystal("Au"), precession_deg=-1)
    for field, words in (("inv_angstrom_per_px", "pixel"), ("energy_keV", "energy")):
        from dataclasses import replace

        bare = replace(peaks, calibration=replace(peaks.calibration, **{field: None}))
        with pytest.raises(InputError, match=words):
            match_orientations(bare, crystal("Au"))
