"""The conventions that every result follows."""

from __future__ import annotations

CONVENTIONS = (
    "A scan is data[scan_y, scan_x, k_y, k_x]; everything that is a pair is in (y, x) order.",
    "Detector coordinates are pixel indices of pixel centres.",
    (
        "Sample frame: x right (+scan_x), y down (+scan_y), z along the beam, into the page. Angles are positive from "
        "x towards y, clockwise on the screen."
    ),
    (
        "Detector to scan: detector_flip (k_y to -k_y) first, then detector_rotation_deg: a vector at angle a on the "
        "detector points at a + detector_rotation_deg in the sample frame."
    ),
    "Masks are True where data is used.",
    (
        "Reciprocal space is in 1/Å, |g| = 1/d, without 2π; real space in nm. "
        "What is not calibrated is in px or positions."
    ),
    "Labels are int32: 0 is unassigned, domains are 1 … K; index i of every per-domain array belongs to label i + 1.",
)
"""One sentence each."""
