"""Units as files write them, converted to 1/Å, nm and mrad. An unknown unit is None, never 1."""

from __future__ import annotations

import re

_NM = {
    "m": 1e9,
    "meter": 1e9,
    "metre": 1e9,
    "mm": 1e6,
    "um": 1e3,
    "micron": 1e3,
    "micrometer": 1e3,
    "micrometre": 1e3,
    "nm": 1.0,
    "nanometer": 1.0,
    "nanometre": 1.0,
    "pm": 1e-3,
    "picometer": 1e-3,
    "picometre": 1e-3,
    "A": 0.1,
    "Å": 0.1,
    "AA": 0.1,
    "ang": 0.1,
    "angstrom": 0.1,
    "angstroem": 0.1,
    "ångström": 0.1,
}
_MRAD = {"mrad": 1.0, "milliradian": 1.0, "rad": 1e3, "radian": 1e3, "urad": 1e-3, "deg": 17.453292519943295}
_MRAD |= {"degree": _MRAD["deg"], "°": _MRAD["deg"]}


def _split(units: object) -> tuple[str, int]:
    """Return the bare unit and its power, 1 or -1; an empty unit where it cannot be understood."""
    text = units.decode("utf-8", "replace") if isinstance(units, bytes) else str(units)
    text = re.sub(r"\\(mathrm|mathring|text|rm)\b", "", text)
    text = re.sub(r"[\s${}\[\]()\\_]", "", text)
    text = text.replace("\u212b", "Å").replace("A\u030a", "Å").replace("\u03bc", "u").replace("\u00b5", "u")
    text = text.replace("⁻", "-").replace("¹", "1").replace("−", "-")
    power = 1
    if text.startswith("1/"):
        text, power = text[2:], -1
    bare = re.sub(r"(\^|\*\*)?-1$", "", text)
    if bare != text:
        text, power = bare, -power
    return text, power


def _factor(table: dict[str, float], unit: str) -> float | None:
    """Look a unit up as it is written, then as a word: in small letters and without the plural's s."""
    if unit in table:
        return table[unit]
    word = unit.lower().rstrip("s")
    return table.get(word) if len(word) > 2 else None


def to_nm(units: object) -> float | None:
    """Return how many nm one of `units` is, or None if it is not a length.

    Examples
    --------
    >>> to_nm("µm"), to_nm("Å"), to_nm("px")
    (1000.0, 0.1, None)
    """
    unit, power = _split(units)
    return _factor(_NM, unit) if power == 1 else None


def to_inverse_angstrom(units: object) -> float | None:
    """Return how many 1/Å one of `units` is, or None if it is not a reciprocal length.

    Examples
    --------
    >>> to_inverse_angstrom("1/nm"), to_inverse_angstrom("$A^{-1}$"), to_inverse_angstrom("nm")
    (0.1, 1.0, None)
    """
    unit, power = _split(units)
    length = _factor(_NM, unit) if power == -1 else None
    return None if length is None else 0.1 / length


def to_mrad(units: object) -> float | None:
    """Return how many mrad one of `units` is, or None if it is not an angle.

    Examples
    --------
    >>> to_mrad("mrad"), to_mrad("rad"), to_mrad("1/nm")
    (1.0, 1000.0, None)
    """
    unit, power = _split(units)
    return _factor(_MRAD, unit) if power == 1 else None
