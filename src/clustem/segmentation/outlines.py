"""Closed contours of domains."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import find_objects
from skimage.measure import find_contours

from clustem.segmentation.domains import Domains


def contours(domains: Domains | ArrayLike) -> dict[int, list[NDArray[np.float64]]]:
    """Return the closed contours of every domain.

    Parameters
    ----------
    domains : Domains or (scan_y, scan_x) integer array
        0 = unassigned.

    Returns
    -------
    dict of label → list of (n, 2) float64
        Closed lines (first point = last point) of (y, x) in scan positions, halfway between the positions inside and
        outside (marching squares); a domain at the edge of the scan is closed half a step outside of it. Several
        lines if the domain has holes or several parts; positions that touch at a corner are one part, as in the
        segmentation. Outer boundaries run clockwise on the screen, holes the other way.

    Examples
    --------
    >>> import numpy as np
    >>> [line.shape for line in contours(np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]]))[1]]
    [(5, 2)]
    """
    labels = domains.labels if isinstance(domains, Domains) else np.asarray(domains)
    lines = {}
    for label, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        mask = np.pad(labels[box] == label, 1).astype(float)
        corner = np.array([box[0].start - 1, box[1].start - 1], float)
        found = find_contours(mask, 0.5, fully_connected="high", positive_orientation="low")
        lines[label] = [line + corner for line in found]
    return lines
