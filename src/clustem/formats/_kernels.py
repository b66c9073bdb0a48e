"""Compiled loop of the formats: arrays and scalars in, a number out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled

Array = NDArray[Any]


@compiled()
def first_damaged(content: Array, offsets: Array, sizes: Array, expected: int, unit: int) -> int:
    """Return the first bitshuffle chunk whose inner sizes do not agree, −1 if there is none.

    The chunks begin at `offsets` (n,) of the bytes `content` and have `sizes` (n,), 0 = not there. Each has to give
    `expected` bytes; `unit` bytes are shuffled together.
    """
    for n in range(offsets.size):
        place, end = offsets[n], offsets[n] + sizes[n]
        if sizes[n] == 0:
            continue
        if sizes[n] < 12 or place < 0 or end > content.size:
            return n
        total, block = np.int64(0), np.int64(0)
        for k in range(8):
            total = total * 256 + content[place + k]
        for k in range(8, 12):
            block = block * 256 + content[place + k]
        if total != expected or block == 0 or block % unit != 0:
            return n
        blocks = expected // block
        if expected % block >= unit:
            blocks += 1
        place += 12
        for _ in range(blocks):
            if place + 4 > end:
                return n
            length = np.int64(0)
            for k in range(4):
                length = length * 256 + content[place + k]
            place += 4 + length
        if place + expected % unit != end:
            return n
    return -1
