"""The survey: everything that one read of a scan tells."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.computing import in_threads
from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.passes import Block, column_parts, run_pass
from clustem.scan import Scan, is_whole
from clustem.surveying._kernels import (
    add_aligned,
    add_pixel_sums,
    find_centres,
    measure_patterns,
    survey_whole,
)
from clustem.surveying.beam import Beam, find_beam, no_beam, smooth_descan
from clustem.surveying.masks import runs_of
from clustem.surveying.misfits import find_misfits
from clustem.surveying.noise import NoiseModel, unfitting
from clustem.surveying.pixels import fill_pixels, find_bad_pixels
from clustem.surveying.recognition import estimate_noise
from clustem.surveying.record import Survey
from clustem.surveying.transfer import pair_places

_PREVIEW_ROWS = 4
_PREVIEW_BYTES = 256 * 2**20  # of the rows together; of longer ones only a part is kept
_NEIGHBOURS = 16  # patterns side by side in such a part
_NOT_FINITE, _NEGATIVE, _NOT_WHOLE = 1, 2, 4
_MANY_MISFITS = 0.1  # of the pixels: then it is the model of the noise that does not fit
_RARE = 0.2  # of what the brightest tenth of the patterns has in a disk, below which the faintest tenth has no beam
_CLEAR = 20.0  # electrons in the disk of the brightest tenth, below which chance alone makes others faint
_LEAPS = 0.05  # share of the neighbours whose disks are more than a radius apart: a beam moves smoothly
_RING = 1.25  # area of the ring from 1 to 1.5 radii over that of the disk
_REFLECTION = (
    "The brightest disk is missing in many patterns, so it is a reflection and not the direct beam: is there a beam "
    "stop? Patterns are not centred; give centre_px if the direct beam is visible."
)


@dataclass(frozen=True, eq=False)
class Preview:
    """What a few rows tell before the scan is read: mean pattern, usable pixels, beam, sum per pattern."""

    mean: NDArray[np.float64]
    use: NDArray[np.bool_]
    beam: Beam
    sums: NDArray[np.float64]


def preview(scan: Any) -> Preview:
    """Look at four rows of a scan, or fewer if it has fewer; takes what :func:`survey` takes."""
    scan = open_scan(scan)
    use = np.ones(scan.detector_shape, bool) if scan.detector_mask is None else scan.detector_mask
    rows = _preview_rows(scan)
    patterns_read = sum(map(len, rows))
    mean, squares = (np.sum(part, axis=0) / patterns_read for part in zip(*map(_moments, rows), strict=True))
    hot, dead = find_bad_pixels(mean, squares - mean**2, patterns_read, use)
    use = use & ~hot & ~dead
    beam = find_beam(fill_pixels(mean, use), use, scan.calibration.centre_px)
    if beam.found:
        aligned = np.zeros_like(mean)
        for row in rows:
            add_aligned(row, use, beam.centre, beam.radius + 4.0, aligned)
        sharp = find_beam(fill_pixels(aligned / patterns_read, use), use, (beam.centre[0], beam.centre[1]))
        beam = sharp if sharp.found else beam
    sums = np.concatenate([row.sum(axis=(1, 2), dtype=float) - row[:, ~use].sum(axis=1, dtype=float) for row in rows])
    return Preview(mean, use, beam, sums)


def _preview_rows(scan: Scan) -> list[NDArray[Any]]:
    numbers = np.unique(np.linspace(0, scan.shape[0] - 1, _PREVIEW_ROWS).astype(int))
    width = scan.shape[1]
    parts = -(-len(numbers) * scan.nbytes // (scan.shape[0] * _PREVIEW_BYTES))
    kept = np.arange(width) // _NEIGHBOURS % parts == 0
    pieces = [(slice(a, b), scan.with_columns(a, b)) for a, b in column_parts(scan)]
    rows = []
    for row in numbers.tolist():
        read = ((columns, piece.read(row, row + 1)[0]) for columns, piece in pieces)
        rows.append(np.concatenate([part if parts == 1 else part[kept[columns]] for columns, part in read]))
    return [_finite(row) for row in rows]


def beam_centres(patterns: NDArray[Any], use: NDArray[np.bool_], beam: Beam, centres: NDArray[np.float64]) -> None:
    """Fill centres (n, 2) of the beam in patterns (n, k_y, k_x), NaN where it is not found."""

    def find(first: int, last: int) -> None:
        find_centres(patterns, first, last, use, beam.centre, beam.disk, centres)

    if beam.found:
        in_threads(find, len(patterns))


def survey_of(scan: Scan, given: Survey | None) -> Survey:
    """Return the survey of a scan that was given, or make it; InputError if it is of a scan of another shape."""
    if given is None:
        return survey(scan)
    if given.shape != scan.shape:
        raise InputError(f"survey: is of a scan of shape {given.shape}, expected {scan.shape}")
    return given


def preview_noise(scan: Scan, found: Preview) -> NoiseModel:
    """Return the noise model that the rows of a preview tell, which are read again."""
    rows = np.stack(_preview_rows(scan))
    places = pair_places(rows.shape)
    flat = rows.reshape(-1, *scan.detector_shape)
    pairs = np.stack([flat[places], flat[places + 1]], axis=1)
    whole = bool((rows >= 0).all()) and (rows.dtype.kind in "ui" or bool((rows == np.floor(rows)).all()))
    return estimate_noise(pairs, found.mean, found.use, patterns=len(flat), whole=whole)


def _moments(patterns: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sums of values and of squares (k_y, k_x) of patterns (n, k_y, k_x)."""
    sums, squares = np.zeros(patterns.shape[1:]), np.zeros(patterns.shape[1:])
    everything, unlimited = np.ones(len(patterns), bool), np.full(patterns.shape[1:], -np.inf)
    add_pixel_sums(patterns, everything, 0, patterns.shape[1], sums, squares, unlimited)
    return sums, squares


def _finite(patterns: NDArray[Any]) -> NDArray[Any]:
    return patterns if patterns.dtype.kind in "ui" else np.nan_to_num(patterns, posinf=0, neginf=0)


def survey(
    scan: Any,
    *,
    noise: NoiseModel | None = None,
    gain: float | None = None,
    offset: float | None = None,
    read_noise: float | None = None,
) -> Survey:
    """Read a scan once and return its images, beam centres, bad pixels and noise model.

    Parameters
    ----------
    scan : Scan, array (scan_y, scan_x, k_y, k_x), object with such `.data`, or path
    noise : NoiseModel, optional
        What is known of the noise; without it, it is estimated from the data.
    gain, offset, read_noise : float, optional
        Numbers that take the place of those of the model: variance per mean, value without an electron, and standard
        deviation without an electron, in the units of the data.

    Returns
    -------
    Survey

    Raises
    ------
    InputError
        If a value is not finite, every pattern is empty, or a number of the noise model is out of range.

    Notes
    -----
    Four rows are looked at first to find the direct beam. The cost is about that of reading the data twice from memory.
    The noise is measured on at most 1024 pairs of neighbouring positions, see
    :func:`clustem.surveying.recognition.estimate_noise`.

    Examples
    --------
    >>> import clustem
    >>> found = clustem.survey("clustem:film_au")
    >>> bool(abs(found.centre_px - 44).max() < 0.2)
    True
    """
    given = {"gain": gain, "offset": offset, "read_noise": read_noise}
    (noise or NoiseModel()).overridden(**given)  # complains before the scan is read
    scan = open_scan(scan)
    first = preview(scan)
    sums = _Sums(scan, first)
    run_pass(scan, sums.add, stage="survey")
    known = noise is not None or gain is not None
    return _assemble(scan, first, sums, lambda found: (noise or found()).overridden(**given), known=known)


class _Sums:
    """What the pass accumulates."""

    def __init__(self, scan: Scan, first: Preview) -> None:
        detector, positions = scan.detector_shape, scan.shape[0] * scan.shape[1]
        self.scan, self.first = scan, first
        self.total, self.squares = np.zeros(detector), np.zeros(detector)
        self.whole = np.zeros((3, detector[0] * detector[1]), np.uint64)
        self.maximum = np.full(detector, -np.inf)
        self.sums, self.bright, self.dark = (np.zeros(positions) for _ in range(3))
        self.odd = np.zeros(positions, np.uint8)
        self.centres = np.full((positions, 2), np.nan)
        self.places = pair_places(scan.shape)
        self.pairs = np.empty((len(self.places), 2, *detector), scan.dtype)
        self.fast = is_whole(scan.dtype) and scan.dtype.kind == "u"
        y, x = np.indices(detector)
        distance = np.hypot(y - first.beam.centre[0], x - first.beam.centre[1])
        radius = first.beam.radius
        self.runs = tuple(
            runs_of(mask & first.use) for mask in (distance >= 0, distance <= radius, distance <= 1.5 * radius)
        )

    def add(self, block: Block) -> None:
        """Add a block."""
        beam, use = self.first.beam, self.first.use
        patterns, here = block.patterns, block.positions
        sums, bright, dark = self.sums[here], self.bright[here], self.dark[here]
        odd, centres = self.odd[here], self.centres[here]
        for which in (0, 1):
            places = self.places + which
            sampled = (places >= here.start) & (places < here.stop)
            self.pairs[sampled, which] = patterns[places[sampled] - here.start]

        if self.fast:
            self._add_whole(patterns, sums, bright, dark)
        else:
            self._add_real(patterns, sums, bright, dark, odd)
            if (odd & _NOT_FINITE).any():
                raise InputError(_not_finite(self.scan, patterns, odd, here.start))
        beam_centres(patterns, use, beam, centres)

    def _add_whole(self, patterns: NDArray[Any], *measured: NDArray[Any]) -> None:
        """Add patterns of counts; every thread has sums of its own, which are whole numbers, so their order is free."""
        flat = patterns.reshape(len(patterns), -1)
        lock = Lock()

        def work(a: int, b: int) -> None:
            sums, squares, carry = (np.zeros(flat.shape[1], np.uint64) for _ in range(3))
            maximum = np.zeros(flat.shape[1], flat.dtype)
            survey_whole(flat, *self.runs, a, b, *measured, sums, squares, carry, maximum)
            with lock:
                self.whole += np.stack([sums, squares, carry])
                np.maximum(self.maximum, maximum.reshape(self.maximum.shape), out=self.maximum)

        in_threads(work, len(patterns))

    def moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the sums of values and of squares (k_y, k_x)."""
        sums, squares, carry = self.whole.astype(float).reshape(3, *self.total.shape)
        return self.total + sums, self.squares + squares + carry * 2.0**32

    def _add_real(self, patterns: NDArray[Any], *measured: NDArray[Any]) -> None:
        """Add patterns of any type: threads share the patterns, then the pixels, so that the order is the same."""
        beam, use = self.first.beam, self.first.use

        def per_pattern(a: int, b: int) -> None:
            measure_patterns(patterns, a, b, use, beam.centre, beam.radius, *measured)

        in_threads(per_pattern, len(patterns))
        live = measured[0] != 0

        def per_pixel(a: int, b: int) -> None:
            add_pixel_sums(patterns, live, a, b, self.total, self.squares, self.maximum)

        in_threads(per_pixel, self.scan.shape[2])


def _not_finite(scan: Scan, patterns: NDArray[Any], odd: NDArray[np.uint8], start: int) -> str:
    n = int(np.flatnonzero(odd & _NOT_FINITE)[0])
    y, x = divmod(start + n, scan.shape[1])
    ky, kx = np.argwhere(~np.isfinite(patterns[n]))[0]
    return (
        f"{scan.name}: expected finite values, found {patterns[n][ky, kx]} at scan position ({y}, {x}), detector pixel "
        f"({ky}, {kx}); replace such values (for example with numpy.nan_to_num) before opening the data"
    )


def _assemble(
    scan: Scan, first: Preview, sums: _Sums, noise_of: Callable[[Callable[[], NoiseModel]], NoiseModel], *, known: bool
) -> Survey:
    shape = scan.scan_shape
    dead_positions = (sums.sums == 0).reshape(shape)
    patterns = int((~dead_positions).sum())
    if not patterns:
        raise InputError(f"{scan.name}: all {dead_positions.size} patterns are empty (sum 0); is it the right dataset?")
    whole, squares = sums.moments()
    mean = whole / patterns
    variance = np.maximum(squares / patterns - mean**2, 0)
    usable = np.ones(scan.detector_shape, bool) if scan.detector_mask is None else scan.detector_mask
    hot, dead = find_bad_pixels(mean, variance, patterns, usable)
    use = usable & ~hot & ~dead
    is_counts = not (sums.odd & (_NEGATIVE | _NOT_WHOLE)).any()
    noise = noise_of(lambda: estimate_noise(sums.pairs, mean, use, patterns=patterns, whole=is_counts))
    misfits = find_misfits(mean, variance, patterns, use, noise)
    if not known and misfits.sum() > _MANY_MISFITS * use.sum():
        misfits, noise = np.zeros_like(misfits), unfitting(noise)
    beam, centres = first.beam, sums.centres.reshape(*shape, 2)
    wanders = beam.found and scan.calibration.centre_px is None
    reflection = wanders and _is_reflection(sums, centres, beam.radius, noise.gain or 1.0)
    if reflection:
        beam, centres = no_beam(mean.shape), np.full_like(centres, np.nan)
    centre, descan = _common_centre(beam, centres, fill_pixels(mean, use), use, sums)
    total, bright, dark = (image.reshape(shape) for image in (sums.sums, sums.bright, sums.dark))
    return Survey(
        name=scan.name,
        shape=scan.shape,
        dtype=str(scan.dtype),
        calibration=scan.calibration,
        mean=mean,
        variance=variance,
        maximum=sums.maximum,
        total=total,
        bright_field=bright if beam.found else np.full(shape, np.nan),
        annular_dark_field=dark if beam.found else np.full(shape, np.nan),
        centre_px=centre,
        beam_radius_px=beam.radius,
        centres_px=centres,
        descan_px=descan,
        hot_pixels=hot,
        dead_pixels=dead,
        misfit_pixels=misfits,
        dead_positions=dead_positions,
        detector_mask=use & ~misfits,
        is_counts=is_counts,
        noise=noise,
        fingerprint=_fingerprint(scan, mean, variance, sums.maximum, total),
        warnings=_warnings(scan, beam, sums, int(hot.sum()), int(dead_positions.sum()), is_counts)
        + ((_REFLECTION,) if reflection else ())
        + _misfit_warnings(int(misfits.sum())),
    )


def _is_reflection(sums: _Sums, centres: NDArray[np.float64], radius: float, unit: float) -> bool:
    """Return whether what was taken for the direct beam is missing in many patterns: a beam is in every one.

    `unit` is the value of an electron.
    """
    live = sums.sums != 0
    ring = sums.sums - sums.dark - sums.bright
    faint, bright = np.percentile((sums.bright - ring / _RING)[live], [10, 90])
    steps = np.concatenate([np.hypot(*np.diff(centres, axis=axis).reshape(-1, 2).T) for axis in (0, 1)])
    leaps = ~(steps < radius)
    return bool(bright > _CLEAR * unit and faint < _RARE * bright and leaps.mean() > _LEAPS)


def _common_centre(
    beam: Beam, centres: NDArray[np.float64], mean: NDArray[np.float64], use: NDArray[np.bool_], sums: _Sums
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centre of the scan and the descan; if the beam stands still, the mean pattern has the best."""
    if not beam.found or not np.isfinite(centres).any():
        return beam.centre, np.zeros_like(centres)
    median = np.nanmedian(centres, axis=(0, 1))
    descan = smooth_descan(centres, median, float(np.median(sums.bright[sums.sums != 0])))
    whole = find_beam(mean, use, (float(median[0]), float(median[1])))
    return (median if descan.any() or not whole.found else whole.centre), descan


def _warnings(scan: Scan, beam: Beam, sums: _Sums, hot: int, dead: int, is_counts: bool) -> tuple[str, ...]:
    """Return the warnings of a survey: only what may make a result wrong."""
    found = []
    if (sums.odd & _NEGATIVE).any():
        found.append(f"{int(((sums.odd & _NEGATIVE) > 0).sum())} patterns have negative values: not electron counts.")
    elif not is_counts:
        found.append("Values are not whole numbers: not electron counts, so numbers of electrons are in their units.")
    if not beam.found:
        found.append(
            "No direct beam was found"
            + ("" if scan.calibration.centre_px is None else f" at centre_px {scan.calibration.centre_px}")
            + ": bright- and dark-field images are missing, patterns are not centred and signal-to-noise ratios "
            "include everything."
        )
    if hot:
        found.append(f"{hot} hot pixels were found and are left out.")
    if dead:
        found.append(f"{dead} patterns are empty and stay unassigned.")
    return (*scan.assumptions, *found)


def _misfit_warnings(misfits: int) -> tuple[str, ...]:
    """Return the warning about pixels that do not fit the noise model."""
    if not misfits:
        return ()
    return (f"{misfits} pixels whose variance does not fit the noise, saturated or flickering, are left out.",)


def _fingerprint(scan: Scan, *images: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{scan.shape} {scan.dtype}".encode())
    for image in images:
        digest.update(np.ascontiguousarray(image, dtype="<f8").tobytes())
    return digest.hexdigest()
