"""The Gaussian blur of patterns before they are compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TRUNCATE = 4.0  # standard deviations at which the kernel ends, as in scipy.ndimage.gaussian_filter


def blur_plan(shape: tuple[int, int], sigma: float) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return what :func:`~clustem.segmentation.similarity.blur_pattern` needs to blur patterns of a shape.

    Parameters
    ----------
    shape : (k_y, k_x)
    sigma : float
        Standard deviation in px; 0 = no blur.

    Returns
    -------
    taps : (r + 1,) float32
        The middle of the kernel and one half of it, filled with zeros to a multiple of four.
    rows, columns : (k_y + 2r,) and (k_x + 2r,) int64
        The pixels that stand for those beyond the borders: reflected about the edge, as scipy's mode "reflect".
    """
    reach = int(_TRUNCATE * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(reach + 1) / max(sigma, 1e-9)) ** 2)
    taps /= 2 * taps.sum() - taps[0]
    taps = np.pad(taps, (0, -reach % 4))
    reach = taps.size - 1
    rows, columns = (np.pad(np.arange(length), reach, mode="symmetric") for length in shape)
    return taps.astype(np.float32), rows, columns
