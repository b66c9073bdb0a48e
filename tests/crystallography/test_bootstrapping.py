import numpy as np
import pytest

import clustem
from clustem.errors import InputError

from .patterns import lattice_pattern

SHAPE = (64, 64)
VECTORS = [[0.0, 14.0], [12.5, 3.0]]


@pytest.fixture(scope="module")
def scene():
    """Two domains of 32 positions with the same lattice, with counts."""
    pattern, _ = lattice_pattern(SHAPE, (31.5, 31.5), VECTORS, 3.0, height=3.0, beam=200.0, background=0.05)
    scan = np.random.default_rng(0).poisson(np.broadcast_to(pattern, (8, 8, *SHAPE))).astype(np.uint16)
    labels = np.repeat([1, 2], 4)[:, None] * np.ones((1, 8), int)
    survey = clustem.survey(scan)
    return scan, labels, survey, clustem.find_peaks(clustem.average(scan, labels, survey=survey))


def bootstrap(scene, **options):
    scan, labels, survey, peaks = scene
    return clustem.bootstrap_strain(scan, labels, peaks, reference=1, draws=5, survey=survey, **options)


@pytest.fixture(scope="module")
def drawn(scene):
    return bootstrap(scene)


def test_strain_stays_and_errors_are_of_the_size_of_the_noise(scene, drawn):
    strain, plain = drawn, clustem.fit_strain(scene[3], reference=1)
    assert strain.e_xx[1] == plain.e_xx[1]
    assert abs(strain.e_xx[1]) < 4 * strain.e_xx_error[1]
    assert 0.15 < strain.e_xx_error[1] / plain.e_xx_error[1] < 3
    assert strain.e_xx_error[0] == 0, "the reference, relative to itself"


def test_the_seed_decides(scene, drawn):
    assert bootstrap(scene).e_yy_error[1] == drawn.e_yy_error[1]
    assert bootstrap(scene, seed=1).e_yy_error[1] != drawn.e_yy_error[1]


def test_what_does_not_fit(scene):
    scan, labels, _, peaks = scene
    with pytest.raises(InputError, match="draws"):
        clustem.bootstrap_strain(scan, labels, peaks, reference=1, draws=1)
    with pytest.raises(InputError, match="domains"):
        clustem.bootstrap_strain(scan, np.ones((8, 8), int), peaks, reference=1)
