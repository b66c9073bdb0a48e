"""Numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number_text(value: object, digits: int = 3) -> str:
    """Return a number with `digits` significant digits, whole numbers below 100 000 in full, no number as "–".

    Examples
    --------
    >>> number_text(0.012345), number_text(12345), number_text(2.8e6), number_text(float("nan"))
    ('0.0123', '12,345', '2.8×10⁶', '–')
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if not math.isfinite(value):
        return "–"
    if value == 0 or (10 ** (digits - 1) <= abs(value) < 1e5):
        return f"{value:,.0f}".replace("-", "−")
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.{digits}g}".replace("-", "−")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa.replace('-', '−')}×10{str(int(exponent)).translate(_RAISED)}"


def column_texts(values: Sequence[object], digits: int = 4) -> list[str]:
    """Return a column of a table as text, numbers with as many decimals as the largest needs for `digits` digits.

    Examples
    --------
    >>> column_texts([12.345, 0.5, float("nan")]), column_texts([12345.6, 7.0]), column_texts([True, False])
    (['12.35', '0.50', '–'], ['12,346', '7'], ['yes', 'no'])
    """
    numbers = [abs(value) for value in values if isinstance(value, (int, float)) and math.isfinite(value)]
    largest = max(numbers, default=0.0)
    if largest >= 1e9 or 0 < largest < 1e-3:
        return [number_text(value, digits) for value in values]
    whole = all(isinstance(value, int) for value in values)
    decimals = 0 if whole or not largest else max(0, digits - 1 - math.floor(math.log10(largest)))
    return [_cell(value, decimals) for value in values]


def _cell(value: object, decimals: int) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,.{decimals}f}".replace("-", "−") if math.isfinite(value) else "–"
