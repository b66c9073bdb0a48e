"""Plain-text tables, the shape every record shows itself in."""

from __future__ import annotations

from collections.abc import Iterable


def table_text(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """Return `title` and below it one aligned line for each (name, value) whose value is not None."""
    shown = [(name, str(value)) for name, value in rows if value is not None]
    width = max((len(name) for name, _ in shown), default=0)
    return "\n".join([title, *(f"  {name:<{width}}  {value}" for name, value in shown)])


def size_text(number_of_bytes: int) -> str:
    """Return a size in decimal units, for example ``"19.3 GB"``."""
    size = float(number_of_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            return f"{size:.3g} {unit}"
        size /= 1000
    raise AssertionError("unreachable: TB is the last unit")
