"""Scan shapes: which (y, x) fit a number of patterns, and the one to use."""

from __future__ import annotations

import math

from clustem.errors import InputError


def fitting_shapes(
    count: int, near: tuple[int, int] | None = None, *, flyback: int = 0, most: int = 5
) -> list[tuple[int, int]]:
    """Return scan shapes (y, x) with y·(x + flyback) = `count`, those close to `near` first, then nearest to square.

    Examples
    --------
    >>> fitting_shapes(12, most=4)
    [(3, 4), (4, 3), (2, 6), (6, 2)]
    >>> fitting_shapes(12, flyback=1)
    [(3, 3), (4, 2), (2, 5), (6, 1), (1, 11)]
    """
    factors = [k for k in range(1, math.isqrt(count) + 1) if count % k == 0]
    recorded = {(k, count // k) for k in factors} | {(count // k, k) for k in factors}
    shapes = sorted((y, x - flyback) for y, x in recorded if x > flyback)
    by_squareness = sorted(shapes, key=lambda shape: (max(shape), shape))
    close: list[tuple[int, int]] = []
    if near is not None:
        distances = {s: abs(math.log(s[0] / near[0])) + abs(math.log(s[1] / near[1])) for s in shapes}
        close = [s for s in sorted(shapes, key=lambda s: (distances[s], s)) if distances[s] < math.log(1.5)][:2]
    return (close + [shape for shape in by_squareness if shape not in close])[:most]


def shapes_text(count: int, near: tuple[int, int] | None = None, *, flyback: int = 0) -> str:
    """Return the shapes that fit as a sentence for messages."""
    with_flyback = f" with flyback={flyback}" if flyback else ""
    shapes = ", ".join(map(str, fitting_shapes(count, near, flyback=flyback))) or "none"
    return f"scan shapes (y, x) that fit{with_flyback}: {shapes}"


def checked_scan_shape(count: int, scan_shape: tuple[int, int], *, name: str, flyback: int = 0) -> tuple[int, int]:
    """Return `scan_shape` if it holds `count` patterns, `flyback` of them after the end of every row.

    Raises
    ------
    InputError
        If not; the message says which shapes would fit.
    """
    wanted = scan_shape[0] * (scan_shape[1] + flyback)
    if wanted != count:
        more = f" with flyback={flyback}" if flyback else ""
        raise InputError(
            f"{name}: scan_shape {scan_shape}{more} needs {wanted} patterns, but there are {count}; "
            f"{shapes_text(count, scan_shape, flyback=flyback)}"
        )
    return scan_shape


def square_scan_shape(count: int, *, name: str, flyback: int = 0) -> tuple[tuple[int, int], str]:
    """Return the square scan shape of `count` patterns and the sentence that says so.

    Raises
    ------
    InputError
        If there is none; the message says which shapes would fit.
    """
    side = math.isqrt(count + flyback * flyback // 4) - flyback // 2
    side = next((n for n in (side - 1, side, side + 1) if n > 0 and n * (n + flyback) == count), 0)
    if not side:
        raise InputError(
            f"{name}: has {count} patterns in a row and does not say how they were scanned; "
            f"give scan_shape=(y, x); {shapes_text(count, flyback=flyback)}"
        )
    dropped = f", without {flyback} flyback columns" if flyback else ""
    return (side, side), (
        f"the scan is square: {count} patterns were taken as {side}×{side}{dropped}; give scan_shape if that is wrong"
    )


def announced_scan_shape(
    announced: tuple[int, int] | None, count: int, given: tuple[int, int] | None, *, name: str
) -> tuple[int, int] | None:
    """Return the scan shape that a file announces, None if it announces none or the user gave one.

    Raises
    ------
    InputError
        If it does not agree with the number of patterns that are there.
    """
    if given is not None or announced is None or min(announced) < 1:
        return None
    if announced[0] * announced[1] != count:
        raise InputError(
            f"{name}: announces {announced[0]}×{announced[1]} scan positions, but there are {count} patterns "
            "(the measurement was stopped, or the copy is incomplete); "
            f"give scan_shape=(y, x); {shapes_text(count, announced)}"
        )
    return announced
