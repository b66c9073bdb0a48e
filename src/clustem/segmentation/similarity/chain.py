"""The linear chain from a raw pattern to what is compared, and the noise that it passes.

A pattern x, less the offset, is moved to the common centre (S), binned (B), masked (M), blurred (H), and divided by the
blurred mask (N), so that it becomes a local average over used pixels; its weighted mean is subtracted (P) and it is
weighted (W): f = W P N H M B S x. All of this is linear, so the noise energy of f is the sum over the raw pixels of
their variance times a template, the diagonal of (W P N H M B S)ᵀ (W P N H M B S), which is the same for all patterns
that are moved alike. Pixels that share counts add their side diagonals.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from clustem.segmentation.similarity.blur import blur_plan

STEPS_PER_PX = 4  # of the movement: patterns are moved by multiples of a quarter pixel, so that few templates do
_COVERED = 1e-3  # share of a blurred pixel that must come from used ones
_SHARING = ((0, 1), (1, -1), (1, 0), (1, 1))


@dataclass(frozen=True, eq=False)
class Chain:
    """What is done to every pattern.

    Attributes
    ----------
    good : (k_y, k_x) bool
        Raw pixels that count at all.
    mask : (n_y, n_x) bool
        Binned pixels that are compared.
    weight : (n_y, n_x) float64
        0 outside the mask.
    sigma : float
        Blur in binned px.
    binning : int
    covariance : tuple of 4 float
        Relative covariance of raw pixels with the neighbours (0,1), (1,−1), (1,0), (1,1).
    """

    good: NDArray[np.bool_]
    mask: NDArray[np.bool_]
    weight: NDArray[np.float64]
    sigma: float
    binning: int
    covariance: tuple[float, float, float, float]

    @cached_property
    def plan(self) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        """What blurs a binned pattern, see :func:`clustem.segmentation.similarity.blur_plan`."""
        return blur_plan((self.mask.shape[0], self.mask.shape[1]), self.sigma)

    @cached_property
    def matrices(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The blur along y and along x as matrices (n, n), with their reflecting borders."""
        taps, *indices = self.plan
        kernel = _kernel(taps)
        matrices: list[NDArray[np.float64]] = []
        for index in indices:
            size = index.size - kernel.size + 1
            matrix: NDArray[np.float64] = np.zeros((size, size))
            for k in range(size):
                np.add.at(matrix[k], index[k : k + kernel.size], kernel)
            matrices.append(matrix)
        return matrices[0], matrices[1]

    def blurred(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return an image (n_y, n_x) blurred."""
        along_y, along_x = self.matrices
        result: NDArray[np.float64] = along_y @ image @ along_x.T
        return result

    @property
    def spread(self) -> float:
        """Sum of the squares of the blur applied twice, in the middle of a large detector."""
        taps = _kernel(self.plan[0])
        return float((np.convolve(taps, taps) ** 2).sum() ** 2)

    @property
    def middle(self) -> float:
        """Share of a pixel that stays in it when it is blurred."""
        return float(self.plan[0][0]) ** 2

    def tables(self, move: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the template (k_y, k_x) and maps (5, n_y n_x) of patterns that are moved by `move`.

        `move` is as in :func:`clustem.segmentation.similarity._corrected_kernels.gather_pattern`. The maps are the norm
        of the blur, what a binned pixel adds to the energy by itself, and for the standard errors the mask, the blurred
        mask and the squared weight of the noise.
        """
        side = self._still if self.good.all() else _Diagonals(self, self._norm(move))
        norm = side.norm
        template = self._template(side, move)
        squared = (self.weight * norm) ** 2
        mask = self.mask.astype(np.float64)
        maps = np.stack([norm, side.diagonal(0, 0), mask, self.blurred(mask), squared**2])
        return template, maps.reshape(5, -1)

    @cached_property
    def _still(self) -> _Diagonals:
        return _Diagonals(self, self._norm(np.zeros(4)))

    def _norm(self, move: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what makes blurred sums of bins averages over the used raw pixels, (n_y, n_x)."""
        cover = self._binned(_moved(self.good.astype(float), move)) / self.binning**2 * self.mask
        reach = self.blurred(cover)
        norm: NDArray[np.float64] = np.where(self.mask & (reach > _COVERED), 1 / np.maximum(reach, _COVERED), 0)
        return norm / self.binning**2

    def _binned(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        (height, width), n = self.mask.shape, self.binning
        sums: NDArray[np.float64] = image[: height * n, : width * n].reshape(height, n, width, n).sum(axis=(1, 3))
        return sums

    def _template(self, side: _Diagonals, move: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the variance of every raw pixel adds to the noise energy."""
        good = self.good.astype(float)
        template = good * side.of_moved(0, 0, move)
        for (dy, dx), shared in zip(_SHARING, self.covariance, strict=True):
            if shared:
                product = good * _shifted(good, dy, dx) * side.of_moved(dy, dx, move)
                template += shared * (product + _shifted(product, -dy, -dx))
        return template


class _Diagonals:
    """Diagonals of the matrix that gives the energy from the binned, moved pattern, as images."""

    def __init__(self, chain: Chain, norm: NDArray[np.float64]) -> None:
        self.chain, self.norm = chain, norm
        self.filtered = (chain.weight * norm) ** 2
        self.mean = chain.mask * chain.blurred(chain.weight**2 * norm)
        self.weights = float((chain.weight**2).sum())
        self.known: dict[tuple[int, int], NDArray[np.float64]] = {}
        self.raw: dict[tuple[int, int], NDArray[np.float64]] = {}

    def diagonal(self, dy: int, dx: int) -> NDArray[np.float64]:
        """Return the elements of binned pixels and their neighbours at (dy, dx), periodically, (n_y, n_x)."""
        if (dy, dx) not in self.known:
            mask = self.chain.mask.astype(np.float64)
            along_y, along_x = self.chain.matrices
            rows, columns = along_y * np.roll(along_y, -dy, 1), along_x * np.roll(along_x, -dx, 1)
            product = (rows.T @ self.filtered @ columns) * mask * np.roll(mask, (-dy, -dx), (0, 1))
            self.known[dy, dx] = product - self.mean * np.roll(self.mean, (-dy, -dx), (0, 1)) / self.weights
        return self.known[dy, dx]

    def of_raw(self, dy: int, dx: int) -> NDArray[np.float64]:
        """Return the same for raw pixels and their neighbours at (dy, dx), not moved."""
        if (dy, dx) in self.raw:
            return self.raw[dy, dx]
        result = self.raw[dy, dx] = np.zeros(self.chain.good.shape)
        for step_y, rows in self._steps(0, dy):
            for step_x, columns in self._steps(1, dx):
                bins = np.ix_(rows // self.chain.binning, columns // self.chain.binning)
                result[np.ix_(rows, columns)] = self.diagonal(step_y, step_x)[bins]
        return result

    def _steps(self, axis: int, step: int) -> list[tuple[int, NDArray[np.int64]]]:
        """Return by how many bins raw pixels and their neighbours at `step` differ, and which ones do."""
        number, binning = self.chain.mask.shape[axis], self.chain.binning
        own = np.arange(self.chain.good.shape[axis])
        bins, others = own // binning, (own + step) % own.size // binning
        inside = (bins < number) & (others < number)
        apart = (others - bins) % number
        return [(int(n), own[inside & (apart == n)]) for n in np.unique(apart[inside])]

    def of_moved(self, dy: int, dx: int, move: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the same for raw pixels before they are moved: each goes to up to four."""
        top, left = int(move[0]), int(move[1])
        ways = [
            (ty, tx, (move[2] if ty else 1 - move[2]) * (move[3] if tx else 1 - move[3]))
            for ty in (0, 1)
            for tx in (0, 1)
        ]
        ways = [way for way in ways if way[2]]
        total = np.zeros(self.chain.good.shape)
        for ay, ax, a in ways:
            for by, bx, b in ways:
                total += a * b * np.roll(self.of_raw(dy + ay - by, dx + ax - bx), (top + ay, left + ax), (0, 1))
        return total


def _kernel(taps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the whole of a symmetric kernel."""
    return np.concatenate([taps[:0:-1], taps]).astype(np.float64)


def _moved(image: NDArray[np.float64], move: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an image moved as a pattern is, periodically."""
    for axis in (0, 1):
        whole, part = int(move[axis]), move[axis + 2]
        image = (1 - part) * np.roll(image, -whole, axis) + part * np.roll(image, -whole - 1, axis)
    return image


def _shifted(image: NDArray[np.float64], dy: int, dx: int) -> NDArray[np.float64]:
    """Return image[y + dy, x + dx], 0 beyond the edge."""
    height, width = image.shape
    result = np.zeros_like(image)
    target = tuple(slice(max(0, -d), max(0, min(n, n - d))) for d, n in ((dy, height), (dx, width)))
    source = tuple(slice(max(0, d), max(0, min(n, n + d))) for d, n in ((dy, height), (dx, width)))
    result[target] = image[source]
    return result
