"""The scans that `validation/` makes: known answers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from skimage.measure import label as connected

sys.path.append(str(Path(__file__).parents[2] / "validation"))  # as for the scripts there

import simulated
import simulated_recordings
from scenes import read_scene
from simulated_bands import bands_of
from simulated_crystals import CRYSTALS, Optics, excited, random_rotations, twin_rotations
from simulated_kinds import KINDS
from simulated_maps import bending, grains, lamellae
from simulated_patterns import deposited

SMALL = (16, 16, 32, 32)
OPTICS = Optics((64, 64))
FLAT = {"tilt": np.zeros(1)}


def lengths(name: str) -> set[float]:
    vectors = CRYSTALS[name].reflections.vectors
    return set(np.round(np.linalg.norm(vectors, axis=1), 4).tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_domains_are_connected_and_numbered_without_gaps(kind: str) -> None:
    scene = simulated.make(kind, shape=(24, 24, 32, 32))
    assert scene.labels.shape == scene.counts.shape[:2]
    assert connected(scene.labels, background=0, connectivity=2).max() == scene.labels.max() == len(scene.grain)
    assert np.unique(scene.labels[scene.labels > 0]).size == scene.labels.max()
    if scene.rotations is not None:
        np.testing.assert_allclose(np.linalg.det(scene.rotations), 1)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not KINDS[kind].recordings])
def test_the_dose_is_the_mean_number_of_electrons(kind: str) -> None:
    counts = simulated.make(kind, dose=3000, shape=(16, 16, 64, 64)).counts
    assert counts.sum(axis=(2, 3)).mean() == pytest.approx(3000, rel=0.01)


def test_same_seed_same_bytes_however_many_rows_at_once() -> None:
    whole = simulated.make("bent", seed=3, shape=SMALL)
    again = simulated.prepare("bent", seed=3, shape=SMALL)
    parts = np.concatenate([block for _, block in again.blocks(5)])
    np.testing.assert_array_equal(whole.counts, parts)
    assert (simulated.make("bent", seed=4, shape=SMALL).labels != whole.labels).any()


def test_background_adds_the_multiple_of_what_is_diffracted() -> None:
    without, under = (simulated.prepare("film", dose=1000, background=b, shape=SMALL) for b in (0, 5))
    difference = under.expected(0, 16) - without.expected(0, 16)
    np.testing.assert_allclose(difference.sum(axis=(2, 3)), 5 * 1000 * without.source.diffracted(), rtol=1e-3)
    assert difference[3, 3, 15, 15] > difference[3, 3, 15, 28] > 0


def test_the_share_outside_of_the_beam_is_what_is_called_diffracted() -> None:
    source = simulated.prepare("thick", shape=(16, 16, 64, 64)).source
    outside = OPTICS.distance_px() > 4
    measured = source.patterns(0, 16)[:, :, outside].sum(axis=2).mean()
    assert measured == pytest.approx(source.diffracted(), rel=0.06)  # a part of the amorphous pattern is below the beam


def test_the_probe_mixes_neighbours_only() -> None:
    exposure = simulated.prepare("film", dose=1, shape=(24, 24, 32, 32))
    sharp, mixed = exposure.source.patterns(0, 24), exposure.expected(0, 24)
    np.testing.assert_allclose(mixed.sum(axis=(0, 1)), sharp.sum(axis=(0, 1)), rtol=1e-4, atol=1e-6)
    grain = exposure.source.grain
    far = np.ones(grain.shape, bool)
    for axis in (0, 1):
        for step in range(-3, 4):
            far &= np.roll(grain, step, axis) == grain
    far[:3] = far[-3:] = far[:, :3] = far[:, -3:] = False
    corners = far & np.roll(far, (3, 3), (0, 1)) & np.roll(far, (-3, -3), (0, 1))
    np.testing.assert_allclose(mixed[corners], sharp[corners], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "first", "absent"),
    [
        ("Au", np.sqrt(3) / 4.0782, 1 / 4.0782),  # 111, 100
        ("Fe", np.sqrt(2) / 2.8665, 1 / 2.8665),  # 110, 100
        ("Ti", 2 / np.sqrt(3) / 2.951, 1 / 4.684),  # 10-10, 0001
    ],
)
def test_structures_have_their_reflections(name: str, first: float, absent: float) -> None:
    assert min(lengths(name)) == pytest.approx(first, abs=1e-4)
    assert round(absent, 4) not in lengths(name)


def test_a_reflection_at_its_bragg_angle_follows_the_two_beam_formula() -> None:
    length = np.sqrt(3) / 4.0782
    bragg = np.arcsin(OPTICS.wavelength * length / 2)
    flat = Rotation.align_vectors([[1, 0, 0]], [[1, 1, 1]])[0]
    rotation = (Rotation.from_euler("y", bragg) * flat).as_matrix()  # g_z = -λ g²/2
    for thickness in (30.0, 100.0):
        spots = excited(CRYSTALS["Au"], rotation, OPTICS, thickness=np.array([thickness]), **FLAT)
        place = OPTICS.centre_px[1] + length * np.cos(bragg) / OPTICS.inv_angstrom_per_px
        which = np.hypot(spots.places[:, 0] - OPTICS.centre_px[0], spots.places[:, 1] - place).argmin()
        np.testing.assert_allclose(spots.places[which], (OPTICS.centre_px[0], place), atol=1e-6)
        strength = spots.shares[0, which] / spots.direct[0]
        assert strength == pytest.approx(np.sin(np.pi * thickness / 200) ** 2, rel=1e-3)
        assert spots.shares.sum() + spots.direct.sum() == pytest.approx(1)


def test_a_tilt_excites_reflections_as_a_turned_crystal_does() -> None:
    rotation, angle, tilt = random_rotations(1, np.random.default_rng(0))[0], 0.7, np.deg2rad(1.0)
    axis = np.array([np.sin(angle), -np.cos(angle), 0])
    turned = Rotation.from_rotvec(tilt * axis).as_matrix() @ rotation
    thickness = np.array([40.0])
    bent = excited(CRYSTALS["Au"], rotation, OPTICS, thickness=thickness, tilt=np.array([tilt]), bend_axis=angle)
    whole = excited(CRYSTALS["Au"], turned, OPTICS, thickness=thickness, **FLAT)
    patterns = [deposited(spots.places, spots.shares, OPTICS)[0] for spots in (bent, whole)]
    np.testing.assert_allclose(patterns[0], patterns[1], atol=2e-4)
    assert patterns[0].max() > 2e-3


def test_bending_is_about_the_middle_of_each_grain() -> None:
    grain = grains((30, 40), 9, np.random.default_rng(1))
    number = int(grain.max())
    tilt = bending(grain, np.zeros(number), np.full(number, 0.01))
    for name in range(1, number + 1):
        assert tilt[grain == name].mean() == pytest.approx(0, abs=1e-12)
    same = grain[:, 1:] == grain[:, :-1]
    np.testing.assert_allclose(np.diff(tilt, axis=1)[same], 0.01)


def test_twins_share_the_row_of_reflections_along_their_normal() -> None:
    one, other, angles = twin_rotations(5, np.random.default_rng(2))
    for a, b, angle in zip(one, other, angles, strict=True):
        normal = np.array([np.cos(angle), np.sin(angle), 0])
        both = [excited(CRYSTALS["Au"], r, OPTICS, thickness=np.array([50.0]), **FLAT) for r in (a, b)]
        row, rest = [], []
        for spots in both:
            off = np.abs((spots.places - np.array(OPTICS.centre_px))[:, ::-1] @ [-normal[1], normal[0]])
            for part, chosen in ((row, off < 0.5), (rest, off >= 0.5)):
                part.append(deposited(spots.places[chosen], spots.shares[:, chosen], OPTICS)[0])
        np.testing.assert_allclose(row[0], row[1], atol=1e-3)
        assert row[0].sum() > 0.01
        assert np.corrcoef(rest[0].ravel(), rest[1].ravel())[0, 1] < 0.9


def test_lamellae_alternate_along_the_normal() -> None:
    whole = np.ones((40, 40), np.int32)
    second = lamellae(whole, np.zeros(1), np.random.default_rng(0))
    assert (second == second[0]).all()
    changes = np.flatnonzero(np.diff(second[0]))
    assert set(np.diff(changes).tolist()) <= {4, 5, 6, 7, 8}


def test_unequal_grains_are_unequal() -> None:
    sizes = np.bincount(grains((64, 64), 80, np.random.default_rng(0), unequal=True).ravel())[1:]
    even = np.bincount(grains((64, 64), 80, np.random.default_rng(0)).ravel())[1:]
    assert sizes.std() / sizes.mean() > 1.5 * even.std() / even.mean()


def test_bands_have_the_symmetry_of_the_crystal() -> None:
    rotation = random_rotations(1, np.random.default_rng(0))[0]
    optics = Optics((30, 40), energy_keV=20)
    bands = bands_of(CRYSTALS["Ni"], rotation, optics)
    quarter = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    np.testing.assert_allclose(bands_of(CRYSTALS["Ni"], rotation @ quarter, optics), bands, atol=1e-6)
    assert bands.mean() == pytest.approx(0, abs=1e-9)
    assert bands.std() == pytest.approx(1)


def test_recordings_do_what_they_say() -> None:
    counts = simulated.make("film", shape=SMALL, dose=500).counts
    moved = simulated_recordings.descan(counts, 0)
    np.testing.assert_array_equal(moved.sum(axis=(2, 3)), counts.sum(axis=(2, 3)))
    assert (moved != counts).any()
    kept = simulated_recordings.drifting_current(counts, 0)
    assert (kept <= counts).all()
    assert 0.5 < kept.sum() / counts.sum() < 1
    np.testing.assert_array_equal(simulated_recordings.binned(counts, 4).sum(axis=(2, 3)), counts.sum(axis=(2, 3)))
    assert simulated_recordings.behind_stop(counts, 0)[:, :, 14:18, 14:18].max() == 0
    stretched = simulated_recordings.stretched_to_8_bit(counts, 0)
    assert stretched.dtype == np.uint8
    assert (stretched.max(axis=(2, 3)) == 255).all()
    assert simulated_recordings.pedestal(counts, 0).min() == -0.5


def test_a_transposed_scan_has_a_transposed_truth() -> None:
    scene = simulated.make("film", shape=(12, 16, 32, 32))
    other = simulated.make("film", shape=(12, 16, 32, 32), recordings=("transposed",))
    np.testing.assert_array_equal(other.labels, scene.labels.T)
    np.testing.assert_array_equal(other.counts[5, 3], scene.counts[3, 5].T)
    assert other.rotations is None


def test_a_file_holds_the_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scene.h5"
    monkeypatch.setattr(sys, "argv", ["simulated.py", "holes", str(path), "--seed", "2", "--shape", *map(str, SMALL)])
    simulated.main()
    scene, read = simulated.make("holes", seed=2, shape=SMALL), read_scene(path, "frame000")
    np.testing.assert_array_equal(read.counts, scene.counts)
    np.testing.assert_array_equal(read.truths[0], scene.labels)


def test_an_array_is_written_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "scan.npy"
    simulated.write_npy(path, "many", simulated.prepare("many", shape=(20, 12, 32, 32)))
    scene = simulated.make("many", shape=(20, 12, 32, 32))
    np.testing.assert_array_equal(np.load(path), scene.counts)
    np.testing.assert_array_equal(np.load(tmp_path / "scan.labels.npy"), scene.labels)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="should be one of film"):
        simulated.make("nothing")
