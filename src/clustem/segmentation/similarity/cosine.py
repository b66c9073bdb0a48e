"""Cosine similarity of neighbouring diffraction patterns, as published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.computing import in_threads
from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.passes import Block, run_pass
from clustem.scan import Scan, is_whole
from clustem.segmentation.similarity._kernels import real_products, sharp_products, whole_products
from clustem.segmentation.similarity.blur import blur_plan
from clustem.surveying import load_mask, runs_of

NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (1, 1), (1, 0), (1, -1), (0, 1))
"""(dy, dx) of the eight neighbours, in the published order."""
UNIQUE = ((0, 1), (1, -1), (1, 0), (1, 1))
"""(dy, dx) of the four neighbours that give every pair once."""
_TILE = 16  # columns that a thread walks down together, so that a row's patterns are still in its cache for the next
_SAME = 1e-12  # a variance below this share of the mean square is rounding: the pattern is constant


def published_similarity(
    scan: Any,
    *,
    detector_mask: ArrayLike | str | Path | None = None,
    scan_mask: ArrayLike | str | Path | None = None,
    smooth_sigma: float = 0.0,
) -> NDArray[np.float64]:
    """Return the cosine similarity of every pattern to its eight neighbours.

    From each pattern its mean over the whole detector is subtracted; then it is blurred, then masked; then the cosine
    of the masked vectors is taken.

    Parameters
    ----------
    scan : Scan, array (scan_y, scan_x, k_y, k_x), object with such `.data`, or path
    detector_mask : (k_y, k_x) bool, or image file, optional
        True = use.
    scan_mask : (scan_y, scan_x) bool, or image file, optional
        True = use; the similarities of other positions are multiplied by 0.
    smooth_sigma : float
        Standard deviation of the Gaussian blur in detector px (reflecting borders); 0 = none.

    Returns
    -------
    (scan_y, scan_x, 8) float64
        In [−1, 1]; neighbours (dy, dx) in the order (−1,−1), (−1,0), (−1,1), (0,−1), (1,1), (1,0), (1,−1), (0,1).
        −1 outside the scan; NaN where one of the patterns is constant (dead) or not finite.

    Raises
    ------
    InputError
        If a mask has the wrong shape or selects nothing, or smooth_sigma is negative.

    Notes
    -----
    Source: Lee et al., Microsc. Microanal. 32, ozag044 (2026), doi 10.1093/mam/ozag044. Every pattern is read and
    blurred once. A pixel masked by the file itself is never used.

    Examples
    --------
    >>> import numpy as np
    >>> patterns = np.random.default_rng(0).poisson(5, (3, 4, 8, 8))
    >>> published_similarity(patterns).shape
    (3, 4, 8)
    """
    scan = open_scan(scan)
    use = None if scan_mask is None else load_mask(scan_mask, scan.scan_shape, name="scan_mask")
    edges = edge_similarity(scan, detector_mask=detector_mask, smooth_sigma=smooth_sigma)
    around = around_positions(edges)
    return around if use is None else around * use[..., None]


def edge_similarity(
    scan: Scan, *, detector_mask: ArrayLike | str | Path | None, smooth_sigma: float
) -> NDArray[np.float64]:
    """Return the similarity of every pair of neighbours once, (4, scan_y, scan_x), to the neighbours of `UNIQUE`.

    −1 outside the scan, NaN where a pattern is dead.
    """
    check_blur(smooth_sigma, scan.detector_shape)
    mask = _pixels(scan, detector_mask)
    height, width = scan.scan_shape
    # with a row and a column to spare: parts and the whole are compiled for alike
    sums, dots = np.zeros((3, height + 1, width + 1)), np.zeros((4, height + 1, width + 1))
    runs = runs_of(mask)
    plan = blur_plan(scan.detector_shape, smooth_sigma)

    def process(block: Block) -> None:
        rows, (across, core) = slice(block.start, block.stop), block.with_halo
        filled = *sums[:, rows, across], dots[:, rows, across]
        flat = block.data.reshape(*block.data.shape[:2], -1)

        def work(first: int, last: int) -> None:
            span = core.start + first, core.start + last
            if smooth_sigma:
                real_products(block.data, *plan, runs, *span, *filled)
            elif is_whole(flat.dtype):
                whole_products(flat, runs, *span, *filled)
            else:
                sharp_products(flat, runs, *span, *filled)

        in_threads(work, core.stop - core.start, longest=_TILE)

    run_pass(scan, process, stage="similarity", below=1, beside=1)
    return _cosines(sums[:, :height, :width], dots[:, :height, :width], int(mask.sum()), mask.size)


def check_blur(smooth_sigma: float, detector_shape: tuple[int, int]) -> None:
    """Raise InputError if patterns of a shape cannot be blurred by `smooth_sigma` px."""
    least = min(detector_shape)
    if not 0 <= smooth_sigma < least:
        raise InputError(
            f"smooth_sigma: expected a blur of 0 px or more and below the size of the detector, {least} px, "
            f"got {smooth_sigma!r}"
        )


def around_positions(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (scan_y, scan_x, 8) in the order of `NEIGHBOURS` from the pairs (4, scan_y, scan_x) of `UNIQUE`."""
    _, height, width = edges.shape
    around = np.full((height, width, 8), -1.0)
    for (dy, dx), edge in zip(UNIQUE, edges, strict=True):
        here, there = overlap(dy, dx)
        around[(*here, NEIGHBOURS.index((dy, dx)))] = edge[here]
        around[(*there, NEIGHBOURS.index((-dy, -dx)))] = edge[here]
    return around


def overlap(dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return slices of the positions that have a neighbour at (dy, dx), dy ≥ 0, and of those neighbours."""
    here = slice(0, -dy or None), slice(max(0, -dx), -max(0, dx) or None)
    there = slice(dy, None), slice(max(0, dx), -max(0, -dx) or None)
    return here, there


def mean_similarity(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean similarity (scan_y, scan_x) to the neighbours inside the scan; NaN where there is none."""
    around = around_positions(edges)
    inside = around_positions(_exists(edges.shape[1:])) > 0
    known = inside & np.isfinite(around)
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = np.where(known, around, 0).sum(axis=-1) / known.sum(axis=-1)
    return mean


def _exists(shape: tuple[int, ...]) -> NDArray[np.float64]:
    present = np.zeros((4, *shape))
    for n, (dy, dx) in enumerate(UNIQUE):
        present[(n, *overlap(dy, dx)[0])] = 1
    return present


def _pixels(scan: Scan, detector_mask: ArrayLike | str | Path | None) -> NDArray[np.bool_]:
    mask = np.ones(scan.detector_shape, bool)
    if detector_mask is not None:
        mask = load_mask(detector_mask, scan.detector_shape, name="detector_mask")
    if scan.detector_mask is not None:
        mask = mask & scan.detector_mask
    if mask.sum() < 2:
        raise InputError(f"detector_mask: leaves {int(mask.sum())} pixels to compare, expected at least 2")
    return mask


def _cosines(sums: NDArray[np.float64], dots: NDArray[np.float64], used: int, pixels: int) -> NDArray[np.float64]:
    """Return cosines of the masked patterns about their whole means, from raw sums."""
    everything, masked, squares = sums
    mean = everything / pixels
    energy = squares - 2 * mean * masked + used * mean**2
    energy = np.where(energy > _SAME * squares, energy, np.nan)
    edges = np.full(dots.shape, -1.0)
    for n, (dy, dx) in enumerate(UNIQUE):
        here, there = overlap(dy, dx)
        product = dots[n][here] - (mean[here] * masked[there] + mean[there] * masked[here])
        product += used * (mean[here] * mean[there])
        edges[(n, *here)] = np.clip(product / np.sqrt(energy[here] * energy[there]), -1, 1)
    return edges
