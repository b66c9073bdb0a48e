"""What is known of every domain as one table, and of crystallography in a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from clustem.averaging import Averages
from clustem.crystallography import Orientations, Peaks, PositionMaps, Strain
from clustem.segmentation import Domains, domain_table

if TYPE_CHECKING:
    import pandas as pd

_EULER = ("phi1_deg", "Phi_deg", "phi2_deg")
_ORIENTATION = ("probability", "reliability", "angle_error_in_plane_deg", "angle_error_out_of_plane_deg")
_STRAIN = ("e_xx", "e_yy", "e_xy", "omega")


def results_table(
    domains: Domains,
    averages: Averages,
    peaks: Peaks | None,
    orientations: Orientations | None,
    strain: Strain | None,
) -> pd.DataFrame:
    """Return one row per domain, with what was measured, see `Results.table`."""
    columns: dict[str, Any] = {}
    if peaks is not None:
        columns["peaks"] = peaks.counts
    if orientations is not None:
        columns |= {"phase": orientations.phase.astype(object), "ambiguous": orientations.ambiguous}
        columns |= dict(zip(_EULER, orientations.euler_deg.T, strict=True))
        columns |= {name: getattr(orientations, name) for name in _ORIENTATION}
    if strain is not None:
        columns |= {name: getattr(strain, name) for part in _STRAIN for name in (part, f"{part}_error")}
    table = domain_table(domains, averages)
    for name, values in columns.items():
        table[name] = values
    return table


def crystallography_rows(
    peaks: Peaks | None, orientations: Orientations | None, strain: Strain | None, maps: PositionMaps | None
) -> list[tuple[str, str]]:
    """Return the lines of a summary, as name and text."""
    rows = []
    if peaks is not None:
        rows.append(("peaks", f"{len(peaks.table)}, median {np.median(peaks.counts):.0f} per domain"))
    if orientations is not None:
        rows += _orientation_rows(orientations)
    if strain is not None:
        rows.append(("strain", _strain_text(strain)))
    if maps is not None:
        rows.append(("per position", _maps_text(maps)))
    return rows


def _orientation_rows(orientations: Orientations) -> list[tuple[str, str]]:
    found = orientations.found
    unsure = int((orientations.ambiguous & found).sum())
    error = np.hypot(orientations.angle_error_in_plane_deg, orientations.angle_error_out_of_plane_deg)[found]
    error = error[np.isfinite(error)]
    text = f"{found.sum()} of {found.size} domains, {unsure} of them ambiguous"
    if error.size:
        text += f"; standard error median {np.median(error):.2f}°"
    phases = [f"{crystal.name} {(orientations.phase == crystal.name).sum()}" for crystal in orientations.crystals]
    return [("orientations", text), ("phases", ", ".join([*phases, f"none {(~found).sum()}"]))]


def _strain_text(strain: Strain) -> str:
    known = strain.measured
    reference = {"crystal": "its crystal", "median": "the median of its like"}.get(strain.reference, strain.reference)
    text = f"{known.sum()} of {known.size} domains, relative to {reference}"
    if not known.any():
        return text
    errors = np.stack([strain.e_xx_error, strain.e_yy_error, strain.e_xy_error])[:, known]
    return f"{text}; standard error median {np.median(errors):.2%}"


def _maps_text(maps: PositionMaps) -> str:
    together = maps.averaged[maps.averaged > 0]
    text = f"{maps.oriented.sum()} orientations, {maps.measured.sum()} strains"
    return f"{text}; means of up to {together.max()} positions" if together.size else text
