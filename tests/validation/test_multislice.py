"""Multislice scenes: what surrounds the runs of abTEM, which is not needed here."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[2] / "validation"))  # as for the scripts there

import multislice
from simulated import make, make_of, prepare
from simulated_crystals import CRYSTALS, Optics, random_rotations

OPTICS = Optics((32, 32))
ROTATIONS = random_rotations(3, np.random.default_rng(0))


@pytest.mark.parametrize("name", ["Au", "Fe", "Ti"])
@pytest.mark.parametrize("rotation", ROTATIONS)
def test_a_slab_has_the_density_of_its_crystal(name, rotation):
    crystal = CRYSTALS[name]
    atoms, cell = multislice.slab(crystal, rotation, 40.0)
    expected = cell.prod() * len(crystal.atoms) / abs(np.linalg.det(crystal.axes))
    assert len(atoms) == pytest.approx(expected, rel=0.02)
    assert (atoms >= 0).all()
    assert (atoms < cell).all()


def test_atoms_of_a_slab_are_those_of_the_turned_crystal():
    crystal = CRYSTALS["Au"]
    atoms, cell = multislice.slab(crystal, ROTATIONS[0], 20.0)
    index = ((atoms - cell / 2) @ ROTATIONS[0]) @ np.linalg.inv(crystal.axes)
    np.testing.assert_allclose(2 * index, np.rint(2 * index), atol=1e-6)


class Flat:
    """A grain that scatters alike everywhere."""

    def patterns(self, _grain, optics, thickness, _tilt):
        return np.full((len(thickness), *optics.detector), 1 / np.prod(optics.detector), np.float32)

    def direct(self, _grain, _optics, thickness, _tilt):
        return np.zeros(len(thickness))


def test_a_scene_is_made_of_the_scattering_it_is_given():
    exposure = prepare("film", dose=1000, shape=(12, 12, 32, 32))
    whole = make_of(replace(exposure, source=replace(exposure.source, scattering=Flat())), "film")
    mean = whole.counts.mean((0, 1))
    amorphous = mean.max() / mean.min()
    assert amorphous < 30, "no reflection, and no direct beam"
    plain = make("film", dose=1000, shape=(12, 12, 32, 32))
    assert plain.counts.mean((0, 1)).max() > 100 * np.median(plain.counts.mean((0, 1)))
    assert np.array_equal(plain.labels, whole.labels)


def test_each_thickness_of_a_grain_is_computed_once(monkeypatch):
    asked = []

    def scattered(crystal, rotation, optics, thickness):
        asked.append(thickness)
        return np.full(optics.detector, thickness, np.float32)

    monkeypatch.setattr(multislice, "scattered", scattered)
    source = multislice.Multislice()
    grain = prepare("film", shape=(12, 12, 32, 32)).source.grains[0]
    for _ in range(2):
        found = source.patterns(grain, OPTICS, np.array([40.0, 80.0]), np.zeros(2))
        assert found[:, 0, 0].tolist() == [40, 80]
    assert asked == [40, 80]
    with pytest.raises(ValueError, match="bend"):
        source.patterns(grain, OPTICS, np.array([40.0]), np.ones(1))
