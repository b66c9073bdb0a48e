"""Maps of orientations, of positions where they were measured, as EDAX .ang, Oxford .ctf and orix HDF5."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from clustem.crystallography import Orientations, PositionMaps
from clustem.crystallography.orientation_exports import save_crystal_map, to_ang, to_ctf
from clustem.results.record import Results

_NO_STEP = (1.0, 1.0)  # nm; such files have no word for positions


class _How(TypedDict):
    """What the functions that make such files are told."""

    step_nm: tuple[float, float]
    positions: PositionMaps | None


def write_ang(results: Results, folder: Path) -> None:
    """Write `orientations.ang`."""
    text = to_ang(_orientations(results), results.domains.labels, **_how(results))
    (folder / "orientations.ang").write_text(text, encoding="utf-8", newline="\n")


def write_ctf(results: Results, folder: Path) -> None:
    """Write `orientations.ctf`."""
    text = to_ctf(_orientations(results), results.domains.labels, **_how(results))
    (folder / "orientations.ctf").write_text(text, encoding="utf-8", newline="\n")


def write_crystal_map(results: Results, folder: Path) -> None:
    """Write `orientations.h5`, a CrystalMap of orix."""
    path = folder / "orientations.h5"
    save_crystal_map(path, _orientations(results), results.domains.labels, **_how(results))


def has_orix() -> bool:
    """Return whether orix is installed."""
    return find_spec("orix") is not None


def _orientations(results: Results) -> Orientations:
    assert results.orientations is not None
    return results.orientations


def _how(results: Results) -> _How:
    step = results.domains.calibration.scan_step_yx_nm or _NO_STEP
    return {"step_nm": step, "positions": results.position_maps}
