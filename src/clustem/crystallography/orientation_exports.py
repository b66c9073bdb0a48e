"""Orientation maps as the files of other programs: EDAX .ang, Oxford .ctf, orix HDF5, CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.compiling import import_compiling
from clustem.crystallography.crystals import Crystal
from clustem.crystallography.orientations import Orientations
from clustem.crystallography.oriented_map import OrientedMap, oriented_map
from clustem.crystallography.position_maps import PositionMaps
from clustem.crystallography.rotations import to_euler_deg, to_quaternion
from clustem.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

# Oxford's number of each Laue class, and the symmetry that EDAX writes for it
_OXFORD = dict(
    zip(("-1", "2/m", "mmm", "4/m", "4/mmm", "-3", "-3m", "6/m", "6/mmm", "m-3", "m-3m"), range(1, 12), strict=True)
)
_EDAX = {
    "-1": "1",
    "2/m": "20",
    "mmm": "22",
    "4/m": "4",
    "4/mmm": "42",
    "-3": "3",
    "-3m": "32",
    "6/m": "6",
    "6/mmm": "62",
    "m-3": "23",
    "m-3m": "43",
}


def to_ang(
    orientations: Orientations,
    labels: ArrayLike,
    *,
    step_nm: float | tuple[float, float] = 1.0,
    positions: PositionMaps | None = None,
) -> str:
    """Return an orientation map as an EDAX .ang file.

    Parameters
    ----------
    orientations : Orientations
    labels : (scan_y, scan_x) integer array
        Domain of every position; 0 = none.
    step_nm : float or (y, x) pair
        Distance of neighbouring positions in nm. They are written in µm, as such files have them.
    positions : PositionMaps, optional
        Where it has an orientation, that one is written; elsewhere, and without it, that of the domain.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If labels or positions do not fit, or the step is not positive.

    Notes
    -----
    Bunge angles in radians, in the frames of `Orientations.rotation`: x right, y down and z into the page in the
    sample; e1 ∥ a and e3 ∥ c* in the crystal. Image quality is `explained` and confidence index `probability` of the
    domain, fit the tilt error; positions without an orientation have phase 0 and a confidence of −1.
    """
    shown = oriented_map(orientations, labels, positions)
    step = _steps(step_nm)
    lines = [_ang_header(orientations, shown.labels.shape, step)]
    euler = np.full((*shown.labels.shape, 3), 4 * np.pi)
    euler[shown.known] = np.deg2rad(to_euler_deg(shown.rotation[shown.known]))
    numbers = (
        np.where(shown.known, np.nan_to_num(shown.of_domains(orientations.explained, 0)), 0.0),
        np.where(shown.known, np.nan_to_num(shown.of_domains(orientations.probability, -1), nan=-1.0), -1.0),
        np.where(shown.known, np.nan_to_num(shown.tilt_error_deg, nan=180.0, posinf=180.0), 180.0),
    )
    for y, x in np.ndindex(shown.labels.shape):
        first, middle, last = euler[y, x]
        quality, confidence, fit = (values[y, x] for values in numbers)
        lines.append(
            f"{first:9.5f} {middle:9.5f} {last:9.5f} {x * step[1] / 1000:12.6f} {y * step[0] / 1000:12.6f} "
            f"{quality:8.3f} {confidence:6.3f} {shown.phase[y, x]:2d} {1:6d} {fit:8.3f}"
        )
    return "\n".join(lines) + "\n"


def _ang_header(orientations: Orientations, shape: tuple[int, ...], step: tuple[float, float]) -> str:
    lines = ["# TEM_PIXperUM          1.000000", "# x-star                0.0", "# y-star                0.0"]
    lines += ["# z-star                0.0", "# WorkingDistance       0.0", "#"]
    for number, crystal in enumerate(orientations.crystals, 1):
        cell = " ".join(f"{value:.4f}" for value in crystal.cell)
        lines += [
            f"# Phase {number}",
            f"# MaterialName  \t{crystal.name}",
            f"# Formula     \t{crystal.name}",
            "# Info \t\t",
            f"# Symmetry              {_EDAX[crystal.laue_class]}",
            f"# LatticeConstants      {cell}",
            "# NumberFamilies        0",
            "#",
        ]
    lines += [
        "# GRID: SqrGrid",
        f"# XSTEP: {step[1] / 1000:.6f}",
        f"# YSTEP: {step[0] / 1000:.6f}",
        f"# NCOLS_ODD: {shape[1]}",
        f"# NCOLS_EVEN: {shape[1]}",
        f"# NROWS: {shape[0]}",
        "#",
    ]
    return "\n".join(lines)


def to_ctf(
    orientations: Orientations,
    labels: ArrayLike,
    *,
    step_nm: float | tuple[float, float] = 1.0,
    positions: PositionMaps | None = None,
) -> str:
    """Return an orientation map as an Oxford (HKL) .ctf file.

    Parameters, results and errors are those of :func:`to_ang`.

    Notes
    -----
    Bunge angles in degrees. The crystal's axes are Oxford's, Z ∥ c, Y ∥ b and X ∥ a* where c is perpendicular to a and
    b: in a hexagonal crystal turned by 30° about c against e1 ∥ a. The sample's are those of `Orientations.rotation`.
    Band contrast is 255 · `explained`, MAD the tilt error; positions without an orientation have phase 0.
    """
    shown = oriented_map(orientations, labels, positions)
    step = _steps(step_nm)
    euler = _ctf_euler(shown, orientations.crystals)
    deviation = np.nan_to_num(shown.tilt_error_deg, posinf=180.0)
    contrast = np.rint(255 * np.nan_to_num(shown.of_domains(orientations.explained, 0))).astype(int)
    lines = [_ctf_header(orientations, shown.labels.shape, step)]
    for y, x in np.ndindex(shown.labels.shape):
        place = f"{x * step[1] / 1000:.6f}\t{y * step[0] / 1000:.6f}"
        if not shown.known[y, x]:
            lines.append(f"0\t{place}\t0\t3\t0.0000\t0.0000\t0.0000\t0.0000\t0\t0")
            continue
        angles = "\t".join(f"{value:.4f}" for value in euler[y, x])
        lines.append(f"{shown.phase[y, x]}\t{place}\t8\t0\t{angles}\t{deviation[y, x]:.4f}\t{contrast[y, x]}\t255")
    return "\n".join(lines) + "\n"


def _ctf_euler(shown: OrientedMap, crystals: Sequence[Crystal]) -> Array:
    euler = np.zeros((*shown.labels.shape, 3))
    for number, crystal in enumerate(crystals, 1):
        here = shown.phase == number
        euler[here] = to_euler_deg(shown.rotation[here] @ oxford_axes(crystal))
    return euler


def oxford_axes(crystal: Crystal) -> Array:
    """Return the matrix (3, 3) whose columns are Oxford's crystal axes, X ∥ a*, Z ∥ c and Y = Z × X, in ours.

    For a crystal whose c is not perpendicular to a and b, X is what of a* is perpendicular to c.
    """
    z = crystal.direct[:, 2] / np.linalg.norm(crystal.direct[:, 2])
    x = crystal.reciprocal[:, 0] - (crystal.reciprocal[:, 0] @ z) * z
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _ctf_header(orientations: Orientations, shape: tuple[int, ...], step: tuple[float, float]) -> str:
    lines = [
        "Channel Text File",
        "Prj\tclustem",
        "Author\t",
        "JobMode\tGrid",
        f"XCells\t{shape[1]}",
        f"YCells\t{shape[0]}",
    ]
    lines += [f"XStep\t{step[1] / 1000:.6f}", f"YStep\t{step[0] / 1000:.6f}", "AcqE1\t0", "AcqE2\t0", "AcqE3\t0"]
    microscope = "Mag\t0\tCoverage\t100\tDevice\t0\tKV\t0\tTiltAngle\t0\tTiltAxis\t0"
    lines.append(f"Euler angles refer to Sample Coordinate system (CS0)!\t{microscope}")
    lines.append(f"Phases\t{len(orientations.crystals)}")
    for crystal in orientations.crystals:
        lengths = ";".join(f"{value:.4f}" for value in crystal.cell[:3])
        angles = ";".join(f"{value:.4f}" for value in crystal.cell[3:])
        lines.append(
            f"{lengths}\t{angles}\t{crystal.name}\t{_OXFORD[crystal.laue_class]}\t{crystal.space_group_number}\t\t\t"
        )
    return "\n".join([*lines, "Phase\tX\tY\tBands\tError\tEuler1\tEuler2\tEuler3\tMAD\tBC\tBS"])


def to_crystal_map(
    orientations: Orientations,
    labels: ArrayLike,
    *,
    step_nm: float | tuple[float, float] = 1.0,
    positions: PositionMaps | None = None,
) -> Any:
    """Return an orientation map as an orix CrystalMap, in nm, with the numbers of each position as properties.

    Parameters and errors are those of :func:`to_ang`. Positions without an orientation are not indexed (phase −1).
    The property `averaged` is the number of patterns that an orientation of a position's own is from, 0 where it is
    that of the domain. `orix.io.save` writes it as HDF5.
    """
    import_compiling("orix.quaternion.quaternion")
    from diffpy.structure import Lattice, Structure
    from orix.crystal_map import CrystalMap, Phase, PhaseList
    from orix.quaternion import Rotation

    shown = oriented_map(orientations, labels, positions)
    step = _steps(step_nm)
    y, x = (v.ravel() for v in np.indices(shown.labels.shape))
    known = shown.known.ravel()
    quaternion = np.tile([1.0, 0.0, 0.0, 0.0], (known.size, 1))
    quaternion[known] = to_quaternion(shown.rotation[shown.known])
    phases = [
        Phase(crystal.name, space_group=crystal.space_group_number, structure=Structure(lattice=Lattice(*crystal.cell)))
        for crystal in orientations.crystals
    ]
    return CrystalMap(
        rotations=Rotation(quaternion),
        phase_id=shown.phase.ravel() - 1,
        x=x * step[1],
        y=y * step[0],
        phase_list=PhaseList(phases=phases, ids=list(range(len(phases)))),
        prop=_properties(orientations, shown),
        scan_unit="nm",
    )


def _properties(orientations: Orientations, shown: OrientedMap) -> dict[str, NDArray[Any]]:
    """Return the numbers of each position by name, flat."""
    names = ("probability", "reliability", "explained", "thickness_nm", "scale")
    properties: dict[str, NDArray[Any]] = {
        "score": shown.score,
        "angle_error_out_of_plane_deg": shown.tilt_error_deg,
        **{name: shown.of_domains(getattr(orientations, name), np.nan) for name in names},
        "label": shown.labels,
        "ambiguous": shown.of_domains(orientations.ambiguous, 1) > 0,
        "averaged": shown.averaged,
    }
    return {name: values.ravel() for name, values in properties.items()}


def save_crystal_map(
    path: str | Path,
    orientations: Orientations,
    labels: ArrayLike,
    *,
    step_nm: float | tuple[float, float] = 1.0,
    positions: PositionMaps | None = None,
) -> None:
    """Write an orientation map as an orix HDF5 file; see :func:`to_crystal_map`. A file of that name is replaced."""
    crystal_map = to_crystal_map(orientations, labels, step_nm=step_nm, positions=positions)
    from orix import io

    io.save(str(path), crystal_map, overwrite=True)


def orientation_table(orientations: Orientations) -> pd.DataFrame:
    """Return one row per domain: phase, Bunge angles, quaternion, direction of the beam in the crystal, and numbers."""
    import pandas as pd

    euler, quaternion = orientations.euler_deg, orientations.quaternion
    columns: dict[str, Any] = {
        "label": np.arange(1, orientations.number + 1),
        "phase": orientations.phase,
        "ambiguous": orientations.ambiguous,
    }
    for name in ("score", "probability", "reliability", "explained"):
        columns[name] = getattr(orientations, name)
    columns |= {name: euler[:, j] for j, name in enumerate(("phi1_deg", "Phi_deg", "phi2_deg"))}
    columns |= {f"q{j}": quaternion[:, j] for j in range(4)}
    columns |= {f"beam_{axis}": orientations.rotation[:, 2, j] for j, axis in enumerate("xyz")}
    for name in ("angle_error_in_plane_deg", "angle_error_out_of_plane_deg", "thickness_nm", "scale", "reason"):
        columns[name] = getattr(orientations, name)
    return pd.DataFrame(columns)


def to_csv(orientations: Orientations) -> str:
    """Return :func:`orientation_table` as comma-separated text; empty where there is no number."""
    return str(orientation_table(orientations).to_csv(index=False, lineterminator="\n", float_format="%.8g"))


def _steps(step_nm: float | tuple[float, float]) -> tuple[float, float]:
    steps = np.broadcast_to(np.asarray(step_nm, np.float64), (2,))
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise InputError(f"step_nm: expected a positive length, got {step_nm!r}")
    return float(steps[0]), float(steps[1])
