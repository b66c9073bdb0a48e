"""The published correlative prefilter: averaging over similar neighbours in the scan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.passes import in_threads
from clustem.scan import Scan
from clustem.segmentation._prefilter_kernels import (
    make_features,
    neighbour_weights,
    pair_products,
    sharpen_products,
    weighted_sums,
)
from clustem.segmentation.blur import blur_plan
from clustem.segmentation.parameters import Border
from clustem.surveying import runs_of

_TILE = 8  # columns that a thread walks down together, for its cache
_SMALL = 0.05  # weights up to which correlations are computed twice, because a small weight takes a precise one
_DOUBT = 1e-5  # of a correlation in 32 bits


@dataclass(frozen=True)
class PrefilterParameters:
    """Parameters of the correlative prefilter.

    Parameters
    ----------
    corr_range : (low, high)
        Correlations up to `low` get weight 0, from `high` on weight 1, linear in between.
    radius : int
        Neighbours up to radius + 0.5 positions away take part: 69 with the published 4.
    sigma : float
        Blur in detector px of the patterns that are compared.
    edge : int
        Width in px of the frame of the detector that is not compared.
    border : {"full", "published"}
        ``"published"``: the own pattern counts twice, and row 0 and column 0 of the scan never donate.
    """

    corr_range: tuple[float, float] = (0.85, 0.95)
    radius: int = 4
    sigma: float = 3.0
    edge: int = 12
    border: Border = "full"

    def __post_init__(self) -> None:
        low, high = (float(value) for value in self.corr_range)
        if not -1 <= low < high <= 1:
            raise InputError(f"corr_range: expected -1 ≤ low < high ≤ 1, got {self.corr_range}")
        object.__setattr__(self, "corr_range", (low, high))
        for name, low_limit in (("radius", 1), ("sigma", 0), ("edge", 0)):
            value = getattr(self, name)
            if not np.isfinite(value) or value < low_limit or (name != "sigma" and value != int(value)):
                raise InputError(f"{name}: expected at least {low_limit}, got {value!r}")
        if self.border not in ("full", "published"):
            raise InputError(f"border: expected 'full' or 'published', got {self.border!r}")


def published_prefilter(
    scan: Any,
    *,
    corr_range: tuple[float, float] = (0.85, 0.95),
    radius: int = 4,
    sigma: float = 3.0,
    edge: int = 12,
    border: Border = "full",
) -> Scan:
    """Return the scan with every pattern averaged with its similar neighbours, computed when it is read.

    Parameters
    ----------
    scan : Scan, array (scan_y, scan_x, k_y, k_x), object with such `.data`, or path
    corr_range, radius, sigma, edge, border
        See :class:`~clustem.segmentation.prefilter.PrefilterParameters`.

    Returns
    -------
    Scan
        Lazy, float32; ``numpy.asarray`` of it computes everything.

    Raises
    ------
    InputError
        If a parameter is out of range or the frame `edge` leaves nothing of the detector.

    Notes
    -----
    Patterns are compared after a blur, weighted by |k − k_c|²/(Q_y Q_x) and L2-normalised; the average is taken of the
    raw values: (I_r + Σ a_n I_n)/(1 + Σ a_n), a_n = clip((c_n − low)/(high − low), 0, 1), a_n ≤ 1e-3 dropped. The sum
    runs over the neighbours without r itself; the authors' code (``border="published"``) includes it. Empty patterns
    neither donate nor receive. Source: Lee et al. 2026, doi 10.1093/mam/ozag044. Similarities of filtered patterns
    count the same electrons twice: on pure noise, neighbours correlate at 0.81 to 0.91.

    Examples
    --------
    >>> import numpy as np
    >>> patterns = np.random.default_rng(0).poisson(5, (3, 4, 32, 32))
    >>> np.asarray(published_prefilter(patterns)).dtype
    dtype('float32')
    """
    scan = open_scan(scan)
    parameters = PrefilterParameters(corr_range, radius, sigma, edge, border)
    weight = _detector_weight(scan.detector_shape, parameters.edge)
    if scan.detector_mask is not None:
        weight = weight * scan.detector_mask
    if not weight.any():
        raise InputError(
            f"edge: a frame of {edge} px leaves nothing of the {scan.detector_shape[0]}×{scan.detector_shape[1]} "
            "detector to compare; choose a smaller edge, or leave the prefilter out"
        )
    return Scan(
        shape=scan.shape,
        dtype=np.dtype(np.float32),
        reader=partial(_filtered_rows, scan, weight, parameters),
        calibration=scan.calibration,
        name=f"{scan.name} (prefiltered)",
        detector_mask=scan.detector_mask,
        rows_per_chunk=1,
        working_bytes=4.0 * scan.dtype.itemsize + 8,
        assumptions=scan.assumptions,
    )


def _detector_weight(shape: tuple[int, int], edge: int) -> NDArray[np.float64]:
    """Return |k − k_c|²/(Q_y Q_x), zero in a frame of `edge` px."""
    y, x = (np.arange(length) - (length - 1) / 2 for length in shape)
    weight = (y[:, None] ** 2 + x**2) / (shape[0] * shape[1])
    inside = np.zeros(shape, bool)
    inside[edge : shape[0] - edge, edge : shape[1] - edge] = True
    return np.where(inside, weight, 0.0)


def _half_disk(radius: int) -> NDArray[np.int64]:
    """Return the offsets (m, 2) within radius + 0.5 that give every pair once."""
    span = range(-radius, radius + 1)
    reach = (radius + 0.5) ** 2
    half = [(dy, dx) for dy in span for dx in span if dy * dy + dx * dx <= reach and (dy, dx) > (0, 0)]
    return np.array(half, np.int64)


def _filtered_rows(
    scan: Scan, weight: NDArray[np.float64], parameters: PrefilterParameters, start: int, stop: int
) -> NDArray[np.float32]:
    first, last = max(0, start - parameters.radius), min(scan.shape[0], stop + parameters.radius)
    data = scan.read(first, last)
    positions = data.shape[0] * data.shape[1]
    used, runs = weight[weight > 0], runs_of(weight > 0)
    plan = blur_plan(scan.detector_shape, parameters.sigma)
    features, alive = np.empty((*data.shape[:2], used.size), np.float32), np.empty(data.shape[:2], bool)
    offsets = _half_disk(parameters.radius)
    products = np.empty((len(offsets), *data.shape[:2]))
    patterns = data.reshape(*data.shape[:2], -1)

    def prepare(a: int, b: int) -> None:
        flat = data.reshape(positions, *scan.detector_shape)
        make_features(flat, *plan, used, runs, a, b, features.reshape(positions, -1), alive.reshape(-1))

    in_threads(prepare, positions)
    filtered = np.empty((stop - start, *patterns.shape[1:]), np.float32)
    donors = np.ones(data.shape[:2], bool)
    own = np.ones(data.shape[:2])
    if parameters.border == "published":
        donors[:, 0] = False
        donors[: 1 if first == 0 else 0] = False
        own[alive & donors] = 2
    low, high = parameters.corr_range

    def correlate(a: int, b: int) -> None:
        pair_products(features, offsets, a, b, products)
        sharpen_products(features, offsets, low - _DOUBT, low + _SMALL * (high - low), a, b, products)

    def average(a: int, b: int) -> None:
        weighted_sums(patterns, weights, offsets, start - first, a, b, filtered)

    in_threads(correlate, scan.shape[1], longest=_TILE)
    weights = np.empty((stop - start, scan.shape[1], 1 + 2 * len(offsets)), np.float32)
    neighbour_weights(products, offsets, low, high, donors, own, start - first, weights)
    in_threads(average, scan.shape[1], longest=_TILE)
    return filtered.reshape(stop - start, *scan.shape[1:])
