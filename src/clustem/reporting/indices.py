"""Miller indices as they are written."""

from __future__ import annotations

from math import gcd

from clustem.crystallography import Crystal
from clustem.crystallography.directions import Indices

_MACRON = "\N{COMBINING MACRON}"


def direction_indices(indices: Indices, crystal: Crystal) -> tuple[int, ...]:
    """Return the indices of a direction, four (Miller–Bravais) for a hexagonal cell.

    Examples
    --------
    >>> from clustem.crystallography import Site
    >>> cell = (2.95, 2.95, 4.686, 90, 90, 120)
    >>> titanium = Crystal("Ti", cell, "P 63/m m c", (Site("Ti", (1 / 3, 2 / 3, 0.25)),))
    >>> direction_indices((1, 0, 0), titanium)
    (2, -1, -1, 0)
    """
    if crystal.laue_class not in ("-3", "-3m", "6/m", "6/mmm") or round(crystal.cell[5]) != 120:
        return indices
    u, v, w = indices
    four = (2 * u - v, 2 * v - u, -u - v, 3 * w)
    common = gcd(*four)
    return tuple(index // common for index in four)


def indices_text(indices: tuple[int, ...], brackets: str = "[]") -> str:
    """Return indices as plain text, with a bar over negative ones, and spaces if one has two digits.

    Examples
    --------
    >>> indices_text((1, 1, 2), "⟨⟩"), indices_text((10, 0, 2), "")
    ('⟨112⟩', '10 0 2')
    """
    between = " " if max(map(abs, indices)) > 9 else ""
    written = between.join("".join(digit + _MACRON * (index < 0) for digit in str(abs(index))) for index in indices)
    return brackets[:1] + written + brackets[1:]


def indices_formula(indices: tuple[int, ...], brackets: str = "[]") -> str:
    r"""Return indices as mathematical text of matplotlib, with bars over negative ones.

    Examples
    --------
    >>> indices_formula((1, -1, 0))
    '$[1\\bar{1}0]$'
    """
    between = r"\ " if max(map(abs, indices)) > 9 else ""
    written = between.join(rf"\bar{{{-index}}}" if index < 0 else str(index) for index in indices)
    return f"${brackets[:1]}{written}{brackets[1:]}$"
