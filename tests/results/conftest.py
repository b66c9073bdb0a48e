"""A small run, shared by the tests of this folder."""

import numpy as np
import pytest

import clustem


@pytest.fixture(scope="session")
def demo_results():
    """Results of the bundled sample."""
    return clustem.run("clustem:film_au")


@pytest.fixture(scope="session")
def published_results():
    """The same by the published method."""
    return clustem.run("clustem:film_au", method="published", detector_mask="outside-beam", smooth_sigma=1)


@pytest.fixture(scope="session")
def plain_results():
    """Four strips of noise without calibration, of which the last is unassigned."""
    patterns = np.random.default_rng(0).poisson(5, (4, 8, 12, 13)).astype(np.uint16)
    return clustem.run(patterns, labels=np.repeat([[1, 2, 3, 0]], 2, axis=1).repeat(4, axis=0))
