"""Orientation and strain of every track in every frame; what is ambiguous in one frame, the others decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from clustem.averaging import Averages
from clustem.calibration import Calibration
from clustem.crystallography import Crystal, Peaks, find_peaks, fit_strain, match_orientations
from clustem.crystallography.record import COLUMNS
from clustem.crystallography.rotations import from_quaternion, misorientation_deg
from clustem.errors import InputError
from clustem.series.frames import MeasuredFrame
from clustem.series.options import OrientingOptions
from clustem.series.orientations import STRAINS, TrackOrientations
from clustem.series.paths import likely_path
from clustem.series.tracks import Appearances

Array = NDArray[np.float64]

_TURN = 5.0  # degrees by which particles are expected to turn from frame to frame
_OTHER_PHASE = 6.0  # cost of another phase in the next frame, about that of a turn by 100 degrees
_SAME = 5.0  # degrees, within which candidates are the same orientation


@dataclass(frozen=True, eq=False)
class OrientedFrame:
    """Candidates for the orientations of the domains of a frame, and their peaks; what is kept of it.

    Attributes
    ----------
    label : (M,) int64
        The domain of every candidate, 1 … K.
    rotation : (M, 3, 3) float64
    phase : (M,) int64
        Which crystal.
    probability, score : (M,) float64
    tilt_error : (K,) float64
        Of the best candidate of every domain, in degrees.
    peaks : (P, columns) float64
        Table of peaks.
    centres : (K, 2) float64
    noise_intensity : (K,) float64
    radius : float
    mask : (k_y, k_x) bool
    problem : str
        Why there are none, empty if there are.
    """

    label: NDArray[np.int64]
    rotation: Array
    phase: NDArray[np.int64]
    probability: Array
    score: Array
    tilt_error: Array
    peaks: Array
    centres: Array
    noise_intensity: Array
    radius: float
    mask: NDArray[np.bool_]
    problem: str = ""


def orient_frame(frame: MeasuredFrame, calibration: Calibration, options: OrientingOptions) -> OrientedFrame:
    """Return the candidates that the mean patterns of the domains of a frame have by themselves."""
    if not frame.number:
        return _nothing(frame, "")
    try:
        peaks = find_peaks(_averages(frame, calibration), probe=options.probe, mask=frame.peak_mask)
        found = match_orientations(peaks, list(options.crystals), precession_deg=options.precession_deg)
    except InputError as error:
        return _nothing(frame, str(error))
    names = [crystal.name for crystal in options.crystals]
    table = found.candidates[found.found[found.candidates["label"].to_numpy(int) - 1]]
    return OrientedFrame(
        label=table["label"].to_numpy(np.int64),
        rotation=from_quaternion(table[["q0", "q1", "q2", "q3"]].to_numpy(float)),
        phase=np.array([names.index(name) for name in table["phase"]], np.int64),
        probability=table["probability"].to_numpy(float),
        score=table["score"].to_numpy(float),
        tilt_error=found.angle_error_out_of_plane_deg,
        peaks=peaks.table[list(COLUMNS)].to_numpy(float),
        centres=peaks.centres,
        noise_intensity=peaks.noise_intensity,
        radius=float(peaks.radius),
        mask=peaks.mask,
    )


def _nothing(frame: MeasuredFrame, problem: str) -> OrientedFrame:
    none, number = np.zeros(0), frame.number
    unknown = np.full((number, 2), np.nan)
    return OrientedFrame(
        none.astype(np.int64),
        np.zeros((0, 3, 3)),
        none.astype(np.int64),
        none,
        none,
        unknown[:, 0],
        np.zeros((0, len(COLUMNS))),
        unknown,
        unknown[:, 0],
        1.0,
        frame.peak_mask,
        problem,
    )


def _averages(frame: MeasuredFrame, calibration: Calibration) -> Averages:
    """Return the domains of a frame as averages, with the variance that the noise model gives them."""
    gain, offset, read = frame.noise
    clean = frame.patterns - np.float32(offset)
    return Averages(
        patterns=clean,
        variance=(np.maximum(clean, 0) * gain + read**2).astype(np.float32),
        electrons=frame.electrons,
        positions=frame.positions.astype(np.int64),
        snr_single=np.full(frame.number, np.nan),
        snr_domain=frame.snr,
        chi_squared=np.full(frame.number, np.nan),
        examples=clean,
        example_positions=np.zeros((frame.number, 2), np.int64),
        centre_px=frame.centre_px,
        margin_px=0.0,
        bytes_in=clean.nbytes,
        bytes_out=clean.nbytes,
        calibration=calibration,
    )


def orient_tracks(
    found: Appearances,
    identities: Sequence[NDArray[np.int64] | None],
    oriented: Callable[[int], OrientedFrame],
    options: OrientingOptions,
    calibration: Calibration,
) -> tuple[TrackOrientations, list[str]]:
    """Return the orientation and strain of every appearance, and warnings.

    `identities` are the tracks of the domains 1 … K of every frame, None for gaps; `oriented` gives the candidates of a
    frame.
    """
    crystals = options.crystals
    reference = options.strain_reference or "crystal"
    frames = {time: oriented(time) for time, known in enumerate(identities) if known is not None}
    rows = {(t, n): k for k, (t, n) in enumerate(zip(found.frame.tolist(), found.track.tolist(), strict=True))}
    number = len(found.track)
    rotation, phase = np.full((number, 3, 3), np.nan), np.full(number, -1)
    probability, score = np.full(number, np.nan), np.full(number, np.nan)
    best = np.zeros(number, bool)
    for track in np.unique(found.track).tolist():
        times = found.frame[found.track == track].tolist()
        for time, candidate, sure in _decided(track, times, identities, frames, crystals):
            row, frame = rows[time, track], frames[time]
            rotation[row], phase[row] = frame.rotation[candidate], frame.phase[candidate]
            probability[row], score[row] = sure, frame.score[candidate]
            best[row] = candidate == 0 or frame.label[candidate] != frame.label[candidate - 1]
    strains = np.full((number, len(STRAINS)), np.nan)
    for time, frame in frames.items():
        known = identities[time]
        assert known is not None
        order = [rows[time, int(n)] for n in known]
        chosen = _chosen(frame, rotation[order], phase[order], best[order], crystals)
        strains[order] = _strains(frame, chosen, reference, calibration)
    names = np.array([*(crystal.name for crystal in crystals), ""], np.str_)
    record = TrackOrientations(
        rotation,
        names[phase],
        probability,
        score,
        **dict(zip(STRAINS, strains.T, strict=True)),
        crystals=crystals,
        reference=reference,
    )
    warnings = []
    if reference == "median" and (record.phase != "").any() and not np.isfinite(record.e_xx).any():
        warnings.append(
            "strain_reference: no strain is known, because no frame has three domains of one crystal and orientation, "
            "of which a median could be taken; 'crystal' needs one"
        )
    problems = {frame.problem: time for time, frame in reversed(frames.items()) if frame.problem}
    return record, [*warnings, *(f"frame {time} has no orientations: {text}" for text, time in problems.items())]


def _decided(
    track: int,
    times: list[int],
    identities: Sequence[NDArray[np.int64] | None],
    frames: dict[int, OrientedFrame],
    crystals: tuple[Crystal, ...],
) -> Iterator[tuple[int, int, float]]:
    """Yield (frame, candidate, probability) where a track has candidates: those that go together best in time."""
    known: list[tuple[int, NDArray[np.int64]]] = []
    for time in times:
        names = identities[time]
        assert names is not None
        label = int(np.flatnonzero(names == track)[0]) + 1
        candidates = np.flatnonzero(frames[time].label == label)
        if candidates.size:
            known.append((time, candidates))
    if not known:
        return
    costs = [-np.log(np.maximum(frames[time].probability[some], 1e-6)) for time, some in known]
    steps = []
    for (early, some), (late, others) in pairwise(known):
        angle = _angles(frames[early], some, frames[late], others, crystals)
        turn = np.nan_to_num(angle) / (_TURN * (late - early))
        steps.append(np.where(np.isnan(angle), _OTHER_PHASE, np.log1p(turn**2)))
    path, shares = likely_path(costs, steps)
    for (time, some), chosen, share in zip(known, path, shares, strict=True):
        apart = _angles(frames[time], some[[chosen]], frames[time], some, crystals)[0]
        yield time, int(some[chosen]), float(share[apart <= _SAME].sum())


def _angles(
    first: OrientedFrame,
    some: NDArray[np.int64],
    second: OrientedFrame,
    others: NDArray[np.int64],
    crystals: tuple[Crystal, ...],
) -> Array:
    """Return the misorientations (n, m) of candidates in degrees, NaN between phases."""
    angles = np.full((some.size, others.size), np.nan)
    for number, crystal in enumerate(crystals):
        one, other = first.phase[some] == number, second.phase[others] == number
        if one.any() and other.any():
            pair = first.rotation[some[one]][:, None], second.rotation[others[other]][None]
            angles[np.ix_(one, other)] = misorientation_deg(*pair, crystal.rotations)
    return angles


@dataclass(frozen=True, eq=False)
class _Chosen:
    """Orientations that were chosen, as :func:`clustem.fit_strain` needs them."""

    rotation: Array
    phase: NDArray[np.str_]
    crystals: tuple[Crystal, ...]
    angle_error_out_of_plane_deg: Array


def _chosen(
    frame: OrientedFrame,
    rotation: Array,
    phase: NDArray[np.int64],
    best: NDArray[np.bool_],
    crystals: tuple[Crystal, ...],
) -> _Chosen:
    names = np.array([*(crystal.name for crystal in crystals), ""], np.str_)
    return _Chosen(rotation, names[phase], crystals, np.where(best, frame.tilt_error, np.nan))


def _strains(frame: OrientedFrame, chosen: _Chosen, reference: str, calibration: Calibration) -> Array:
    """Return the strains (K, 8) and their errors of the domains of a frame; NaN where they cannot be measured."""
    import pandas as pd

    if not np.isfinite(chosen.rotation).all(axis=(1, 2)).any():
        return np.full((len(chosen.rotation), len(STRAINS)), np.nan)
    table = pd.DataFrame(frame.peaks, columns=list(COLUMNS))
    table["label"] = table["label"].astype(np.int64)
    peaks = Peaks(table, frame.centres, calibration, frame.mask.shape, frame.mask, frame.radius, frame.noise_intensity)
    found = fit_strain(peaks, chosen, reference=reference)  # type: ignore[arg-type]
    return np.stack([getattr(found, name) for name in STRAINS], axis=1)
