"""`track`: domains followed through a series."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.crystallography import Crystal, Probe
from clustem.errors import InputError
from clustem.passes import tell_progress
from clustem.segmentation import Border, check_blur
from clustem.series.assembling import assemble
from clustem.series.drift import Drift, find_drift
from clustem.series.fragments import absorb_fragments
from clustem.series.frames import MeasuredFrame, is_undivided, measure_anew, measure_frame, without_domains
from clustem.series.keeping import Store, key_of, made_of
from clustem.series.linking import Links, link
from clustem.series.observed import Comparisons, Observed
from clustem.series.opening import open_series
from clustem.series.options import FrameOptions, OrientingOptions, mask_of
from clustem.series.orienting import OrientedFrame, orient_frame, orient_tracks
from clustem.series.record import Series
from clustem.series.refining import Candidates, RefinedFrame, prospects, refine_frame
from clustem.series.touching import Likeness, divide_touching
from clustem.series.tracks import Tracks

_LOG = logging.getLogger(__name__)
_IN_MEMORY = 8  # measured frames that are held at a time


def track(
    series: Any,
    *,
    folder: str | Path | None = None,
    method: Literal["noise-aware", "published"] = "noise-aware",
    similarity: float = 0.2,
    threshold: float | None = None,
    smooth_sigma: float = 0.0,
    detector_mask: ArrayLike | str | Path | None = None,
    scan_mask: ArrayLike | str | Path | None = None,
    min_size: int = 5,
    border: Border = "full",
    prefilter: bool = False,
    centre: bool = True,
    gain: float | None = None,
    offset: float | None = None,
    read_noise: float | None = None,
    crystals: Crystal | Sequence[Crystal] = (),
    probe: Probe | None = None,
    precession_deg: float = 0.0,
    strain_reference: Literal["crystal", "median"] | None = None,
) -> Tracks:
    """Follow domains through a series of scans.

    Parameters
    ----------
    series : Series, or whatever :func:`clustem.open_series` takes
    folder : path, optional
        Where finished frames are kept. Called again with the same folder, for the same series or one with more frames,
        only what is missing is computed, and the result is the same as if it had been computed at once. With other
        options, what they change is computed anew. Without it they are in a temporary folder.
    method, similarity, threshold, smooth_sigma, border, prefilter
        Of the segmentation of every frame by itself, as for :func:`clustem.segment`; there is no method ``"labels"``.
    detector_mask : bool array, image file, or word, optional
        As for :func:`clustem.run`. Patterns of different frames are compared in the same pixels.
    scan_mask : bool array, image file, or word, optional
        As for :func:`clustem.run`, the same positions of every scan, whatever the drift. No domain reaches beyond it.
    min_size : int
        As for :func:`clustem.segment`. Where a particle is known from other frames, it may be smaller.
    centre : bool
        As for :func:`clustem.average`.
    gain, offset, read_noise : float, optional
        As for :func:`clustem.survey`.
    crystals : Crystal or sequence of Crystal
        The candidate phases. With them, orientation and strain of every track are measured in every frame, and the
        series must be calibrated (pixel size and energy). About 1 s per track and frame.
    probe : Probe, optional
        As for :func:`clustem.find_peaks`.
    precession_deg : float
        As for :func:`clustem.match_orientations`.
    strain_reference : {"crystal", "median"}, optional
        What strain is relative to: the cell of the crystal, or the median of the domains of the same frame, as for
        :func:`clustem.fit_strain`.

    Returns
    -------
    Tracks

    Raises
    ------
    InputError
        If no frame can be read, the folder cannot be written to, or an option is out of range, belongs to another
        method, or has no effect without crystals.

    Notes
    -----
    Each frame is segmented by itself; domains whose mean pattern depends only on the radius are left out. Frames are
    put in place by the drift of their scan images, domains of different frames are linked by place, outline and
    pattern, which may be rotated; particles that touch are told apart with the frames before and after; then every
    frame is looked at once more with the patterns that the frames around it tell. docs/series.md says how.

    Memory is that of one frame, beside mean patterns and label images. Every frame is read about nine times, those
    around merges and splits some times more.

    Examples
    --------
    >>> import numpy as np
    >>> import clustem
    >>> film = np.asarray(clustem.open_scan("clustem:film_au"))[:16, :16]
    >>> tracks = clustem.track([film, film])
    >>> tracks.labels.shape, tracks.table["length"].unique().tolist()
    ((2, 16, 16), [2])
    """
    opened = series if isinstance(series, Series) else open_series(series)
    options = FrameOptions(
        method=method,
        similarity=similarity,
        threshold=threshold,
        smooth_sigma=smooth_sigma,
        detector_mask=mask_of(detector_mask, opened.shape[3:], "detector_mask"),
        scan_mask=mask_of(scan_mask, opened.shape[1:3], "scan_mask"),
        min_size=min_size,
        border=border,
        prefilter=prefilter,
        centre=centre,
        gain=gain,
        offset=offset,
        read_noise=read_noise,
    )
    check_blur(options.smooth_sigma, opened.shape[3:])
    phases = (crystals,) if isinstance(crystals, Crystal) else tuple(crystals)
    orienting = OrientingOptions(phases, probe, precession_deg, strain_reference)
    _check_calibration(opened, phases)
    with _store(folder) as store:
        return _Run(opened, store, options).result(orienting)


def _check_calibration(series: Series, crystals: tuple[Crystal, ...]) -> None:
    calibration = series.calibration
    if crystals and (calibration.inv_angstrom_per_px is None or calibration.energy_keV is None):
        name = "inv_angstrom_per_px" if calibration.inv_angstrom_per_px is None else "energy_keV"
        raise InputError(f"crystals: orientations need a calibrated {name}; give it with calibration=Calibration(…)")


@contextmanager
def _store(folder: str | Path | None) -> Iterator[Store]:
    if folder is not None:
        path = Path(folder)
        if path.exists() and not path.is_dir():
            raise InputError(f"folder: {path} is a file; expected a folder, or a name for a new one")
        yield Store(path)
        return
    with tempfile.TemporaryDirectory(prefix="clustem-") as name:
        yield Store(Path(name))


class _Run:
    """The steps of one call, with what they share."""

    def __init__(self, series: Series, store: Store, options: FrameOptions) -> None:
        self.series, self.store, self.options = series, store, options
        self.warnings = list(series.warnings)
        self.keys: dict[int, str] = {}
        self.undivided: set[int] = set()
        self.divided: dict[int, NDArray[np.int32]] = {}
        self.frame = lru_cache(_IN_MEMORY)(self._frame)

    def result(self, orienting: OrientingOptions) -> Tracks:
        """Return the tracks, oriented if there are crystals."""
        observed, images = self._observe()
        drift = find_drift(images)
        if drift.unseen:
            self.warnings.append(
                f"drift: {drift.unseen} frames show nothing that can be registered; theirs is taken from those around, "
                "or is 0"
            )
            _LOG.warning(self.warnings[-1])
        links, whole = absorb_fragments(link(observed, drift), observed)
        if self._divide_touching(links, drift, observed):
            links, whole = absorb_fragments(link(observed, drift), observed)
        comparisons = Comparisons(whole, drift)
        finals = []
        for time in range(len(self.series)):
            tell_progress("joint evidence", time, len(self.series))
            finals.append(self._refine(time, links, comparisons))
        tell_progress("joint evidence", len(self.series), len(self.series))
        series = replace(self.series, warnings=tuple(self.warnings))
        tracks, identities = assemble(series, links, drift, _Finals(self.store, finals))
        for kind in (RefinedFrame, Likeness):
            self.store.remove_unused(kind)
        if orienting.crystals:
            tracks = self._oriented(tracks, identities, finals, orienting)
        return replace(tracks, fingerprint=made_of(*(self.keys.get(time) for time in range(len(series)))))

    def _oriented(
        self,
        tracks: Tracks,
        identities: list[NDArray[np.int64] | None],
        finals: list[_Final | None],
        orienting: OrientingOptions,
    ) -> Tracks:
        calibration = self.series.calibration

        def oriented(time: int) -> OrientedFrame:
            tell_progress("orientations", time, len(finals))
            final = finals[time]
            assert final is not None
            make = partial(self._orient, final.key, orienting)
            return self.store.get(OrientedFrame, made_of(final.key, calibration, *orienting.parts()), make)

        found, warnings = orient_tracks(tracks.appearances, identities, oriented, orienting, calibration)
        tell_progress("orientations", len(finals), len(finals))
        self.store.remove_unused(OrientedFrame)
        return replace(tracks, orientations=found, warnings=(*tracks.warnings, *warnings))

    def _orient(self, key: str, orienting: OrientingOptions) -> OrientedFrame:
        return orient_frame(self.store.kept(RefinedFrame, key).measured, self.series.calibration, orienting)

    def _key(self, time: int) -> str:
        """Return the key of a frame as it is measured with the options."""
        return made_of(self.keys[time], *self.options.parts())

    def _frame(self, time: int) -> MeasuredFrame:
        if time in self.divided:
            return self._divided(time)
        kept = self._alone(time)
        return without_domains(kept) if time in self.undivided else kept

    def _alone(self, time: int) -> MeasuredFrame:
        """Return a frame as it is segmented by itself."""
        return self.store.get(MeasuredFrame, self._key(time), lambda: measure_frame(self.series[time], self.options))

    def _divided(self, time: int) -> MeasuredFrame:
        """Return a frame with domains that were divided."""
        labels = self.divided[time]
        return self.store.get(MeasuredFrame, made_of(self._key(time), labels), lambda: self._with_domains(time, labels))

    def _with_domains(self, time: int, labels: NDArray[np.int32]) -> MeasuredFrame:
        return measure_anew(self.series[time], self._alone(time), labels, self.options)

    def _likeness(self, time: int, labels: NDArray[np.int32], one: int, other: int) -> Likeness:
        """Return how alike two domains of a frame are that is divided like this."""

        def make() -> Likeness:
            return Likeness.of(self._with_domains(time, labels).polar(), one, other)

        return self.store.get(Likeness, made_of(self._key(time), labels, one, other), make)

    def _observe(self) -> tuple[list[Observed | None], NDArray[np.float64]]:
        """Return what is compared of every frame, and scan images (time, scan_y, scan_x), NaN for gaps."""
        images = np.full(self.series.shape[:3], np.nan)
        observed: list[Observed | None] = []
        for time, entry in enumerate(self.series.frames):
            tell_progress("frames", time, len(self.series))
            observed.append(None)
            if entry.open is None:
                continue
            try:
                self.keys[time] = key_of(self.series[time])
                frame = self.frame(time)
            except InputError as error:
                self.keys.pop(time, None)
                self.warnings.append(f"frame {time} ({entry.name}) is a gap: {error}")
                _LOG.warning(self.warnings[-1])
                continue
            images[time] = frame.image
            observed[time] = Observed(frame.labels, frame.polar())
            _LOG.info("frame %d: %d domains", time, frame.number)
        tell_progress("frames", len(self.series), len(self.series))
        if not self.keys:
            raise InputError(f"{self.series.name}: no frame can be read; the first: {self.warnings[0]}")
        self._leave_undivided(observed)
        return observed, images

    def _leave_undivided(self, observed: list[Observed | None]) -> None:
        """Take frames that could not be divided for empty, if most could."""
        numbers = [len(seen) for seen in observed if seen is not None]
        self.undivided = {t for t in self.keys if np.median(numbers) >= 2 and is_undivided(self.frame(t))}
        self.frame.cache_clear()
        for time in self.undivided:
            frame = self.frame(time)
            observed[time] = Observed(frame.labels, frame.polar())

    def _divide_touching(self, links: Links, drift: Drift, observed: list[Observed | None]) -> bool:
        """Divide domains that hold two particles, and return whether there are any."""
        self.divided = divide_touching(links, drift, self.frame, self._likeness)
        self.frame.cache_clear()
        for time in self.divided:
            frame = self.frame(time)
            observed[time] = Observed(frame.labels, frame.polar())
        return bool(self.divided)

    def _refine(self, time: int, links: Links, comparisons: Comparisons) -> _Final | None:
        """See to it that a frame with its final domains is kept, and return where; None for a gap."""
        if time not in self.keys:
            return None
        bounded = {(event.children[-1], "split") for event in links.events if event.kind == "split"}
        bounded |= {(event.parents[-1], "merge") for event in links.events if event.kind == "merge"}
        chosen = prospects(links.chains, time, len(self.series) - 1, bounded)
        frame = self.frame(time)
        candidates = Candidates(links.chains, comparisons, self.frame).make(time, chosen)
        key = made_of(self._key(time), *(part for c in candidates for part in (c.mask, c.seen, c.template, c.members)))
        self.store.get(RefinedFrame, key, lambda: refine_frame(self.series[time], frame, candidates, self.options))
        return _Final(key, np.array([prospect.chain for prospect in chosen], np.int64))


@dataclass(frozen=True, eq=False)
class _Final:
    """Where a frame with its final domains is kept, and the chain of each of its candidates."""

    key: str
    chains: NDArray[np.int64]


class _Finals(Sequence[RefinedFrame | None]):
    """Frames with their final domains, whose candidates are numbers of chains, read as they are needed."""

    def __init__(self, store: Store, finals: list[_Final | None]) -> None:
        self.store, self.finals = store, finals

    def __len__(self) -> int:
        return len(self.finals)

    def __getitem__(self, time: Any) -> Any:
        final = self.finals[time]
        if final is None:
            return None
        refined = self.store.kept(RefinedFrame, final.key)
        return replace(refined, candidates=final.chains[refined.candidates])
