"""Small files of formats on HDF5 and Zarr, laid out as their programs do; counts are (scan_y, scan_x, k_y, k_x)."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import zarr

from .samples import COUNTS, flat

GUIDS = ("18d9446f-22bf-4fb1-8d13-338174e75d20", "3526f008-a687-41fb-a21e-c21362241492")


def write_fpd(path, counts=COUNTS, *, colours=1):
    with h5py.File(path, "w") as file:
        group = file.create_group("fpd_expt/fpd_data")
        stacked = np.stack([counts + k for k in range(colours)], axis=2).astype(">u2")
        group.create_dataset("data", data=stacked, chunks=(1, 1, 1, 8, 8), compression="gzip")
        for k, name in enumerate(("scanY", "scanX", "colour", "detY", "detX"), start=1):
            group[f"dim{k}"] = np.arange(stacked.shape[k - 1])
            group[f"dim{k}"].attrs.update({"name": name, "units": "pixel"})
        file["fpd_expt/fpd_sum_im/data"] = counts.sum(axis=(2, 3))[..., None]
    return path


def velox_text(unit, size):
    return {
        "Optics": {"AccelerationVoltage": "200000"},
        "BinaryResult": {
            "PixelSize": {"width": size, "height": size},
            "PixelUnitX": unit,
            "PixelUnitY": unit,
        },
    }


def write_velox(path, counts=COUNTS, *, unit="1/m", size="2.0E+8", stacks=1):
    frames = np.moveaxis(flat(counts), 0, -1)
    text = np.zeros((4000, frames.shape[2]), np.uint8)
    content = json.dumps(velox_text(unit, size)).encode()
    text[: len(content)] = np.frombuffer(content, np.uint8)[:, None]
    with h5py.File(path, "w") as file:
        file["Version"] = [b'{"format":"Velox","version":"1.8"}']
        for k in range(stacks):
            group = file.create_group(f"Data/Image/{k:032x}")
            group.create_dataset("Data", data=frames, chunks=(8, 8, 1))
            group["Metadata"] = text
        group = file.create_group(f"Data/Image/{99:032x}")
        group["Data"] = frames[..., :1]
    return path


def app5_text(y, x, scale=1e-4):
    axis = f"<Offset>-0.0004</Offset><Scale>{scale}</Scale><Type><Index>2</Index><Text>Angle</Text></Type>"
    return (
        '<?xml version="1.0" encoding="utf-16"?><Metadata><Calibration><X>'
        + axis
        + "</X><Y>"
        + axis
        + "</Y></Calibration>"
        "<Metadata><Item><Name>RequestedBeamPosition</Name><Value Serializer='ImagePositionSerializer'>"
        f"<X>{x!r}</X><Y>{y!r}</Y></Value></Item></Metadata></Metadata>"
    )


def write_app5(path, counts=COUNTS, *, snake=False, step=(4e-9, 3e-9), scans=1, positions=True):
    """Write a TopSpin file; positions turn round in every second row if `snake`."""
    with h5py.File(path, "w") as file:
        for scan in range(scans):
            group = file.create_group(f"{GUIDS[0]}/{GUIDS[1][:-1]}{scan}")
            for k, frame in enumerate(flat(counts)):
                y, x = divmod(k, counts.shape[1])
                x = counts.shape[1] - 1 - x if snake and y % 2 else x
                group[f"{k}/Data"] = frame.astype("f4")
                text = app5_text(1e-7 + step[0] * y, -2e-7 + step[1] * x) if positions else "<Metadata/>"
                group[f"{k}/Metadata"] = np.bytes_(text.encode())
        session = "<Metadata><Item><Name>HighVoltage</Name><Value Serializer='Double'>300000</Value></Item></Metadata>"
        file[f"{GUIDS[0]}/Metadata"] = np.bytes_(session.encode())
        file[f"{GUIDS[0]}/b0212ada-90b1-4117-8ed5-355717e4910b"] = np.zeros((8, 6))
    return path


def write_ncem(path, counts=COUNTS):
    """Write EMD 0.2, whose dimensions count from 1."""
    with h5py.File(path, "w") as file:
        group = file.create_group("data/scan")
        group.attrs["emd_group_type"] = 1
        group.create_dataset("data", data=counts, chunks=(1, 1, 8, 8))
        for k, (unit, step) in enumerate(
            (("[n_m]", 2.0), ("[n_m]", 2.0), ("[n_m^-1]", 0.5), ("[n_m^-1]", 0.5)), start=1
        ):
            group[f"dim{k}"] = np.arange(counts.shape[k - 1]) * step
            group[f"dim{k}"].attrs["units"] = np.bytes_(unit)
    return path


def write_hspy(path, counts=COUNTS):
    with h5py.File(path, "w") as file:
        group = file.create_group("Experiments/scan")
        group.create_dataset("data", data=counts, chunks=(1, 4, 8, 8), compression="gzip")
        for k, (unit, scale) in enumerate((("nm", 2.0), ("nm", 2.0), ("1/nm", 0.5), ("1/nm", 0.5))):
            axis = group.create_group(f"axis-{k}")
            axis.attrs.update({"scale": scale, "units": unit, "offset": 0.0, "size": counts.shape[k]})
        group.create_group("metadata/Acquisition_instrument/TEM").attrs["beam_energy"] = 200.0
    return path


def write_master(path, counts=COUNTS):
    """Write a DECTRIS master, its two data files, and the side file with the scan shape; `path` ends in _master.h5."""
    stem = path.name.removesuffix("_master.h5")
    frames = flat(counts).astype(np.uint32)
    with h5py.File(path, "w") as master:
        for number, part in enumerate((frames[:5], frames[5:]), start=1):
            name = f"{stem}_data_{number:06}.h5"
            with h5py.File(path.with_name(name), "w") as file:
                file.create_dataset(
                    "entry/data/data", data=part, chunks=(1, 8, 8), **hdf5plugin.Bitshuffle(cname="lz4")
                )
            master[f"entry/data/data_{number:06}"] = h5py.ExternalLink(name, "/entry/data/data")
        specific = master.create_group("entry/instrument/detector/detectorSpecific")
        specific["photon_energy"] = 300e3
        specific["pixel_mask"] = np.zeros((8, 8), np.uint32)
    with h5py.File(path.with_name(f"{stem}.h5"), "w") as file:
        about = file.create_group("STEM Metadata").attrs
        about.update({"NumPixelsY": counts.shape[0], "NumPixelsX": counts.shape[1], "High Tension": [300000.0]})
    return path


def write_zarr(path, counts=COUNTS):
    array = zarr.open_array(str(path), mode="w", shape=counts.shape, chunks=(2, 4, 8, 8), dtype=counts.dtype)
    array[:] = counts
    return path


def write_hierarchical(folder: Path) -> list[Path]:
    """Write one file of every format on HDF5 and Zarr; return those to open."""
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "plain.h5", "w") as file:
        file["counts"] = COUNTS
    return [
        folder / "plain.h5",
        write_fpd(folder / "fpd.hdf5"),
        write_velox(folder / "velox.emd", COUNTS[:, :3]),
        write_app5(folder / "topspin.app5"),
        write_ncem(folder / "ncem.emd"),
        write_hspy(folder / "hyperspy.hspy"),
        write_master(folder / "arina_master.h5"),
        write_zarr(folder / "store.zarr"),
    ]
