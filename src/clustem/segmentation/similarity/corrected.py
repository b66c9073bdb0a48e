"""Similarity of the patterns behind the noise, with its standard error."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.computing import in_threads
from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.passes import Block, run_pass
from clustem.scan import Scan
from clustem.segmentation.similarity._corrected_kernels import corrected_products
from clustem.segmentation.similarity.chain import STEPS_PER_PX, Chain
from clustem.segmentation.similarity.cosine import UNIQUE, check_blur, mean_similarity, overlap
from clustem.surveying import NoiseModel, Survey, load_mask, outside_beam_mask, survey_of
from clustem.tables import table_text

_TILE = 8  # columns that a thread walks down together, for its cache
_SIGNAL = 2.0  # standard errors that the energy of a pattern must exceed the noise by


@dataclass(frozen=True, eq=False, repr=False)
class SimilarityMap:
    """Noise-corrected similarities of neighbouring patterns, made by :func:`clustem.similarity_map`.

    Attributes
    ----------
    edges : (scan_y, scan_x, 4) float64
        Similarity to the neighbours (dy, dx) = (0,1), (1,−1), (1,0), (1,1), which give every pair once. NaN outside the
        scan and where one of the two patterns has no signal. Noise may take it beyond ±1.
    standard_error : (scan_y, scan_x, 4) float64
        Of the edges.
    mean : (scan_y, scan_x) float64
        Mean similarity to the eight neighbours, as far as it is known; NaN where it is not.
    signal : (scan_y, scan_x) float64
        Energy of the pattern above the noise, in standard errors; below 2 the position has no similarity.
    noise : NoiseModel
        The noise that was taken off.
    smooth_sigma, binning : float, int
    """

    edges: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    mean: NDArray[np.float64]
    signal: NDArray[np.float64]
    noise: NoiseModel
    smooth_sigma: float
    binning: int

    def __repr__(self) -> str:
        known = np.isfinite(self.edges)
        typical = "none is known"
        if known.any():
            typical = f"{np.median(self.edges[known]):.3f} ± {np.median(self.standard_error[known]):.2g}"
        return table_text(
            "Noise-corrected similarity",
            [
                ("scan", "×".join(map(str, self.mean.shape)) + " positions"),
                ("median similarity", typical),
                ("positions without signal", int((~(self.signal >= _SIGNAL)).sum())),
                ("noise", self.noise.summary),
                ("blur", f"{self.smooth_sigma:g} px of {self.binning}×{self.binning} detector pixels"),
            ],
        )


def similarity_map(
    scan: Any,
    *,
    survey: Survey | None = None,
    noise: NoiseModel | None = None,
    detector_mask: ArrayLike | str | Path | None = None,
    weights: ArrayLike | None = None,
    smooth_sigma: float = 1.0,
    binning: int = 1,
    centre: bool = True,
) -> SimilarityMap:
    """Return how similar neighbouring patterns are behind their noise, whatever the dose.

    Parameters
    ----------
    scan : Scan, array (scan_y, scan_x, k_y, k_x), object with such `.data`, or path
    survey : Survey, optional
        Of the same scan; without it the scan is surveyed first, which is one more read.
    noise : NoiseModel, optional
        In place of the survey's.
    detector_mask : (k_y, k_x) bool, or image file, optional
        True = use. Without it, all from 1.5 radii of the direct beam outwards; where no direct beam was found,
        everything. Bad pixels of the survey are never used.
    weights : (k_y, k_x), optional
        What pattern differences are multiplied by, such as 1/√mean; not negative. Without them, all pixels count alike.
    smooth_sigma : float
        Standard deviation in px, of the binned detector, of the Gaussian blur before patterns are compared; 0 = none.
    binning : int
        Detector pixels along an edge that are summed first; what is left over at the end is cut off.
    centre : bool
        Whether patterns are moved to a common centre where the survey found that the beam moves, by multiples of a
        quarter pixel.

    Returns
    -------
    SimilarityMap

    Raises
    ------
    InputError
        If a mask or weights have the wrong shape or leave fewer than two pixels, the survey is of another scan, or
        smooth_sigma or binning is out of range.

    Notes
    -----
    ρ = cov(a, b)/√(v_a v_b), v = var − noise: the correlation over the used pixels, with their squared weights, where
    the noise energy of each pattern is taken off. It is that of the raw pixels under the noise model, followed exactly
    through movement, binning, mask, blur, mean and weights, with the covariance of neighbouring pixels if there is any.
    Pixels that are not used add nothing to their neighbours by the blur; a blurred pixel is the average of the used
    ones around it.

    The standard error is that of the delta method. In it the noise of neighbouring pixels that was mixed by moving is
    taken as if it was independent, and weights as if they hardly changed within the blur. Where v is below two of its
    standard errors there is no signal, and no similarity. Single faint patterns have large errors: a mean of many
    pairs tells more than one of them. The estimate is a ratio, whose bias is taken off to the
    same order as the error.

    One read. The cost is a few times that of :func:`clustem.published_similarity` with the same blur.

    Source: Pearson correlation corrected for attenuation, C. Spearman, Am. J. Psychol. 15, 72 (1904), doi
    10.2307/1412159, with the noise from counting statistics.

    Examples
    --------
    >>> import numpy as np
    >>> pattern = np.random.default_rng(0).gamma(0.3, 20.0, (16, 16))
    >>> scan = np.random.default_rng(1).poisson(np.broadcast_to(pattern, (8, 8, 16, 16)))
    >>> found = similarity_map(scan, smooth_sigma=0)
    >>> bool(abs(np.nanmean(found.edges) - 1) < 0.01)
    True
    """
    scan = open_scan(scan)
    found = survey_of(scan, survey)
    noise = found.noise if noise is None else noise
    if isinstance(binning, bool) or not isinstance(binning, Integral) or not 1 <= binning <= min(scan.detector_shape):
        raise InputError(f"binning: expected a whole number of pixels of at least 1, got {binning!r}")
    check_blur(smooth_sigma, scan.detector_shape)
    moved = centre and bool(found.descan_px.any())
    chain = _chain(scan, found, noise, detector_mask, weights, smooth_sigma, int(binning), moved)
    moves, places = _moves(found.descan_px * moved)
    single, pairs = _products(scan, chain, noise, moves, places)
    edges, errors, signal = _similarities(single, pairs)
    mean = mean_similarity(edges)
    return SimilarityMap(
        np.moveaxis(edges, 0, -1), np.moveaxis(errors, 0, -1), mean, signal, noise, float(smooth_sigma), int(binning)
    )


def _chain(
    scan: Scan,
    found: Survey,
    noise: NoiseModel,
    detector_mask: ArrayLike | str | Path | None,
    weights: ArrayLike | None,
    sigma: float,
    binning: int,
    moved: bool,
) -> Chain:
    """Return what is done to every pattern."""
    use = outside_beam_mask(found)
    if detector_mask is not None:
        use = load_mask(detector_mask, scan.detector_shape, name="detector_mask")
    if not moved:  # bad pixels stand still on the detector, the mask on the patterns
        use = use & found.detector_mask
    weight = np.ones(scan.detector_shape) if weights is None else np.asarray(weights, float)
    if weight.shape != scan.detector_shape or not np.isfinite(weight).all() or (weight < 0).any():
        raise InputError(
            f"weights: expected finite numbers, not negative, of shape {scan.detector_shape}, got {weight.shape}"
        )
    mask: NDArray[np.bool_] = np.asarray(_binned(use, binning).all(axis=(1, 3)), bool)
    weight = np.where(mask, _binned(weight, binning).mean(axis=(1, 3)), 0)
    if (weight > 0).sum() < 2:
        raise InputError(f"detector_mask: leaves {int((weight > 0).sum())} pixels to compare, expected at least 2")
    return Chain(found.detector_mask, mask, weight, sigma, binning, noise.covariance)


def _binned(image: NDArray[Any], binning: int) -> NDArray[Any]:
    """Return a view (n_y, binning, n_x, binning) of the whole bins of an image (k_y, k_x)."""
    height, width = (size // binning for size in image.shape)
    return image[: height * binning, : width * binning].reshape(height, binning, width, binning)


def _moves(descan: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the different movements (m, 4), whole and fractional px, and which of them each position has."""
    steps = np.rint(descan * STEPS_PER_PX) / STEPS_PER_PX
    different, places = np.unique(steps.reshape(-1, 2), axis=0, return_inverse=True)
    whole = np.floor(different)
    return np.hstack([whole, different - whole]), places.reshape(descan.shape[:2])


def _products(
    scan: Scan, chain: Chain, noise: NoiseModel, moves: NDArray[np.float64], places: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sums of every pattern (4, scan_y, scan_x) and every pair (6, 4, scan_y, scan_x)."""
    height, width = scan.scan_shape
    # with a row and a column to spare: parts and the whole are compiled for alike
    single, pairs = np.zeros((4, height + 1, width + 1)), np.zeros((6, 4, height + 1, width + 1))
    templates, maps = (np.stack(tables) for tables in zip(*(chain.tables(move) for move in moves), strict=True))
    sharing = 1 + 2 * sum(noise.covariance)
    read = noise.read_noise**2
    numbers = np.array(
        [noise.gain, noise.offset, read * chain.binning**2, sharing, chain.spread, chain.middle], dtype=float
    )
    maps, weight = maps.astype(np.float32), chain.weight.ravel().astype(np.float32)  # read for every pattern

    def process(block: Block) -> None:
        here, (across, core) = slice(block.start, block.stop), block.with_halo
        moved = np.ascontiguousarray(places[here.start : here.stop + block.below, across])

        def work(first: int, last: int) -> None:
            corrected_products(
                block.data,
                moved,
                moves,
                templates,
                maps,
                chain.good,
                chain.mask,
                chain.binning,
                weight,
                *chain.plan,
                numbers,
                core.start + first,
                core.start + last,
                single[:, here, across],
                pairs[:, :, here, across],
            )

        in_threads(work, core.stop - core.start, longest=_TILE)

    run_pass(scan, process, stage="corrected similarity", below=1, beside=1)
    single, pairs = single[:, :height, :width], pairs[:, :, :height, :width]
    single[1] = noise.gain * single[1] + read * templates.sum(axis=(1, 2))[places]
    return single, pairs


def _similarities(
    single: NDArray[np.float64], pairs: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return edges and standard errors (4, scan_y, scan_x), and the signal (scan_y, scan_x) in standard errors."""
    energy, noise, with_signal, by_chance = single
    chance = np.maximum(by_chance, 0)
    variance = np.maximum(4 * with_signal - 2 * chance, 2 * chance)
    clean = energy - noise
    with np.errstate(invalid="ignore", divide="ignore"):
        signal = np.where(variance > 0, clean / np.sqrt(variance), np.where(clean > 0, np.inf, -np.inf))
    clean = np.where((signal >= _SIGNAL) & (clean > 0), clean, np.nan)
    relative = variance / clean**2
    edges, errors = np.full(pairs.shape[1:], np.nan), np.full(pairs.shape[1:], np.nan)
    for n, (dy, dx) in enumerate(UNIQUE):
        here, there = overlap(dy, dx)
        cross, first, second, own, other, shared = pairs[:, n][(slice(None), *here)]
        scale = np.sqrt(clean[here] * clean[there])
        similarity = cross / scale
        covaries = (own / clean[here] + other / clean[there]) / scale
        doubt = np.maximum(first + second - shared, np.abs(shared)) / scale**2
        doubt += similarity**2 / 4 * (relative[here] + relative[there])
        doubt -= 2 * similarity * covaries
        edges[(n, *here)] = similarity * (1 - 3 / 8 * (relative[here] + relative[there])) + covaries
        errors[(n, *here)] = np.sqrt(np.maximum(doubt, np.abs(shared) / scale**2))
    return edges, errors, signal
