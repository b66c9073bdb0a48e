"""Orientation maps as the files of other programs: EDAX .ang, Oxford .ctf, orix HDF5, CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.crystallography.crystals import Crystal
from clustem.crystallography.orientations import Orientations
from clustem.crystallography.rotations import to_euler_deg
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


def to_ang(orientations: Orientations, labels: ArrayLike, *, step_nm: float | tuple[float, float] = 1.0) -> str:
    """Return an orientation map as an EDAX .ang file.

    Parameters
    ----------
    orientations : Orientations
    labels : (scan_y, scan_x) integer array
        Domain of every position; 0 = none.
    step_nm : float or (y, x) pair
        Distance of neighbouring positions in nm. They are written in µm, as such files have them.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If labels do not fit, or the step is not positive.

    Notes
    -----
    Bunge angles in radians, in the frames of `Orientations.rotation`: x right, y down and z into the page in the
    sample; e1 ∥ a and e3 ∥ c* in the crystal. Image quality is `explained`, confidence index `probability`, fit the
    tilt error; positions without an orientation have phase 0 and a confidence of −1.
    """
    labels = _checked(orientations, labels)
    step = _steps(step_nm)
    lines = [_ang_header(orientations, labels.shape, step)]
    euler = np.nan_to_num(np.deg2rad(orientations.euler_deg), nan=4 * np.pi)
    phase = phase_numbers(orientations)
    quality, confidence = np.nan_to_num(orientations.explained), np.nan_to_num(orientations.probability, nan=-1.0)
    fit = np.nan_to_num(orientations.angle_error_out_of_plane_deg, nan=180.0, posinf=180.0)
    for y, x in np.ndindex(labels.shape):
        i = labels[y, x] - 1
        known = i >= 0 and phase[i] > 0
        angles = euler[i] if known else (4 * np.pi,) * 3
        numbers = (quality[i], confidence[i], fit[i]) if known else (0.0, -1.0, 180.0)
        lines.append(
            f"{angles[0]:9.5f} {angles[1]:9.5f} {angles[2]:9.5f} {x * step[1] / 1000:12.6f} {y * step[0] / 1000:12.6f} "
            f"{numbers[0]:8.3f} {numbers[1]:6.3f} {phase[i] if known else 0:2d} {1:6d} {numbers[2]:8.3f}"
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


def to_ctf(orientations: Orientations, labels: ArrayLike, *, step_nm: float | tuple[float, float] = 1.0) -> str:
    """Return an orientation map as an Oxford (HKL) .ctf file.

    Parameters, results and errors are those of :func:`to_ang`.

    Notes
    -----
    Bunge angles in degrees. The crystal's axes are Oxford's, Z ∥ c, Y ∥ b and X ∥ a* where c is perpendicular to a and
    b: in a hexagonal crystal turned by 30° about c against e1 ∥ a. The sample's are those of `Orientations.rotation`.
    Band contrast is 255 · `explained`, MAD the tilt error; positions without an orientation have phase 0.
    """
    labels = _checked(orientations, labels)
    step = _steps(step_nm)
    euler, phase = _ctf_euler(orientations), phase_numbers(orientations)
    deviation = np.nan_to_num(orientations.angle_error_out_of_plane_deg, posinf=180.0)
    contrast = np.rint(255 * np.nan_to_num(orientations.explained)).astype(int)
    lines = [_ctf_header(orientations, labels.shape, step)]
    for y, x in np.ndindex(labels.shape):
        i = labels[y, x] - 1
        place = f"{x * step[1] / 1000:.6f}\t{y * step[0] / 1000:.6f}"
        if i < 0 or phase[i] == 0:
            lines.append(f"0\t{place}\t0\t3\t0.0000\t0.0000\t0.0000\t0.0000\t0\t0")
            continue
        angles = "\t".join(f"{value:.4f}" for value in euler[i])
        lines.append(f"{phase[i]}\t{place}\t8\t0\t{angles}\t{deviation[i]:.4f}\t{contrast[i]}\t255")
    return "\n".join(lines) + "\n"


def _ctf_euler(orientations: Orientations) -> Array:
    euler = np.zeros((orientations.number, 3))
    for i in np.flatnonzero(orientations.found):
        crystal = orientations.crystal_of(str(orientations.phase[i]))
        euler[i] = to_euler_deg(orientations.rotation[i] @ oxford_axes(crystal))
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


def to_crystal_map(orientations: Orientations, labels: ArrayLike, *, step_nm: float | tuple[float, float] = 1.0) -> Any:
    """Return an orientation map as an orix CrystalMap, in nm, with the numbers of each position as properties.

    Parameters and errors are those of :func:`to_ang`. Positions without an orientation are not indexed (phase −1).
    `orix.io.save` writes it as HDF5.
    """
    from diffpy.structure import Lattice, Structure
    from orix.crystal_map import CrystalMap, Phase, PhaseList
    from orix.quaternion import Rotation

    labels = _checked(orientations, labels)
    step = _steps(step_nm)
    y, x = (v.ravel() for v in np.indices(labels.shape))
    domain = labels.ravel() - 1
    known = (domain >= 0) & np.append(orientations.found, False)[domain]
    quaternion = np.tile([1.0, 0.0, 0.0, 0.0], (domain.size, 1))
    quaternion[known] = orientations.quaternion[domain[known]]
    phase = np.full(domain.size, -1)
    phase[known] = phase_numbers(orientations)[domain[known]] - 1
    phases = [
        Phase(crystal.name, space_group=crystal.space_group_number, structure=Structure(lattice=Lattice(*crystal.cell)))
        for crystal in orientations.crystals
    ]
    names = (
        "score",
        "probability",
        "reliability",
        "explained",
        "angle_error_out_of_plane_deg",
        "thickness_nm",
        "scale",
    )
    properties = {name: np.append(getattr(orientations, name), np.nan)[domain] for name in names}
    return CrystalMap(
        rotations=Rotation(quaternion),
        phase_id=phase,
        x=x * step[1],
        y=y * step[0],
        phase_list=PhaseList(phases=phases, ids=list(range(len(phases)))),
        prop=properties | {"label": domain + 1, "ambiguous": np.append(orientations.ambiguous, True)[domain]},
        scan_unit="nm",
    )


def save_crystal_map(
    path: str | Path, orientations: Orientations, labels: ArrayLike, *, step_nm: float | tuple[float, float] = 1.0
) -> None:
    """Write an orientation map as an orix HDF5 file; see :func:`to_crystal_map`. A file of that name is replaced."""
    crystal_map = to_crystal_map(orientations, labels, step_nm=step_nm)
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


def phase_numbers(orientations: Orientations) -> NDArray[np.int64]:
    """Return the number of each domain's crystal, 1 … n in the order of `crystals`; 0 where there is none."""
    number = {crystal.name: i for i, crystal in enumerate(orientations.crystals, 1)}
    return np.array([number.get(name, 0) for name in orientations.phase.tolist()], np.int64)


def _checked(orientations: Orientations, labels: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(labels)
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"labels: expected integers (scan_y, scan_x), got {array.dtype} of shape {array.shape}")
    if array.size and (array.min() < 0 or array.max() > orientations.number):
        raise InputError(f"labels: expected 0 to {orientations.number}, got {array.min()} to {array.max()}")
    return array.astype(np.int64)


def _steps(step_nm: float | tuple[float, float]) -> tuple[float, float]:
    steps = np.broadcast_to(np.asarray(step_nm, np.float64), (2,))
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise InputError(f"step_nm: expected a positive length, got {step_nm!r}")
    return float(steps[0]), float(steps[1])
