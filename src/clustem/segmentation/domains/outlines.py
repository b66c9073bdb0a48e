"""Closed contours of domains: along the edges of positions, or smooth."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.measure import label as connected_parts

from clustem.errors import InputError
from clustem.segmentation.domains.record import Domains

Line = NDArray[np.float64]

# The four sides of a position, clockwise on the screen: the way along each, the neighbour behind it, and the corner
# where it starts, all (y, x)
_WAYS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])
_NEIGHBOURS = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])
_CORNERS = np.array([(0, 0), (0, 1), (1, 1), (1, 0)])
_OUTSIDE = -1


def contours(
    domains: Domains | ArrayLike, *, smooth: bool = True, unit: Literal["position", "nm"] = "position"
) -> dict[int, list[Line]]:
    """Return the closed contours of every domain.

    Parameters
    ----------
    domains : Domains or (scan_y, scan_x) integer array
        0 = unassigned.
    smooth : bool
        True: marching squares, through the points halfway between neighbouring positions inside and outside.
        False: along the edges of the positions.
    unit : {"position", "nm"}
        Of the points. In both, the centre of the first position is (0, 0), and its area reaches from −0.5 to 0.5 steps.

    Returns
    -------
    dict of label → list of (n, 2) float64
        Closed lines (first point = last point) of (y, x). Outer boundaries run clockwise on the screen, each followed
        by its holes, which run the other way. Positions that touch only at a corner are parts of their own, whose
        lines touch in that point.

    Raises
    ------
    InputError
        If nm are wanted and the scan step is not known.

    Notes
    -----
    Domains that touch have their border in common, point by point: no gap, no overlap. Where three or more meet, and
    where two meet at the edge of the scan, both kinds of lines pass through the corner that they share; there alone do
    smooth lines differ from those of marching squares for one domain at a time, which leave holes there. Straight
    stretches have no points in between. Lines never cross or touch themselves, so that each outer boundary with its
    holes is a valid polygon; see :func:`polygons`.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    >>> contours(labels)[1][0].tolist()
    [[0.5, 1.0], [1.0, 1.5], [1.5, 1.0], [1.0, 0.5], [0.5, 1.0]]
    >>> contours(labels, smooth=False)[1][0].tolist()
    [[0.5, 0.5], [0.5, 1.5], [1.5, 1.5], [1.5, 0.5], [0.5, 0.5]]
    """
    found = _lines(domains, smooth=smooth, unit=unit)
    return {label: [line for part in parts for line in part] for label, parts in found.items()}


def polygons(
    domains: Domains | ArrayLike, *, smooth: bool = True, unit: Literal["position", "nm"] = "position"
) -> dict[int, list[list[Line]]]:
    """Return the contours of every domain as polygons: for each part its outer boundary, then its holes.

    Parameters and lines are those of :func:`clustem.contours`.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.ones((3, 4), int)
    >>> labels[1, 1] = 2
    >>> [[len(line) for line in polygon] for polygon in polygons(labels, smooth=False)[1]]
    [[5, 5]]
    """
    return _lines(domains, smooth=smooth, unit=unit)


def _lines(domains: Domains | ArrayLike, *, smooth: bool, unit: str) -> dict[int, list[list[Line]]]:
    """Return for every label its parts, each a list of closed lines, the outer boundary first."""
    labels = domains.labels if isinstance(domains, Domains) else np.asarray(domains)
    scale = _scale(domains, unit)
    found: dict[int, list[list[Line]]] = {}
    for label, hole, line in _Sides(labels).lines(smooth=smooth):
        parts = found.setdefault(label, [])
        if not hole:
            parts.append([])
        parts[-1].append((line - 0.5) * scale)
    return found


def _scale(domains: Domains | ArrayLike, unit: str) -> NDArray[np.float64]:
    if unit == "position":
        return np.ones(2)
    if unit != "nm":
        raise InputError(f"unit: expected 'position' or 'nm', got {unit!r}")
    step = domains.calibration.scan_step_yx_nm if isinstance(domains, Domains) else None
    if step is None:
        raise InputError(
            "unit: 'nm' needs a scan step, which is not known; calibrate the scan (scan_step_nm) or take 'position'"
        )
    return np.array(step)


class _Sides:
    """Sides of positions that are boundaries, directed so that their domain lies to the right.

    Corners count from the upper left corner of the scan. Parts are 4-connected, in the order of their first positions.
    """

    def __init__(self, labels: NDArray[np.integer]) -> None:
        parts = connected_parts(labels, background=0, connectivity=1)
        framed = np.pad(parts, 1, constant_values=_OUTSIDE)
        height, width = parts.shape
        beside = [framed[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] for dy, dx in _NEIGHBOURS]
        y, x, self.way = np.nonzero(np.stack([(parts > 0) & (parts != other) for other in beside], axis=2))
        self.part, self.label = parts[y, x], labels[y, x]
        self.start = np.stack([y, x], axis=1) + _CORNERS[self.way]
        self.joint, self.edge = (kind[tuple(self.start.T)] for kind in _corner_kinds(framed))
        self.following = self._following(width + 1)
        self.preceding = np.argsort(self.following)

    def _following(self, width: int) -> NDArray[np.int64]:
        """Return for every side the one that follows it; corners are (y, x) of so many in a row.

        Where a part touches itself at a corner, the line crosses to the opposite position: the only choice that
        never returns to the same corner, because what lies beyond on both sides is not connected.
        """
        end = self.start + _WAYS[self.way]
        table = np.full((int(end.max(initial=0) + 1) * width, 4), -1)
        table[self.start @ (width, 1), self.way] = np.arange(self.way.size)
        following = np.full(self.way.size, -1)
        for turn in (1, 0, -1):  # right, straight, left, the last having the last word
            candidate = table[end @ (width, 1), (self.way + turn) % 4]
            mine = (candidate >= 0) & (self.part[candidate] == self.part)
            following[mine] = candidate[mine]
        return following

    def _rings(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return all sides ring after ring, and where each ring starts in them."""
        following = self.following.tolist()
        seen = bytearray(len(following))
        order: list[int] = []
        starts: list[int] = []
        for first in range(len(following)):
            if not seen[first]:
                starts.append(len(order))
            side = first
            while not seen[side]:
                seen[side] = 1
                order.append(side)
                side = following[side]
        return np.array(order, np.int64), np.array(starts, np.int64)

    def lines(self, *, smooth: bool) -> list[tuple[int, bool, Line]]:
        """Return (label, whether it is a hole, closed line) by label and part, in corner coordinates."""
        order, starts = self._rings()
        if not order.size:
            return []
        points, kept = self._smooth_points() if smooth else self._corner_points()
        kept = kept[order]
        stops = np.cumsum(np.add.reduceat(kept.sum(axis=1), starts))
        rings = np.split(points[order][kept], stops[:-1])
        first = order[starts]
        turning = (self.start[:, 1] * _WAYS[self.way, 0])[order]  # whose sum is the area, negative for holes
        holes = np.add.reduceat(turning, starts) < 0
        sequence = np.lexsort((holes, self.part[first], self.label[first])).tolist()
        return [(int(self.label[first[k]]), bool(holes[k]), np.concatenate([rings[k], rings[k][:1]])) for k in sequence]

    def _corner_points(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the corner where every side starts (n, 1, 2), and which are kept: not on straight stretches (n, 1)."""
        bent = self.way != self.way[self.preceding]
        return self.start[:, None].astype(np.float64), (bent | self.joint)[:, None]

    def _smooth_points(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the corner where every side starts and its middle (n, 2, 2), and which of both are kept (n, 2)."""
        start = self.start.astype(np.float64)
        middle = start + 0.5 * _WAYS[self.way]
        passed = self.joint | self.edge
        before = middle - np.where(passed[:, None], start, middle[self.preceding])
        end = self.following
        after = np.where(passed[end][:, None], start[end], middle[end]) - middle
        bent = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
        corner = self.joint | (self.edge & (self.way != self.way[self.preceding]))
        return np.stack([start, middle], axis=1), np.stack([corner, bent], axis=1)


def _corner_kinds(framed: NDArray[np.integer]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for every corner whether more than two boundaries meet there, and whether it lies on the scan's edge."""
    a, b, c, d = framed[:-1, :-1], framed[:-1, 1:], framed[1:, :-1], framed[1:, 1:]
    meeting = (a != b).astype(np.int8) + (b != d) + (d != c) + (c != a)
    edge = (a == _OUTSIDE) | (b == _OUTSIDE) | (c == _OUTSIDE) | (d == _OUTSIDE)
    return meeting > 2, edge
