"""Generated series with known tracks: particles with analytic patterns that are born, grow, turn, merge and split."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Happening = tuple[int, str, tuple[int, ...]]  # frame, kind, particles

_DETECTOR = 48
_MIDDLE = 23.5
_BEAM = 2.5
_REACH = 21.0
_SOFT = 0.35  # positions, width of the edge of a particle as the probe sees it
_LEAST = 8  # positions of a particle that counts
APART, DENSE = 10.5, 7.6  # positions between the centres of particles at first, at least


@dataclass
class Particle:
    """A crystal: reflections with random heights on a random lattice, and how it moves."""

    lattice: Array
    heights: Array
    angle: float
    spin: float
    place: Array
    radius: float
    growth: float
    birth: int
    death: int
    velocity: Array = field(default_factory=lambda: np.zeros(2))

    def pattern(self, angle: float) -> Array:
        """Pattern (k_y, k_x) of sum 1 of its reflections, turned by an angle in degrees."""
        turn = np.deg2rad(angle)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        y, x = np.indices((_DETECTOR, _DETECTOR))
        pattern = np.zeros(y.shape)
        for spot, height in zip(self.lattice @ rotation, self.heights, strict=True):
            pattern += height * np.exp(-((y - _MIDDLE - spot[0]) ** 2 + (x - _MIDDLE - spot[1]) ** 2) / (2 * 1.2**2))
        whole: Array = pattern / pattern.sum()
        return whole


@dataclass(frozen=True)
class Scene:
    """A whole series: what is known of it, and what draws its frames.

    `identity` (time, scan_y, scan_x) is the particle, −1 = none; `events` are (frame, kind, particles), where the first
    particle is the one that goes on; `drift` (time, 2).
    """

    identity: NDArray[np.int32]
    radius: Array
    cut: NDArray[np.bool_]
    drift: Array
    events: list[Happening]
    shares: list[Array]
    patterns: list[Array]

    def counts(self, frame: int, *, electrons: float, seed: int) -> NDArray[np.uint16]:
        """Return Poisson counts (scan_y, scan_x, k_y, k_x) of a frame."""
        expected = np.tensordot(self.shares[frame], self.patterns[frame], axes=(0, 0))
        drawn: NDArray[np.uint16] = np.random.default_rng((seed, frame)).poisson(electrons * expected).astype(np.uint16)
        return drawn


def _lattice(random: np.random.Generator) -> tuple[Array, Array]:
    length = random.uniform(7.5, 11, 2)
    angle = random.uniform(0, 2 * np.pi)
    opening = np.deg2rad(random.uniform(60, 90))
    axes = length[:, None] * np.array([[np.sin(a), np.cos(a)] for a in (angle, angle + opening)])
    index = np.array([(h, k) for h in range(-4, 5) for k in range(-4, 5) if (h, k) != (0, 0)])
    spots = index @ axes
    spots = spots[np.hypot(*spots.T) < _REACH]
    return spots, np.exp(-np.hypot(*spots.T) / 12) * random.gamma(1.5, 1.0, len(spots))


def _particle(random: np.random.Generator, place: Array, birth: int, death: int) -> Particle:
    lattice, heights = _lattice(random)
    return Particle(
        lattice,
        heights,
        0.0,
        random.uniform(-3, 3),
        place,
        random.uniform(1.9, 3.0),
        random.uniform(0, 0.03),
        birth,
        death,
    )


def generate(
    seed: int,
    *,
    particles: int = 30,
    frames: int = 50,
    shape: tuple[int, int] = (80, 80),
    merges: int = 2,
    splits: int = 2,
    apart: float = APART,
) -> Scene:
    """Return a series with so many particles, merges and splits; half of the particles are there at first."""
    random = np.random.default_rng(seed)
    crystals = _place(random, particles - splits, frames, shape, apart)
    drift = np.cumsum(random.normal([0.08, -0.05], 0.25, (frames, 2)), axis=0)
    drift -= drift[0]
    events = _merge(crystals, random, merges, frames) + _split(crystals, random, splits, frames)
    return _draw(crystals, events, drift, frames, shape)


def _place(
    random: np.random.Generator, number: int, frames: int, shape: tuple[int, int], apart: float
) -> list[Particle]:
    places: list[Array] = []
    while len(places) < number:
        place = random.uniform(4, np.array(shape) - 5)
        if all(np.hypot(*(place - other)) > apart for other in places):
            places.append(place)
    crystals = []
    for k, place in enumerate(places):
        birth = 0 if k < number // 2 else int(random.integers(3, frames - 12))
        death = frames if random.random() < 0.6 else int(random.integers(birth + 8, frames + 1))
        crystals.append(_particle(random, place, birth, min(death, frames)))
    return crystals


def _merge(crystals: list[Particle], random: np.random.Generator, number: int, frames: int) -> list[Happening]:
    """Let pairs of neighbours approach, touch, and become one: the larger one's crystal."""
    events: list[Happening] = []
    used: set[int] = set()
    for _ in range(number):
        pairs = [
            (float(np.hypot(*(a.place - b.place))), i, j)
            for i, a in enumerate(crystals)
            for j, b in enumerate(crystals)
            if i < j and not {i, j} & used
        ]
        _, i, j = min(pairs)
        used |= {i, j}
        time = int(random.integers(18, frames - 8))
        one, other = crystals[i], crystals[j]
        one.birth, other.birth, one.death, other.death = min(one.birth, 4), min(other.birth, 4), frames, time
        one.growth = other.growth = 0.0
        one.radius, other.radius = max(one.radius, 2.6), 2.2
        way = one.place - other.place
        apart = float(np.hypot(*way))
        other.velocity = way / apart * (apart - one.radius - other.radius) / (time - 1)
        events.append((time, "merge", (i, j)))
    return events


def _split(crystals: list[Particle], random: np.random.Generator, number: int, frames: int) -> list[Happening]:
    """Let particles break in two: one half turns away and goes."""
    events: list[Happening] = []
    free = [i for i, c in enumerate(crystals) if c.birth == 0 and c.death == frames and not c.velocity.any()]
    free = [
        i
        for i in free
        if not any(
            np.array_equal(c.velocity, np.zeros(2)) is False and np.hypot(*(c.place - crystals[i].place)) < 16
            for c in crystals
        )
    ]
    for i in free[:number]:
        time = int(random.integers(12, frames - 12))
        parent = crystals[i]
        parent.radius, parent.growth = 3.6, 0.0
        direction = random.uniform(0, 2 * np.pi)
        way = np.array([np.sin(direction), np.cos(direction)])
        child = Particle(
            parent.lattice,
            parent.heights,
            parent.angle + parent.spin * time + 25,
            -parent.spin,
            parent.place + 2.4 * way,
            2.4,
            0.0,
            time,
            frames,
            0.08 * way,
        )
        crystals.append(child)
        events.append((time, "split", (i, len(crystals) - 1)))
    return events


def _radius(crystal: Particle, index: int, time: int, events: list[Happening], crystals: list[Particle]) -> float:
    radius = crystal.radius + crystal.growth * (time - crystal.birth)
    for when, kind, who in events:
        if index == who[0] and time >= when:
            radius = np.hypot(radius, crystals[who[1]].radius) if kind == "merge" else np.sqrt(radius**2 - 2.4**2)
    return float(radius)


def _centre(crystal: Particle, index: int, time: int, events: list[Happening], crystals: list[Particle]) -> Array:
    since = time - crystal.birth if any(index == who[-1] and kind == "split" for _, kind, who in events) else time
    place = crystal.place + crystal.velocity * since
    for when, kind, who in events:
        if index == who[0] and time >= when:
            other = crystals[who[1]]
            if kind == "merge":
                there = other.place + other.velocity * (when - 1)
                place = place + (there - place) * other.radius**2 / (other.radius**2 + crystal.radius**2)
            else:
                place = place - 1.6 * (other.place - crystal.place) / np.hypot(*(other.place - crystal.place))
    return np.asarray(place)


def _draw(
    crystals: list[Particle],
    events: list[Happening],
    drift: Array,
    frames: int,
    shape: tuple[int, int],
) -> Scene:
    y, x = np.indices(shape)
    ring = np.exp(-((np.hypot(*np.indices((_DETECTOR, _DETECTOR)) - _MIDDLE) - 9) ** 2) / 18)
    beam = np.clip(_BEAM + 0.5 - np.hypot(*np.indices((_DETECTOR, _DETECTOR)) - _MIDDLE), 0, 1)
    liquid = 0.92 * beam / beam.sum() + 0.08 * ring / ring.sum()
    identity = np.full((frames, *shape), -1, np.int32)
    radii, cut = np.full((frames, len(crystals)), np.nan), np.zeros((frames, len(crystals)), bool)
    shares, patterns = [], []
    for t in range(frames):
        present = [i for i, c in enumerate(crystals) if c.birth <= t < c.death]
        cover = []
        for i in present:
            centre = _centre(crystals[i], i, t, events, crystals) + drift[t]
            radius = _radius(crystals[i], i, t, events, crystals)
            cover.append(np.clip(0.5 + (radius - np.hypot(y - centre[0], x - centre[1])) / (2 * _SOFT), 0, 1))
            radii[t, i] = radius
            cut[t, i] = bool(((centre - radius) < 0).any() or ((centre + radius) > np.array(shape) - 1).any())
        stack = np.array(cover).reshape(len(present), *shape)
        stack /= np.maximum(stack.sum(axis=0), 1)
        best = stack.argmax(axis=0) if present else np.zeros(shape, int)
        owned = np.array(present, np.int32)[best]
        identity[t] = np.where(stack.max(axis=0) > 0.5, owned, -1)
        shares.append(np.concatenate([1 - stack.sum(axis=0, keepdims=True), stack]))
        crystal = [
            0.55 * beam / beam.sum()
            + 0.04 * ring / ring.sum()
            + 0.41 * crystals[i].pattern(crystals[i].angle + crystals[i].spin * t)
            for i in present
        ]
        patterns.append(np.stack([liquid, *crystal]))
    known: list[Happening] = [
        (c.birth, "appear", (i,))
        for i, c in enumerate(crystals)
        if c.birth > 0 and not any(k == "split" and w[1] == i for _, k, w in events)
    ]
    known += [
        (c.death, "vanish", (i,))
        for i, c in enumerate(crystals)
        if c.death < frames and not any(k == "merge" and w[1] == i for _, k, w in events)
    ]
    return Scene(identity, radii, cut, drift, sorted(events + known), shares, patterns)
