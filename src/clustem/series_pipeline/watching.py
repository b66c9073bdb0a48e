"""watch: a series that is still being recorded, followed as its files arrive."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike, DTypeLike

from clustem.calibration import Calibration
from clustem.crystallography import Crystal
from clustem.errors import InputError, MissingFileError
from clustem.formats import open_scan
from clustem.interruption import end_if_interrupted
from clustem.recipe import given_options
from clustem.results import SeriesResults, check_output
from clustem.series import refuse_results, scans_in, seconds_in
from clustem.series_pipeline.recipe import SeriesRecipe
from clustem.series_pipeline.running import checked_recipe, run_given

_LOG = logging.getLogger(__name__)

_MASTER = "_master."
_State = tuple[tuple[str, int, int], ...]  # name, size and time of change of the files that make a frame


def watch(
    folder: str | Path,
    *,
    output: str | Path,
    force: bool = False,
    method: str | None = None,
    similarity: float | None = None,
    threshold: float | None = None,
    smooth_sigma: float | None = None,
    detector_mask: ArrayLike | str | Path | None = None,
    scan_mask: ArrayLike | str | Path | None = None,
    min_size: int | None = None,
    border: str | None = None,
    prefilter: bool | None = None,
    centre: bool | None = None,
    gain: float | None = None,
    offset: float | None = None,
    read_noise: float | None = None,
    crystal: str | Path | Crystal | Sequence[str | Path | Crystal] | None = None,
    probe: ArrayLike | str | Path | None = None,
    precession_deg: float | None = None,
    strain_reference: str | None = None,
    time_step: float | str | None = None,
    dataset: str | None = None,
    scan_shape: tuple[int, int] | None = None,
    detector_shape: tuple[int, int] | None = None,
    dtype: DTypeLike | None = None,
    snake: bool | None = None,
    flyback: int | None = None,
    calibration: Calibration | None = None,
    until: int | None = None,
    idle: float | str | None = None,
    interval: float | str = 2.0,
    notice: Callable[[SeriesResults], None] | None = None,
) -> SeriesResults:
    """Follow domains through a series whose files are still arriving in a folder.

    Parameters
    ----------
    folder : path
        It may be empty at first.
    output : path
        The results folder; it is replaced as a whole whenever there are new frames.
    force : bool
        Whether a results folder that exists already is replaced.
    method, similarity, threshold, smooth_sigma, detector_mask, scan_mask, min_size, border, prefilter, centre
        As for :func:`clustem.run_series`, as are all up to `calibration`.
    gain, offset, read_noise, crystal, probe, precession_deg, strain_reference
        How every frame is measured.
    time_step, dataset, scan_shape, detector_shape, dtype, snake, flyback, calibration
        How every frame is opened.
    until : int, optional
        Number of frames after which it ends.
    idle : float or str, optional
        It ends after so long without any change in the folder, in seconds or with a unit as ``"60s"``. Files that
        still cannot be opened then are gaps.
    interval : float or str
        Time between two looks into the folder.
    notice : callable, optional
        Is given the results after every update.

    Returns
    -------
    SeriesResults
        Of the last update.

    Raises
    ------
    InputError
        If an argument is not usable, or `idle` went by without any frame.
    OutputError
        If the results cannot be written.

    Notes
    -----
    A file whose size or time of change differs between two looks, or that cannot be opened, is still being written: it
    waits. Every update costs the new frames, and what is measured anew of those near them, see
    :func:`clustem.run_series`. Without `until` and `idle` it ends by an interruption (Ctrl-C).
    """
    options = given_options(locals())
    if until is not None and (isinstance(until, bool) or until < 1):
        raise InputError(f"until: expected a number of frames, 1 or more, got {until!r}")
    pause, longest = seconds_in(interval), None if idle is None else seconds_in(idle)
    place = Path(folder)
    if not place.is_dir():
        raise MissingFileError(f"{place}: there is no such folder; check the path, seen from {Path.cwd()}")
    refuse_results(place)
    if time_step is not None:
        options["time_step"] = seconds_in(time_step)
    images = {"detector_mask": detector_mask, "scan_mask": scan_mask}
    recipe = checked_recipe(SeriesRecipe(), options, images, crystal=crystal, probe=probe)
    check_output(Path(output), force=force)
    follower = _Follower(place, recipe.frames.opening())
    results: SeriesResults | None = None

    def update(paths: list[Path]) -> SeriesResults:
        again = force or results is not None
        found = run_given(paths, options, images, crystal=crystal, probe=probe, output=output, force=again)
        if notice is not None:
            notice(found)
        return found

    taken: list[Path] = []
    while True:
        ready = follower.look()
        ready = ready if until is None else ready[:until]
        if ready and ready != taken:
            results, taken = update(ready), ready
        if until is not None and results is not None and len(taken) >= until:
            return results
        if longest is not None and follower.quiet_s >= longest:
            break
        end_if_interrupted()
        time.sleep(pause)
    if results is None:
        raise InputError(f"{place.name}: no scan that can be opened arrived in {longest:g} s; check the folder")
    return update(follower.waiting_too(taken)) if follower.waiting_too(taken) != taken else results


@dataclass(eq=False)
class _Follower:
    """What is known of the files in a folder: how they looked last, and whether they can be opened as they are."""

    folder: Path
    options: dict[str, Any]
    states: dict[Path, _State] = field(default_factory=dict)
    opened: dict[Path, _State] = field(default_factory=dict)
    changed: float = field(default_factory=time.monotonic)

    @property
    def quiet_s(self) -> float:
        """Seconds since anything in the folder was seen to change."""
        return time.monotonic() - self.changed

    def look(self) -> list[Path]:
        """Return the files that are whole, in natural order: unchanged since the last look, and to be opened."""
        states = {path: self._state(path) for path in scans_in(self.folder)}
        settled = [path for path, state in states.items() if self.states.get(path) == state]
        if states != self.states:
            self.changed = time.monotonic()
        self.states = states
        return [path for path in settled if self._opens(path)]

    def waiting_too(self, taken: list[Path]) -> list[Path]:
        """Return all files, if there are more than those that were taken."""
        return list(self.states) if len(self.states) > len(taken) else taken

    def _state(self, path: Path) -> _State:
        """Return sizes and times of a file, and of those that it is the master of."""
        stem = path.name.partition(_MASTER)[0] if _MASTER in path.name else None
        paths = [path] if stem is None or not path.is_file() else sorted(path.parent.glob(f"{stem}_*"))
        states = []
        for one in paths:
            try:
                details = one.stat()
            except OSError:
                continue
            states.append((one.name, details.st_size, details.st_mtime_ns))
        return tuple(states)

    def _opens(self, path: Path) -> bool:
        if self.opened.get(path) == self.states[path]:
            return True
        try:
            open_scan(path, **self.options)
        except (InputError, OSError) as error:
            _LOG.info("%s waits: %s", path.name, error)
            return False
        self.opened[path] = self.states[path]
        return True
