"""Which of several arrays in one file is the scan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from clustem.errors import InputError
from clustem.formats.shapes import shapes_text

_SMALLEST_GUESS = 8  # detector pixels; smaller 3-D arrays are matrices and vectors, not patterns


@dataclass(frozen=True)
class Candidate:
    """An array in a file: its address, shape, and the kind of its type as NumPy names it."""

    address: str
    shape: tuple[int, ...]
    kind: str
    type_name: str

    @property
    def line(self) -> str:
        """How it is shown in a list."""
        return f"  {self.address}  {'×'.join(map(str, self.shape)) or 'single value'}  {self.type_name}"


def listing(candidates: Sequence[Candidate], most: int = 20) -> str:
    """Return one line for each array, the ones with most axes first, at most `most`."""
    ordered = sorted(candidates, key=lambda c: (-len(c.shape), c.address))
    lines = [candidate.line for candidate in ordered[:most]]
    if len(ordered) > most:
        lines.append(f"  … and {len(ordered) - most} more")
    return "\n".join(lines)


def choose(candidates: Sequence[Candidate], *, name: str, scan_shape: tuple[int, int] | None) -> Candidate:
    """Return the only array that can be a scan.

    That is the only 4-D one with patterns of at least 2×2 pixels; without any, the only 5-D one, a series; without
    any, the only 3-D one, which must hold as many patterns as `scan_shape`, or without it at least 4.

    Raises
    ------
    InputError
        If several could be meant, or none; the message lists what there is.
    """
    patterned = [c for c in candidates if 3 <= len(c.shape) <= 5 and min(c.shape) > 0 and min(c.shape[-2:]) > 1]
    usable = [c for c in patterned if c.kind in "buif"] or [c for c in patterned if c.kind == "c"]
    scans = [c for c in usable if len(c.shape) == 4] or [c for c in usable if len(c.shape) == 5]
    if not scans:
        return _choose_stack(usable, candidates, name, scan_shape)
    if len(scans) > 1:
        raise _ambiguous(scans, name)
    return scans[0]


def _choose_stack(
    usable: Sequence[Candidate], everything: Sequence[Candidate], name: str, scan_shape: tuple[int, int] | None
) -> Candidate:
    """Return the only 3-D array that can be a scan."""
    stacks = [c for c in usable if min(c.shape[1:]) >= _SMALLEST_GUESS]
    if scan_shape is not None:
        stacks = [c for c in usable if c.shape[0] == math.prod(scan_shape)] or stacks
    else:
        stacks = [c for c in stacks if c.shape[0] >= 4]
    if len(stacks) == 1:
        return stacks[0]
    if len(stacks) > 1 and scan_shape is not None:
        raise _ambiguous(stacks, name)
    hint = ""
    if stacks:
        first = min(stacks, key=lambda stack: stack.address)
        hint = f"\nfor a stack of patterns choose it with dataset= and give scan_shape=(y, x); {_fits(first)}"
    elif everything and all(len(c.shape) <= 2 for c in everything):
        hint = "\nthat is an image, or a profile; open the file with the diffraction patterns"
    elif usable:
        hint = f"\nif that is patterns in a row, choose it with dataset= and give scan_shape=(y, x); {_fits(usable[0])}"
    raise InputError(
        f"{name}: not a scan: expected a numeric array with four axes (scan_y, scan_x, k_y, k_x); "
        + (f"found only\n{listing(everything)}" if everything else "there is no array in it")
        + hint
    )


def _fits(stack: Candidate) -> str:
    return f"for {stack.address}, {stack.shape[0]} patterns, {shapes_text(stack.shape[0])}"


def _ambiguous(candidates: Sequence[Candidate], name: str) -> InputError:
    example = min(candidate.address for candidate in candidates)
    return InputError(
        f"{name}: {len(candidates)} arrays can be the scan; choose one, for example with "
        f'"{name}::{example}" or dataset="{example}":\n{listing(candidates)}'
    )
