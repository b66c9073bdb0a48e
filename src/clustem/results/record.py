"""The record of a whole run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clustem.averaging import Averages
from clustem.crystallography import Orientations, Peaks, PositionMaps, Strain
from clustem.results.listing import crystallography_rows, results_table
from clustem.segmentation import Domains, contours
from clustem.surveying import Survey
from clustem.tables import size_text, table_text

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """Everything a run found, made by :func:`clustem.run` or :func:`clustem.open_results`.

    Attributes
    ----------
    survey : Survey
    domains : Domains
    averages : Averages
    recipe : mapping
        Every parameter of the run, by table and name, as in `recipe.toml`.
    provenance : mapping
        Where the results come from: input identity, versions, conventions.
    path : Path, optional
        The results folder, if there is one.
    peaks : Peaks, optional
        Bragg peaks of the averages; like what follows None where it was not asked for, or where there is no domain.
    orientations : Orientations, optional
        Orientation and phase of every domain.
    strain : Strain, optional
        Strain of every domain.
    position_maps : PositionMaps, optional
        Orientation and strain of every position.
    """

    survey: Survey
    domains: Domains
    averages: Averages
    recipe: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    path: Path | None = None
    peaks: Peaks | None = None
    orientations: Orientations | None = None
    strain: Strain | None = None
    position_maps: PositionMaps | None = None

    @property
    def table(self) -> pd.DataFrame:
        """One row per domain: :func:`clustem.domain_table` and what else is known of each.

        With peaks `peaks`, their number; with orientations `phase`, `ambiguous`, the Bunge angles `phi1_deg`,
        `Phi_deg`, `phi2_deg`, `probability`, `reliability` and both standard errors of the angles, as in
        :class:`clustem.Orientations`; with strain its components and their standard errors, as in
        :class:`clustem.Strain`.
        """
        return results_table(self.domains, self.averages, self.peaks, self.orientations, self.strain)

    @property
    def contours(self) -> dict[int, list[NDArray[np.float64]]]:
        """Closed outlines of every domain, see :func:`clustem.contours`."""
        return contours(self.domains)

    def to_xarray(self) -> xr.Dataset:
        """Return everything with axes as an xarray Dataset.

        Dimensions are `scan_y`, `scan_x` (coordinates in nm), `k_y`, `k_x` (in 1/Å, 0 at the direct beam), both in px
        where they are not calibrated, `label` (1 … K) for what is known of each domain, among it all columns of
        :attr:`table`, and `rank` for the three largest shares of a pattern. Maps of positions have `position_` before
        their names; `position_quaternion` is scalar first along `component`. It can be written with `to_netcdf`.

        Examples
        --------
        >>> import clustem
        >>> dataset = clustem.run("clustem:film_au").to_xarray()
        >>> dataset.averages.sel(label=3).sum("k_x").dims
        ('k_y',)
        """
        from clustem.results.dataset import dataset_of

        return dataset_of(self)

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings, in the order of the steps."""
        measured = (self.peaks, self.orientations, self.strain, self.position_maps)
        records = (self.survey, self.domains, self.averages, *(record for record in measured if record is not None))
        return tuple(text for record in records for text in record.warnings)

    def __repr__(self) -> str:
        gain = self.averages.snr_gain[np.isfinite(self.averages.snr_gain)]
        return table_text(
            f"Results for {self.survey.name}",
            [
                ("domains", f"{self.domains.number} ({(self.domains.labels == 0).mean():.1%} of positions unassigned)"),
                ("chosen", self.domains.reason or None),
                ("signal-to-noise gain", f"median {np.median(gain):.3g}" if gain.size else None),
                ("data reduction", f"{size_text(self.averages.bytes_in)} → {size_text(self.averages.bytes_out)}"),
                *crystallography_rows(self.peaks, self.orientations, self.strain, self.position_maps),
                ("folder", self.path),
                *(("warning", text) for text in self.warnings),
            ],
        )
