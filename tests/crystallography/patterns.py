"""Patterns made of disks that are known exactly."""

import numpy as np

from clustem.averaging import Averages
from clustem.calibration import Calibration

FINE = 16  # samples per pixel and direction, to integrate over its area


def disk(shape, centre, radius, *, slope=(0.0, 0.0)):
    """A disk of height 1 with sharp edges, integrated over the pixels; `slope` is its relative change per radius."""
    steps = (np.arange(FINE) + 0.5) / FINE - 0.5
    y = (np.arange(shape[0])[:, None] + steps).ravel()[:, None] - centre[0]
    x = (np.arange(shape[1])[:, None] + steps).ravel() - centre[1]
    fine = (y**2 + x**2 < radius**2) * (1 + (slope[0] * y + slope[1] * x) / radius)
    return fine.reshape(shape[0], FINE, shape[1], FINE).mean(axis=(1, 3))


def averages_of(patterns, *, positions=1000, generator=None, calibration=None, centre=None, gain=1.0):
    """Averages of so many patterns each; with a generator, electrons are drawn."""
    patterns = np.asarray(patterns, float)
    number = len(patterns)
    drawn = patterns if generator is None else generator.poisson(patterns * positions / gain) * gain / positions
    centre = (np.array(patterns.shape[1:]) - 1) / 2 if centre is None else np.asarray(centre, float)
    return Averages(
        patterns=drawn.astype(np.float32),
        variance=(gain * patterns).astype(np.float32),
        electrons=drawn.sum(axis=(1, 2)) * positions,
        positions=np.full(number, positions),
        snr_single=np.ones(number),
        snr_domain=np.ones(number),
        chi_squared=np.ones(number),
        examples=drawn,
        example_positions=np.zeros((number, 2), int),
        centre_px=centre,
        margin_px=0.0,
        bytes_in=1,
        bytes_out=1,
        calibration=calibration or Calibration(),
    )


def lattice_pattern(shape, centre, vectors, radius, *, height=20.0, beam=2000.0, background=0.5, seed=0, reach=None):
    """A pattern with a direct beam and a disk at every lattice point inside, and the places of the disks."""
    generator = np.random.default_rng(seed)
    steps = np.mgrid[-9:10, -9:10].reshape(2, -1).T
    places = steps[(steps != 0).any(axis=1)] @ np.asarray(vectors) + centre
    edge = radius + 3
    places = places[((places > edge) & (places < np.array(shape) - 1 - edge)).all(axis=1)]
    if reach is not None:
        places = places[np.hypot(*(places - centre).T) < reach]
    y, x = np.indices(shape)
    pattern = background * (1 + np.exp(-np.hypot(y - centre[0], x - centre[1]) / 20)) + beam * disk(
        shape, centre, radius
    )
    for place in places:
        pattern += (
            height * generator.uniform(0.3, 1) * disk(shape, place, radius, slope=generator.uniform(-0.4, 0.4, 2))
        )
    return pattern, places
