"""Peaks, orientations and strain made by hand, for domains made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.crystallography import Crystal, Orientations, Peaks, PositionMaps, Site, Strain
from clustem.crystallography.record import COLUMNS
from clustem.crystallography.rotations import from_rotation_vector
from clustem.results import Results

GOLD = Crystal("Au", (4.0782, 4.0782, 4.0782, 90, 90, 90), "F m -3 m", (Site("Au", (0, 0, 0)),))
IRON = Crystal("Fe", (2.8665, 2.8665, 2.8665, 90, 90, 90), "I m -3 m", (Site("Fe", (0, 0, 0)),))
CALIBRATION = Calibration(inv_angstrom_per_px=0.05, energy_keV=200, scan_step_nm=0.4)
TWIN = from_rotation_vector(np.deg2rad(60) * np.ones(3) / np.sqrt(3))
TURN = from_rotation_vector([0, 0, np.deg2rad(20)])


def peaks_by_hand(number: int, detector: tuple[int, int] = (24, 24)) -> Peaks:
    """Two peaks in every pattern, the second one half as bright."""
    centre = (np.array(detector) - 1) / 2
    rows = [
        (label, *(centre + offset), 0.1, 0.1, *(0.05 * np.array(offset)), 0.005, intensity, 0.1, 0.9)
        for label in range(1, number + 1)
        for offset, intensity in (((0, 9), 10.0), ((-9, 0), 5.0))
    ]
    return Peaks(
        table=pd.DataFrame(rows, columns=list(COLUMNS)),
        centres=np.tile(centre, (number, 1)),
        calibration=CALIBRATION,
        shape=detector,
        mask=np.ones(detector, bool),
        radius=2.0,
        noise_intensity=np.ones(number),
    )


def orientations_by_hand(number: int, *, iron: bool = False, none: bool = False) -> Orientations:
    """Gold with the axes of the sample, its twin, turned by 20° (the last one of three), and so on.

    Every fourth domain is iron, if wanted. The second is ambiguous. `none` leaves all without an orientation.
    """
    matrices = np.array([(np.eye(3), TWIN, TURN)[index % 3] for index in range(number)]).reshape(-1, 3, 3)
    known = np.full(number, not none)
    phase = np.array(["Fe" if iron and index % 4 == 3 else "Au" for index in range(number)], dtype="U2")
    values = np.where(known, 0.95, np.nan)
    columns = ["peak", "label", "h", "k", "l", "g_y", "g_x"]
    first = [(2 * index, index + 1, 2, 0, 0, 0.0, 0.49) for index in np.flatnonzero(known)]
    return Orientations(
        rotation=np.where(known[:, None, None], matrices, np.nan),
        phase=np.where(known, phase, ""),
        ambiguous=(np.arange(number) == 1) | ~known,
        score=values,
        probability=np.where(np.arange(number) == 1, 0.5, 0.99) * values / 0.95,
        reliability=values,
        explained=values,
        angle_error_in_plane_deg=0.1 * values,
        angle_error_out_of_plane_deg=0.4 * values,
        scale=values / 0.95,
        thickness_nm=4 * values,
        candidates=pd.DataFrame(),
        indexed=pd.DataFrame(first, columns=columns),
        crystals=(GOLD, IRON) if iron else (GOLD,),
        reason=np.where(known, "", "no crystal explains the peaks"),
    )


def strain_by_hand(number: int, *, rotation: bool = False) -> Strain:
    """Tension along x that grows by 0.1 % with the label, from 0; of several domains the last has none."""
    known = (np.arange(number) < number - 1) | (number < 2)
    e_xx = np.where(known, 0.001 * np.arange(number), np.nan)
    error = np.where(known, 0.0003, np.nan)
    names = ["peak", "label", "h", "k", "l", "expected_g_y", "expected_g_x", "miss_g_y", "miss_g_x", "weight"]
    rows = [(2 * index, index + 1, 1, 0, 0, 0.0, 0.45, 0.0, 0.0, 1.0) for index in np.flatnonzero(known)]
    return Strain(
        e_xx=e_xx,
        e_yy=-e_xx,
        e_xy=0 * e_xx,
        omega=0.01 * e_xx if rotation else np.full(number, np.nan),
        e_xx_error=error,
        e_yy_error=error,
        e_xy_error=error,
        omega_error=error if rotation else np.full(number, np.nan),
        deformation=np.tile(np.eye(2), (number, 1, 1)),
        reflections=np.full(number, 5),
        residual=np.ones(number),
        indexed=pd.DataFrame(rows, columns=names),
        reference="median" if rotation else "crystal",
        reason=tuple("" if one else "no orientation" for one in known),
    )


def position_maps_by_hand(labels: NDArray[np.int32]) -> PositionMaps:
    """Every position turned about the beam by 1° and stretched along x by 0.1 % more for every column."""
    x = np.arange(labels.shape[1]) * np.ones((labels.shape[0], 1))
    known = labels > 0
    turned = from_rotation_vector(np.deg2rad(x)[..., None] * np.array([0.0, 0.0, 1.0]))
    e_xx, error = np.where(known, 0.001 * x, np.nan), np.where(known, 0.0005, np.nan)
    nothing = np.full(labels.shape, np.nan)
    return PositionMaps(
        rotation=np.where(known[..., None, None], turned, np.nan),
        angle_error_in_plane_deg=np.where(known, 0.1, np.nan),
        angle_error_out_of_plane_deg=np.where(known, 0.3, np.nan),
        e_xx=e_xx,
        e_yy=0 * e_xx,
        e_xy=0 * e_xx,
        omega=nothing,
        e_xx_error=error,
        e_yy_error=error,
        e_xy_error=error,
        omega_error=nothing,
        score=np.where(known, 0.9, np.nan),
        averaged=known.astype(np.int32),
        reference="crystal",
    )


def with_answers(results: Results, *, iron: bool = False, none: bool = False) -> Results:
    """Return results with everything that is measured on averages and positions, or without any orientation."""
    number = results.domains.number
    return replace(
        results,
        peaks=peaks_by_hand(number, results.survey.mean.shape),
        orientations=orientations_by_hand(number, iron=iron, none=none),
        strain=strain_by_hand(number),
        position_maps=None if none else position_maps_by_hand(results.domains.labels),
    )
