"""map_positions: orientation and strain of every position inside of domains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import find_objects

from clustem.averaging import Averages
from clustem.computing import in_threads
from clustem.crystallography.local_disks import LocalDisks
from clustem.crystallography.local_domain import LocalDomain, Measured
from clustem.crystallography.local_making import DomainMaker
from clustem.crystallography.orientations import Orientations
from clustem.crystallography.position_maps import PositionMaps
from clustem.crystallography.probe import Probe
from clustem.crystallography.record import Peaks
from clustem.crystallography.strain_record import Strain
from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.passes import Block, run_pass
from clustem.scan import Scan
from clustem.solving import small_products
from clustem.surveying import Survey
from clustem.surveying.statistics import survey_of

Array = NDArray[np.float64]

_STRAINS = ("e_xx", "e_yy", "e_xy", "omega")
_ANGLES = ("angle_error_in_plane_deg", "angle_error_out_of_plane_deg")


@small_products()
def map_positions(
    scan: Any,
    domains: Any,
    averages: Averages,
    peaks: Peaks,
    orientations: Orientations | None = None,
    strain: Strain | None = None,
    *,
    probe: Probe | ArrayLike | None = None,
    precession_deg: float = 0.0,
    survey: Survey | None = None,
) -> PositionMaps:
    """Refine orientation and strain at every position, from the answer for its domain.

    Parameters
    ----------
    scan : Scan, array (scan_y, scan_x, k_y, k_x), object with such `.data`, or path
    domains : Domains or (scan_y, scan_x) integer array
    averages : Averages
        Of the same domains.
    peaks : Peaks
        Of the averages.
    orientations : Orientations, optional
        From `peaks`; without them only strain is measured.
    strain : Strain, optional
        From `peaks`; without it only orientations are.
    probe : Probe or vacuum pattern, optional
        As for :func:`clustem.find_peaks`; by default a disk, as there.
    precession_deg : float
        As for :func:`clustem.match_orientations`.
    survey : Survey, optional
        Of the scan; without it the scan is surveyed first, which is one more read.

    Returns
    -------
    PositionMaps

    Raises
    ------
    InputError
        If the records do not have as many domains.

    Notes
    -----
    Each pattern is compared with the average of its domain by one linear least-squares step: by how much is each disk
    brighter, and where has it moved? Moves that grow with the distance from the beam are strain and rotation about the
    beam. Intensities are compared with those expected, dynamically if the beam is not precessed, at the thickness of
    the domain on a grid of tilts up to about 4°. Where the counts of one pattern say too little, so many
    neighbours in the domain, at most those within 3 positions, are averaged with it that the standard errors of tilt
    and strain should be 0.3° and 0.3 %; where they are above 1° and 1 % all the same, there is nothing (NaN). One
    read of the scan in blocks; 0.3 s per domain, and 0.3 ms per position.

    Examples
    --------
    >>> import clustem
    >>> scan = clustem.open_scan("clustem:film_au")
    >>> labels = np.zeros(scan.scan_shape, int)
    >>> labels[4:9, 30:38] = 1
    >>> averages = clustem.average(scan, labels)
    >>> peaks = clustem.find_peaks(averages)
    >>> strain = clustem.fit_strain(peaks, reference=1)
    >>> maps = clustem.map_positions(scan, labels, averages, peaks, strain=strain)
    >>> bool(maps.measured[4:9, 30:38].mean() > 0.9)
    True
    """
    scan = open_scan(scan)
    labels = np.asarray(getattr(domains, "labels", domains))
    _check(scan, labels, averages, peaks, orientations, strain)
    found = survey_of(scan, survey)
    maker = DomainMaker(averages, peaks, orientations, strain, precession_deg, probe)
    work = _Work(scan, labels, maker, found)
    run_pass(scan, work.process, stage="positions", working_bytes=8)
    return PositionMaps(**work.maps(), averaged=work.together, reference="" if strain is None else strain.reference)


def _check(
    scan: Scan,
    labels: NDArray[Any],
    averages: Averages,
    peaks: Peaks,
    orientations: Orientations | None,
    strain: Strain | None,
) -> None:
    if labels.shape != scan.scan_shape or labels.dtype.kind not in "iu":
        raise InputError(f"domains: expected whole numbers {scan.scan_shape}, got {labels.dtype} {labels.shape}")
    number = int(labels.max(initial=0))
    sizes = {"averages": len(averages.patterns), "peaks": peaks.number}
    sizes |= {} if orientations is None else {"orientations": orientations.number}
    sizes |= {} if strain is None else {"strain": len(strain.e_xx)}
    for name, size in sizes.items():
        if size != number:
            raise InputError(f"{name}: expected those of {number} domains as the labels have, got {size}")


@dataclass(eq=False)
class _Work:
    """Maps being filled, block after block."""

    scan: Scan
    labels: NDArray[Any]
    maker: DomainMaker
    survey: Survey
    domains: dict[int, LocalDomain] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = self.labels.shape
        self.boxes = dict(enumerate(find_objects(self.labels), 1))
        self.values = {name: np.full(shape, np.nan) for name in (*_STRAINS, *(f"{s}_error" for s in _STRAINS))}
        self.values |= {name: np.full(shape, np.nan) for name in (*_ANGLES, "score")}
        self.rotation = np.full((*shape, 3, 3), np.nan)
        self.together = np.zeros(shape, np.int32)
        self.moved = self.maker.averages.margin_px > 0
        self.parts: dict[int, Array] = {}  # values of a row that was not read to its end
        self.done: dict[int, int] = {}  # rows of each domain that are finished

    def process(self, block: Block) -> None:
        """Take in the rows of a block, and finish those that have all the rows around them."""
        if block.first == 0:
            self._begin(block)
        for y in range(block.start, block.stop):
            self._add(y, block.core[y - block.start], block.first)
        if block.last < block.scan_x:
            return
        ready = [label for label, domain in self.domains.items() if self._due(label, domain, block.stop)]

        def finish(start: int, stop: int) -> None:
            for label in ready[start:stop]:
                domain = self.domains[label]
                for y in self._due(label, domain, block.stop):
                    self._keep(y, domain.finish(y))

        in_threads(finish, len(ready))
        for label in ready:
            self.done[label] = self._due(label, self.domains[label], block.stop)[-1] + 1
            if self.done[label] == self.boxes[label][0].stop:
                del self.domains[label]

    def _begin(self, block: Block) -> None:
        """Make the domains whose first row is in the block."""
        new = [k for k, box in self.boxes.items() if box is not None and block.start <= box[0].start < block.stop]
        made: dict[int, LocalDomain | None] = {}

        def make(start: int, stop: int) -> None:
            for label in new[start:stop]:
                made[label] = self.maker.domain(label, self.boxes[label][1].start)

        in_threads(make, len(new), longest=1)
        for label in new:
            domain = made[label]
            if domain is not None:
                self.domains[label], self.done[label] = domain, self.boxes[label][0].start

    def _due(self, label: int, domain: LocalDomain, stop: int) -> range:
        """Return the rows of a domain that can be finished when all rows before `stop` are in."""
        last = self.boxes[label][0].stop
        return range(self.done[label], last if stop >= last else max(self.done[label], stop - int(domain.radius)))

    def _add(self, y: int, patterns: NDArray[Any], start: int) -> None:
        """Add patterns of a row, from column `start` on, to the domains that are there."""
        flat, stop = patterns.reshape(len(patterns), -1), start + len(patterns)
        for label, domain in self.domains.items():
            rows, columns = self.boxes[label]
            if not rows.start <= y < rows.stop or stop <= columns.start or start >= columns.stop:
                continue
            inside = self.labels[y, columns] == label
            chosen = columns.start + np.flatnonzero(inside)
            moves = self.survey.descan_px[y, chosen] if self.moved else np.zeros((len(chosen), 2))
            whole = np.rint(moves).astype(np.int64)
            here = (chosen >= start) & (chosen < stop)
            values = self._values(flat, chosen[here] - start, domain.disks, whole[here])
            known = self.parts.pop(label, None)
            values = values if known is None else np.concatenate([known, values])
            if stop < columns.stop:
                self.parts[label] = values
            else:
                domain.add(y, inside, values, moves - whole)

    def _values(
        self, flat: NDArray[Any], chosen: NDArray[np.intp], disks: LocalDisks, moves: NDArray[np.int64]
    ) -> Array:
        """Return the values of patterns at the pixels of the disks, moved by whole pixels; bad ones as expected."""
        if not moves.any():
            return flat[chosen[:, None], disks.pixels].astype(np.float64)
        height, width = self.scan.detector_shape
        y, x = (place + move[:, None] for place, move in zip(np.divmod(disks.pixels, width), moves.T, strict=True))
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        places = np.where(inside, y * width + x, 0)
        good = inside & self.survey.detector_mask.ravel()[places]
        return np.where(good, flat[chosen[:, None], places], disks.expected)

    def _keep(self, y: int, row: Measured) -> None:
        x = row.columns
        self.rotation[y, x] = row.rotation
        for n, name in enumerate(_STRAINS):
            self.values[name][y, x] = row.strain[:, n]
            self.values[f"{name}_error"][y, x] = row.strain_errors[:, n]
        for n, name in enumerate(_ANGLES):
            self.values[name][y, x] = np.rad2deg(row.errors[:, n])
        self.values["score"][y, x] = row.score
        known = np.isfinite(row.strain[:, 0]) | np.isfinite(row.rotation[:, 0, 0])
        self.together[y, x] = np.where(known, row.together, 0)

    def maps(self) -> dict[str, Any]:
        """Return the maps by name."""
        return {**self.values, "rotation": self.rotation}
