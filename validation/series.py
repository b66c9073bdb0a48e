"""Score `clustem.track` against series whose particles are known.

    python validation/series.py GROWTH.h5 … --crystal Au.cif --generated 10 --dose 2000 --faint 3

Printed, as a Markdown table, one row per series: links between neighbouring frames that are right (particles of at
least 8 positions in both), tracks of three frames or more that are no particle, root mean square error of the radii of
particles that the scan edge does not cut, median error of the drift from frame to frame, both in scan positions, and
events that are right / found / true: the same particles, at most one frame early or late. With `--faint N` every Nth
frame has a tenth of the dose. With `--crystal`, for files with orientations: the median error of the rotation from
frame to frame, all three angles / about the beam, and the median error of the orientations themselves, in degrees.

A file holds groups `frame…`, each with `counts`, `labels`, the particle of every label (`identity`, −1 = none), and
for every particle in `ids` the `radius` and `center` (x, y), and the `drift` (x, y) of the frame, in Å; for `--crystal`
also its `rotation` (crystal → sample), and attributes with the calibration. Its births and deaths count as events.
Generated series are those of `series_scenes.py`; with `--dense` in half of the area.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from series_scenes import DENSE, Happening, generate

import clustem
from clustem.crystallography.rotations import misorientation_deg

LEAST = 8  # positions of a particle that counts
LATE = 1  # frames by which an event may be early or late


@dataclass(frozen=True, eq=False)
class Truth:
    """Particles (time, scan_y, scan_x), −1 = none; radius and cut (time, particle); drift (time, 2); events.

    `rotation` (3, 3) by frame and particle.
    """

    identity: NDArray[np.int32]
    radius: NDArray[np.float64]
    cut: NDArray[np.bool_]
    drift: NDArray[np.float64]
    events: list[Happening]
    rotation: dict[tuple[int, int], NDArray[np.float64]] = field(default_factory=dict)
    calibration: clustem.Calibration = field(default_factory=clustem.Calibration)


def doses(number: int, dose: float, faint: int) -> NDArray[np.float64]:
    """Return the electrons per pattern of every frame."""
    weak = np.arange(number) % max(faint, 1) == 1  # none if faint is 0
    return np.where(weak, 0.1, 1.0) * dose


def stored(path: Path, dose: float, faint: int, folder: Path) -> Truth:
    """Write the thinned frames of a file to a folder, and return their truth."""
    with h5py.File(path) as file:
        step = float(file.attrs["step_A"])
        groups = [file[name] for name in sorted(file) if name.startswith("frame")]
        electrons = doses(len(groups), dose, faint)
        particles = 1 + max(int(group["identity"][()].max()) for group in groups)
        shape = groups[0]["labels"].shape
        identity, drift = np.empty((len(groups), *shape), np.int32), np.empty((len(groups), 2))
        radius = np.full((len(groups), particles), np.nan)
        cut = np.zeros(radius.shape, bool)
        rotation: dict[tuple[int, int], NDArray[np.float64]] = {}
        for t, group in enumerate(groups):
            counts = group["counts"][()]
            share = min(1.0, electrons[t] / counts.sum(axis=(2, 3)).mean())
            np.save(folder / f"frame_{t:03d}.npy", np.random.default_rng(t).binomial(counts, share).astype(np.uint16))
            identity[t] = group["identity"][()][group["labels"][()]]
            drift[t] = group["drift"][()][::-1] / step
            for who, r, (x, y) in zip(
                group["ids"][()], group["radius"][()] / step, group["center"][()] / step, strict=True
            ):
                radius[t, who] = r
                cut[t, who] = min(y, x) < r or y + r > shape[0] - 1 or x + r > shape[1] - 1
            if "rotation" in group:
                rotation |= {(t, int(who)): r for who, r in zip(group["ids"][()], group["rotation"][()], strict=True)}
        calibration = calibration_in(file.attrs, groups[0].attrs)
    return Truth(identity, radius, cut, drift, ends(identity), rotation, calibration)


def calibration_in(*attributes: Any) -> clustem.Calibration:
    """Return the calibration that the attributes of a file and of a frame tell."""
    names = ("inv_angstrom_per_px", "energy_keV", "semiangle_mrad", "scan_step_nm")
    return clustem.Calibration.from_dict({n: float(some[n]) for some in attributes for n in names if n in some})


def ends(identity: NDArray[np.int32]) -> list[Happening]:
    """Return when particles appear and vanish."""
    events: list[Happening] = []
    for who in np.unique(identity[identity >= 0]).tolist():
        frames = np.flatnonzero((identity == who).sum(axis=(1, 2)) >= LEAST)
        if frames.size and frames[0] > 0:
            events.append((int(frames[0]), "appear", (who,)))
        if frames.size and frames[-1] < len(identity) - 1:
            events.append((int(frames[-1]) + 1, "vanish", (who,)))
    return events


def generated(seed: int, dose: float, faint: int, folder: Path, frames: int, dense: bool) -> Truth:
    """Write the frames of a generated series to a folder, and return their truth."""
    scene = generate(seed, frames=frames, shape=(56, 56), apart=DENSE) if dense else generate(seed, frames=frames)
    for t, electrons in enumerate(doses(frames, dose, faint)):
        np.save(folder / f"frame_{t:03d}.npy", scene.counts(t, electrons=float(electrons), seed=seed))
    return Truth(scene.identity, scene.radius, scene.cut, scene.drift, scene.events)


def names(labels: NDArray[np.int32], identity: NDArray[np.int32]) -> dict[int, int]:
    """Return the particle of every track: that of most of its positions, −1 = none."""
    values, places = np.unique(labels, return_inverse=True)
    table = np.zeros((values.size, int(identity.max()) + 2), np.int64)
    np.add.at(table, (places.ravel(), identity.ravel() + 1), 1)
    return {int(v): int(row.argmax()) - 1 for v, row in zip(values, table, strict=True) if v > 0}


def track_at(tracks: clustem.Tracks, truth: Truth, time: int, who: int) -> int | None:
    """Return the track that most positions of a particle are in, 0 = none; None for a particle that does not count."""
    where = truth.identity[time] == who
    return int(np.bincount(tracks.labels[time][where]).argmax()) if where.sum() >= LEAST else None


def links(tracks: clustem.Tracks, truth: Truth) -> tuple[int, int]:
    """Return (right, total) links between neighbouring frames."""
    right = total = 0
    for who in np.unique(truth.identity[truth.identity >= 0]):
        for here, there in pairwise(track_at(tracks, truth, t, who) for t in range(len(truth.identity))):
            if here is not None and there is not None:
                total += 1
                right += int(here == there > 0)
    return right, total


def radius_errors(tracks: clustem.Tracks, truth: Truth) -> Iterator[float]:
    """Yield how much too large the radii are, of particles that are found and not cut by the edge."""
    for t, who in np.argwhere(np.isfinite(truth.radius) & ~truth.cut).tolist():
        if found := track_at(tracks, truth, t, who):
            yield float(np.sqrt((tracks.labels[t] == found).sum() / np.pi) - truth.radius[t, who])


def right_events(tracks: clustem.Tracks, truth: Truth, particle: dict[int, int]) -> int:
    """Return how many events are true, each true one once."""
    left = [(frame, kind, frozenset(who)) for frame, kind, who in truth.events]
    right = 0
    for event in tracks.events:
        who = frozenset(particle[n] for n in (*event.parents, *event.children))
        same = [e for e in left if e[1:] == (event.kind, who) and abs(e[0] - event.frame) <= LATE]
        if same:
            left.remove(same[0])
            right += 1
    return right


def row(name: str, tracks: clustem.Tracks, truth: Truth) -> str:
    """Return the scores of a series as a row of a table."""
    particle = names(tracks.labels, truth.identity)
    long = tracks.table[tracks.table.length >= 3].track
    false = sum(particle[number] < 0 for number in long)
    errors = np.array(list(radius_errors(tracks, truth)))
    moved = np.hypot(*(np.diff(tracks.drift.displacement, axis=0) - np.diff(truth.drift, axis=0)).T)
    right, total = links(tracks, truth)
    events = right_events(tracks, truth, particle)
    return (
        f"| {name} | {right} of {total} | {false} | {np.sqrt((errors**2).mean()):.2f} | {np.nanmedian(moved):.3f} "
        f"| {events} / {len(tracks.events)} / {len(truth.events)} |"
    )


def turn_about_beam(rotation: NDArray[np.float64]) -> float:
    """Return the angle in degrees by which a rotation (3, 3) turns about z."""
    return float(np.rad2deg(np.arctan2(rotation[1, 0] - rotation[0, 1], rotation[0, 0] + rotation[1, 1])))


def rotations(tracks: clustem.Tracks, truth: Truth, particle: dict[int, int], crystal: clustem.Crystal) -> str:
    """Return the errors of rotations and orientations as cells of a table."""
    found, seen = tracks.orientations, tracks.appearances
    assert found is not None
    off, whole, about = [], [], []
    for track, who in particle.items():
        rows = [k for k in np.flatnonzero(seen.track == track) if (int(seen.frame[k]), who) in truth.rotation]
        rows = [k for k in rows if np.isfinite(found.rotation[k]).all()]
        true = {k: truth.rotation[int(seen.frame[k]), who] for k in rows}
        off += [float(misorientation_deg(found.rotation[k], true[k], crystal.rotations)) for k in rows]
        for a, b in pairwise(rows):
            expected = true[b] @ true[a].T
            ways = [found.rotation[b] @ s @ found.rotation[a].T for s in crystal.rotations]
            turn = max(ways, key=np.trace)
            whole.append(float(misorientation_deg(turn, expected, [np.eye(3)])))
            about.append(abs(turn_about_beam(turn) - turn_about_beam(expected)))
    return f" {np.median(whole):.2f} / {np.median(about):.2f} | {np.median(off):.2f} of {len(off)} |"


def main() -> None:
    """Read the arguments, track every series, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", help="HDF5 files with known particles")
    parser.add_argument("--generated", type=int, default=0, help="how many generated series")
    parser.add_argument("--first", type=int, default=0, help="seed of the first generated series")
    parser.add_argument("--frames", type=int, default=50, help="of a generated series")
    parser.add_argument("--dose", type=float, default=2000, help="mean electrons per pattern")
    parser.add_argument(
        "--faint", type=int, default=0, help="every how many frames one has a tenth of the dose; 0: none"
    )
    parser.add_argument("--dense", action="store_true", help="generated particles nearly touch, many do")
    parser.add_argument("--crystal", help="CIF file of the particles in the files")
    given = parser.parse_args()
    crystal = clustem.read_crystal(given.crystal) if given.crystal else None
    columns = ["series", "links", "false tracks", "radius error", "drift error", "events"]
    columns += ["rotation error", "orientation error"] if crystal else []
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for source in [*given.files, *range(given.first, given.first + given.generated)]:
        with tempfile.TemporaryDirectory() as name:
            if isinstance(source, Path):
                truth = stored(source, given.dose, given.faint, Path(name))
            else:
                truth = generated(source, given.dose, given.faint, Path(name), given.frames, given.dense)
            known = crystal is not None and bool(truth.rotation)
            series = clustem.open_series(name, calibration=truth.calibration)
            tracks = clustem.track(series, crystals=[crystal] if crystal and known else [])
            text = row(source.stem if isinstance(source, Path) else f"seed {source}", tracks, truth)
            if crystal is not None:
                particle = names(tracks.labels, truth.identity)
                text += rotations(tracks, truth, particle, crystal) if known else " – | – |"
            print(text, flush=True)


if __name__ == "__main__":
    main()
