"""A small run, shared by the tests of this folder."""

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
