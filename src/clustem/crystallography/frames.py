"""From detector pixels to the sample frame, and back."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.calibration import Calibration


def detector_matrix(calibration: Calibration) -> NDArray[np.float64]:
    """Return the matrix (2, 2) that takes (k_y, k_x) from the beam centre, in px, to (g_y, g_x) in the sample frame.

    First the ellipse is taken out, then `detector_flip`, then `detector_rotation_deg`, then the size of a pixel, which
    is 1 px where it is not calibrated. Angles are positive from x towards y.

    Examples
    --------
    >>> turned = Calibration(detector_rotation_deg=90, inv_angstrom_per_px=0.5)
    >>> np.round(detector_matrix(turned) @ [0, 2], 12)  # along k_x on the detector, along y in the sample
    array([1., 0.])
    """
    round_again = np.eye(2)
    if calibration.ellipse is not None:
        ratio, angle = calibration.ellipse
        along = np.array([math.sin(math.radians(angle)), math.cos(math.radians(angle))])
        round_again = math.sqrt(ratio) * (np.eye(2) + (1 / ratio - 1) * np.outer(along, along))
    flip = np.diag([-1.0 if calibration.detector_flip else 1.0, 1.0])
    turn = math.radians(calibration.detector_rotation_deg or 0.0)
    rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    return (calibration.inv_angstrom_per_px or 1.0) * rotation @ flip @ round_again


def to_sample(k: ArrayLike, centre: ArrayLike, calibration: Calibration) -> NDArray[np.float64]:
    """Return (g_y, g_x) in the sample frame, in 1/Å or, not calibrated, px, of detector pixels `k` (..., 2)."""
    offset: NDArray[np.float64] = np.asarray(k, np.float64) - np.asarray(centre, np.float64)
    return offset @ detector_matrix(calibration).T


def to_detector(g: ArrayLike, centre: ArrayLike, calibration: Calibration) -> NDArray[np.float64]:
    """Return the detector pixels (k_y, k_x) of (g_y, g_x) (..., 2) in the sample frame, the inverse of `to_sample`."""
    back = np.asarray(g, np.float64) @ np.linalg.inv(detector_matrix(calibration)).T
    return back + np.asarray(centre, np.float64)
