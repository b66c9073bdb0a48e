"""What is known of a scan before it is read."""

from __future__ import annotations

from typing import Any

import numpy as np

from clustem.formats import open_scan
from clustem.scan import Scan
from clustem.surveying.statistics import Preview, preview, preview_noise
from clustem.tables import size_text, table_text


def describe_scan(scan: Any) -> str:
    """Return a table of shape, type, size, calibration, counts per pattern, and what a run will assume.

    Parameters
    ----------
    scan : Scan, array (scan_y, scan_x, k_y, k_x), object with such `.data`, or path

    Notes
    -----
    Four rows of the scan are read, twice.

    Examples
    --------
    >>> describe_scan("clustem:film_au").splitlines()[1].split()
    ['scan', '40×40', 'positions']
    """
    scan = open_scan(scan)
    found = preview(scan)
    rows = [
        ("scan", f"{scan.shape[0]}×{scan.shape[1]} positions"),
        ("patterns", f"{scan.shape[2]}×{scan.shape[3]} pixels of {scan.dtype}"),
        ("size", size_text(scan.nbytes)),
        ("dataset", scan.dataset),
        *_calibration_rows(scan),
        *_count_rows(scan, found),
        ("noise", preview_noise(scan, found).summary),
        *(("assumed", text) for text in (*scan.assumptions, *_assumptions(scan, found))),
    ]
    return table_text(scan.name, rows)


def _calibration_rows(scan: Scan) -> list[tuple[str, object]]:
    known = scan.calibration
    units = (
        ("detector pixel", known.inv_angstrom_per_px, "1/Å"),
        ("scan step", known.scan_step_nm, "nm"),
        ("energy", known.energy_keV, "keV"),
        ("convergence", known.semiangle_mrad, "mrad"),
        ("detector rotation", known.detector_rotation_deg, "°"),
    )
    rows: list[tuple[str, object]] = []
    for name, value, unit in units:
        numbers = value if isinstance(value, tuple) else (value,)
        text = ", ".join(f"{number:.6g}" for number in numbers if number is not None)
        rows.append((name, f"{text} {unit}" if text else "not calibrated"))
    rows.append(("detector flip", known.detector_flip))
    return rows


def _count_rows(scan: Scan, found: Preview) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    if scan.detector_mask is not None:
        rows.append(("masked pixels", int((~scan.detector_mask).sum())))
    sums = found.sums
    rows.append(
        ("counts per pattern", f"about {sums.mean():.5g}, from {sums.min():.5g} to {sums.max():.5g} in {sums.size}")
    )
    if found.beam.found:
        y, x = found.beam.centre
        rows.append(("direct beam", f"at ({y:.2f}, {x:.2f}) px, radius {found.beam.radius:.2f} px"))
    return rows


def _assumptions(scan: Scan, found: Preview) -> list[str]:
    """Return what a run does without a calibration or a direct beam."""
    assumed = []
    if scan.calibration.inv_angstrom_per_px is None:
        assumed.append("the detector is not calibrated: reciprocal lengths stay in px (--inv-angstrom-per-px)")
    if scan.calibration.scan_step_nm is None:
        assumed.append("the scan step is not known: lengths stay in positions (--scan-step-nm)")
    if not found.beam.found:
        assumed.append("no direct beam was found: patterns will not be centred (--centre-px says where it is)")
    if np.issubdtype(scan.dtype, np.floating):
        assumed.append("values are real numbers: taken for counts only if all are whole")
    return assumed
