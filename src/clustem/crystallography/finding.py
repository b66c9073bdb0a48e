"""find_peaks: the Bragg peaks of averaged patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.averaging import Averages
from clustem.calibration import Calibration
from clustem.computing import in_threads
from clustem.crystallography.centring import friedel_centre
from clustem.crystallography.counting import Counting, reached_pixels
from clustem.crystallography.frames import to_sample
from clustem.crystallography.peaks import BeamFitter, Finder, Found
from clustem.crystallography.probe import Probe
from clustem.crystallography.record import COLUMNS, Peaks
from clustem.crystallography.sharpening import sharpened_probe
from clustem.errors import InputError
from clustem.solving import small_products
from clustem.surveying import load_mask
from clustem.surveying.beam import Beam, find_beam

if TYPE_CHECKING:
    import pandas as pd

_LEAST_DISK = 1.2  # px; below this radius a peak shows no disk, only a spot
_UNLIKE = 0.3  # relative difference from which the convergence angle and the direct beam contradict each other
_AT_ONCE = 4  # patterns that a thread takes, so that no thread is left with all the difficult ones
_SHARPENED = 5  # patterns that radius and edge of the probe are taken from


@small_products()
def find_peaks(averages: Averages, *, probe: Probe | ArrayLike | None = None, mask: ArrayLike | None = None) -> Peaks:
    """Find the Bragg peaks of every averaged pattern.

    Parameters
    ----------
    averages : Averages
    probe : Probe or (k_y, k_x) array, optional
        The template: a :class:`Probe`, or a vacuum pattern, whose direct beam is taken. Without it, a disk with the
        radius of the convergence semi-angle of the calibration or, without that, of the direct beam, whose radius and
        edge are then fitted to the brightest peaks; where the beam is smaller than 1.2 px, a spot.
    mask : (k_y, k_x) bool array, optional
        Detector pixels to use (True), for example without a beam stop. Blocks that no electron reaches are left out
        in any case.

    Returns
    -------
    Peaks

    Raises
    ------
    InputError
        If probe or mask do not fit, or there is neither a direct beam nor a convergence angle to make a probe of.

    Notes
    -----
    Template and constant are fitted around every pixel; what the counting noise would not show in one pattern of
    twenty, and correlates with the template by more than 0.5, is a peak. All peaks of a pattern, the direct beam and
    a smooth background are then fitted together, each disk with slopes and a dome inside, so that overlapping disks
    do not move each other and contrast inside a disk does not move it either. What is left is searched twice more.
    The standard errors are those of this fit: counting noise, and 3 % of every disk's height that the model may miss.
    The beam centre is the fitted direct beam; where there is none, the centre of the Friedel pairs. About 0.5 s per
    pattern of 128×128 pixels.

    Examples
    --------
    >>> import clustem
    >>> scan = clustem.open_scan("clustem:film_au")
    >>> averages = clustem.average(scan, np.ones(scan.scan_shape, int))
    >>> peaks = clustem.find_peaks(averages)
    >>> peaks.centres.round(0)
    array([[44., 44.]])
    """
    shape = averages.patterns.shape[1], averages.patterns.shape[2]
    use = np.ones(shape, bool) if mask is None else load_mask(mask, shape)
    beam = _direct_beam(averages, use)
    use = use & reached_pixels(averages, ~_within(beam, use))
    counting = Counting.of(averages, use)
    patterns = [np.asarray(pattern, np.float64) for pattern in averages.patterns]
    finder, text, warnings = _finder(probe, averages, patterns, use, counting, beam)
    found = _find_all(finder, patterns, averages.positions)
    guess = beam.centre if averages.calibration.centre_px is None else np.array(averages.calibration.centre_px)
    centres = np.array([_centre(one, guess, shape) for one in found]).reshape(-1, 2)
    return Peaks(
        table=_table(found, centres, averages.calibration),
        centres=centres,
        calibration=averages.calibration,
        shape=shape,
        mask=use,
        radius=finder.fitter.probe.radius,
        noise_intensity=np.array([one.least for one in found]),
        probe=text,
        warnings=warnings,
    )


def _find_all(finder: Finder, patterns: list[NDArray[np.float64]], positions: NDArray[np.int64]) -> list[Found]:
    found: dict[int, Found] = {}

    def work(start: int, stop: int) -> None:
        for k in range(start, stop):
            found[k] = finder.find(patterns[k], int(positions[k]))

    in_threads(work, len(patterns), longest=_AT_ONCE)
    return [found[k] for k in range(len(patterns))]


def _mean(averages: Averages) -> NDArray[np.float64]:
    if not len(averages.patterns):
        return np.zeros(averages.patterns.shape[1:])
    return np.average(averages.patterns, axis=0, weights=averages.positions).astype(np.float64)


def _direct_beam(averages: Averages, use: NDArray[np.bool_]) -> Beam:
    centre = (float(averages.centre_px[0]), float(averages.centre_px[1]))
    return find_beam(_mean(averages), use, averages.calibration.centre_px or centre)


def _within(beam: Beam, use: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of the direct beam and its edge."""
    if not beam.found:
        return np.zeros(use.shape, bool)
    y, x = np.indices(use.shape)
    within: NDArray[np.bool_] = np.hypot(y - beam.centre[0], x - beam.centre[1]) <= 2 * beam.radius + 2
    return within


def _finder(
    probe: Probe | ArrayLike | None,
    averages: Averages,
    patterns: list[NDArray[np.float64]],
    use: NDArray[np.bool_],
    counting: Counting,
    beam: Beam,
) -> tuple[Finder, str, tuple[str, ...]]:
    """Return the finder, what its template is in words, and what is to be warned of."""
    warnings: tuple[str, ...] = ()
    if probe is not None:
        template = probe if isinstance(probe, Probe) else Probe.measured(probe)
        text = template.kind
    else:
        radius, source, warnings = _radius(averages.calibration, beam)
        if radius >= _LEAST_DISK:
            finder = _sharpened_finder(averages, patterns, use, counting, beam, radius)
            return finder, f"disk, from the {source} and peaks", warnings
        template, text = Probe.spot(max(0.5 * radius, 0.4)), f"spot, from the {source}"
    fitter = BeamFitter.of(template, use, beam.centre) if beam.found else None
    return Finder.of(template, use, counting, fitter), text, warnings


def _sharpened_finder(
    averages: Averages,
    patterns: list[NDArray[np.float64]],
    use: NDArray[np.bool_],
    counting: Counting,
    beam: Beam,
    radius: float,
) -> Finder:
    """Return the finder with disks whose radius and edge are fitted, those of the beam and of the peaks apart."""
    fitter = None
    if beam.found:
        mean, number = _mean(averages), int(averages.positions.sum())
        light = mean[_within(beam, use) & use].sum()
        own = sharpened_probe([mean], [number], [(beam.centre[None], np.array([light]))], use, counting, radius)
        fitter, radius = BeamFitter.of(own, use, beam.centre), own.radius
    brightest = np.argsort(-averages.electrons, kind="stable")[:_SHARPENED]
    some, numbers = [patterns[k] for k in brightest], [int(averages.positions[k]) for k in brightest]
    first = Finder.of(Probe.disk(radius), use, counting, fitter)
    fits = [first.find(pattern, number, passes=1).fit for pattern, number in zip(some, numbers, strict=True)]
    peaks = [(fit.positions, fit.intensities) for fit in fits]
    return Finder.of(sharpened_probe(some, numbers, peaks, use, counting, radius), use, counting, fitter)


def _radius(calibration: Calibration, beam: Beam) -> tuple[float, str, tuple[str, ...]]:
    size, angle = calibration.mrad_per_px, calibration.semiangle_mrad
    if size is None or angle is None:
        if not beam.found:
            raise InputError(
                "probe: there is no direct beam in the averages and no convergence angle in the calibration; "
                "give a vacuum pattern, or semiangle_mrad with inv_angstrom_per_px and energy_keV"
            )
        return beam.radius, "direct beam", ()
    radius = angle / size
    if beam.found and radius >= _LEAST_DISK and abs(beam.radius / radius - 1) > _UNLIKE:
        warning = (
            f"The direct beam has a radius of {beam.radius:.2f} px, but semiangle_mrad and the size of a pixel make "
            f"it {radius:.2f} px: one of them may be wrong. The direct beam was taken."
        )
        return beam.radius, "direct beam", (warning,)
    return radius, "convergence angle", ()


def _centre(found: Found, guess: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    if np.isfinite(found.centre).all():
        return found.centre
    return friedel_centre(found.fit.positions, found.fit.intensities, guess, shape)


def _table(found: list[Found], centres: NDArray[np.float64], calibration: Calibration) -> pd.DataFrame:
    import pandas as pd

    parts = []
    for index, one in enumerate(found):
        peaks = np.argsort(-one.fit.intensities, kind="stable")
        k, errors = one.fit.positions[peaks], one.fit.errors[peaks]
        g = to_sample(k, centres[index], calibration)
        size = calibration.inv_angstrom_per_px or 1.0
        g_error = size * np.sqrt((errors[:, :2] ** 2).mean(axis=1))
        intensity = one.fit.intensities[peaks]
        parts.append(np.column_stack([k, errors[:, :2], g, g_error, intensity, errors[:, 2], one.scores[peaks]]))
    table = pd.DataFrame(np.vstack([*parts, np.zeros((0, len(COLUMNS) - 1))]), columns=list(COLUMNS[1:]))
    labels = np.repeat(np.arange(1, len(found) + 1), [len(part) for part in parts])
    table.insert(0, "label", labels.astype(np.int64))
    return table
