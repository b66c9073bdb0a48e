"""Calibration of the detector on a known crystal: size of a pixel, ellipse, rotation and handedness."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.calibration import Calibration
from clustem.crystallography.crystals import Crystal
from clustem.crystallography.record import Peaks
from clustem.crystallography.structure_factors import structure_factors
from clustem.errors import InputError
from clustem.tables import table_text

_LARGEST_G = 1.6  # 1/Å; rings beyond lie too close to each other to be told apart
_STEP = 1e-3  # of the logarithm of the scale, while searching
_NEAR = 0.15  # how far, as a share, the size of a pixel may be off when it is known roughly
_TOLERANCE = 0.3  # px between a peak and its ring
_STRAIN = 0.01  # of the distance, in addition
_LEAST_PEAKS = 10
_LEAST_SCORE = 0.3  # of what it would be if all peaks lay exactly on rings
_ROUNDS = 20
_SAME_RING = 1e-4  # of |g|
_WARN = 0.02  # of the size of a pixel


@dataclass(frozen=True, eq=False, repr=False)
class RingFit:
    """Calibration on the rings of a known crystal, made by :func:`clustem.calibrate_detector`.

    Attributes
    ----------
    calibration : Calibration
        That of the peaks with the fitted `inv_angstrom_per_px` and, if it was asked for, `ellipse`.
    relative_error : float
        Standard error of the size of a pixel, as a share of it.
    ratio, ratio_error : float
        Of the fitted ellipse, long axis over short, and its standard error; 1 and 0 if none was asked for.
    peaks : int
        How many lie on rings.
    scatter : float
        Standard deviation of their distance from the rings, as a share of |g|: strain, and errors of position.
    warnings : tuple of str
    """

    calibration: Calibration
    relative_error: float
    ratio: float
    ratio_error: float
    peaks: int
    scatter: float
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        size = self.calibration.inv_angstrom_per_px
        return table_text(
            "Calibration on rings",
            [
                ("size of a pixel", f"{size:.6g} 1/Å ± {self.relative_error:.2%}"),
                ("ellipse", f"{self.ratio:.4f} ± {self.ratio_error:.4f}" if self.ratio_error else None),
                ("peaks", self.peaks),
                ("scatter", f"{self.scatter:.2%}"),
                *(("warning", text) for text in self.warnings),
            ],
        )


def calibrate_detector(peaks: Peaks, crystal: Crystal, *, ellipse: bool = False) -> RingFit:
    """Fit the size of a pixel to the distances of all peaks from the beam, with a known crystal.

    Parameters
    ----------
    peaks : Peaks
        Of domains of the crystal in several orientations, whose strains average out, or of a powder.
    crystal : Crystal
    ellipse : bool
        Whether an ellipse is fitted, too. That takes a powder or many crystals: the strains of a few look like one.

    Returns
    -------
    RingFit

    Raises
    ------
    InputError
        If fewer than ten peaks, or too few of them for that crystal, lie on its rings at any size of a pixel.

    Notes
    -----
    The scale is looked for within 15 % of the calibrated size of a pixel, or anywhere if it is not calibrated; what
    counts is how near to rings the peaks are, weighted by the root of their intensity, less what chance would do. Then
    kᵀ Q k = |g|² is fitted, robustly, where Q holds scale and ellipse; its errors take the peaks of a domain to share
    their strain. Excitation errors make a distance shorter than |g| by less than 1e-3. What cannot be told: a crystal
    of another cell with the same kind of rings.
    """
    k, strength, labels = _from_centre(peaks)
    if len(k) < _LEAST_PEAKS:
        raise InputError(f"peaks: expected at least {_LEAST_PEAKS} with a beam centre to calibrate on, got {len(k)}")
    rings = _rings(crystal)
    scale = _scale(np.hypot(*k.T), strength, rings, peaks.calibration.inv_angstrom_per_px)
    if scale is None:
        raise InputError(
            f"crystal {crystal.name}: at no size of a pixel do the peaks lie on its rings; is it this crystal?"
        )
    quadratic, covariance, number, scatter = _fit_rings(k, strength, labels, rings, scale, ellipse)
    values, vectors = np.linalg.eigh(quadratic)
    short, long = np.sqrt(values)  # in 1/Å per px: the long axis of a ring is where a pixel is smallest
    angle = float(np.rad2deg(np.arctan2(vectors[0, 0], vectors[1, 0])))
    size, ratio = float(np.sqrt(short * long)), float(long / short)
    slopes = _slopes(quadratic)
    errors = np.sqrt(np.einsum("ij,jk,ik->i", slopes, covariance, slopes))
    angle = (angle + 90) % 180 - 90
    shape = (ratio, angle) if ellipse else peaks.calibration.ellipse
    calibration = replace(peaks.calibration, inv_angstrom_per_px=size, ellipse=shape)
    return RingFit(
        calibration,
        float(errors[0]),
        ratio,
        float(errors[1]) if ellipse else 0.0,
        number,
        scatter,
        _warnings(peaks.calibration, size),
    )


def orient_detector(k: ArrayLike, angles_deg: ArrayLike) -> tuple[float, bool, float, float]:
    """Return rotation and flip of the detector from reflections whose directions in the sample are known.

    Parameters
    ----------
    k : (n, 2) array
        (k_y, k_x) of at least two reflections from the beam centre, not on one line.
    angles_deg : (n,) array
        Directions of the same in the sample frame, positive from x towards y, for example normal to facets or traces
        that the image shows, or from a crystal whose orientation is known.

    Returns
    -------
    detector_rotation_deg : float
        −180 … 180.
    detector_flip : bool
    miss_deg, other_miss_deg : float
        Root mean square of the angles that are left, with this handedness and with the other. Only where they differ
        clearly is the handedness known.

    Raises
    ------
    InputError
        If there are fewer than two directions, or not as many angles.

    Notes
    -----
    Patterns alone cannot tell the handedness: the mirror image of a pattern is that of another orientation of the same
    crystal, because reflections come in pairs g and −g. It takes something that is known in the image.

    Examples
    --------
    >>> orient_detector([[0, 1], [1, 0]], [30, -60])[:2]
    (30.0, True)
    """
    vectors, wanted = np.asarray(k, np.float64), np.deg2rad(np.asarray(angles_deg, np.float64))
    if vectors.ndim != 2 or vectors.shape[1:] != (2,) or wanted.shape != vectors.shape[:1] or len(vectors) < 2:
        raise InputError(f"k, angles_deg: expected (n, 2) and (n,), n ≥ 2, got {vectors.shape} and {wanted.shape}")
    results = []
    for flip in (False, True):
        seen = np.arctan2(-vectors[:, 0] if flip else vectors[:, 0], vectors[:, 1])
        turns = np.exp(1j * (wanted - seen))
        mean = turns.mean()
        left = np.rad2deg(np.angle(turns / mean))
        results.append((float(np.sqrt(np.mean(left**2))), flip, round(float(np.rad2deg(np.angle(mean))), 9)))
    best, other = sorted(results)
    return best[2], best[1], best[0], other[0]


def _from_centre(peaks: Peaks) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return (n, 2) positions in px from the beam centres of their patterns, roots of the intensities, and labels."""
    table = peaks.table
    k: NDArray[np.float64] = table[["k_y", "k_x"]].to_numpy() - peaks.centres[table["label"].to_numpy() - 1]
    known = np.isfinite(k[:, 0])
    return k[known], np.sqrt(table["intensity"].to_numpy()[known].clip(0)), table["label"].to_numpy()[known]


def _rings(crystal: Crystal) -> NDArray[np.float64]:
    """Return the different lengths of the reflections, rising."""
    length = np.sort(structure_factors(crystal, max_g=_LARGEST_G).length)
    return np.asarray(length[np.append(True, np.diff(length) > _SAME_RING * length[1:])])


def _tolerance(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far from its ring a peak may lie, in px."""
    tolerance: NDArray[np.float64] = _TOLERANCE + _STRAIN * distance
    return tolerance


def _scale(
    distance: NDArray[np.float64], strength: NDArray[np.float64], rings: NDArray[np.float64], known: float | None
) -> float | None:
    """Return the size of a pixel at which most peaks lie on rings."""
    low, high = rings[0] / distance.max(), rings[-1] / np.median(distance)
    if known is not None:
        low, high = known * (1 - _NEAR), known * (1 + _NEAR)
    scales = np.exp(np.arange(np.log(low), np.log(high), _STEP))
    edges = np.concatenate([[0], (rings[1:] + rings[:-1]) / 2, [2 * rings[-1]]])
    tolerance = _tolerance(distance)
    scores, bests = np.zeros(len(scales)), np.zeros(len(scales))
    for n, scale in enumerate(scales):
        length = distance * scale
        cell = np.minimum(np.searchsorted(edges, length), len(rings)) - 1
        reach = tolerance * scale
        chance = np.minimum(2 / 3 * 2 * reach / np.diff(edges)[cell], 1)
        hit = np.clip(1 - ((length - rings[cell]) / reach) ** 2, 0, None)
        scores[n], bests[n] = strength @ (hit - chance), strength @ (1 - chance)
    best = int(np.argmax(scores))
    return float(scales[best]) if scores[best] > _LEAST_SCORE * bests[best] > 0 else None


def _fit_rings(
    k: NDArray[np.float64],
    strength: NDArray[np.float64],
    labels: NDArray[np.int64],
    rings: NDArray[np.float64],
    scale: float,
    ellipse: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], int, float]:
    """Return Q (2, 2), the covariance of (Q_yy, Q_yx, Q_xx), the number of peaks on rings, their relative scatter."""
    quadratic = scale**2 * np.eye(2)
    free = np.eye(3) if ellipse else np.array([[1.0], [0.0], [1.0]])
    design = np.stack([k[:, 0] ** 2, 2 * k[:, 0] * k[:, 1], k[:, 1] ** 2], axis=1) @ free
    reach = _tolerance(np.hypot(*k.T)) * scale
    for _ in range(_ROUNDS):
        length = np.sqrt(np.einsum("ni,ij,nj->n", k, quadratic, k))
        ring = rings[np.abs(length[:, None] - rings).argmin(axis=1)]
        on = np.abs(length - ring) < reach
        target = ring[on] ** 2
        relative = (length[on] / ring[on]) ** 2 - 1
        spread = max(float(np.sqrt(np.average(relative**2, weights=strength[on]))), 1e-6)
        weight = strength[on] / (1 + (relative / (2 * spread)) ** 2) / target**2
        inverse = np.linalg.inv(design[on].T @ (weight[:, None] * design[on]))
        entries = free @ inverse @ (design[on].T @ (weight * target))
        quadratic = np.array([[entries[0], entries[1]], [entries[1], entries[2]]])
    pull = design[on] * (weight * target * relative)[:, None]  # what every peak does to the entries,
    shared = np.stack([np.bincount(labels[on], column) for column in pull.T], axis=1)  # and every domain's strain
    covariance = free @ inverse @ (shared.T @ shared) @ inverse @ free.T
    return quadratic, covariance, int(on.sum()), spread / 2


def _slopes(quadratic: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the derivatives (2, 3) of the logarithm of the scale and of the ratio, by (Q_yy, Q_yx, Q_xx)."""

    def shape(entries: NDArray[np.float64]) -> NDArray[np.float64]:
        values = np.linalg.eigvalsh([[entries[0], entries[1]], [entries[1], entries[2]]])
        return np.array([0.25 * np.log(values[0] * values[1]), np.sqrt(values[1] / values[0])])

    entries = quadratic[[0, 0, 1], [0, 1, 1]]
    step = 1e-6 * float(np.trace(quadratic))
    moves = step * np.eye(3)
    return np.stack([(shape(entries + move) - shape(entries - move)) / (2 * step) for move in moves], axis=1)


def _warnings(before: Calibration, size: float) -> tuple[str, ...]:
    known = before.inv_angstrom_per_px
    if known is None or abs(size / known - 1) < _WARN:
        return ()
    text = (
        f"The crystal makes a pixel {size:.5g} 1/Å, but the calibration says {known:.5g}: "
        f"they differ by {size / known - 1:.1%}."
    )
    return (text,)
