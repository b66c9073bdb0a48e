"""Whether the sources of a command are one scan or a series, and what goes with which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clustem.errors import InputError


def is_series(sources: list[str], *, dataset: str | None, frame: int | None, meant: bool = False) -> bool:
    """Return whether several scans are meant: several sources, or one that names a series or its recipe.

    `meant` is whether an option says that it is a series.
    """
    from clustem.series import names_series
    from clustem.series_pipeline import is_series_recipe

    if len(sources) > 1 or is_series_recipe(Path(sources[0])):
        return True
    return frame is None and names_series(sources[0], dataset=dataset, meant=meant)


def series_source(sources: list[str]) -> Any:
    """Return what to open as a series: several sources in natural order, because shells put 10 before 2."""
    from clustem.series import natural_key

    return sources[0] if len(sources) == 1 else sorted(sources, key=natural_key)


def refuse_for_scan(**options: Any) -> None:
    """Raise InputError if an option was given that belongs to a series."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        option = given[0].replace("_", "-")
        raise InputError(f"--{option}: belongs to a series, but the source is one scan; leave it out, or name more")
