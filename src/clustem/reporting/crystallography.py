"""The part of the report on crystallography: what was found, in words, figures and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from clustem.crystallography import Orientations, Peaks, Strain, misorientation_table
from clustem.crystallography.directions import family_of, low_index_direction
from clustem.crystallography.orientations import SURE
from clustem.reporting.boundary_maps import (
    FEWEST,
    plot_boundary_map,
    plot_internal_misorientation,
    plot_misorientation_histogram,
)
from clustem.reporting.indexed_patterns import plot_indexed_patterns
from clustem.reporting.indices import direction_indices, indices_text
from clustem.reporting.numerals import column_texts
from clustem.reporting.orientation_maps import plot_orientation_maps, plot_phase_map
from clustem.reporting.strain_maps import plot_strain_maps
from clustem.results import Results

if TYPE_CHECKING:
    import pandas as pd

PATTERNS = 12
TABLE_ROWS = 200
BOUNDARY_ROWS = 30
MOST_LABELS = 20  # that are named for a reason
Adapt = Callable[[Callable[..., Figure]], Callable[..., Figure]]
_PERCENT = ("e_xx", "e_yy", "e_xy")


@dataclass(frozen=True, eq=False)
class Section:
    """What the template shows: sentences, and tables as heading and rows of text; `angles` are known ones."""

    sentences: list[str]
    strained: list[str]
    heading: list[str]
    rows: list[list[str]]
    boundaries: list[str]
    boundary_heading: list[str]
    boundary_rows: list[list[str]]
    angles: int
    domains: int
    patterns: int
    several_phases: bool
    sure: str


def describe_crystallography(results: Results) -> Section | None:
    """Say what was found, for the report; None where nothing was looked for."""
    peaks, orientations, strain = results.peaks, results.orientations, results.strain
    if peaks is None:
        return None
    boundaries = misorientation_table(orientations, results.domains) if orientations is not None else None
    largest = np.argsort(-results.averages.positions, kind="stable")[:TABLE_ROWS]
    columns = dict(_columns(peaks, orientations, strain, largest))
    lines = _longest(boundaries)
    return Section(
        sentences=list(_found(peaks, orientations)),
        strained=list(_strained(strain)) if strain is not None else [],
        heading=list(columns),
        rows=[list(row) for row in zip(*columns.values(), strict=True)],
        boundaries=list(_boundaries(boundaries)) if boundaries is not None else [],
        boundary_heading=list(lines),
        boundary_rows=[list(row) for row in zip(*lines.values(), strict=True)],
        angles=0 if boundaries is None else int(np.isfinite(boundaries["misorientation_deg"]).sum()),
        domains=results.domains.number,
        patterns=min(PATTERNS, results.domains.number),
        several_phases=orientations is not None and len(orientations.crystals) > 1,
        sure=f"{SURE:g}",
    )


def crystallography_figures(results: Results, adapt: Adapt = lambda plot: plot) -> Iterator[tuple[str, Figure]]:
    """Make the figures one after the other, those that have something to show; `adapt` puts plots on another sheet."""
    domains, peaks, orientations, strain = results.domains, results.peaks, results.orientations, results.strain
    if orientations is not None and orientations.found.any():
        yield "orientations", adapt(plot_orientation_maps)(orientations, domains)
        yield "phases", adapt(plot_phase_map)(orientations, domains)
        table = misorientation_table(orientations, domains)
        if len(table):
            yield "boundaries", adapt(plot_boundary_map)(table, domains)
        if np.isfinite(table["misorientation_deg"]).sum() >= FEWEST:
            yield "misorientations", adapt(plot_misorientation_histogram)(table)
    if strain is not None and strain.measured.any():
        yield "strain", adapt(plot_strain_maps)(strain, domains)
    if peaks is not None and domains.number:
        plot = adapt(plot_indexed_patterns)
        yield "indexed", plot(results.averages, peaks, orientations, strain=strain, number=PATTERNS)
    maps = results.position_maps
    if maps is not None and maps.oriented.any():
        yield "internal", adapt(plot_internal_misorientation)(maps, domains)
    if maps is not None and maps.measured.any():
        yield "position_strain", adapt(plot_strain_maps)(maps, domains)


def _found(peaks: Peaks, orientations: Orientations | None) -> Iterator[str]:
    """Say how many peaks and orientations there are, and why there are none."""
    number = peaks.number
    median = f"{np.median(peaks.counts):.0f} in the median"
    yield f"{_amount(len(peaks.table), 'peak')} in {_amount(number, 'average')}, {median}."
    if orientations is None:
        yield "Without a crystal there are no orientations."
        return
    found = orientations.found
    yield f"{_how_many(found, 'an orientation')}{_unsure(orientations)}."
    yield from _reasons(orientations.reason.tolist())
    if not found.any():
        return
    phases = Counter(orientations.phase[found].tolist())
    yield f"Phases: {', '.join(f'{name} {phases[name]}' for name in (c.name for c in orientations.crystals))}."
    turn = _median(orientations.angle_error_in_plane_deg[found])
    tilt = _median(orientations.angle_error_out_of_plane_deg[found])
    yield f"Standard errors, in the median: {turn:.2f}° about the beam, {tilt:.2f}° of the tilt."
    scale = _median(orientations.scale[found])
    yield f"Scattering vectors are {scale:.4f} times as long as those of the crystal{'s' * (len(phases) > 1)} (median)."


def _unsure(orientations: Orientations) -> str:
    """Say how many of the orientations are ambiguous, if any were found."""
    found, unsure = int(orientations.found.sum()), int((orientations.ambiguous & orientations.found).sum())
    which = "" if orientations.number == 1 else f"{unsure} of them "
    if not found or (orientations.number == 1 and not unsure):
        return ""
    return f", {which}ambiguous{': another explains the pattern nearly as well' * (unsure > 0)}"


def _how_many(have: NDArray[np.bool_], what: str) -> str:
    """Say how many domains (K,) have something."""
    number, count = len(have), int(have.sum())
    if number == 1:
        return f"The only domain has {what if count else f'no {what.split()[-1]}'}"
    return f"{count or 'No domain'} of {number:,} {'domains ' * (count > 0)}{'have' if count > 1 else 'has'} {what}"


def _reasons(reasons: Sequence[str]) -> Iterator[str]:
    """Say why domains have none, the most frequent reason first, and which they are."""
    for reason, count in Counter(why for why in reasons if why).most_common():
        labels = [str(label) for label, why in enumerate(reasons, 1) if why == reason]
        more = f" and {count - MOST_LABELS} more" * (count > MOST_LABELS)
        yield f"{count:,} without ({', '.join(labels[:MOST_LABELS])}{more}): {reason}."


def _strained(strain: Strain) -> Iterator[str]:
    known = strain.measured
    relative = {"crystal": "the cell of the crystal", "median": "the median of its lattice"}
    yield f"{_how_many(known, 'a strain')}, relative to {relative.get(strain.reference, strain.reference)}."
    if known.any():
        errors = np.stack([getattr(strain, f"{name}_error")[known] for name in _PERCENT])
        yield f"Standard error {_median(errors):.2%} in the median."
    yield from _reasons(strain.reason)


def _boundaries(table: pd.DataFrame) -> Iterator[str]:
    """Say how many boundaries there are, and which coincidences."""
    known = table[np.isfinite(table["misorientation_deg"])]
    if not len(table):
        return
    if not len(known):
        yield f"{_amount(len(table), 'boundary')}, none of them between two orientations of one phase."
        return
    name, unit = ("length_nm", "nm") if "length_nm" in known else ("length_positions", "positions")
    length = f"{known[name].sum():.3g} {unit}"
    yield f"{_amount(len(known), 'boundary')} between two orientations of one phase, {length} long."
    named = known[known["coincidence"] != ""].groupby("coincidence", sort=False)[name].agg(["size", "sum"])
    if len(named):
        order = sorted(named.itertuples(), key=lambda row: (int("".join(filter(str.isdigit, row.Index))), row.Index))
        yield f"Coincidences: {'; '.join(f'{row.Index} {row.size} ({row.sum:.3g} {unit})' for row in order)}."


def _columns(
    peaks: Peaks, orientations: Orientations | None, strain: Strain | None, rows: NDArray[np.int64]
) -> Iterator[tuple[str, list[str]]]:
    """Return the columns of the table of domains, as heading and text, for some rows."""
    yield "label", column_texts((rows + 1).tolist())
    yield "peaks", column_texts(peaks.counts[rows].tolist())
    if orientations is not None:
        yield "phase", [str(name) or "–" for name in orientations.phase[rows]]
        yield "along the beam", [_beam(orientations, index) for index in rows.tolist()]
        for name, angle in zip(("φ₁ (°)", "Φ (°)", "φ₂ (°)"), orientations.euler_deg[rows].T, strict=True):
            yield name, column_texts(angle.tolist())
        yield "score", column_texts(orientations.score[rows].tolist(), 2)
        yield "probability", column_texts(orientations.probability[rows].tolist(), 2)
        unsure = column_texts(orientations.ambiguous[rows].tolist())
        yield (
            "ambiguous",
            [text if known else "–" for text, known in zip(unsure, orientations.found[rows], strict=True)],
        )
        yield "turn error (°)", column_texts(orientations.angle_error_in_plane_deg[rows].tolist(), 2)
        yield "tilt error (°)", column_texts(orientations.angle_error_out_of_plane_deg[rows].tolist(), 2)
    if strain is not None:
        for name, sign in zip(_PERCENT, ("xx", "yy", "xy"), strict=True):
            yield f"e_{sign} (%)", _with_errors(strain, name, rows, 100.0)
        if np.isfinite(strain.omega).any():
            yield "ω (°)", _with_errors(strain, "omega", rows, float(np.rad2deg(1.0)))
    if orientations is not None and not orientations.found.all():
        yield "why not", [str(text) for text in orientations.reason[rows]]
    elif strain is not None and any(strain.reason):
        yield "why not", [strain.reason[index] for index in rows.tolist()]


def _beam(orientations: Orientations, index: int) -> str:
    """Return the family of directions along the beam with how far it is off."""
    if not orientations.found[index]:
        return "–"
    crystal = orientations.crystal_of(str(orientations.phase[index]))
    indices, off = low_index_direction(orientations.rotation[index, 2], crystal)
    return f"{indices_text(direction_indices(family_of(indices, crystal), crystal), '⟨⟩')} + {off:.1f}°"


def _with_errors(strain: Strain, name: str, rows: NDArray[np.int64], scale: float) -> list[str]:
    values, errors = scale * getattr(strain, name)[rows], scale * getattr(strain, f"{name}_error")[rows]
    return [
        f"{value:+.2f} ± {error:.2f}".replace("-", "−") if np.isfinite(value) else "–"
        for value, error in zip(values.tolist(), errors.tolist(), strict=True)
    ]


def _longest(table: pd.DataFrame | None) -> dict[str, list[str]]:
    """Return the table of the longest boundaries with a misorientation, as heading and text."""
    if table is None:
        return {}
    known = table[np.isfinite(table["misorientation_deg"])]
    known = known.sort_values("length_positions", ascending=False, kind="stable").head(BOUNDARY_ROWS)
    if not len(known):
        return {}
    name, unit = ("length_nm", "nm") if "length_nm" in known else ("length_positions", "positions")
    angles = zip(known["misorientation_deg"], known["misorientation_error_deg"], strict=True)
    axes = known[["axis_x", "axis_y", "axis_z"]].to_numpy(np.float64).tolist()
    names = zip(known["coincidence"], known["coincidence_deviation_deg"], strict=True)
    return {
        "domains": [f"{a}, {b}" for a, b in zip(known["label"], known["neighbour"], strict=True)],
        f"length ({unit})": column_texts(known[name].tolist(), 3),
        "phase": known["phase"].tolist(),
        "misorientation": [f"{angle:.2f}° ± {error:.2f}°" for angle, error in angles],
        "axis (x, y, z of the crystal)": [", ".join(f"{value:.2f}" for value in axis) for axis in axes],
        "coincidence": [f"{sigma}, {off:.1f}° off" if sigma else "" for sigma, off in names],
        "ambiguous": column_texts(known["ambiguous"].tolist()),
    }


def _median(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def _amount(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"
