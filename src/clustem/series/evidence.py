"""Joint evidence: where a particle is in a frame, from its pattern in that frame and in the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, binary_dilation, binary_erosion, label
from scipy.optimize import nnls

from clustem.computing import in_threads
from clustem.passes import Block, run_pass
from clustem.scan import Scan
from clustem.segmentation.features import project_patterns
from clustem.series.frames import MeasuredFrame

_EDGE = 0.22  # of the strength inside a particle, where it ends: the rim of a sphere is faint, a sharp edge steep
_SURE = 3.0  # standard errors of the background by which a position must exceed it
_FOUND = 8.0  # standard errors, of all positions together, for a particle that was not seen by itself
_LEAST = 4  # positions of such a particle
_WEAK = 0.12  # of the strength in other frames, that it has at least
_REACH = 2  # positions beyond its outline where a particle is looked for
_TOP = 0.25  # share of the positions of a particle that tell its strength
_OPEN = 0.05  # share of a scan in no domain, from which that is a background
_FLOOR = 0.02  # of the mean, for what patterns are divided by
_SQUARE = np.ones((3, 3), bool)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A particle that may be in a frame.

    Attributes
    ----------
    mask : (scan_y, scan_x) bool
        Where it was seen, or where it is expected.
    seen : bool
    template : (k_y, k_x) float64
        Mean pattern less offset that is expected, at the dose of the frame; its own in this frame, if it was seen.
    members : float
        Positions of this frame that the template is the mean of; 0 if it comes from others.
    """

    mask: NDArray[np.bool_]
    seen: bool
    template: NDArray[np.float64]
    members: float


def rotated(
    pattern: NDArray[np.float64], angle: float, source: NDArray[np.float64], target: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Turn a pattern (k_y, k_x) by an angle in degrees, x towards y, move its centre from source to target."""
    turn = np.deg2rad(angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved: NDArray[np.float64] = affine_transform(pattern, matrix, source - matrix @ target, order=1)
    return moved


def find_particles(scan: Scan, frame: MeasuredFrame, candidates: list[Candidate]) -> NDArray[np.int32]:
    """Return labels (scan_y, scan_x): position n of the list is n + 1, 0 = none of them.

    Notes
    -----
    Where there is a background, every position near a candidate is explained by non-negative least squares, as
    background and patterns of candidates; a particle ends where its share falls below 0.22 of that inside. Members of
    a particle are compared with its mean without what their own noise adds to the product. A candidate that was not
    seen must stand out by eight standard errors in at least four positions that hang together. Without a background,
    as in a closed film, outlines stay as they are.
    """
    labels = np.zeros(scan.scan_shape, np.int32)
    for n, candidate in enumerate(candidates):
        if candidate.seen:
            labels[candidate.mask] = n + 1
    if not candidates or (frame.labels == 0).mean() < _OPEN:
        return labels
    fit = _Fit(scan, frame, candidates)
    return fit.outlines(labels)


class _Fit:
    """The strengths of all candidates at the positions near them."""

    def __init__(self, scan: Scan, frame: MeasuredFrame, candidates: list[Candidate]) -> None:
        gain, offset, read = frame.noise
        y, x = np.indices(frame.mask.shape)
        outside = np.hypot(y - frame.centre_px[0], x - frame.centre_px[1]) >= frame.inner_px
        self.use = frame.mask & outside
        self.candidates = candidates
        background = np.maximum(frame.background[self.use].astype(float) - offset, 0)
        templates = np.stack([background, *(np.maximum(c.template[self.use], 0) for c in candidates)])
        bright = templates[1:].mean(axis=0) if candidates else background
        typical = background + bright / 4
        self.weight = 1 / np.maximum(typical, _FLOOR * max(float(typical.mean()), 1e-12))
        self.products = (templates * self.weight) @ templates.T
        self.variance = gain * background + read**2
        self.templates = templates
        columns = [*(self.weight * template for template in templates), gain * self.weight]
        self.values = _project(scan, frame, self.use, np.stack(columns, axis=1))
        self.strength = np.zeros((len(candidates), *scan.scan_shape))
        self.doubt = np.array([self._doubt(n) for n in range(len(candidates))])
        self.reach = [binary_dilation(c.mask, _SQUARE, iterations=_REACH) for c in candidates]
        self._solve()

    def _doubt(self, n: int) -> float:
        """Return the standard error that the background makes in the strength of a candidate."""
        rows = self.templates[[0, n + 1]]
        inverse = np.linalg.pinv((rows * self.weight) @ rows.T)
        filtered = (inverse @ (rows * self.weight))[1]
        return float(np.sqrt((filtered**2 * self.variance).sum()))

    def _solve(self) -> None:
        near = np.array(self.reach)
        for y, x in np.argwhere(near.any(axis=0)):
            here = np.flatnonzero(near[:, y, x])
            rows = np.append(0, here + 1)
            product = self.values[y, x, rows].astype(float)
            for k, n in enumerate(here, start=1):
                candidate = self.candidates[n]
                if candidate.members and candidate.mask[y, x]:  # its own noise, which is in the mean as well
                    product[k] -= self.values[y, x, -1] / candidate.members
            matrix = self.products[np.ix_(rows, rows)]
            root = np.linalg.cholesky(matrix + 1e-9 * np.trace(matrix) * np.eye(rows.size))
            shares = nnls(root.T, np.linalg.solve(root, product))[0]
            self.strength[here, y, x] = shares[1:]

    def outlines(self, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return labels with outlines drawn anew, and candidates that were not seen where they are found."""
        level = np.array([self._level(n, candidate.mask) for n, candidate in enumerate(self.candidates)])
        relative = np.zeros(self.strength.shape)
        for n, candidate in enumerate(self.candidates):
            if level[n] > 0 and (candidate.seen or level[n] >= _WEAK):
                sure = self.strength[n] > max(_SURE * self.doubt[n], _EDGE * level[n])
                relative[n] = np.where(sure & self.reach[n], self.strength[n] / level[n], 0)
        best = relative.argmax(axis=0)
        found = np.where(relative.max(axis=0) > 0, best + 1, 0).astype(np.int32)
        result = np.zeros_like(labels)
        for n, candidate in enumerate(self.candidates):
            core = binary_erosion(candidate.mask, _SQUARE, border_value=1) & (labels == n + 1)
            whole = _connected((found == n + 1) | core, candidate.mask)
            if candidate.seen and not whole.any():
                whole = (labels == n + 1) & (found == 0)
            if candidate.seen or self._stands_out(n, whole):
                result[whole & (result == 0)] = n + 1
        return result

    def _level(self, n: int, mask: NDArray[np.bool_]) -> float:
        """Return the strength inside a particle."""
        values = np.sort(self.strength[n][mask])[::-1]
        return float(values[: max(2, round(_TOP * values.size))].mean()) if values.size else 0.0

    def _stands_out(self, n: int, where: NDArray[np.bool_]) -> bool:
        number = int(where.sum())
        if number < _LEAST or self.doubt[n] <= 0:
            return False
        return bool(self.strength[n][where].sum() / (self.doubt[n] * np.sqrt(number)) > _FOUND)


def _connected(where: NDArray[np.bool_], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the piece of a region that has most in common with a mask."""
    pieces, number = label(where)
    if not number:
        return where
    common = np.bincount(pieces[mask], minlength=number + 1)[1:]
    piece: NDArray[np.bool_] = pieces == int(common.argmax()) + 1
    return piece if common.any() else np.zeros_like(where)


def _project(
    scan: Scan, frame: MeasuredFrame, use: NDArray[np.bool_], columns: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the products (scan_y, scan_x, M) of every centred pattern less offset with columns (pixels, M)."""
    matrix = np.zeros((use.size, columns.shape[1]), np.float32)
    matrix[use.ravel()] = columns
    rows, across = (np.arange(length) for length in use.shape)
    values = np.empty((*scan.scan_shape, columns.shape[1]), np.float32)

    def process(block: Block) -> None:
        flat = block.patterns
        out = values.reshape(-1, values.shape[2])[block.positions]
        moves = frame.moves.reshape(-1, 2)[block.positions]

        def work(first: int, last: int) -> None:
            offset = float(frame.noise[1])
            project_patterns(flat, moves, first, last, rows, across, offset, 1.0, use.shape, matrix, out)

        in_threads(work, len(flat), longest=max(scan.shape[1], 64))

    run_pass(scan, process, stage="projections")
    return values
