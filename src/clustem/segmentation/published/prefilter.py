"""The published correlative prefilter: averaging over similar neighbours in the scan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from clustem.computing import memory_budget
from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.scan import Scan
from clustem.segmentation.parameters import Border, PrefilterParameters
from clustem.segmentation.published.window import Window, detector_weight

_WIDEST = 1.5  # times the memory budget that the rows of a whole scan may take; wider ones are filtered in strips


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
        See :class:`~clustem.segmentation.parameters.PrefilterParameters`.

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
    count the same electrons twice: on pure noise, neighbours correlate at 0.81 to 0.91. While it is read, 2 `radius` +
    1 scan rows and the features of half as many are held: about 1.3 MB per column of 192×192 pixels of 16 bits.

    Examples
    --------
    >>> import numpy as np
    >>> patterns = np.random.default_rng(0).poisson(5, (3, 4, 32, 32))
    >>> np.asarray(published_prefilter(patterns)).dtype
    dtype('float32')
    """
    scan = open_scan(scan)
    parameters = PrefilterParameters(corr_range, radius, sigma, edge, border)
    weight = detector_weight(scan.detector_shape, parameters.edge)
    if scan.detector_mask is not None:
        weight = weight * scan.detector_mask
    if not weight.any():
        raise InputError(
            f"edge: a frame of {edge} px leaves nothing of the {scan.detector_shape[0]}×{scan.detector_shape[1]} "
            "detector to compare; choose a smaller edge, or leave the prefilter out"
        )
    window = Window(scan, weight, parameters)
    return Scan(
        shape=scan.shape,
        dtype=np.dtype(np.float32),
        reader=window.read,
        filler=window.fill,
        calibration=scan.calibration,
        name=f"{scan.name} (prefiltered)",
        detector_mask=scan.detector_mask,
        rows_per_chunk=window.together,
        held_bytes=window.nbytes,
        assumptions=scan.assumptions,
    )


def filtered_strips(scan: Scan, *, border: Border) -> Iterator[tuple[slice, slice, Scan]]:
    """Yield the filtered scan as strips of columns, each of which needs little memory while it is read.

    Yields the columns of the scan that a strip is for, the same columns in the strip, and the strip, filtered, which
    has at least one more column on both sides where the scan goes on. A scan of usual width is one strip.
    """
    whole = published_prefilter(scan, border=border)
    width, held, budget = scan.shape[1], whole.held_bytes, memory_budget()
    halo = PrefilterParameters().radius + 2  # the last one reads as a border: it would not donate
    if held <= _WIDEST * budget or width <= 2 * halo:
        yield slice(0, width), slice(0, width), whole
        return
    most = max(int(budget * width / held) - 2 * halo, halo)
    number = -(-width // most)
    for n in range(number):
        start, stop = width * n // number, width * (n + 1) // number
        first, last = max(0, start - halo), min(width, stop + halo)
        strip = published_prefilter(scan.with_columns(first, last), border=border)
        yield slice(start, stop), slice(start - first, stop - first), strip
