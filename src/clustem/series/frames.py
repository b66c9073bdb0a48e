"""One frame by itself: its domains, their mean patterns, and what later frames need to know of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clustem.averaging import average
from clustem.scan import Scan
from clustem.series.options import DEFAULTS, FrameOptions
from clustem.series.polar import PolarPatterns, anisotropy, polar_patterns
from clustem.surveying import Survey, peak_pixels

_CRYSTAL = 0.4  # anisotropy from which a domain is a crystal: liquid has 0.2 at most, crystals 0.7 and more
_BEAM_EDGE = 2.0  # radii of the direct beam that are left out, with its tails
_NEARLY_ALL = 0.9  # of the positions
_INNER = 2.0  # px that are left out where no beam was found


@dataclass(frozen=True, eq=False)
class MeasuredFrame:
    """What is kept of one frame. Index i of everything per domain belongs to label i + 1.

    Attributes
    ----------
    labels : (scan_y, scan_x) int32
        Crystalline domains; 0 = none.
    confidence : (K,) float64
        Of each domain, NaN where the method does not tell.
    image : (scan_y, scan_x) float64
        Annular dark field, or the sum of the pattern where no direct beam was found.
    total : (scan_y, scan_x) float64
        Sum of every pattern.
    patterns : (K, k_y, k_x) float32
        Mean of every domain.
    background : (k_y, k_x) float32
        Mean of the positions in no domain that a scan mask leaves; 0 if there are none.
    positions, electrons, snr : (K,) float64
    mask : (k_y, k_x) bool
        Detector pixels that are compared.
    peak_mask : (k_y, k_x) bool
        Detector pixels that peaks are looked for in.
    centre_px : (2,) float64
    inner_px : float
        Radius from which patterns are compared.
    noise : (3,) float64
        Gain, offset and read noise.
    moves : (scan_y, scan_x, 2) int64
        By how many whole px the beam moves within the frame.
    """

    labels: NDArray[np.int32]
    confidence: NDArray[np.float64]
    image: NDArray[np.float64]
    total: NDArray[np.float64]
    patterns: NDArray[np.float32]
    background: NDArray[np.float32]
    positions: NDArray[np.float64]
    electrons: NDArray[np.float64]
    snr: NDArray[np.float64]
    mask: NDArray[np.bool_]
    peak_mask: NDArray[np.bool_]
    centre_px: NDArray[np.float64]
    inner_px: float
    noise: NDArray[np.float64]
    moves: NDArray[np.int64]

    @property
    def number(self) -> int:
        """Number of domains, K."""
        return len(self.positions)

    def polar(self) -> PolarPatterns:
        """Return the mean patterns of the domains about their centre."""
        return _polar(self.patterns, self.positions, self)


def _polar(patterns: NDArray[np.float32], positions: NDArray[np.float64], frame: MeasuredFrame) -> PolarPatterns:
    gain, offset, read = frame.noise
    clean = patterns - np.float32(offset)
    variance = (np.maximum(clean, 0).astype(float) * gain + read**2) / np.maximum(positions, 1)[:, None, None]
    return polar_patterns(clean, variance, centre_px=frame.centre_px, mask=frame.mask, inner_px=frame.inner_px)


def measure_frame(scan: Scan, options: FrameOptions = DEFAULTS) -> MeasuredFrame:
    """Return the crystalline domains of a scan by itself, and their mean patterns."""
    found = options.survey(scan)
    domains = options.segment(scan, found)
    confidence = domains.confidence if domains.confidence is not None else np.full(domains.number, np.nan)
    frame = measure_labels(scan, found, domains.labels, confidence, options)
    crystals = is_crystal(frame)
    return frame if crystals.all() else _only(scan, found, frame, crystals, options)


def is_crystal(frame: MeasuredFrame) -> NDArray[np.bool_]:
    """Return (K,) whether the mean patterns of domains are more than rings."""
    return np.asarray(anisotropy(frame.polar()) >= _CRYSTAL) if frame.number else np.zeros(0, bool)


def measure_labels(
    scan: Scan,
    found: Survey,
    labels: NDArray[np.int32],
    confidence: NDArray[np.float64],
    options: FrameOptions = DEFAULTS,
) -> MeasuredFrame:
    """Return what is kept of a frame with the given domains 1 … K (scan_y, scan_x)."""
    used = options.positions(found)
    labels = labels if used is None else np.where(used, labels, 0)
    number = int(labels.max(initial=0))
    outside = (labels == 0) if used is None else (labels == 0) & used
    whole = np.where(outside, number + 1, labels).astype(np.int32)
    averages = average(scan, whole, survey=found, centre=options.centre)
    dark = found.annular_dark_field
    radius = found.beam_radius_px
    return MeasuredFrame(
        labels=labels.astype(np.int32),
        confidence=np.asarray(confidence, np.float64),
        image=dark if np.isfinite(dark).all() else found.total,
        total=found.total,
        patterns=averages.patterns[:number],
        background=averages.patterns[number] if outside.any() else np.zeros(scan.detector_shape, np.float32),
        positions=averages.positions[:number].astype(float),
        electrons=averages.electrons[:number],
        snr=averages.snr_domain[:number],
        mask=options.compared(found),
        peak_mask=peak_pixels(options.detector_mask, found),
        centre_px=np.asarray(averages.centre_px, np.float64),
        inner_px=_BEAM_EDGE * radius if np.isfinite(radius) else _INNER,
        noise=np.array([found.noise.gain, found.noise.offset, found.noise.read_noise], float),
        moves=np.rint(found.descan_px).astype(np.int64) * options.centre,
    )


def measure_anew(
    scan: Scan, frame: MeasuredFrame, labels: NDArray[np.int32], options: FrameOptions = DEFAULTS
) -> MeasuredFrame:
    """Return a frame whose domains were divided: labels 1 … K (scan_y, scan_x), each inside of one that was there."""
    values, first = np.unique(labels, return_index=True)
    before = frame.labels.ravel()[first[values > 0]]
    return measure_labels(scan, options.survey(scan), labels, frame.confidence[before - 1], options)


def is_undivided(frame: MeasuredFrame) -> bool:
    """Return whether one domain is nearly everything."""
    return frame.number == 1 and float((frame.labels > 0).mean()) > _NEARLY_ALL


def without_domains(frame: MeasuredFrame) -> MeasuredFrame:
    """Return an undivided frame as one without domains, whose mean pattern is the background."""
    none = np.zeros(0)
    return replace(
        frame,
        labels=np.zeros_like(frame.labels),
        background=frame.patterns[0],
        patterns=frame.patterns[:0],
        confidence=none,
        positions=none,
        electrons=none,
        snr=none,
    )


def _only(
    scan: Scan, found: Survey, frame: MeasuredFrame, kept: NDArray[np.bool_], options: FrameOptions
) -> MeasuredFrame:
    """Return a frame without the domains that are not kept: their positions are in none."""
    table = np.zeros(frame.number + 1, np.int32)
    table[1:][kept] = np.arange(1, int(kept.sum()) + 1)
    return measure_labels(scan, found, table[frame.labels], frame.confidence[kept], options)
