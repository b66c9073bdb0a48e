"""What is expected of the files of vendors: shape, type, calibration and values, or the refusal with its remedy.

The values come from independent reads: raw bytes at places that are written here as numbers, or h5py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the filters)
import numpy as np
from numpy.typing import NDArray

Values = Callable[[Path], NDArray[Any]]


@dataclass(frozen=True)
class Opens:
    """A file that opens, with these options."""

    file: str
    shape: tuple[int, int, int, int]
    dtype: str
    values: Values
    calibration: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refused:
    """A file that is refused, with these words in the message."""

    file: str
    words: str
    options: dict[str, Any] = field(default_factory=dict)


def raw(dtype: str, shape: tuple[int, ...], *, skip: int = 0, before: int = 0, after: int = 0) -> Values:
    """Return a read of frames of raw bytes; `shape` are those of the result."""

    def read(path: Path) -> NDArray[Any]:
        size = int(np.prod(shape[2:])) * np.dtype(dtype).itemsize
        content = path.read_bytes()[skip:]
        frames = [
            np.frombuffer(content[k * (before + size + after) + before :][:size], dtype)
            for k in range(shape[0] * shape[1])
        ]
        return np.array(frames).reshape(shape)

    return read


def flipped(values: Values) -> Values:
    """Return a read whose rows of pixels are turned upside down, as Merlin and TIA store them."""
    return lambda path: values(path)[:, :, ::-1]


def beside(name: str, values: Values) -> Values:
    """Return a read of another file in the same folder."""
    return lambda path: values(path.with_name(name))


def hdf5(address: str, shape: tuple[int, ...]) -> Values:
    """Return a read of an HDF5 dataset."""

    def read(path: Path) -> NDArray[Any]:
        with h5py.File(path) as file:
            return np.asarray(file[address][()]).reshape(shape)

    return read


def numbered(group: str, shape: tuple[int, ...]) -> Values:
    """Return a read of datasets 0/Data, 1/Data … of a group."""

    def read(path: Path) -> NDArray[Any]:
        with h5py.File(path) as file:
            return np.array([file[f"{group}/{k}/Data"][()] for k in range(shape[0] * shape[1])]).reshape(shape)

    return read


def placed(shape: tuple[int, int, int, int], dtype: str) -> Values:
    """Return a read of a Direct Electron movie of 16-bit frames whose positions x,y are listed beside it."""

    def read(path: Path) -> NDArray[Any]:
        lines = path.with_name(path.name.replace("_movie.mrc", "_scan_coordinates.csv")).read_text().split()
        frames = np.frombuffer(path.read_bytes()[1024:], "<u2").reshape(-1, *shape[2:])
        out = np.zeros(shape, dtype)
        for line, frame in zip(lines, frames, strict=True):
            x, y = map(int, line.split(","))
            out[y, x] += frame
        return out

    return read


def stream(shape: tuple[int, int, int, int], parts: tuple[str, ...] = ()) -> Values:
    """Return a read of TVIPS frames of 16 bits behind 60 bytes each, the first file with a header of 256 bytes."""

    def read(path: Path) -> NDArray[Any]:
        content = path.read_bytes()[256:] + b"".join(path.with_name(part).read_bytes() for part in parts)
        record = 60 + shape[2] * shape[3] * 2
        frames = [np.frombuffer(content[k * record + 60 : (k + 1) * record], "<u2") for k in range(shape[0] * shape[1])]
        return np.array(frames).reshape(shape)

    return read


_TIA = "16x16-diffraction_imagel_5x5x256x256_EDS"
_TIA_CALIBRATION = {"inv_angstrom_per_px": 0.0174353, "scan_step_nm": 1.8739, "energy_keV": 200}
_TIA_VALUES = flipped(raw("<i4", (5, 5, 256, 256), skip=526, before=50, after=24))
_SI = "/4DSTEM_simulation/data/datacubes/CBED_array_depth000{}/datacube"
_APP5 = "18d9446f-22bf-4fb1-8d13-338174e75d20/3526f008-a687-41fb-a21e-c21362241492"
_SPLIT = ("test_tvips_2345_split_001.tvips", "test_tvips_2345_split_002.tvips")
_MERLIN_4X2 = flipped(raw("u1", (2, 4, 256, 256), before=384))

CASES: tuple[Opens | Refused, ...] = (
    Refused("001_4x2_6bit.hdr", "open the measurement itself, 001_4x2_6bit.mib"),
    Opens("001_4x2_6bit.mib", (2, 4, 256, 256), "uint8", _MERLIN_4X2),
    Opens(
        "001_4x2_6bit.mib",
        (4, 2, 256, 256),
        "uint8",
        lambda p: _MERLIN_4X2(p).reshape(4, 2, 256, 256),
        {},
        {"scan_shape": (4, 2)},
    ),
    Refused("001_4x2_6bit.mib", "needs 4 patterns, but there are 8", {"scan_shape": (2, 2)}),
    Refused("002_4x2_6bit_roi128.hdr", "002_4x2_6bit_roi128.mib"),
    Opens("002_4x2_6bit_roi128.mib", (2, 4, 128, 256), "uint8", flipped(raw("u1", (2, 4, 128, 256), before=384))),
    Opens(
        "Single_9_Frame_CounterDepth_12_Rows_256.mib",
        (3, 3, 256, 256),
        "uint16",
        flipped(raw(">u2", (3, 3, 256, 256), before=384)),
    ),
    Refused(
        "Single_9_Frame_CounterDepth_12_Rows_256.mib", "needs 12 patterns, but there are 9", {"scan_shape": (4, 3)}
    ),
    Refused("Single_9_Frame_CounterDepth_12_Rows_256.hdr", "Single_9_Frame_CounterDepth_12_Rows_256.mib"),
    Refused("Single_9_Frame_CounterDepth_1_Rows_256RAW.hdr", "256RAW.mib"),
    Refused("Single_9_Frame_CounterDepth_1_Rows_256RAW.mib", "raw mode .* convert it"),
    Opens(f"{_TIA}.emi", (5, 5, 256, 256), "int32", beside(f"{_TIA}_2.ser", _TIA_VALUES), _TIA_CALIBRATION),
    Opens(f"{_TIA}_2.ser", (5, 5, 256, 256), "int32", _TIA_VALUES, _TIA_CALIBRATION),
    Refused(f"{_TIA}_1.ser", "holds spectra.*open the other .ser, or the .emi"),
    Refused("Si100_4D.emd", r"2 arrays can be the scan; choose one"),
    *(
        Opens(
            "Si100_4D.emd",
            (11, 11, 8, 8),
            "float32",
            hdf5(_SI.format(depth), (11, 11, 8, 8)),
            {"inv_angstrom_per_px": 1 / 5.43, "scan_step_nm": 0.05, "centre_px": (4, 4)},
            {"dataset": _SI.format(depth)},
        )
        for depth in (0, 1)
    ),
    Refused("de_mrc/20241021_00405_0_Virt 0_sum.mrc", "is one image.*20241021_00405_movie.mrc"),
    Refused("de_mrc/20241021_00405_1_Virt 1_sum.mrc", "is one image.*20241021_00405_movie.mrc"),
    Refused("de_mrc/20241021_00405_ext1_Ext 1.mrc", "is one image.*20241021_00405_movie.mrc"),
    Refused("de_mrc/20241021_00405_final.mrc", "is one image.*20241021_00405_movie.mrc"),
    Refused("de_mrc/20241021_00405_info.txt", "open that itself, 20241021_00405_movie.mrc"),
    Opens(
        "de_mrc/20241021_00405_movie.mrc",
        (4, 8, 4, 8),
        "uint16",
        raw("<u2", (4, 8, 4, 8), skip=1024),
        {"scan_step_nm": (0.2, 0.1), "energy_keV": 300},
    ),
    Refused("de_mrc/20241021_00405_movie.mrc", "needs 16 patterns, but there are 32", {"scan_shape": (4, 4)}),
    Refused("de_mrc/3DSTEM_scan_info.txt", "belongs to a movie, 3DSTEM_scan_movie.mrc, which is not beside it"),
    Refused("de_mrc/3DTEMDiffracting_scan_info.txt", "3DTEMDiffracting_scan_movie.mrc, which is not beside it"),
    Refused("de_mrc/3DTEM_scan_info.txt", "3DTEM_scan_movie.mrc, which is not beside it"),
    Refused("de_mrc/info.txt", "the format is not known"),
    Refused("de_mrc/Custom_info.txt", "open that itself, Custom_movie.mrc"),
    Refused("de_mrc/Custom_scan_coordinates.csv", "open that itself, Custom_movie.mrc"),
    Opens("de_mrc/Custom_movie.mrc", (5, 5, 16, 16), "uint32", placed((5, 5, 16, 16), "u4"), {"energy_keV": 300}),
    Opens(
        "de_mrc/Custom_movie.mrc",
        (5, 6, 16, 16),
        "uint16",
        raw("<u2", (5, 6, 16, 16), skip=1024),
        {"energy_keV": 300},
        {"scan_shape": (5, 6)},
    ),
    Refused("de_mrc/ROI_Random_Scan_info.txt", "open that itself, ROI_Random_Scan_movie.mrc"),
    Refused("de_mrc/ROI_Random_Scan_scan_coordinates.csv", "open that itself, ROI_Random_Scan_movie.mrc"),
    Opens(
        "de_mrc/ROI_Random_Scan_movie.mrc",
        (29, 12, 16, 16),
        "uint16",
        placed((29, 12, 16, 16), "u2"),
        {"energy_keV": 300},
    ),
    Refused("de_mrc/ROI_Random_Scan_Sum.mrc", "is one image of 29×12"),
    Refused("de_mrc/HAADFscan.mrc", "is one image of 16×16"),
    Opens(
        "empad/map4x4.xml",
        (4, 4, 128, 128),
        "float32",
        beside("scan_x4_y4.raw", raw("<f4", (4, 4, 128, 128), after=1024)),
        {"scan_step_nm": 1141.5857, "energy_keV": 300},
    ),
    Refused("empad/scan_x4_y4.raw", "is described by map4x4.xml; open that"),
    Refused("empad/series_x10.raw", "is described by stack_images.xml; open that"),
    Refused("empad/stack_images.xml", r"10 patterns in a row.*\(2, 5\)"),
    Opens(
        "empad/stack_images.xml",
        (2, 5, 128, 128),
        "float32",
        beside("series_x10.raw", raw("<f4", (2, 5, 128, 128), after=1024)),
        {},
        {"scan_shape": (2, 5)},
    ),
    Refused("empad/EMPAD_v1.2.2_x32_y64_size0.8.xml", "scan_x32_y64.raw, which is not there; copy"),
    Refused("example2_v3.1.hspy", "not a scan(.|\n)*16×16(.|\n)*that is an image"),
    Opens(
        "subset_data.hspy",
        (2, 2, 256, 256),
        "uint16",
        hdf5("Experiments/__unnamed__/data", (2, 2, 256, 256)),
        {"inv_angstrom_per_px": 0.01261, "scan_step_nm": 2, "centre_px": (128, 128)},
    ),
    Opens("fpd_file_test.hdf5", (2, 2, 256, 256), "uint16", hdf5("fpd_expt/fpd_data/data", (2, 2, 256, 256))),
    Refused("panta_rhei_sample.prz", "is one image of 16×16, not a scan"),
    Opens(
        "py4DSTEM_size2x3x4x5.h5",
        (2, 3, 4, 5),
        "float32",
        hdf5("datacube_root/datacube/data", (2, 3, 4, 5)),
        {"inv_angstrom_per_px": 0.0442516, "scan_step_nm": 0.126797},
    ),
    Refused("test-10.dm4", "not a scan(.|\n)*2×2×2(.|\n)*give scan_shape"),
    Opens("test-10.dm4", (1, 2, 2, 2), "uint16", raw("<u2", (1, 2, 2, 2), skip=23117), {}, {"scan_shape": (1, 2)}),
    Opens(
        "test1.blo",
        (3, 2, 144, 144),
        "uint8",
        raw("u1", (3, 2, 144, 144), skip=4112, before=6),
        {"scan_step_nm": 12.8, "energy_keV": 200},
    ),
    Refused("test_00.h5", "open that itself, test_00_master.h5"),
    Refused("test_00_data_000001.h5", "open its master, test_00_master.h5, beside it"),
    Opens(
        "test_00_master.h5",
        (4, 4, 192, 192),
        "uint32",
        beside("test_00_data_000001.h5", hdf5("entry/data/data", (4, 4, 192, 192))),
        {"energy_keV": 300},
    ),
    Refused("test_arina_data_000001.h5", "open its master, test_arina_master.h5, beside it"),
    Opens(
        "test_arina_master.h5",
        (4, 4, 24, 24),
        "uint32",
        beside("test_arina_data_000001.h5", hdf5("entry/data/data", (4, 4, 24, 24))),
        {"energy_keV": 200},
    ),
    Opens("test_tvips_2233_000.tvips", (2, 2, 3, 3), "uint16", stream((2, 2, 3, 3)), {"energy_keV": 200}),
    Refused("test_tvips_2345_000.tvips", r"6 patterns in a row.*\(2, 3\)"),
    Refused("test_tvips_2345_000.tvips", "needs 4 patterns, but there are 6", {"scan_shape": (2, 2)}),
    Opens(
        "test_tvips_2345_000.tvips",
        (2, 3, 4, 5),
        "uint16",
        stream((2, 3, 4, 5)),
        {"energy_keV": 200},
        {"scan_shape": (2, 3)},
    ),
    Opens(
        "test_tvips_2345_split_000.tvips",
        (2, 3, 4, 5),
        "uint16",
        stream((2, 3, 4, 5), _SPLIT),
        {"energy_keV": 200},
        {"scan_shape": (2, 3)},
    ),
    Refused("test_tvips_2345_split_000.tvips", r"6 patterns in a row.*\(2, 3\)"),
    Refused("test_tvips_2345_split_001.tvips", "open its first file, test_tvips_2345_split_000.tvips"),
    Refused("test_tvips_2345_split_002.tvips", "open its first file, test_tvips_2345_split_000.tvips"),
    Opens(
        "topspin_test_B.app5",
        (3, 7, 31, 26),
        "float32",
        numbered(_APP5, (3, 7, 31, 26)),
        {"inv_angstrom_per_px": 0.0055807, "scan_step_nm": 5, "energy_keV": 300},
    ),
)
