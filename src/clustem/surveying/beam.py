"""The direct beam: where it is and how large, from its edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, label, map_coordinates, median_filter
from skimage.measure import find_contours

from clustem.surveying._kernels import edge_balance

_STEADY_PX = 0.5  # movements of the beam below this are left alone: moving counts by fractions of a pixel costs more
_SMALLEST_LEANING_PX = 6.0  # radius from which a gradient inside the disk is told from a displacement
_ROUNDS = 5  # of fitting a circle to the half-heights seen from its centre
_DIRECTIONS = 64
_KEPT = 75  # per cent of the directions, those that fit best
_SKIRTS = (0.15, 0.3, 0.5)  # of the peak: where the region ends in which the plateau is looked for
_WIDEST = 0.25  # of the detector: a wider disk is no direct beam
_SHARP = 2.0  # times as much just inside of the edge as outside, where no smooth scattering is so steep
_WINDOW_COUNTS = 2000.0  # electrons of direct beam that the descan is smoothed over, at least


@dataclass(frozen=True, eq=False)
class Beam:
    """Direct beam of a mean pattern.

    Attributes
    ----------
    centre : (y, x) px
    radius : float
        px, NaN if there is no direct beam.
    disk : (4,) float64
        What balances its edge in a pattern: radius and width of the edge in px; lean, the share of the moment inside
        that an intensity gradient adds to the edge; slope, the imbalance per px of displacement and unit of the
        disk's sum.
    """

    centre: NDArray[np.float64]
    radius: float
    disk: NDArray[np.float64]

    @property
    def found(self) -> bool:
        """Whether there is a direct beam."""
        return bool(np.isfinite(self.radius))


def no_beam(shape: tuple[int, ...], start: tuple[float, float] | None = None) -> Beam:
    """Return that there is none; its centre is `start`, or the middle of the detector."""
    middle = (np.array(shape) - 1) / 2
    return Beam(np.array(start) if start is not None else middle, np.nan, np.full(4, np.nan))


def find_beam(mean: NDArray[np.float64], use: NDArray[np.bool_], start: tuple[float, float] | None) -> Beam:
    """Return the direct beam of a mean pattern.

    Parameters
    ----------
    mean : (k_y, k_x) float64
        Bad pixels filled.
    use : (k_y, k_x) bool
        Pixels that count.
    start : (y, x), optional
        Where the beam is expected; a beam further away than its own radius plus 5 px is not believed.

    Notes
    -----
    The beam is the brightest compact disk: the region above half of its plateau around the brightest place. A circle
    fitted to the contour at that level is then fitted again to where, in every direction, the intensity falls to half
    of that just inside of the edge in the same direction: so it matters little which side of the disk is bright. A
    region that reaches the rim, is wider than half of the detector or far from round is not a beam, for example
    behind a beam stop: the radius is then NaN and the centre `start` or the middle of the detector.
    """
    nothing = no_beam(mean.shape, start)
    smooth = gaussian_filter(mean, 0.5)
    peak = np.unravel_index(int(gaussian_filter(np.where(use, mean, 0), 1.0).argmax()), mean.shape)
    if not smooth[peak] > 0:
        return nothing
    place = int(peak[0]), int(peak[1])
    disks = [_disk_at(mean, use, smooth, place, skirt) for skirt in _SKIRTS]
    distinct = [beam for beam in disks if beam is not None and _is_distinct(smooth, use, beam)]
    best = (distinct or [disks[0] or nothing])[0]
    if start is not None and best.found and np.hypot(*(best.centre - start)) > best.radius + 5:
        return nothing
    return best


def _disk_at(
    mean: NDArray[np.float64],
    use: NDArray[np.bool_],
    smooth: NDArray[np.float64],
    peak: tuple[int, int],
    skirt: float,
) -> Beam | None:
    """Return the disk around the brightest place of a mean pattern that ends at half of its plateau, if it is one."""
    level = 0.5 * _plateau(smooth, peak, skirt)
    region = _around(smooth >= level, peak)
    if not level > 0 or level < np.median(mean) * 1.5 or not region[peak] or _touches_rim(region):
        return None
    circle = _fit_circle(smooth, region, level)
    if circle is None or circle[1] > _WIDEST * min(mean.shape):
        return None
    centre, radius = _fit_edge(mean, *circle)
    disk = _disk(mean, use, centre, radius)
    return Beam(centre, radius, disk) if disk[3] > 0 and radius <= _WIDEST * min(mean.shape) else None


def _is_distinct(smooth: NDArray[np.float64], use: NDArray[np.bool_], beam: Beam) -> bool:
    """Return whether a disk falls off within its edge, as diffuse scattering does not, and is alone in its brightness.

    Fringes of a broad disk are as bright as each other.
    """
    y, x = np.indices(smooth.shape)
    beyond = np.hypot(y - beam.centre[0], x - beam.centre[1]) - beam.radius
    width = beam.disk[1]
    inside, beside = smooth[(beyond < 0) & (beyond > -width)], smooth[(beyond > width) & (beyond < 2 * width)]
    others = smooth[use & (beyond > width)]
    if not inside.size or not beside.size:
        return False
    return bool(inside.mean() > _SHARP * max(float(beside.mean()), float(others.max(initial=0.0)) / 2))


def smooth_descan(
    centres: NDArray[np.float64], overall: NDArray[np.float64], counts_in_beam: float
) -> NDArray[np.float64]:
    """Return the displacement of the beam (scan_y, scan_x, 2) by which patterns are centred.

    Measured centres (NaN where unknown) are median-filtered over as many positions as hold enough electrons, at
    least 3×3; the descan of a microscope is smooth. If 95 % of the displacements from `overall` are below
    half a pixel the beam stands still and the result is 0.
    """
    known = np.isfinite(centres).all(axis=-1)
    if known.sum() < 0.5 * known.size:
        return np.zeros_like(centres)
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    filled = centres[tuple(nearest)] - overall
    window = int(np.ceil(np.sqrt(_WINDOW_COUNTS / max(counts_in_beam, 1.0))))
    size = int(np.clip(window + 1 - window % 2, 3, 15))
    smooth = np.stack([median_filter(filled[..., axis], size, mode="nearest") for axis in (0, 1)], axis=-1)
    moves = np.percentile(np.hypot(smooth[..., 0], smooth[..., 1]), 95) > _STEADY_PX
    return smooth if moves else np.zeros_like(smooth)


def _touches_rim(region: NDArray[np.bool_]) -> bool:
    return bool(region[0].any() or region[-1].any() or region[:, 0].any() or region[:, -1].any())


def _fit_circle(
    smooth: NDArray[np.float64], region: NDArray[np.bool_], level: float
) -> tuple[NDArray[np.float64], float] | None:
    """Return centre and radius of the circle nearest to the outer contour of `region` at `level`; None if not round."""
    inside = np.argwhere(region).mean(axis=0)
    best = None
    for line in find_contours(smooth, level):
        closed = np.allclose(line[0], line[-1])
        near = np.abs(line - inside).max(axis=0)
        if closed and len(line) > 6 and _encloses(line, inside) and (best is None or near.sum() > best[0]):
            best = (near.sum(), line[:-1])
    if best is None:
        return None
    points = best[1]
    centre, radius = _circle_through(points)
    scatter = np.hypot(*(points - centre).T) - radius
    return (centre, radius) if np.sqrt(np.mean(scatter**2)) < max(0.6, 0.2 * radius) else None


def _fit_edge(
    mean: NDArray[np.float64], centre: NDArray[np.float64], radius: float
) -> tuple[NDArray[np.float64], float]:
    """Return the circle through the half-heights of the disk's edge in all directions; the given one if that fails."""
    angles = np.linspace(0, 2 * np.pi, _DIRECTIONS, endpoint=False)
    along = np.stack([np.sin(angles), np.cos(angles)])
    found, size = centre, radius
    for _ in range(_ROUNDS):
        steps = np.arange(0.3 * size, 1.7 * size, 0.1)
        rays = map_coordinates(mean, found[:, None, None] + along[:, :, None] * steps, order=1, mode="nearest")
        within, outside = (steps > size - 4) & (steps < max(size - 1.5, 0.6 * size)), rays[:, -1]
        inside = rays[:, within].mean(axis=1)
        height = rays - 0.5 * (inside + outside)[:, None]
        below = (height < 0) & (steps > 0.5 * size)
        known = below.any(axis=1) & (inside > 2 * outside)
        if known.sum() < 0.5 * _DIRECTIONS:
            return centre, radius
        first = below.argmax(axis=1)
        after, before = (
            np.take_along_axis(height, n[:, None], axis=1)[:, 0] for n in (first, np.maximum(first - 1, 0))
        )
        crossing = steps[first] + 0.1 * np.clip(after / np.maximum(before - after, 1e-12), -1, 0)
        points = (found[:, None] + along * crossing).T[known]
        found, size = _circle_through(points)
        miss = np.abs(np.hypot(*(points - found).T) - size)
        found, size = _circle_through(points[miss <= np.percentile(miss, _KEPT)])
    moved = np.hypot(*(found - centre))
    return (found, size) if moved < radius and 0.5 * radius < size < 1.5 * radius else (centre, radius)


def _circle_through(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return centre and radius of the circle nearest to points (n, 2), by linear least squares."""
    design = np.column_stack([2 * points, np.ones(len(points))])
    solution = np.linalg.lstsq(design, (points**2).sum(axis=1), rcond=None)[0]
    centre: NDArray[np.float64] = solution[:2]
    return centre, float(np.sqrt(solution[2] + centre @ centre))


def _encloses(line: NDArray[np.float64], point: NDArray[np.float64]) -> bool:
    angles = np.unwrap(np.arctan2(*(line - point).T))
    return bool(abs(angles[-1] - angles[0]) > np.pi)


def _disk(
    mean: NDArray[np.float64], use: NDArray[np.bool_], centre: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    """Return radius, width, lean and slope, see :class:`Beam`, of a disk in the mean pattern."""
    width = max(1.5, 0.15 * radius)
    y, x = np.indices(mean.shape)
    distance = np.hypot(y - centre[0], x - centre[1])
    light = np.where(use, mean, 0)
    inner = max(0.6 * radius, radius - width)
    lean = 0.0
    if radius >= _SMALLEST_LEANING_PX:
        edge = (light * distance * np.clip(1 - np.abs(distance - radius) / width, 0, None))[distance >= inner].sum()
        lean = edge / (light * distance**2)[(distance < inner) & (distance >= inner - 3)].sum()
    slopes = []
    for axis in (0, 1):
        shift = 0.5 * np.eye(2)[axis]
        low = edge_balance(mean, use, *(centre - shift), radius, width, lean)
        high = edge_balance(mean, use, *(centre + shift), radius, width, lean)
        slopes.append((low[axis] - high[axis]) / (0.5 * (low[2] + high[2])))
    return np.array([radius, width, lean, np.mean(slopes)])


def _plateau(smooth: NDArray[np.float64], peak: tuple[int, int], skirt: float) -> float:
    """Return the intensity that most of the disk around `peak` has, also if a part of it is much brighter."""
    region = _around(smooth >= skirt * smooth[peak], peak)
    if _touches_rim(region):
        return float(np.median(smooth[max(0, peak[0] - 1) : peak[0] + 2, max(0, peak[1] - 1) : peak[1] + 2]))
    return float(np.percentile(smooth[region], 70))


def _around(mask: NDArray[np.bool_], place: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the connected part of `mask` that holds `place`."""
    regions = label(mask)[0]
    part: NDArray[np.bool_] = mask & (regions == regions[place])
    return part
