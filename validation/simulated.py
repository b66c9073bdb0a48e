"""Simulated scans whose domains are known: anyone can make them again, the same bytes from the same seed.

    python validation/simulated.py KIND OUT.h5 [--seed 0] [--dose 2000] [--background 5] [--shape 64 64 64 64]
                                   [--recording descan …]

KIND is one of `KINDS` in `simulated_kinds.py`; `--list` describes them. OUT is an HDF5 file, with a group `frame000` of
`counts` (scan_y, scan_x, k_y, k_x) and `labels` (scan_y, scan_x), the connected true domains 1..K, 0 = no crystal;
`grain[label]` is a row of `rotation`, which takes crystal vectors to the sample. With the ending .npy it is the counts
alone, of any size, with the labels beside it in a file of ending `.labels.npy`. Grains scatter by the two-beam formula
(`simulated_crystals.py`); the probe, σ = 0.7 positions, mixes the patterns at boundaries; counts are Poisson counts.

In Python: `make("twins", seed=1, dose=500).counts`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from simulated_crystals import Optics
from simulated_kinds import KINDS, crystals_of
from simulated_maps import domains
from simulated_patterns import Exposure
from simulated_recordings import RECORDINGS

ROWS = 16
"""Rows of the scan that are made at once."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Patterns with the truth: connected domains 1..K, 0 = no crystal, and the rotation (K, 3, 3) of each.

    `grain` (K,) says which grain a domain belongs to, from 0; grains have the same pattern wherever they are.
    """

    counts: NDArray[Any]
    labels: NDArray[np.int32]
    rotations: NDArray[np.float64] | None
    name: str
    grain: NDArray[np.int64]
    optics: Optics


def prepare(
    kind: str,
    *,
    seed: int = 0,
    dose: float | None = None,
    background: float = 0.0,
    shape: Sequence[int] | None = None,
) -> Exposure:
    """Return a scan of which rows can be drawn as they are wanted; arguments as of `make`."""
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}, but should be one of {', '.join(KINDS)}")
    asked = KINDS[kind]
    scan_y, scan_x, k_y, k_x = shape or asked.shape
    optics = Optics((k_y, k_x), energy_keV=asked.energy_keV)
    random = np.random.default_rng((seed, sum(map(ord, kind))))
    source = asked.build((scan_y, scan_x), optics, random)
    return Exposure(source, asked.dose if dose is None else dose, background, seed)


def make(
    kind: str,
    *,
    seed: int = 0,
    dose: float | None = None,
    background: float = 0.0,
    shape: Sequence[int] | None = None,
    recordings: Sequence[str] = (),
) -> Scene:
    """Make a scene.

    Parameters
    ----------
    kind
        One of `KINDS`.
    seed
        Of grains, orientations and noise. Same arguments, same bytes.
    dose
        Mean electrons per pattern, the background not counted; that of the kind if not given.
    background
        Diffuse background at every position, in multiples of what is scattered out of the direct beam, in the mean of
        the scan. It is added to the dose.
    shape
        (scan_y, scan_x, k_y, k_x); that of the kind if not given.
    recordings
        Names from `RECORDINGS`, applied in this order after those of the kind. Of "transposed", the axes of scan and
        detector exchanged, the labels are transposed as well; rotations are not known in that frame, which is a mirror
        image.

    Examples
    --------
    >>> make("film", dose=300, shape=(8, 8, 32, 32)).counts.shape
    (8, 8, 32, 32)
    """
    return make_of(prepare(kind, seed=seed, dose=dose, background=background, shape=shape), kind, recordings)


def make_of(exposure: Exposure, kind: str, recordings: Sequence[str] = ()) -> Scene:
    """Make a scene of a kind from what was prepared."""
    counts: NDArray[Any] = np.empty((*exposure.source.shape, *exposure.source.optics.detector), np.uint16)
    for rows, block in exposure.blocks(ROWS):
        counts[rows] = block
    names = (*KINDS[kind].recordings, *recordings)
    for name in names:
        counts = RECORDINGS[name](counts, exposure.seed)
    labels, grain = domains(exposure.source.grain)
    mirrored = names.count("transposed") % 2 == 1
    known = len(grain) > 0 and not mirrored
    rotations = crystals_of(exposure.source)[1][grain - 1] if known else None
    return Scene(counts, labels.T if mirrored else labels, rotations, kind, grain - 1, exposure.source.optics)


def write_hdf5(path: Path, scene: Scene, **attributes: float) -> None:
    """Write a scene as the scripts in this folder read it."""
    with h5py.File(path, "w") as file:
        file.attrs.update(
            {"scene": scene.name, "energy_keV": scene.optics.energy_keV, "semiangle_mrad": scene.optics.semiangle_mrad}
        )
        file.attrs.update(attributes)
        group = file.create_group("frame000")
        group.attrs["inv_angstrom_per_px"] = scene.optics.inv_angstrom_per_px
        group.attrs["centre_px"] = scene.optics.centre_px[0]
        chunks = (1, min(16, scene.counts.shape[1]), *scene.counts.shape[2:])
        group.create_dataset("counts", data=scene.counts, chunks=chunks, compression="gzip", compression_opts=1)
        group["labels"] = scene.labels
        if scene.rotations is not None:
            group["grain"] = np.concatenate([[-1], scene.grain]).astype(np.int32)
            rotation = np.zeros((scene.grain.max() + 1, 3, 3))
            rotation[scene.grain] = scene.rotations
            group["rotation"] = rotation


def write_npy(path: Path, kind: str, exposure: Exposure) -> None:
    """Write the counts of a scan, which may be larger than memory, row by row, and its labels beside them."""
    if KINDS[kind].recordings:
        raise ValueError(f"{kind} is recorded as a whole: write it to an HDF5 file")
    shape = (*exposure.source.shape, *exposure.source.optics.detector)
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint16, shape=shape)
    for rows, block in exposure.blocks(ROWS):
        file[rows] = block
    file.flush()
    np.save(path.with_suffix(".labels.npy"), domains(exposure.source.grain)[0])


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = result.add_argument
    add("kind", choices=KINDS, nargs="?")
    add("out", type=Path, nargs="?", help="a file with the ending .h5 or .npy")
    add("--seed", type=int, default=0)
    add("--dose", type=float, help="mean electrons per pattern")
    add("--background", type=float, default=0.0, help="in multiples of what is scattered out of the direct beam")
    add("--shape", type=int, nargs=4, help="scan_y scan_x k_y k_x")
    add("--recording", nargs="+", choices=RECORDINGS, default=[])
    add("--list", action="store_true", help="describe the kinds")
    return result


def main() -> None:
    """Make what the command line asks for."""
    arguments = parser().parse_args()
    if arguments.list:
        lines = {name: (kind.build.__doc__ or "").splitlines()[0] for name, kind in KINDS.items()}
        print(json.dumps(lines, indent=1, ensure_ascii=False))
        return
    if arguments.kind is None or arguments.out is None:
        parser().error("a kind and a file are needed")
    asked: dict[str, Any] = {name: getattr(arguments, name) for name in ("seed", "dose", "background", "shape")}
    if arguments.out.suffix == ".npy":
        write_npy(arguments.out, arguments.kind, prepare(arguments.kind, **asked))
        return
    scene = make(arguments.kind, **asked, recordings=arguments.recording)
    write_hdf5(arguments.out, scene, seed=arguments.seed, background=arguments.background)


if __name__ == "__main__":
    main()
