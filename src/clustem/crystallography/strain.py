"""fit_strain: the strain of every domain, from the positions of its peaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography.crystals import Crystal
from clustem.crystallography.deformation import PlaneFit, component_errors, components, fit_plane, left_polar
from clustem.crystallography.indexing import Candidates, near_the_sphere, pair, separate, tolerances
from clustem.crystallography.lattice import find_lattice, lattice_points, turn_onto
from clustem.crystallography.record import Peaks
from clustem.crystallography.references import Comparison, Reference, Turn, compare, turn_about_beam
from clustem.crystallography.strain_record import Strain
from clustem.crystallography.structure_factors import structure_factors
from clustem.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_CENTRE_ERROR = 0.02  # px
_SHEAR = 0.01  # standard deviation of the shear out of the plane, which moves reflections like a tilt does
_POSITION_ERROR = 0.015  # px, of every peak at least: what the template does not describe
_COMPONENTS = ("e_xx", "e_yy", "e_xy", "omega")
_ROUNDS = 4  # of indexing and fitting
_LARGEST_ERROR = 0.02  # of a component; above, there is no strain to speak of
_SUSPICIOUS = 0.02  # median dilatation that the size of a pixel explains better than strain does


class Oriented(Protocol):
    """What is needed of orientations; index i belongs to label i + 1."""

    @property
    def rotation(self) -> NDArray[np.float64]:
        """(K, 3, 3), crystal to sample; NaN where there is none."""

    @property
    def phase(self) -> Any:
        """(K,) name of a crystal, or empty."""

    @property
    def crystals(self) -> tuple[Crystal, ...]:
        """The crystals that the names belong to."""

    @property
    def angle_error_out_of_plane_deg(self) -> NDArray[np.float64]:
        """(K,) standard error of the tilt; NaN where it is not known."""


@dataclass(frozen=True, eq=False)
class Indexed:
    """Fit of one domain: `candidates` and `rows` of the peak table that go together, and why there is none."""

    fit: PlaneFit | None
    candidates: Candidates
    rows: NDArray[np.int64]
    reason: str = ""

    @classmethod
    def nothing(cls, reason: str) -> Indexed:
        """Return no fit, and why."""
        return cls(
            None, Candidates(np.zeros((0, 3), np.int64), np.zeros((0, 3)), np.zeros(0)), np.zeros(0, np.int64), reason
        )


def fit_strain(peaks: Peaks, orientations: Oriented | None = None, *, reference: Reference | None = None) -> Strain:
    """Fit the strain of every domain in the plane of the sample.

    Parameters
    ----------
    peaks : Peaks
    orientations : Orientations, optional
        Orientation and crystal of every domain. Without them the lattice in the plane is found in the reference domain
        itself, and fitted to all domains that show it, turned by any angle about the beam.
    reference : "crystal", "median" or label, optional
        What the strain is relative to: the cell of the crystal (the default with orientations); the median of all
        domains that have the same lattice in the plane (the default without); or one domain.

    Returns
    -------
    Strain

    Raises
    ------
    InputError
        If the reference is unknown, or `"crystal"` without orientations; if the size of a pixel or the energy are not
        calibrated, but orientations are given; if peaks and orientations do not have as many domains; if the reference
        is a domain that has no strain itself.

    Notes
    -----
    Reflections near the Ewald sphere are paired with peaks, those that overlap with others as strong are left out,
    and g = A g0 + t g0_z + c is fitted to the pairs, robustly, see
    :func:`clustem.crystallography.deformation.fit_plane`. The diffracted beams leave a thin crystal with exactly the
    components of g in the plane, whatever their excitation error: relrods run along the beam. What is determined is
    therefore the deformation in the plane, F = A⁻ᵀ; the tilt error of the orientation and the shear out of the plane
    only move reflections in proportion to g0_z, and are fitted beside it as t. F = V R by left polar decomposition,
    e = V − 1. A domain has no strain (NaN, with a reason) if it has no orientation, fewer than three reflections, only
    reflections on one line, or a standard error above 2 %.

    Examples
    --------
    >>> import clustem
    >>> scan = clustem.open_scan("clustem:film_au")
    >>> labels = np.zeros(scan.scan_shape, int)
    >>> labels[:6, :6], labels[:6, 6:10] = 1, 2  # two parts of one grain
    >>> peaks = clustem.find_peaks(clustem.average(scan, labels))
    >>> strain = clustem.fit_strain(peaks, reference=1)
    >>> bool(abs(strain.e_xx[1]) < 3 * strain.e_xx_error[1])
    True
    """
    reference = _checked(reference, peaks, orientations)
    if orientations is None:
        fits, turn = _fit_lattices(peaks, reference)
    else:
        fits, turn = _fit_crystals(peaks, orientations)
    deformations = np.array([_deformation(one.fit) for one in fits]).reshape(-1, 2, 2)
    if isinstance(reference, int) and np.isnan(deformations[reference - 1, 0, 0]):
        raise InputError(
            f"reference: domain {reference} has no strain itself: {fits[reference - 1].reason}; choose another domain, "
            "or 'median'"
        )
    return _assembled(fits, compare(deformations, turn, reference), reference)


def _checked(reference: Reference | None, peaks: Peaks, orientations: Oriented | None) -> Reference:
    if reference is None:
        reference = "median" if orientations is None else "crystal"
    if isinstance(reference, str) and reference not in ("crystal", "median"):
        raise InputError(f"reference: expected 'crystal', 'median' or a label, got {reference!r}")
    if not isinstance(reference, str):
        whole = isinstance(reference, (int, np.integer)) and not isinstance(reference, bool)
        if not (whole and 1 <= reference <= peaks.number):
            raise InputError(f"reference: expected a label from 1 to {peaks.number}, got {reference!r}")
        reference = int(reference)
    if orientations is None:
        if reference == "crystal":
            raise InputError("reference: 'crystal' needs orientations; without them give a label or 'median'")
        return reference
    if len(orientations.rotation) != peaks.number:
        raise InputError(
            f"orientations: expected those of {peaks.number} domains as peaks, got {len(orientations.rotation)}"
        )
    for name in ("inv_angstrom_per_px", "energy_keV"):
        if getattr(peaks.calibration, name) is None:
            raise InputError(f"peaks: {name} is not calibrated, but strain relative to a crystal needs it")
    return reference


def _fit_crystals(peaks: Peaks, orientations: Oriented) -> tuple[list[Indexed], Turn]:
    crystals = {crystal.name: crystal for crystal in orientations.crystals}
    reach = _reach(peaks)
    reflections = {name: structure_factors(crystal, max_g=reach) for name, crystal in crystals.items()}
    wavelength = float(peaks.calibration.wavelength_angstrom or np.nan)
    fits = []
    for index in range(peaks.number):
        rotation, phase = orientations.rotation[index], str(orientations.phase[index])
        if phase not in crystals or not np.isfinite(rotation).all():
            fits.append(Indexed.nothing("no orientation"))
            continue
        near = near_the_sphere(reflections[phase], rotation, wavelength)
        error = np.deg2rad(orientations.angle_error_out_of_plane_deg[index])
        tilt = np.hypot(_SHEAR, error if np.isfinite(error) else 0.0)
        fits.append(_fit(peaks, index + 1, near, float(tilt)))

    def turn(i: int, j: int) -> float | None:
        phase = str(orientations.phase[i])
        if phase != str(orientations.phase[j]):
            return None
        return turn_about_beam(orientations.rotation[i], orientations.rotation[j], crystals[phase].rotations)

    return fits, turn


def _fit_lattices(peaks: Peaks, reference: Reference) -> tuple[list[Indexed], Turn]:
    """Fit the lattice of one domain to all; of the reference or, for a median, of every first one that is left."""
    size = peaks.calibration.inv_angstrom_per_px or 1.0
    radius, largest = peaks.radius * size, _reach(peaks)
    fits = [Indexed.nothing("no lattice") for _ in range(peaks.number)]
    turns: dict[int, tuple[int, float]] = {}
    anchors = [reference] if isinstance(reference, int) else range(1, peaks.number + 1)
    for anchor in anchors:
        lattice = None if anchor in turns else find_lattice(*_positions(peaks, anchor), radius)
        if lattice is None:
            continue
        for label in range(1, peaks.number + 1):
            angle = 0.0 if label == anchor else turn_onto(lattice, *_positions(peaks, label), radius)
            if label not in turns and angle is not None:
                turns[label] = anchor, angle
                fits[label - 1] = _fit(peaks, label, lattice_points(lattice, angle, largest), _SHEAR)

    def turn(i: int, j: int) -> float | None:
        if i + 1 not in turns or j + 1 not in turns or turns[i + 1][0] != turns[j + 1][0]:
            return None
        return turns[i + 1][1] - turns[j + 1][1]

    return fits, turn


def _reach(peaks: Peaks) -> float:
    """Return the length up to which reflections can be peaks."""
    length = np.hypot(peaks.table["g_y"], peaks.table["g_x"])
    known = length[np.isfinite(length)]  # where the centre is not known, no length is
    return (float(known.max()) if len(known) else 1.0) * (1 + _SUSPICIOUS)


def _positions(peaks: Peaks, label: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the peaks (n, 2) of a label, x, y, and their intensities."""
    rows = peaks.of(label)
    known = np.isfinite(rows["g_x"].to_numpy())
    return rows[["g_x", "g_y"]].to_numpy()[known], rows["intensity"].to_numpy()[known]


def _fit(peaks: Peaks, label: int, candidates: Candidates, tilt: float) -> Indexed:
    """Index the peaks of a domain and fit them, a few times in turn."""
    rows = peaks.of(label)
    rows = rows[np.isfinite(rows["g_x"])]
    size = peaks.calibration.inv_angstrom_per_px or 1.0
    measured = rows[["g_x", "g_y"]].to_numpy()
    errors = np.hypot(rows["g_error"].to_numpy(), _POSITION_ERROR * size)
    candidates = separate(candidates, peaks.radius * size)
    matrix, fit = np.eye(2), None
    for turn in range(_ROUNDS):
        expected = candidates.g[:, :2] @ matrix.T
        chosen, found = pair(expected, measured, tolerances(expected, peaks.radius * size, loose=turn == 0))
        fit = fit_plane(candidates.g[chosen], measured[found], errors[found], tilt=tilt, offset=_CENTRE_ERROR * size)
        if fit is None:
            return Indexed.nothing("fewer than three reflections, or all of them on a line")
        matrix = fit.matrix
    return Indexed(fit, candidates.kept(chosen), rows.index.to_numpy()[found])


def _deformation(fit: PlaneFit | None) -> NDArray[np.float64]:
    if fit is None:
        return np.full((2, 2), np.nan)
    return np.asarray(np.linalg.inv(fit.matrix).T, np.float64)


def _assembled(fits: list[Indexed], comparison: Comparison, reference: Reference) -> Strain:
    number = len(fits)
    values, errors = np.full((number, 4), np.nan), np.full((number, 4), np.nan)
    deformations = np.full((number, 2, 2), np.nan)
    reasons = [one.reason or why for one, why in zip(fits, comparison.reasons, strict=True)]
    for n, (one, base) in enumerate(zip(fits, comparison.bases, strict=True)):
        if one.fit is None or np.isnan(base).any():
            continue
        uncertain = component_errors(one.fit.matrix, one.fit.covariance, base)
        if uncertain[:3].max() > _LARGEST_ERROR:
            reasons[n] = f"standard error above {_LARGEST_ERROR:.0%}"
            continue
        deformations[n] = _deformation(one.fit) @ base
        values[n], errors[n] = components(deformations[n]), uncertain
        if reference == "crystal":
            deformations[n] = left_polar(deformations[n])[0]
            values[n, 3] = errors[n, 3] = np.nan
    if isinstance(reference, int):
        errors = np.hypot(errors, errors[reference - 1])
        errors[reference - 1] = 0.0
    return Strain(
        **dict(zip(_COMPONENTS, values.T, strict=True)),
        **{f"{name}_error": error for name, error in zip(_COMPONENTS, errors.T, strict=True)},
        deformation=deformations,
        reflections=np.array([len(one.rows) for one in fits], np.int64),
        residual=np.array([np.nan if one.fit is None else one.fit.scale for one in fits]),
        indexed=_table(fits),
        reference=f"domain {reference}" if isinstance(reference, int) else reference,
        reason=tuple(reasons),
        warnings=_warnings(values, reference),
    )


def _warnings(values: NDArray[np.float64], reference: Reference) -> tuple[str, ...]:
    known = values[np.isfinite(values[:, 0])]
    if reference != "crystal" or not len(known):
        return ()
    dilatation = float(np.median(known[:, :2].mean(axis=1)))
    if abs(dilatation) < _SUSPICIOUS:
        return ()
    text = (
        f"All domains are strained by {dilatation:.1%} in the median: rather the size of a pixel or the cell of the "
        "crystal is wrong by as much."
    )
    return (text,)


def _table(fits: list[Indexed]) -> pd.DataFrame:
    import pandas as pd

    parts = []
    for n, one in enumerate(fits):
        if one.fit is not None:
            expected = one.candidates.g[:, :2] @ one.fit.matrix.T
            miss = one.fit.residuals
            label = np.full(len(miss), n + 1)
            columns = (one.rows, label, one.candidates.hkl, expected[:, ::-1], miss[:, ::-1], one.fit.weights)
            parts.append(np.column_stack(columns))
    names = [
        "peak",
        "label",
        "h",
        "k",
        "l",
        "expected_g_y",
        "expected_g_x",
        "miss_g_y",
        "miss_g_x",
        "weight",
    ]
    table = pd.DataFrame(np.vstack([*parts, np.zeros((0, len(names)))]), columns=names)
    return table.astype(dict.fromkeys(names[:5], np.int64))
