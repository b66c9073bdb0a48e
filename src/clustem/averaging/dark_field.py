"""A virtual dark-field image per domain: what scatters into its own Bragg spots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from clustem.averaging._kernels import sum_in_apertures
from clustem.averaging.record import Averages
from clustem.computing import in_threads
from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.passes import Block, run_pass
from clustem.surveying import Survey, survey_of
from clustem.tables import table_text

_BEAM_EDGE = 1.5  # radii of the direct beam that no aperture reaches into
_SIGMAS = 5.0  # standard errors by which a spot stands out; there are thousands of pixels to be wrong in
_WEAKEST = 0.2  # of the strongest spot of the domain


@dataclass(frozen=True, eq=False, repr=False)
class DarkFields:
    """Virtual dark-field images, made by :func:`clustem.dark_fields`. Index i belongs to label i + 1.

    Attributes
    ----------
    images : (K, scan_y, scan_x) float64
        Sum of every raw pattern over the apertures of the domain, in the units of the scan; NaN everywhere for a
        domain without a spot.
    apertures : (K, k_y, k_x) bool
        The detector pixels that are summed, for a beam at `Averages.centre_px`.
    """

    images: NDArray[np.float64]
    apertures: NDArray[np.bool_]

    def __repr__(self) -> str:
        count = len(self.images)
        pixels = self.apertures.sum(axis=(1, 2))
        return table_text(
            f"Dark fields of {count} domain{'s' * (count != 1)}",
            [
                ("images", "×".join(map(str, self.images.shape))),
                ("apertures", f"median {np.median(pixels):.0f} detector pixels" if count else None),
                ("without a spot", int((pixels == 0).sum()) or None),
            ],
        )


def dark_fields(scan: Any, averages: Averages, *, survey: Survey | None = None) -> DarkFields:
    """Make a virtual dark-field image for every domain, with apertures on its own Bragg spots; one read.

    Parameters
    ----------
    scan : Scan, array (scan_y, scan_x, k_y, k_x), object with such `.data`, or path
    averages : Averages
        Of the domains of this scan.
    survey : Survey, optional
        Of the same scan. Without it the scan is surveyed first, which is one more read.

    Returns
    -------
    DarkFields

    Raises
    ------
    InputError
        If the averages or the survey are of another scan.

    Notes
    -----
    An aperture is where the domain scatters more than the rest of the scan: the difference of its average and the mean
    of all other patterns, blurred by half the radius of the direct beam, is at least five standard errors and a fifth
    of its maximum. (A domain without a rest is compared with the median of the ring around the beam.) The direct beam
    up to 1.5 of its radii and bad pixels are left out. An image shows all that scatters into the same spots, also
    other domains that share some of them, as in a microscope with that aperture; it is no mask of the domain. Where
    the beam moves over the scan, the apertures move with it by whole pixels.

    Examples
    --------
    >>> import clustem
    >>> scan = clustem.open_scan("clustem:film_au")
    >>> survey = clustem.survey(scan)
    >>> averages = clustem.average(scan, clustem.segment(scan, survey=survey), survey=survey)
    >>> clustem.dark_fields(scan, averages, survey=survey).images.shape
    (17, 40, 40)
    """
    scan = open_scan(scan)
    found = survey_of(scan, survey)
    if averages.patterns.shape[1:] != scan.detector_shape:
        raise InputError(
            f"averages: expected patterns of {scan.detector_shape} pixels as the scan has, "
            f"got {averages.patterns.shape[1:]}"
        )
    apertures = find_apertures(averages, found)
    pixels = [np.argwhere(aperture) for aperture in apertures]
    starts = np.cumsum([0, *map(len, pixels)])
    places = np.concatenate(pixels) if pixels else np.zeros((0, 2), np.int64)
    moves = np.rint(found.descan_px).astype(np.int64).reshape(-1, 2)
    sums = np.zeros((moves.shape[0], len(apertures)))

    def process(block: Block) -> None:
        patterns, first = block.patterns, block.positions.start

        def work(a: int, b: int) -> None:
            here = slice(first + a, first + b)
            sum_in_apertures(patterns[a:b], places, starts, moves[here], found.detector_mask, sums[here])

        in_threads(work, len(patterns))

    run_pass(scan, process, stage="dark fields")
    images = np.moveaxis(sums.reshape(*scan.scan_shape, -1), -1, 0).copy()
    images[np.diff(starts) == 0] = np.nan
    return DarkFields(images, apertures)


def find_apertures(averages: Averages, survey: Survey) -> NDArray[np.bool_]:
    """Return the Bragg spots of every domain, (K, k_y, k_x) bool, see :func:`clustem.dark_fields`."""
    shape = averages.patterns.shape[1:]
    radius = survey.beam_radius_px
    centre = averages.centre_px if np.isfinite(averages.centre_px).all() else (np.array(shape) - 1) / 2
    distance = np.hypot(*(np.indices(shape) - np.reshape(centre, (2, 1, 1))))
    allowed = survey.detector_mask & (distance > (_BEAM_EDGE * radius if np.isfinite(radius) else 0.0))
    blur = max(0.5, radius / 2) if np.isfinite(radius) else 1.0
    patterns = int((~survey.dead_positions).sum())
    apertures = np.zeros(averages.patterns.shape, bool)
    for k, (pattern, count) in enumerate(zip(averages.patterns, averages.positions.tolist(), strict=True)):
        rest = patterns - count
        if rest > 0:
            reference = np.maximum(patterns * survey.mean - count * pattern, 0) / rest
        else:
            reference = _ring_medians(pattern, distance, allowed)
        spread = averages.variance[k] if count > 1 else survey.noise.variance(np.maximum(pattern, reference))
        squared = spread / count + survey.variance / max(rest, count)
        apertures[k] = _spots(pattern - reference, squared, allowed, blur)
    return apertures


def _ring_medians(
    pattern: NDArray[np.float32], distance: NDArray[np.float64], allowed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return for every pixel the median of the allowed pixels that are as far from the beam, to a pixel."""
    rings = np.rint(distance).astype(np.int64)
    medians = ndimage.median(pattern, np.where(allowed, rings, -1), np.arange(rings.max() + 1))
    return np.nan_to_num(np.asarray(medians, np.float64))[rings]


def _spots(
    excess: NDArray[np.float64], squared_error: NDArray[np.float64], allowed: NDArray[np.bool_], blur: float
) -> NDArray[np.bool_]:
    """Return where an excess is certain and strong, after a blur into which nothing enters that is not allowed."""
    share = np.maximum(ndimage.gaussian_filter(allowed.astype(np.float64), blur), 1e-6)
    smooth = np.where(allowed, ndimage.gaussian_filter(np.where(allowed, excess, 0.0), blur) / share, 0.0)
    kept = min(1.0, 1 / (4 * np.pi * blur**2))  # share of white noise that a Gaussian blur leaves
    error = np.sqrt(kept * ndimage.gaussian_filter(np.where(allowed, squared_error, 0.0), blur / np.sqrt(2)))
    spots: NDArray[np.bool_] = (smooth > _SIGMAS * error) & (smooth > _WEAKEST * smooth.max(initial=0.0))
    return spots
