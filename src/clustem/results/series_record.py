"""The record of a run over a series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clustem.series import Tracks


@dataclass(frozen=True, eq=False, repr=False)
class SeriesResults:
    """Everything a run over a series found, made by :func:`clustem.run_series` or :func:`clustem.open_series_results`.

    Attributes
    ----------
    tracks : Tracks
    recipe : mapping
        Every parameter of the run, by table and name, as in `recipe.toml`.
    provenance : mapping
        Where the results come from: input identity, versions.
    path : Path, optional
        The results folder, if there is one.
    """

    tracks: Tracks
    recipe: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    path: Path | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may be wrong with the results."""
        return self.tracks.warnings

    def __repr__(self) -> str:
        text = repr(self.tracks).replace("Tracks of", "Results of", 1)
        return text if self.path is None else f"{text}\n  folder   {self.path}"
