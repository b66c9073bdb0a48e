"""HDF5 files of the fpd package (Merlin and Medipix at Glasgow): (scan_y, scan_x, colour, k_y, k_x)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from clustem.errors import InputError
from clustem.formats.assembly import array_scan
from clustem.formats.chunks import checked
from clustem.formats.contract import Format, Options
from clustem.formats.hdf5 import is_hdf5, open_hdf5
from clustem.formats.hdf5_tree import check_readable, hdf5_holds, open_hdf5_file
from clustem.formats.heaps import heap_checks
from clustem.formats.layouts import stored_calibration
from clustem.formats.stacks import Selected
from clustem.scan import Scan

_DATASET = "fpd_expt/fpd_data/data"


def is_fpd(path: Path) -> bool:
    """Return whether a file is HDF5 with fpd's group in it."""
    return is_hdf5(path) and hdf5_holds(path, lambda file: _DATASET in file)


def open_fpd(path: Path, options: Options) -> Scan:
    """Open the patterns of an fpd file lazily; of several colours (thresholds, energies), `options.frame` is taken.

    Raises
    ------
    InputError
        If the file is damaged, or has several colours and none is chosen.
    """
    if options.dataset is not None and options.dataset.strip("/") != _DATASET:
        return open_hdf5(path, options)
    file = open_hdf5_file(path)
    with heap_checks() as checks:
        data = checks.node(file, _DATASET)
        check_readable(data, path)
        nodes = [checks.twin(data), checks.twin(data.parent)]
        calibration, notes = stored_calibration(nodes, data.shape, options.energy_keV)
    if len(data.shape) != 5:
        return open_hdf5(path, replace(options, dataset=_DATASET))
    colours, colour = data.shape[2], options.frame
    if (colour is None and colours != 1) or (colour or 0) >= colours:
        raise InputError(
            f"{path.name}: holds {colours} colours (thresholds or energies) of every pattern; "
            f"choose one with frame=0 … {colours - 1}"
        )
    return array_scan(
        Selected(checked(data), 2, colour or 0),
        replace(options, frame=None),
        name=path.name,
        path=path,
        dataset="/" + _DATASET,
        chunks=data.chunks and (*data.chunks[:2], *data.chunks[3:]),
        calibration=calibration,
        assumptions=notes,
    )


FORMAT = Format(
    "fpd HDF5",
    (".hdf5",),
    is_fpd,
    open_fpd,
    ("scan_shape", "dataset"),
    calibration="–",
)
