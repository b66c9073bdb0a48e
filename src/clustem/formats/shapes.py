"""Scan shapes: which (y, x) fit a number of patterns, and the one to use."""

from __future__ import annotations

import math

from clustem.errors import InputError


def fitting_shapes(count: int, near: tuple[int, int] | None = None, *, most: int = 5) -> list[tuple[int, int]]:
    """Return scan shapes (y, x) with y·x = `count`, those close to `near` first, then the nearest to square.

    Examples
    --------
    >>> fitting_shapes(12, most=4)
    [(3, 4), (4, 3), (2, 6), (6, 2)]
    """
    factors = [k for k in range(1, math.isqrt(count) + 1) if count % k == 0]
    shapes = sorted({(k, count // k) for k in factors} | {(count // k, k) for k in factors})
    by_squareness = sorted(shapes, key=lambda shape: (max(shape), shape))
    close: list[tuple[int, int]] = []
    if near is not None:
        distances = {s: abs(math.log(s[0] / near[0])) + abs(math.log(s[1] / near[1])) for s in shapes}
        close = [s for s in sorted(shapes, key=lambda s: (distances[s], s)) if distances[s] < math.log(1.5)][:2]
    return (close + [shape for shape in by_squareness if shape not in close])[:most]


def shapes_text(count: int, near: tuple[int, int] | None = None) -> str:
    """Return the shapes that fit as a sentence for messages."""
    return "scan shapes (y, x) that fit: " + ", ".join(map(str, fitting_shapes(count, near)))


def checked_scan_shape(count: int, scan_shape: tuple[int, int], *, name: str) -> tuple[int, int]:
    """Return `scan_shape` if it holds `count` patterns.

    Raises
    ------
    InputError
        If not; the message says which shapes would fit.
    """
    wanted = scan_shape[0] * scan_shape[1]
    if wanted != count:
        raise InputError(
            f"{name}: scan_shape {scan_shape} needs {wanted} patterns, but there are {count}; "
            f"{shapes_text(count, scan_shape)}"
        )
    return scan_shape


def square_scan_shape(count: int, *, name: str) -> tuple[tuple[int, int], str]:
    """Return the square scan shape of `count` patterns and the sentence that says so.

    Raises
    ------
    InputError
        If `count` is not a square number; the message says which shapes would fit.
    """
    side = math.isqrt(count)
    if side * side != count:
        raise InputError(
            f"{name}: has {count} patterns in a row and does not say how they were scanned; "
            f"give scan_shape=(y, x); {shapes_text(count)}"
        )
    return (side, side), (
        f"the scan is square: {count} patterns were taken as {side}×{side}; give scan_shape if that is wrong"
    )
