"""Small windows for kernels, and what is around their positions."""

import numpy as np

from clustem.segmentation.noise_aware._region_kernels import View


def both(kernel):
    """A kernel, compiled and as plain Python."""
    return kernel, kernel.py_func


def random_scene(seed, shape=(13, 15), regions=4, size=3):
    """Values, noise and labels of a few straight regions and of some positions in none."""
    generator = np.random.default_rng(seed)
    y, x = np.indices(shape)
    places = generator.uniform(0, shape, (regions, 2))
    labels = np.argmin([(y - a) ** 2 + (x - b) ** 2 for a, b in places], axis=0).astype(np.int32)
    labels[generator.random(shape) < 0.05] = -1
    values = generator.normal(size=(*shape, size)).astype(np.float32)
    return values, generator.uniform(0.5, 2, shape).astype(np.float32), labels


def view_of(values, noise, labels, *, core=None):
    """What kernels see of a window."""
    boxes = np.zeros((int(labels.max()) + 1, 4), np.int32)
    for k in np.unique(labels[labels >= 0]):
        rows, columns = np.nonzero(labels == k)
        boxes[k] = rows.min(), rows.max(), columns.min(), columns.max()
    return View(values, noise, labels, boxes, core_of(labels) if core is None else core)


def around(labels, y, x):
    """Labels of a position and of its neighbours."""
    return labels[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]


def core_of(labels):
    """Positions of a region with no other label around."""
    return np.array(
        [[k >= 0 and (around(labels, y, x) == k).all() for x, k in enumerate(r)] for y, r in enumerate(labels)]
    )
