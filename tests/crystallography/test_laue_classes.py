"""Crystals of every Laue class are found in their own patterns."""

from __future__ import annotations

import numpy as np
import pytest

from clustem import match_orientations
from clustem.crystallography import Crystal, Site
from clustem.crystallography.rotations import misorientation_deg

from .examples import peaks_of, rotation, spots

GENERAL = (Site("Zr", (0.0, 0.0, 0.0)), Site("Mo", (0.13, 0.27, 0.36)))  # the second leaves no symmetry but the group's


@pytest.mark.parametrize(
    ("group", "cell", "order"),
    [
        ("P -1", (4.1, 4.7, 5.3, 83, 97, 104), 1),
        ("P 1 2/m 1", (4.1, 4.7, 5.3, 90, 101, 90), 2),
        ("P m m m", (4.1, 4.7, 5.3, 90, 90, 90), 4),
        ("P 4/m", (5.1, 5.1, 4.3, 90, 90, 90), 4),
        ("P 4/m m m", (5.1, 5.1, 4.3, 90, 90, 90), 8),
        ("P -3", (5.2, 5.2, 6.1, 90, 90, 120), 3),
        ("P -3 m 1", (5.2, 5.2, 6.1, 90, 90, 120), 6),
        ("P 6/m", (6.2, 6.2, 4.4, 90, 90, 120), 6),
        ("P 6/m m m", (6.2, 6.2, 4.4, 90, 90, 120), 12),
        ("P m -3", (5.4, 5.4, 5.4, 90, 90, 90), 12),
        ("P m -3 m", (5.4, 5.4, 5.4, 90, 90, 90), 24),
    ],
)
def test_orientations_are_found_in_every_laue_class(
    group: str, cell: tuple[float, float, float, float, float, float], order: int
) -> None:
    of = Crystal(group, cell, group, GENERAL)
    assert len(of.rotations) == order
    found = match_orientations(
        peaks_of([spots(of, rotation(seed)) for seed in (0, 1)]), of, step_deg=2.5, dynamical=False
    )
    error = [float(misorientation_deg(found.rotation[seed], rotation(seed), of.rotations)) for seed in (0, 1)]
    assert max(error) < 0.2
    assert found.phase.tolist() == [group, group]
    np.testing.assert_allclose(found.scale, 1, atol=1e-3)
