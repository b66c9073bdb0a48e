"""average: one read that sums the patterns of every domain."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt, maximum_position
from scipy.stats import chi2

from clustem.averaging._kernels import add_patterns, add_shifted, add_whole, measure_signal, measure_whole
from clustem.averaging.record import Averages
from clustem.averaging.signal import scatter_snr, thinned_snr
from clustem.computing import in_threads
from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.passes import Block, run_pass
from clustem.scan import Scan, is_whole
from clustem.surveying import Survey, fill_pixels, runs_of, survey_of

_SUMS_BYTES = 384 * 2**20  # for the sums of the domains that are averaged in one read
_BEAM_EDGE = 1.5  # radii of the direct beam that are left out of the signal
_POISSON = (0.5, 1.6)  # range of variance over mean in which whole numbers are taken for electron counts
_DECILE = 0.1
_LEAST_POSITIONS = 4
_LEAST_COUNTS = 20  # of a pixel in a domain, for its variance to tell something; likewise of positions


def average(scan: Any, domains: Any, *, survey: Survey | None = None, centre: bool = True) -> Averages:
    """Average the patterns of every domain, from the raw values.

    Parameters
    ----------
    scan : Scan, array (scan_y, scan_x, k_y, k_x), object with such `.data`, or path
    domains : Domains or (scan_y, scan_x) integer array
        0 = unassigned, domains 1 … K.
    survey : Survey, optional
        Of the same scan. Without it the scan is surveyed first, which is one more read.
    centre : bool
        Whether patterns are moved to a common origin where the survey found that the beam moves (`Survey.descan_px`).

    Returns
    -------
    Averages

    Raises
    ------
    InputError
        If the labels do not fit the scan or skip a number, or the survey is of another scan.

    Notes
    -----
    A moved pattern shares every count between the four nearest pixels, periodically, so its total does not change.
    Bad pixels of the survey are left out and filled with the median around them. The signal-to-noise ratios are
    those of :func:`clustem.averaging.signal.thinned_snr` where the values are electron counts, else from the
    scatter of the patterns of a domain. Averages of very many domains take several reads, so that their sums fit
    into memory.

    Examples
    --------
    >>> import numpy as np
    >>> scan = np.random.default_rng(0).poisson(5, (4, 4, 16, 16))
    >>> average(scan, np.ones((4, 4), int)).patterns.shape
    (1, 16, 16)
    """
    scan = open_scan(scan)
    labels = _labels(domains, scan)
    found = survey_of(scan, survey)
    sums = _Sums(scan, labels, found, centre and bool(found.descan_px.any()))
    per_read = max(1, _SUMS_BYTES // ((24 if sums.moved else 16) * int(np.prod(scan.detector_shape))))
    for start in range(0, max(1, sums.number), per_read):
        sums.read(start, min(start + per_read, sums.number))
    return sums.finish()


def _labels(domains: ArrayLike | Any, scan: Scan) -> NDArray[np.int32]:
    labels = np.asarray(getattr(domains, "labels", domains))
    if labels.shape != scan.scan_shape or labels.dtype.kind not in "iu":
        raise InputError(
            f"domains: expected an integer label image of shape {scan.scan_shape} as the scan, "
            f"got {labels.dtype} {labels.shape}"
        )
    if labels.size and labels.min() < 0:
        raise InputError("domains: labels must be 0 (unassigned) or positive")
    present = np.unique(labels[labels > 0])
    gaps = np.flatnonzero(present != np.arange(1, present.size + 1))
    if gaps.size:
        raise InputError(
            f"domains: labels must be 1 … K without gaps, but there is no position with label {gaps[0] + 1}"
        )
    return labels.astype(np.int32)


def example_positions(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return for every domain the position (y, x) farthest from any other label, (K, 2)."""
    number = int(labels.max(initial=0))
    padded = np.pad(labels, 1, mode="edge")
    boundary = np.zeros(labels.shape, bool)
    for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
        boundary |= padded[dy : dy + labels.shape[0], dx : dx + labels.shape[1]] != labels
    depth = distance_transform_edt(~boundary) if boundary.any() else np.ones(labels.shape)
    places = maximum_position(depth, labels, np.arange(1, number + 1)) if number else []
    return np.array(places, np.int64).reshape(-1, 2)


@dataclass(eq=False)
class _Sums:
    """What the reads accumulate."""

    scan: Scan
    labels: NDArray[np.int32]
    survey: Survey
    moved: bool
    patterns: list[NDArray[np.float32]] = field(default_factory=list)
    variance: list[NDArray[np.float32]] = field(default_factory=list)
    domain_signal: list[NDArray[np.float64]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.number = int(self.labels.max(initial=0))
        self.positions = np.bincount(self.labels.ravel(), minlength=self.number + 1)[1:].astype(np.int64)
        self.places = example_positions(self.labels)
        self.examples = np.zeros((self.number, *self.scan.detector_shape), self.scan.dtype)
        self.use = self.survey.detector_mask
        self.outside = self.use & ~_within_beam(self.survey)
        self.moves = np.where(self.moved, self.survey.descan_px, 0.0).reshape(-1, 2)
        part = self.moves - np.floor(self.moves)
        self.kept = np.prod((1 - part) ** 2 + part**2, axis=1)  # share of the noise left after moving by fractions
        self.whole = is_whole(self.scan.dtype)
        self.runs = runs_of(self.use), runs_of(self.outside)
        self.measured = np.zeros((3, self.labels.size))  # of every pattern: its total; sum and squares outside the beam

    def read(self, start: int, stop: int) -> None:
        """Read the scan once and average the domains of index start … stop-1."""
        count, detector = stop - start, self.scan.detector_shape
        sums, squares = np.zeros((count, *detector)), np.zeros((count, *detector))
        exposure = np.zeros((count, *detector) if self.moved else (0, 0, 0))
        lock = Lock()
        slots = np.where((self.labels > start) & (self.labels <= stop), self.labels - 1 - start, -1).astype(np.int64)

        def process(block: Block) -> None:
            patterns, here = block.patterns, block.positions
            block_slots, moves = slots.ravel()[here], self.moves[here]

            def add(a: int, b: int) -> None:
                if self.moved:
                    add_shifted(patterns, block_slots, moves, self.use, a, b, sums, squares, exposure)
                elif self.whole:
                    measured = np.zeros((3, len(patterns)))
                    span = a * detector[1], b * detector[1]
                    runs = [np.clip(mask, *span) if start == 0 else mask[:0] for mask in self.runs]
                    flat = [array.reshape(len(array), self.use.size) for array in (patterns, sums, squares)]
                    add_whole(flat[0], block_slots, *span, *runs, *flat[1:], measured)
                    with lock:
                        self.measured[:, here] += measured
                else:
                    add_patterns(patterns, block_slots, a, b, sums, squares)

            in_threads(add, detector[0])
            if start == 0 and (self.moved or not self.whole):
                self._measure(patterns, here)
            places = self.places @ (self.scan.shape[1], 1)
            for k in np.flatnonzero((places >= here.start) & (places < here.stop)):
                self.examples[k] = patterns[places[k] - here.start]

        run_pass(self.scan, process, stage="averages")
        self._keep(sums, squares, exposure, self.positions[start:stop])

    def _measure(self, patterns: NDArray[Any], here: slice) -> None:
        total, part, square = self.measured[:, here]

        def work(a: int, b: int) -> None:
            if self.whole:
                flat = patterns.reshape(len(patterns), -1)
                measure_whole(flat, *self.runs, a, b, total, part, square)
            else:
                measure_signal(patterns, self.use, self.outside, a, b, total, part, square)

        in_threads(work, len(patterns))

    def _keep(
        self,
        sums: NDArray[np.float64],
        squares: NDArray[np.float64],
        exposure: NDArray[np.float64],
        positions: NDArray[np.int64],
    ) -> None:
        """Turn sums into means and variances, and measure the signal of the sums."""
        outside = np.ascontiguousarray(sums[:, self.outside])  # so that each is summed alike, however many there are
        self.domain_signal.append(np.stack([outside.sum(axis=1), (outside**2).sum(axis=1)]))
        for k, n in enumerate(positions):
            weight = exposure[k] if self.moved else np.full(self.use.shape, float(n))
            seen = (weight > 0) & (self.use | self.moved)
            weight = np.where(seen, weight, 1)
            mean = sums[k] / weight
            with np.errstate(invalid="ignore", divide="ignore"):
                spread = np.maximum(squares[k] / weight - mean**2, 0) * (n / np.float64(n - 1))
            self.patterns.append(fill_pixels(mean, seen).astype(np.float32))
            self.variance.append(np.where(n > 1, fill_pixels(spread, seen), np.nan).astype(np.float32))

    def _per_domain(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums (K,) of values (scan_y * scan_x,) over the positions of every domain."""
        return np.bincount(self.labels.ravel(), values, minlength=self.number + 1)[1:].astype(np.float64)

    def finish(self) -> Averages:
        """Return the record."""
        detector = self.scan.detector_shape
        patterns = np.array(self.patterns, np.float32).reshape(-1, *detector)
        variance = np.array(self.variance, np.float32).reshape(-1, *detector)
        totals = self._per_domain(self.measured[0])
        single, domain, warnings = self._signal_to_noise(patterns, variance)
        return Averages(
            patterns=patterns,
            variance=variance,
            electrons=totals,
            positions=self.positions,
            snr_single=single,
            snr_domain=domain,
            chi_squared=self._chi_squared(patterns, variance),
            examples=self.examples,
            example_positions=self.places,
            centre_px=self.survey.centre_px,
            margin_px=float(np.ceil(np.abs(self.moves).max())) if self.moved else 0.0,
            bytes_in=self.scan.nbytes,
            bytes_out=patterns.nbytes + self.labels.nbytes,
            calibration=self.scan.calibration,
            warnings=warnings,
        )

    def _chi_squared(self, patterns: NDArray[np.float32], variance: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the variance (K,) of the patterns outside the beam over that of their noise."""
        left = self._per_domain(self.kept) / np.maximum(self.positions, 1)
        spread = [float(part[self.outside].sum(dtype=np.float64)) for part in variance]
        noise = [float(self.survey.noise.variance(part[self.outside]).sum()) for part in patterns]
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio: NDArray[np.float64] = np.array(spread) / (left * np.array(noise))
        return np.where(np.isfinite(ratio), ratio, np.nan)

    def _variance_over_mean(self, patterns: NDArray[np.float32], variance: NDArray[np.float32]) -> float:
        """Return the lower decile of variance over mean of all pixels and domains outside the direct beam.

        In units of what electron counts have there, with as few positions and after the same moving: 1 where the domain
        is uniform. Real differences inside domains only raise it.
        """
        positions = self.positions[:, None, None]
        lit = (patterns * positions >= _LEAST_COUNTS) & self.outside & (variance > 0) & (positions >= _LEAST_POSITIONS)
        lit &= self.positions[:, None, None] >= _LEAST_POSITIONS
        if not lit.any():
            return 1.0
        freedom = np.maximum(self.positions - 1, 1)
        expected = self._per_domain(self.kept) / self.positions * chi2.ppf(_DECILE, freedom) / freedom
        return float(np.quantile((variance / expected[:, None, None])[lit] / patterns[lit], _DECILE))

    def _signal_to_noise(
        self, patterns: NDArray[np.float32], variance: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[str, ...]]:
        pixels = int(self.outside.sum())
        if not self.number or pixels < 2:
            nothing = np.full(self.number, np.nan)
            return nothing, nothing, ()
        ratio = self._variance_over_mean(patterns, variance)
        if not self.survey.is_counts or not _POISSON[0] <= ratio <= _POISSON[1]:
            warning = (
                f"Inside domains the variance is at least {ratio:.2g} times the mean, not equal to it: the values "
                "are not plain electron counts, or domains hold more than one kind of pattern. Signal-to-noise ratios "
                "are taken from the scatter of the patterns, and electrons are in units of the data."
            )
            return *scatter_snr(patterns, variance, self.positions, self.outside), (warning,)
        part, square = self.measured[1:]
        sums, noise = self._per_domain(part), self._per_domain(self.kept * part)
        energy = self._per_domain(square - part**2 / pixels)
        single = thinned_snr(np.zeros_like(sums), energy, sums, pixels)
        total, squares = np.concatenate(self.domain_signal, axis=1)
        return single, thinned_snr(total, squares, noise, pixels), ()


def _within_beam(survey: Survey) -> NDArray[np.bool_]:
    """Return the detector pixels of the direct beam, with its edge and its movement."""
    if not np.isfinite(survey.beam_radius_px):
        return np.zeros(survey.mean.shape, bool)
    y, x = np.indices(survey.mean.shape)
    reach = _BEAM_EDGE * survey.beam_radius_px + 1 + np.hypot(survey.descan_px[..., 0], survey.descan_px[..., 1]).max()
    within: NDArray[np.bool_] = np.hypot(y - survey.centre_px[0], x - survey.centre_px[1]) <= reach
    return within
