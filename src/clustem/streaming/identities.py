"""Domains of a scan that is being recorded: which regions of windows are one, and what is known of each."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from clustem.segmentation.noise_aware import Scattering

_CONTACT = 3  # pairs of neighbouring positions by which domains touch
_REMEMBERED = 256  # closed domains, the last ones, that the background is told from


class Identities:
    """Domains 0 …, of which two may turn out to be one; then the lower number stays."""

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.measured: dict[int, tuple[int, float, float, float]] = {}
        self.contacts: dict[tuple[int, int], int] = {}

    def copy(self) -> Identities:
        """Return the same domains, which may then go their own way."""
        other = Identities()
        other.parent, other.measured = self.parent.copy(), self.measured.copy()
        other.contacts = self.contacts.copy()
        return other

    def forget(self, number: int) -> None:
        """Let all domains from this number on go."""
        for domain in range(number, len(self.parent)):
            self.measured.pop(domain, None)
        del self.parent[number:]

    def __len__(self) -> int:
        return len(self.parent)

    def new(self) -> int:
        """Return a new domain."""
        self.parent.append(len(self.parent))
        return len(self.parent) - 1

    def root(self, domain: int) -> int:
        """Return the domain that one belongs to."""
        while self.parent[domain] != domain:
            self.parent[domain] = self.parent[self.parent[domain]]
            domain = self.parent[domain]
        return domain

    def rooted(self, domains: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return domains (rows, scan_x), −1 = none, with those that others belong to in their place."""
        present, place = np.unique(domains, return_inverse=True)
        roots = [self.root(domain) if domain >= 0 else -1 for domain in present.tolist()]
        return np.array(roots, np.int64)[place].reshape(domains.shape)

    def unite(self, domains: Iterable[int]) -> int:
        """Make domains one and return it."""
        roots = sorted({self.root(domain) for domain in domains})
        for other in roots[1:]:
            self.parent[other] = roots[0]
            if other in self.measured:
                self.measure(roots[0], *self.measured.pop(other))
        return roots[0]

    def measure(self, domain: int, positions: int, electrons: float, reflections: float, anisotropy: float) -> None:
        """Take what so many positions of a domain scatter for what it does, if they are more than were seen before."""
        if positions >= self.measured.get(domain, (0,))[0]:
            self.measured[domain] = positions, electrons, reflections, anisotropy

    def touch(self, domains: NDArray[np.int64]) -> None:
        """Take note of which domains touch in settled rows (rows, scan_x), and let others go that are not there."""
        roots = self.rooted(domains)
        here = set(np.unique(roots).tolist())
        self.contacts = {pair: number for pair, number in self.contacts.items() if here.issuperset(pair)}
        for one, two in ((roots[1:], roots[:-1]), (roots[:, 1:], roots[:, :-1])):
            differ = (one != two) & (one >= 0) & (two >= 0)
            for a, b in zip(one[differ].tolist(), two[differ].tolist(), strict=True):
                pair = min(a, b), max(a, b)
                self.contacts[pair] = self.contacts.get(pair, 0) + 1

    def apart(self, domains: list[int]) -> NDArray[np.bool_]:
        """Return which of some domains (F, F) touch in settled rows, where they were found to be two."""
        place = {domain: n for n, domain in enumerate(domains)}
        result = np.zeros((len(domains), len(domains)), bool)
        for pair, number in self.contacts.items():
            a, b = (place.get(self.root(domain), -1) for domain in pair)
            if number >= _CONTACT and min(a, b) >= 0 and a != b:
                result[a, b] = result[b, a] = True
        return result

    def others(self, domains: Iterable[int]) -> Scattering:
        """Return what the last domains scatter but for those given."""
        known = set(domains)
        last = (k for k in reversed(self.measured) if k not in known)
        return self._scattering(list(islice(last, _REMEMBERED)))

    def background(self) -> int | None:
        """Return the domain that holds no crystal, or None."""
        domains = list(self.measured)
        empty = self._scattering(domains).empty()
        return None if empty is None else domains[empty]

    def roots(self) -> NDArray[np.int64]:
        """Return the domain that each belongs to."""
        return np.array([self.root(k) for k in range(len(self.parent))], np.int64)

    def _scattering(self, domains: list[int]) -> Scattering:
        values = np.array([self.measured[k] for k in domains], float).reshape(-1, 4)
        return Scattering(values[:, 1], values[:, 2], values[:, 3], values[:, 0].astype(np.int64))
