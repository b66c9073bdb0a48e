"""Compiled loops of the merge tree: arrays and scalars in, arrays filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled

Array = NDArray[Any]


@compiled()
def root_of(parent: Array, member: int) -> int:
    """Root of a member in a forest parent (size,), whose paths are halved on the way."""
    while parent[member] != member:
        parent[member] = parent[parent[member]]
        member = parent[member]
    return member


@compiled()
def spanning_edges(first: Array, second: Array, order: Array, size: int, kept: Array) -> int:
    """Fill kept with the edges first–second (E,) that, taken in order (E,), join two components; return how many."""
    parent, rank = np.arange(size), np.zeros(size, np.int8)
    number = 0
    for n in range(order.size):
        edge = order[n]
        a, b = root_of(parent, first[edge]), root_of(parent, second[edge])
        if a == b:
            continue
        kept[number] = edge
        number += 1
        if number == size - 1:
            break
        if rank[a] < rank[b]:
            a, b = b, a
        parent[b] = a
        if rank[a] == rank[b]:
            rank[a] += 1
    return number


@compiled()
def last_division(first: Array, second: Array, members: Array, least: int) -> int:
    """Last of the merges first–second (M,) of two parts of at least `least` members (size,) each; −1 if none is."""
    parent, counts = np.arange(members.size), members.astype(np.int64)
    found = -1
    for n in range(first.size):
        a, b = root_of(parent, first[n]), root_of(parent, second[n])
        if a == b:
            continue
        if min(counts[a], counts[b]) >= least:
            found = n
        parent[b] = a
        counts[a] += counts[b]
    return found


@compiled()
def follow_merges(
    first: Array, second: Array, size: int, min_size: int, domains: Array, sizes: Array, life: Array
) -> int:
    """Follow merges first–second (M,) of `size` positions, every component of at least min_size being a domain.

    A domain is born when it reaches min_size or when two domains merge, and ends when it merges with another; but one
    that is at least three times as large as the other lives on. domains (3, M) are the numbers of the two that enter
    each merge and of the one that leaves it, -1 = none; sizes (2, M) the positions that enter; life (size + M, 2)
    the merges after which each domain was born and ended, M = never. Returns how many domains there were.
    """
    parent, members, domain = np.arange(size), np.ones(size, np.int64), np.full(size, -1)
    number = 0
    if min_size <= 1:
        domain[:] = np.arange(size)
        life[:size, 0] = 0
        number = size
    life[:, 1] = first.size
    for n in range(first.size):
        a, b = root_of(parent, first[n]), root_of(parent, second[n])
        domains[0, n], domains[1, n] = domain[a], domain[b]
        sizes[0, n], sizes[1, n] = members[a], members[b]
        if members[a] < members[b]:
            a, b = b, a
        lives_on = members[a] >= 3 * members[b]
        parent[b] = a
        members[a] += members[b]
        if domain[a] >= 0 and domain[b] >= 0:
            life[domain[b], 1] = n
            if not lives_on:
                life[domain[a], 1] = n
                domain[a] = -1
        elif domain[b] >= 0:
            domain[a] = domain[b]
        if domain[a] < 0 and members[a] >= min_size:
            domain[a] = number
            life[number, 0] = n
            number += 1
        domains[2, n] = domain[a]
    return number
