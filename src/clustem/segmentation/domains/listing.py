"""The table of domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, mean

from clustem.averaging import Averages
from clustem.errors import InputError
from clustem.segmentation.domains.record import Domains

if TYPE_CHECKING:
    import pandas as pd


def domain_table(domains: Domains, averages: Averages) -> pd.DataFrame:
    """Return one row per domain, in the order of the labels.

    Columns: `label`; `positions`; `area_nm2` (calibrated scans); `centroid_y`, `centroid_x` in positions;
    `equivalent_diameter` of a circle of the same area, in positions, `equivalent_diameter_nm` (calibrated);
    `electrons`, `electrons_per_position`; `snr_single`, `snr_domain`, `snr_gain`; `chi_squared` per degree of freedom
    of the patterns about their mean; `mean_similarity` to the neighbours
    (NaN if the method has none); `confidence`, 0 … 1, where the method has it; with it `sure_positions`, the mean
    probability of its positions to belong to it, the largest `boundary_similarity` across its boundaries and the
    `boundary_neighbour` there; `at_edge`, whether the scan cuts the domain.

    Raises
    ------
    InputError
        If `averages` does not belong to `domains`.
    """
    if len(averages.patterns) != domains.number:
        raise InputError(f"averages: expected {domains.number} patterns, one per domain, got {len(averages.patterns)}")
    table = shape_table(domains)
    measured = {
        "electrons": averages.electrons,
        "electrons_per_position": averages.electrons / averages.positions,
        "snr_single": averages.snr_single,
        "snr_domain": averages.snr_domain,
        "snr_gain": averages.snr_gain,
        "chi_squared": averages.chi_squared,
    }
    place = table.columns.tolist().index("mean_similarity")
    for k, (name, values) in enumerate(measured.items()):
        table.insert(place + k, name, values)
    return table


def shape_table(domains: Domains) -> pd.DataFrame:
    """Return the columns of :func:`domain_table` that need no averages."""
    import pandas as pd

    labels, number = domains.labels, domains.number
    index = np.arange(1, number + 1)
    centroid = (
        [np.atleast_1d(mean(grid, labels, index)) for grid in np.indices(labels.shape)] if number else [index, index]
    )
    diameter = np.sqrt(4 * domains.sizes / np.pi)
    columns: dict[str, object] = {"label": index, "positions": domains.sizes}
    step = domains.calibration.scan_step_yx_nm
    if step is not None:
        columns["area_nm2"] = domains.sizes * step[0] * step[1]
    columns |= {"centroid_y": centroid[0], "centroid_x": centroid[1], "equivalent_diameter": diameter}
    if step is not None:
        columns["equivalent_diameter_nm"] = diameter * np.sqrt(step[0] * step[1])
    columns["mean_similarity"] = _mean_similarity(domains, index)
    if domains.confidence is not None:
        columns["confidence"] = domains.confidence
    if domains.quality is not None:
        columns["sure_positions"] = _mean_sure(domains.quality.positions, labels, index)
        columns["boundary_similarity"] = domains.quality.boundary_similarity
        columns["boundary_neighbour"] = domains.quality.boundary_neighbour
    columns["at_edge"] = _at_edge(labels)
    return pd.DataFrame(columns)


def _mean_similarity(domains: Domains, index: NDArray[np.int64]) -> NDArray[np.float64]:
    if domains.similarity is None or not index.size:
        return np.full(index.size, np.nan)
    known = np.isfinite(domains.similarity)
    values = np.where(known, domains.similarity, 0)
    return np.asarray(mean(values, np.where(known, domains.labels, 0), index))


def _mean_sure(
    positions: NDArray[np.float32], labels: NDArray[np.int32], index: NDArray[np.int64]
) -> NDArray[np.float64]:
    if not index.size:
        return np.zeros(0)
    return np.asarray(mean(np.nan_to_num(positions.astype(np.float64)), labels, index))


def _at_edge(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    height, width = labels.shape
    boxes = (box for box in find_objects(labels) if box is not None)
    return np.array(
        [y.start == 0 or x.start == 0 or y.stop == height or x.stop == width for y, x in boxes],
        dtype=bool,
    )
