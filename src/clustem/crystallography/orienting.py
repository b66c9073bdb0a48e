"""match_orientations: orientation and phase of every averaged pattern."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography.candidates import Candidate, Library, find_candidates
from clustem.crystallography.crystals import Crystal
from clustem.crystallography.misfit import explained, probabilities, shares
from clustem.crystallography.orientations import SURE, Orientations
from clustem.crystallography.pattern import Pattern
from clustem.crystallography.presence import absence, borne_out, common_scale, explains
from clustem.crystallography.record import Peaks
from clustem.crystallography.refining import Beam, check_precession
from clustem.crystallography.scaling import measure_scale
from clustem.crystallography.tabulating import angle_errors, candidate_table, indexed_table
from clustem.errors import InputError
from clustem.solving import small_products

Array = NDArray[np.float64]

_MOST = 5  # candidates per domain
_FEWEST_PEAKS = 3
_SEVERAL = 2  # domains in which a crystal must be found to be surely there
_SCALE_OFF = 0.02  # relative error of the pixel size from which there is a warning
_CHECK = "check inv_angstrom_per_px, the camera length and the cell"
_COLUMNS = (
    "score",
    "probability",
    "reliability",
    "explained",
    "angle_error_in_plane_deg",
    "angle_error_out_of_plane_deg",
    "scale",
    "thickness_nm",
)


@small_products()
def match_orientations(
    peaks: Peaks,
    crystals: Crystal | Sequence[Crystal],
    *,
    step_deg: float = 1.0,
    precession_deg: float = 0.0,
    dynamical: bool = True,
) -> Orientations:
    """Find the orientation and the phase of every averaged pattern.

    Parameters
    ----------
    peaks : Peaks
        With a calibrated pixel size and energy.
    crystals : Crystal or sequence of Crystal
        The candidate phases.
    step_deg : float
        Distance of the orientations that are compared first, 0.25 to 5 degrees; the best of them are then refined.
    precession_deg : float
        Angle of a precessed beam; 0 = the beam stands still.
    dynamical : bool
        Whether the best candidates are compared with beams that scatter into each other, as they do in all but the
        thinnest crystals; not with a precessed beam. Without it, matching is about three times as fast and errs more.

    Returns
    -------
    Orientations

    Raises
    ------
    InputError
        If the peaks are not calibrated, or there is no crystal, or two of one name.

    Notes
    -----
    Every pattern is correlated with the expected patterns of all zones and azimuths, and with their mirror images (doi
    10.1017/S1431927622000101). The best are refined continuously on the peaks: three angles, thickness and the strain
    in the plane, with kinematic intensities; then, with dynamical ones (beams coupled by the Fourier coefficients of
    the potential, propagated slice by slice), tilt and thickness. What is turned by 180° about the beam is always tried
    too. Candidates of all crystals are ranked by their misfit, which counts peaks that are not expected as well as
    expected spots without a peak. docs/orientation.md says what the figures mean and how good they are.

    Examples
    --------
    >>> import clustem
    >>> scan = clustem.open_scan("clustem:film_au")
    >>> labels = np.zeros(scan.scan_shape, int)
    >>> labels[18:28, 22:30] = 1
    >>> peaks = clustem.find_peaks(clustem.average(scan, labels))
    >>> gold = clustem.read_crystal("clustem:Au")
    >>> clustem.match_orientations(peaks, gold).phase.tolist()
    ['Au']
    """
    crystals = _checked(peaks, crystals, step_deg, precession_deg)
    wavelength, energy = peaks.calibration.wavelength_angstrom, peaks.calibration.energy_keV
    assert wavelength is not None
    assert energy is not None
    beam = Beam(wavelength, float(np.deg2rad(precession_deg)))
    measured = [Pattern.of(peaks, label) for label in range(1, peaks.number + 1)]
    scale = measure_scale(measured, crystals, beam=beam)
    patterns = [pattern.scaled(1 / scale) for pattern in measured]
    reach = max((pattern.reach for pattern in (*measured, *patterns)), default=1.0)
    libraries = [
        Library.of(
            crystal,
            beam=beam,
            energy_keV=energy,
            reach=reach,
            step_deg=step_deg,
            dynamical=dynamical and precession_deg == 0,
        )
        for crystal in crystals
    ]
    answers = _present([_answer(pattern, libraries, beam) for pattern in patterns], patterns)
    if _doubtful(answers):
        if scale != 1:
            patterns, answers = measured, [_answer(pattern, libraries, beam) for pattern in measured]
        answers = _present(answers, patterns, doubtful=True)
        return _record(answers, patterns, crystals, 1.0, _unbelieved(scale))
    return _record(answers, patterns, crystals, scale)


def _checked(peaks: Peaks, given: Any, step_deg: float, precession_deg: float) -> tuple[Crystal, ...]:
    crystals: tuple[Crystal, ...] = (given,) if isinstance(given, Crystal) else tuple(given)
    if not crystals or not all(isinstance(crystal, Crystal) for crystal in crystals):
        raise InputError(f"crystals: expected one or more crystals, made by read_crystal, got {crystals!r}")
    names = [crystal.name for crystal in crystals]
    if len(set(names)) < len(names):
        raise InputError(f"crystals: two have the same name, of {', '.join(names)}; read_crystal takes another `name`")
    if peaks.calibration.inv_angstrom_per_px is None:
        raise InputError(
            "peaks: the size of a detector pixel is needed for orientations; calibrate inv_angstrom_per_px"
        )
    if peaks.calibration.energy_keV is None:
        raise InputError("peaks: the energy of the electrons is needed for orientations; calibrate energy_keV")
    if not 0.25 <= step_deg <= 5:
        raise InputError(f"step_deg: expected 0.25 to 5 degrees, got {step_deg!r}")
    check_precession(precession_deg)
    return crystals


@dataclass(frozen=True, eq=False, repr=False)
class _Answer:
    """What was found for one pattern: candidates, best first, with probabilities and shares, or why there are none."""

    candidates: list[Candidate]
    probability: Array
    share: Array
    reliability: float = np.nan
    reason: str = ""
    row: bool = False  # only one row of spots is explained


def _answer(pattern: Pattern, libraries: list[Library], beam: Beam) -> _Answer:
    empty = np.zeros(0)
    if len(pattern.g) < _FEWEST_PEAKS:
        return _Answer([], empty, empty, reason=f"fewer than {_FEWEST_PEAKS} peaks")
    found = find_candidates(pattern, libraries, beam=beam)
    if not found:
        return _Answer([], empty, empty, reason="no reflection where the peaks are")
    probability = probabilities(np.array([candidate.misfit for candidate in found]), len(pattern.g))
    same = [candidate.crystal is found[0].crystal for candidate in found]
    return _Answer(
        found[:_MOST],
        probability[:_MOST],
        shares(pattern, [candidate.fit for candidate in found[:_MOST]]),
        float(probability[same].sum()),
    )


def _doubtful(answers: list[_Answer]) -> bool:
    """Return whether the crystals are found in so few domains that they may be there in none."""
    tried = [answer for answer in answers if answer.candidates]
    return not borne_out(sum(not answer.reason for answer in tried), len(tried))


def _present(answers: list[_Answer], patterns: list[Pattern], *, doubtful: bool = False) -> list[_Answer]:
    """Give a reason to the answers whose crystal is not there.

    Where several of the crystals are surely there in other domains, one row of spots is enough, but ambiguous. Where it
    is `doubtful` that any is there, lengths must be right.
    """
    best = [(i, answer.candidates[0]) for i, answer in enumerate(answers) if answer.candidates]
    common = [one.fit for i, one in best if explains(patterns[i], one.fit)]
    scale = 0.0 if doubtful else common_scale(common)
    reasons = {i: absence(patterns[i], one.fit, scale=scale, doubtful=doubtful) for i, one in best}
    found = Counter(one.crystal.name for i, one in best if not reasons[i])
    sure = {name for name, number in found.items() if number >= _SEVERAL}
    out = list(answers)
    for i, one in best:
        row = bool(reasons[i]) and len(sure) > 1 and one.crystal.name in sure
        reason = reasons[i]
        if row:
            reason = absence(patterns[i], one.fit, scale=scale, row=True, doubtful=doubtful)
        out[i] = replace(answers[i], reason=reason, row=row and not reason)
    return out


def _record(
    answers: list[_Answer],
    patterns: list[Pattern],
    crystals: tuple[Crystal, ...],
    scale: float,
    warnings: tuple[str, ...] = (),
) -> Orientations:
    """Gather the answers for all patterns."""
    good = [
        (i, answer.candidates[0].fit) for i, answer in enumerate(answers) if answer.candidates and not answer.reason
    ]
    number = len(answers)
    columns = {name: np.full(number, np.nan) for name in _COLUMNS}
    rotation = np.full((number, 3, 3), np.nan)
    phase = [""] * number
    for i, fit in good:
        answer, pattern = answers[i], patterns[i]
        rotation[i], phase[i] = fit.rotation, answer.candidates[0].crystal.name
        columns["score"][i] = fit.score
        columns["probability"][i], columns["reliability"][i] = answer.probability[0], answer.reliability
        columns["explained"][i] = explained(pattern, fit)
        columns["angle_error_in_plane_deg"][i], columns["angle_error_out_of_plane_deg"][i] = angle_errors(pattern, fit)
        columns["scale"][i] = scale * (1 - fit.strain[:2].mean())
        columns["thickness_nm"][i] = fit.thickness / 10
    return Orientations(
        rotation=rotation,
        phase=np.array(phase, dtype=np.str_),
        ambiguous=~(columns["probability"] >= SURE) | np.array([answer.row for answer in answers], bool),
        **columns,
        candidates=candidate_table([(answer.candidates, answer.probability, answer.share) for answer in answers]),
        indexed=indexed_table([(i, patterns[i], fit) for i, fit in good]),
        crystals=crystals,
        reason=np.array([answer.reason for answer in answers], dtype=np.str_),
        warnings=warnings + _warnings(columns["scale"]),
    )


def _warnings(scale: Array) -> tuple[str, ...]:
    known = scale[np.isfinite(scale)]
    if not known.size or abs(np.median(known) - 1) <= _SCALE_OFF:
        return ()
    return (f"pixel size: scattering vectors are {_off(float(np.median(known)))} for these crystals; {_CHECK}",)


def _unbelieved(scale: float) -> tuple[str, ...]:
    """Return what to say of a scale that would fit some domains."""
    if scale == 1:
        return ()
    text = f"pixel size: some domains would fit these crystals if scattering vectors were {_off(scale)}, but fewer than"
    return (f"{text} half, so that more likely a crystal is missing; if not, {_CHECK}",)


def _off(scale: float) -> str:
    return f"{abs(scale - 1):.1%} too {'long' if scale > 1 else 'short'}"
