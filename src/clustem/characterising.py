"""What a run does with its averages: peaks, orientations and strain; checked before the first read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.averaging import Averages
from clustem.crystallography import (
    Crystal,
    Orientations,
    Peaks,
    PositionMaps,
    Probe,
    Strain,
    find_peaks,
    fit_strain,
    map_positions,
    match_orientations,
    read_crystal,
)
from clustem.errors import InputError
from clustem.recipe import Recipe, probe_of_word
from clustem.scan import Scan
from clustem.segmentation import Domains
from clustem.surveying import Survey, load_image

_BUNDLED = "clustem:"
_UNFIT = re.compile(r'[\\/:*?"<>|\x00-\x1f]')
_PIXEL = (
    "the size of a detector pixel is not calibrated, but orientations need it: give --inv-angstrom-per-px "
    "(Calibration(inv_angstrom_per_px=…)). If it is not known, calibrate_detector fits it to the peaks of this "
    "crystal, in Python, see docs/peaks.md"
)
_ENERGY = (
    "the energy of the electrons is not known, but orientations need it: give --energy-keV (Calibration(energy_keV=…))"
)


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be measured on the averages.

    Attributes
    ----------
    crystals : tuple of Crystal
        Candidate phases; without one, strain is that of lattices in the plane.
    probe : Probe, optional
    precession_deg : float
    reference : "crystal", "median", label or None
        Of strain.
    per_position : bool
    kept : mapping of str to bytes or array
        By file name, what belongs into the inputs of the results folder.
    names : mapping of str to recipe value
        What the recipe calls crystals and probe.
    """

    crystals: tuple[Crystal, ...] = ()
    probe: Probe | None = None
    precession_deg: float = 0.0
    reference: Any = None
    per_position: bool = False
    kept: dict[str, bytes | NDArray[Any]] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Findings:
    """What was measured; None where it was not asked for."""

    peaks: Peaks | None = None
    orientations: Orientations | None = None
    strain: Strain | None = None
    position_maps: PositionMaps | None = None


def plan_of(recipe: Recipe, scan: Scan, *, crystal: Any, probe: Any, folder: str) -> Plan | None:
    """Return what is to be measured, with files read and everything checked; None if nothing is.

    `crystal` and `probe` are what was given in place of those of the recipe, or None; `folder` is what the inputs in
    the results folder are called.

    Raises
    ------
    InputError
        If a crystal or the probe cannot be used, or the scan is not calibrated for them.
    """
    given = recipe.crystal if crystal is None else crystal
    probe = recipe.probe if probe is None else probe
    _check_unused(recipe, crystals=given is not None, lattices=probe is not None or recipe.strain_reference is not None)
    if given is None and probe is None and recipe.strain_reference is None:
        return None
    plan = _with_probe(crystals_of(given, folder), probe, scan, folder)
    _check_calibration(plan.crystals, scan)
    reference = _reference(recipe.strain_reference)
    if reference == "crystal" and not plan.crystals:
        raise InputError("strain_reference: 'crystal' needs a crystal; give --crystal, 'median' or a label")
    return replace(
        plan,
        precession_deg=recipe.precession_deg or 0.0,
        reference=reference,
        per_position=bool(recipe.per_position),
    )


def check_reference(plan: Plan, domains: Domains) -> None:
    """Raise InputError if strain is to be relative to a domain that there is not; without any, there is no strain."""
    number = domains.number
    if number and isinstance(plan.reference, int) and plan.reference > number:
        labels = f"from 1 to {number}, as there are {number} domains" if number > 1 else "1, as there is one domain"
        raise InputError(
            f"strain_reference: expected a label {labels}, got {plan.reference}; look the labels up in the report of a "
            "run without this option"
        )


def characterise(
    plan: Plan, scan: Scan, domains: Domains, averages: Averages, survey: Survey, mask: NDArray[np.bool_]
) -> Findings:
    """Return peaks of the averages and, with crystals, their orientations; strain; and maps, if they are wanted.

    `mask` (k_y, k_x) are the detector pixels to use.
    """
    if not len(averages.patterns):
        return Findings()
    peaks = find_peaks(averages, probe=plan.probe, mask=mask)
    orientations = None
    if plan.crystals:
        orientations = match_orientations(peaks, plan.crystals, precession_deg=plan.precession_deg)
    strain = fit_strain(peaks, orientations, reference=plan.reference)
    if not plan.per_position:
        return Findings(peaks, orientations, strain)
    maps = map_positions(
        scan,
        domains,
        averages,
        peaks,
        orientations,
        strain,
        probe=plan.probe,
        precession_deg=plan.precession_deg,
        survey=survey,
    )
    return Findings(peaks, orientations, strain, maps)


def _check_unused(recipe: Recipe, *, crystals: bool, lattices: bool) -> None:
    for name, used in (("precession_deg", crystals), ("per_position", crystals or lattices)):
        if getattr(recipe, name) and not used:
            raise InputError(f"{name}: says how crystals are measured, but there is none; give --crystal")


def crystals_of(given: Any, folder: str) -> Plan:
    """Return a plan of the candidate phases alone: paths of CIF files, names of samples, crystals, one or several.

    `folder` is what the inputs in the results folder are called.

    Raises
    ------
    InputError
        If a crystal cannot be read, or two have the same name.
    """
    if given is None:
        return Plan()
    items = [given] if isinstance(given, (str, Path, Crystal)) else list(given)
    crystals: list[Crystal] = []
    kept: dict[str, bytes | NDArray[Any]] = {}
    names: list[str] = []
    for item in items:
        crystal = item if isinstance(item, Crystal) else read_crystal(item)
        if crystal.name in [other.name for other in crystals]:
            raise InputError(f"crystal: two have the same name, {crystal.name}; rename one of the files")
        crystals.append(crystal)
        if isinstance(item, str) and item.startswith(_BUNDLED):
            names.append(item)
            continue
        if _UNFIT.search(crystal.name) or crystal.name.startswith("."):
            raise InputError(f"crystal: {crystal.name!r} cannot be the name of a file; give it another `name`")
        file = f"{crystal.name}.cif"
        kept[file] = crystal.to_cif().encode() if isinstance(item, Crystal) else Path(item).read_bytes()
        names.append(f"{folder}/{file}")
    return Plan(tuple(crystals), kept=kept, names={"crystal": tuple(names)} if names else {})


def _with_probe(plan: Plan, probe: Any, scan: Scan, folder: str) -> Plan:
    if probe is None:
        return plan
    known = probe_of_word(probe) if isinstance(probe, str) else None
    if known is not None:
        kind, size = known
        made = Probe.disk(size) if kind == "disk" else Probe.spot(size)
        return replace(plan, probe=made, names=plan.names | {"probe": probe})
    if isinstance(probe, Probe):
        raise InputError("probe: expected a vacuum pattern, its file, 'disk:RADIUS' or 'spot:SIGMA'; got a Probe")
    vacuum = load_image(probe, name="probe")
    if vacuum.shape != scan.detector_shape:
        raise InputError(f"probe: expected a vacuum pattern of shape {scan.detector_shape}, got {vacuum.shape}")
    kept, names = plan.kept | {"probe.npy": vacuum}, plan.names | {"probe": f"{folder}/probe.npy"}
    return replace(plan, probe=Probe.measured(vacuum), kept=kept, names=names)


def _check_calibration(crystals: Sequence[Crystal], scan: Scan) -> None:
    if crystals and scan.calibration.inv_angstrom_per_px is None:
        raise InputError(f"crystal: {_PIXEL}")
    if crystals and scan.calibration.energy_keV is None:
        raise InputError(f"crystal: {_ENERGY}")


def _reference(text: str | None) -> Any:
    if text is None or text == "median":
        return text
    if text in ("crystal", "ideal"):
        return "crystal"
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise InputError(f"strain_reference: expected 'crystal', 'median' or a label, got {text!r}")
