"""Counts of a small scan with four domains."""

import numpy as np
from scipy.special import erfc

LABELS = np.zeros((10, 12), np.int32)
LABELS[:5, :6], LABELS[:, 7:], LABELS[7:, :4], LABELS[9, 5] = 1, 2, 3, 4
DETECTOR = (36, 38)


def disk(centre, radius, height):
    y, x = np.indices(DETECTOR)
    return height * 0.5 * erfc(np.hypot(y - centre[0], x - centre[1]) - radius)


def counts_of(labels=LABELS, *, path=None, dose=1.0, seed=0):
    """Counts: a direct beam at `path` (Y, X, 2), which stands still without it, and a spot for every label."""
    generator = np.random.default_rng(seed)
    path = np.broadcast_to((17.0, 18.0), (*labels.shape, 2)) if path is None else path
    counts = np.empty((*labels.shape, *DETECTOR), np.uint16)
    for y, x in np.ndindex(labels.shape):
        cy, cx = path[y, x]
        angle = 1.5 * labels[y, x]
        expected = disk((cy, cx), 3.0, 20) + 0.2
        expected += disk((cy + 10 * np.sin(angle), cx + 10 * np.cos(angle)), 2.0, 8)
        counts[y, x] = generator.poisson(dose * expected)
    return counts


def ramp(shape=(10, 12), amplitude=2.0):
    y, x = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    return np.stack([17 + amplitude * y, 18 + amplitude * (0.5 * y - x)], axis=-1)
