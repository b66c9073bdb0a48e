"""misorientation_table: how the crystals on both sides of every boundary are turned against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography.coincidence import nearest_coincidence
from clustem.crystallography.crystals import Crystal
from clustem.crystallography.orientations import Orientations
from clustem.crystallography.rotations import to_quaternion
from clustem.errors import InputError
from clustem.segmentation import Domains

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

_CUBIC = ("m-3", "m-3m")
_NO_AXIS_DEG = 1e-4  # below this angle there is no axis to speak of
_TIE = 1e-9  # traces that differ by less belong to the same angle


def misorientation_table(orientations: Orientations, domains: Domains) -> pd.DataFrame:
    """Return one row for every two domains that have edges of positions in common.

    Columns: `label`, `neighbour`, the lower label first; `edges`, how many edges of positions they share;
    `length_positions` of the boundary, and `length_nm` (calibrated scans); `phase`, `neighbour_phase`, empty where
    there is none; `misorientation_deg`, the smallest angle that symmetry allows, NaN between phases and where an
    orientation is missing; `misorientation_error_deg`, its standard error; `axis_x`, `axis_y`, `axis_z`, the unit
    vector along the axis of that rotation, in Cartesian crystal axes, of those that symmetry makes equal the one
    nearest to e1, then to e2; `coincidence`, for example ``"Σ3"``, and `coincidence_deviation_deg`; `ambiguous`,
    whether one of the two orientations is.

    Parameters
    ----------
    orientations : Orientations
    domains : Domains

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    InputError
        If orientations and domains do not belong together.

    Notes
    -----
    Coincidences are named for cubic crystals, up to Σ49, where the deviation is within Brandon's criterion, 15°/√Σ (doi
    10.1016/0001-6160(66)90168-4). Elsewhere the name is empty: whether lattices of lower symmetry coincide depends on
    their axial ratios. The standard error follows from those of both orientations along the axis; where it is as large
    as the angle, the angle is too large on average. The length is that of Cauchy and Crofton with four directions,
    within 5 % for straight boundaries (10 % where the scan steps differ by a factor of two), where edges of positions
    would make oblique ones too long by up to 41 %. Domains that are separated by unassigned positions are no
    neighbours.

    Examples
    --------
    >>> import numpy as np
    >>> import clustem
    >>> scan = clustem.open_scan("clustem:film_au")
    >>> labels = np.zeros(scan.scan_shape, int)
    >>> labels[10:22, 11:15], labels[10:22, 15:20] = 1, 2  # two parts of one grain
    >>> domains = clustem.segment(scan, method="labels", labels=labels)
    >>> peaks = clustem.find_peaks(clustem.average(scan, domains))
    >>> found = clustem.match_orientations(peaks, clustem.read_crystal("clustem:Au"))
    >>> table = misorientation_table(found, domains)
    >>> table[["label", "neighbour", "edges"]].to_numpy().tolist(), bool(table["misorientation_deg"][0] < 1)
    ([[1, 2, 12]], True)
    """
    import pandas as pd

    if orientations.number != domains.number:
        raise InputError(
            f"orientations: expected those of {domains.number} domains, got {orientations.number}; both must come from "
            "the same segmentation"
        )
    step = domains.calibration.scan_step_yx_nm
    pairs, edges, length = boundary_lengths(domains.labels)
    rows = [_row(orientations, first - 1, second - 1) for first, second in pairs.tolist()]
    columns: dict[str, Any] = {
        "label": pairs[:, 0],
        "neighbour": pairs[:, 1],
        "edges": edges,
        "length_positions": length,
    }
    if step is not None:
        columns["length_nm"] = boundary_lengths(domains.labels, step)[2]
    phase = np.append(orientations.phase, "")
    columns |= {"phase": phase[pairs[:, 0] - 1], "neighbour_phase": phase[pairs[:, 1] - 1]}
    columns |= {name: [row[name] for row in rows] for name in _UNKNOWN}
    columns["ambiguous"] = orientations.ambiguous[pairs - 1].any(axis=1)
    return pd.DataFrame(columns)


_UNKNOWN: dict[str, Any] = {
    "misorientation_deg": np.nan,
    "misorientation_error_deg": np.nan,
    "axis_x": np.nan,
    "axis_y": np.nan,
    "axis_z": np.nan,
    "coincidence": "",
    "coincidence_deviation_deg": np.nan,
}


def _row(orientations: Orientations, first: int, second: int) -> dict[str, Any]:
    """Return what is known of the misorientation of two domains, given by index."""
    both = orientations.found[[first, second]].all()
    if not both or orientations.phase[first] != orientations.phase[second]:
        return _UNKNOWN
    crystal = orientations.crystal_of(str(orientations.phase[first]))
    one, other = orientations.rotation[first], orientations.rotation[second]
    angle, axis = disorientation(one, other, crystal)
    name, deviation = nearest_coincidence(one.T @ other) if crystal.laue_class in _CUBIC else ("", np.nan)
    x, y, z = _representative(axis, crystal)
    error = _angle_error(orientations, first, second, one @ axis)
    return dict(zip(_UNKNOWN, (angle, error, x, y, z, name, deviation), strict=True))


def disorientation(first: Array, second: Array, crystal: Crystal) -> tuple[float, Array]:
    """Return the smallest angle in degrees between two orientations (3, 3), and the axis (3,) in the first crystal.

    The axis is NaN where the orientations are the same.
    """
    turned = first.T @ second @ crystal.rotations
    trace = np.einsum("nii->n", turned)
    best = turned[int(np.argmax(trace > trace.max() - _TIE))]
    angle = float(np.rad2deg(np.arccos(np.clip((np.trace(best) - 1) / 2, -1, 1))))
    vector = -to_quaternion(best)[1:]  # quaternions are passive
    return angle, vector / np.linalg.norm(vector) if angle > _NO_AXIS_DEG else np.full(3, np.nan)


def _representative(axis: Array, crystal: Crystal) -> Array:
    """Return, of all directions that symmetry makes equal and their opposites, the one nearest to e1, then e2."""
    turned = crystal.rotations @ axis
    equal = np.concatenate([turned, -turned])
    rounded = np.round(equal, 6)
    return np.asarray(equal[np.lexsort(rounded.T[::-1])[-1]] + 0.0)


def _angle_error(orientations: Orientations, first: int, second: int, axis: Array) -> float:
    """Return the standard error of the angle about an axis in the sample frame, in degrees.

    Only the parts of the errors along the axis change the angle. Without an axis, all of them do.
    """
    if np.isnan(axis).any():
        axis = np.full(3, np.sqrt(1 / 3))
    both = [first, second]
    turn, tilt = orientations.angle_error_in_plane_deg[both], orientations.angle_error_out_of_plane_deg[both]
    return float(np.sqrt(((axis[2] * turn) ** 2 + (1 - axis[2] ** 2) * tilt**2).sum()))


def boundary_lengths(
    labels: NDArray[np.integer], step_yx: tuple[float, float] = (1.0, 1.0)
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Return the pairs of neighbouring domains (M, 2), the edges of positions they share (M,), and the lengths (M,).

    Lines of neighbouring positions in four directions are counted where they cross the boundary; each direction stands
    for the angles nearest to it (Cauchy and Crofton). Lengths have the unit of `step_yx`.
    """
    y, x = step_yx
    slope = float(np.arctan2(y, x))
    diagonal = np.pi / 8 * x * y / float(np.hypot(x, y))
    crossings = (
        (labels[:, :-1], labels[:, 1:], slope / 2 * y),
        (labels[:-1], labels[1:], (np.pi / 2 - slope) / 2 * x),
        (labels[:-1, :-1], labels[1:, 1:], diagonal),
        (labels[:-1, 1:], labels[1:, :-1], diagonal),
    )
    base = int(labels.max(initial=0)) + 1
    keys, weights = [], []
    for one, other, weight in crossings:
        low, high = np.minimum(one, other).ravel().astype(np.int64), np.maximum(one, other).ravel()
        inside = (low != high) & (low > 0)
        keys.append(low[inside] * base + high[inside])
        weights.append(np.full(len(keys[-1]), weight))
    pairs, place = np.unique(np.concatenate(keys), return_inverse=True)
    edges = np.bincount(place[: len(keys[0]) + len(keys[1])], minlength=len(pairs))
    length = np.bincount(place, np.concatenate(weights), minlength=len(pairs)).astype(np.float64)
    shared = edges > 0
    both = np.stack([pairs // base, pairs % base], axis=1).astype(np.int64)
    return both[shared], edges[shared].astype(np.int64), length[shared]
